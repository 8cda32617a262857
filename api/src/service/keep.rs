//! What has to outlive the process goes to disk: generations, and what the gate remembers. A disk that does not take it
//! is told of, and tried again; enforcement goes on.

use std::time::{Duration, Instant};

use super::attempt::chain;
use super::reconcile::Reconciler;
use super::state::Cause;
use super::store::{Head, Snapshot, State, Store};
use crate::host::fault;
use crate::views::generation::unix_s;

/// Between attempts after the disk has failed: first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long a change may wait for the disk: what is to be written goes there in pieces.
const PIECE: Duration = Duration::from_millis(5);

const NO_STORE: &str = "there is no folder for it";

/// The disk does not hold what it should.
#[derive(Debug)]
pub(super) struct DiskTrouble {
    /// Why.
    pub(super) why: String,
    again: Instant,
    pause: Duration,
}

impl Reconciler {
    /// Opens the folder of generations.
    pub(super) fn open_store(&mut self) {
        match Store::open(&self.world.wanted.paths) {
            Ok(store) => self.store = Some(store),
            Err(error) => {
                self.trouble(chain(&error));
            }
        }
    }

    /// Writes what has to outlive this process, or a piece of it, if it has changed and the disk did not fail a moment ago.
    pub(super) fn save(&mut self) {
        self.try_to_save(Some(Instant::now() + PIECE));
    }

    /// What cannot be written is told of, and written later.
    pub(super) fn try_to_save(&mut self, until: Option<Instant>) {
        if self.disk.as_ref().is_some_and(|trouble| trouble.again > Instant::now()) {
            return;
        }
        let was_trouble = self.disk.is_some();
        if self.store.is_none() && was_trouble {
            self.open_store();
            self.unsaved = self.generation.is_some();
            self.unsaved_state = true;
        }
        if let Err(why) = self.save_until(until) {
            self.trouble(why);
        } else if was_trouble {
            tracing::info!("the disk holds again what it should");
            self.disk = None;
            self.publish();
        }
    }

    /// Writes what has to outlive this process, whatever the disk did before.
    pub(super) fn save_now(&mut self) -> Result<(), String> {
        self.save_until(None)
    }

    /// What a person or a timer waits for is written even if the generation is not whole yet: until it is, an older one
    /// stands in for it.
    fn save_until(&mut self, until: Option<Instant>) -> Result<(), String> {
        if self.unsaved {
            self.unsaved = !self.keep_generation(until)?;
            if !self.unsaved {
                self.unsaved_state = true;
                fault::point("generation-saved");
            }
        }
        if self.unsaved_state {
            self.keep_state()?;
            self.unsaved_state = false;
            fault::point("state-saved");
        }
        Ok(())
    }

    /// The disk takes more, and is to get it at once.
    pub(super) fn has_more_to_save(&self) -> bool {
        self.unsaved && self.disk.is_none()
    }

    fn trouble(&mut self, why: String) {
        let pause = self.disk.as_ref().map_or(RETRY.0, |trouble| (trouble.pause * 2).min(RETRY.1));
        let is_news = self.disk.as_ref().is_none_or(|trouble| trouble.why != why);
        self.disk = Some(DiskTrouble { why, again: Instant::now() + pause, pause });
        if let (true, Some(trouble)) = (is_news, &self.disk) {
            tracing::error!(error = trouble.why, "what is enforced would not outlive this process");
            if !self.publish.borrow().is_starting() {
                self.publish();
            }
        }
    }

    /// Gives whether all of it is kept.
    fn keep_generation(&mut self, until: Option<Instant>) -> Result<bool, String> {
        let Some(generation) = self.generation.clone() else { return Ok(true) };
        let Some(store) = &mut self.store else { return Err(NO_STORE.to_owned()) };
        if generation.compiled.plan.ruleset.tables.is_empty() && generation.cause != Cause::Start {
            // What is switched off is not enforced by anything later; it is what a change may be taken back to.
            if store.has_enabled() || store.state().enforced.is_some() {
                store.forget().map_err(|error| chain(&error))?;
            }
        }
        let digest = store.digests().all(&generation.files);
        let told = self.recent.first().filter(|summary| summary.number == generation.number);
        let committed = told.map_or_else(Default::default, |summary| summary.committed.clone());
        let head = Head {
            number: generation.number,
            digest,
            written: generation.digest,
            committed,
            committed_at_s: unix_s(generation.committed_at),
            cause: generation.cause.as_str().to_owned(),
            node: generation.facts.node.clone(),
            enabled: !generation.enforced.tables.is_empty(),
            reject_mode: generation.compiled.resolved.reject_mode,
        };
        let snapshot = Snapshot { head, files: generation.files.clone() };
        let is_whole = store.save_until(&snapshot, until).map_err(|error| chain(&error))?;
        if is_whole {
            // What was never stored, or is not any more, is no way back.
            self.recent.retain(|summary| store.has(summary.number));
        }
        Ok(is_whole)
    }

    /// Before this process ends: all of it, and how the kernel is left.
    pub(super) fn leave(&mut self) {
        if let Err(why) = self.save_now() {
            tracing::error!(why, "what is enforced does not outlive this process");
        }
        let is_saved = !self.unsaved && !self.unsaved_state;
        let left = is_saved.then(|| self.world.enforcer.leave()).flatten();
        if let (Some(store), true) = (&mut self.store, left.is_some()) {
            let state = State { left, ..store.state().clone() };
            if let Err(error) = store.set_state(state) {
                tracing::warn!(error = chain(&error), "the next start reads the kernel's tables");
            }
        }
    }

    /// The gate, and what `strict` falls back to.
    pub(super) fn keep_state(&mut self) -> Result<(), String> {
        let enforced = self.generation.as_ref();
        let state = State {
            enforced: enforced.filter(|g| !g.enforced.tables.is_empty()).map(|g| g.number),
            hold: self.gate.hold,
            refused: self.gate.refused,
            confirm: self.gate.confirm,
            last_good: self.last_good.files(),
            left: None,
        };
        let Some(store) = &mut self.store else { return Err(NO_STORE.to_owned()) };
        store.set_state(state).map_err(|error| chain(&error))
    }
}
