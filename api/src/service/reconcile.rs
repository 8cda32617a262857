//! The reconciler: the one thread that reads what is configured, decides, and writes to the kernel.
//!
//! It sleeps until a file, an interface, a call or a deadline wakes it; what comes together is dealt with together.
//! On any failure what was enforced stays.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::Memo;
use engine::inputs::Files;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{broadcast, watch};

use super::attempt::{Failure, Target, chain, micros};
use super::gate::{Ask, Confirm, Gate};
use super::handle::{Call, Command, Event, Handle, Terms};
use super::isolate::{self, Isolation};
use super::keep::DiskTrouble;
use super::last_good::LastGood;
use super::preview::{Previewer, Seen};
use super::state::{Candidate, Cause, Drift, Generation, Obstacle, Published, Summary};
use super::store::{Head, Store, is_written, newcomers, with_written_of};
use super::wake::Waker;
use super::world::{World, WorldError};
use crate::host::facts::Wanted;

/// Generations that are told about.
pub(super) const N_RECENT: usize = 20;
/// Calls that may wait.
const N_COMMANDS: usize = 1024;
/// Events that a slow listener may be behind.
const N_EVENTS: usize = 256;
/// How often files without a notification are looked at, and for how long.
const TICK: Duration = Duration::from_millis(200);
const TICK_BUDGET: Duration = Duration::from_millis(2);
/// Between attempts after the world has failed: first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often the kernel's tables are compared with what was committed.
const AUDIT: Duration = Duration::from_secs(900);

/// How the service is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the world is looked at.
    pub wanted: Wanted,
}

/// The service cannot start; what the kernel holds stays.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something outside is not there.
    #[error("could not open what the service needs")]
    World(#[from] WorldError),
    /// Nothing can wake the thread.
    #[error("could not make an eventfd")]
    Waker(#[source] nix::Error),
    /// No thread.
    #[error("could not start a thread")]
    Thread(#[source] std::io::Error),
}

/// The thread's state.
pub(super) struct Reconciler {
    pub(super) world: World,
    /// `None`: the disk cannot be used; nothing outlives this process.
    pub(super) store: Option<Store>,
    pub(super) commands: Receiver<Call>,
    pub(super) waker: Arc<Waker>,
    pub(super) publish: watch::Sender<Arc<Published>>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) previewer: Arc<Previewer>,
    pub(super) gate: Gate,
    pub(super) generation: Option<Arc<Generation>>,
    pub(super) candidate: Option<Arc<Candidate>>,
    pub(super) recent: Vec<Arc<Summary>>,
    pub(super) isolation: Isolation,
    pub(super) digests: super::store::Digests,
    /// What is known of earlier compilations.
    pub(super) memo: Memo,
    /// The last error-free version of each scope's file, for `strict`.
    pub(super) last_good: LastGood,
    pub(super) warnings: Vec<String>,
    pub(super) drift: Option<Drift>,
    pub(super) number: u64,
    /// The generation is not on disk yet.
    pub(super) unsaved: bool,
    /// Nor is what the gate remembers.
    pub(super) unsaved_state: bool,
    /// Why the disk does not hold what it should, and when it is tried again.
    pub(super) disk: Option<DiskTrouble>,
    /// When the time for a confirmation ends, by a clock that nobody sets.
    pub(super) confirm_until: Option<(Confirm, Instant)>,
    /// When our tables were last known to be as we left them.
    pub(super) intact: Instant,
    /// What others do to our traffic.
    pub(super) others: Vec<String>,
    /// When the world, which has failed, is tried again.
    retry: Option<Instant>,
    /// How long it is left alone the next time.
    pause: Duration,
    pub(super) audited: Instant,
    ticked: Instant,
    was_available: bool,
}

/// Starts the service's thread in the network namespace of the caller.
pub fn start(options: Options) -> Result<(Handle, JoinHandle<()>), StartError> {
    let waker = Arc::new(Waker::new().map_err(StartError::Waker)?);
    let (commands, received) = sync_channel(N_COMMANDS);
    let (publish, published) = watch::channel(Arc::new(Published::starting()));
    let (events, _) = broadcast::channel(N_EVENTS);
    let previewer = Arc::new(Previewer::default());
    let handle = Handle {
        commands,
        terms: Terms::default(),
        waker: waker.clone(),
        published,
        events: events.clone(),
        previewer: previewer.clone(),
    };
    let world = World::open(options.wanted)?;
    let mut reconciler = Reconciler {
        store: None,
        commands: received,
        waker,
        publish,
        events,
        previewer,
        gate: Gate::default(),
        generation: None,
        candidate: None,
        recent: Vec::new(),
        isolation: Isolation::default(),
        digests: super::store::Digests::default(),
        memo: Memo::default(),
        last_good: LastGood::default(),
        warnings: Vec::new(),
        drift: None,
        number: 0,
        unsaved: false,
        unsaved_state: false,
        disk: None,
        confirm_until: None,
        intact: Instant::now(),
        others: Vec::new(),
        retry: None,
        pause: RETRY.0,
        audited: Instant::now(),
        ticked: Instant::now(),
        was_available: false,
        world,
    };
    let thread = std::thread::Builder::new().name("reconcile".to_owned());
    let joined = thread.spawn(move || reconciler.run()).map_err(StartError::Thread)?;
    Ok((handle, joined))
}

impl Reconciler {
    fn run(&mut self) {
        self.begin();
        loop {
            self.save();
            self.sleep();
            self.waker.drain();
            self.repair();
            let cause = self.look();
            match cause {
                Some(cause) => self.saved_files(cause),
                None => self.idle(),
            }
            loop {
                match self.commands.try_recv() {
                    Ok(Call { command: Command::Stop, .. }) | Err(TryRecvError::Disconnected) => {
                        return self.leave();
                    }
                    Ok(call) => self.answer(call),
                    Err(TryRecvError::Empty) => break,
                }
            }
            self.deadlines();
        }
    }

    /// First what was enforced before this process, then what is saved.
    fn begin(&mut self) {
        self.open_store();
        let enforced_at = self.remember();
        self.expire();
        if self.world.mirror.available() {
            self.saved_files(Cause::Start);
        } else {
            tracing::warn!("the cluster file system is not there yet; what was enforced last is enforced");
            self.publish();
        }
        // Somebody removed a table of ours while nobody was there to notice.
        if let (Some(since), true) = (enforced_at, self.world.enforcer.found_missing() && self.is_enforcing())
        {
            self.forget_connections(since);
        }
        self.recall();
    }

    /// What earlier processes have committed, and a change can be taken back to.
    fn recall(&mut self) {
        let Some(store) = &mut self.store else { return };
        store.prepare();
        let oldest = self.recent.last().map_or(u64::MAX, |summary| summary.number);
        let heads = store.generations().into_iter().filter(|head| head.number < oldest);
        let n_missing = N_RECENT.saturating_sub(self.recent.len());
        self.recent.extend(heads.filter_map(|head| recalled(head).map(Arc::new)).take(n_missing));
        self.publish();
    }

    /// Takes up what an earlier process has left on disk: as what is enforced, if what is saved can be held against it at
    /// once, else to enforce it. Gives when it was committed.
    fn remember(&mut self) -> Option<SystemTime> {
        let store = self.store.as_mut()?;
        let state = store.state().clone();
        self.gate = Gate { hold: state.hold, refused: state.refused, confirm: state.confirm };
        self.last_good = LastGood::new(state.last_good);
        self.world.enforcer.follow(state.left);
        self.enforce_stored()
    }

    fn enforce_stored(&mut self) -> Option<SystemTime> {
        let snapshot = self.store.as_mut()?.load_enforced()?;
        self.number = snapshot.head.number;
        let committed_at = UNIX_EPOCH + Duration::from_secs(snapshot.head.committed_at_s);
        let is_available = self.world.mirror.available();
        // Guests are where they are today, if that can be known.
        let files = match is_available {
            true => with_written_of(&snapshot.files, self.world.saved()),
            false => snapshot.files,
        };
        let digest = self.digests.written(&files);
        // It was enforced: nothing keeps it from being so again.
        let ask = Ask::Explicit { force: true };
        let target = Target { files, digest, ask, cause: Cause::Start, gather_us: 0, caller: None };
        if is_available {
            self.adopt(&target, committed_at, snapshot.head.committed.clone());
        } else if let Err(failure) = self.attempt(&target) {
            tracing::error!(obstacle = ?failure.obstacle, "what was enforced last cannot be enforced again");
            self.try_later();
        }
        Some(committed_at)
    }

    fn sleep(&mut self) {
        let timeout = self.timeout();
        let sources = [self.waker.as_fd(), self.world.mirror.as_fd(), self.world.links.as_fd()];
        let sources = sources.into_iter().chain(self.world.enforcer.ear());
        let mut descriptors: Vec<PollFd<'_>> =
            sources.map(|source| PollFd::new(source, PollFlags::POLLIN)).collect();
        // Up to the next millisecond: to wake too early is to look in vain, and again at once.
        let timeout = timeout + Duration::from_micros(999);
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        if let Err(error) = poll(&mut descriptors, timeout) {
            if error != nix::Error::EINTR {
                tracing::error!(%error, "poll");
                std::thread::sleep(TICK);
            }
        }
    }

    fn timeout(&self) -> Duration {
        if self.has_more_to_save() {
            return Duration::ZERO;
        }
        let mut timeout = TICK.saturating_sub(self.ticked.elapsed());
        if let Some(at) = self.retry {
            timeout = timeout.min(at.saturating_duration_since(Instant::now()));
        }
        timeout
    }

    /// Nothing is to be done: time for the disk.
    fn idle(&mut self) {
        let has_more = self.has_more_to_save();
        let Some(store) = &mut self.store else { return };
        if store.needs_flush() && !has_more {
            if let Err(error) = store.flush_aside() {
                tracing::error!(error = chain(&error), "what was committed may not outlive a loss of power");
            }
        }
    }

    /// Looks at what may have changed. `None`: nothing has.
    fn look(&mut self) -> Option<Cause> {
        let mut changed = self.world.mirror.drain();
        if self.ticked.elapsed() >= TICK {
            self.ticked = Instant::now();
            changed.extend(self.world.mirror.tick(TICK_BUDGET));
            if self.world.look_at_flag() {
                return Some(Cause::Files);
            }
            if self.world.enforcer.hear_again() {
                self.audit(true);
            }
            if self.is_enforcing() && self.world.look_at_bridge_nf() {
                return Some(Cause::Links);
            }
            if self.world.look_up_names() {
                return Some(Cause::Links);
            }
            if self.is_over() {
                self.look_at_host();
                return Some(Cause::Audit);
            }
        }
        let is_available = self.world.mirror.available();
        let is_back = !std::mem::replace(&mut self.was_available, is_available) && is_available;
        let mut cause = (!changed.is_empty() || is_back).then_some(Cause::Files);
        let is_retry = self.retry.take_if(|at| *at <= Instant::now()).is_some();
        if (self.world.links.drain() || is_retry) && self.look_at_host() {
            cause = cause.or(Some(Cause::Links));
        }
        if is_retry { cause.or(Some(Cause::Audit)) } else { cause }
    }

    /// The firewall is on until a time that has come since the host was looked at.
    fn is_over(&self) -> bool {
        let until = self
            .generation
            .as_ref()
            .and_then(|generation| generation.compiled.config.datacenter.options.enable.value.until());
        until.is_some_and(|until| self.world.facts.now_s <= until && now_s() > until)
    }

    /// `true`: the host is not as it was. If it cannot be looked at, that is tried again.
    pub(super) fn look_at_host(&mut self) -> bool {
        self.world.look_at_host().unwrap_or_else(|error| {
            tracing::error!(error = chain(&error), "the host cannot be looked at");
            self.try_later();
            false
        })
    }

    /// The saved files are to be enforced, unless they have to wait.
    pub(super) fn saved_files(&mut self, cause: Cause) {
        if !self.world.mirror.available() {
            // What was seen last is still what is wanted; what is enforced follows the host.
            match self.generation.clone() {
                Some(generation) => self.enforced_files(&generation.files, cause),
                None => drop(self.enforce_stored()),
            }
            return self.publish();
        }
        let began = Instant::now();
        let files = self.world.saved().clone();
        let digest = self.digests.written(&files);
        if self.only_guests_differ(&files) {
            self.unsaved_state |= self.gate.refused.replace(digest) != Some(digest);
        }
        self.unsaved_state |= self.gate.saved(digest);
        let (ask, gather_us) = (Ask::Automatic, micros(began));
        let target = Target { files, digest, ask, cause, gather_us, caller: None };
        match self.attempt(&target) {
            Ok(_) => {
                self.candidate = None;
                self.pause = RETRY.0;
            }
            Err(failure) => {
                let only_waits = matches!(failure.obstacle, Obstacle::Waits(..)) && cause == Cause::Files;
                self.waits(&target, failure);
                if !only_waits || !self.is_followed(&target.files) {
                    self.enforced_files(&target.files, cause);
                }
                // All that was to wait came with a guest.
                if self.generation.as_ref().is_some_and(|generation| generation.digest == digest) {
                    self.candidate = None;
                }
            }
        }
        self.publish();
    }

    /// Something else than the saved configuration is enforced: still with today's guests and interfaces.
    fn enforced_files(&mut self, saved: &Files, cause: Cause) {
        let Some(generation) = self.generation.clone() else { return };
        let mut files = with_written_of(&generation.files, saved);
        let mut came = self.newcomers(&generation, saved);
        let is_same = came.is_empty();
        files.append(&mut came);
        // Guests that came bring their rules with them, which nobody has to be asked about.
        let (ask, digest) = match is_same {
            true => (Ask::Automatic, generation.digest),
            false => (Ask::Explicit { force: true }, self.digests.written(&files)),
        };
        let target = Target { files, digest, ask, cause, gather_us: 0, caller: None };
        if let Err(failure) = self.attempt(&target) {
            tracing::error!(obstacle = ?failure.obstacle, "the enforced configuration cannot follow the host");
            self.try_later();
        }
    }

    /// What is refused waits, and nothing has changed since but that guests got their first rules, or lost them all.
    fn only_guests_differ(&self, saved: &Files) -> bool {
        let refused = self.candidate.as_ref().filter(|candidate| Some(candidate.digest) == self.gate.refused);
        refused.is_some_and(|refused| {
            let comes_or_goes = |path: &String| {
                let is_of_guest = path.ends_with(".fw") && isolate::vmid_of(path).is_some();
                is_of_guest && saved.contains_key(path) != refused.files.contains_key(path)
            };
            let changed = saved.changed_since(&refused.files);
            changed.iter().filter(|path| is_written(path)).all(comes_or_goes)
        })
    }

    /// Rules that come with guests: those that are made while changes wait have their configuration first, and no port.
    /// What was rolled back may be such rules, too.
    fn newcomers(&self, generation: &Generation, saved: &Files) -> Files {
        let is_idle = |vmid: u32| self.gate.refused.is_none() && !self.world.has_ports(vmid);
        newcomers(&generation.files, saved, is_idle)
    }

    /// Whether what is enforced has nothing to follow: all but what people have written is as it was then.
    fn is_followed(&self, saved: &Files) -> bool {
        self.generation.as_ref().is_some_and(|generation| {
            let is_empty = self.world.shall_hold(&generation.compiled).tables.is_empty();
            Arc::ptr_eq(&generation.facts, &self.world.facts)
                && is_empty == generation.enforced.tables.is_empty()
                && saved.changed_since(&generation.files).iter().all(|path| is_written(path))
                && self.newcomers(generation, saved).is_empty()
        })
    }

    /// Keeps a configuration that is not enforced, with the reason.
    pub(super) fn waits(&mut self, target: &Target, failure: Failure) {
        let Failure { obstacle, compiled } = failure;
        if let Obstacle::World(_) = obstacle {
            self.try_later();
        }
        let candidate = Candidate { digest: target.digest, files: target.files.clone(), compiled, obstacle };
        self.candidate = Some(Arc::new(candidate));
    }

    /// The world has failed: once more later, and later each time.
    pub(super) fn try_later(&mut self) {
        if self.retry.is_none() {
            self.retry = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(RETRY.1);
        }
    }

    fn deadlines(&mut self) {
        self.expire();
        if self.audited.elapsed() >= AUDIT {
            self.audit(false);
        }
    }

    /// Tells the previewer what dry runs start from.
    pub(super) fn seen(&self, files: Files) {
        let (facts, settings) = (self.world.facts.clone(), self.world.settings());
        let (last_good, is_force_disabled) = (self.last_good.files(), self.world.is_force_disabled);
        self.previewer.saw(Seen { files, last_good, facts, settings, is_force_disabled });
    }
}

fn recalled(head: Head) -> Option<Summary> {
    Some(Summary {
        number: head.number,
        digest: head.written,
        cause: Cause::of(&head.cause)?,
        committed_at: UNIX_EPOCH + Duration::from_secs(head.committed_at_s),
        committed: head.committed,
    })
}

/// Unix time, seconds.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
