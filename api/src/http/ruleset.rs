//! `GET /v1/ruleset`: what is enforced, with the reason for each part of it.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Service;
use super::error::Problem;
use super::extract::{Tagged, known_vmid, unchanged, with_etag};
use crate::service::state::Generation;
use crate::views::compile::FormatView;
use crate::views::ruleset::{RulesetView, of_guest, text};
use crate::views::scalar::Count;

/// What of the ruleset, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `json` (the default), or `nft`: text with a comment at the end of each line that says where it comes from
    #[param(inline)]
    format: Option<FormatView>,
    /// Only what this guest meets
    #[param(value_type = Option<u32>, minimum = 100, maximum = 999_999_999)]
    guest: Option<Count>,
}

/// What is enforced, with the reason for each rule, set and element.
#[utoipa::path(get, path = "/v1/ruleset", tag = "reading",
    params(Wanted, ("if-none-match" = Option<String>, Header, description = "ETag of the answer that the caller has")),
    responses(
        (status = 200, content((RulesetView = "application/json"), (String = "text/plain"))),
        (status = 304, description = "nothing was committed since"),
    ))]
pub(super) async fn ruleset(
    State(service): State<Service>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let published = service.handle.published();
    let generation =
        published.generation.clone().ok_or_else(|| Problem::not_found("nothing is enforced yet"))?;
    if let Some(answer) = unchanged(&headers, generation.number) {
        return Ok(answer);
    }
    service.heavy(move |_| answer(&generation, &wanted)).await?
}

fn answer(generation: &Generation, wanted: &Wanted) -> Result<Response, Problem> {
    let sources = &generation.compiled.sources;
    let number = Some(generation.number);
    let narrowed = match wanted.guest {
        None => None,
        Some(Count(vmid)) => {
            let vmid = known_vmid(vmid)?;
            let is_here = generation.compiled.config.guests.keys().any(|known| known.get() == vmid);
            let absent = || Problem::not_found(format!("guest {vmid} is not on this node"));
            Some(is_here.then(|| of_guest(&generation.enforced, vmid)).ok_or_else(absent)?)
        }
    };
    let ruleset = narrowed.as_ref().unwrap_or(&generation.enforced);
    Ok(match wanted.format.unwrap_or(FormatView::Json) {
        FormatView::Json => Tagged(number, RulesetView::new(ruleset, sources)).into_response(),
        FormatView::Nft => {
            let mut response = text(ruleset, sources).into_response();
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, plain);
            with_etag(number, response)
        }
    })
}
