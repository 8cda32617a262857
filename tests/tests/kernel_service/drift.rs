//! What others do to the kernel: our tables flushed by hand, edited, or kept from us; tables beside ours.

use std::time::{Duration, Instant};

use firewall_tests::Failure;
use firewall_tests::namespace::run;
use firewall_tests::service::{Node, Running, generation};
use serde_json::Value;

use super::{CLUSTER, CLUSTER_FW, HOST_FW, clean, host, node, probe, rule, times};

fn n_repairs(status: &Value) -> u64 {
    status["drift"]["n_repairs"].as_u64().unwrap_or(0)
}

/// Does something to the tables and waits for the repair.
fn repaired(node: &Node, service: &Running, what: &str) -> Result<Value, Failure> {
    let before = n_repairs(&service.status()?);
    node.nft(what)?;
    let status = service.until("a repair", |status| n_repairs(status) > before)?;
    Ok(status["drift"].clone())
}

#[test]
fn flushed_by_hand_the_tables_are_back_at_once() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let before = node.nft("-s list ruleset")?;
    let (mut windows, mut passed, mut lost) = (Vec::new(), 0, 0);
    for _ in 0..30 {
        let drift = repaired(&node, &service, "flush ruleset")?;
        windows.push(drift["window_us"].as_u64().ok_or("no window")?);
        assert!(drift["what"].as_str().is_some_and(|what| what.contains("nft (process")), "{drift}");
        assert!(drift["what"].as_str().is_some_and(|what| what.contains("removed 1 table")), "{drift}");
        let counts = probe.look();
        passed += counts.forbidden;
        lost += counts.lost;
    }
    assert_eq!(node.nft("-s list ruleset")?, before);
    times("flushed by hand, notification to repair", windows);
    println!("flushed by hand 30 times: {passed} forbidden packets passed, {lost} allowed ones lost");
    assert_eq!(lost, 0);
    clean(probe.look(), "after the repairs");
    Ok(())
}

#[test]
fn an_edit_is_undone_and_told() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let before = node.nft("-s list ruleset")?;
    let drift = repaired(&node, &service, "insert rule inet proxmox-firewall input accept")?;
    assert!(drift["what"].as_str().is_some_and(|what| what.contains("made 1 rule")), "{drift}");
    assert_eq!(node.nft("-s list ruleset")?, before);
    Ok(())
}

/// Nobody listens while a large change is written.
#[test]
fn an_edit_in_the_middle_of_a_large_change_is_undone_and_told() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let number = generation(&service.status()?);
    let many: String = (1..1500).map(|port| format!("IN ACCEPT -p tcp -dport {port}\n")).collect();
    node.fault("wait sending")?;
    node.write(HOST_FW, &host(&many))?;
    let began = Instant::now();
    while node.fault_now() != "waiting sending" {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing is sent");
    }
    node.nft("insert rule inet proxmox-firewall input accept")?;
    node.fault("")?;
    service.until_newer(number)?;
    let status = service.until("a repair", |status| n_repairs(status) > 0)?;
    let what = &status["drift"]["what"];
    assert!(what.as_str().is_some_and(|what| what.contains("while much was written")), "{what}");
    let held = node.nft("-s list chain inet proxmox-firewall input")?;
    assert!(!held.lines().any(|line| line.trim() == "accept"), "{held}");
    let rules = node.nft("-s list chain inet proxmox-firewall host-in")?;
    assert_eq!(rules.matches("tcp dport").count(), 1499);
    Ok(())
}

#[test]
fn connections_of_the_window_are_new_again() -> Result<(), Failure> {
    let node = node()?;
    // Something of others keeps tracking on while our tables are gone.
    node.nft("add table ip others")?;
    node.nft("add chain ip others prerouting { type filter hook prerouting priority 100 ; }")?;
    node.nft("add rule ip others prerouting ct state established counter")?;
    let mut service = node.start()?;
    let _probe = probe()?;
    let tracked = || run("conntrack", &["-L", "-p", "udp", "--dport", "7001"], "");
    assert!(!tracked()?.contains("dport=7001"), "forbidden packets leave no entry");
    // The service is not there to repair at once.
    service.kill();
    node.nft("delete table inet proxmox-firewall")?;
    let began = Instant::now();
    while !tracked()?.contains("dport=7001") {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing passed while there were no tables");
    }
    let service = node.start()?;
    let began = Instant::now();
    while tracked()?.contains("dport=7001") {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", tracked()?);
    }
    drop(service);
    Ok(())
}

#[test]
fn a_kernel_that_refuses_keeps_the_old_rules() -> Result<(), Failure> {
    let node = node()?;
    node.write(HOST_FW, &rule(4711))?;
    let service = node.start()?;
    let probe = probe()?;
    let before = node.nft("-s list ruleset")?;
    let with_group = format!("{CLUSTER}\n[group unwanted]\n\nIN ACCEPT -p tcp -dport 4713\n");
    // The name of a chain, in scripts and in messages.
    node.fault("refuse group-unwanted")?;
    node.write(CLUSTER_FW, &with_group)?;
    let status = service.until("the refusal", |status| status["candidate"]["obstacle"] == "refused")?;
    assert_eq!(status["state"], "failed");
    assert!(!status["candidate"]["details"].as_array().is_some_and(Vec::is_empty), "{status:#}");
    assert_eq!(node.nft("-s list ruleset")?, before);
    clean(probe.look(), "refused by the kernel");
    // Another change is judged for itself.
    let number = generation(&status);
    node.write(CLUSTER_FW, CLUSTER)?;
    service.until("nothing refused", |status| status["candidate"].is_null())?;
    node.write(HOST_FW, &rule(4712))?;
    let number = service.until_newer(number)?;
    node.fault("")?;
    node.write(CLUSTER_FW, &with_group)?;
    service.until_newer(number)?;
    clean(probe.look(), "taken by the kernel");
    Ok(())
}

#[test]
fn what_our_batch_may_not_write_libnftables_writes_for_us() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let number = generation(&service.status()?);
    // In messages a port is two bytes in network order; scripts have it in digits.
    let port = u16::from_be_bytes(*b"AB");
    node.fault("refuse AB")?;
    node.write(HOST_FW, &rule(port))?;
    service.until_newer(number)?;
    let status = service.status()?;
    assert_eq!(status["generation"]["writer"], "libnftables");
    node.fault("")?;
    // Another change is after whatever notices there were.
    node.write(HOST_FW, &rule(4712))?;
    service.until_newer(generation(&status))?;
    let status = service.status()?;
    assert_eq!((&status["generation"]["writer"], &status["drift"]), (&"netlink".into(), &Value::Null));
    Ok(())
}

#[test]
fn large_scripts_are_written_by_a_process_of_their_own() -> Result<(), Failure> {
    let node = node()?;
    let many: String = (0..1500).map(|n| format!("IN ACCEPT -p tcp -dport {}\n", 20_000 + n)).collect();
    node.write(HOST_FW, &host(&many))?;
    let service = node.start()?;
    let number = generation(&service.status()?);
    let memory_kib = || {
        let text = std::fs::read_to_string(format!("/proc/{}/status", service.pid()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        Ok::<u64, Failure>(line.trim_end_matches("kB").trim().parse()?)
    };
    let before_kib = memory_kib()?;
    let port = u16::from_be_bytes(*b"AB");
    node.fault("refuse AB")?;
    node.write(HOST_FW, &host(&format!("{many}IN ACCEPT -p tcp -dport {port}\n")))?;
    let number = service.until_newer(number)?;
    assert_eq!(service.status()?["generation"]["writer"], "libnftables");
    assert!(node.nft("list ruleset")?.contains(&format!("tcp dport {port} ")));
    println!("1,500 rules as text: the service has grown by {} KiB", memory_kib()? - before_kib);
    // What is refused there is told as it is here.
    node.fault("refuse group-unwanted")?;
    node.write(CLUSTER_FW, &format!("{CLUSTER}\n[group unwanted]\n\nIN ACCEPT -p tcp -dport 4713\n"))?;
    let status = service.until("the refusal", |status| status["candidate"]["obstacle"] == "refused")?;
    assert_eq!(generation(&status), number);
    let details = status["candidate"]["details"].to_string();
    assert!(details.contains("No such file or directory"), "{details}");
    Ok(())
}

#[test]
fn chains_of_others_that_decide_about_our_packets_are_told() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    assert_eq!(service.status()?["warnings"].to_string().matches("decides").count(), 0);
    node.nft("add table inet theirs")?;
    node.nft("add chain inet theirs first { type filter hook input priority -50 ; policy drop ; }")?;
    let is_told =
        |status: &Value| status["warnings"].to_string().contains("chain first of table inet theirs");
    service.until("a warning", is_told)?;
    node.nft("delete table inet theirs")?;
    service.until("no warning", |status| !is_told(status))?;
    assert!(service.status()?["drift"].is_null(), "tables of others are theirs");
    Ok(())
}
