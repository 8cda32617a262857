//! `POST /v1/simulate`: a packet's way through what is enforced, or through what would be.

use axum::Json;
use axum::extract::State;
use engine::Compiled;
use engine::inputs::HostFacts;
use engine::ruleset::Ruleset;
use engine::simulate::{Packet, World, simulate as walk};

use super::Service;
use super::error::Problem;
use super::extract::{Payload, overlay};
use crate::views::compile::{SimulateRequest, SimulatedView};
use crate::views::trace::TraceView;

/// Follow a packet, and explain its verdict.
///
/// Without an overlay through what is enforced; with one (it may be empty) through what the saved files with it would
/// mean.
#[utoipa::path(post, path = "/v1/simulate", tag = "reading", request_body = SimulateRequest,
    responses((status = 200, body = SimulatedView)))]
pub(super) async fn simulate(
    State(service): State<Service>,
    Payload(request): Payload<SimulateRequest>,
) -> Result<Json<SimulatedView>, Problem> {
    let packet: Packet =
        request.packet.parse().map_err(|error| Problem::unusable(format!("packet: {error}")))?;
    let all = request.all.0;
    let published = service.handle.published();
    if let (None, Some(generation)) = (&request.overlay, published.generation.clone()) {
        let trace = service.heavy(move |_| {
            trace(&packet, &generation.compiled, &generation.enforced, &generation.facts, all)
        });
        let generation = published.generation.as_ref().map(|generation| generation.number);
        return Ok(Json(SimulatedView { generation, trace: trace.await?? }));
    }
    let preview = service.preview(overlay(request.overlay.unwrap_or_default())?).await?;
    let trace = trace(&packet, &preview.compiled, &preview.ruleset, &preview.facts, all)?;
    Ok(Json(SimulatedView { generation: None, trace }))
}

fn trace(
    packet: &Packet,
    compiled: &Compiled,
    ruleset: &Ruleset,
    facts: &HostFacts,
    all: bool,
) -> Result<TraceView, Problem> {
    let world = World::from_facts(facts, &compiled.config.guests);
    let trace = walk(ruleset, &world, packet)
        .map_err(|error| Problem::unusable(format!("this packet has no way here: {error}")))?;
    Ok(TraceView::new(packet, &trace, &compiled.sources, all))
}
