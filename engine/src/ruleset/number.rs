//! Numbers of statements and elements, two at a time. They have up to 128 bits, but nearly all of them are ports, IPv4
//! addresses or marks: those lie in place, so that a statement does not have the size of the few others.

use std::cmp::Ordering;
use std::fmt;

/// From `first` to `last`, both included; equal for a single number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Interval(Pair);

impl Interval {
    /// From `first` to `last`.
    pub fn new(first: u128, last: u128) -> Interval {
        Interval(Pair::new(first, last))
    }

    /// Lowest.
    pub fn first(&self) -> u128 {
        self.0.get().0
    }

    /// Highest.
    pub fn last(&self) -> u128 {
        self.0.get().1
    }

    /// Lowest and highest.
    pub fn ends(&self) -> (u128, u128) {
        self.0.get()
    }

    /// The number, if it is a single one.
    pub fn single(&self) -> Option<u128> {
        let (first, last) = self.ends();
        (first == last).then_some(first)
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Interval) -> Ordering {
        self.ends().cmp(&other.ends())
    }
}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Interval) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.ends();
        write!(f, "{first}..={last}")
    }
}

/// Bits that count, and what they shall be.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bits(Pair);

impl Bits {
    /// Those of `mask` are compared with `value`.
    pub fn new(mask: u128, value: u128) -> Bits {
        Bits(Pair::new(mask, value))
    }

    /// Bits that count.
    pub fn mask(&self) -> u128 {
        self.0.get().0
    }

    /// What they are compared with.
    pub fn value(&self) -> u128 {
        self.0.get().1
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} of {:#x}", self.value(), self.mask())
    }
}

/// Equal numbers have one form: what can be small is.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Pair {
    Small(u32, u32),
    Large(Box<(u128, u128)>),
}

impl Pair {
    fn new(one: u128, other: u128) -> Pair {
        match (u32::try_from(one), u32::try_from(other)) {
            (Ok(one), Ok(other)) => Pair::Small(one, other),
            _ => Pair::Large(Box::new((one, other))),
        }
    }

    fn get(&self) -> (u128, u128) {
        match self {
            Pair::Small(one, other) => (u128::from(*one), u128::from(*other)),
            Pair::Large(both) => **both,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_ordered_by_number_whatever_their_form() {
        let edge = u128::from(u32::MAX);
        let ends = [(0, 0), (0, edge), (0, edge + 1), (edge, edge), (edge, u128::MAX), (edge + 1, edge + 1)];
        let intervals = ends.map(|(first, last)| Interval::new(first, last));
        assert!(intervals.is_sorted());
        assert_eq!(intervals.map(|interval| interval.ends()), ends);
        assert_eq!(Interval::new(7, 7).single(), Some(7));
        assert_eq!(Interval::new(7, edge + 1).single(), None);
    }
}
