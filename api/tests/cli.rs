//! The binary on the example cluster: what it prints, how it exits.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn cluster() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cluster")
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proxmox-firewall"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .expect("the binary was built")
}

/// On the example, with its facts.
fn example(arguments: &[&str]) -> Output {
    let (root, facts) = (cluster(), cluster().join("facts.json"));
    let mut all = vec!["--root", root.to_str().expect("UTF-8"), "--facts", facts.to_str().expect("UTF-8")];
    all.extend_from_slice(arguments);
    run(&all)
}

/// Standard output, after the exit code has been found right.
fn printed(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "standard error: {stderr}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// `BLESS=1 cargo test` rewrites the file.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("has a folder")).expect("can be made");
        std::fs::write(&path, found).expect("can be written");
    }
    let wanted = std::fs::read_to_string(&path).expect("is there (BLESS=1 makes it)");
    assert_eq!(found, wanted, "{name} changed; BLESS=1 if that is right");
}

#[test]
fn check_points_at_both_mistakes() {
    golden("check.txt", &printed(&example(&["check"]), 1));
}

#[test]
fn a_process_for_scripts_answers_in_json() {
    let ran = |script: &str| -> Value {
        let program = Command::new(env!("CARGO_BIN_EXE_proxmox-firewall"));
        let mut inside = Command::new("unshare");
        inside.arg("--net").arg(program.get_program()).args(["run-script", "check"]);
        let pipes = inside.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the binary was built");
        let text = format!("{}\n{script}", script.len());
        child.stdin.take().expect("is piped").write_all(text.as_bytes()).expect("it reads");
        let answer = printed(&child.wait_with_output().expect("it ends"), 0);
        serde_json::from_str(&answer).expect("JSON")
    };
    assert_eq!(ran("add table inet x\n")["rejected"], Value::Null);
    let refused = &ran("add table inet x\nadd rule inet x y accept\n")["rejected"]["errors"][0];
    assert_eq!(refused["line"], 2);
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("No such file")), "{refused}");
}

#[test]
fn check_against_the_classic_firewall() {
    golden("check-against-classic.txt", &printed(&example(&["check", "--against-classic"]), 1));
    let text = printed(&example(&["check", "--against-classic", "--json"]), 1);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let notes = report["against_classic"].as_array().expect("a list");
    assert!(notes.iter().any(|note| note["id"] == "S41" && note["line"] == 3), "{text}");
}

#[test]
fn check_as_json_has_positions() {
    let report: Value = serde_json::from_str(&printed(&example(&["check", "--json"]), 1)).expect("JSON");
    assert_eq!(report["node"], "pve1");
    assert_eq!(report["counts"]["error"], 2);
    assert_eq!(report["features"], Value::Null);
    let first = &report["diagnostics"][0];
    assert_eq!(first["code"], "R025");
    let text = first["text"].as_str().expect("a line");
    let (column, end) =
        (first["column"].as_u64().expect("a number"), first["end_column"].as_u64().expect("a number"));
    assert_eq!(&text[column as usize - 1..end as usize - 1], "dc/backups");
}

#[test]
fn colour_only_when_asked_for() {
    assert!(!printed(&example(&["check"]), 1).contains('\u{1b}'));
    assert!(printed(&example(&["check", "--color", "always"]), 1).contains('\u{1b}'));
}

#[test]
fn compile_prints_two_tables_as_text_and_json() {
    let text = printed(&example(&["compile"]), 0);
    assert!(
        text.contains("table inet proxmox-firewall {")
            && text.contains("table bridge proxmox-firewall-guests {")
    );
    let json: Value =
        serde_json::from_str(&printed(&example(&["compile", "--format", "json"]), 0)).expect("JSON");
    assert!(json["nftables"].as_array().is_some_and(|commands| commands.len() > 100));
}

#[test]
fn compile_obeys_the_reject_mode() {
    let rejects =
        |mode| printed(&example(&["compile", "--reject-mode", mode]), 0).contains("chain guest-100-reject {");
    assert!(rejects("prerouting"));
    assert!(!rejects("drop"));
}

#[test]
fn a_tree_without_facts_gives_the_same_verdicts() {
    let packet = "outside vm100 tcp 198.51.100.7:51000 > 192.0.2.100:8080";
    let root = cluster();
    let output = run(&["--root", root.to_str().expect("UTF-8"), "simulate", packet]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("assuming that all guests of pve1 run"));
    assert!(printed(&output, 0).contains("verdict: reject with tcp reset"));
}

#[test]
fn simulate_names_the_line_that_decided() {
    for (packet, verdict, cause) in [
        ("outside vm100 tcp 198.51.100.7:51000 > 192.0.2.100:8080", "reject", "cluster.fw:46: IN REJECT"),
        (
            "outside vm100 tcp 198.51.100.7:51000 > 192.0.2.100:443",
            "accept",
            "cluster.fw:45: IN HTTPS(ACCEPT)",
        ),
        ("vm100 outside tcp 192.0.2.100:51000 > 198.51.100.7:25", "reject", "100.fw:13: OUT REJECT"),
        ("vm101 outside tcp 192.0.2.66:51000 > 192.0.2.200:53", "drop", "101.fw:6: ipfilter: 1"),
        (
            "vm102 outside tcp 10.20.0.102:51000 > 203.0.113.9:25",
            "drop",
            "tenant1.fw:4: policy_forward: DROP",
        ),
    ] {
        let text = printed(&example(&["simulate", packet]), 0);
        assert!(text.contains(&format!("verdict: {verdict}")), "{packet}\n{text}");
        let because = text.lines().last().unwrap_or_default();
        assert!(because.starts_with("because of ") && because.contains(cause), "{packet}\n{text}");
    }
}

#[test]
fn simulate_as_json() {
    let packet = "outside host tcp 203.0.113.66:51000 > 192.0.2.11:22";
    let text = printed(&example(&["simulate", "--json", "--all", packet]), 0);
    let trace: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(trace["verdict"], "drop");
    assert_eq!(trace["decided_by"]["chain"], "blacklist");
    assert!(trace["steps"].as_array().is_some_and(|steps| steps.iter().any(|step| step["matched"] == false)));
}

#[test]
fn localnet_in_the_classic_order() {
    golden("localnet.txt", &printed(&example(&["localnet"]), 0));
}

#[test]
fn mistakes_of_usage_and_of_the_world_are_2() {
    printed(&run(&["no-such-command"]), 2);
    printed(&run(&["--root", "/nonexistent", "check"]), 2);
    printed(&run(&["--root", env!("CARGO_MANIFEST_DIR"), "check"]), 2);
    let facts = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let output = run(&["--facts", facts.to_str().expect("UTF-8"), "check"]);
    printed(&output, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not read the facts file"));
    let output = example(&["simulate", "outside host tcp 1.2.3.4:1"]);
    printed(&output, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not read the packet"));
}

#[test]
fn completions_and_manual_know_every_command() {
    for text in [printed(&run(&["completions", "bash"]), 0), printed(&run(&["man"]), 0).to_lowercase()] {
        for command in [
            "compile", "check", "simulate", "test", "load", "list", "flush", "restore", "skeleton",
            "localnet",
        ] {
            assert!(text.contains(command), "{command}");
        }
    }
}

#[test]
fn test_vectors_pass_and_fail() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors.json");
    let output = example(&["test", path.to_str().expect("UTF-8")]);
    let text = printed(&output, 1);
    assert!(text.contains("FAILED wrong-on-purpose: expected drop, got accept"), "{text}");
    assert!(text.ends_with("4 passed, 1 failed\n"), "{text}");
}

/// In a network namespace of its own. This kernel may lack what the bridge family needs; then that is said first.
#[test]
fn load_list_flush() {
    let binary = env!("CARGO_BIN_EXE_proxmox-firewall");
    let root = cluster();
    let script = format!(
        "b='{binary} --root {root} --facts {root}/facts.json'; $b load; echo load $?; $b list --summary; $b list; \
         $b list --json | grep -c '\"origin\"'; $b flush; $b list --summary",
        root = root.display()
    );
    let output = Command::new("unshare").args(["--net", "sh", "-c", &script]).output().expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().unwrap_or_default();
    assert!(first.contains("NOT PROTECT") || text.contains("load 0"), "{text}\n{output:?}");
    assert!(text.contains("table inet proxmox-firewall: 1 table"), "{text}\n{output:?}");
    assert!(text.contains("# /etc/pve/nodes/pve1/host.fw:"), "{text}");
    assert!(text.contains("removed table inet proxmox-firewall\n"), "{text}");
    assert!(text.trim_end().ends_with("table bridge proxmox-firewall-guests is not there"), "{text}");
}

/// As on a node: files below `/`, interfaces and addresses from the kernel, in namespaces of their own.
#[test]
fn facts_of_the_running_system() {
    let script = format!(
        "set -e; mount -t tmpfs etc /etc; cp -r {root}/etc/. /etc/; hostname pve1.example.org; b={binary}
         ip link set lo up; ip link add vmbr0 type bridge; ip addr add 192.0.2.11/24 dev vmbr0
         ip link set vmbr0 up; ip link add eno1 type veth peer name far; ip link set eno1 master vmbr0 up
         ip link property add dev eno1 altname enp3s0
         ip link add tap100i0 type veth peer name far100; ip link set tap100i0 master vmbr0 up
         $b localnet; $b simulate 'outside host tcp 192.0.2.50:1 > 192.0.2.11:8006'
         $b check --json || true",
        root = cluster().display(),
        binary = env!("CARGO_BIN_EXE_proxmox-firewall")
    );
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--uts", "sh", "-c", &script])
        .output()
        .expect("unshare runs");
    let text = printed(&output, 0);
    assert!(text.starts_with("local hostname: pve1\nlocal IP address: 192.0.2.11\n"), "{text}");
    assert!(text.contains("using detected local_network: 192.0.2.0/24"), "{text}");
    assert!(text.contains("verdict: accept"), "{text}");
    let report: Value = serde_json::from_str(&text[text.find("\n{\n").expect("JSON")..]).expect("JSON");
    assert!(report["features"].as_array().is_some_and(|features| !features.is_empty()), "{text}");
}

/// Where pmxcfs is not mounted its mount point is empty: that is not a configuration in which the firewall is off.
#[test]
fn an_empty_mount_point_is_no_configuration() {
    let script =
        format!("mount -t tmpfs etc /etc; mkdir /etc/pve; {} load", env!("CARGO_BIN_EXE_proxmox-firewall"));
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", &script])
        .output()
        .expect("unshare runs");
    printed(&output, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no cluster file system at /etc/pve"));
}
