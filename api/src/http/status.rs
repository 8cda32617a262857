//! `GET /v1/status`, `GET /v1/health`.

use axum::Json;
use axum::extract::State;

use super::Service;
use super::error::Problem;
use super::extract::Tagged;
use crate::views::status::{HealthView, StatusView};

/// How enforcement stands.
///
/// State, generation, what is held and why, reject mode, diagnostics, phases of the last apply, features of the kernel.
#[utoipa::path(get, path = "/v1/status", tag = "reading", responses((status = 200, body = StatusView)))]
pub(super) async fn status(State(service): State<Service>) -> Tagged<StatusView> {
    let published = service.handle.published();
    Tagged::new(&published, StatusView::new(&published))
}

/// Whether the service enforces what it should.
///
/// 503 while it does not; no answer: it is not running.
#[utoipa::path(get, path = "/v1/health", tag = "reading", responses((status = 200, body = HealthView)))]
pub(super) async fn health(State(service): State<Service>) -> Result<Json<HealthView>, Problem> {
    let published = service.handle.published();
    let view = HealthView::new(&published);
    if view.ready { Ok(Json(view)) } else { Err(Problem::not_ready(&published.cause)) }
}
