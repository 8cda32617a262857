//! What the reconciler knows becomes what everybody may read.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use engine::diagnostic::Severity;
use engine::diff::{Changes, Sides, TableChange};

use super::handle::Event;
use super::reconcile::Reconciler;
use super::state::{Cause, Obstacle, Published, State};
use crate::report;

/// Lines of a difference that are kept with a generation; a longer one is told by its counts.
const N_LINES_MAX: usize = 400;

const STARTING: &str = "the service is starting";

impl Published {
    /// Nothing has been tried yet.
    pub fn is_starting(&self) -> bool {
        self.cause == STARTING
    }

    /// Before the first attempt.
    pub(super) fn starting() -> Published {
        Published {
            state: State::Failed,
            cause: STARTING.to_owned(),
            since: SystemTime::now(),
            generation: None,
            candidate: None,
            hold: false,
            confirm: None,
            confirm_until: None,
            recent: Vec::new(),
            missing: Default::default(),
            probed: Default::default(),
            refused_guests: Vec::new(),
            warnings: Vec::new(),
            drift: None,
        }
    }
}

/// Whoever has heard of one knows the other.
fn is_told(last: &Published, now: &Published) -> bool {
    let numbers = [last, now].map(|published| published.generation.as_ref().map(|one| one.number));
    let waiting = [last, now].map(|published| published.candidate.as_ref().map(|one| one.digest));
    let stands = |one: &Published| (one.state, one.hold, one.confirm);
    stands(last) == stands(now)
        && last.cause == now.cause
        && numbers[0] == numbers[1]
        && waiting[0] == waiting[1]
}

impl Reconciler {
    /// Publishes how things stand.
    pub(super) fn publish(&mut self) {
        self.time_confirmation();
        let (state, cause) = self.stand();
        let last = self.publish.borrow().clone();
        let since = if last.state == state && last.cause == cause { last.since } else { SystemTime::now() };
        if last.state != state {
            tracing::info!(state = state.as_str(), cause, "state");
        }
        let (probed, missing) = self.world.enforcer.features();
        let published = Arc::new(Published {
            state,
            cause,
            since,
            generation: self.generation.clone(),
            candidate: self.candidate.clone(),
            hold: self.gate.hold,
            confirm: self.gate.confirm,
            confirm_until: self.confirm_until.map(|(_, until)| until),
            recent: self.recent.clone(),
            missing: missing.clone(),
            probed: probed.clone(),
            refused_guests: self.isolation.refused(),
            warnings: self.all_warnings(),
            drift: self.drift.clone(),
        });
        if self.world.mirror.available() {
            self.seen(self.world.saved().clone());
        }
        let because = published.generation.as_ref().map_or(Cause::Start, |generation| generation.cause);
        let is_news = !is_told(&last, &published);
        // To take a generation of thousands of guests apart takes time: those who listen hear first.
        let before = self.publish.send_replace(published.clone());
        if is_news {
            let _nobody_listens = self.events.send(Event::Published(published, because));
        }
        drop((before, last));
    }

    fn all_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(self.world.bridge_nf.clone());
        if self.is_enforcing() {
            warnings.extend(self.others.iter().cloned());
        }
        if self.world.enforcer.is_deaf() {
            warnings
                .push("what others do to our tables is not noticed: the netlink socket failed".to_owned());
        }
        let trouble = self.disk.as_ref();
        warnings.extend(
            trouble.map(|trouble| format!("what is enforced would not outlive a restart: {}", trouble.why)),
        );
        warnings
    }

    fn stand(&self) -> (State, String) {
        if let Some(candidate) = &self.candidate {
            return match &candidate.obstacle {
                Obstacle::Waits(waits, _) => (State::Held, waits.as_str().to_owned()),
                Obstacle::Unreadable => {
                    (State::Failed, "a file that everything hangs on cannot be read".to_owned())
                }
                Obstacle::Refused(reasons) => {
                    (State::Failed, format!("the kernel refused the ruleset: {}", reasons.join("; ")))
                }
                Obstacle::World(why) => (State::Failed, why.clone()),
            };
        }
        let Some(generation) = &self.generation else {
            let why =
                if self.world.mirror.available() { "nothing is enforced" } else { "no cluster file system" };
            return (State::Failed, why.to_owned());
        };
        if self.gate.confirm.is_some() {
            return (State::Held, "an applied change waits for its confirmation".to_owned());
        }
        if generation.enforced.tables.is_empty() && generation.losses.is_empty() {
            return (State::Disabled, self.why_disabled().to_owned());
        }
        let n_errors =
            generation.compiled.diagnostics.iter().filter(|d| d.code.severity() == Severity::Error).count();
        let n_refused = self.isolation.refused().len();
        let mut causes: Vec<String> = generation.losses.clone();
        if n_errors > 0 {
            causes.push(format!("{} in the configuration", report::counted(n_errors, "error")));
        }
        if n_refused > 0 {
            causes.push(format!("{} with older rules", report::counted(n_refused, "guest")));
        }
        match causes.is_empty() {
            true => (State::Active, "what is configured is enforced".to_owned()),
            false => (State::Degraded, causes.join("; ")),
        }
    }

    fn why_disabled(&self) -> &'static str {
        let Some(generation) = &self.generation else { return "nothing is enforced" };
        if !generation.compiled.resolved.enabled {
            "the datacenter's firewall is off (`enable` in cluster.fw)"
        } else if !generation.compiled.config.host.options.nftables.value {
            "the classic firewall has this node (`nftables` in host.fw is not 1)"
        } else {
            "pve-firewall has this node (its flag in /run says so)"
        }
    }
}

/// A difference for people, or its counts if it is long.
pub(super) fn difference(changes: &Changes<'_>, sides: Sides<'_>) -> String {
    let counts = changes.counts();
    let n_lines =
        counts.rules.n_added + counts.rules.n_removed + counts.elements.n_added + counts.elements.n_removed;
    if n_lines <= N_LINES_MAX {
        return engine::diff::text(changes, sides);
    }
    let mut text = String::new();
    for table in &changes.tables {
        let (verb, table) = match table {
            TableChange::Add(table) => ("added", table),
            TableChange::Remove(table) => ("removed", table),
            TableChange::Edit(edit) => ("changed", &edit.new),
        };
        writeln!(text, "table {} {}: {verb}", table.family.as_str(), table.name).expect("strings take all");
    }
    let (added, removed) = (counts.rules.n_added, counts.rules.n_removed);
    writeln!(text, "{added} rules added, {removed} removed").expect("strings take all");
    text
}
