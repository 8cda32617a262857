//! Streams of random choices.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// A stream of choices. Each object of a configuration draws from its own, so that what stands before or beside it
/// does not change it.
#[derive(Debug, Clone)]
pub struct Draw {
    rng: fastrand::Rng,
}

impl Draw {
    /// The stream of the object `kind` number `number` under `seed`.
    pub fn new(seed: u64, kind: &str, number: u64) -> Draw {
        let mut hasher = SipHasher13::new_with_keys(seed, number);
        hasher.write(kind.as_bytes());
        Draw { rng: fastrand::Rng::with_seed(hasher.finish()) }
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.rng.usize(..end)
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        self.rng.usize(first..=last)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.rng.u64(..)
    }

    /// True `percent` times out of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items; there is one at least.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// One of the items, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, items: &[(usize, T)]) -> T {
        let total = items.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, item) in items {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        unreachable!("the weights add up to `total`")
    }

    /// Puts the items into any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.rng.shuffle(items);
    }
}
