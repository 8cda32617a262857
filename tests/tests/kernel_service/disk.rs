//! A disk that is full.

use firewall_tests::Failure;
use firewall_tests::service::generation;
use serde_json::json;

use super::{HOST_FW, clean, node, probe, rule};

const FILLER: &str = "/var/lib/filler";

/// Leaves nothing.
fn fill() -> Result<(), Failure> {
    match std::fs::write(FILLER, vec![0; 8 << 20]) {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
        other => Err(format!("the disk is larger than that: {other:?}").into()),
    }
}

fn is_told(status: &serde_json::Value) -> bool {
    status["warnings"].to_string().contains("would not outlive a restart")
}

#[test]
fn with_a_full_disk_changes_are_enforced_and_what_is_missing_is_told() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let before = generation(&service.status()?);
    fill()?;
    node.write(HOST_FW, &rule(4711))?;
    service.until_newer(before)?;
    assert!(node.nft("list table inet proxmox-firewall")?.contains("tcp dport 4711"));
    service.until("the trouble is told", is_told)?;
    // A deadline that would not survive is no deadline: the change is refused.
    let answer = service.client.post("/v1/apply", &json!({"confirm_within": 60}))?;
    assert!(answer.status >= 500, "{answer:?}");
    assert!(service.status()?["confirm"].is_null());
    clean(probe.look(), "disk full");

    std::fs::remove_file(FILLER)?;
    service.until("the trouble is over", |status| !is_told(status))?;
    drop(service);
    // What could not be written at first is there now.
    node.unmount_cluster()?;
    node.nft("flush ruleset")?;
    let service = node.start()?;
    assert!(node.nft("list table inet proxmox-firewall")?.contains("tcp dport 4711"));
    drop(service);
    Ok(())
}
