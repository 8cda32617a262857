//! Who may pass: whether a configuration is enforced now, or waits for a person.
//!
//! Pure: no clock, no kernel. The reconciler asks before each apply and tells what became of it; what the gate
//! remembers survives a restart on disk.

use super::store::Digest;

/// What the gate remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gate {
    /// Automatic applying is switched off for this node.
    pub hold: bool,
    /// The saved configuration that must not be applied by itself: it was rolled back, or an unsaved one was applied
    /// in its place. Forgotten as soon as another one is saved.
    pub refused: Option<Digest>,
    /// An applied configuration waits for its confirmation.
    pub confirm: Option<Confirm>,
}

/// A configuration that goes again unless somebody confirms it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirm {
    /// Unix time at which it goes, seconds.
    pub deadline_s: u64,
    /// How long was given, seconds: no jump of the clock makes it longer.
    pub within_s: u64,
    /// The generation that comes back.
    pub back_to: u64,
}

impl Confirm {
    /// Seconds that remain at `now_s`; a clock that was set back cannot prolong it.
    pub fn remaining_s(&self, now_s: u64) -> u64 {
        self.deadline_s.saturating_sub(now_s).min(self.within_s)
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The files have changed.
    Automatic,
    /// Somebody wants these files enforced.
    Explicit {
        /// Even if that cuts the way in.
        force: bool,
    },
}

/// Why a configuration waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Automatic applying is switched off.
    Hold,
    /// An applied configuration waits for its confirmation; what is saved meanwhile waits with it.
    Confirmation,
    /// It was rolled back, or an unsaved one was applied in its place.
    RolledBack,
    /// It would cut the way in.
    WayIn,
}

impl Waits {
    /// A sentence for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Waits::Hold => "automatic applying is switched off",
            Waits::Confirmation => "an applied change waits for its confirmation",
            Waits::RolledBack => "these files were rolled back",
            Waits::WayIn => "it would cut the way in",
        }
    }
}

impl Gate {
    /// The files say this now: what they said before is no longer refused. `true`: something was.
    pub fn saved(&mut self, digest: Digest) -> bool {
        self.refused.take_if(|refused| *refused != digest).is_some()
    }

    /// Whether `candidate` may be enforced while `enforced` is. `cuts` says whether it would cut the way in; it is
    /// only asked if nothing else keeps the candidate.
    pub fn decide(
        &self,
        candidate: Digest,
        enforced: Option<Digest>,
        ask: Ask,
        cuts: impl FnOnce() -> bool,
    ) -> Result<(), Waits> {
        if enforced == Some(candidate) {
            return Ok(());
        }
        if ask == Ask::Automatic {
            if self.confirm.is_some() {
                return Err(Waits::Confirmation);
            }
            if self.refused == Some(candidate) {
                return Err(Waits::RolledBack);
            }
            if self.hold {
                return Err(Waits::Hold);
            }
        }
        let forced = ask == Ask::Explicit { force: true };
        if !forced && cuts() { Err(Waits::WayIn) } else { Ok(()) }
    }

    /// An explicit apply has been committed. `saved` is what the files say, `applied` what is enforced now (they
    /// differ if unsaved files were applied), `before` the generation that was enforced before.
    pub fn applied(
        &mut self,
        saved: Digest,
        applied: Digest,
        before: Option<u64>,
        timer: Option<(u64, u64)>,
    ) {
        self.refused = (saved != applied).then_some(saved);
        let Some((now_s, within_s)) = timer else { return };
        // A second change while the first one waits: both go if nobody confirms.
        let Some(back_to) = self.confirm.map(|confirm| confirm.back_to).or(before) else { return };
        self.confirm = Some(Confirm { deadline_s: now_s.saturating_add(within_s), within_s, back_to });
    }

    /// What was enforced has gone. `saved` is what the files say, as far as that is known.
    pub fn rolled_back(&mut self, saved: Option<Digest>) {
        self.confirm = None;
        self.refused = saved;
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Confirm, Gate, Waits};
    use crate::service::store::Digest;

    fn digests() -> [Digest; 3] {
        [b"a", b"b", b"c"].map(|text| Digest::of(text))
    }

    #[test]
    fn what_was_rolled_back_waits_until_it_changes_or_somebody_asks() {
        let [a, b, c] = digests();
        let mut gate = Gate::default();
        gate.applied(b, b, Some(1), Some((100, 60)));
        assert_eq!(gate.decide(c, Some(b), Ask::Automatic, || false), Err(Waits::Confirmation));
        let remaining_s = |now_s| gate.confirm.map(|confirm| confirm.remaining_s(now_s));
        assert_eq!((remaining_s(159), remaining_s(160)), (Some(1), Some(0)));
        gate.rolled_back(Some(b));
        assert_eq!(gate.confirm, None);
        assert_eq!(gate.decide(b, Some(a), Ask::Automatic, || false), Err(Waits::RolledBack));
        assert_eq!(gate.decide(b, Some(a), Ask::Explicit { force: false }, || false), Ok(()));
        assert_eq!(gate.decide(c, Some(a), Ask::Automatic, || false), Ok(()));
        gate.saved(c);
        assert_eq!(gate.decide(b, Some(c), Ask::Automatic, || false), Ok(()), "c was saved in between");
    }

    #[test]
    fn only_force_cuts_the_way_in() {
        let [a, b, _] = digests();
        let gate = Gate::default();
        for ask in [Ask::Automatic, Ask::Explicit { force: false }] {
            assert_eq!(gate.decide(b, Some(a), ask, || true), Err(Waits::WayIn));
        }
        assert_eq!(gate.decide(b, Some(a), Ask::Explicit { force: true }, || true), Ok(()));
    }

    #[test]
    fn hold_stops_what_nobody_asked_for() {
        let [a, b, _] = digests();
        let gate = Gate { hold: true, ..Gate::default() };
        assert_eq!(gate.decide(b, Some(a), Ask::Automatic, || false), Err(Waits::Hold));
        assert_eq!(
            gate.decide(a, Some(a), Ask::Automatic, || true),
            Ok(()),
            "links have changed, files have not"
        );
        assert_eq!(gate.decide(b, Some(a), Ask::Explicit { force: false }, || false), Ok(()));
    }

    #[test]
    fn unsaved_files_are_not_replaced_by_saved_ones_before_those_change() {
        let [a, b, c] = digests();
        let mut gate = Gate::default();
        gate.applied(a, b, Some(1), None);
        assert_eq!(gate.decide(a, Some(b), Ask::Automatic, || false), Err(Waits::RolledBack));
        assert_eq!(gate.decide(c, Some(b), Ask::Automatic, || false), Ok(()));
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_the_wait() {
        let confirm = Confirm { deadline_s: 1_000, within_s: 60, back_to: 1 };
        assert_eq!(
            (confirm.remaining_s(990), confirm.remaining_s(10), confirm.remaining_s(2_000)),
            (10, 60, 0)
        );
    }
}
