//! How enforcement stands, as JSON.

use std::time::Instant;

use engine::Compiled;
use engine::inputs::RejectMode;
use engine::ruleset::{Ruleset, TableFamily};
use serde::Serialize;
use utoipa::ToSchema;

use super::generation::{GenerationView, unix_s};
use super::report::{CountsView, DiagnosticView, FeatureView};
use crate::features::Feature;
use crate::service::gate::Waits;
use crate::service::state::{Candidate, Obstacle, Published};

/// The answer of `GET /v1/status`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StatusView {
    /// Version of the program.
    pub version: &'static str,
    /// The node; `null` until the configuration has been read.
    pub node: Option<String>,
    /// `active`, `disabled`, `degraded`, `held`, `failed`
    pub state: &'static str,
    /// Why, in a sentence.
    pub cause: String,
    /// Since when, Unix time.
    pub since_s: u64,
    /// What is enforced; `null`: nothing was yet.
    pub generation: Option<GenerationView>,
    /// What is saved, if something else is enforced.
    pub candidate: Option<CandidateView>,
    /// Automatic applying is switched off.
    pub hold: bool,
    /// What waits for a confirmation.
    pub confirm: Option<ConfirmView>,
    /// How REJECT towards guests is answered.
    pub reject_mode: RejectModeView,
    /// How much is enforced.
    pub counts: EnforcedView,
    /// How many diagnostics of each severity the saved configuration has.
    pub n_diagnostics: CountsView,
    /// They; the first 1,000.
    pub diagnostics: Vec<DiagnosticView>,
    /// Features of the kernel that the configuration needs.
    pub features: Vec<FeatureView>,
    /// Guests that keep older chains because the kernel refused their new ones.
    pub refused_guests: Vec<RefusedView>,
    /// What others do to our traffic, and the like.
    pub warnings: Vec<String>,
    /// Repairs of the kernel's tables.
    pub drift: Option<DriftView>,
}

/// The answer of `GET /v1/health`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HealthView {
    /// What is configured is enforced, or what was before it stays.
    pub ready: bool,
    /// `active`, `disabled`, `degraded`, `held`, `failed`
    pub state: &'static str,
}

/// A configuration that is saved and not enforced.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CandidateView {
    /// SHA-256 of the configuration.
    pub digest: String,
    /// What keeps it: `hold`, `confirmation`, `rolled-back`, `way-in`, `unreadable`, `refused`, `world`.
    pub obstacle: &'static str,
    /// In words.
    pub reason: String,
    /// What would be cut, or the kernel's words.
    pub details: Vec<String>,
}

/// An applied configuration that goes again unless somebody confirms it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConfirmView {
    /// Seconds that remain.
    pub remaining_s: u64,
    /// Seconds that were given.
    pub within_s: u64,
    /// The generation that comes back.
    pub back_to: u64,
}

/// How REJECT towards guests is answered.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct RejectModeView {
    /// What the node's settings ask for; `null`: nothing, the default holds.
    pub asked: Option<&'static str>,
    /// What is in force: `drop`, `prerouting`, `divert` or `fwbr`; `null`: guests are not filtered.
    pub effective: Option<&'static str>,
    /// Why that is not what was asked for.
    pub reasons: Vec<String>,
}

/// How much is enforced.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct EnforcedView {
    /// Guests of this node.
    pub n_guests: usize,
    /// Those with a filtered device.
    pub n_guests_filtered: usize,
    /// VNets with a firewall.
    pub n_vnets: usize,
    /// Chains in the kernel.
    pub n_chains: usize,
    /// Rules in the kernel.
    pub n_rules: usize,
    /// Sets and maps in the kernel.
    pub n_sets: usize,
    /// Their elements.
    pub n_elements: usize,
}

/// A guest that keeps older chains.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedView {
    /// The guest.
    pub vmid: u32,
    /// The kernel's words.
    pub reason: String,
}

/// Repairs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DriftView {
    /// How many there were since the start.
    pub n_repairs: u64,
    /// When the last one ended, Unix time.
    pub repaired_at_s: u64,
    /// Microseconds from the notification to the repair.
    pub window_us: u64,
    /// Connections that were opened meanwhile: the next packet of each is new again, and meets the rules.
    pub n_connections_forgotten: usize,
    /// What differed.
    pub what: String,
}

/// No more diagnostics than this in one answer.
const DIAGNOSTICS_MAX: usize = 1000;

impl StatusView {
    /// The wire form.
    pub fn new(published: &Published) -> StatusView {
        let generation = published.generation.as_deref();
        let enforced =
            generation.map(|generation| EnforcedView::new(&generation.compiled, &generation.enforced));
        let compiled = latest(published);
        let diagnostics = compiled.map_or(&[][..], |compiled| &compiled.diagnostics);
        let view = |diagnostic| DiagnosticView::new(diagnostic, &compiled.expect("has said it").sources);
        let feature = |feature: &Feature| FeatureView::new(*feature, !published.missing.contains(feature));
        StatusView {
            version: env!("CARGO_PKG_VERSION"),
            node: generation.map(|generation| generation.facts.node.clone()),
            state: published.state.as_str(),
            cause: published.cause.clone(),
            since_s: unix_s(published.since),
            generation: generation.map(GenerationView::new),
            candidate: published.candidate.as_deref().map(CandidateView::new),
            hold: published.hold,
            confirm: confirm(published),
            reject_mode: RejectModeView::new(published),
            counts: enforced.unwrap_or_default(),
            n_diagnostics: CountsView::of(diagnostics),
            diagnostics: diagnostics.iter().take(DIAGNOSTICS_MAX).map(view).collect(),
            features: published.probed.iter().map(feature).collect(),
            refused_guests: refused(published),
            warnings: published.warnings.clone(),
            drift: published.drift.as_ref().map(|drift| DriftView {
                n_repairs: drift.n_repairs,
                repaired_at_s: unix_s(drift.repaired_at),
                window_us: drift.window_us,
                n_connections_forgotten: drift.n_connections_forgotten,
                what: drift.what.clone(),
            }),
        }
    }
}

/// What the saved configuration was compiled to.
pub fn latest(published: &Published) -> Option<&Compiled> {
    let candidate = published.candidate.as_ref().map(|candidate| &*candidate.compiled);
    candidate.or(published.generation.as_ref().map(|generation| &*generation.compiled))
}

/// What waits for its confirmation, seen now.
pub fn confirm(published: &Published) -> Option<ConfirmView> {
    let left = published.confirm_until.map(|until| until.saturating_duration_since(Instant::now()));
    published.confirm.map(|confirm| ConfirmView {
        remaining_s: left.map_or(confirm.within_s, |left| left.as_secs_f64().ceil() as u64),
        within_s: confirm.within_s,
        back_to: confirm.back_to,
    })
}

fn refused(published: &Published) -> Vec<RefusedView> {
    let refused = published.refused_guests.iter();
    refused.map(|(vmid, reason)| RefusedView { vmid: *vmid, reason: reason.clone() }).collect()
}

impl CandidateView {
    /// The wire form.
    pub fn new(candidate: &Candidate) -> CandidateView {
        let (obstacle, reason, details) = match &candidate.obstacle {
            Obstacle::Waits(waits, cuts) => {
                let word = match waits {
                    Waits::Hold => "hold",
                    Waits::Confirmation => "confirmation",
                    Waits::RolledBack => "rolled-back",
                    Waits::WayIn => "way-in",
                };
                (word, waits.as_str().to_owned(), cuts.clone())
            }
            Obstacle::Unreadable => {
                ("unreadable", "a file that everything hangs on cannot be read".to_owned(), Vec::new())
            }
            Obstacle::Refused(reasons) => ("refused", "the kernel refused it".to_owned(), reasons.clone()),
            Obstacle::World(why) => ("world", why.clone(), Vec::new()),
        };
        CandidateView { digest: candidate.digest.to_string(), obstacle, reason, details }
    }
}

impl RejectModeView {
    /// The wire form.
    pub fn new(published: &Published) -> RejectModeView {
        let Some(generation) = &published.generation else { return RejectModeView::default() };
        let compiled = &generation.compiled;
        let asked = compiled.config.settings.reject_mode.as_ref().map(|mode| mode.value);
        let has_bridges = generation.enforced.tables.iter().any(|table| table.family == TableFamily::Bridge);
        let effective = has_bridges.then_some(compiled.resolved.reject_mode);
        let wanted = Some(compiled.resolved.reject_asked);
        let reasons = if effective == wanted {
            Vec::new()
        } else if !compiled.resolved.enabled {
            vec!["the datacenter's firewall is off".to_owned()]
        } else if effective.is_some() {
            let is_about = |warning: &&String| warning.starts_with("reject mode ");
            published.warnings.iter().filter(is_about).cloned().collect()
        } else {
            let lacks =
                |feature: &Feature| format!("the kernel lacks {} ({})", feature.name(), feature.brought_by());
            published.missing.iter().map(lacks).collect()
        };
        RejectModeView {
            asked: asked.map(RejectMode::as_str),
            effective: effective.map(RejectMode::as_str),
            reasons,
        }
    }
}

impl EnforcedView {
    fn new(compiled: &Compiled, enforced: &Ruleset) -> EnforcedView {
        let guests = &compiled.resolved.guests;
        let chains = || enforced.tables.iter().flat_map(|table| &table.chains);
        let sets = || enforced.tables.iter().flat_map(|table| &table.sets);
        EnforcedView {
            n_guests: guests.len(),
            n_guests_filtered: guests.iter().filter(|guest| guest.filtered().next().is_some()).count(),
            n_vnets: compiled.resolved.vnets.len(),
            n_chains: chains().count(),
            n_rules: chains().map(|chain| chain.rules.len()).sum(),
            n_sets: sets().count(),
            n_elements: sets().map(|set| set.elements.len()).sum(),
        }
    }
}

impl HealthView {
    /// The wire form.
    pub fn new(published: &Published) -> HealthView {
        use crate::service::state::State;

        let ready = match published.state {
            State::Active | State::Disabled | State::Degraded => true,
            // What was enforced stays: traffic is filtered, if not as somebody wants it now.
            State::Held => published.generation.is_some(),
            State::Failed => false,
        };
        HealthView { ready, state: published.state.as_str() }
    }
}
