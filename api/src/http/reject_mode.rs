//! `GET`, `PUT /v1/reject-mode`: how REJECT towards guests is answered.

use axum::extract::State;

use super::Service;
use super::error::Problem;
use super::extract::{Caller, Payload, Tagged};
use crate::views::apply::RejectModeRequest;
use crate::views::status::RejectModeView;

/// The REJECT mode: what was asked for, what is in force, and why that differs.
#[utoipa::path(get, path = "/v1/reject-mode", tag = "reading", responses((status = 200, body = RejectModeView)))]
pub(super) async fn reject_mode(State(service): State<Service>) -> Tagged<RejectModeView> {
    let published = service.handle.published();
    Tagged::new(&published, RejectModeView::new(&published))
}

/// Keep a REJECT mode in the node's settings file, and enforce it.
///
/// Refused (409) with the reasons if the kernel cannot do it.
#[utoipa::path(put, path = "/v1/reject-mode", tag = "changing", request_body = RejectModeRequest,
    params(("if-match" = Option<String>, Header, description = "ETag of the generation that must be enforced")),
    responses((status = 200, body = RejectModeView)))]
pub(super) async fn set_reject_mode(
    State(service): State<Service>,
    caller: Caller,
    Payload(request): Payload<RejectModeRequest>,
) -> Result<Tagged<RejectModeView>, Problem> {
    let applied = caller.on(&service)?.reject_mode(request.mode.into()).await;
    let applied = applied.map_err(|error| Problem::applying(error, &service.handle.published()))?;
    Ok(Tagged::new(&applied.published, RejectModeView::new(&applied.published)))
}
