//! `POST /v1/rpc`: JSON-RPC 2.0 over the same operations. A method is an operation's id in the description; its
//! parameters are those of path and query by name, `if-match`, and the fields of the body.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower::ServiceExt;
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::openapi::document;

/// Most calls of a batch.
const BATCH_MAX: usize = 100;

/// What a method does.
struct Operation {
    method: Method,
    path: String,
    parameters: Vec<(String, ParameterIn)>,
}

/// The operations by their ids.
#[derive(Clone)]
pub(super) struct Operations {
    routes: Router,
    known: Arc<BTreeMap<String, Operation>>,
}

impl Operations {
    /// Those of the description, but for the one that never ends and this one.
    pub(super) fn new(routes: Router) -> Operations {
        let mut known = BTreeMap::new();
        for (path, item) in document().paths.paths {
            for (method, operation) in
                [(Method::GET, item.get), (Method::PUT, item.put), (Method::POST, item.post)]
            {
                let Some(operation) = operation else { continue };
                let parameters = operation.parameters.unwrap_or_default().into_iter();
                let parameters = parameters.map(|one| (one.name, one.parameter_in)).collect();
                let id = operation.operation_id.unwrap_or_default();
                if !matches!(id.as_str(), "events" | "rpc") {
                    known.insert(id, Operation { method, path: path.clone(), parameters });
                }
            }
        }
        Operations { routes, known: Arc::new(known) }
    }
}

/// A call, or a list of calls.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RpcRequest {
    /// One.
    Call(RpcCall),
    /// Several.
    Batch(Vec<RpcCall>),
}

/// A call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct RpcCall {
    /// `2.0`
    jsonrpc: String,
    /// An operation's id.
    method: String,
    /// Parameters of path and query, `if-match`, fields of the body.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    params: Option<Map<String, Value>>,
    /// Comes back with the answer; without it there is no answer.
    #[serde(default)]
    id: Option<Value>,
}

/// An answer, or a list of answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RpcResponse {
    /// To a call.
    #[schema(value_type = Object)]
    Answer(Map<String, Value>),
    /// To a batch.
    #[schema(value_type = Vec<Object>)]
    Answers(Vec<Map<String, Value>>),
}

/// Calls by JSON-RPC 2.0, batches too.
///
/// An error's code is the status of HTTP, its data the problem document; -32700, -32600, -32601 and -32602 are those
/// of JSON-RPC.
#[utoipa::path(post, path = "/v1/rpc", tag = "changing", request_body = RpcRequest, responses(
    (status = 200, body = RpcResponse),
    (status = 204, description = "nothing was to be answered"),
))]
pub(super) async fn rpc(State(operations): State<Operations>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return Json(failure(&Value::Null, -32700, "this is no JSON", None)).into_response();
    };
    let calls = match request {
        Value::Array(calls) if calls.is_empty() || calls.len() > BATCH_MAX => {
            let message = format!("a batch has 1 to {BATCH_MAX} calls");
            return Json(failure(&Value::Null, -32600, &message, None)).into_response();
        }
        Value::Array(calls) => calls,
        call => {
            let answer = operations.call(call, &headers).await;
            return answer.map_or(StatusCode::NO_CONTENT.into_response(), |one| Json(one).into_response());
        }
    };
    let mut answers = Vec::with_capacity(calls.len());
    // One after the other: a batch may apply, then ask.
    for call in calls {
        answers.extend(operations.call(call, &headers).await);
    }
    if answers.is_empty() { StatusCode::NO_CONTENT.into_response() } else { Json(answers).into_response() }
}

impl Operations {
    /// The answer; `None`: the caller wants none.
    async fn call(&self, call: Value, headers: &HeaderMap) -> Option<Value> {
        let id = call.get("id").cloned();
        let shown = id.clone().unwrap_or(Value::Null);
        let is_call = call["jsonrpc"] == "2.0" && call["method"].is_string();
        let is_id = matches!(shown, Value::Null | Value::String(_) | Value::Number(_));
        let params = match call.get("params") {
            None | Some(Value::Null) => Some(Map::new()),
            Some(Value::Object(params)) => Some(params.clone()),
            Some(_) => None,
        };
        if !is_call || !is_id {
            return Some(failure(&Value::Null, -32600, "this is no call of JSON-RPC 2.0", None));
        }
        let method = call["method"].as_str().unwrap_or_default();
        let answer = match (self.known.get(method), params) {
            (None, _) => failure(&shown, -32601, &format!("there is no method `{method}`"), None),
            (_, None) => failure(&shown, -32602, "parameters are given by name", None),
            (Some(operation), Some(params)) => match operation.request(params, headers) {
                Err(missing) => failure(&shown, -32602, &missing, None),
                Ok(request) => answer(&shown, self.run(request).await).await,
            },
        };
        id.map(|_| answer)
    }

    async fn run(&self, request: Request) -> Response {
        self.routes.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

impl Operation {
    fn request(&self, mut params: Map<String, Value>, headers: &HeaderMap) -> Result<Request, String> {
        let mut path = self.path.clone();
        let mut query = Vec::new();
        let mut request = Request::builder().method(self.method.clone());
        for (name, place) in &self.parameters {
            let value =
                params.remove(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
            match (place, value) {
                (ParameterIn::Path, None) => return Err(format!("parameter `{name}` is missing")),
                (ParameterIn::Path, Some(value)) => {
                    path = path.replace(&format!("{{{name}}}"), &escaped(&value))
                }
                (ParameterIn::Query, Some(value)) => query.push(format!("{name}={}", escaped(&value))),
                (ParameterIn::Header, Some(value)) => request = request.header(name, value),
                (ParameterIn::Query | ParameterIn::Header | ParameterIn::Cookie, _) => {}
            }
        }
        let uri = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        for name in ["pve-user", "x-request-id"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let body = if params.is_empty() && self.method == Method::GET {
            Body::empty()
        } else if self.method == Method::GET {
            let unknown = params.keys().next().cloned().unwrap_or_default();
            return Err(format!("there is no parameter `{unknown}`"));
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(Value::Object(params).to_string())
        };
        request.uri(uri).body(body).map_err(|error| error.to_string())
    }
}

/// Everything but what may stand in a part of a path or query as it is.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

async fn answer(id: &Value, response: Response) -> Value {
    let status = response.status();
    let Ok(body) = axum::body::to_bytes(response.into_body(), usize::MAX).await else {
        return failure(id, -32603, "the answer broke off", None);
    };
    // What is no JSON is text: metrics, a ruleset for nft.
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    let value = serde_json::from_slice(&body).unwrap_or_else(|_| text());
    if !status.is_success() {
        let message = value["title"].as_str().unwrap_or_default().to_owned();
        return failure(id, i64::from(status.as_u16()), &message, Some(value));
    }
    json!({"jsonrpc": "2.0", "result": value, "id": id})
}

fn failure(id: &Value, code: i64, message: &str, data: Option<Value>) -> Value {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    json!({"jsonrpc": "2.0", "error": error, "id": id})
}
