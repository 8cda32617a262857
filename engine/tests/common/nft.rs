//! Runs `nft` in a network namespace that exists for one call only: the installed one, or the one that the environment
//! variable `NFT` names.

use std::path::Path;
use std::process::{Command, Stdio};

/// Loads `input` into an empty namespace and lists what the kernel then holds: as JSON and as text.
///
/// Panics with the messages of nft if it refuses, or if there can be no namespace: a test that cannot ask the kernel
/// has not passed.
pub(crate) fn load_and_list(input: &str, input_is_json: bool) -> (serde_json::Value, String) {
    load_all_and_list(&[input], if input_is_json { "-j" } else { "" })
}

/// As [`load_and_list`] with several transactions, one after the other.
pub(crate) fn load_all_and_list(inputs: &[&str], options: &str) -> (serde_json::Value, String) {
    let nft = program();
    let load = format!("printf %s \"$input\" | {nft} {options} -f -");
    let script = format!("for input; do {load} || exit; done; {nft} -j list ruleset && {nft} list ruleset");
    let output = Command::new("unshare")
        .args(["--net", "--", "sh", "-c", &script, "sh"])
        .args(inputs)
        .output()
        .expect("unshare and sh are installed");
    let stdout = String::from_utf8(output.stdout).expect("nft writes UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let all = inputs.join("\n");
    assert!(output.status.success(), "{load} in a namespace: {stderr}\n{stdout}\ninput:\n{all}");
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
