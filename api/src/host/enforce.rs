//! The kernel's side of a commit: what it holds of ours, as far as we know, and the least that makes it hold
//! something else.
//!
//! The difference is taken against what was committed last, never against a listing. A listing is read when nobody
//! knows what the kernel holds: at the start, and when somebody else has written to our tables.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::diff::{self, Changes};
use engine::lift;
use engine::render;
use engine::ruleset::check::{check, check_since};
use engine::ruleset::{Ruleset, Table, TableFamily};
use engine::transaction;
use nft_ffi::netlink::{BaseChain, NetlinkError};
use nft_ffi::{CheckError, ListError, NewError};
use sha2::{Digest, Sha256};

use super::batch::{BatchError, Batches};
use super::egress::{Egress, Ports, WriteError};
use super::kernel::{self, EGRESS_TABLE, Fault, Kernel, LoadError, TABLES};
use crate::features::{self, Feature, Reduced};
use crate::service::state::WriterKind;

/// How long sockets that have failed are left alone.
const DEAF: Duration = Duration::from_secs(5);

/// The writer to the kernel. There is one in a process.
#[derive(Debug)]
pub struct Enforcer {
    kernel: Kernel,
    /// `None`: it failed; until it is opened again libnftables writes, and nobody hears what others do.
    batches: Option<Batches>,
    /// When it was tried last.
    opened: Instant,
    probed: BTreeSet<Feature>,
    missing: BTreeSet<Feature>,
    /// Of what reject modes need, what is missing; `None`: nobody has asked.
    lacking: Option<BTreeSet<Feature>>,
    held: Held,
    /// What is known of chains that generations share.
    wanted_chains: features::Memo,
    /// When we first looked, a table of ours was missing.
    found_missing: bool,
    /// What an earlier process has left: see [`Enforcer::mark`].
    left: Option<String>,
    /// What passed the check last.
    legal: Option<Arc<Ruleset>>,
    egress: Egress,
}

/// What our tables hold.
#[derive(Debug, Clone)]
enum Held {
    /// Nobody has looked yet, or somebody else has written.
    Unknown,
    /// Something that the IR cannot say.
    Foreign,
    /// This.
    Known(Arc<Ruleset>),
}

/// A commit.
#[derive(Debug, Clone)]
pub struct Written {
    /// Who wrote.
    pub writer: WriterKind,
    /// What it changed.
    pub counts: diff::Counts,
    /// Time for the socket and the kernel alone.
    pub writing: Duration,
    /// Ports of guests where rejected packets of the host are dropped, because the kernel did not take their chain.
    pub unarmed: Vec<String>,
}

/// The kernel does not hold what was wanted; it holds what it held before.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// The planned ruleset breaks a law of nftables, which is a bug of ours.
    #[error("the planned ruleset is not legal: {0}")]
    Illegal(String),
    /// The kernel refused it.
    #[error("the kernel refused the ruleset")]
    Refused(Vec<Fault>),
    /// It could not be asked what it can.
    #[error("could not ask the kernel what it can")]
    Probe(#[source] CheckError),
    /// It could not be asked what it holds.
    #[error("could not list our tables")]
    List(#[source] ListError),
    /// It could not be asked.
    #[error("could not write to the kernel")]
    Write(#[source] LoadError),
}

impl Enforcer {
    /// Connects to the network namespace of the calling thread.
    pub fn open() -> Result<Enforcer, NewError> {
        let (probed, missing) = (BTreeSet::new(), BTreeSet::new());
        let batches = Batches::open()
            .inspect_err(|error| tracing::error!(%error, "no netlink socket; libnftables writes"));
        Ok(Enforcer {
            kernel: Kernel::open()?,
            batches: batches.ok(),
            opened: Instant::now(),
            probed,
            missing,
            lacking: None,
            held: Held::Unknown,
            wanted_chains: features::Memo::default(),
            found_missing: false,
            left: None,
            legal: None,
            egress: Egress::default(),
        })
    }

    /// Features that were asked for, and those of them that are missing.
    pub fn features(&self) -> (&BTreeSet<Feature>, &BTreeSet<Feature>) {
        (&self.probed, &self.missing)
    }

    /// Forgets which features the kernel has: a module may have come.
    pub fn forget_features(&mut self) {
        self.probed.clear();
        self.missing.clear();
        self.lacking = None;
    }

    /// Of all features but helpers, those that this kernel lacks. It is asked once: each time costs it milliseconds.
    pub fn lacking(&mut self) -> Result<&BTreeSet<Feature>, CheckError> {
        if self.lacking.is_none() {
            self.lacking = Some(self.kernel.missing(&Feature::FIXED.iter().copied().collect())?);
        }
        Ok(self.lacking.get_or_insert_default())
    }

    /// As [`Enforcer::lacking`]; `None`: it has not been asked yet.
    pub fn known_lacking(&self) -> Option<&BTreeSet<Feature>> {
        self.lacking.as_ref()
    }

    /// What of a ruleset this kernel can hold. A feature is asked for once.
    pub fn reduce(&mut self, ruleset: &Ruleset) -> Result<Reduced, CheckError> {
        let unknown: BTreeSet<Feature> =
            self.wanted_chains.used(ruleset).difference(&self.probed).copied().collect();
        let is_asked = |feature: &Feature| self.lacking.is_some() && Feature::FIXED.contains(feature);
        let (asked, unasked): (BTreeSet<Feature>, BTreeSet<Feature>) =
            unknown.into_iter().partition(is_asked);
        if !unasked.is_empty() {
            self.missing.extend(self.kernel.missing(&unasked)?);
            self.probed.extend(unasked);
        }
        self.missing.extend(asked.intersection(self.lacking.as_ref().unwrap_or(&BTreeSet::new())));
        self.probed.extend(asked);
        Ok(self.wanted_chains.reduce(ruleset, &self.missing))
    }

    /// Makes the kernel hold `wanted`: in one transaction, or not at all. Chains at guests' ports follow in one of their
    /// own; what the kernel does not take of them is in the answer.
    pub fn enforce(&mut self, wanted: &Arc<Ruleset>) -> Result<Written, EnforceError> {
        let checked = match &self.legal {
            Some(legal) => check_since(wanted, legal),
            None => check(wanted),
        };
        if let Err(illegal) = checked {
            let all: Vec<String> = illegal.iter().map(ToString::to_string).collect();
            return Err(EnforceError::Illegal(all.join("; ")));
        }
        self.legal = Some(wanted.clone());
        if self.egress.is_nothing() && wanted.tables.iter().all(|table| table.family != TableFamily::Netdev) {
            return self.enforce_tables(wanted);
        }
        let mut written = self.enforce_tables(&Arc::new(self.egress.before(wanted)))?;
        let mut egress = std::mem::take(&mut self.egress);
        written.unarmed = egress.arm(wanted, self);
        self.egress = egress;
        match self.enforce_tables(&Arc::new(self.egress.after(wanted))) {
            Ok(ready) => {
                written.counts.elements.n_added += ready.counts.elements.n_added;
                written.writer = if ready.writer == WriterKind::None { written.writer } else { ready.writer };
            }
            Err(error) => {
                written.unarmed.push(format!("armed ports could not be told to the rules: {error}"))
            }
        }
        Ok(written)
    }

    /// All but the chains at guests' ports.
    fn enforce_tables(&mut self, wanted: &Arc<Ruleset>) -> Result<Written, EnforceError> {
        if let Held::Unknown = self.held {
            self.take_over(wanted)?;
        }
        let nothing = Arc::default();
        let (held, is_known) = match &self.held {
            Held::Known(held) => (held.clone(), true),
            Held::Unknown | Held::Foreign => (nothing, false),
        };
        let changes = diff::diff(&held, wanted);
        let counts = changes.counts();
        let began = Instant::now();
        let writer = if is_known && changes.is_empty() {
            WriterKind::None
        } else if is_known {
            self.write(&changes, wanted)?
        } else {
            self.replace(wanted)?
        };
        let writing = began.elapsed();
        self.held = match self.batches.as_mut().is_some_and(Batches::take_unheard) {
            true => Held::Unknown,
            false => Held::Known(wanted.clone()),
        };
        Ok(Written { writer, counts, writing, unarmed: Vec::new() })
    }

    /// The difference; where the kernel refuses it, the whole: what it holds may not be what we think.
    fn write(&mut self, changes: &Changes<'_>, wanted: &Ruleset) -> Result<WriterKind, EnforceError> {
        match self.batches.as_mut().map(|batches| batches.change(changes)) {
            Some(Ok(())) => return Ok(WriterKind::Netlink),
            Some(Err(BatchError::Foreign)) => {
                tracing::warn!("somebody else has written to our tables; they are replaced");
                return self.replace(wanted);
            }
            Some(Err(BatchError::Refused(faults))) => {
                tracing::warn!(?faults, "the kernel refused the difference; libnftables tries it");
            }
            Some(Err(BatchError::Socket(error))) => self.no_batches(&error),
            None => {}
        }
        match self.kernel.commit(&transaction::changes(changes)) {
            Ok(()) => Ok(self.wrote()),
            Err(LoadError::Refused(faults)) => {
                tracing::warn!(?faults, "the kernel refused the difference; the whole is tried");
                self.replace(wanted)
            }
            Err(error) => Err(EnforceError::Write(error)),
        }
    }

    /// Makes the kernel hold `wanted`, which must be legal, without a look at what our tables held: in one
    /// transaction, or not at all. Counters start anew.
    pub fn load(&mut self, wanted: Arc<Ruleset>) -> Result<WriterKind, EnforceError> {
        let writer = self.replace(&wanted)?;
        self.held = Held::Known(wanted);
        Ok(writer)
    }

    /// The whole, whatever our tables hold.
    fn replace(&mut self, wanted: &Ruleset) -> Result<WriterKind, EnforceError> {
        match self.batches.as_mut().map(|batches| batches.replace(wanted)) {
            Some(Ok(())) => return Ok(WriterKind::Netlink),
            Some(Err(BatchError::Socket(error))) => self.no_batches(&error),
            Some(Err(BatchError::Foreign)) | None => {}
            Some(Err(BatchError::Refused(faults))) => {
                tracing::warn!(?faults, "the kernel refused the ruleset; libnftables tries it");
            }
        }
        match self.kernel.commit(&kernel::replacement(wanted)) {
            Ok(()) => Ok(self.wrote()),
            Err(LoadError::Refused(faults)) => Err(EnforceError::Refused(faults)),
            Err(error) => Err(EnforceError::Write(error)),
        }
    }

    fn no_batches(&mut self, error: &NetlinkError) {
        tracing::error!(%error, "the netlink socket failed; libnftables writes until it is opened again");
        self.batches = None;
        self.opened = Instant::now();
    }

    /// Whether nobody hears what others do to our tables.
    pub fn is_deaf(&self) -> bool {
        self.batches.is_none()
    }

    /// Opens the sockets that have failed, some time after that. `true`: that was done, and the kernel has to be looked at:
    /// nobody has heard what was done meanwhile.
    pub fn hear_again(&mut self) -> bool {
        if !self.is_deaf() || self.opened.elapsed() < DEAF {
            return false;
        }
        self.opened = Instant::now();
        match Batches::open() {
            Ok(batches) => {
                self.batches = Some(batches);
                self.egress.forget();
            }
            Err(error) => tracing::warn!(%error, "no netlink socket; libnftables writes"),
        }
        !self.is_deaf()
    }

    /// libnftables has written: the generation is another, and nobody else's.
    fn wrote(&mut self) -> WriterKind {
        if let Some(Err(error)) = self.batches.as_mut().map(Batches::wrote_otherwise) {
            self.no_batches(&error);
        }
        WriterKind::Libnftables
    }

    /// Wakes whoever polls when somebody has changed the kernel's ruleset.
    pub fn ear(&self) -> Option<BorrowedFd<'_>> {
        self.batches.as_ref().map(AsFd::as_fd)
    }

    /// Whether somebody else has written to our tables since the last call. If so, nothing about them is taken for
    /// granted: the next [`Enforcer::enforce`] replaces them.
    pub fn is_touched(&mut self) -> bool {
        let is_touched = match self.batches.as_mut().map(Batches::is_touched) {
            Some(Ok(is_touched)) => is_touched,
            Some(Err(error)) => {
                self.no_batches(&error);
                true
            }
            None => false,
        };
        if is_touched {
            self.held = Held::Foreign;
            self.egress.forget();
        }
        is_touched
    }

    /// What others did to our tables, each told once: found by [`Enforcer::is_touched`], or while writing.
    pub fn take_trespass(&mut self) -> Vec<String> {
        self.batches.as_mut().map(Batches::take_trespass).unwrap_or_default()
    }

    /// Base chains of others, if they may not be what they were when they were last asked for.
    pub fn foreign_chains(&mut self) -> Option<Vec<BaseChain>> {
        match self.batches.as_mut()?.foreign_chains() {
            Ok(chains) => chains,
            Err(error) => {
                self.no_batches(&error);
                None
            }
        }
    }

    /// When this process first looked, a table was missing that it wanted there.
    pub fn found_missing(&self) -> bool {
        self.found_missing
    }

    /// Whether the kernel would take `wanted`; it forgets it.
    pub fn would_take(&mut self, wanted: &Ruleset) -> Result<(), EnforceError> {
        // Chains at ports are refused one by one, when they are written.
        match self.kernel.check(&kernel::replacement(&self.egress.before(wanted))) {
            Ok(()) => Ok(()),
            Err(LoadError::Refused(faults)) => Err(EnforceError::Refused(faults)),
            Err(error) => Err(EnforceError::Write(error)),
        }
    }

    /// What an earlier process left in the kernel: taken over with its counters where it can be read.
    fn take_over(&mut self, wanted: &Arc<Ruleset>) -> Result<(), EnforceError> {
        if let Some(left) = self.left.take() {
            if self.mark(wanted) == Some(left) && self.has_tables_of(wanted) {
                self.held = Held::Known(wanted.clone());
                return Ok(());
            }
        }
        self.held = match self.listed()? {
            // Equal but for what a listing tells otherwise than the IR.
            Ok(held) if lift::differences(wanted, &held).is_empty() => Held::Known(wanted.clone()),
            Ok(held) => {
                let is_in = |ruleset: &Ruleset, (family, name)| ruleset.table(family, name).is_some();
                self.found_missing |=
                    TABLES.iter().any(|table| is_in(wanted, *table) && !is_in(&held, *table));
                Held::Known(Arc::new(held))
            }
            Err(problem) => {
                tracing::warn!(%problem, "our tables hold something that is not ours; they are replaced");
                Held::Foreign
            }
        };
        Ok(())
    }

    /// What our tables hold now, read from the kernel.
    fn listed(&mut self) -> Result<Result<Ruleset, lift::LiftError>, EnforceError> {
        let mut held = Ruleset::default();
        let present = self.kernel.present().map_err(EnforceError::List)?;
        for table in present.into_iter().filter(|table| *table != EGRESS_TABLE) {
            let listing = self.kernel.json(table).map_err(EnforceError::List)?;
            match lift::tables(&listing, &TABLES) {
                Ok(mut lifted) => {
                    lift::with_indexes(&mut lifted, |name| nix::net::if_::if_nametoindex(name).ok());
                    held.tables.extend(lifted.tables);
                }
                Err(problem) => return Ok(Err(problem)),
            }
            drop(listing);
            self.kernel.forget_listing();
        }
        Ok(Ok(held))
    }

    /// Whether the kernel is known to hold what was committed last, without a look at it: every change has been heard of,
    /// and none was of somebody else to our tables.
    pub fn is_certain(&mut self) -> bool {
        // Who has touched them is dealt with as ever: what is held is forgotten, chains at ports too.
        let is_known = !self.is_touched() && matches!(self.held, Held::Known(_));
        is_known && self.batches.as_mut().is_some_and(|batches| batches.has_heard_all().unwrap_or(false))
    }

    /// What tells later whether the kernel still holds exactly this: the machine's run, the network namespace, the
    /// kernel's generation, and a digest of the ruleset. `None`: it is not certain that it does.
    fn mark(&mut self, ruleset: &Ruleset) -> Option<String> {
        let batches = self.batches.as_mut()?;
        if !batches.has_heard_all().ok()? {
            return None;
        }
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = std::fs::metadata("/proc/thread-self/ns/net").ok()?.ino();
        let mut digest = Sha256::new();
        render::text_in_pieces(ruleset, |piece| digest.update(piece));
        Some(format!("{} {namespace} {} {:x}", boot.trim(), batches.generation(), digest.finalize()))
    }

    /// A number of a namespace may be given again.
    fn has_tables_of(&mut self, ruleset: &Ruleset) -> bool {
        let present = self.batches.as_mut().and_then(|batches| batches.present().ok()).unwrap_or_default();
        let is_there = |table: &Table| present.contains(&(table.family, &*table.name));
        ruleset.tables.iter().all(is_there)
    }

    /// Before this process ends: its successor need not read what nobody changes until then.
    pub fn leave(&mut self) -> Option<String> {
        match self.held.clone() {
            Held::Known(held) => self.mark(&held),
            Held::Unknown | Held::Foreign => None,
        }
    }

    /// How an earlier process has left the kernel.
    pub fn follow(&mut self, left: Option<String>) {
        self.left = left;
    }

    /// What differs between the kernel and what was committed last; empty: nothing. What differs is no longer taken
    /// for granted: the next [`Enforcer::enforce`] starts from what is there.
    pub fn drift(&mut self) -> Result<Vec<String>, EnforceError> {
        let Held::Known(committed) = self.held.clone() else { return Ok(Vec::new()) };
        let mut found = match self.listed()? {
            Ok(held) => lift::differences(&committed, &held),
            Err(problem) => vec![problem.to_string()],
        };
        found.extend(self.drift_of_ports());
        if !found.is_empty() {
            self.held = Held::Unknown;
            self.egress.forget();
        }
        Ok(found)
    }

    /// Only names: listings of nft 1.0.6 leave out the device, and whoever changes a rule is heard.
    fn drift_of_ports(&mut self) -> Option<String> {
        let batches = self.batches.as_mut()?;
        let held = batches.chains(EGRESS_TABLE).ok()?;
        let wanted = self.egress.names();
        let is_same = held.iter().map(String::as_str).eq(wanted.iter().copied());
        (!is_same).then(|| format!("chains at ports: wanted {wanted:?}, held {held:?}"))
    }
}

impl Ports for Enforcer {
    fn has_table(&mut self) -> Result<bool, WriteError> {
        let present = match &mut self.batches {
            Some(batches) => batches.present().map_err(|error| error.to_string()),
            None => self.kernel.present().map_err(|error| error.to_string()),
        };
        Ok(present.map_err(WriteError::Failed)?.contains(&EGRESS_TABLE))
    }

    fn chains(&mut self) -> Result<BTreeSet<String>, WriteError> {
        let Some(batches) = &mut self.batches else {
            let listing = self.kernel.json(EGRESS_TABLE);
            let listing = listing.map_err(|error| WriteError::Failed(error.to_string()))?;
            let lifted = lift::tables(&listing, &[EGRESS_TABLE]);
            let lifted = lifted.map_err(|problem| WriteError::Failed(problem.to_string()))?;
            let chains = lifted.tables.iter().flat_map(|table| &table.chains);
            return Ok(chains.map(|chain| chain.name.to_string()).collect());
        };
        batches.chains(EGRESS_TABLE).map_err(|error| WriteError::Failed(error.to_string()))
    }

    fn write(&mut self, changes: &Changes<'_>) -> Result<(), WriteError> {
        let reasons = |faults: &[Fault]| {
            let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
            WriteError::Refused(messages.join("; "))
        };
        match self.batches.as_mut().map(|batches| batches.change(changes)) {
            Some(Ok(())) => return Ok(()),
            Some(Err(BatchError::Refused(faults))) => return Err(reasons(&faults)),
            Some(Err(BatchError::Foreign)) => {
                self.held = Held::Foreign;
                return Err(WriteError::Failed("somebody else has written to our tables".to_owned()));
            }
            Some(Err(BatchError::Socket(error))) => self.no_batches(&error),
            None => {}
        }
        match self.kernel.commit(&transaction::changes(changes)) {
            Ok(()) => drop(self.wrote()),
            Err(LoadError::Refused(faults)) => return Err(reasons(&faults)),
            Err(error) => return Err(WriteError::Failed(error.to_string())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
