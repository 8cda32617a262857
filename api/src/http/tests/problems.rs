//! Every error is a problem document, whoever found it.

use hyper::Method;
use serde_json::json;

use super::{Running, ask, problem};
use crate::cli::client::{call, request};

#[tokio::test]
async fn what_axum_rejects_is_a_problem_too() {
    let service = Running::new();
    problem(&service.get("/v1/nothing").await, 404);
    problem(&service.get("/").await, 404);
    let wrong_method = ask(&service.socket, Method::DELETE, "/v1/status", None).await;
    problem(&wrong_method, 405);
    assert_eq!(wrong_method.headers["allow"], "GET,HEAD");
    problem(&service.post("/v1/apply", &json!({"forse": true})).await, 422);
    problem(&service.post("/v1/apply", &json!({"force": "maybe"})).await, 422);
    problem(&service.post("/v1/apply", &json!([])).await, 422);
    for (kind, body, status) in
        [("application/json", "{", 400), ("text/plain", "{}", 415), ("application/json", "", 400)]
    {
        let mut call_it = request(Method::POST, "/v1/apply", None);
        *call_it.body_mut() = http_body_util::Full::new(body.into());
        call_it.headers_mut().insert("content-type", kind.parse().expect("a header's value"));
        problem(&call(&service.socket, call_it).await.expect("answers"), status);
    }
}

#[tokio::test]
async fn only_paths_of_the_configuration_are_overlaid() {
    let service = Running::new();
    for path in ["relative", "/etc/../root/x", "/root/x", ""] {
        problem(&service.post("/v1/compile", &json!({"overlay": {path: "x"}})).await, 422);
        problem(&service.post("/v1/apply", &json!({"overlay": {path: "x"}})).await, 422);
    }
}

#[tokio::test]
async fn each_answer_names_its_request() {
    let service = Running::new();
    let first = service.get("/v1/health").await.headers["x-request-id"].clone();
    assert_ne!(first, service.get("/v1/nothing").await.headers["x-request-id"]);
    let mut named = request(Method::GET, "/v1/health", None);
    named.headers_mut().insert("x-request-id", "mine".parse().expect("a header's value"));
    assert_eq!(call(&service.socket, named).await.expect("answers").headers["x-request-id"], "mine");
}
