//! What is too much is refused, and harms nobody else.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Limits, Running, files, good, problem};
use crate::cli::client::{call, request};

const SOON: Duration = Duration::from_millis(300);

fn impatient() -> Limits {
    Limits { head: SOON, stall: SOON, call: SOON, farewell: SOON, ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_at_once() {
    let service = Running::new();
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let socket = service.socket.clone();
        let path = ["/v1/status", "/v1/health", "/v1/guests", "/v1/ruleset"][number % 4];
        clients.spawn(async move { call(&socket, request(Method::GET, path, None)).await });
    }
    let (mut n_good, mut n_shed) = (0, 0);
    while let Some(answer) = clients.join_next().await {
        let answer = answer.expect("does not panic").expect("everybody is answered");
        if answer.status.is_success() {
            n_good += 1;
        } else {
            problem(&answer, 503);
            n_shed += 1;
        }
    }
    assert_eq!(n_good + n_shed, 1_000);
    assert!(n_good >= 500, "{n_shed} were turned away");
    good(&service.get("/v1/status").await);
}

#[tokio::test]
async fn more_connections_than_slots_wait_for_their_turn() {
    let service = Running::within(Limits { connections: 2, ..Limits::default() }, Some(files()));
    let calls = (0..20).map(|_| service.get("/v1/status"));
    for answer in futures_util::future::join_all(calls).await {
        good(&answer);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let service = Running::within(Limits { body: 10_000, ..Limits::default() }, Some(files()));
    let fits = json!({"overlay": {"/etc/pve/firewall/100.fw": "#".repeat(9_000)}});
    good(&service.post("/v1/compile", &fits).await);
    let path = "/v1/compile";
    problem(&service.post(path, &json!({"overlay": {"/etc/pve/x": "#".repeat(10_000)}})).await, 413);
    // Without a length, it is found out on the way.
    let mut stream = UnixStream::connect(&service.socket).await.expect("listens");
    let head = "POST /v1/compile HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("is read");
    let chunk = format!("{:x}\r\n{}\r\n", 4_000, " ".repeat(4_000));
    for _ in 0..4 {
        stream.write_all(chunk.as_bytes()).await.expect("is read");
    }
    let text = read(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("problem+json"), "{text}");
}

/// What comes within a moment.
async fn read(stream: &mut UnixStream) -> String {
    let mut bytes = vec![0; 65_536];
    let n = stream.read(&mut bytes).await.unwrap_or(0);
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

/// Until the other side closes; `None`: it does not.
async fn closed(stream: &mut UnixStream) -> Option<Duration> {
    let began = Instant::now();
    let mut bytes = vec![0; 65_536];
    let ends = async { while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(10 * SOON, ends).await.ok().map(|()| began.elapsed())
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let service = Running::within(impatient(), Some(files()));
    let mut silent = UnixStream::connect(&service.socket).await.expect("listens");
    let mut slow = UnixStream::connect(&service.socket).await.expect("listens");
    slow.write_all(b"GET /v1/status HTTP/1.1\r\nhost: ").await.expect("is read");
    assert!(closed(&mut silent).await.is_some(), "a silent one stays");
    assert!(closed(&mut slow).await.is_some(), "a slow one stays");
    let mut kept = UnixStream::connect(&service.socket).await.expect("listens");
    kept.write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("is read");
    assert!(closed(&mut kept).await.is_some(), "one that has asked once stays");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let service = Running::within(impatient(), Some(files()));
    let mut stream = UnixStream::connect(&service.socket).await.expect("listens");
    let head =
        "POST /v1/apply HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("is read");
    let text = read(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 504") && text.contains("problem+json"), "{text}");
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let service = Running::within(impatient(), Some(files()));
    let mut stream = UnixStream::connect(&service.socket).await.expect("listens");
    // More answers than the socket's buffer holds.
    let asks = "GET /v1/ruleset HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    stream.write_all(asks.as_bytes()).await.expect("is read");
    let began = Instant::now();
    let dead = async {
        while stream.try_write(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n").is_ok_and(|n| n > 0)
            || began.elapsed() < SOON
        {
            tokio::time::sleep(SOON / 10).await;
            // Reading nothing; the service's side shows in the write.
            if stream.try_write(b"\r\n").is_err_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
                return;
            }
        }
    };
    tokio::time::timeout(20 * SOON, dead).await.expect("is cut off");
    good(&service.get("/v1/status").await);
}

#[tokio::test]
async fn stopping_waits_for_nobody_for_long() {
    let mut service = Running::within(impatient(), Some(files()));
    let mut stream = UnixStream::connect(&service.socket).await.expect("listens");
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("is read");
    assert!(read(&mut stream).await.starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    service.stop().await;
    assert!(began.elapsed() < 20 * SOON);
    assert!(closed(&mut stream).await.is_some());
}
