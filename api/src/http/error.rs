//! What goes wrong -> problem documents (RFC 9457). Whatever the layers or axum answer by themselves becomes one too.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::service::gate::Waits;
use crate::service::handle::ApplyError;
use crate::service::state::Published;
use crate::views::problem::ProblemView;
use crate::views::report::DiagnosticView;

/// The media type of problems.
pub(super) const PROBLEM: &str = "application/problem+json";

/// No more diagnostics than this in one answer: a client shows the first ones.
const DIAGNOSTICS_MAX: usize = 100;

/// A call that was not carried out.
#[derive(Debug)]
pub(super) struct Problem(Box<ProblemView>);

impl Problem {
    /// A plain status with a sentence.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        let (kind, detail) = ("about:blank".to_owned(), Some(detail.into()));
        Problem(Box::new(ProblemView {
            kind,
            title,
            detail,
            status: status.as_u16(),
            ..ProblemView::default()
        }))
    }

    /// One that clients tell apart by its word.
    fn named(status: StatusCode, word: &str, title: &str) -> Problem {
        let (kind, title) = (format!("urn:proxmox-firewall:problem:{word}"), title.to_owned());
        Problem(Box::new(ProblemView { kind, title, status: status.as_u16(), ..ProblemView::default() }))
    }

    /// Something that is not there.
    pub(super) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// Something that this peer may not do.
    pub(super) fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, detail)
    }

    /// Something that has the right form and makes no sense.
    pub(super) fn unusable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// `If-Match` names another generation than the one that is enforced.
    pub(super) fn stale(enforced: Option<u64>) -> Problem {
        let mut problem =
            Problem::named(StatusCode::PRECONDITION_FAILED, "stale", "another generation is enforced");
        problem.0.detail = Some(match enforced {
            Some(number) => format!("generation {number} is enforced"),
            None => "nothing is enforced".to_owned(),
        });
        problem
    }

    /// Nothing is enforced, or not what should be.
    pub(super) fn not_ready(cause: &str) -> Problem {
        Problem::named(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "the service is not ready").saying(cause)
    }

    /// What became of an apply, with the diagnostics of what was to be applied.
    pub(super) fn applying(error: ApplyError, published: &Published) -> Problem {
        let mut problem = Problem::from(error);
        if let Some(candidate) = &published.candidate {
            let compiled = &candidate.compiled;
            let diagnostics = compiled.diagnostics.iter().take(DIAGNOSTICS_MAX);
            let views = diagnostics.map(|diagnostic| DiagnosticView::new(diagnostic, &compiled.sources));
            problem.0.diagnostics = views.collect();
        }
        problem
    }

    fn because(mut self, reasons: Vec<String>) -> Problem {
        self.0.reasons = reasons;
        self
    }

    fn saying(mut self, detail: impl Into<String>) -> Problem {
        self.0.detail = Some(detail.into());
        self
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Problem {
        let text = error.to_string();
        match error {
            ApplyError::Stale { enforced, .. } => Problem::stale(enforced),
            ApplyError::Held(waits, cuts) => {
                let word = match waits {
                    Waits::WayIn => "cuts-the-way-in",
                    Waits::Hold | Waits::Confirmation | Waits::RolledBack => "held",
                };
                Problem::named(StatusCode::CONFLICT, word, "the change is held; what was enforced stays")
                    .saying(waits.as_str())
                    .because(cuts)
            }
            ApplyError::Unreadable => {
                let title = "the configuration cannot be read; what was enforced stays";
                Problem::named(StatusCode::CONFLICT, "unreadable", title).saying(text)
            }
            ApplyError::Refused(reasons) => {
                let title = "the kernel refused the ruleset; what was enforced stays";
                Problem::named(StatusCode::CONFLICT, "refused", title).because(reasons)
            }
            ApplyError::Nothing(what) => {
                Problem::named(StatusCode::CONFLICT, "nothing", "there is nothing to do").saying(what)
            }
            ApplyError::Unable(what) => {
                let title = "the kernel lacks what this mode needs; the mode stays as it was";
                Problem::named(StatusCode::CONFLICT, "unable", title).because(vec![what])
            }
            ApplyError::World(_) | ApplyError::Stopping => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Turns an error without a problem document into one; the text that it had becomes the detail.
pub(super) async fn problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let has_document = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    if !is_error || has_document {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, DETAIL_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = if text.is_empty() { meaning(status).to_owned() } else { text.into_owned() };
    let (fresh, body) = Problem::new(status, detail).into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(fresh.headers);
    Response::from_parts(parts, Body::new(body))
}

/// Longer texts than this are not ours.
const DETAIL_MAX: usize = 64 * 1024;

/// A sentence for answers that come without one.
fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is no such path; /v1/openapi.json lists those that there are",
        StatusCode::METHOD_NOT_ALLOWED => {
            "this path has no such method; the header `allow` lists those it has"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::GATEWAY_TIMEOUT => "the call took too long; what it asked for may still be carried out",
        _ => "no more is known",
    }
}

/// What a layer says when too many calls are under way.
pub(super) async fn overloaded(_error: axum::BoxError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many calls at once; try again in a second")
}
