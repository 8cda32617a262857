//! What tables hold after changes: the law behind `diff`, and what a kernel would do with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::names::Named;
use super::{ChainEdit, Changes, Edit, SetEdit, TableChange, TableEdit};
use crate::ruleset::{Chain, Ruleset, Set, Table, Value};

/// Applies changes. What they do not name stays as it is, its origin and its place included; objects that come stand
/// at the end.
pub fn replay(ruleset: &Ruleset, changes: &Changes<'_>) -> Ruleset {
    let mut tables = ruleset.tables.clone();
    for change in &changes.tables {
        match change {
            TableChange::Add(table) => tables.push((*table).clone()),
            TableChange::Remove(table) => tables.retain(|held| !held.is_same_definition(table)),
            TableChange::Edit(edit) => {
                let held = tables.iter_mut().filter(|held| held.is_same_definition(edit.old));
                held.for_each(|held| replay_table(held, edit));
            }
        }
    }
    Ruleset { tables }
}

fn replay_table(table: &mut Table, edit: &TableEdit<'_>) {
    let left = names(&edit.helpers.removed);
    table.helpers.retain(|held| !left.contains(&*held.name));
    table.helpers.extend(edit.helpers.added.iter().map(|helper| (*helper).clone()));

    let left = names(&edit.sets.removed);
    let edits: BTreeMap<&str, &SetEdit<'_>> =
        edit.set_edits.iter().map(|edit| (edit.old.name(), edit)).collect();
    table.sets.retain(|held| !left.contains(&*held.name));
    for set in &mut table.sets {
        if let Some(edit) = edits.get(&*set.name) {
            replay_set(Arc::make_mut(set), edit);
        }
    }
    table.sets.extend(edit.sets.added.iter().map(|set| Arc::new((*set).clone())));

    let left = names(&edit.chains.removed);
    let edits: BTreeMap<&str, &ChainEdit<'_>> =
        edit.chain_edits.iter().map(|edit| (edit.old.name(), edit)).collect();
    table.chains.retain(|held| !left.contains(&*held.name));
    for chain in &mut table.chains {
        if let Some(edit) = edits.get(&*chain.name) {
            replay_chain(Arc::make_mut(chain), edit);
        }
    }
    table.chains.extend(edit.chains.added.iter().map(|chain| Arc::new((*chain).clone())));
}

fn names<'r, T: Named>(objects: &[&'r T]) -> BTreeSet<&'r str> {
    objects.iter().map(|object| object.name()).collect()
}

fn replay_set(set: &mut Set, edit: &SetEdit<'_>) {
    let left: BTreeSet<&[Value]> = edit.removed.iter().map(|element| &*element.key).collect();
    set.elements.retain(|held| !left.contains(&*held.key));
    set.elements.extend(edit.added.iter().map(|element| (*element).clone()));
    set.elements.sort_by(|a, b| a.key.cmp(&b.key));
}

fn replay_chain(chain: &mut Chain, edit: &ChainEdit<'_>) {
    let held = std::mem::take(&mut chain.rules);
    for edit in &edit.edits {
        match edit {
            Edit::Keep(kept) => chain.rules.extend_from_slice(&held[kept.clone()]),
            Edit::Remove(_) => {}
            Edit::Add(rule) => chain.rules.push((*rule).clone()),
        }
    }
}
