//! The description of the API, OpenAPI 3.1; the committed copy is `api/openapi.json`.

use axum::Json;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{Content, Info, OpenApi as Document, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::error::PROBLEM;
use super::{
    applying, catalog, compile, events, generations, guests, metrics, reject_mode, rpc, ruleset, simulate,
    status,
};
use crate::views::event::{DiagnosticsEventView, DriftEventView, GapEventView, GuestHappenedView};
use crate::views::problem::ProblemView;

#[derive(OpenApi)]
#[openapi(
    paths(
        status::status,
        status::health,
        compile::compile,
        ruleset::ruleset,
        applying::apply,
        applying::confirm,
        applying::rollback,
        applying::hold,
        applying::release,
        generations::generations,
        reject_mode::reject_mode,
        reject_mode::set_reject_mode,
        guests::guests,
        guests::guest,
        guests::guest_event,
        simulate::simulate,
        events::events,
        catalog::catalog,
        openapi,
        rpc::rpc,
        metrics::metrics,
    ),
    components(schemas(ProblemView, DiagnosticsEventView, DriftEventView, GapEventView, GuestHappenedView)),
    tags(
        (name = "reading", description = "changes nothing; all that is GET is served on the reader's socket too"),
        (name = "changing", description = "changes what is enforced"),
    ),
    modifiers(&Problems),
)]
struct Api;

/// The description.
pub fn document() -> Document {
    let mut document = Api::openapi();
    let description = "The firewall of a Proxmox VE node, over a unix socket that serves root alone. Reads of what is \
        enforced bear the generation as ETag; what changes something honours If-Match. The header PVE-User names the \
        user on whose behalf somebody calls; it goes to the audit log and grants nothing. Booleans and numbers may \
        come as strings.";
    document.info = Info::new("proxmox-firewall", env!("CARGO_PKG_VERSION"));
    document.info.description = Some(description.to_owned());
    document.servers = None;
    document
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "reading",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn openapi() -> Json<Document> {
    Json(document())
}

/// Every call may end in a problem.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut Document) {
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            let content = Content::new(Some(Ref::from_schema_name("ProblemView")));
            let problem =
                ResponseBuilder::new().description("a problem (RFC 9457)").content(PROBLEM, content);
            operation.responses.responses.insert("default".to_owned(), problem.build().into());
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post].into_iter().flatten()
}
