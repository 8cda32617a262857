//! How much of a rotation is due: all of it once a period, evenly, however often somebody asks.

use std::time::{Duration, Instant};

/// A place in a sorted list, and how far it may advance.
#[derive(Debug)]
pub(super) struct Pace {
    /// The last path that was looked at.
    pub(super) cursor: String,
    asked: Instant,
    credit: f64,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { cursor: String::new(), asked: Instant::now(), credit: 0.0 }
    }

    /// Steps that are due by now, if `n` are to be taken in each `period`. No more than `n` are ever saved up.
    pub(super) fn due(&mut self, n: usize, period: Duration) -> usize {
        let share = self.asked.elapsed().as_secs_f64() / period.as_secs_f64();
        self.asked = Instant::now();
        let n = n as f64;
        self.credit = (self.credit + share * n).min(n);
        self.credit as usize
    }

    /// A step was taken.
    pub(super) fn spend(&mut self) {
        self.credit -= 1.0;
    }

    /// Nothing that was due before is any more.
    pub(super) fn rest(&mut self) {
        self.credit = 0.0;
    }

    /// A whole round is due now.
    pub(super) fn hurry(&mut self) {
        self.credit = f64::INFINITY;
    }
}
