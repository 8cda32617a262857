//! Changes that nobody tells of: counters of the cluster, files that may have been written twice in a second, and
//! two rotations, over stamps and over contents.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

use engine::inputs::FileContent;

use super::counters::Counters;
use super::stamp::{self, Stamp};
use super::{CLUSTER, Changed, Mirror, VERSION};
use crate::host::files;

/// Every file's times and size are looked at once in this time.
pub const PERIOD: Duration = Duration::from_millis(1_500);

/// The same, while the cluster's database is not written to: against an error of ours.
const PERIOD_QUIET: Duration = Duration::from_secs(60);

/// The kernel remembers attributes for one second: a round that began later sees every write before it.
const SETTLED: Duration = Duration::from_millis(1_200);

/// Contents that are read and compared in a second.
const READS_PER_S: usize = 16;

/// The same, while the cluster's database is not written to.
const READS_PER_S_QUIET: usize = 2;

/// Looks at the clock are not free either.
const STEPS_PER_CLOCK: usize = 16;

impl Mirror {
    /// The counters as they are.
    pub(super) fn counters_now(&self) -> Counters {
        let location = self.paths.at(VERSION);
        stamp::refresh(&location);
        files::text(&self.paths, VERSION).map(|text| Counters::parse(&text)).unwrap_or_default()
    }

    /// Reads what changed counters name.
    pub(super) fn follow_counters(&mut self) -> Changed {
        let now = self.counters_now();
        if now == self.counters || now == Counters::default() {
            return Changed::default();
        }
        let names: Vec<String> = now.changed_since(&self.counters).map(str::to_owned).collect();
        self.counters = now;
        // pmxcfs was started anew: its counters too.
        if names.iter().any(|name| name == "starttime") {
            return self.reload();
        }
        let mut changed = self.reread(names.iter().map(|name| path_of(name)));
        if names.iter().any(|name| name == "vmlist" || name == "clinfo") {
            changed.extend(self.relist());
        }
        changed
    }

    /// Reads files again that changed a moment ago.
    pub(super) fn look_again(&mut self, until: Instant) -> Changed {
        let mut changed = Changed::default();
        let now = Instant::now();
        while self.again.first().is_some_and(|(due, _)| *due <= now) && Instant::now() < until {
            let Some((_, path)) = self.again.pop_first() else { break };
            changed.extend(self.reread([path]));
        }
        changed
    }

    /// Goes on with both rotations.
    pub(super) fn rotate(&mut self, until: Instant) -> Changed {
        let was_quiet = self.is_quiet();
        let (period, reads) =
            if was_quiet { (PERIOD_QUIET, READS_PER_S_QUIET) } else { (PERIOD, READS_PER_S) };
        let mut suspects = BTreeSet::new();
        let mut is_round = false;
        for step in 0..self.stamps.due(self.tracked.len() + 1, period) {
            if step % STEPS_PER_CLOCK == STEPS_PER_CLOCK - 1 && Instant::now() >= until {
                break;
            }
            self.stamps.spend();
            match next_after(&self.stamps.cursor, &self.tracked) {
                None => {
                    self.stamps.cursor.clear();
                    is_round = true;
                    self.end_round();
                }
                Some((path, known)) => {
                    if self.is_suspect(path, *known) {
                        suspects.insert(path.clone());
                    }
                    self.stamps.cursor.clone_from(path);
                }
            }
        }
        for _ in 0..self.contents.due(reads, Duration::from_secs(1)) {
            self.contents.spend();
            let next = next_after(&self.contents.cursor, &self.tracked).map(|(path, _)| path.clone());
            self.contents.cursor = next.unwrap_or_default();
            if !self.is_stood_for(&self.contents.cursor) && !self.watch.is_unfinished(&self.contents.cursor) {
                suspects.insert(self.contents.cursor.clone());
            }
        }
        let mut changed = self.reread(suspects);
        if is_round {
            changed.extend(self.relist_own());
        }
        if was_quiet && changed.paths.iter().any(|path| path.starts_with(CLUSTER)) {
            // A write of this moment is on its way to us; else the database does not tell what we think it does.
            self.take_events();
            self.journal.is_trusted = !self.is_quiet();
        }
        changed
    }

    /// The cluster's database was written to.
    pub(super) fn note_write(&mut self) {
        if self.is_quiet() {
            self.stamps.hurry();
        }
        self.journal.written = Instant::now();
        self.journal.is_settled = false;
    }

    fn end_round(&mut self) {
        let begun = std::mem::replace(&mut self.journal.round, Instant::now());
        if !self.journal.is_settled && begun > self.journal.written + SETTLED {
            self.journal.is_settled = true;
            self.stamps.rest();
        }
    }

    /// Every file was looked at since the cluster's database was last written to.
    pub(super) fn is_quiet(&self) -> bool {
        self.watch.has_journal() && self.journal.is_trusted && self.journal.is_settled
    }

    fn is_suspect(&self, path: &str, known: Option<Stamp>) -> bool {
        let is_told = self.counters.has(name_of(path)) || self.is_stood_for(path);
        if is_told || self.watch.is_unfinished(path) {
            return false;
        }
        match (self.files.get(path), Stamp::of(&self.location(path))) {
            // Why it was unreadable need not show in its stamp.
            (Some(FileContent::Unreadable(_)), _) | (_, Err(_)) => true,
            (Some(FileContent::Bytes(_)), Ok(None)) => true,
            (_, Ok(stamp)) => stamp != known,
        }
    }
}

fn next_after<'t, V>(cursor: &str, tracked: &'t BTreeMap<String, V>) -> Option<(&'t String, &'t V)> {
    tracked.range::<str, _>((Bound::Excluded(cursor), Bound::Unbounded)).next()
}

/// The file that a counter counts.
fn path_of(counter: &str) -> String {
    match counter {
        "vmlist" => "/etc/pve/.vmlist".to_owned(),
        "clinfo" => "/etc/pve/.members".to_owned(),
        path => format!("{CLUSTER}/{path}"),
    }
}

/// The counter that would count a file.
fn name_of(path: &str) -> &str {
    match path {
        "/etc/pve/.vmlist" => "vmlist",
        "/etc/pve/.members" => "clinfo",
        path => path.strip_prefix("/etc/pve/").unwrap_or(path),
    }
}
