//! `GET /v1/generations`: what was committed lately.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::Service;
use super::extract::{Tagged, unchanged};
use crate::views::generation::{GenerationsView, SummaryView};

/// The recent generations with what each changed, the newest first.
#[utoipa::path(get, path = "/v1/generations", tag = "reading",
    params(("if-none-match" = Option<String>, Header, description = "ETag of the answer that the caller has")),
    responses((status = 200, body = GenerationsView), (status = 304, description = "nothing was committed since")))]
pub(super) async fn generations(State(service): State<Service>, headers: HeaderMap) -> Response {
    let published = service.handle.published();
    let enforced = published.generation.as_ref().map(|generation| generation.number);
    if let Some(answer) = enforced.and_then(|number| unchanged(&headers, number)) {
        return answer;
    }
    let recent = published.recent.iter().map(|summary| SummaryView::new(summary, enforced));
    Tagged(enforced, GenerationsView { generations: recent.collect() }).into_response()
}
