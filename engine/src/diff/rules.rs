//! Two chains of equal definition to the rules that stay, leave and come.
//!
//! A rule that stays where it was keeps its kernel object. Which rules stay is a longest common subsequence: rules
//! are matched by id and content, and of the matches the longest run that ascends on both sides is kept (Hunt and
//! Szymanski). Equal ends are matched first, so an edited line costs one comparison of each rule; the rest is sorted,
//! never squared.

use std::collections::{BTreeMap, VecDeque};

use super::references::Replaced;
use super::{ChainEdit, Edit};
use crate::ruleset::{Chain, Rule, RuleId};

/// `None` if no rule changes.
pub(super) fn edit<'r>(old: &'r Chain, new: &'r Chain, replaced: &Replaced<'_>) -> Option<ChainEdit<'r>> {
    if std::ptr::eq(old, new) && replaced.is_empty() {
        return None;
    }
    let stays = |old: &Rule, new: &Rule| {
        (std::ptr::eq(old, new) || old.is_same(new)) && !replaced.is_named_by_rule(old)
    };
    let (old_rules, new_rules) = (&*old.rules, &*new.rules);
    let n_first = old_rules.iter().zip(new_rules).take_while(|(old, new)| stays(old, new)).count();
    if n_first == old_rules.len() && n_first == new_rules.len() {
        return None;
    }
    let (old_rest, new_rest) = (&old_rules[n_first..], &new_rules[n_first..]);
    let last = old_rest.iter().rev().zip(new_rest.iter().rev());
    let n_last = last.take_while(|(old, new)| stays(old, new)).count();
    let old_middle = n_first..old_rules.len() - n_last;
    let new_middle = n_first..new_rules.len() - n_last;

    let matches = matches(&old_rules[old_middle.clone()], &new_rules[new_middle.clone()], stays);
    let kept = longest_ascending(&matches);
    let mut edits = Edits { new: new_rules, edits: Vec::new(), next_old: 0, next_new: 0 };
    (0..n_first).for_each(|idx| edits.keep(idx, idx));
    kept.iter().for_each(|(old_idx, new_idx)| edits.keep(n_first + old_idx, n_first + new_idx));
    (old_middle.end..old_rules.len()).zip(new_middle.end..).for_each(|(old, new)| edits.keep(old, new));
    edits.until(old_rules.len(), new_rules.len());
    Some(ChainEdit { old, new, edits: edits.edits })
}

/// Which old rules a new rule is: indexes of both, ascending in the new ones and descending in the old ones of each,
/// so that no run of ascending pairs holds a new rule twice.
fn matches(old: &[Rule], new: &[Rule], stays: impl Fn(&Rule, &Rule) -> bool) -> Vec<(usize, usize)> {
    let mut by_id: BTreeMap<RuleId, VecDeque<usize>> = BTreeMap::new();
    for (idx, rule) in old.iter().enumerate() {
        by_id.entry(rule.id).or_default().push_back(idx);
    }
    let mut matches = Vec::new();
    for (new_idx, rule) in new.iter().enumerate() {
        let Some(candidates) = by_id.get_mut(&rule.id) else { continue };
        let is_it = |old_idx: &usize| stays(&old[*old_idx], rule);
        if candidates.len() <= CANDIDATES_MAX {
            let found = candidates.iter().rev().copied().filter(is_it);
            matches.extend(found.map(|old_idx| (old_idx, new_idx)));
        } else if candidates.front().is_some_and(is_it) {
            matches.extend(candidates.pop_front().map(|old_idx| (old_idx, new_idx)));
        }
    }
    matches
}

/// Rules that one line became share its id, and are fewer. Of more only the next in order is looked at: what they
/// cost must not be a square.
const CANDIDATES_MAX: usize = 64;

/// Of pairs that ascend in their second number the most that ascend in their first as well (patience sorting).
fn longest_ascending(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // The pair that ends the best run of each length, and for each pair the one before it in its run.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (idx, (first, _)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].0 < *first);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = idx,
            None => ends.push(idx),
        }
    }
    let mut run: Vec<(usize, usize)> =
        std::iter::successors(ends.last().copied(), |idx| before[*idx]).map(|idx| pairs[idx]).collect();
    run.reverse();
    run
}

/// Edits being written, from the first rule on.
struct Edits<'r> {
    new: &'r [Rule],
    edits: Vec<Edit<'r>>,
    next_old: usize,
    next_new: usize,
}

impl Edits<'_> {
    /// What lies before a pair leaves and comes; the pair stays.
    fn keep(&mut self, old_idx: usize, new_idx: usize) {
        self.until(old_idx, new_idx);
        match self.edits.last_mut() {
            Some(Edit::Keep(kept)) => kept.end += 1,
            _ => self.edits.push(Edit::Keep(old_idx..old_idx + 1)),
        }
        (self.next_old, self.next_new) = (old_idx + 1, new_idx + 1);
    }

    fn until(&mut self, old_idx: usize, new_idx: usize) {
        self.edits.extend((self.next_old..old_idx).map(Edit::Remove));
        self.edits.extend(self.new[self.next_new..new_idx].iter().map(Edit::Add));
    }
}
