//! Files that cannot be read, are half written, or are gone with their file system.

use std::io::Write;

use firewall_tests::Failure;
use firewall_tests::namespace::run;
use firewall_tests::service::generation;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::{CLUSTER, CLUSTER_FW, HOST_FW, clean, host, node, probe, rule};

#[test]
fn what_cannot_be_read_changes_nothing() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let before = node.nft("-s list ruleset")?;
    // At once: without the file, if only for a moment, the firewall is off.
    let aside = "/etc/pve/aside";
    std::fs::create_dir(aside)?;
    let exchange = || renameat2(AT_FDCWD, aside, AT_FDCWD, CLUSTER_FW, RenameFlags::RENAME_EXCHANGE);
    exchange()?;
    service.until("it is told", |status| status["candidate"]["obstacle"] == "unreadable")?;
    assert_eq!(node.nft("-s list ruleset")?, before);
    // A restart knows no more than that either.
    drop(service);
    let service = node.start()?;
    assert_eq!(node.nft("-s list ruleset")?, before);
    clean(probe.look(), "unreadable cluster.fw");
    exchange()?;
    service.until("all is well", |status| status["candidate"].is_null())?;
    assert_eq!(node.nft("-s list ruleset")?, before);
    clean(probe.look(), "readable again");
    Ok(())
}

#[test]
fn what_is_half_written_is_not_read() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let before = node.nft("-s list ruleset")?;
    let number = generation(&service.status()?);
    let mut file = std::fs::File::create(HOST_FW)?;
    let text = rule(4711);
    for part in text.as_bytes().chunks(7) {
        file.write_all(part)?;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(node.nft("-s list ruleset")?, before);
    assert_eq!(generation(&service.status()?), number);
    drop(file);
    service.until_newer(number)?;
    assert!(node.nft("list ruleset")?.contains("tcp dport 4711"));
    clean(probe.look(), "half-written host.fw");
    Ok(())
}

#[test]
fn without_the_cluster_file_system_enforcement_goes_on() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    node.unmount_cluster()?;
    run("ip", &["link", "add", "vmbr7", "type", "bridge"], "")?;
    service.until("the host to be followed", |_| {
        node.nft("list ruleset").is_ok_and(|text| text.contains("vmbr7"))
    })?;
    let before = node.nft("-s list ruleset")?;
    clean(probe.look(), "/etc/pve unmounted");
    // Somebody who is there is still kept from our tables.
    node.nft("flush ruleset")?;
    service.until("a repair", |status| status["drift"]["n_repairs"] == 1)?;
    assert_eq!(node.nft("-s list ruleset")?, before);
    // The window of that flush is not what is looked at here.
    probe.look();
    drop(service);
    let service = node.start()?;
    assert_eq!(node.nft("-s list ruleset")?, before);
    clean(probe.look(), "started without /etc/pve");

    let number = generation(&service.status()?);
    node.mount_cluster()?;
    node.write(HOST_FW, &host("IN ACCEPT -p tcp -dport 4711"))?;
    node.write(CLUSTER_FW, CLUSTER)?;
    service.until_newer(number)?;
    service.until("the new rules", |_| {
        node.nft("list ruleset").is_ok_and(|text| text.contains("tcp dport 4711"))
    })?;
    clean(probe.look(), "/etc/pve mounted");
    Ok(())
}

#[test]
fn a_strict_node_keeps_what_was_free_of_errors() -> Result<(), Failure> {
    let node = node()?;
    node.write("/etc/pve/nodes/n1/proxmox-firewall.cfg", "strict: 1\n")?;
    let service = node.start()?;
    let rules =
        |denied: &str, port: u16| host(&format!("IN DROP -source {denied}\nIN ACCEPT -p tcp -dport {port}"));
    let number = generation(&service.status()?);
    node.write(HOST_FW, &rules("192.0.2.77", 4711))?;
    service.until_newer(number)?;
    // What the broken line denied would be open: neither it nor its neighbours take effect.
    node.write(HOST_FW, &rules("192.0.2.", 4712))?;
    let is_broken = |status: &serde_json::Value| status["diagnostics"].to_string().contains("192.0.2.");
    service.until("the error to be told", is_broken)?;
    let holds = |port: &str| -> Result<bool, Failure> {
        let text = node.nft("list ruleset")?;
        Ok(text.contains("192.0.2.77") && text.contains(port))
    };
    assert!(holds("tcp dport 4711")?);
    drop(service);
    let service = node.start()?;
    assert!(holds("tcp dport 4711")?, "after a restart");
    node.write(HOST_FW, &rules("192.0.2.77", 4712))?;
    service.until("the new rules", |_| holds("tcp dport 4712").unwrap_or(false))?;
    Ok(())
}
