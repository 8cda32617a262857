//! `GET /v1/guests`, `GET /v1/guests/{vmid}`, `POST /v1/guests/{vmid}/events`.

use axum::Json;
use axum::extract::{Path, State};
use engine::model::address::Mac;
use engine::ruleset::TableFamily;

use super::Service;
use super::error::Problem;
use super::extract::{Caller, Payload, Tagged, known_vmid};
use crate::service::handle::GuestEvent;
use crate::service::state::Generation;
use crate::views::apply::{GuestEventRequest, GuestOutcomeView};
use crate::views::guest::{GuestSummaryView, GuestView, GuestsView, Surroundings};

/// Longest name of an interface in the kernel.
const IFNAME_MAX: usize = 15;

/// The guests of this node.
#[utoipa::path(get, path = "/v1/guests", tag = "reading", responses((status = 200, body = GuestsView)))]
pub(super) async fn guests(State(service): State<Service>) -> Result<Tagged<GuestsView>, Problem> {
    let published = service.handle.published();
    let generation = published.generation.as_ref().ok_or_else(nothing)?;
    let guests = generation.compiled.config.guests.values();
    let guests = guests.map(|guest| GuestSummaryView::new(guest, &published)).collect();
    Ok(Tagged::new(&published, GuestsView { guests }))
}

/// What a guest's packets meet: for each device its rules, how often each was met, and which do nothing and why.
#[utoipa::path(get, path = "/v1/guests/{vmid}", tag = "reading",
    params(("vmid" = u32, Path, description = "the guest", minimum = 100, maximum = 999_999_999)), responses((status = 200, body = GuestView)))]
pub(super) async fn guest(
    State(service): State<Service>,
    Path(vmid): Path<u32>,
) -> Result<Tagged<GuestView>, Problem> {
    let vmid = known_vmid(vmid)?;
    let published = service.handle.published();
    let generation = published.generation.clone().ok_or_else(nothing)?;
    let view = service.heavy(move |service| {
        let compiled = &generation.compiled;
        let guest = compiled.config.guests.values().find(|guest| guest.vmid.get() == vmid);
        let guest = guest.ok_or_else(|| Problem::not_found(format!("guest {vmid} is not on this node")))?;
        let hits = service.judge.hits();
        let unprotected = unprotected(&generation);
        let around = Surroundings {
            published: &service.handle.published(),
            generation: generation.number,
            unprotected: unprotected.as_deref(),
            hits: hits.as_deref().map_err(String::as_str),
        };
        Ok::<GuestView, Problem>(GuestView::new(guest, compiled, around))
    });
    let view = view.await??;
    Ok(Tagged(Some(view.generation), view))
}

/// Why guests are not protected although the firewall is on: what the kernel lacks.
fn unprotected(generation: &Generation) -> Option<String> {
    let has_bridges = |ruleset: &engine::ruleset::Ruleset| {
        ruleset.tables.iter().any(|table| table.family == TableFamily::Bridge)
    };
    let wanted = has_bridges(&generation.compiled.plan.ruleset);
    (wanted && !has_bridges(&generation.enforced)).then(|| generation.losses.join("; "))
}

/// Tell that a guest starts, stops, arrives, or that one of its interfaces is about to join a bridge.
///
/// For `start` and `plug` the answer comes once its policy is enforced for its interfaces, present and future.
#[utoipa::path(post, path = "/v1/guests/{vmid}/events", tag = "changing", request_body = GuestEventRequest,
    params(
        ("vmid" = u32, Path, description = "the guest", minimum = 100, maximum = 999_999_999),
        ("if-match" = Option<String>, Header, description = "ETag of the generation that must be enforced"),
    ),
    responses((status = 200, body = GuestOutcomeView)))]
pub(super) async fn guest_event(
    State(service): State<Service>,
    caller: Caller,
    Path(vmid): Path<u32>,
    Payload(request): Payload<GuestEventRequest>,
) -> Result<Json<GuestOutcomeView>, Problem> {
    let event = event(known_vmid(vmid)?, request)?;
    let outcome = caller.on(&service)?.guest(event).await?;
    Ok(Json(GuestOutcomeView::from(&outcome)))
}

fn event(vmid: u32, request: GuestEventRequest) -> Result<GuestEvent, Problem> {
    let GuestEventRequest { event, iface, bridge, vlan, mac, source_node } = request;
    let is_name = |name: &&String| {
        !name.is_empty()
            && name.len() <= IFNAME_MAX
            && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
    };
    for name in [&iface, &bridge].into_iter().flatten() {
        if !is_name(&name) {
            return Err(Problem::unusable(format!("{name:?} is no name of an interface")));
        }
    }
    if let Some(mac) = mac.as_ref().filter(|mac| mac.parse::<Mac>().is_err()) {
        return Err(Problem::unusable(format!("{mac:?} is no MAC address")));
    }
    let is_node = |node: &String| {
        matches!(node.len(), 1..=64) && node.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
    };
    if let Some(node) = source_node.as_ref().filter(|node| !is_node(node)) {
        return Err(Problem::unusable(format!("{node:?} is no name of a node")));
    }
    let vlan = match vlan.map(|vlan| vlan.0) {
        None => None,
        Some(number @ 1..=4094) => u16::try_from(number).ok(),
        Some(number) => return Err(Problem::unusable(format!("there is no VLAN {number}"))),
    };
    Ok(GuestEvent { vmid, kind: event.into(), iface, bridge, vlan, mac, source_node })
}

fn nothing() -> Problem {
    Problem::not_found("nothing is enforced yet")
}
