//! A dry run: what a configuration would mean, beside what is enforced. Nothing is written.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use engine::Compiled;
use engine::inputs::{Files, HostFacts, Inputs, Settings};
use engine::ruleset::Ruleset;

use super::cuts;
use super::handle::{ApplyError, Overlay, overlaid};
use super::state::{Generation, Published};
use super::store::{Digest, Digests};
use super::world::shall_hold;
use crate::features;

/// What a dry run gives.
#[derive(Debug)]
pub struct Preview {
    /// Identity of the configuration.
    pub digest: Digest,
    /// What it means.
    pub compiled: Compiled,
    /// What would be enforced.
    pub ruleset: Ruleset,
    /// What the kernel cannot do, and what that means.
    pub losses: Vec<String>,
    /// What is enforced now.
    pub enforced: Option<Arc<Ruleset>>,
    /// The host that it was compiled for.
    pub facts: Arc<HostFacts>,
}

/// What a configuration would cut if it were enforced.
#[derive(Debug, Default)]
pub struct Cuts {
    /// In words, the most serious first.
    pub words: Vec<String>,
    /// One of them is a way in: it would be held.
    pub holds: bool,
}

impl Preview {
    /// What could be reached under `enforced` and could not any more. `caller`: who looks at it, as in an apply.
    pub fn cuts(&self, enforced: Option<&Generation>, caller: Option<IpAddr>) -> Cuts {
        let Some(enforced) = enforced.filter(|_| !self.ruleset.tables.is_empty()) else {
            return Cuts::default();
        };
        let report = cuts::find(enforced, &self.compiled, &self.facts, caller);
        Cuts { words: cuts::words(report.cuts.iter(), &self.compiled), holds: report.holds() }
    }
}

/// The saved files and the host, as the reconciler last saw them.
#[derive(Debug, Default)]
pub struct Previewer {
    seen: Mutex<Option<Seen>>,
}

/// What a dry run starts from.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) files: Files,
    pub(super) last_good: Files,
    pub(super) facts: Arc<HostFacts>,
    pub(super) settings: Settings,
    /// pve-firewall has the node.
    pub(super) is_force_disabled: bool,
}

impl Previewer {
    pub(super) fn saw(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    fn seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn preview(&self, published: &Published, overlay: &Overlay) -> Result<Preview, ApplyError> {
        let Some(seen) = self.seen() else {
            return Err(ApplyError::World("the configuration has not been read yet".to_owned()));
        };
        let files = overlaid(&seen.files, overlay);
        let digest = Digests::default().written(&files);
        let (facts, last_good) = (seen.facts.clone(), seen.last_good);
        let compiled = engine::compile(&Inputs { files, last_good, facts, settings: seen.settings });
        let missing: BTreeSet<_> = published.missing.clone();
        let reduced = features::reduce(&shall_hold(&compiled, seen.is_force_disabled), &missing);
        Ok(Preview {
            digest,
            ruleset: reduced.ruleset,
            losses: reduced.losses,
            compiled,
            enforced: published.generation.as_ref().map(|generation| generation.enforced.clone()),
            facts: seen.facts,
        })
    }
}
