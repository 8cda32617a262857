//! Clients that are too many, too slow, too large, or nobody to be answered.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use firewall_tests::Failure;
use firewall_tests::service::{Answer, Client, Running, generation, get};
use serde_json::json;

use super::{HOST_FW, clean, host, node, probe, rule};

/// Enforcement does not wait for clients: a change and its time.
fn changes(node: &firewall_tests::service::Node, service: &Running, port: u16) -> Result<Duration, Failure> {
    let before = generation(&service.status()?);
    let began = Instant::now();
    node.write(HOST_FW, &rule(port))?;
    service.until_newer(before)?;
    Ok(began.elapsed())
}

#[test]
fn a_thousand_clients_are_answered() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        streams.push(service.client.connect()?);
    }
    let began = Instant::now();
    for (at, stream) in streams.iter_mut().enumerate() {
        let path = ["/v1/status", "/v1/health", "/v1/ruleset?format=nft", "/metrics"][at % 4];
        stream.write_all(get(path).as_bytes())?;
    }
    let took = changes(&node, &service, 4711)?;
    let mut statuses = std::collections::BTreeMap::new();
    for stream in &mut streams {
        *statuses.entry(Answer::read(stream)?.status).or_insert(0) += 1;
    }
    println!(
        "1,000 clients at once: {statuses:?} in {:?}; a change meanwhile took {took:?}",
        began.elapsed()
    );
    assert!(statuses.keys().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(statuses[&200] >= 256, "{statuses:?}");
    clean(probe.look(), "1,000 clients");
    Ok(())
}

#[test]
fn who_never_reads_keeps_nobody_waiting() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let mut deaf = Vec::new();
    for _ in 0..100 {
        let mut stream = service.client.connect()?;
        for _ in 0..50 {
            stream.write_all(b"GET /v1/ruleset?format=json HTTP/1.1\r\nhost: x\r\n\r\n")?;
        }
        let mut events = service.client.connect()?;
        events.write_all(get("/v1/events").as_bytes())?;
        deaf.push((stream, events));
    }
    let took = changes(&node, &service, 4711)?;
    println!("a change while 200 clients do not read: {took:?}");
    assert_eq!(service.client.get("/v1/health")?.status, 200);
    clean(probe.look(), "clients that never read");
    Ok(())
}

#[test]
fn what_is_too_large_is_refused() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let large = "#".repeat(9 << 20);
    let answer =
        service.client.post("/v1/compile", &json!({"overlay": {"/etc/pve/firewall/cluster.fw": large}}))?;
    assert_eq!(answer.status, 413, "{answer:?}");
    let mut stream = service.client.connect()?;
    let _cut_off = stream.write_all(format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(200_000)).as_bytes());
    let answer = Answer::read(&mut stream);
    assert!(answer.as_ref().map_or(true, |answer| [414, 431].contains(&answer.status)), "{answer:?}");
    changes(&node, &service, 4711)?;
    clean(probe.look(), "bodies over the limit");
    Ok(())
}

#[test]
fn readers_have_a_socket_that_only_reads() -> Result<(), Failure> {
    let node = node()?;
    std::fs::write("/etc/group", "root:x:0:\n")?;
    let service = node.spawn_with(&["--read-group", "root"])?;
    service.until("an answer", |status| status["cause"] != "the service is starting")?;
    let socket = Path::new("/run/proxmox-firewall/read.sock");
    let mode = std::fs::metadata(socket)?.permissions().mode() & 0o7777;
    assert_eq!(mode, 0o660);
    let reader = Client::new(socket);
    assert_eq!(reader.get("/v1/status")?.status, 200);
    assert_eq!(reader.get("/metrics")?.status, 200);
    assert_eq!(reader.post("/v1/hold", &json!({}))?.status, 403);
    assert_eq!(reader.post("/v1/rpc", &json!({"jsonrpc": "2.0", "method": "hold", "id": 1}))?.status, 403);
    assert_eq!(service.status()?["hold"], false);
    Ok(())
}

#[test]
fn the_kernel_tries_what_is_not_saved_and_mistakes_come_with_a_refusal() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let before = node.nft("-s list ruleset")?;
    let overlay = json!({"overlay": {HOST_FW: rule(4711)}, "check": true});
    let tried = service.client.post("/v1/compile", &overlay)?.json;
    assert_eq!(tried["kernel"], json!({"accepted": true, "faults": []}), "{tried:#}");
    assert!(tried["change"]["text"].as_str().is_some_and(|text| text.contains("4711")), "{tried:#}");
    assert_eq!(node.nft("-s list ruleset")?, before);
    // A problem document names the mistakes of what was to be applied.
    node.write(HOST_FW, &host("IN DROP -p tcp -dport 8006\nIN ACCEPT -p nonsense"))?;
    let held = service.client.post("/v1/apply", &json!({}))?;
    let problem = &held.json;
    assert_eq!(
        (held.status, &problem["type"]),
        (409, &"urn:proxmox-firewall:problem:cuts-the-way-in".into())
    );
    let mistake = &problem["diagnostics"][0];
    assert_eq!((&mistake["file"], &mistake["line"]), (&HOST_FW.into(), &7.into()), "{problem:#}");
    Ok(())
}

#[test]
fn only_root_is_served() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let probe = probe()?;
    let script = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/proxmox-firewall/api.sock'); \
        s.sendall(b'POST /v1/hold HTTP/1.0\\r\\n\\r\\n'); print(s.recv(9999).decode())";
    let nobody = || Command::new("python3").args(["-c", script]).uid(65_534).gid(65_534).output();
    let output = nobody()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("PermissionError"), "{output:?}");
    // Even if somebody opened the file to all.
    std::fs::set_permissions("/run/proxmox-firewall/api.sock", std::fs::Permissions::from_mode(0o666))?;
    let output = nobody()?;
    assert!(String::from_utf8_lossy(&output.stdout).contains(" 403 "), "{output:?}");
    assert_eq!(service.status()?["hold"], false);
    clean(probe.look(), "wrong peers");
    Ok(())
}
