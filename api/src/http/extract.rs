//! What handlers take besides bodies: preconditions, who asks; and what they give back with an ETag.

use std::convert::Infallible;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::model::names::Vmid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Service;
use super::connection::Peer;
use super::error::Problem;
use crate::service::Handle;
use crate::service::handle::{Overlay, Terms};
use crate::service::state::Published;
use crate::views::scalar::FilesView;

/// The header that names the user on whose behalf somebody calls, for the audit log; it grants nothing.
const USER: &str = "pve-user";

/// Longest name that is logged.
const USER_MAX: usize = 128;

/// Who calls, and on what condition. That is asked last: a call that is wrong by itself is told so first (RFC 9110,
/// 13.2.1).
#[derive(Debug, Clone)]
pub(super) struct Caller {
    if_match: Vec<HeaderValue>,
    user: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Caller, Infallible> {
        let if_match = parts.headers.get_all(header::IF_MATCH).iter().cloned().collect();
        Ok(Caller { if_match, user: user(&parts.headers) })
    }
}

impl Caller {
    /// A way to the reconciler on the caller's terms, which hold when it gets there, too.
    pub(super) fn on(self, service: &Service) -> Result<Handle, Problem> {
        let enforced = service.handle.published().generation.as_ref().map(|generation| generation.number);
        let insists = !self.if_match.is_empty();
        if insists && !self.if_match.iter().any(|value| names(value, enforced)) {
            return Err(Problem::stale(enforced));
        }
        // `*` is any that is enforced.
        let is_any = self.if_match.iter().any(|value| value.as_bytes().contains(&b'*'));
        let only_if = enforced.filter(|_| insists && !is_any);
        Ok(service.handle.on(Terms { only_if, user: self.user }))
    }
}

/// Whether a list of ETags, or `*`, names this generation.
fn names(list: &HeaderValue, enforced: Option<u64>) -> bool {
    let (Ok(list), Some(enforced)) = (list.to_str(), enforced) else { return false };
    let tag = format!("\"{enforced}\"");
    list.split(',').map(str::trim).any(|listed| listed == "*" || listed == tag)
}

/// A JSON object as body. No body at all, or `null`, is an empty object: what has no default is then missing.
#[derive(Debug, Clone)]
pub(super) struct Payload<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Payload<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Payload<T>, Response> {
        let has_kind = request.headers().contains_key(header::CONTENT_TYPE);
        // A list would do for a struct as well, by position: that is no interface.
        let object = if has_kind {
            let object = Json::<Option<_>>::from_request(request, state).await;
            object.map_err(IntoResponse::into_response)?.0.unwrap_or_default()
        } else {
            let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            if !body.is_empty() {
                let detail = "a body has the content type application/json";
                return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response());
            }
            Map::new()
        };
        let read = serde_json::from_value(Value::Object(object));
        let wrong =
            |error: serde_json::Error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
        read.map(Payload).map_err(|error| wrong(error).into_response())
    }
}

fn user(headers: &HeaderMap) -> Option<String> {
    // `to_str` lets visible ASCII pass: nobody writes lines of his own into the log.
    let name = headers.get(USER)?.to_str().ok()?;
    Some(name.chars().take(USER_MAX).collect())
}

/// Writes every call that may change something to the log, target `audit`.
pub(super) async fn audit(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    let user = user(request.headers()).unwrap_or_default();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    tracing::info!(target: "audit", %method, path, status, user, uid = peer.uid, pid = peer.pid, "call");
    response
}

/// An answer about what is enforced, with its generation as ETag.
#[derive(Debug)]
pub(super) struct Tagged<T>(pub(super) Option<u64>, pub(super) T);

impl<T> Tagged<T> {
    /// With the generation that `published` says is enforced.
    pub(super) fn new(published: &Published, body: T) -> Tagged<T> {
        Tagged(published.generation.as_ref().map(|generation| generation.number), body)
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        with_etag(self.0, Json(self.1).into_response())
    }
}

/// Adds the ETag.
pub(super) fn with_etag(number: Option<u64>, mut response: Response) -> Response {
    let tag = number.and_then(|number| HeaderValue::try_from(format!("\"{number}\"")).ok());
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// `304` if `If-None-Match` names this generation. Only for answers that a generation alone decides.
pub(super) fn unchanged(headers: &HeaderMap, number: u64) -> Option<Response> {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|list| {
        // Comparison is weak here: `W/"5"` is `"5"` (RFC 9110, 13.1.2).
        let strong = list.to_str().ok().and_then(|list| HeaderValue::try_from(list.replace("W/", "")).ok());
        strong.is_some_and(|list| names(&list, Some(number)))
    });
    known.then(|| with_etag(Some(number), StatusCode::NOT_MODIFIED.into_response()))
}

/// A number that a guest can have.
pub(super) fn known_vmid(number: u32) -> Result<u32, Problem> {
    let vmid = number.to_string().parse::<Vmid>();
    vmid.map(Vmid::get).map_err(|_| Problem::unusable(format!("no guest can have the number {number}")))
}

/// Unsaved files over those that are saved. Only what a compilation reads makes sense there.
pub(super) fn overlay(files: FilesView) -> Result<Overlay, Problem> {
    let mut overlay = Overlay::new();
    for (path, text) in files.0 {
        if !FilesView::is_path(&path) {
            return Err(Problem::unusable(format!("`{path}` is no path below /etc")));
        }
        overlay.insert(path, text.map(|text| text.into_bytes().into()));
    }
    Ok(overlay)
}
