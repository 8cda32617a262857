//! What others do to the kernel: our tables are repaired at once, and what stands beside them is told of.

use std::time::{Instant, SystemTime};

use super::attempt::{chain, micros};
use super::handle::Event;
use super::reconcile::Reconciler;
use super::state::{Cause, Drift};
use crate::host::{flows, others};

impl Reconciler {
    /// Repairs what somebody else has done to our tables.
    pub(super) fn repair(&mut self) {
        let began = Instant::now();
        let is_touched = self.world.enforcer.is_touched();
        let trespass = self.world.enforcer.take_trespass();
        if !is_touched && trespass.is_empty() {
            if !self.world.enforcer.is_deaf() {
                self.intact = Instant::now();
            }
            return self.look_at_others();
        }
        let what = trespass.join("; ");
        tracing::warn!(what, "somebody has changed our tables; they are replaced");
        self.repaired(began, what);
    }

    /// The kernel's tables first, everything else afterwards.
    fn repaired(&mut self, began: Instant, what: String) {
        if let Some(generation) = self.generation.clone() {
            if let Err(error) = self.world.enforcer.enforce(&generation.enforced) {
                tracing::error!(error = chain(&error), "our tables could not be repaired");
                self.try_later();
            }
        }
        let window_us = micros(began);
        let n_connections_forgotten = match self.is_enforcing() {
            // By today's clock, as tracking has it.
            true => self.forget_connections(SystemTime::now() - self.intact.elapsed()),
            false => 0,
        };
        self.intact = Instant::now();
        self.saved_files(Cause::Drift);
        self.drift = Some(Drift {
            n_repairs: self.drift.as_ref().map_or(0, |drift| drift.n_repairs) + 1,
            repaired_at: SystemTime::now(),
            window_us,
            n_connections_forgotten,
            what: what.clone(),
        });
        let _nobody_listens = self.events.send(Event::Drift(what));
        self.publish();
    }

    /// Connections that were opened since then were judged by nobody: how many there were.
    pub(super) fn forget_connections(&self, since: SystemTime) -> usize {
        match flows::forget_since(since) {
            Ok(forgotten) => {
                if forgotten.truncated {
                    tracing::error!("there are more connections than could be looked at");
                }
                if forgotten.n_gone > 0 {
                    tracing::warn!(n = forgotten.n_gone, "connections that nobody had judged are new again");
                }
                forgotten.n_gone
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "connections that nobody had judged may go on");
                0
            }
        }
    }

    /// Something of ours is in the kernel.
    pub(super) fn is_enforcing(&self) -> bool {
        self.generation.as_ref().is_some_and(|generation| !generation.enforced.tables.is_empty())
    }

    fn look_at_others(&mut self) {
        let Some(chains) = self.world.enforcer.foreign_chains() else { return };
        let others = others::warnings(&chains);
        if others != self.others {
            self.others = others;
            self.publish();
        }
    }

    /// Compares the kernel with what was committed, and repairs it. Its tables are read only where `wanted`, or where
    /// something may have been missed: a thousand guests' take seconds and hundreds of megabytes.
    pub(super) fn audit(&mut self, wanted: bool) {
        self.audited = Instant::now();
        self.world.forget_pairs();
        self.look_at_host();
        // What depends on the time of day, too.
        self.saved_files(Cause::Audit);
        if !wanted && self.world.enforcer.is_certain() {
            return;
        }
        let began = Instant::now();
        let found = match self.world.enforcer.drift() {
            Ok(found) if found.is_empty() => return,
            Ok(found) => found,
            Err(error) => {
                return tracing::error!(error = chain(&error), "the kernel's tables cannot be read");
            }
        };
        tracing::warn!(n_differences = found.len(), first = %found[0], "somebody has changed our tables");
        self.repaired(began, found.join("\n"));
    }
}
