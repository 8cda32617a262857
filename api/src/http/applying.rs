//! `POST /v1/apply`, `…/confirm`, `…/rollback`, `/v1/hold`, `/v1/release`: what changes enforcement.

use std::time::Duration;

use axum::extract::State;

use super::Service;
use super::error::Problem;
use super::extract::{Caller, Payload, Tagged, overlay};
use crate::service::handle::Apply;
use crate::service::store::is_written;
use crate::views::apply::{AppliedView, ApplyRequest, RollbackRequest, StandingView};

/// Enforce the saved files now, held ones too, or unsaved ones over them.
///
/// Answers when that is enforced. With `confirm_within`, what was enforced before comes back after so many seconds
/// unless somebody confirms, whatever becomes of the caller or of this service. What would cut the way in is held
/// (409) without `force`.
#[utoipa::path(post, path = "/v1/apply", tag = "changing", request_body = Option<ApplyRequest>,
    params(("if-match" = Option<String>, Header, description = "ETag of the generation that must be enforced")),
    responses((status = 200, body = AppliedView)))]
pub(super) async fn apply(
    State(service): State<Service>,
    caller: Caller,
    Payload(request): Payload<ApplyRequest>,
) -> Result<Tagged<AppliedView>, Problem> {
    let confirm_within = request.confirm_within.map(|seconds| Duration::from_secs(seconds.0.into()));
    if confirm_within.is_some_and(|time| time.is_zero()) {
        return Err(Problem::unusable("confirm_within: nobody can confirm within 0 seconds"));
    }
    let overlay = overlay(request.overlay)?;
    if let Some(path) = overlay.keys().find(|path| !is_written(path)) {
        return Err(Problem::unusable(format!(
            "{path} is no file of the firewall: it can only be applied saved"
        )));
    }
    let (automatic, force) = (request.automatic.0, request.force.0);
    if automatic && (force || confirm_within.is_some() || !overlay.is_empty()) {
        return Err(Problem::unusable(
            "automatic: what applies by itself is saved, neither forced nor confirmed",
        ));
    }
    let is_saved = overlay.is_empty();
    let apply = Apply { overlay, force, automatic, confirm_within, caller: request.caller };
    let applied = caller.on(&service)?.apply(apply).await;
    let applied = applied.map_err(|error| match is_saved {
        true => Problem::applying(error, &service.handle.published()),
        // What waits is something else: whoever has unsaved files can have them compiled.
        false => Problem::from(error),
    })?;
    Ok(Tagged::new(&applied.published, AppliedView::new(&applied)))
}

/// Keep what waits for its confirmation.
#[utoipa::path(post, path = "/v1/apply/confirm", tag = "changing",
    params(("if-match" = Option<String>, Header, description = "ETag of the generation that must be enforced")),
    responses((status = 200, body = StandingView)))]
pub(super) async fn confirm(
    State(service): State<Service>,
    caller: Caller,
) -> Result<Tagged<StandingView>, Problem> {
    caller.on(&service)?.confirm().await?;
    Ok(standing(&service))
}

/// Go back to what was enforced before an unconfirmed change, or to a generation.
///
/// Its configuration is planned anew, with today's links and guests. The files stay as they are; they are not applied
/// again before they change or somebody applies them.
#[utoipa::path(post, path = "/v1/apply/rollback", tag = "changing", request_body = Option<RollbackRequest>,
    params(("if-match" = Option<String>, Header, description = "ETag of the generation that must be enforced")),
    responses((status = 200, body = AppliedView)))]
pub(super) async fn rollback(
    State(service): State<Service>,
    caller: Caller,
    Payload(request): Payload<RollbackRequest>,
) -> Result<Tagged<AppliedView>, Problem> {
    let to = request.generation.map(|number| number.0.into());
    let applied = caller.on(&service)?.rollback(to).await;
    let applied = applied.map_err(|error| Problem::applying(error, &service.handle.published()))?;
    Ok(Tagged::new(&applied.published, AppliedView::new(&applied)))
}

/// Switch automatic applying off for this node: changed files wait for an apply.
#[utoipa::path(post, path = "/v1/hold", tag = "changing",
    params(("if-match" = Option<String>, Header, description = "ETag of the generation that must be enforced")),
    responses((status = 200, body = StandingView)))]
pub(super) async fn hold(
    State(service): State<Service>,
    caller: Caller,
) -> Result<Tagged<StandingView>, Problem> {
    caller.on(&service)?.hold(true).await?;
    Ok(standing(&service))
}

/// Switch automatic applying on again: what waited is applied.
#[utoipa::path(post, path = "/v1/release", tag = "changing",
    params(("if-match" = Option<String>, Header, description = "ETag of the generation that must be enforced")),
    responses((status = 200, body = StandingView)))]
pub(super) async fn release(
    State(service): State<Service>,
    caller: Caller,
) -> Result<Tagged<StandingView>, Problem> {
    caller.on(&service)?.hold(false).await?;
    Ok(standing(&service))
}

fn standing(service: &Service) -> Tagged<StandingView> {
    let published = service.handle.published();
    Tagged::new(&published, StandingView::new(&published))
}
