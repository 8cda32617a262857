//! One attempt: a configuration is compiled, asked about, written to the kernel, and becomes a generation. Or it does
//! not, and what was enforced stays.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use engine::inputs::{Files, Inputs};
use engine::ruleset::Ruleset;
use engine::{Compiled, compile, compile_with, diff};

use super::cuts;
use super::gate::{Ask, Waits};
use super::isolate;
use super::preflight;
use super::reconcile::Reconciler;
use super::state::{Cause, ChangeCounts, Committed, Generation, Obstacle, Phases, Summary, WriterKind};
use super::store::Digest;
use crate::features::Reduced;
use crate::host::enforce::{EnforceError, Written};
use crate::host::fault;

/// A configuration that somebody wants enforced.
pub(super) struct Target {
    pub(super) files: Files,
    /// Identity of what people have written in it.
    pub(super) digest: Digest,
    pub(super) ask: Ask,
    pub(super) cause: Cause,
    pub(super) gather_us: u64,
    /// The address of the person who asks, if that is known.
    pub(super) caller: Option<IpAddr>,
}

/// An attempt that was carried out.
struct Made {
    files: Files,
    compiled: Arc<Compiled>,
    reduced: Reduced,
    written: Written,
    phases: Phases,
    cuts: Vec<String>,
}

/// An attempt that was not carried out.
pub(super) struct Failure {
    pub(super) obstacle: Obstacle,
    pub(super) compiled: Arc<Compiled>,
}

impl Reconciler {
    /// Tries to enforce a configuration. `Ok(true)`: the kernel was written to.
    pub(super) fn attempt(&mut self, target: &Target) -> Result<bool, Failure> {
        let mut phases = Phases { gather_us: target.gather_us, ..Phases::default() };
        let good = self.generation.as_ref().map(|generation| generation.files.clone());
        let substituted = self.isolation.substitute(&target.files, good.as_ref());
        self.world.ask_what_it_can();
        let files = substituted.unwrap_or_else(|| target.files.clone());
        let began = Instant::now();
        let inputs = self.inputs(&files);
        let compiled = Arc::new(compile_with(&inputs, &mut self.memo));
        phases.compile_us = micros(began);
        self.world.watch(&compiled);
        fault::point("compiled");
        let failed = |obstacle| Failure { obstacle, compiled: compiled.clone() };
        if compiled.hold {
            return Err(failed(Obstacle::Unreadable));
        }
        let began = Instant::now();
        let cuts = self.ask_gate(target, &compiled);
        let cuts = cuts.map_err(|(waits, cuts)| failed(Obstacle::Waits(waits, cuts)))?;
        phases.preflight_us = micros(began);
        fault::point("asked");
        match self.commit(&compiled, &mut phases) {
            Ok((reduced, written)) => {
                fault::point("committed");
                let made = Made { files, compiled, reduced, written, phases, cuts };
                Ok(self.settle(target, made))
            }
            Err(EnforceError::Refused(faults)) => {
                let reasons: Vec<String> = faults.iter().map(|fault| fault.message.clone()).collect();
                if self.isolate(&target.files, good.as_ref(), &reasons.join("; ")) {
                    return self.attempt(target);
                }
                Err(failed(Obstacle::Refused(reasons)))
            }
            Err(error @ EnforceError::Illegal(_)) => Err(failed(Obstacle::Refused(vec![error.to_string()]))),
            Err(error) => Err(failed(Obstacle::World(chain(&error)))),
        }
    }

    fn inputs(&self, files: &Files) -> Inputs {
        let last_good = self.last_good.files();
        let facts = self.world.facts.clone();
        Inputs { files: files.clone(), last_good, facts, settings: self.world.settings() }
    }

    /// What a candidate that may pass would cut, for people; of one that may not, what it waits for.
    fn ask_gate(&self, target: &Target, compiled: &Compiled) -> Result<Vec<String>, (Waits, Vec<String>)> {
        let generation = self.generation.as_ref();
        let enforced = generation.map(|generation| generation.digest);
        if enforced == Some(target.digest) {
            return Ok(generation.map_or_else(Vec::new, |generation| generation.cuts.clone()));
        }
        let report = OnceCell::new();
        let report = || report.get_or_init(|| self.cuts(compiled, target.caller));
        let decided = self.gate.decide(target.digest, enforced, target.ask, || report().holds());
        match decided {
            Ok(()) => Ok(cuts::words(report().cuts.iter(), compiled)),
            Err(Waits::WayIn) => {
                Err((Waits::WayIn, cuts::words(report().cuts.iter().filter(|cut| cut.holds), compiled)))
            }
            Err(waits) => Err((waits, Vec::new())),
        }
    }

    /// What a candidate would close.
    fn cuts(&self, compiled: &Compiled, caller: Option<IpAddr>) -> preflight::Report {
        match &self.generation {
            Some(generation) if !self.world.shall_hold(compiled).tables.is_empty() => {
                cuts::find(generation, compiled, &self.world.facts, caller)
            }
            Some(_) | None => preflight::Report::default(),
        }
    }

    fn commit(
        &mut self,
        compiled: &Compiled,
        phases: &mut Phases,
    ) -> Result<(Reduced, Written), EnforceError> {
        let wanted = self.world.shall_hold(compiled);
        let began = Instant::now();
        let reduced = self.world.enforcer.reduce(&wanted).map_err(EnforceError::Probe)?;
        let ruleset = Arc::new(reduced.ruleset.clone());
        let written = self.world.enforcer.enforce(&ruleset)?;
        phases.commit_us = u64::try_from(written.writing.as_micros()).unwrap_or(u64::MAX);
        phases.diff_us = micros(began).saturating_sub(phases.commit_us);
        self.warnings = written.unarmed.clone();
        self.warnings.extend(self.world.falls_back(compiled));
        if !wanted.tables.is_empty() {
            self.warnings.extend(self.world.write_settings(compiled));
        }
        self.warnings.extend(self.world.keep_pairs(compiled));
        Ok((reduced, written))
    }

    /// Finds the guests without whose new files the kernel takes the rest. `false`: it is nobody's fault.
    fn isolate(&mut self, files: &Files, good: Option<&Files>, reason: &str) -> bool {
        let suspects = isolate::suspects(files, good);
        let mut is_accepted = |left_out: &BTreeSet<u32>| {
            let compiled = compile(&self.inputs(&isolate::without(files, good, left_out)));
            let wanted = self.world.shall_hold(&compiled);
            let enforcer = &mut self.world.enforcer;
            let Ok(reduced) = enforcer.reduce(&wanted) else { return false };
            // Who could not ask has no reason to blame a guest.
            !matches!(enforcer.would_take(&reduced.ruleset), Err(EnforceError::Refused(_)))
        };
        match isolate::culprits(&suspects, &mut is_accepted) {
            Some(culprits) if !culprits.is_empty() => {
                tracing::error!(?culprits, reason, "these guests keep their last good rules");
                self.isolation.keep(files, &culprits, reason);
                true
            }
            Some(_) | None => false,
        }
    }

    /// What was committed becomes the generation. `true`: the kernel was written to.
    fn settle(&mut self, target: &Target, made: Made) -> bool {
        let before = self.generation.take();
        let changes = counted(&made.written.counts);
        let wrote = changes != ChangeCounts::default();
        let is_new = wrote || before.as_ref().is_none_or(|before| before.digest != target.digest);
        let mark = match &before {
            Some(before) if !is_new => (before.number, before.committed_at, before.cause),
            Some(_) | None => (self.next_number(), SystemTime::now(), target.cause),
        };
        let generation = self.becomes(target, made, mark);
        if is_new {
            self.tell(&generation, before.as_deref());
            self.unsaved = true;
        }
        self.generation = Some(generation);
        fault::point("settled");
        wrote
    }

    /// What an earlier process enforced is the generation that everything else is held against. The kernel is written to
    /// when it is known what it shall hold now.
    pub(super) fn adopt(&mut self, target: &Target, committed_at: SystemTime, committed: Committed) {
        self.world.ask_what_it_can();
        let compiled = Arc::new(compile_with(&self.inputs(&target.files), &mut self.memo));
        let wanted = self.world.shall_hold(&compiled);
        let Ok(reduced) = self.world.enforcer.reduce(&wanted) else { return };
        let counts = diff::diff(&reduced.ruleset, &reduced.ruleset).counts();
        let written =
            Written { writer: WriterKind::None, counts, writing: Duration::ZERO, unarmed: Vec::new() };
        let (files, phases) = (target.files.clone(), Phases::default());
        let made = Made { files, compiled, reduced, written, phases, cuts: Vec::new() };
        let generation = self.becomes(target, made, (self.number, committed_at, target.cause));
        self.recent.push(Arc::new(Summary { committed, ..summary(&generation, String::new()) }));
        self.generation = Some(generation);
    }

    fn becomes(
        &mut self,
        target: &Target,
        made: Made,
        (number, committed_at, cause): (u64, SystemTime, Cause),
    ) -> Arc<Generation> {
        let Made { files, compiled, reduced, written, phases, cuts } = made;
        self.number = number;
        let generation = Generation {
            number,
            digest: target.digest,
            files,
            facts: self.world.facts.clone(),
            enforced: Arc::new(reduced.ruleset),
            losses: reduced.losses,
            cause,
            committed_at,
            phases,
            changes: counted(&written.counts),
            writer: written.writer,
            cuts,
            compiled,
        };
        self.last_good.remember(&generation);
        Arc::new(generation)
    }

    fn next_number(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.next_number()).max(self.number + 1)
    }

    /// One line for each generation, and its place among the recent ones.
    fn tell(&mut self, generation: &Generation, before: Option<&Generation>) {
        tracing::info!(
            generation = generation.number,
            cause = generation.cause.as_str(),
            elapsed_us = generation.phases.total_us(),
            n_rules_added = generation.changes.n_rules_added,
            n_rules_removed = generation.changes.n_rules_removed,
            "committed"
        );
        let nothing = Ruleset::default();
        let old = before.map_or(&nothing, |before| &*before.enforced);
        let changes = diff::diff(old, &generation.enforced);
        let new = &generation.compiled.sources;
        let sides = diff::Sides { old: before.map_or(new, |before| &before.compiled.sources), new };
        let difference = super::publish::difference(&changes, sides);
        // What only followed guests and interfaces is not a way back any more: see `Store::collect`.
        if matches!(&self.recent[..], [last, before, ..] if last.digest == before.digest) {
            self.recent.remove(0);
        }
        self.recent.insert(0, Arc::new(summary(generation, difference)));
        self.recent.truncate(super::reconcile::N_RECENT);
    }
}

fn summary(generation: &Generation, difference: String) -> Summary {
    Summary {
        number: generation.number,
        digest: generation.digest,
        cause: generation.cause,
        committed_at: generation.committed_at,
        committed: Committed { changes: generation.changes, phases: generation.phases, difference },
    }
}

fn counted(counts: &diff::Counts) -> ChangeCounts {
    ChangeCounts {
        n_chains: counts.chains.n_added + counts.chains.n_removed,
        n_rules_added: counts.rules.n_added,
        n_rules_removed: counts.rules.n_removed,
        n_elements_added: counts.elements.n_added,
        n_elements_removed: counts.elements.n_removed,
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

pub(super) fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
