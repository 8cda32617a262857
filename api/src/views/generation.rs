//! Generations: what was committed, when, why, how long that took.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use utoipa::ToSchema;

use crate::service::state::{ChangeCounts, Generation, Phases, Summary, WriterKind};
use crate::service::store::Digests;

/// The generation that is enforced.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GenerationView {
    /// Its number; it counts up with each commit, over restarts.
    pub number: u64,
    /// SHA-256 of its configuration.
    pub digest: String,
    /// SHA-256 of what the datacenter's nodes have in common of it: nodes that enforce the same say the same.
    pub datacenter_digest: String,
    /// Why it came to be: `start`, `files`, `links`, `guest`, `apply`, `rollback`, `drift`, `audit`.
    pub cause: &'static str,
    /// When it was committed, Unix time.
    pub committed_at_s: u64,
    /// How long it took.
    pub phases: PhasesView,
    /// What it changed.
    pub changes: ChangeCountsView,
    /// Who wrote to the kernel: `netlink`, `libnftables`, `none`.
    pub writer: &'static str,
    /// What the kernel cannot do, and what that means: this is not protected.
    pub losses: Vec<String>,
    /// What could be reached before it and cannot be any more, as a new connection: ways in, corosync, Ceph, migration,
    /// storage, the caller's own; the most serious first.
    pub cuts: Vec<String>,
}

/// A recent generation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SummaryView {
    /// Its number.
    pub number: u64,
    /// It is the one that is enforced.
    pub enforced: bool,
    /// SHA-256 of its configuration.
    pub digest: String,
    /// Why it came to be.
    pub cause: &'static str,
    /// When it was committed, Unix time.
    pub committed_at_s: u64,
    /// How long it took.
    pub phases: PhasesView,
    /// How much it changed.
    pub changes: ChangeCountsView,
    /// What it changed, for people.
    pub difference: String,
}

/// The recent generations.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GenerationsView {
    /// The newest first.
    pub generations: Vec<SummaryView>,
}

/// How long the parts of an apply took, in microseconds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PhasesView {
    /// Reading what changed.
    pub gather_us: u64,
    /// From files to a plan.
    pub compile_us: u64,
    /// Asking what would be cut.
    pub preflight_us: u64,
    /// Comparing with what was committed.
    pub diff_us: u64,
    /// Kernel and socket.
    pub commit_us: u64,
    /// All of it.
    pub total_us: u64,
}

/// How much changed in the kernel.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct ChangeCountsView {
    /// Chains with any change.
    pub n_chains: usize,
    /// Rules added.
    pub n_rules_added: usize,
    /// Rules removed.
    pub n_rules_removed: usize,
    /// Elements of sets and maps added.
    pub n_elements_added: usize,
    /// Elements of sets and maps removed.
    pub n_elements_removed: usize,
}

/// Unix time in seconds.
pub fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl GenerationView {
    /// The wire form.
    pub fn new(generation: &Generation) -> GenerationView {
        GenerationView {
            number: generation.number,
            digest: generation.digest.to_string(),
            datacenter_digest: Digests::default().datacenter(&generation.files).to_string(),
            cause: generation.cause.as_str(),
            committed_at_s: unix_s(generation.committed_at),
            phases: PhasesView::new(generation.phases),
            changes: ChangeCountsView::new(generation.changes),
            writer: match generation.writer {
                WriterKind::Netlink => "netlink",
                WriterKind::Libnftables => "libnftables",
                WriterKind::None => "none",
            },
            losses: generation.losses.clone(),
            cuts: generation.cuts.clone(),
        }
    }
}

impl SummaryView {
    /// The wire form; `enforced` is the number of the generation that is.
    pub fn new(summary: &Summary, enforced: Option<u64>) -> SummaryView {
        SummaryView {
            number: summary.number,
            enforced: enforced == Some(summary.number),
            digest: summary.digest.to_string(),
            cause: summary.cause.as_str(),
            committed_at_s: unix_s(summary.committed_at),
            phases: PhasesView::new(summary.committed.phases),
            changes: ChangeCountsView::new(summary.committed.changes),
            difference: summary.committed.difference.clone(),
        }
    }
}

impl PhasesView {
    /// The wire form.
    pub fn new(phases: Phases) -> PhasesView {
        PhasesView {
            gather_us: phases.gather_us,
            compile_us: phases.compile_us,
            preflight_us: phases.preflight_us,
            diff_us: phases.diff_us,
            commit_us: phases.commit_us,
            total_us: phases.total_us(),
        }
    }
}

impl ChangeCountsView {
    /// The wire form.
    pub fn new(changes: ChangeCounts) -> ChangeCountsView {
        ChangeCountsView {
            n_chains: changes.n_chains,
            n_rules_added: changes.n_rules_added,
            n_rules_removed: changes.n_rules_removed,
            n_elements_added: changes.n_elements_added,
            n_elements_removed: changes.n_elements_removed,
        }
    }
}
