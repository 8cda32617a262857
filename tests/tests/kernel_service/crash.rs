//! SIGKILL at every phase of an apply.

use firewall_tests::Failure;
use firewall_tests::service::generation;
use proxmox_firewall::host::fault::POINTS;
use serde_json::json;

use super::{HOST_FW, clean, node, probe, rule};

/// The rules of our tables without counters.
fn held(node: &firewall_tests::service::Node) -> Result<String, Failure> {
    node.nft("-s list table inet proxmox-firewall")
}

#[test]
fn killed_at_any_phase_of_an_apply_it_leaves_the_old_rules_or_the_new_ones() -> Result<(), Failure> {
    let node = node()?;
    node.write(HOST_FW, &rule(4711))?;
    let mut service = node.start()?;
    let probe = probe()?;
    let mut port = 4711;
    let wanted = |port: u16| format!("tcp dport {port}");
    // These are on the way of a change with a confirmation and of a rollback alone: the next test.
    let points = POINTS.iter().filter(|point| !["state-written", "rolled-back"].contains(point));
    for point in points {
        let old = held(&node)?;
        port += 1;
        node.fault(&format!("stop {point}"))?;
        node.write(HOST_FW, &rule(port))?;
        service.kill_at(&node, point)?;
        let left = held(&node)?;
        let is_new = left.contains(&wanted(port));
        assert!(is_new || left == old, "killed at {point}: {left}");
        assert!(!is_new || !left.contains(&wanted(port - 1)), "killed at {point}, both are there: {left}");
        clean(probe.look(), &format!("killed at {point}"));
        let handles = node.nft("-s -a list chain inet proxmox-firewall input")?;
        service = node.start()?;
        service
            .until("the new rules", |status| status["state"] == "active" || status["state"] == "degraded")?;
        assert!(held(&node)?.contains(&wanted(port)), "after {point}");
        assert_eq!(handles, node.nft("-s -a list chain inet proxmox-firewall input")?, "rules were replaced");
        clean(probe.look(), &format!("taken over after {point}"));
    }
    Ok(())
}

#[test]
fn killed_with_a_change_unconfirmed_it_still_goes_back() -> Result<(), Failure> {
    let node = node()?;
    node.write(HOST_FW, &rule(4711))?;
    let mut service = node.start()?;
    service.ask("/v1/hold")?;
    let probe = probe()?;
    for (round, point) in ["state-written", "committed", "settled", "rolled-back"].into_iter().enumerate() {
        let before = generation(&service.status()?);
        let (old, new) = (held(&node)?, 5000 + u16::try_from(round)?);
        node.write(HOST_FW, &rule(new))?;
        service.until("the saved change waits", |status| status["candidate"].is_object())?;
        node.fault(&format!("stop {point}"))?;
        let client = service.client.clone();
        let asked = std::thread::spawn(move || {
            // Nobody answers any more once the service has been killed.
            let _cut_off = client.post("/v1/apply", &json!({"confirm_within": 2})).is_ok();
        });
        service.kill_at(&node, point)?;
        asked.join().map_err(|_| "the caller panicked")?;
        clean(probe.look(), &format!("killed at {point}, unconfirmed"));
        service = node.start()?;
        service.until("nothing waits for a confirmation", |status| status["confirm"].is_null())?;
        assert_eq!(held(&node)?, old, "killed at {point}: back to generation {before}");
        clean(probe.look(), &format!("gone back after {point}"));
    }
    Ok(())
}

#[test]
fn confirmed_it_stays_whenever_it_is_killed() -> Result<(), Failure> {
    let node = node()?;
    let mut service = node.start()?;
    service.ask("/v1/hold")?;
    for round in 0..5 {
        let port = 6000 + round;
        node.write(HOST_FW, &rule(port))?;
        service.until("the saved change waits", |status| status["candidate"].is_object())?;
        service.apply(&json!({"confirm_within": 3600}))?;
        assert_eq!(service.ask("/v1/apply/confirm")?, 200);
        // The answer is a promise.
        service.kill();
        service = node.start()?;
        let status = service.status()?;
        assert!(status["confirm"].is_null(), "{status:#}");
        assert!(held(&node)?.contains(&format!("tcp dport {port}")));
    }
    Ok(())
}
