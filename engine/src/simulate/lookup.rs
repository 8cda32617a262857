//! Finding the element of a set or map that a key falls into, from an index made once per set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::ruleset::{Name, Set, Value};

/// A value of a field in a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// A number, big-endian for addresses.
    Number(u128),
    /// An interface name.
    Name(Name),
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Number(number) => number.fmt(f),
            Datum::Name(name) => name.fmt(f),
        }
    }
}

/// Whether a value of a rule or an element covers a value of a packet.
pub(super) fn covers(value: &Value, datum: &Datum) -> bool {
    match (value, datum) {
        (Value::Number(numbers), Datum::Number(number)) => {
            let (first, last) = numbers.ends();
            (first..=last).contains(number)
        }
        (Value::Name(pattern), Datum::Name(name)) => match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => **pattern == *name,
        },
        (Value::Number(_), Datum::Name(_)) | (Value::Name(_), Datum::Number(_)) => false,
    }
}

/// The elements of one set by key.
pub(super) struct Index {
    /// Elements without intervals and wildcards.
    exact: BTreeMap<Box<[Datum]>, usize>,
    /// The others, ascending by the start of one column.
    ranges: Vec<Range>,
    /// That column.
    column: usize,
}

struct Range {
    first: u128,
    last: u128,
    /// The greatest `last` up to here: where it lies before a number, nothing further left can cover it.
    last_max: u128,
    element: usize,
}

impl Index {
    pub(super) fn new(set: &Set) -> Index {
        let (mut exact, mut others) = (BTreeMap::new(), Vec::new());
        for (idx, element) in set.elements.iter().enumerate() {
            match element.key.iter().map(single).collect::<Option<Box<[Datum]>>>() {
                Some(key) => drop(exact.insert(key, idx)),
                None => others.push(idx),
            }
        }
        let column = most_distinct_column(set, &others);
        let mut ranges: Vec<Range> = others
            .into_iter()
            .map(|element| {
                let (first, last) = bounds(&set.elements[element].key[column]);
                Range { first, last, last_max: last, element }
            })
            .collect();
        ranges.sort_by_key(|range| range.first);
        let mut last_max = 0;
        for range in &mut ranges {
            last_max = range.last.max(last_max);
            range.last_max = last_max;
        }
        Index { exact, ranges, column }
    }

    /// Index of the element that covers `key`.
    pub(super) fn find(&self, set: &Set, key: &[Datum]) -> Option<usize> {
        if let Some(&element) = self.exact.get(key) {
            return Some(element);
        }
        let number = match key.get(self.column)? {
            Datum::Number(number) => *number,
            Datum::Name(_) => 0,
        };
        let end = self.ranges.partition_point(|range| range.first <= number);
        let reach = self.ranges[..end].iter().rev().take_while(|range| range.last_max >= number);
        let covering = |range: &&Range| {
            let element = &set.elements[range.element];
            element.key.iter().zip(key).all(|(value, datum)| covers(value, datum))
        };
        reach.filter(|range| range.last >= number).find(covering).map(|range| range.element)
    }
}

fn single(value: &Value) -> Option<Datum> {
    match value {
        Value::Number(numbers) => numbers.single().map(Datum::Number),
        Value::Name(name) => (!name.ends_with('*')).then(|| Datum::Name(Name::clone(name))),
    }
}

/// Numbers as they are; names anywhere, since there are few with wildcards.
fn bounds(value: &Value) -> (u128, u128) {
    match value {
        Value::Number(numbers) => numbers.ends(),
        Value::Name(_) => (0, u128::MAX),
    }
}

fn most_distinct_column(set: &Set, elements: &[usize]) -> usize {
    let distinct = |column: usize| {
        let starts = elements.iter().map(|&idx| bounds(&set.elements[idx].key[column]).0);
        starts.collect::<BTreeSet<u128>>().len()
    };
    (0..set.key.len()).max_by_key(|&column| distinct(column)).unwrap_or(0)
}
