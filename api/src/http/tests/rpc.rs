//! JSON-RPC 2.0 reaches the same operations.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Running, good, problem};
use crate::cli::client::{call, request};

fn one(method: &str, params: Value, id: u32) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id})
}

#[tokio::test]
async fn a_method_is_an_operation() {
    let service = Running::new();
    let ask =
        async |method: &str, params: Value| good(&service.post("/v1/rpc", &one(method, params, 1)).await);
    assert_eq!(ask("status", json!({})).await["result"]["state"], "active");
    assert_eq!(ask("guest", json!({"vmid": 100})).await["result"]["vmid"], 100);
    assert_eq!(ask("apply", json!({"confirm_within": "30"})).await["result"]["generation"], 2);
    assert!(
        ask("ruleset", json!({"format": "nft"})).await["result"]
            .as_str()
            .is_some_and(|t| t.contains("chain"))
    );
    assert!(ask("metrics", json!({})).await["result"].as_str().is_some_and(|text| text.ends_with("# EOF\n")));
    assert_eq!(ask("guest_event", json!({"vmid": 100, "event": "stop"})).await["result"]["enforced"], true);
}

#[tokio::test]
async fn errors_have_the_codes_of_their_kind() {
    let service = Running::new();
    let code = async |call: Value| good(&service.post("/v1/rpc", &call).await)["error"]["code"].clone();
    assert_eq!(code(one("nothing", json!({}), 1)).await, -32601);
    assert_eq!(code(one("events", json!({}), 1)).await, -32601);
    assert_eq!(code(one("guest", json!({}), 1)).await, -32602);
    assert_eq!(code(one("guest", json!([100]), 1)).await, -32602);
    assert_eq!(code(one("status", json!({"colour": 1}), 1)).await, -32602);
    assert_eq!(code(json!({"method": "status", "id": 1})).await, -32600);
    assert_eq!(code(json!(1)).await, -32600);
    assert_eq!(code(json!([])).await, -32600);
    assert_eq!(code(one("guest", json!({"vmid": 999}), 1)).await, 404);
    assert_eq!(code(one("guest", json!({"vmid": "../status"}), 1)).await, 400);
    let stale = good(&service.post("/v1/rpc", &one("hold", json!({"if-match": "\"9\""}), 1)).await);
    assert_eq!((&stale["error"]["code"], &stale["error"]["data"]["status"]), (&json!(412), &json!(412)));
    let mut broken = request(Method::POST, "/v1/rpc", None);
    *broken.body_mut() = http_body_util::Full::new("{".into());
    assert_eq!(good(&call(&service.socket, broken).await.expect("answers"))["error"]["code"], -32700);
    problem(&service.get("/v1/rpc").await, 405);
}

#[tokio::test]
async fn batches_are_answered_in_order_and_notifications_not_at_all() {
    let service = Running::new();
    let notification = json!({"jsonrpc": "2.0", "method": "hold"});
    let batch = json!([one("health", json!({}), 1), notification, 7, one("status", json!({}), 2)]);
    let answers = good(&service.post("/v1/rpc", &batch).await);
    let ids: Vec<&Value> = answers.as_array().expect("a list").iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &Value::Null, &json!(2)]);
    assert_eq!(answers[2]["result"]["hold"], true, "the notification was carried out");
    let silent = service.post("/v1/rpc", &json!([notification])).await;
    assert_eq!((silent.status, silent.body.len()), (StatusCode::NO_CONTENT, 0));
}
