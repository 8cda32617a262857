//! How the API speaks to the reconciler: what is published is read, what shall happen is asked for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engine::inputs::{FileContent, Files, RejectMode};
use tokio::sync::{broadcast, oneshot, watch};

use super::gate::Waits;
use super::state::{Cause, Published};
use super::wake::Waker;

/// How long the reconciler may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way to the reconciler; clones share it.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) commands: std::sync::mpsc::SyncSender<Call>,
    /// Of the calls that are made by this one.
    pub(super) terms: Terms,
    pub(super) waker: Arc<Waker>,
    pub(super) published: watch::Receiver<Arc<Published>>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) previewer: Arc<super::preview::Previewer>,
}

/// Who asks, and on what condition.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Only if this generation is enforced (`If-Match`).
    pub only_if: Option<u64>,
    /// On whose behalf, for the audit log; grants nothing.
    pub user: Option<String>,
}

/// A command with its terms.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) terms: Terms,
    pub(super) command: Command,
}

impl Call {
    /// The command, unless another generation is enforced than the caller insists on: then he is told.
    pub(super) fn met(self, enforced: Option<u64>) -> Option<Command> {
        match self.terms.only_if.filter(|expected| enforced != Some(*expected)) {
            Some(expected) => self.command.refuse(ApplyError::Stale { expected, enforced }),
            None => return Some(self.command),
        }
        None
    }
}

/// What the reconciler is asked to do, and where the answer goes.
#[derive(Debug)]
pub(super) enum Command {
    Apply(Apply, oneshot::Sender<Result<Applied, ApplyError>>),
    Hold(bool, oneshot::Sender<Result<(), ApplyError>>),
    Confirm(oneshot::Sender<Result<(), ApplyError>>),
    Rollback(Option<u64>, oneshot::Sender<Result<Applied, ApplyError>>),
    RejectMode(RejectMode, oneshot::Sender<Result<Applied, ApplyError>>),
    Guest(GuestEvent, oneshot::Sender<Result<GuestOutcome, ApplyError>>),
    /// Is anybody there?
    Ping(oneshot::Sender<Result<(), ApplyError>>),
    /// SIGHUP.
    Reload,
    /// The tables stay in the kernel.
    Stop,
}

impl Command {
    /// Whoever asked may have gone: then nobody hears the answer.
    fn refuse(self, error: ApplyError) {
        match self {
            Command::Apply(_, answer) | Command::Rollback(_, answer) | Command::RejectMode(_, answer) => {
                drop(answer.send(Err(error)));
            }
            Command::Hold(_, answer) | Command::Confirm(answer) | Command::Ping(answer) => {
                drop(answer.send(Err(error)));
            }
            Command::Guest(_, answer) => drop(answer.send(Err(error))),
            Command::Reload | Command::Stop => {}
        }
    }

    /// What the audit log says of it; nothing of what changes nothing.
    pub(super) fn audited(&self) -> Option<String> {
        Some(match self {
            Command::Apply(apply, _) => {
                let Apply { overlay, force, automatic, confirm_within, caller } = apply;
                let n_unsaved = overlay.len();
                format!(
                    "apply: n_unsaved {n_unsaved}, force {force}, automatic {automatic}, confirm_within \
                     {confirm_within:?}, caller {caller:?}"
                )
            }
            Command::Hold(true, _) => "hold".to_owned(),
            Command::Hold(false, _) => "release".to_owned(),
            Command::Confirm(_) => "confirm".to_owned(),
            Command::Rollback(None, _) => "rollback".to_owned(),
            Command::Rollback(Some(to), _) => format!("rollback to {to}"),
            Command::RejectMode(mode, _) => format!("reject mode {}", mode.as_str()),
            Command::Guest(event, _) => format!("guest {}: {:?}", event.vmid, event.kind),
            Command::Ping(_) | Command::Reload | Command::Stop => return None,
        })
    }
}

/// Files that are not saved, over those that are. `None`: the file is taken to be absent.
pub type Overlay = std::collections::BTreeMap<String, Option<Arc<[u8]>>>;

/// `files` with `overlay` on top.
pub fn overlaid(files: &Files, overlay: &Overlay) -> Files {
    let mut files = files.clone();
    for (path, content) in overlay {
        match content {
            Some(bytes) => files.insert(path.clone(), FileContent::Bytes(bytes.clone())),
            None => files.remove(path),
        };
    }
    files
}

/// An explicit apply.
#[derive(Debug, Clone, Default)]
pub struct Apply {
    /// Unsaved files.
    pub overlay: Overlay,
    /// Even if that cuts the way in.
    pub force: bool,
    /// Not on anybody's word: what was saved is taken up now instead of at the next look. Nothing else is asked for.
    pub automatic: bool,
    /// Back again unless confirmed within this time.
    pub confirm_within: Option<Duration>,
    /// The address of the person who asked: what he is connected by is a way in.
    pub caller: Option<IpAddr>,
}

/// An apply that was carried out.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What is published now.
    pub published: Arc<Published>,
    /// Something was written.
    pub changed: bool,
}

/// An apply that was not carried out; what was enforced stays.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    /// Another generation is enforced than the caller thinks.
    #[error("generation {enforced:?} is enforced, not {expected}")]
    Stale {
        /// What the caller thinks.
        expected: u64,
        /// What is enforced.
        enforced: Option<u64>,
    },
    /// It waits for a person.
    #[error("the change is held: {}", .0.as_str())]
    Held(Waits, Vec<String>),
    /// A file that everything hangs on cannot be read.
    #[error("a file that everything hangs on cannot be read")]
    Unreadable,
    /// The kernel refused.
    #[error("the kernel refused the ruleset")]
    Refused(Vec<String>),
    /// The world failed.
    #[error("{0}")]
    World(String),
    /// Nothing waits for a confirmation; there is no such generation; and the like.
    #[error("{0}")]
    Nothing(&'static str),
    /// The kernel lacks what a REJECT mode needs.
    #[error("the kernel lacks what this mode needs: {0}")]
    Unable(String),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

/// Something that happens to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestEvent {
    /// The guest.
    pub vmid: u32,
    /// What happens.
    pub kind: GuestEventKind,
    /// Interface, as far as the caller knows it.
    pub iface: Option<String>,
    /// The bridge that it will join.
    pub bridge: Option<String>,
    /// Access VLAN.
    pub vlan: Option<u16>,
    /// MAC address.
    pub mac: Option<String>,
    /// The node that a migration comes from.
    pub source_node: Option<String>,
}

/// What happens to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestEventKind {
    /// It starts.
    Start,
    /// It has stopped.
    Stop,
    /// It has come from another node.
    Migrated,
    /// One of its interfaces is about to join a bridge.
    Plug,
}

/// What a guest event led to.
#[derive(Debug, Clone)]
pub struct GuestOutcome {
    /// The guest's policy is enforced for its interfaces, present and future.
    pub enforced: bool,
    /// Its interfaces are dropped by the kernel until its configuration is known.
    pub quarantined: bool,
    /// The generation that holds now.
    pub generation: Option<u64>,
}

/// What happened, for listeners.
#[derive(Debug, Clone)]
pub enum Event {
    /// A generation was committed, or the state changed.
    Published(Arc<Published>, Cause),
    /// A guest event was dealt with.
    Guest(GuestEvent, SystemTime),
    /// The kernel was repaired: what differed.
    Drift(String),
}

impl Handle {
    /// The same, for calls on these terms.
    pub fn on(&self, terms: Terms) -> Handle {
        Handle { terms, ..self.clone() }
    }

    /// What is enforced, and how it stands.
    pub fn published(&self) -> Arc<Published> {
        self.published.borrow().clone()
    }

    /// Everything that happens from now on. A listener that lags is told how much it missed.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Compiles saved files with an overlay, beside what is enforced; blocks for as long as that takes.
    pub fn preview(&self, overlay: &Overlay) -> Result<super::preview::Preview, ApplyError> {
        self.previewer.preview(&self.published(), overlay)
    }

    /// Enforces what is saved (with an overlay), now.
    pub async fn apply(&self, apply: Apply) -> Result<Applied, ApplyError> {
        self.ask(|answer| Command::Apply(apply, answer)).await
    }

    /// Switches automatic applying off, or on.
    pub async fn hold(&self, hold: bool) -> Result<(), ApplyError> {
        self.ask(|answer| Command::Hold(hold, answer)).await
    }

    /// Keeps what waits for its confirmation.
    pub async fn confirm(&self) -> Result<(), ApplyError> {
        self.ask(Command::Confirm).await
    }

    /// Goes back: to what was enforced before the unconfirmed change, or to a generation.
    pub async fn rollback(&self, to: Option<u64>) -> Result<Applied, ApplyError> {
        self.ask(|answer| Command::Rollback(to, answer)).await
    }

    /// Keeps a REJECT mode in the node's settings file, and enforces it.
    pub async fn reject_mode(&self, mode: RejectMode) -> Result<Applied, ApplyError> {
        self.ask(|answer| Command::RejectMode(mode, answer)).await
    }

    /// Deals with a guest event; for a start or a plug the answer comes once the guest's policy is enforced.
    pub async fn guest(&self, event: GuestEvent) -> Result<GuestOutcome, ApplyError> {
        self.ask(|answer| Command::Guest(event, answer)).await
    }

    /// Waits for the first attempt.
    pub async fn ready(&self) {
        let mut published = self.published.clone();
        let _stopped = published.wait_for(|published| !published.is_starting()).await;
    }

    /// Ends when the reconciler has.
    pub async fn ended(&self) {
        let mut published = self.published.clone();
        while published.changed().await.is_ok() {}
    }

    /// Whether the reconciler answers within a few seconds.
    pub async fn is_alive(&self) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.ask(Command::Ping)).await, Ok(Ok(())))
    }

    /// Reads everything again.
    pub fn reload(&self) {
        self.send(Command::Reload);
    }

    /// Ends the reconciler; the kernel keeps its tables.
    pub fn stop(&self) {
        self.send(Command::Stop);
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, ApplyError>>) -> Command,
    ) -> Result<T, ApplyError> {
        let (answer, answered) = oneshot::channel();
        if !self.send(command(answer)) {
            return Err(ApplyError::World("too many calls wait already".to_owned()));
        }
        answered.await.unwrap_or(Err(ApplyError::Stopping))
    }

    fn send(&self, command: Command) -> bool {
        let sent = self.commands.try_send(Call { terms: self.terms.clone(), command }).is_ok();
        self.waker.wake();
        sent
    }
}
