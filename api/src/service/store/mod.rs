//! The configuration that was last enforced becomes files below `/var/lib/proxmox-firewall`, and files become it
//! again: what a node enforces before the cluster file system is there, and what a change is taken back to.
//!
//! | file | holds |
//! |---|---|
//! | `objects/<sha256>` | the content of one file of the configuration, under its hash |
//! | `generations/<number>.json` | one generation: which path had which content |
//! | `state.json` | what is enforced, what waits for a person, what was refused |
//!
//! Whatever is read is checked against its hash. A file that is torn, foreign or gone costs its generation, and the
//! next older one stands in: a damaged disk never keeps a node from starting. One process alone writes here.

mod digest;
mod disk;
mod form;
mod objects;
mod read;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Instant;

use engine::inputs::{FileContent, Files, RejectMode};

use crate::host::paths::Paths;
use disk::Unflushed;
use form::{ContentOut, Named};
use objects::Objects;

use super::gate::Confirm;
use super::state::Committed;
pub use digest::{Digest, Digests, InvalidDigest, is_written, newcomers, with_written_of};

/// Generations that are kept, besides those that [`State`] names. One that only followed guests and interfaces is not,
/// once there is another: what people had written then the one before it has.
pub const N_KEPT: usize = 20;

/// What is known of a generation without its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number, counted up on this node.
    pub number: u64,
    /// Hash of all its files.
    pub digest: Digest,
    /// Hash of what people had written ([`Digests::written`]).
    pub written: Digest,
    /// When it was committed, Unix time.
    pub committed_at_s: u64,
    /// What made it: a word of `Cause`.
    pub cause: String,
    /// The node's name then.
    pub node: String,
    /// The datacenter's firewall was on.
    pub enabled: bool,
    /// How REJECT towards guests was answered.
    pub reject_mode: RejectMode,
    /// What it changed.
    pub committed: Committed,
}

/// A generation: its input, never what was made of it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What is known about it.
    pub head: Head,
    /// Its files.
    pub files: Files,
}

/// What has to outlive the daemon besides generations.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The generation that the kernel holds.
    pub enforced: Option<u64>,
    /// Changes are not applied by themselves on this node.
    pub hold: bool,
    /// What was taken back and is not applied again before it changes: [`Digests::written`] of it.
    pub refused: Option<Digest>,
    /// A change that waits for its confirmation.
    pub confirm: Option<Confirm>,
    /// The last error-free version of each scope's file, for `strict`.
    pub last_good: Files,
    /// How the kernel was left when the process before ended: `Enforcer::mark`.
    pub left: Option<String>,
}

/// Something below the store's folder that could not be used and was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// The disk did not do what was asked; what was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A folder or file could not be made, written, renamed or flushed.
    #[error("could not {doing} {path}")]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A change could not be taken back, since that generation is not on disk.
    #[error("generation {0} is not stored: nothing could be taken back to it")]
    NoGeneration(u64),
}

/// The folder, and what this process knows of it.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    digests: Digests,
    /// Those of [`State::last_good`].
    versions: Digests,
    objects: Objects,
    state: State,
    state_file: StateFile,
    /// What the state that lasts says to be enforced.
    flushed: Option<u64>,
    unflushed: Unflushed,
    /// A thread that makes what was written earlier last.
    flushing: Option<JoinHandle<Flushed>>,
    /// How many states were stored.
    n_states: u64,
    /// Manifests on disk, with their heads once they were read.
    generations: BTreeMap<u64, Option<Head>>,
    /// It is known which contents the manifests name.
    indexed: bool,
    last_number: u64,
    damage: Vec<Damage>,
}

/// What became of files that a thread was to make last.
#[derive(Debug)]
struct Flushed {
    /// Those that do not yet.
    unflushed: Unflushed,
    /// How many states had been stored then.
    n_states: u64,
    result: Result<(), StoreError>,
}

/// What `state.json` is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateFile {
    /// It is not there, or damaged.
    Unusable,
    /// It may not outlive a loss of power.
    Unflushed,
    /// It lasts: worth keeping when the next one is written.
    Flushed,
}

/// Where it lies on a node.
const FOLDER: &str = "/var/lib/proxmox-firewall";
const STATE: &str = "state.json";
/// The state of before: stands in if the disk has lost the other one.
const STATE_BEFORE: &str = "state.before.json";
/// Damage that is listed; more says nothing more.
const N_DAMAGE_MAX: usize = 64;

impl Store {
    /// Opens the folder, making what is missing, and reads the state.
    pub fn open(paths: &Paths) -> Result<Store, StoreError> {
        let folder = paths.at(FOLDER);
        for part in [folder.clone(), folder.join("objects"), folder.join("generations")] {
            disk::folder(&part)?;
        }
        let mut store = Store {
            objects: Objects::new(folder.join("objects")),
            digests: Digests::default(),
            versions: Digests::default(),
            state: State::default(),
            state_file: StateFile::Unusable,
            flushed: None,
            unflushed: Unflushed::default(),
            flushing: None,
            n_states: 0,
            generations: BTreeMap::new(),
            indexed: false,
            last_number: 0,
            damage: Vec::new(),
            folder,
        };
        store.list();
        store.read_state();
        store.flushed = store.state.enforced;
        let last = store.generations.keys().next_back().copied().unwrap_or(0);
        store.last_number = last.max(store.last_number);
        Ok(store)
    }

    /// The hashes of contents that it has met: whoever asks for a digest asks here, so that none is hashed twice.
    pub fn digests(&mut self) -> &mut Digests {
        &mut self.digests
    }

    /// The number of the generation that comes next. No number is used twice.
    pub fn next_number(&self) -> u64 {
        self.last_number + 1
    }

    /// What was found unusable so far.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Stores a generation. [`State::enforced`] is the caller's to set. It outlives a stop of the process at once, a
    /// loss of power after [`Store::flush`].
    pub fn save(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.save_until(snapshot, None).map(drop)
    }

    /// As [`Store::save`], for no longer than some contents take beyond a time: a node's first generation is thousands of
    /// files. Gives whether all is stored; if not, the call is to be made again, for this generation or the next.
    pub fn save_until(&mut self, snapshot: &Snapshot, until: Option<Instant>) -> Result<bool, StoreError> {
        self.index();
        let number = snapshot.head.number;
        let path = self.manifest(number);
        let hashes = self.digests.contents(&snapshot.files);
        let contents = contents(&snapshot.files, hashes);
        if !self.objects.write(contents, Some(number), until, &mut self.unflushed)? {
            return Ok(false);
        }
        disk::write(&path, &form::manifest(&snapshot.head, &named(&snapshot.files, hashes)))?;
        self.unflushed.extend([path]);
        self.generations.insert(number, Some(snapshot.head.clone()));
        self.last_number = number.max(self.last_number);
        self.collect();
        Ok(true)
    }

    /// Whether a generation is there.
    pub fn has(&self, number: u64) -> bool {
        self.generations.contains_key(&number)
    }

    /// Whether one is there in which the firewall was on, as far as is known, but for that which an unconfirmed change goes
    /// back to.
    pub fn has_enabled(&self) -> bool {
        let back_to = self.state.confirm.map(|confirm| confirm.back_to);
        let is_enabled = |head: &Option<Head>| head.as_ref().is_none_or(|head| head.enabled);
        self.generations.iter().any(|(number, head)| Some(*number) != back_to && is_enabled(head))
    }

    /// Learns which contents the stored generations have, and removes what none has: for an idle moment after the start,
    /// else the first [`Store::save`] does it.
    pub fn prepare(&mut self) {
        self.index();
    }

    /// Something would not outlive a loss of power.
    pub fn needs_flush(&self) -> bool {
        !self.unflushed.is_empty() || self.flushing.is_some()
    }

    /// Makes everything last, in a thread of its own: a disk takes milliseconds for each file, and a busy one seconds.
    /// An error is that of the time before.
    pub fn flush_aside(&mut self) -> Result<(), StoreError> {
        if self.flushing.as_ref().is_some_and(|flushing| !flushing.is_finished()) {
            return Ok(());
        }
        self.end_flush()?;
        if self.unflushed.is_empty() {
            return Ok(());
        }
        let (unflushed, folders) = (std::mem::take(&mut self.unflushed), self.folders());
        let n_states = self.n_states;
        let flush = move || {
            let mut unflushed = unflushed;
            let result = unflushed.flush(&folders);
            Flushed { unflushed, n_states, result }
        };
        self.flushing = Some(std::thread::spawn(flush));
        Ok(())
    }

    fn folders(&self) -> [PathBuf; 3] {
        ["objects", "generations", ""].map(|name| self.folder.join(name))
    }

    /// Waits for the thread that makes things last.
    fn end_flush(&mut self) -> Result<(), StoreError> {
        let Some(flushing) = self.flushing.take() else { return Ok(()) };
        let Ok(Flushed { unflushed, n_states, result }) = flushing.join() else {
            // It has panicked, and nobody knows what it was at: everything is flushed.
            self.unflushed = Unflushed::all();
            return Ok(());
        };
        if result.is_err() {
            self.unflushed.absorb(unflushed);
        } else if n_states == self.n_states && self.state_file == StateFile::Unflushed {
            self.state_file = StateFile::Flushed;
            self.flushed = self.state.enforced;
        }
        result
    }

    /// Makes everything last: for when nothing else is to be done, since a disk takes milliseconds for each file.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.end_flush()?;
        let folders = self.folders();
        self.unflushed.flush(&folders)?;
        if self.state_file == StateFile::Unflushed {
            self.state_file = StateFile::Flushed;
            self.flushed = self.state.enforced;
        }
        Ok(())
    }

    /// The generation to enforce before the configuration can be read: the one that was, else the newest older one
    /// that is whole. `None` if none was, or if the firewall was off in it.
    pub fn load_enforced(&mut self) -> Option<Snapshot> {
        let enforced = self.state.enforced?;
        let older: Vec<u64> = self.generations.range(..=enforced).rev().map(|(number, _)| *number).collect();
        let snapshot = older.into_iter().find_map(|number| self.generation(number))?;
        snapshot.head.enabled.then_some(snapshot)
    }

    /// A generation with its files; `None` if it is not stored, or damaged.
    pub fn generation(&mut self, number: u64) -> Option<Snapshot> {
        if !self.generations.contains_key(&number) {
            return None;
        }
        let (head, contents) = self.read(number, |bytes| form::read_manifest(number, bytes))?;
        let files = self.files(contents)?;
        if self.digests.all(&files) != head.digest {
            self.note(self.manifest(number), "does not name the files that its digest is of".to_owned());
            return None;
        }
        Some(Snapshot { head, files })
    }

    /// The generations that are whole as far as their manifests go, newest first.
    pub fn generations(&mut self) -> Vec<Head> {
        let unread = self.generations.iter().filter(|(_, head)| head.is_none());
        let unread: Vec<u64> = unread.map(|(number, _)| *number).collect();
        for number in unread {
            let head = self.read(number, |bytes| form::read_head(number, bytes));
            self.generations.insert(number, head);
        }
        self.generations.values().rev().flatten().cloned().collect()
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Stores the state. What is not to be lost, all but the number of a generation and the last good versions, lasts
    /// when this returns, and so do the generations that it names; the rest as in [`Store::save`]. After an error it
    /// is stored again, whatever it is then: the disk may have one or the other.
    pub fn set_state(&mut self, state: State) -> Result<(), StoreError> {
        if let Some(Confirm { back_to, .. }) = state.confirm {
            if !self.generations.contains_key(&back_to) {
                return Err(StoreError::NoGeneration(back_to));
            }
        }
        let hashes = self.versions.contents(&state.last_good);
        self.objects.write(contents(&state.last_good, hashes), None, None, &mut self.unflushed)?;
        let versions = named(&state.last_good, hashes);
        let (path, before) = (self.folder.join(STATE), self.folder.join(STATE_BEFORE));
        self.last_number = self.last_number.max(state.enforced.unwrap_or(0));
        let unfinished = disk::write_beside(&path, &form::state(&state, self.last_number, &versions))?;
        let lasts = state.confirm.is_some() || !state.agrees_with(&self.state);
        if lasts {
            self.flush()?;
            disk::flush(&unfinished)?;
        }
        // Only a state that lasts may stand in for another.
        if std::mem::replace(&mut self.state_file, StateFile::Unusable) == StateFile::Flushed {
            disk::rename(&path, &before)?;
        }
        disk::rename(&unfinished, &path)?;
        self.state_file = StateFile::Unflushed;
        self.n_states += 1;
        self.state = state;
        self.unflushed.extend([path]);
        if lasts { self.flush() } else { Ok(()) }
    }

    /// Deletes all generations, since the configuration says that there is no firewall: but for the one that an
    /// unconfirmed change goes back to. It lasts when this returns.
    pub fn forget(&mut self) -> Result<(), StoreError> {
        self.index();
        // First of all nothing is enforced: stopped in the middle, this must not leave anything to start from. If that
        // cannot be written, without generations there is nothing to start from either.
        let written = self.set_state(State { enforced: None, last_good: Files::new(), ..self.state.clone() });
        let kept = self.state.confirm.map(|confirm| confirm.back_to);
        let gone: Vec<u64> =
            self.generations.keys().copied().filter(|number| Some(*number) != kept).collect();
        for number in gone {
            disk::remove(&self.manifest(number))?;
            self.generations.remove(&number);
        }
        self.objects.collect(&self.generations, &[]);
        self.objects.collect_strays(&[]);
        written?;
        // Names that were removed are written as well.
        self.unflushed.extend([self.folder.join(STATE)]);
        self.flush()?;
        disk::remove(&self.folder.join(STATE_BEFORE))
    }
}

impl State {
    /// Nothing differs that a person or a timer waits for.
    fn agrees_with(&self, other: &State) -> bool {
        (self.hold, self.refused, self.confirm) == (other.hold, other.refused, other.confirm)
    }
}

/// Files as a manifest names them.
fn named<'f>(files: &'f Files, hashes: &[Option<Digest>]) -> Named<'f> {
    let named = |((path, content), hash): ((&'f String, &'f FileContent), &Option<Digest>)| {
        let content = match (content, hash) {
            (FileContent::Unreadable(why), _) => ContentOut::Unreadable { unreadable: why },
            (FileContent::Bytes(_), Some(hash)) => ContentOut::Object(*hash),
            (FileContent::Bytes(bytes), None) => ContentOut::Object(Digest::of(bytes)),
        };
        (path.as_str(), content)
    };
    Named(files.iter().zip(hashes).map(named).collect())
}

/// The contents that have to be there for some files.
fn contents<'f>(files: &'f Files, hashes: &'f [Option<Digest>]) -> impl Iterator<Item = (Digest, &'f [u8])> {
    files.values().zip(hashes).filter_map(|(content, hash)| match content {
        FileContent::Bytes(bytes) => Some(((*hash)?, &**bytes)),
        FileContent::Unreadable(_) => None,
    })
}
