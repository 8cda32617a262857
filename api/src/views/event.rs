//! What happens, as JSON: the data of server-sent events.

use serde::Serialize;
use utoipa::ToSchema;

use super::apply::EventKindView;
use super::generation::unix_s;
use super::report::{CountsView, DiagnosticView};
use super::status::latest;
use crate::service::handle::GuestEvent;
use crate::service::state::{Cause, Published};

/// Event `state`: a generation was committed, or the state has changed. The first one of a stream is how it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StateEventView {
    /// `active`, `disabled`, `degraded`, `held`, `failed`
    pub state: &'static str,
    /// Why, in a sentence.
    pub cause: String,
    /// Since when, Unix time.
    pub since_s: u64,
    /// What led to it: `start`, `files`, `links`, `guest`, `apply`, `rollback`, `drift`, `audit`; `null`: the stream
    /// begins.
    pub trigger: Option<&'static str>,
    /// The generation that is enforced.
    pub generation: Option<u64>,
    /// SHA-256 of its configuration.
    pub digest: Option<String>,
    /// Microseconds that it took.
    pub total_us: Option<u64>,
    /// What waits: SHA-256 of the configuration that is saved and not enforced.
    pub candidate: Option<String>,
    /// How many diagnostics of each severity.
    pub n_diagnostics: CountsView,
}

/// Event `diagnostics`: what is new among the diagnostics.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DiagnosticsEventView {
    /// Those that were not there before; the first 100.
    pub added: Vec<DiagnosticView>,
    /// How many are new.
    pub n_added: usize,
    /// How many are gone.
    pub n_removed: usize,
}

/// Event `guest`: a guest event was dealt with.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GuestHappenedView {
    /// The guest.
    pub vmid: u32,
    /// What happened to it.
    pub event: EventKindView,
    /// Interface, as far as the caller knew it.
    pub iface: Option<String>,
    /// When it was dealt with, Unix time.
    pub at_s: u64,
}

/// Event `drift`: the kernel did not hold what it should, and was repaired.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DriftEventView {
    /// What differed.
    pub what: String,
}

/// Event `gap`: the listener was too slow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GapEventView {
    /// Events that it missed.
    pub missed: u64,
}

impl StateEventView {
    /// The wire form.
    pub fn new(published: &Published, trigger: Option<Cause>) -> StateEventView {
        let generation = published.generation.as_deref();
        StateEventView {
            state: published.state.as_str(),
            cause: published.cause.clone(),
            since_s: unix_s(published.since),
            trigger: trigger.map(Cause::as_str),
            generation: generation.map(|generation| generation.number),
            digest: generation.map(|generation| generation.digest.to_string()),
            total_us: generation.map(|generation| generation.phases.total_us()),
            candidate: published.candidate.as_ref().map(|candidate| candidate.digest.to_string()),
            n_diagnostics: latest(published)
                .map_or_else(CountsView::default, |c| CountsView::of(&c.diagnostics)),
        }
    }
}

impl GuestHappenedView {
    /// The wire form.
    pub fn new(event: &GuestEvent, at: std::time::SystemTime) -> GuestHappenedView {
        GuestHappenedView {
            vmid: event.vmid,
            event: event.kind.into(),
            iface: event.iface.clone(),
            at_s: unix_s(at),
        }
    }
}
