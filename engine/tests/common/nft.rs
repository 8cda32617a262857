//! Runs `nft` in a network namespace that exists for one call only: the installed one, or the one that the environment
//! variable `NFT` names.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Loads `input` into an empty namespace and lists what the kernel then holds: as JSON and as text.
///
/// Panics with the messages of nft if it refuses, or if there can be no namespace: a test that cannot ask the kernel
/// has not passed.
pub(crate) fn load_and_list(input: &str, input_is_json: bool) -> (serde_json::Value, String) {
    let nft = program();
    let load = format!("{nft} {} -f -", if input_is_json { "-j" } else { "" });
    let script = format!("{load} && {nft} -j list ruleset && {nft} list ruleset");
    let mut child = Command::new("unshare")
        .args(["--net", "--", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare and sh are installed");
    let mut stdin = child.stdin.take().expect("piped above");
    // A refusal to read shows in the status below.
    let _ = stdin.write_all(input.as_bytes());
    std::mem::drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    let stdout = String::from_utf8(output.stdout).expect("nft writes UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{load} in a namespace: {stderr}\n{stdout}\ninput:\n{input}");
    let (json, text) = stdout.split_once('\n').expect("the JSON listing is one line");
    (serde_json::from_str(json).expect("nft lists JSON"), text.to_owned())
}

fn program() -> String {
    std::env::var("NFT").unwrap_or_else(|_| "nft".to_owned())
}

/// Whether this kernel has connection tracking, reject and meta for bridges.
pub(crate) fn has_bridge_modules() -> bool {
    let rules = ["ct state new", "reject", "meta ibrname br0"];
    let adds = rules.map(|rule| format!("add rule bridge x c {rule};")).concat();
    let script = format!(
        "add table bridge x; add chain bridge x c {{ type filter hook prerouting priority 0; }}; {adds}"
    );
    let status = Command::new("unshare").args(["--net", "--", "nft", &script]).stderr(Stdio::null()).status();
    status.expect("unshare is installed").success()
}

/// Runs one test of this program again, in a virtual machine with Debian's kernel.
pub(crate) fn test_on_debian_kernel(test: &str) {
    let vm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vm/run");
    let program = std::env::current_exe().expect("a running program has a path");
    let mut command = Command::new(&vm);
    command
        .args(["-t", "200", "-k", "6.12", "--", "env", IN_VM, &format!("NFT={}", self::program())])
        .arg(program)
        .args(["--exact", test, "--nocapture"]);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", vm.display()));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
}

/// Keeps a kernel that lacks the modules from starting machine after machine.
const IN_VM: &str = "TEST_IN_VM=1";

/// Whether this is already the virtual machine.
pub(crate) fn is_in_vm() -> bool {
    std::env::var_os("TEST_IN_VM").is_some()
}
