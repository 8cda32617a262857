//! `POST /v1/compile`: what a configuration would mean; nothing is written.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::diff;
use engine::render;
use engine::ruleset::Ruleset;

use super::Service;
use super::error::Problem;
use super::extract::{Payload, overlay};
use crate::host::judge::Judge;
use crate::service::preview::{Cuts, Preview};
use crate::service::state::Published;
use crate::views::change::ChangeView;
use crate::views::compile::{CompileRequest, CompileView, FaultView, FormatView, KernelView};
use crate::views::report::{CountsView, DiagnosticView};
use crate::views::trace::OriginView;

/// Compile the saved files, with unsaved ones over them; nothing is written.
///
/// Diagnostics, the change against what is enforced, what that would cut, optionally the ruleset and the kernel's judgement of it.
#[utoipa::path(post, path = "/v1/compile", tag = "reading", request_body = Option<CompileRequest>,
    responses((status = 200, body = CompileView)))]
pub(super) async fn compile(
    State(service): State<Service>,
    Payload(request): Payload<CompileRequest>,
) -> Result<Json<CompileView>, Problem> {
    let overlay = overlay(request.overlay)?;
    let view = service.heavy(move |service| {
        let published = service.handle.published();
        let preview = service.handle.preview(&overlay)?;
        let cuts = preview.cuts(published.generation.as_deref(), request.caller);
        let mut view = view(&preview, &published, cuts);
        view.ruleset = request.ruleset.map(|format| ruleset(&preview.ruleset, format)).transpose()?;
        if request.check.0 {
            view.kernel = Some(judged(&*service.judge, &preview)?);
        }
        Ok::<CompileView, Problem>(view)
    });
    view.await?.map(Json)
}

fn view(preview: &Preview, published: &Published, cuts: Cuts) -> CompileView {
    let compiled = &preview.compiled;
    let generation = published.generation.as_deref();
    let nothing = Ruleset::default();
    let enforced = generation.map_or(&nothing, |generation| &*generation.enforced);
    let changes = diff::diff(enforced, &preview.ruleset);
    let old = generation.map(|generation| &generation.compiled.sources);
    let diagnostics = compiled.diagnostics.iter();
    CompileView {
        digest: preview.digest.to_string(),
        enabled: compiled.resolved.enabled,
        unreadable: compiled.hold,
        n_diagnostics: CountsView::of(&compiled.diagnostics),
        diagnostics: diagnostics.map(|one| DiagnosticView::new(one, &compiled.sources)).collect(),
        losses: preview.losses.clone(),
        enforced: generation.map(|generation| generation.number),
        change: ChangeView::new(&changes, old, &compiled.sources),
        cuts: cuts.words,
        cuts_the_way_in: cuts.holds,
        ruleset: None,
        kernel: None,
    }
}

fn ruleset(ruleset: &Ruleset, format: FormatView) -> Result<serde_json::Value, Problem> {
    match format {
        FormatView::Nft => Ok(render::text(ruleset).into()),
        FormatView::Json => serde_json::from_str(&render::json(ruleset))
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

fn judged(judge: &dyn Judge, preview: &Preview) -> Result<KernelView, Problem> {
    let unavailable = |why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let faults = judge.judge(&preview.ruleset).map_err(unavailable)?;
    let sources = &preview.compiled.sources;
    let fault = |fault: crate::host::kernel::Fault| FaultView {
        command: fault.command,
        message: fault.message,
        origin: fault.origin.map(|origin| OriginView::new(origin, sources)),
    };
    Ok(KernelView { accepted: faults.is_empty(), faults: faults.into_iter().map(fault).collect() })
}
