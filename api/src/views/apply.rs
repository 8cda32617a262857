//! What changes enforcement: requests and their answers, as JSON.

use std::net::IpAddr;

use engine::inputs::RejectMode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::report::CountsView;
use super::scalar::{Count, FilesView, Flag, address, seconds, vlan};
use super::status::{ConfirmView, confirm, latest};
use crate::service::handle::{Applied, GuestEventKind, GuestOutcome};
use crate::service::state::Published;

/// `POST /v1/apply`
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// Unsaved files over those that are saved, by path; `null`: the file is taken to be absent.
    #[serde(default)]
    pub overlay: FilesView,
    /// Even if that cuts the way in.
    #[serde(default)]
    pub force: Flag,
    /// Only what would be applied by itself, and at once: a hold, a change that waits for its confirmation and a
    /// rollback keep it (409). For whoever has just saved files and goes on when they are enforced; alone.
    #[serde(default)]
    pub automatic: Flag,
    /// Seconds after which what was enforced before comes back, unless somebody confirms; at least 1.
    #[serde(default)]
    #[schema(schema_with = seconds)]
    pub confirm_within: Option<Count>,
    /// Address of the person on whose behalf somebody calls: a change that would close what that person is connected by
    /// is held. Grants nothing.
    #[serde(default)]
    #[schema(schema_with = address)]
    pub caller: Option<IpAddr>,
}

/// What an apply, or a rollback, led to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AppliedView {
    /// Something was written to the kernel.
    pub changed: bool,
    /// The generation that is enforced.
    pub generation: Option<u64>,
    /// SHA-256 of its configuration.
    pub digest: Option<String>,
    /// `active`, `disabled`, `degraded`, `held`, `failed`
    pub state: &'static str,
    /// Why, in a sentence.
    pub cause: String,
    /// What waits for a confirmation.
    pub confirm: Option<ConfirmView>,
    /// How many diagnostics of each severity there are.
    pub n_diagnostics: CountsView,
    /// What the kernel cannot do, and what that means: this is not protected.
    pub losses: Vec<String>,
    /// What could be reached before it and cannot be any more, as a new connection; the most serious first.
    pub cuts: Vec<String>,
}

/// How enforcement stands after a switch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StandingView {
    /// `active`, `disabled`, `degraded`, `held`, `failed`
    pub state: &'static str,
    /// Why, in a sentence.
    pub cause: String,
    /// The generation that is enforced.
    pub generation: Option<u64>,
    /// Automatic applying is switched off.
    pub hold: bool,
}

/// `POST /v1/apply/rollback`
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The generation to go back to; without it: the one before the unconfirmed change.
    #[serde(default)]
    pub generation: Option<Count>,
}

/// `PUT /v1/reject-mode`
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectModeRequest {
    /// The mode to keep and enforce.
    pub mode: ModeView,
}

/// How REJECT towards guests is answered.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModeView {
    /// Not at all: it is dropped.
    Drop,
    /// By the bridge, where frames enter it.
    Prerouting,
    /// As `prerouting`; what the host sends or routes, by a bridge of its own.
    Divert,
    /// As `prerouting`; what the host sends or routes, by the firewall bridge of the guest's device.
    Fwbr,
}

impl From<ModeView> for RejectMode {
    fn from(view: ModeView) -> RejectMode {
        match view {
            ModeView::Drop => RejectMode::Drop,
            ModeView::Prerouting => RejectMode::Prerouting,
            ModeView::Divert => RejectMode::Divert,
            ModeView::Fwbr => RejectMode::Fwbr,
        }
    }
}

/// `POST /v1/guests/{vmid}/events`
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestEventRequest {
    /// What happens.
    pub event: EventKindView,
    /// Interface, as far as the caller knows it.
    #[serde(default)]
    #[schema(pattern = "^[!-.0-~]{1,15}$")]
    pub iface: Option<String>,
    /// The bridge that it will join.
    #[serde(default)]
    #[schema(pattern = "^[!-.0-~]{1,15}$")]
    pub bridge: Option<String>,
    /// Access VLAN, 1 to 4094.
    #[serde(default)]
    #[schema(schema_with = vlan)]
    pub vlan: Option<Count>,
    /// MAC address.
    #[serde(default)]
    #[schema(pattern = "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")]
    pub mac: Option<String>,
    /// The node that a migration comes from.
    #[serde(default)]
    #[schema(pattern = "^[0-9A-Za-z.-]{1,64}$")]
    pub source_node: Option<String>,
}

/// What happens to a guest.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventKindView {
    /// It starts: the answer comes once its policy is enforced.
    Start,
    /// It has stopped.
    Stop,
    /// It has come from another node.
    Migrated,
    /// One of its interfaces is about to join a bridge: the answer comes once its policy is enforced.
    Plug,
}

/// What a guest event led to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GuestOutcomeView {
    /// The guest's policy is enforced for its interfaces, present and future.
    pub enforced: bool,
    /// Its interfaces are dropped by the kernel until its configuration is known.
    pub quarantined: bool,
    /// The generation that holds now.
    pub generation: Option<u64>,
}

impl AppliedView {
    /// The wire form.
    pub fn new(applied: &Applied) -> AppliedView {
        let published = &*applied.published;
        let generation = published.generation.as_deref();
        AppliedView {
            changed: applied.changed,
            generation: generation.map(|generation| generation.number),
            digest: generation.map(|generation| generation.digest.to_string()),
            state: published.state.as_str(),
            cause: published.cause.clone(),
            confirm: confirm(published),
            n_diagnostics: latest(published)
                .map_or_else(CountsView::default, |c| CountsView::of(&c.diagnostics)),
            losses: generation.map_or_else(Vec::new, |generation| generation.losses.clone()),
            cuts: generation.map_or_else(Vec::new, |generation| generation.cuts.clone()),
        }
    }
}

impl StandingView {
    /// The wire form.
    pub fn new(published: &Published) -> StandingView {
        StandingView {
            state: published.state.as_str(),
            cause: published.cause.clone(),
            generation: published.generation.as_ref().map(|generation| generation.number),
            hold: published.hold,
        }
    }
}

impl From<EventKindView> for GuestEventKind {
    fn from(kind: EventKindView) -> GuestEventKind {
        match kind {
            EventKindView::Start => GuestEventKind::Start,
            EventKindView::Stop => GuestEventKind::Stop,
            EventKindView::Migrated => GuestEventKind::Migrated,
            EventKindView::Plug => GuestEventKind::Plug,
        }
    }
}

impl From<GuestEventKind> for EventKindView {
    fn from(kind: GuestEventKind) -> EventKindView {
        match kind {
            GuestEventKind::Start => EventKindView::Start,
            GuestEventKind::Stop => EventKindView::Stop,
            GuestEventKind::Migrated => EventKindView::Migrated,
            GuestEventKind::Plug => EventKindView::Plug,
        }
    }
}

impl From<&GuestOutcome> for GuestOutcomeView {
    fn from(outcome: &GuestOutcome) -> GuestOutcomeView {
        let GuestOutcome { enforced, quarantined, generation } = *outcome;
        GuestOutcomeView { enforced, quarantined, generation }
    }
}
