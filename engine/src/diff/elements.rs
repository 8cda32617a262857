//! Two sets of equal definition to the elements that leave and come.

use std::cmp::Ordering;

use super::SetEdit;
use super::references::Replaced;
use crate::ruleset::{Element, Set, SetKind};

/// `None` if no element changes. What packets fill is left alone.
pub(super) fn edit<'r>(old: &'r Set, new: &'r Set, replaced: &Replaced<'_>) -> Option<SetEdit<'r>> {
    let may_refer = old.kind == SetKind::VerdictMap && !replaced.is_empty();
    if matches!(old.kind, SetKind::Dynamic { .. }) || (std::ptr::eq(old, new) && !may_refer) {
        return None;
    }
    let mut edit = SetEdit { old, new, removed: Vec::new(), added: Vec::new() };
    let (old_elements, new_elements) = (ascending(old), ascending(new));
    let (mut old_rest, mut new_rest) = (&*old_elements, &*new_elements);
    loop {
        let order = match (old_rest.first(), new_rest.first()) {
            (Some(old), Some(new)) => old.key.cmp(&new.key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        if order == Ordering::Equal {
            let is_kept = old_rest[0].data == new_rest[0].data && !replaced.is_named_by_element(old_rest[0]);
            if is_kept {
                (old_rest, new_rest) = (&old_rest[1..], &new_rest[1..]);
                continue;
            }
        }
        if order != Ordering::Greater {
            edit.removed.push(old_rest[0]);
            old_rest = &old_rest[1..];
        }
        if order != Ordering::Less {
            edit.added.push(new_rest[0]);
            new_rest = &new_rest[1..];
        }
    }
    let is_same = edit.removed.is_empty() && edit.added.is_empty();
    (!is_same).then_some(edit)
}

/// Sets are built in this order; sorting what is sorted is one pass.
fn ascending(set: &Set) -> Vec<&Element> {
    let mut elements: Vec<&Element> = set.elements.iter().collect();
    elements.sort_by(|a, b| a.key.cmp(&b.key));
    elements
}
