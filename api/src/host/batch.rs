//! The way to the kernel of every change: a batch of nf_tables messages on one kept socket, and an ear for what others
//! change.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};

use engine::diff::Changes;
use engine::render::netlink::{self, Batch, Handles};
use engine::ruleset::{Origin, Ruleset, TableFamily};
use nft_ffi::netlink::{BaseChain, Change, CommitError, Event, Family, Monitor, NetlinkError, Socket};

use super::fault;
use super::kernel::{EGRESS_TABLE, Fault, TABLES};

/// How often a batch is tried again because somebody else was faster.
const N_TRIES: usize = 8;

/// Bytes of messages from which on nobody listens while they are written: as long as somebody does, the kernel tells of
/// every object. Some hundred rules.
const LARGE: usize = 256 << 10;

/// A socket to write with, and one to listen with.
#[derive(Debug)]
pub struct Batches {
    socket: Socket,
    monitor: Monitor,
    /// The kernel's generation as far as we know that nobody has touched our tables since.
    generation: u32,
    /// What others did to our tables, and has not been asked for.
    trespass: Vec<String>,
    /// Others did something to theirs.
    is_foreign_news: bool,
    /// Others wrote, and we did not hear what.
    is_unheard: bool,
}

/// What others did that is kept: more of it says nothing more.
const N_TRESPASSES_MAX: usize = 16;

/// A batch that was not committed; what the kernel held it holds.
#[derive(Debug)]
pub enum BatchError {
    /// Somebody else has written to our tables.
    Foreign,
    /// The kernel refused messages: why, and for whose sake they were there.
    Refused(Vec<Fault>),
    /// The socket failed.
    Socket(NetlinkError),
}

impl Batches {
    /// Opens both sockets in the network namespace of the calling thread.
    pub fn open() -> Result<Batches, NetlinkError> {
        let monitor = Monitor::new()?;
        let mut socket = Socket::new()?;
        let generation = socket.generation()?;
        Ok(Batches {
            socket,
            monitor,
            generation,
            trespass: Vec::new(),
            is_foreign_news: true,
            is_unheard: false,
        })
    }

    /// Turns what the kernel holds into something else, rule by rule: counters of what stays stay.
    pub fn change(&mut self, changes: &Changes<'_>) -> Result<(), BatchError> {
        for _ in 0..N_TRIES {
            if self.is_touched()? {
                return Err(BatchError::Foreign);
            }
            let mut handles = Handles::default();
            for (table, chain) in netlink::chains_to_list(changes) {
                let rules = self.socket.rules(family(table.family), &table.name, Some(&chain.name))?;
                handles.insert(table, chain, rules.iter().map(|rule| rule.handle).collect());
            }
            let batch = netlink::changes(changes, &handles);
            let is_large = batch.messages.len() > LARGE;
            let committed =
                if is_large { self.unheard(|batches| batches.commit(&batch))? } else { self.commit(&batch) };
            match committed {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(error) => return Err(failure(error, &batch.origins)),
            }
        }
        Err(BatchError::Foreign)
    }

    /// Does what nobody needs to hear of, rule by rule. What others did meanwhile is noticed, but not what it was.
    fn unheard<T, E>(
        &mut self,
        write: impl FnOnce(&mut Batches) -> Result<T, E>,
    ) -> Result<Result<T, E>, NetlinkError> {
        self.monitor.pause()?;
        let written = write(self);
        self.monitor.resume()?;
        let generation = self.socket.generation()?;
        if generation != self.generation {
            self.note("more was changed while much was written".to_owned());
            self.is_foreign_news = true;
            self.is_unheard = true;
        }
        self.generation = generation;
        Ok(written)
    }

    /// Makes our tables exactly those of `ruleset`, whatever they held.
    pub fn replace(&mut self, ruleset: &Ruleset) -> Result<(), BatchError> {
        let is_unwanted = |(family, name): &(TableFamily, &str)| ruleset.table(*family, name).is_none();
        let unwanted: Vec<(TableFamily, &str)> = TABLES.into_iter().filter(is_unwanted).collect();
        let batch = netlink::full_and_flush(ruleset, &unwanted);
        self.is_touched()?;
        self.unheard(|batches| batches.replace_unheard(&batch))?
    }

    fn replace_unheard(&mut self, batch: &Batch) -> Result<(), BatchError> {
        for _ in 0..N_TRIES {
            match self.commit(batch) {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale) => {
                    self.generation = self.socket.generation()?;
                    self.is_foreign_news = true;
                }
                Err(error) => return Err(failure(error, &batch.origins)),
            }
        }
        Err(BatchError::Foreign)
    }

    /// Which of our tables are there.
    pub fn present(&mut self) -> Result<Vec<(TableFamily, &'static str)>, NetlinkError> {
        let there = self.socket.tables()?;
        let is_there = |(of, ours): &(TableFamily, &str)| {
            there.iter().any(|(known, name)| *known == family(*of) && name == ours)
        };
        Ok(TABLES.into_iter().chain([EGRESS_TABLE]).filter(is_there).collect())
    }

    /// Whether nobody has written since what was heard last: then our tables are what they were.
    pub fn has_heard_all(&mut self) -> Result<bool, NetlinkError> {
        Ok(!self.is_touched()? && self.socket.generation()? == self.generation)
    }

    /// The generation that the kernel holds, as far as it is known.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The chains that one of our tables holds.
    pub fn chains(&mut self, table: (TableFamily, &str)) -> Result<BTreeSet<String>, NetlinkError> {
        Ok(self.socket.chains(family(table.0), table.1)?.into_iter().collect())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        fault::point("sending");
        let mut messages = Cow::Borrowed(&batch.messages);
        if fault::is_refused(&messages) {
            // The low byte of the first message's type: there is none of this number.
            messages.to_mut()[4] = 0xff;
        }
        self.socket.commit(&messages, Some(self.generation))?;
        self.generation = self.generation.wrapping_add(1).max(1);
        Ok(())
    }

    /// We have written through another socket: the notices of that are nobody else's. If there was more than one
    /// transaction since we last listened, somebody else was there, too, and all notices are listened to.
    pub fn wrote_otherwise(&mut self) -> Result<(), NetlinkError> {
        let generation = self.socket.generation()?;
        if generation == self.generation.wrapping_add(1).max(1) {
            while let Some(event) = self.monitor.next_event()? {
                self.is_foreign_news |= event == Event::Lost;
            }
        }
        self.generation = generation;
        Ok(())
    }

    /// Hears what was changed since the last call. `true`: our tables were, by somebody else.
    pub fn is_touched(&mut self) -> Result<bool, NetlinkError> {
        let mut is_touched = false;
        while let Some(event) = self.monitor.next_event()? {
            match event {
                Event::Lost => {
                    self.generation = self.socket.generation()?;
                    self.is_foreign_news = true;
                    is_touched = true;
                    self.note("more was changed than we could hear".to_owned());
                }
                Event::Change(change) => {
                    is_touched |= self.hear(&change);
                    self.generation = change.generation;
                }
            }
        }
        Ok(is_touched)
    }

    /// `true`: our tables were touched by somebody else.
    fn hear(&mut self, change: &Change) -> bool {
        if change.port == self.socket.port() {
            return false;
        }
        let mut is_touched = false;
        for ((of, table), edits) in &change.tables {
            let mut ours = TABLES.iter().chain([&EGRESS_TABLE]);
            let ours = ours.find(|(ours, name)| family(*ours) == *of && name == table);
            let Some((family, _)) = ours else {
                self.is_foreign_news = true;
                continue;
            };
            is_touched = true;
            let process = change.process.as_ref();
            let who = process.map_or_else(
                || "somebody".to_owned(),
                |process| format!("{} (process {})", process.name, process.pid),
            );
            self.note(format!("{who} {edits} in table {} {table}", family.as_str()));
        }
        is_touched
    }

    fn note(&mut self, what: String) {
        if self.trespass.len() < N_TRESPASSES_MAX {
            self.trespass.push(what);
        }
    }

    /// Others wrote right behind what was written last, and nobody heard to which tables.
    pub fn take_unheard(&mut self) -> bool {
        std::mem::take(&mut self.is_unheard)
    }

    /// What others did to our tables, each told once.
    pub fn take_trespass(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trespass)
    }

    /// Base chains of others, if that may not be what it was when it was last asked.
    pub fn foreign_chains(&mut self) -> Result<Option<Vec<BaseChain>>, NetlinkError> {
        if !std::mem::take(&mut self.is_foreign_news) {
            return Ok(None);
        }
        let mut chains = self.socket.base_chains()?;
        let is_ours = |chain: &BaseChain| {
            let mut ours = TABLES.iter().chain([&EGRESS_TABLE]);
            ours.any(|(ours, name)| family(*ours) == chain.family && *name == chain.table)
        };
        chains.retain(|chain| !is_ours(chain));
        Ok(Some(chains))
    }
}

/// Readable when somebody has changed something.
impl AsFd for Batches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }
}

impl From<NetlinkError> for BatchError {
    fn from(error: NetlinkError) -> BatchError {
        BatchError::Socket(error)
    }
}

fn family(family: TableFamily) -> Family {
    match family {
        TableFamily::Inet => Family::INET,
        TableFamily::Bridge => Family::BRIDGE,
        TableFamily::Netdev => Family::NETDEV,
    }
}

fn failure(error: CommitError, origins: &[Option<Origin>]) -> BatchError {
    match error {
        CommitError::Stale => BatchError::Foreign,
        CommitError::Socket(error) => BatchError::Socket(error),
        CommitError::Refused(refusals) => {
            let fault = |refusal: &nft_ffi::netlink::Refusal| Fault {
                origin: refusal.message.and_then(|message| *origins.get(message)?),
                command: String::new(),
                message: refusal.to_string(),
            };
            BatchError::Refused(refusals.iter().map(fault).collect())
        }
    }
}
