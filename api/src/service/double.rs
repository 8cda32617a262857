//! A reconciler for tests: it keeps everything in memory and asks no kernel.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::SystemTime;

use engine::inputs::{FileContent, Files, HostFacts, Inputs, RejectMode, Settings};
use tokio::sync::{broadcast, watch};

use super::gate::{Confirm, Waits};
use super::handle::{Applied, Apply, ApplyError, Command, Event, GuestOutcome, Handle, Terms, overlaid};
use super::preview::{Previewer, Seen};
use super::state::{
    Candidate, Cause, ChangeCounts, Committed, Generation, Obstacle, Phases, Published, State, Summary,
    WriterKind,
};
use super::store::{Digest, Digests};
use super::wake::Waker;

/// A configuration with this text is held unless forced.
pub(crate) const CUTS: &str = "# cuts the way in";

/// A configuration with this text is refused by the kernel.
pub(crate) const REFUSED: &str = "# the kernel refuses this";

fn digest_of(files: &Files) -> Digest {
    Digests::default().written(files)
}

struct Double {
    files: Files,
    facts: HostFacts,
    settings: Settings,
    published: watch::Sender<Arc<Published>>,
    events: broadcast::Sender<Event>,
}

/// Starts one that enforces `files` as its first generation; without files nothing is enforced.
pub(crate) fn start(files: Option<Files>, facts: HostFacts) -> Handle {
    let (commands, inbox) = sync_channel(64);
    let (published, watching) = watch::channel(Arc::new(nothing()));
    let (events, _) = broadcast::channel(8);
    let previewer = Arc::new(Previewer::default());
    let waker = Arc::new(Waker::new().expect("eventfd is to be had"));
    let handle = Handle {
        commands,
        terms: Terms::default(),
        waker,
        published: watching,
        events: events.clone(),
        previewer: previewer.clone(),
    };
    let settings = Settings::default();
    let mut double = Double { files: files.clone().unwrap_or_default(), facts, settings, published, events };
    if files.is_some() {
        let (files, facts) = (double.files.clone(), Arc::new(double.facts.clone()));
        let last_good = Files::new();
        previewer.saw(Seen { files, last_good, facts, settings, is_force_disabled: false });
        let files = double.files.clone();
        double.commit(files, Cause::Start);
    }
    std::thread::spawn(move || {
        while let Ok(call) = inbox.recv() {
            let enforced = double.now().generation.as_ref().map(|generation| generation.number);
            match call.met(enforced) {
                Some(Command::Stop) => return,
                Some(command) => double.answer(command),
                None => {}
            }
        }
    });
    handle
}

fn nothing() -> Published {
    Published {
        cause: "nothing was read yet".to_owned(),
        since: SystemTime::UNIX_EPOCH,
        probed: [crate::features::Feature::InetConntrack].into(),
        ..Published::starting()
    }
}

impl Double {
    fn now(&self) -> Published {
        Published::clone(&self.published.borrow())
    }

    fn publish(&self, published: Published, cause: Cause) -> Arc<Published> {
        let published = Arc::new(published);
        self.published.send_replace(published.clone());
        let _nobody = self.events.send(Event::Published(published.clone(), cause));
        published
    }

    fn commit(&mut self, files: Files, cause: Cause) -> Arc<Published> {
        let inputs = Inputs {
            files: files.clone(),
            facts: self.facts.clone().into(),
            settings: self.settings,
            ..Inputs::default()
        };
        let compiled = Arc::new(engine::compile(&inputs));
        let mut now = self.now();
        let number = now.generation.as_ref().map_or(1, |generation| generation.number + 1);
        let phases =
            Phases { gather_us: 10, compile_us: 700, preflight_us: 30, diff_us: 40, commit_us: 2_000 };
        let generation = Arc::new(Generation {
            number,
            digest: digest_of(&files),
            files,
            facts: Arc::new(self.facts.clone()),
            enforced: Arc::new(compiled.plan.ruleset.clone()),
            compiled,
            losses: Vec::new(),
            cause,
            committed_at: SystemTime::now(),
            phases,
            changes: ChangeCounts::default(),
            writer: WriterKind::None,
            cuts: Vec::new(),
        });
        let summary = Summary {
            number,
            digest: generation.digest,
            cause,
            committed_at: generation.committed_at,
            committed: Committed { changes: generation.changes, phases, difference: String::new() },
        };
        now.recent.insert(0, Arc::new(summary));
        now.state = State::Active;
        now.cause = "what is configured is enforced".to_owned();
        now.generation = Some(generation);
        now.candidate = None;
        self.publish(now, cause)
    }

    fn answer(&mut self, command: Command) {
        match command {
            Command::Apply(apply, answer) => drop(answer.send(self.apply(&apply))),
            Command::Hold(hold, answer) => {
                self.publish(Published { hold, ..self.now() }, Cause::Apply);
                drop(answer.send(Ok(())));
            }
            Command::Confirm(answer) => {
                let mut now = self.now();
                let waited = now.confirm.take().is_some();
                self.publish(now, Cause::Apply);
                drop(answer.send(waited.then_some(()).ok_or(ApplyError::Nothing("nothing waits"))));
            }
            Command::Rollback(to, answer) => {
                let mut now = self.now();
                let to = to.or(now.confirm.take().map(|confirm| confirm.back_to));
                let known = to.filter(|to| now.recent.iter().any(|summary| summary.number == *to));
                self.publish(now, Cause::Rollback);
                drop(answer.send(match known {
                    Some(_) => {
                        let published = self.commit(self.files.clone(), Cause::Rollback);
                        Ok(Applied { published, changed: true })
                    }
                    None => Err(ApplyError::Nothing("there is no such generation")),
                }));
            }
            Command::RejectMode(RejectMode::Prerouting, answer) => {
                drop(answer.send(Err(ApplyError::Unable("this double answers nothing".to_owned()))));
            }
            Command::RejectMode(mode, answer) => {
                self.settings.reject_mode = Some(mode);
                let published = self.commit(self.files.clone(), Cause::Apply);
                drop(answer.send(Ok(Applied { published, changed: true })));
            }
            Command::Guest(event, answer) => {
                let generation = self.now().generation.as_ref().map(|generation| generation.number);
                let _nobody = self.events.send(Event::Guest(event, SystemTime::now()));
                drop(answer.send(Ok(GuestOutcome { enforced: true, quarantined: false, generation })));
            }
            Command::Ping(answer) => drop(answer.send(Ok(()))),
            Command::Reload | Command::Stop => {}
        }
    }

    fn apply(&mut self, apply: &Apply) -> Result<Applied, ApplyError> {
        let files = overlaid(&self.files, &apply.overlay);
        let says = |text: &str| {
            files.values().any(|content| match content {
                FileContent::Bytes(bytes) => String::from_utf8_lossy(bytes).contains(text),
                FileContent::Unreadable(_) => false,
            })
        };
        if says(REFUSED) {
            return Err(ApplyError::Refused(vec!["no such thing".to_owned()]));
        }
        if says(CUTS) && !apply.force {
            return Err(self.hold_back(files));
        }
        let before = self.now().generation.as_ref().map(|generation| generation.number);
        let mut published = self.commit(files, Cause::Apply);
        if let (Some(within), Some(back_to)) = (apply.confirm_within, before) {
            let now_s = crate::views::generation::unix_s(SystemTime::now());
            let within_s = within.as_secs();
            let confirm = Some(Confirm { deadline_s: now_s + within_s, within_s, back_to });
            published = self.publish(Published { confirm, ..self.now() }, Cause::Apply);
        }
        Ok(Applied { published, changed: true })
    }

    fn hold_back(&self, files: Files) -> ApplyError {
        let cuts = vec!["10.0.0.1 to port 8006".to_owned()];
        let inputs = Inputs { files: files.clone(), facts: self.facts.clone().into(), ..Inputs::default() };
        let candidate = Candidate {
            digest: digest_of(&files),
            files,
            compiled: Arc::new(engine::compile(&inputs)),
            obstacle: Obstacle::Waits(Waits::WayIn, cuts.clone()),
        };
        let now = Published { state: State::Held, candidate: Some(Arc::new(candidate)), ..self.now() };
        self.publish(now, Cause::Apply);
        ApplyError::Held(Waits::WayIn, cuts)
    }
}
