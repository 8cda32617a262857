//! What the tests' kernel must offer before any of our rulesets can be judged by it: the bridge expressions that other
//! kernels may lack, loaded by the machine's nft and by nft 1.1.3.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::process::{Command, Stdio};

/// Connection state, interface metadata and answers, each in the hook where the guests' table needs it.
const BRIDGE: &str = r#"
table bridge features {
    chain prerouting {
        type filter hook prerouting priority -200; policy accept
        ct state established,related accept
        meta ibrname "vmbr0" tcp dport 22 reject with tcp reset
    }
    chain forward {
        type filter hook forward priority 0; policy accept
        ct state invalid drop
    }
}
"#;

/// Runs `nft -f -` on a script and gives what it said when it refused.
fn load(nft: &OsStr, script: &str) -> Result<(), Box<dyn Error>> {
    let mut child =
        Command::new(nft).args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

/// Loads the table and takes it away again.
fn load_and_remove(nft: &OsStr) -> Result<(), Box<dyn Error>> {
    load(nft, BRIDGE)?;
    load(nft, "delete table bridge features")
}

#[test]
fn the_machines_nft_loads_bridge_conntrack_reject_and_meta() -> Result<(), Box<dyn Error>> {
    load_and_remove(OsStr::new("nft"))
}

#[test]
fn nft_1_1_3_loads_bridge_conntrack_reject_and_meta() -> Result<(), Box<dyn Error>> {
    let nft: OsString = std::env::var_os("NFT113").ok_or("NFT113 is not set; run tests/vm/suite")?;
    load_and_remove(&nft)
}
