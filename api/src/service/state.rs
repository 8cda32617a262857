//! What the reconciler publishes: generations and the state of enforcement. Everybody else only reads it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use engine::Compiled;
use engine::inputs::{Files, HostFacts};
use engine::ruleset::Ruleset;

use serde::{Deserialize, Serialize};

use super::gate::{Confirm, Waits};
use super::store::Digest;
use crate::features::Feature;

/// A committed ruleset, and what it was made from.
#[derive(Debug)]
pub struct Generation {
    /// Counts up with each commit, over restarts.
    pub number: u64,
    /// Identity of the configuration.
    pub digest: Digest,
    /// Its files.
    pub files: Files,
    /// What the host looked like.
    pub facts: Arc<HostFacts>,
    /// What they were compiled to.
    pub compiled: Arc<Compiled>,
    /// What the kernel holds: the plan, less what the kernel cannot do.
    pub enforced: Arc<Ruleset>,
    /// What the kernel cannot do, and what that means; said first wherever this is reported.
    pub losses: Vec<String>,
    /// Why it came to be.
    pub cause: Cause,
    /// When it was committed.
    pub committed_at: SystemTime,
    /// How long it took.
    pub phases: Phases,
    /// What it changed.
    pub changes: ChangeCounts,
    /// How it was written.
    pub writer: WriterKind,
    /// What could be reached before it and cannot be any more, the most serious first, for people.
    pub cuts: Vec<String>,
}

/// Why a generation came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The service has started.
    Start,
    /// Files have changed.
    Files,
    /// Interfaces or addresses have changed.
    Links,
    /// A guest event.
    Guest,
    /// Somebody asked for it.
    Apply,
    /// Back to an earlier configuration.
    Rollback,
    /// The kernel did not hold what it should.
    Drift,
    /// SIGHUP, the slow audit, another attempt after the world has failed, or a time that has come.
    Audit,
}

impl Cause {
    const ALL: [Cause; 8] = [
        Cause::Start,
        Cause::Files,
        Cause::Links,
        Cause::Guest,
        Cause::Apply,
        Cause::Rollback,
        Cause::Drift,
        Cause::Audit,
    ];

    /// The cause of a word.
    pub fn of(word: &str) -> Option<Cause> {
        Cause::ALL.into_iter().find(|cause| cause.as_str() == word)
    }

    /// A word for logs and clients.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Start => "start",
            Cause::Files => "files",
            Cause::Links => "links",
            Cause::Guest => "guest",
            Cause::Apply => "apply",
            Cause::Rollback => "rollback",
            Cause::Drift => "drift",
            Cause::Audit => "audit",
        }
    }
}

/// Who wrote to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterKind {
    /// A batch of our own over netlink.
    Netlink,
    /// libnftables.
    Libnftables,
    /// Nobody: there was nothing to write.
    None,
}

/// How long the parts of an apply took, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Reading what changed.
    pub gather_us: u64,
    /// Files to plan.
    pub compile_us: u64,
    /// Asking what would be cut.
    pub preflight_us: u64,
    /// Comparing with what was committed.
    pub diff_us: u64,
    /// Kernel and socket.
    pub commit_us: u64,
}

impl Phases {
    /// All of it.
    pub fn total_us(&self) -> u64 {
        self.gather_us + self.compile_us + self.preflight_us + self.diff_us + self.commit_us
    }
}

/// How much a generation changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Chains with any change.
    pub n_chains: usize,
    /// Rules added.
    pub n_rules_added: usize,
    /// Rules removed.
    pub n_rules_removed: usize,
    /// Elements added.
    pub n_elements_added: usize,
    /// Elements removed.
    pub n_elements_removed: usize,
}

/// What is told of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// How much it changed.
    pub changes: ChangeCounts,
    /// How long it took.
    pub phases: Phases,
    /// What it changed, for people.
    pub difference: String,
}

/// How enforcement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// What the configuration says is enforced.
    Active,
    /// The configuration says that nothing is enforced, and nothing is.
    Disabled,
    /// Enforced, but for units that were skipped.
    Degraded,
    /// A change waits for a person; what was enforced stays.
    Held,
    /// The kernel holds an older generation, or none.
    Failed,
}

impl State {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Disabled => "disabled",
            State::Degraded => "degraded",
            State::Held => "held",
            State::Failed => "failed",
        }
    }
}

/// A configuration that is not enforced, and why.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Identity of the configuration.
    pub digest: Digest,
    /// Its files.
    pub files: Files,
    /// What it was compiled to.
    pub compiled: Arc<Compiled>,
    /// What keeps it.
    pub obstacle: Obstacle,
}

/// What keeps a configuration from being enforced.
#[derive(Debug, Clone)]
pub enum Obstacle {
    /// It waits for a person; in the second place, what it would cut.
    Waits(Waits, Vec<String>),
    /// A file that everything hangs on cannot be read.
    Unreadable,
    /// The kernel refused it: the reasons.
    Refused(Vec<String>),
    /// The kernel could not be asked: why.
    World(String),
}

/// Everything there is to know about enforcement at one moment.
#[derive(Debug, Clone)]
pub struct Published {
    /// How it stands.
    pub state: State,
    /// In a sentence, why.
    pub cause: String,
    /// Since when.
    pub since: SystemTime,
    /// What is enforced; `None`: nothing was yet.
    pub generation: Option<Arc<Generation>>,
    /// What is saved, if something else is enforced.
    pub candidate: Option<Arc<Candidate>>,
    /// Automatic applying is switched off.
    pub hold: bool,
    /// What waits for a confirmation.
    pub confirm: Option<Confirm>,
    /// When the time for that ends.
    pub confirm_until: Option<Instant>,
    /// The last generations, the newest first.
    pub recent: Vec<Arc<Summary>>,
    /// Features of the kernel that were asked for and are missing.
    pub missing: BTreeSet<Feature>,
    /// Features of the kernel that were asked for.
    pub probed: BTreeSet<Feature>,
    /// Guests that keep older chains because the kernel refused their new ones: their numbers, and the reason.
    pub refused_guests: Vec<(u32, String)>,
    /// Tables of others that decide before ours, and the like.
    pub warnings: Vec<String>,
    /// Times that the kernel was repaired, and when it was last.
    pub drift: Option<Drift>,
}

/// A repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// How many there were since the start.
    pub n_repairs: u64,
    /// When the last one ended.
    pub repaired_at: SystemTime,
    /// Microseconds from the notification to the repair.
    pub window_us: u64,
    /// Connections that were opened meanwhile: the next packet of each is new again.
    pub n_connections_forgotten: usize,
    /// What differed.
    pub what: String,
}

/// A generation in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its number.
    pub number: u64,
    /// Identity of the configuration.
    pub digest: Digest,
    /// Why.
    pub cause: Cause,
    /// When.
    pub committed_at: SystemTime,
    /// What is told of it.
    pub committed: Committed,
}
