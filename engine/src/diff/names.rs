//! Two lists of named objects to pairs of equal name, and what has no partner.

use std::collections::{BTreeMap, BTreeSet};

use super::Whole;
use crate::ruleset::{Chain, HelperObject, Set};

/// What is found by its name, and cannot change its definition under it.
pub(super) trait Named {
    fn name(&self) -> &str;
    fn is_same_definition(&self, other: &Self) -> bool;
}

impl Named for HelperObject {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_same_definition(&self, other: &HelperObject) -> bool {
        self.is_same(other)
    }
}

impl Named for Set {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_same_definition(&self, other: &Set) -> bool {
        self.is_same_definition(other)
    }
}

impl Named for Chain {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_same_definition(&self, other: &Chain) -> bool {
        self.is_same_definition(other)
    }
}

/// Objects of one kind of two tables.
pub(super) struct Paired<'r, T> {
    /// Those that stay, old and new.
    pub(super) stays: Vec<(&'r T, &'r T)>,
    /// The rest.
    pub(super) whole: Whole<'r, T>,
    /// Names among the rest that are on both sides: their definition differs.
    pub(super) replaced: BTreeSet<&'r str>,
}

/// Pairs objects by name. Most stay where they were: only what lies between equal ends is looked up.
pub(super) fn pair<'r, T: Named>(old: &[&'r T], new: &[&'r T]) -> Paired<'r, T> {
    let is_same_name = |(old, new): &(&&'r T, &&'r T)| std::ptr::eq(**old, **new) || old.name() == new.name();
    let n_first = old.iter().zip(new).take_while(is_same_name).count();
    let (old_rest, new_rest) = (&old[n_first..], &new[n_first..]);
    let n_last = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(is_same_name).count();
    let (old_middle, old_last) = old_rest.split_at(old_rest.len() - n_last);
    let (new_middle, new_last) = new_rest.split_at(new_rest.len() - n_last);

    let mut paired = Paired { stays: Vec::new(), whole: Whole::default(), replaced: BTreeSet::new() };
    paired.extend(&old[..n_first], &new[..n_first]);
    let mut rest: BTreeMap<&str, &'r T> = old_middle.iter().map(|object| (object.name(), *object)).collect();
    for object in new_middle {
        match rest.remove(object.name()) {
            Some(old) => paired.extend(&[old], &[*object]),
            None => paired.whole.added.push(object),
        }
    }
    paired.whole.removed.extend(old_middle.iter().filter(|object| rest.contains_key(object.name())));
    paired.extend(old_last, new_last);
    paired
}

impl<'r, T: Named> Paired<'r, T> {
    /// Objects of equal names on both sides.
    fn extend(&mut self, old: &[&'r T], new: &[&'r T]) {
        for (old, new) in old.iter().copied().zip(new.iter().copied()) {
            if std::ptr::eq(old, new) || old.is_same_definition(new) {
                self.stays.push((old, new));
            } else {
                self.replaced.insert(old.name());
                self.whole.removed.push(old);
                self.whole.added.push(new);
            }
        }
    }
}
