//! The files that concern a node become a copy in memory that is kept current: what changed is read again, the rest
//! stays what it was, down to the same allocation.
//!
//! How a change is noticed on pmxcfs, whose times are whole seconds and which tells only of this node's writes:
//!
//! | change | by | within |
//! |---|---|---|
//! | this node writes, moves, removes | inotify | milliseconds |
//! | another node writes a file that `.version` counts | counter, at each [`Mirror::tick`] | one tick |
//! | another node creates, moves, removes a guest | counter `vmlist` | one tick |
//! | another node writes, creates, removes any other file | rotation over times and sizes | [`PERIOD`] and one tick |
//! | … twice in one second, to the same size | read again 1.1 and 2.5 s after the first | 1.1 s and one tick |
//! | … later, with the same times and size (clocks stepped back) | rotation over contents | minutes |
//!
//! The kernel remembers a file's attributes for a second: where another program asked for them less than a second
//! before, the rotation sees a change one round later.
//!
//! pmxcfs writes every change, of any node, to a database on the local disk first. Where that can be watched, the
//! rotations nearly stand still while it is not written to.

mod counters;
mod pace;
mod reread;
mod rotate;
mod stamp;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use engine::inputs::Files;
use engine::model::names::Vmid;

use super::concern::{Concern, HOST_FW_STAND_IN, REGISTRIES};
use super::files::{self, GatherError};
use super::paths::Paths;
use counters::Counters;
use pace::Pace;
use stamp::{Place, Stamp};
use watch::{Happened, Watch};

pub use rotate::PERIOD;

/// The cluster file system.
const CLUSTER: &str = "/etc/pve";
/// Where pmxcfs keeps its database.
const DATABASE: &str = "/var/lib/pve-cluster";
/// The cluster's counters.
const VERSION: &str = "/etc/pve/.version";

/// While the cluster's database is not written to, only its presence and its members are looked at.
const LOOK_QUIET: Duration = Duration::from_secs(1);

/// Events that come while events are followed: a writer who never stops must not keep us from everything else.
const ROUNDS_MAX: usize = 4;

/// Files whose content is not what it was, those that came and those that went among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// As the node sees them: `/etc/pve/firewall/100.fw`.
    pub paths: BTreeSet<String>,
}

impl Changed {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Adds what changed later.
    pub fn extend(&mut self, later: Changed) {
        self.paths.extend(later.paths);
    }
}

/// A copy of the files that concern this node.
#[derive(Debug)]
pub struct Mirror {
    paths: Paths,
    /// Where the registries of names lie.
    registries: Paths,
    concern: Concern,
    nodes: Vec<String>,
    files: Files,
    /// Every file that is looked at in turn, those among them that are not there.
    tracked: BTreeMap<String, Option<Stamp>>,
    watch: Watch,
    /// Events that came while files were read.
    pending: Happened,
    counters: Counters,
    /// Files to be read once more, and when.
    again: BTreeSet<(Instant, String)>,
    stamps: Pace,
    contents: Pace,
    journal: Journal,
    /// When [`Mirror::tick`] last went beyond events.
    looked: Instant,
    place: Option<Place>,
    has_generated: bool,
    is_available: bool,
}

/// What is known of writes to the database.
#[derive(Debug)]
struct Journal {
    written: Instant,
    /// When the present round of looks at all files began.
    round: Instant,
    /// A round began after the last write, and ended.
    is_settled: bool,
    /// Nothing ever changed without a write.
    is_trusted: bool,
}

enum Presence {
    Gone,
    Came,
    Stays,
}

impl Mirror {
    /// Reads everything, and watches it from then on. Without a cluster file system the mirror waits for it: it is
    /// not [available](Mirror::available), and its files are no configuration.
    pub fn new(paths: Paths, node: &str) -> Result<Mirror, GatherError> {
        let mut mirror = Mirror {
            registries: files::root_of_registries(&paths),
            concern: Concern::new(node, []),
            nodes: Vec::new(),
            files: Files::new(),
            tracked: BTreeMap::new(),
            watch: Watch::new().map_err(GatherError::Watch)?,
            pending: Happened::default(),
            counters: Counters::default(),
            again: BTreeSet::new(),
            stamps: Pace::new(),
            contents: Pace::new(),
            journal: Journal {
                written: Instant::now(),
                round: Instant::now(),
                is_settled: false,
                is_trusted: true,
            },
            looked: Instant::now(),
            place: None,
            has_generated: paths.is_live() || files::has_generated(&paths),
            is_available: false,
            paths,
        };
        mirror.reload();
        Ok(mirror)
    }

    /// The files as they were last seen while the cluster file system was there. Unchanged ones keep their `Arc`.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The cluster file system is there. While it is not, files keep their last content; if it never was, there is
    /// no configuration to go by, which is not the same as none.
    pub fn available(&self) -> bool {
        self.is_available
    }

    /// Guests whose interface is among `ports` are here, wherever their configuration lies.
    pub fn set_ports(&mut self, ports: &[String]) -> Changed {
        let concern = Concern::new(self.concern.node(), ports.iter().map(String::as_str));
        if concern == self.concern {
            return Changed::default();
        }
        self.concern = concern;
        let mut changed = self.forget_strangers();
        changed.extend(self.relist());
        changed.extend(self.drain());
        changed
    }

    /// What this node's own writes changed since the last call; to be called when the descriptor is readable.
    pub fn drain(&mut self) -> Changed {
        let mut changed = Changed::default();
        for _ in 0..ROUNDS_MAX {
            self.take_events();
            let happened = std::mem::take(&mut self.pending);
            if happened == Happened::default() {
                break;
            }
            changed.extend(self.follow(happened));
        }
        changed
    }

    /// What changed up to now, by other nodes too, as far as the cluster file system counts it; and the files that hold
    /// for a whole node or more, whoever counts them.
    pub fn catch_up(&mut self) -> Changed {
        let mut changed = self.drain();
        if self.is_available {
            changed.extend(self.follow_counters());
            changed.extend(self.reread(self.concern.single().collect::<Vec<_>>()));
            changed.extend(self.drain());
        }
        changed
    }

    /// Looks for what other nodes changed, for about `budget` at most; to be called several times a second.
    pub fn tick(&mut self, budget: Duration) -> Changed {
        let until = Instant::now() + budget;
        let mut changed = self.drain();
        if self.is_available && self.is_quiet() && self.looked.elapsed() < LOOK_QUIET {
            return changed;
        }
        self.looked = Instant::now();
        match self.presence() {
            Presence::Gone => self.is_available = false,
            Presence::Came => changed.extend(self.reload()),
            Presence::Stays => {
                changed.extend(self.follow_counters());
                changed.extend(self.look_again(until));
                changed.extend(self.rotate(until));
            }
        }
        changed.extend(self.drain());
        changed
    }

    /// Reads the files of one guest now.
    pub fn refresh(&mut self, vmid: Vmid) -> Changed {
        let files = self.concern.of_guest(&vmid.to_string(), &self.nodes);
        let mut changed = self.reread(files);
        changed.extend(self.drain());
        changed
    }

    /// Reads everything now.
    pub fn reload(&mut self) -> Changed {
        self.has_generated |= files::has_generated(&self.paths);
        self.place = self.place_now();
        self.is_available = self.place.is_some();
        if !self.is_available {
            return Changed::default();
        }
        self.counters = self.counters_now();
        self.watch.arm_journal(&self.paths.at(DATABASE));
        self.note_write();
        let mut wanted: BTreeSet<String> = self.tracked.keys().cloned().collect();
        wanted.extend(self.concern.single());
        wanted.extend(REGISTRIES.map(str::to_owned));
        wanted.insert(HOST_FW_STAND_IN.to_owned());
        let mut changed = self.reread(wanted);
        changed.extend(self.relist());
        changed
    }

    fn take_events(&mut self) {
        self.pending.extend(self.watch.take());
        if std::mem::take(&mut self.pending.journal) {
            self.note_write();
        }
    }

    fn follow(&mut self, happened: Happened) -> Changed {
        if !self.is_available {
            return Changed::default();
        }
        if happened.overflow {
            return self.reload();
        }
        let mut changed = self.reread(happened.files);
        if happened.folders {
            changed.extend(self.relist());
        }
        changed
    }

    /// Files of guests that are no longer here go.
    fn forget_strangers(&mut self) -> Changed {
        let is_guest = |path: &str| path.starts_with("/etc/pve/nodes/") && path.ends_with(".conf");
        let strangers = self.tracked.keys().filter(|path| is_guest(path) && !self.concern.wants(path));
        let strangers: Vec<String> = strangers.cloned().collect();
        for path in &strangers {
            self.tracked.remove(path);
        }
        Changed { paths: strangers.into_iter().filter(|path| self.files.remove(path).is_some()).collect() }
    }

    /// Lists the folders: what is new is read, what is not there any more is looked at.
    fn relist(&mut self) -> Changed {
        if let Ok(nodes) = files::nodes(&self.paths) {
            self.nodes = nodes;
        }
        self.arm();
        self.list(&self.concern.folders(&self.nodes))
    }

    /// As [`Mirror::relist`], of other nodes only what must be.
    fn relist_own(&mut self) -> Changed {
        if self.concern.has_visitors(|path| self.tracked.contains_key(path)) {
            return self.relist();
        }
        self.arm();
        self.list(&self.concern.folders(&[self.concern.node().to_owned()]))
    }

    fn list(&mut self, folders: &[String]) -> Changed {
        let mut wanted = BTreeSet::new();
        for folder in folders {
            let Ok(names) = files::list(&self.paths.at(folder)) else { continue };
            let found: BTreeSet<String> = names.iter().map(|name| format!("{folder}/{name}")).collect();
            let is_inside =
                |path: &&String| path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder);
            let vanished =
                self.tracked.range(format!("{folder}/")..format!("{folder}0")).map(|(path, _)| path).filter(
                    |path| self.files.contains_key(*path) && is_inside(path) && !found.contains(*path),
                );
            wanted.extend(vanished.cloned());
            let is_new = |path: &String| self.concern.wants(path) && !self.tracked.contains_key(path);
            wanted.extend(found.into_iter().filter(is_new));
        }
        self.reread(wanted)
    }

    /// Watches every folder that has, or may get, a file of ours.
    fn arm(&mut self) {
        let parents = self.concern.single();
        let mut folders: BTreeSet<String> =
            parents.filter_map(|file| file.rsplit_once('/').map(|(parent, _)| parent.to_owned())).collect();
        folders.extend(self.concern.folders(&self.nodes));
        folders.extend(self.nodes.iter().map(|node| format!("{CLUSTER}/nodes/{node}")));
        folders.extend(["/etc/pve/nodes".to_owned(), "/etc/pve/sdn".to_owned()]);
        for folder in folders {
            self.watch.arm(&self.paths.at(&folder), &folder);
        }
    }

    fn place_now(&self) -> Option<Place> {
        let place = Place::of(&self.paths.at(CLUSTER));
        place.filter(|_| !self.has_generated || files::has_generated(&self.paths))
    }

    fn presence(&self) -> Presence {
        match self.place_now() {
            None => Presence::Gone,
            place if self.is_available && place == self.place => Presence::Stays,
            Some(_) => Presence::Came,
        }
    }
}

/// Readable when [`Mirror::drain`] has something to look at.
impl AsFd for Mirror {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}
