//! From the IR to commands in the order that nft accepts, with the reason for each line.
//!
//! A script names no tables but those it is given: whatever else the kernel holds stays.

use std::sync::Arc;

use crate::diff::{Changes, SetEdit, TableChange, TableEdit};
use crate::render;
use crate::ruleset::{Origin, Ruleset, Set, SetKind, Table, TableFamily};

/// Commands of one transaction: all of it happens, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// nft(8) text.
    pub text: String,
    /// `origins[i]` is why line `i + 1` is there: a refused line leads back to the configuration.
    pub origins: Vec<Option<Origin>>,
}

/// Replaces the tables of `ruleset`, whatever they held.
pub fn full(ruleset: &Ruleset) -> Script {
    let mut lines = render::Lines::with_origins();
    for table in &ruleset.tables {
        remove(&mut lines, table.family, &table.name);
    }
    render::tables(&mut lines, ruleset);
    let (text, origins) = lines.finish();
    Script { text, origins }
}

/// Removes tables, present or not.
pub fn flush(tables: &[(TableFamily, &str)]) -> Script {
    let mut lines = render::Lines::with_origins();
    for (family, name) in tables {
        remove(&mut lines, *family, name);
    }
    let (text, origins) = lines.finish();
    Script { text, origins }
}

/// Changes tables that hold what `changes` were made against; anything else they hold makes nft refuse all of it, or
/// stays.
///
/// A rule has no name in text, only the handle that the kernel gave it, so a chain whose rules differ is emptied and
/// filled again: counters of all its rules start anew. Chains without a difference, sets and what packets filled are
/// not touched.
///
/// Origins are those of the new ruleset; what leaves has none.
pub fn changes(changes: &Changes<'_>) -> Script {
    let mut lines = render::Lines::with_origins();
    for change in &changes.tables {
        match change {
            TableChange::Remove(table) => remove(&mut lines, table.family, &table.name),
            TableChange::Add(table) => {
                remove(&mut lines, table.family, &table.name);
                render::table(&mut lines, table);
            }
            TableChange::Edit(edit) => {
                loosen(&mut lines, edit);
                remove_objects(&mut lines, edit);
                create_and_fill(&mut lines, edit);
            }
        }
    }
    let (text, origins) = lines.finish();
    Script { text, origins }
}

/// Takes out what refers to something that leaves.
fn loosen(lines: &mut render::Lines, edit: &TableEdit<'_>) {
    let place = place(edit.old);
    let changed = edit.chain_edits.iter().map(|chain| (chain.new, Some(chain.new.origin)));
    for (chain, origin) in changed.chain(edit.chains.removed.iter().map(|chain| (*chain, None))) {
        lines.line(&["flush chain ", &place, &chain.name], origin);
    }
    for set in edit.set_edits.iter().filter(|set| !set.removed.is_empty()) {
        render::delete_elements(lines, &place, set.old, &set.removed);
    }
    for map in edit.sets.removed.iter().filter(|set| set.kind == SetKind::VerdictMap) {
        lines.line(&["flush map ", &place, &map.name], None);
    }
}

fn remove_objects(lines: &mut render::Lines, edit: &TableEdit<'_>) {
    let place = place(edit.old);
    for set in &edit.sets.removed {
        let delete = match set.kind {
            SetKind::Set | SetKind::Dynamic { .. } => "delete set ",
            SetKind::VerdictMap | SetKind::MarkMap => "delete map ",
        };
        lines.line(&[delete, &place, &set.name], None);
    }
    for chain in &edit.chains.removed {
        lines.line(&["delete chain ", &place, &chain.name], None);
    }
    for helper in &edit.helpers.removed {
        lines.line(&["delete ct helper ", &place, &helper.name], None);
    }
}

/// A block adds to the table what it names: objects first, then elements, then rules.
fn create_and_fill(lines: &mut render::Lines, edit: &TableEdit<'_>) {
    let filled = |set: &SetEdit<'_>| {
        let elements = set.added.iter().map(|element| (*element).clone()).collect();
        let Set { name, key, kind, interval, origin, .. } = set.new;
        let (name, key) = (name.clone(), key.clone());
        Arc::new(Set { name, key, kind: *kind, interval: *interval, elements, origin: *origin })
    };
    let edited = edit.set_edits.iter().filter(|set| !set.added.is_empty()).map(filled);
    let added = edit.sets.added.iter().map(|set| Arc::new((*set).clone()));
    let changed = edit.chain_edits.iter().map(|chain| chain.new);
    let table = Table {
        family: edit.new.family,
        name: edit.new.name.clone(),
        helpers: edit.helpers.added.iter().map(|helper| (*helper).clone()).collect(),
        sets: added.chain(edited).collect(),
        chains: changed
            .chain(edit.chains.added.iter().copied())
            .map(|chain| Arc::new(chain.clone()))
            .collect(),
    };
    render::table(lines, &table);
}

/// `inet proxmox-firewall `
fn place(table: &Table) -> String {
    format!("{} {} ", table.family.as_str(), table.name)
}

/// `add` first: `delete` refuses a table that is not there, and `destroy` needs Linux 6.3.
fn remove(lines: &mut render::Lines, family: TableFamily, name: &str) {
    lines.line(&["add table ", family.as_str(), " ", name], None);
    lines.line(&["delete table ", family.as_str(), " ", name], None);
}
