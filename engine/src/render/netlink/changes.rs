//! Changes of a ruleset as messages: what stays is not named, so that it keeps its counters.

use std::collections::BTreeMap;

use super::table::Place;
use super::{Batch, Builder, set, table};
use crate::diff::{ChainEdit, Changes, Edit, SetEdit, TableChange, TableEdit};
use crate::ruleset::{Chain, Name, Table, TableFamily};

/// Handles of the rules of chains: the kernel names a rule by the number that it gave it.
#[derive(Debug, Clone, Default)]
pub struct Handles(BTreeMap<(TableFamily, Name, Name), Vec<u64>>);

impl Handles {
    /// Handles of a chain's rules, in the order of the chain, as the kernel lists them.
    pub fn insert(&mut self, table: &Table, chain: &Chain, handles: Vec<u64>) {
        self.0.insert((table.family, table.name.clone(), chain.name.clone()), handles);
    }

    /// One handle for each rule; anything else is of no use.
    fn of(&self, table: &Table, chain: &Chain) -> Option<&[u64]> {
        let handles = self.0.get(&(table.family, table.name.clone(), chain.name.clone()))?;
        (handles.len() == chain.rules.len()).then_some(handles.as_slice())
    }
}

/// Chains whose handles [`changes`] needs: rules leave them, or come before others that stay.
pub fn chains_to_list<'r>(changes: &Changes<'r>) -> Vec<(&'r Table, &'r Chain)> {
    let edits = changes.tables.iter().filter_map(|change| match change {
        TableChange::Edit(edit) => Some(edit),
        TableChange::Add(_) | TableChange::Remove(_) => None,
    });
    let chains = edits.flat_map(|table| table.chain_edits.iter().map(|chain| (table.old, chain)));
    chains.filter(|(_, chain)| needs_handles(chain)).map(|(table, chain)| (table, chain.old)).collect()
}

/// Rules that only come, behind those that stay, are named by nothing.
fn needs_handles(chain: &ChainEdit<'_>) -> bool {
    let is_add = |edit: &Edit<'_>| matches!(edit, Edit::Add(_));
    let is_keep = |edit: &Edit<'_>| matches!(edit, Edit::Keep(_));
    !chain.edits.iter().skip_while(|edit| is_keep(edit)).all(is_add)
}

/// Turns what the kernel holds, the old ruleset, into the new one.
///
/// A chain whose handles are not known, or are not as many as it has rules, is written anew: right, but without what
/// its rules have counted.
pub fn changes(changes: &Changes<'_>, handles: &Handles) -> Batch {
    let mut batch = Builder::default();
    for change in &changes.tables {
        match change {
            TableChange::Add(table) => batch.replace_table(table),
            TableChange::Remove(table) => batch.remove_table(table.family, &table.name),
            TableChange::Edit(edit) => batch.edit_table(edit, handles),
        }
    }
    batch.finish()
}

impl Builder {
    /// In the order that [`TableEdit`] tells.
    fn edit_table(&mut self, edit: &TableEdit<'_>, handles: &Handles) {
        self.loosen(edit, handles);
        self.remove(edit);
        edit.helpers.added.iter().for_each(|helper| self.add_helper(edit.new, helper));
        edit.sets.added.iter().for_each(|set| self.add_set(edit.new, set));
        edit.chains.added.iter().for_each(|chain| self.add_chain(edit.new, chain));
        self.fill(edit, handles);
    }

    fn loosen(&mut self, edit: &TableEdit<'_>, handles: &Handles) {
        for chain in &edit.chain_edits {
            self.loosen_chain(edit.old, chain, handles);
        }
        for chain in &edit.chains.removed {
            self.push(None, |w| table::flush_chain(w, edit.old, &chain.name));
        }
        for changed in &edit.set_edits {
            self.loosen_set(edit.old, changed);
        }
        for left in edit.sets.removed.iter().filter(|left| !left.elements.is_empty()) {
            self.push(None, |w| set::flush(w, edit.old, left));
        }
    }

    fn loosen_chain(&mut self, table: &Table, edit: &ChainEdit<'_>, handles: &Handles) {
        match Rules::of(table, edit, handles) {
            Rules::Appended => {}
            Rules::Rewritten => self.push(None, |w| table::flush_chain(w, table, &edit.old.name)),
            Rules::Edited(handles) => {
                for removed in &edit.edits {
                    if let Edit::Remove(idx) = removed {
                        self.push(None, |w| table::delete_rule(w, table, &edit.old.name, handles[*idx]));
                    }
                }
            }
        }
    }

    fn loosen_set(&mut self, table: &Table, edit: &SetEdit<'_>) {
        let start = set::has_start(edit.old) && !set::has_start(edit.new);
        self.push(None, |w| set::delete_elements(w, table, edit.old, (&edit.removed, start)));
    }

    fn remove(&mut self, edit: &TableEdit<'_>) {
        for left in &edit.sets.removed {
            self.push(None, |w| set::delete(w, edit.old, left));
        }
        for left in &edit.chains.removed {
            self.push(None, |w| table::delete_chain(w, edit.old, left));
        }
        for left in &edit.helpers.removed {
            self.push(None, |w| table::delete_helper(w, edit.old, left));
        }
    }

    fn fill(&mut self, edit: &TableEdit<'_>, handles: &Handles) {
        for added in &edit.sets.added {
            self.fill_set(edit.new, added);
        }
        for changed in &edit.set_edits {
            self.fill_changed_set(edit.new, changed);
        }
        for added in &edit.chains.added {
            self.fill_chain(edit.new, added);
        }
        for changed in &edit.chain_edits {
            self.fill_changed_chain(edit, changed, handles);
        }
    }

    fn fill_changed_set(&mut self, table: &Table, edit: &SetEdit<'_>) {
        let start = set::has_start(edit.new) && !set::has_start(edit.old);
        let origin = edit.added.first().map_or(edit.new.origin, |first| first.origin);
        self.push(Some(origin), |w| set::add_elements(w, table, edit.new, (&edit.added, start)));
    }

    fn fill_changed_chain(&mut self, table: &TableEdit<'_>, edit: &ChainEdit<'_>, handles: &Handles) {
        let handles = match Rules::of(table.old, edit, handles) {
            Rules::Appended => return self.append_rules(table.new, edit),
            Rules::Rewritten => return self.fill_chain(table.new, edit.new),
            Rules::Edited(handles) => handles,
        };
        // Each comes right before the next rule that stays, and so behind those that came before it.
        let mut next = Place::End;
        let mut places: Vec<Place> = Vec::with_capacity(edit.edits.len());
        for edit in edit.edits.iter().rev() {
            if let Edit::Keep(kept) = edit {
                next = Place::Before(handles[kept.start]);
            }
            places.push(next);
        }
        for (added, place) in edit.edits.iter().zip(places.into_iter().rev()) {
            if let Edit::Add(rule) = added {
                self.add_rule(table.new, edit.new, (place, rule));
            }
        }
    }

    fn append_rules(&mut self, table: &Table, edit: &ChainEdit<'_>) {
        for added in &edit.edits {
            if let Edit::Add(rule) = added {
                self.add_rule(table, edit.new, (Place::End, rule));
            }
        }
    }
}

/// How the rules of a chain that stays are changed.
enum Rules<'h> {
    /// New ones come behind all others.
    Appended,
    /// Rules leave and come by these handles.
    Edited(&'h [u64]),
    /// All leave, all come.
    Rewritten,
}

impl Rules<'_> {
    fn of<'h>(table: &Table, edit: &ChainEdit<'_>, handles: &'h Handles) -> Rules<'h> {
        if !needs_handles(edit) {
            return Rules::Appended;
        }
        handles.of(table, edit.old).map_or(Rules::Rewritten, Rules::Edited)
    }
}
