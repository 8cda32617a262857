//! The tests of `tests/tests/kernel_service` where nothing is left out of the ruleset, and what no other machine can show:
//! guests' ports, a guest whose rules the kernel refuses, a clock that jumps.

#[path = "../tests/kernel_service/main.rs"]
mod tests;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use firewall_tests::Failure;
use firewall_tests::namespace::run;
use firewall_tests::service::{Node, Running};
use serde_json::{Value, json};

const LIST: &str = "/etc/pve/.vmlist";

/// A guest of this node, or of another one, as the cluster's file system shows it: in the list too.
fn guest(node: &Node, home: &str, vmid: u32, n_devices: u32) -> Result<(), Failure> {
    let devices = (0..n_devices).map(|index| {
        format!("net{index}: virtio=BC:24:11:00:{:02X}:{index:02X},bridge=vmbr0,firewall=1\n", vmid % 100)
    });
    node.write(&format!("/etc/pve/nodes/{home}/qemu-server/{vmid}.conf"), &devices.collect::<String>())?;
    let mut list: Value = serde_json::from_slice(&std::fs::read(LIST)?)?;
    list["ids"][vmid.to_string()] = json!({"node": home, "type": "qemu", "version": 1});
    node.write(LIST, &list.to_string())
}

/// Its rules, and one that can be told from others.
fn rules(node: &Node, vmid: u32, port: u16) -> Result<(), Failure> {
    let text = format!("[OPTIONS]\nenable: 1\n\n[RULES]\nIN ACCEPT -p tcp -dport {port}\n");
    node.write(&format!("/etc/pve/firewall/{vmid}.fw"), &text)
}

fn guests_table(node: &Node) -> Result<String, Failure> {
    node.nft("list table bridge proxmox-firewall-guests")
}

#[test]
fn a_guest_that_the_kernel_refuses_keeps_its_rules_and_the_others_go_on() -> Result<(), Failure> {
    let node = tests::node()?;
    for vmid in 100..110 {
        guest(&node, "n1", vmid, 1)?;
        rules(&node, vmid, 4000)?;
    }
    let service = node.start()?;
    assert!(guests_table(&node)?.contains("tap100i0"));
    // The name of an interface, in scripts and in messages.
    node.fault("refuse tap100i1")?;
    service.ask("/v1/hold")?;
    guest(&node, "n1", 100, 2)?;
    rules(&node, 101, 4711)?;
    service.until("what waits", |status| status["candidate"].is_object())?;
    let answer = service.client.post("/v1/apply", &json!({}))?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let status = service.status()?;
    assert_eq!(status["refused_guests"][0]["vmid"], 100, "{:#}", status["refused_guests"]);
    assert_eq!(status["state"], "degraded");
    let table = guests_table(&node)?;
    assert!(table.contains("tcp dport 4711") && table.contains("tap100i0") && !table.contains("tap100i1"));
    service.ask("/v1/release")?;
    node.fault("")?;
    rules(&node, 100, 4712)?;
    service.until("nobody refused", |status| status["refused_guests"] == json!([]))?;
    let table = guests_table(&node)?;
    assert!(table.contains("tap100i1") && table.contains("tcp dport 4712"));
    Ok(())
}

fn event(service: &Running, vmid: u32, event: &str, iface: &str) -> Result<Value, Failure> {
    let body = json!({"event": event, "iface": iface, "bridge": "vmbr0", "source_node": "n2"});
    let answer = service.client.post(&format!("/v1/guests/{vmid}/events"), &body)?;
    if answer.status == 200 { Ok(answer.json) } else { Err(format!("{answer:?}").into()) }
}

#[test]
fn a_guests_port_is_filtered_before_it_is_there() -> Result<(), Failure> {
    let node = tests::node()?;
    let service = node.start()?;
    guest(&node, "n1", 100, 1)?;
    rules(&node, 100, 4711)?;
    let outcome = event(&service, 100, "start", "tap100i0")?;
    assert_eq!((&outcome["enforced"], &outcome["quarantined"]), (&true.into(), &false.into()), "{outcome}");
    assert!(guests_table(&node)?.contains("\"tap100i0\""));
    // Its configuration is still in the folder of the node that it comes from.
    guest(&node, "n2", 101, 1)?;
    rules(&node, 101, 4712)?;
    let outcome = event(&service, 101, "migrated", "tap101i0")?;
    assert_eq!(outcome["enforced"], true, "{outcome}");
    assert!(guests_table(&node)?.contains("\"tap101i0\""));
    // Nobody knows this one: the kernel drops what comes from its port.
    let outcome = event(&service, 102, "plug", "tap102i0")?;
    assert_eq!((&outcome["enforced"], &outcome["quarantined"]), (&false.into(), &true.into()), "{outcome}");
    // It never came, and is not waited for.
    event(&service, 101, "stop", "tap101i0")?;
    service.until("the guest to be forgotten", |_| {
        guests_table(&node).is_ok_and(|table| !table.contains("\"tap101i0\""))
    })?;
    Ok(())
}

/// Sets this machine's clock, which is the test's own.
fn jump(seconds: i64) -> Result<(), Failure> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    run("date", &["-s", &format!("@{}", now + seconds)], "").map(drop)
}

#[test]
fn no_jump_of_the_clock_moves_a_deadline() -> Result<(), Failure> {
    const DAY: i64 = 86_400;
    let node = tests::node()?;
    let mut service = node.start()?;
    let waits = |status: &Value| status["confirm"].is_object();
    for by in [DAY, -DAY] {
        let began = Instant::now();
        service.apply(&json!({"confirm_within": 6}))?;
        jump(by)?;
        std::thread::sleep(Duration::from_secs(2));
        let status = service.status()?;
        let left = status["confirm"]["remaining_s"].as_u64().unwrap_or(0);
        assert!(waits(&status) && (1..=6).contains(&left), "{by}: {:#}", status["confirm"]);
        service.until("the end of the time", |status| !waits(status))?;
        let took = began.elapsed();
        println!("a clock set by {by} s: 6 s took {took:?}");
        assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(15), "{took:?}");
    }
    // After a crash only the disk knows, and the clock: it makes the time no longer.
    service.apply(&json!({"confirm_within": 3}))?;
    service.kill();
    jump(-DAY)?;
    let began = Instant::now();
    service = node.start()?;
    service.until("the end of the time", |status| !waits(status))?;
    assert!(began.elapsed() < Duration::from_secs(15));
    jump(DAY)
}
