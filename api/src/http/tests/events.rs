//! What happens reaches listeners, and gaps are told.

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Limits, Running, files, good, problem};
use crate::cli::client::{call, request, send};

/// A stream of events, read one by one.
struct Listener {
    body: Incoming,
    text: String,
}

impl Listener {
    async fn new(service: &Running) -> Listener {
        let answer = send(&service.socket, request(Method::GET, "/v1/events", None)).await.expect("answers");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Listener { body: answer.into_body(), text: String::new() }
    }

    /// Name, id and data of the next one.
    async fn next(&mut self) -> (String, Option<String>, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let data = serde_json::from_str(&field("data: ").expect("has data")).expect("JSON");
                let found = (field("event: ").expect("has a name"), field("id: "), data);
                self.text = rest.to_owned();
                return found;
            }
            let frame = self.body.frame().await.expect("goes on").expect("is not cut off");
            self.text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("UTF-8"));
        }
    }
}

#[tokio::test]
async fn a_listener_hears_of_everything() {
    let service = Running::new();
    let mut listener = Listener::new(&service).await;
    let (name, id, data) = listener.next().await;
    assert_eq!((name.as_str(), id.as_deref(), &data["state"]), ("state", Some("1"), &json!("active")));
    assert_eq!(data["trigger"], Value::Null);

    let text = "[OPTIONS]\nenable: 1\n[RULES]\nIN ACCEPT -dport 5\n";
    let overlay = json!({"overlay": {"/etc/pve/firewall/100.fw": text}});
    good(&service.post("/v1/apply", &overlay).await);
    let (name, id, data) = listener.next().await;
    assert_eq!((name.as_str(), id.as_deref(), &data["trigger"]), ("state", Some("2"), &json!("apply")));
    let (name, _, data) = listener.next().await;
    assert_eq!((name.as_str(), &data["n_added"], &data["n_removed"]), ("diagnostics", &json!(1), &json!(1)));
    assert_eq!(data["added"][0]["line"], 4);

    good(&service.post("/v1/guests/100/events", &json!({"event": "plug", "iface": "tap100i0"})).await);
    let (name, _, data) = listener.next().await;
    assert_eq!(
        (name.as_str(), &data["event"], &data["iface"]),
        ("guest", &json!("plug"), &json!("tap100i0"))
    );
}

#[tokio::test]
async fn a_listener_that_is_too_slow_is_told_how_much_it_missed() {
    let service = Running::new();
    let mut listener = Listener::new(&service).await;
    listener.next().await;
    // One batch: the stream's task does not run in between. The double's channel keeps eight events.
    let one = json!({"jsonrpc": "2.0", "method": "guest_event", "params": {"vmid": 100, "event": "stop"}});
    let batch: Vec<&Value> = std::iter::repeat_n(&one, 100).collect();
    for _ in 0..50 {
        service.post("/v1/rpc", &json!(batch)).await;
    }
    let mut n_heard = 0;
    let mut n_missed = 0;
    while n_heard + n_missed < 5_000 {
        match listener.next().await {
            (name, _, data) if name == "gap" => n_missed += data["missed"].as_u64().expect("a number"),
            _ => n_heard += 1,
        }
    }
    assert_eq!(n_heard + n_missed, 5_000, "{n_heard} heard, {n_missed} missed");
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more() {
    let limits = Limits { streams: 1, ..Limits::default() };
    let service = Running::within(limits, Some(files()));
    let listener = Listener::new(&service).await;
    problem(&service.get("/v1/events").await, 503);
    drop(listener);
    // The slot is free again once the service has noticed.
    for _ in 0..200 {
        let answer = send(&service.socket, request(Method::GET, "/v1/events", None)).await.expect("answers");
        if answer.status().is_success() {
            return;
        }
        good(&call(&service.socket, request(Method::GET, "/v1/health", None)).await.expect("answers"));
    }
    panic!("the slot is not free");
}
