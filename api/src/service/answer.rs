//! Calls: what clients ask of the reconciler, and what they are told.

use std::time::{Duration, Instant, SystemTime};

use engine::inputs::{Files, RejectMode};
use engine::model::names::Vmid;
use engine::ruleset::{Ruleset, TableFamily};

use super::attempt::{Target, micros};
use super::gate::{Ask, Confirm, Gate};
use super::handle::{
    Applied, Apply, ApplyError, Call, Command, Event, GuestEvent, GuestEventKind, GuestOutcome, overlaid,
};
use super::reconcile::{Reconciler, now_s};
use super::state::{Cause, Obstacle};
use super::store::{Digest, Snapshot, with_written_of};
use crate::features;
use crate::host::{fault, settings};

/// Between attempts to go back.
const AGAIN: Duration = Duration::from_secs(2);

impl Reconciler {
    /// Carries out a call. What it changed is on disk before it is answered, for whoever was answered relies on it.
    /// Whoever asked may have gone: then nobody hears the answer.
    pub(super) fn answer(&mut self, call: Call) {
        if let Some(asks) = call.command.audited() {
            tracing::info!(target: "audit", user = call.terms.user, only_if = call.terms.only_if, asks);
        }
        let Some(command) = call.met(self.number()) else { return };
        match command {
            Command::Apply(apply, answer) if apply.automatic => {
                drop(answer.send(self.kept(Reconciler::take_up)));
            }
            Command::Apply(apply, answer) => {
                drop(answer.send(self.kept(|all| all.looked(|all| all.apply(&apply)))));
            }
            Command::Hold(hold, answer) => drop(answer.send(self.kept(|all| all.hold(hold)))),
            Command::Confirm(answer) => drop(answer.send(self.kept(Reconciler::confirm))),
            Command::Rollback(to, answer) => drop(answer.send(self.kept(|all| all.rollback(to)))),
            Command::RejectMode(mode, answer) => {
                drop(answer.send(self.kept(|all| all.looked(|all| all.reject_mode(mode)))));
            }
            Command::Guest(event, answer) => drop(answer.send(self.guest(event))),
            Command::Ping(answer) => drop(answer.send(Ok(()))),
            Command::Reload => {
                self.world.enforcer.forget_features();
                self.world.forget_names();
                self.world.mirror.reload();
                self.audit(true);
            }
            // The loop ends before it comes here.
            Command::Stop => {}
        }
    }

    fn kept<T>(&mut self, call: impl FnOnce(&mut Reconciler) -> T) -> T {
        let result = call(self);
        self.try_to_save(None);
        result
    }

    /// Of the generation that is enforced.
    fn number(&self) -> Option<u64> {
        self.generation.as_ref().map(|generation| generation.number)
    }

    /// A call that has looked at the files: if it fails, what it saw is dealt with all the same.
    fn looked<T>(
        &mut self,
        call: impl FnOnce(&mut Reconciler) -> Result<T, ApplyError>,
    ) -> Result<T, ApplyError> {
        let result = call(self);
        if result.is_err() {
            self.saved_files(Cause::Files);
        }
        result
    }

    fn apply(&mut self, apply: &Apply) -> Result<Applied, ApplyError> {
        let enforced = self.number();
        if !self.world.mirror.available() {
            return Err(ApplyError::Unreadable);
        }
        if apply.confirm_within.is_some() && enforced.is_none() {
            return Err(ApplyError::Nothing("nothing was enforced yet: there is nothing to go back to"));
        }
        let began = Instant::now();
        self.world.mirror.catch_up();
        let saved = self.world.saved().clone();
        let saved_digest = self.digests.written(&saved);
        let files = overlaid(&saved, &apply.overlay);
        let digest = self.digests.written(&files);
        let ask = Ask::Explicit { force: apply.force };
        let (caller, gather_us) = (apply.caller, micros(began));
        let target = Target { files, digest, ask, cause: Cause::Apply, gather_us, caller };

        // The deadline is on disk before the change is in the kernel.
        // The second that has begun is not one of those that were given.
        let timer = apply.confirm_within.map(|within| (now_s() + 1, within.as_secs().max(1)));
        let before = self.gate.clone();
        if timer.is_some() {
            // So is what it would go back to.
            self.save_now().map_err(ApplyError::World)?;
            self.gate.applied(saved_digest, digest, enforced, timer);
            if let Err(error) = self.keep_state() {
                self.gate = before;
                return Err(ApplyError::World(error));
            }
            fault::point("state-written");
        }
        match self.attempt(&target) {
            Ok(changed) => {
                if timer.is_none() {
                    self.gate.applied(saved_digest, digest, enforced, None);
                }
                self.candidate = None;
                if saved_digest == digest {
                    self.publish();
                } else {
                    // What is saved waits, and is told of.
                    self.saved_files(Cause::Apply);
                }
                Ok(Applied { published: self.publish.borrow().clone(), changed })
            }
            Err(failure) => {
                self.gate = before;
                self.unsaved_state = true;
                let error = refusal(&failure.obstacle);
                if apply.overlay.is_empty() {
                    self.waits(&target, failure);
                }
                self.publish();
                Err(error)
            }
        }
    }

    /// What has just been saved, without waiting for the next look at it.
    fn take_up(&mut self) -> Result<Applied, ApplyError> {
        if !self.world.mirror.available() {
            return Err(ApplyError::Unreadable);
        }
        let enforced = self.number();
        self.world.mirror.drain();
        self.world.look_at_flag();
        self.saved_files(Cause::Files);
        if let Some(candidate) = &self.candidate {
            return Err(refusal(&candidate.obstacle));
        }
        let changed = self.number() != enforced;
        Ok(Applied { published: self.publish.borrow().clone(), changed })
    }

    fn hold(&mut self, hold: bool) -> Result<(), ApplyError> {
        self.remember_that(|gate| gate.hold = hold)?;
        self.saved_files(Cause::Files);
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), ApplyError> {
        if self.gate.confirm.is_none() {
            return Err(ApplyError::Nothing("nothing waits for a confirmation"));
        }
        self.remember_that(|gate| gate.confirm = None)?;
        self.saved_files(Cause::Apply);
        Ok(())
    }

    /// It is on disk when this returns, or is taken back, there as soon as the disk takes it.
    fn remember_that(&mut self, change: impl FnOnce(&mut Gate)) -> Result<(), ApplyError> {
        let before = self.gate.clone();
        change(&mut self.gate);
        self.unsaved_state = true;
        self.save_now().map_err(|why| {
            self.gate = before;
            ApplyError::World(why)
        })
    }

    fn rollback(&mut self, to: Option<u64>) -> Result<Applied, ApplyError> {
        let unconfirmed = self.gate.confirm.map(|confirm| confirm.back_to);
        let Some(number) = to.or(unconfirmed) else {
            return Err(ApplyError::Nothing("nothing waits for a confirmation"));
        };
        self.go_back(number)
    }

    /// Goes back once the time for a confirmation is over.
    pub(super) fn expire(&mut self) {
        self.time_confirmation();
        if self.confirm_until.is_some_and(|(_, at)| at <= Instant::now()) {
            self.give_up();
        }
    }

    /// The deadline by a clock that nobody sets: the other one is for those who come after us.
    pub(super) fn time_confirmation(&mut self) {
        if self.gate.confirm != self.confirm_until.map(|(confirm, _)| confirm) {
            let ends = |confirm: Confirm| Instant::now() + Duration::from_secs(confirm.remaining_s(now_s()));
            self.confirm_until = self.gate.confirm.map(|confirm| (confirm, ends(confirm)));
        }
    }

    /// The time for a confirmation is over.
    fn give_up(&mut self) {
        let Some(confirm) = self.gate.confirm else { return };
        let number = confirm.back_to;
        tracing::warn!(
            generation = number,
            "nobody has confirmed the change: back to what was enforced before"
        );
        if let Err(error) = self.go_back(number) {
            // It still has to go.
            tracing::error!(%error, "could not go back; that is tried again");
            self.confirm_until = Some((confirm, Instant::now() + AGAIN));
            return;
        }
        // All of it at once: what stood in for a part of it would be what has just gone.
        self.try_to_save(None);
    }

    /// Enforces the configuration of an earlier generation, with today's guests and interfaces. What is saved is not
    /// applied by itself before it changes. On an error everything stands as before, a confirmation waited for too.
    fn go_back(&mut self, number: u64) -> Result<Applied, ApplyError> {
        let then = self.store.as_mut().and_then(|store| store.generation(number));
        let Some(Snapshot { files: then, .. }) = then else {
            return Err(ApplyError::Nothing("there is no such generation on disk"));
        };
        let files = match self.world.mirror.available() {
            true => with_written_of(&then, self.world.saved()),
            false => then,
        };
        let digest = self.digests.written(&files);
        // It was enforced once: nobody asks again what it cuts.
        let ask = Ask::Explicit { force: true };
        let target = Target { files, digest, ask, cause: Cause::Rollback, gather_us: 0, caller: None };
        let refused = self.says();
        let changed = self.attempt(&target).map_err(|failure| refusal(&failure.obstacle))?;
        self.gate.rolled_back(refused);
        self.unsaved_state = true;
        fault::point("rolled-back");
        // What is saved is a candidate now, and says why it waits.
        self.saved_files(Cause::Rollback);
        Ok(Applied { published: self.publish.borrow().clone(), changed })
    }

    /// What the files say; while they cannot be read, what they said when they were last applied, or did not get to be.
    fn says(&mut self) -> Option<Digest> {
        if self.world.mirror.available() {
            return Some(self.digests.written(self.world.saved()));
        }
        let waiting = self.candidate.as_ref().map(|candidate| candidate.digest);
        let enforced = self.generation.as_ref().map(|generation| generation.digest);
        waiting.or(self.gate.refused).or(enforced)
    }

    fn reject_mode(&mut self, mode: RejectMode) -> Result<Applied, ApplyError> {
        self.world.ask_what_it_can();
        let lacking = self.world.enforcer.known_lacking().into_iter().flatten();
        let needed: Vec<String> = lacking
            .filter(|feature| features::needs_of_mode(mode).contains(feature))
            .map(|feature| feature.brought_by())
            .collect();
        if !needed.is_empty() {
            return Err(ApplyError::Unable(needed.join("; ")));
        }
        if !self.world.mirror.available() {
            return Err(ApplyError::Unreadable);
        }
        self.world.mirror.catch_up();
        let (path, on_disk) = self.world.settings_file();
        let said = self.digests.written(self.world.saved());
        self.unsaved_state |= self.gate.saved(said);
        settings::set_reject_mode(&on_disk, mode).map_err(|error| ApplyError::World(error.to_string()))?;
        self.world.mirror.drain();
        let says = self.digests.written(self.world.saved());
        if self.gate.refused == Some(said) {
            self.gate.refused = Some(says);
            self.unsaved_state = true;
        }
        let waits = self.candidate.is_some() || self.gate.hold || self.gate.confirm.is_some();
        match self.generation.clone().filter(|_| waits) {
            Some(generation) => self.apply_file(&generation.files, &path),
            None => self.apply(&Apply::default()),
        }
    }

    /// Enforces one saved file with all else that is enforced: other changes go on waiting.
    fn apply_file(&mut self, enforced: &Files, path: &str) -> Result<Applied, ApplyError> {
        let saved = self.world.saved().clone();
        let mut files = with_written_of(enforced, &saved);
        match saved.get(path) {
            Some(content) => files.insert(path.to_owned(), content.clone()),
            None => files.remove(path),
        };
        let digest = self.digests.written(&files);
        let ask = Ask::Explicit { force: false };
        let target = Target { files, digest, ask, cause: Cause::Apply, gather_us: 0, caller: None };
        let changed = self.attempt(&target).map_err(|failure| refusal(&failure.obstacle))?;
        self.saved_files(Cause::Apply);
        Ok(Applied { published: self.publish.borrow().clone(), changed })
    }

    fn guest(&mut self, event: GuestEvent) -> Result<GuestOutcome, ApplyError> {
        let Ok(vmid) = event.vmid.to_string().parse::<Vmid>() else {
            return Err(ApplyError::Nothing("there is no guest of this number"));
        };
        let is_coming =
            matches!(event.kind, GuestEventKind::Start | GuestEventKind::Plug | GuestEventKind::Migrated);
        if let (Some(iface), true) = (&event.iface, is_coming) {
            self.world.announce(iface, bridges(&event));
        }
        if event.kind == GuestEventKind::Stop {
            self.world.unannounce(vmid);
        }
        self.look_at_host();
        self.world.look_at_guest(vmid);
        self.saved_files(Cause::Guest);
        let _nobody_listens = self.events.send(Event::Guest(event.clone(), SystemTime::now()));
        Ok(self.outcome(vmid, &event))
    }

    /// Whether the guest's policy is in the kernel.
    fn outcome(&self, vmid: Vmid, event: &GuestEvent) -> GuestOutcome {
        let Some(generation) = &self.generation else {
            return GuestOutcome { enforced: false, quarantined: false, generation: None };
        };
        let guests = &generation.compiled.resolved.guests;
        let guest = guests.iter().find(|guest| guest.vmid == vmid);
        let is_on = !generation.enforced.tables.is_empty();
        let knows = guest.is_some_and(|guest| match &event.iface {
            Some(iface) => guest.nics.iter().any(|nic| nic.ifname.as_str() == iface),
            None => true,
        });
        let is_refused = self.isolation.refused().iter().any(|(refused, _)| *refused == event.vmid);
        // A kernel without the bridge family's features: nothing is enforced for any guest, nothing dropped either.
        let has_guests = |ruleset: &Ruleset| ruleset.tables.iter().any(|t| t.family == TableFamily::Bridge);
        let is_missing =
            is_on && has_guests(&generation.compiled.plan.ruleset) && !has_guests(&generation.enforced);
        GuestOutcome {
            enforced: !is_on || (knows && !is_refused && !is_missing),
            quarantined: is_on && !knows && !is_missing,
            generation: Some(generation.number),
        }
    }
}

/// Where a port goes. A bridge that is not VLAN-aware has one of its own for each VLAN of a guest.
fn bridges(event: &GuestEvent) -> Vec<String> {
    let of_vlan = |bridge: &String| event.vlan.map(|vlan| format!("{bridge}v{vlan}"));
    event.bridge.iter().flat_map(|bridge| [Some(bridge.clone()), of_vlan(bridge)]).flatten().collect()
}

fn refusal(obstacle: &Obstacle) -> ApplyError {
    match obstacle {
        Obstacle::Waits(waits, cuts) => ApplyError::Held(*waits, cuts.clone()),
        Obstacle::Unreadable => ApplyError::Unreadable,
        Obstacle::Refused(reasons) => ApplyError::Refused(reasons.clone()),
        Obstacle::World(why) => ApplyError::World(why.clone()),
    }
}
