//! Two tables of equal name to what changes between them.

use super::elements::edit as edit_set;
use super::names::pair;
use super::references::Replaced;
use super::rules::edit as edit_chain;
use super::{ChainEdit, SetEdit, TableEdit};
use crate::ruleset::{Chain, HelperObject, Set, Table};

/// `None` if nothing does.
pub(super) fn edit<'r>(old: &'r Table, new: &'r Table) -> Option<TableEdit<'r>> {
    let helpers = pair(&helpers(old), &helpers(new));
    let sets = pair(&sets(old), &sets(new));
    let chains = pair(&chains(old), &chains(new));
    let replaced = Replaced { helpers: helpers.replaced, sets: sets.replaced, chains: chains.replaced };
    let set_edits: Vec<SetEdit<'r>> =
        sets.stays.iter().filter_map(|(old, new)| edit_set(old, new, &replaced)).collect();
    let chain_edits: Vec<ChainEdit<'r>> =
        chains.stays.iter().filter_map(|(old, new)| edit_chain(old, new, &replaced)).collect();
    let (helpers, sets, chains) = (helpers.whole, sets.whole, chains.whole);
    let is_same = helpers.is_empty()
        && sets.is_empty()
        && chains.is_empty()
        && set_edits.is_empty()
        && chain_edits.is_empty();
    (!is_same).then_some(TableEdit { old, new, helpers, sets, chains, set_edits, chain_edits })
}

fn helpers(table: &Table) -> Vec<&HelperObject> {
    table.helpers.iter().collect()
}

fn sets(table: &Table) -> Vec<&Set> {
    table.sets.iter().map(|set| &**set).collect()
}

fn chains(table: &Table) -> Vec<&Chain> {
    table.chains.iter().map(|chain| &**chain).collect()
}
