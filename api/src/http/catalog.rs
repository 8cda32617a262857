//! `GET /v1/catalog`: what may be written in the configuration.

use axum::Json;

use crate::views::catalog::CatalogView;

/// Macros, ICMP types, options with their defaults: for editors.
#[utoipa::path(get, path = "/v1/catalog", tag = "reading", responses((status = 200, body = CatalogView)))]
pub(super) async fn catalog() -> Json<CatalogView> {
    Json(CatalogView::new())
}
