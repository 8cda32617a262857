//! From two rulesets to what must change in the kernel: the least that turns the one it holds into the one it shall
//! hold.
//!
//! A rule, set or element that changed nothing but its origin is not touched: its counter and what packets filled
//! stay. Objects of equal name whose definition differs are removed and added anew, and with them every rule and
//! element that refers to them. What both rulesets share is not looked at.

mod elements;
mod names;
mod references;
mod replay;
mod rules;
mod table;
mod text;

use std::ops::Range;

use crate::ruleset::{Chain, Element, HelperObject, Rule, Ruleset, Set, Table};
pub use replay::replay;
pub use text::{Sides, text};

/// What turns one ruleset into another.
#[derive(Debug, Clone, Default)]
pub struct Changes<'r> {
    /// Tables that differ: those that leave, then those that stay or come, in the order of the new ruleset.
    pub tables: Vec<TableChange<'r>>,
}

/// What happens to a table.
#[derive(Debug, Clone)]
pub enum TableChange<'r> {
    /// It is new, with all that it holds.
    Add(&'r Table),
    /// It leaves, with all that it held.
    Remove(&'r Table),
    /// It stays, and something in it differs.
    Edit(TableEdit<'r>),
}

/// What changes inside a table that stays.
///
/// The kernel takes it in one transaction in this order: **loosen** (remove rules and elements of what stays, and all
/// rules and elements of what leaves), **remove** (sets, chains, helpers), **create** (helpers, sets, chains),
/// **fill** (elements, then rules). A name may be removed and added.
#[derive(Debug, Clone)]
pub struct TableEdit<'r> {
    /// The table as it was.
    pub old: &'r Table,
    /// The table as it shall be.
    pub new: &'r Table,
    /// Helper objects.
    pub helpers: Whole<'r, HelperObject>,
    /// Sets and maps that leave or come, with all their elements.
    pub sets: Whole<'r, Set>,
    /// Chains that leave or come, with all their rules.
    pub chains: Whole<'r, Chain>,
    /// Sets that stay and whose elements differ.
    pub set_edits: Vec<SetEdit<'r>>,
    /// Chains that stay and whose rules differ.
    pub chain_edits: Vec<ChainEdit<'r>>,
}

/// Objects that leave or come as a whole.
#[derive(Debug, Clone)]
pub struct Whole<'r, T> {
    /// Those of the old table.
    pub removed: Vec<&'r T>,
    /// Those of the new table.
    pub added: Vec<&'r T>,
}

impl<T> Default for Whole<'_, T> {
    fn default() -> Self {
        Whole { removed: Vec::new(), added: Vec::new() }
    }
}

impl<T> Whole<'_, T> {
    /// None leaves, none comes.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// Elements that change in a set that stays. An element whose data changed is removed and added.
#[derive(Debug, Clone)]
pub struct SetEdit<'r> {
    /// The set as it was.
    pub old: &'r Set,
    /// The set as it shall be.
    pub new: &'r Set,
    /// Elements of `old`, ascending by key.
    pub removed: Vec<&'r Element>,
    /// Elements of `new`, ascending by key. Removed first, then added: intervals may overlap those that were removed.
    pub added: Vec<&'r Element>,
}

/// Rules that change in a chain that stays.
#[derive(Debug, Clone)]
pub struct ChainEdit<'r> {
    /// The chain as it was.
    pub old: &'r Chain,
    /// The chain as it shall be.
    pub new: &'r Chain,
    /// From the first rule to the last: each rule of `old` is kept or removed once, and what is kept or added is
    /// `new`, in order.
    pub edits: Vec<Edit<'r>>,
}

/// What happens to rules of a chain that stays.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit<'r> {
    /// These rules of the old chain stay as they are.
    Keep(Range<usize>),
    /// This rule of the old chain leaves.
    Remove(usize),
    /// This rule comes, behind what is kept or added before it.
    Add(&'r Rule),
}

/// How much changes. What leaves or comes with its chain, set or table counts as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Chains.
    pub chains: Count,
    /// Rules.
    pub rules: Count,
    /// Sets and maps.
    pub sets: Count,
    /// Elements of sets and maps.
    pub elements: Count,
}

/// How many leave, how many come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// They leave.
    pub n_removed: usize,
    /// They come.
    pub n_added: usize,
}

/// What turns `old` into `new`.
pub fn diff<'r>(old: &'r Ruleset, new: &'r Ruleset) -> Changes<'r> {
    let pair = |table: &Table, other: &'r Ruleset| other.table(table.family, &table.name);
    let leaves = old.tables.iter().filter(|table| pair(table, new).is_none()).map(TableChange::Remove);
    let comes = new.tables.iter().filter_map(|table| match pair(table, old) {
        None => Some(TableChange::Add(table)),
        Some(old) => table::edit(old, table).map(TableChange::Edit),
    });
    Changes { tables: leaves.chain(comes).collect() }
}

impl Changes<'_> {
    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// How much changes.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for table in &self.tables {
            match table {
                TableChange::Add(table) => counts.whole_table(table, Count::added),
                TableChange::Remove(table) => counts.whole_table(table, Count::removed),
                TableChange::Edit(edit) => counts.edit(edit),
            }
        }
        counts
    }
}

impl Counts {
    fn edit(&mut self, edit: &TableEdit<'_>) {
        edit.chains.removed.iter().for_each(|chain| self.whole_chain(chain, Count::removed));
        edit.chains.added.iter().for_each(|chain| self.whole_chain(chain, Count::added));
        edit.sets.removed.iter().for_each(|set| self.whole_set(set, Count::removed));
        edit.sets.added.iter().for_each(|set| self.whole_set(set, Count::added));
        for set in &edit.set_edits {
            self.elements.n_removed += set.removed.len();
            self.elements.n_added += set.added.len();
        }
        for change in edit.chain_edits.iter().flat_map(|chain| &chain.edits) {
            match change {
                Edit::Keep(_) => {}
                Edit::Remove(_) => self.rules.n_removed += 1,
                Edit::Add(_) => self.rules.n_added += 1,
            }
        }
    }

    fn whole_chain(&mut self, chain: &Chain, side: fn(&mut Count) -> &mut usize) {
        *side(&mut self.chains) += 1;
        *side(&mut self.rules) += chain.rules.len();
    }

    fn whole_set(&mut self, set: &Set, side: fn(&mut Count) -> &mut usize) {
        *side(&mut self.sets) += 1;
        *side(&mut self.elements) += set.elements.len();
    }

    fn whole_table(&mut self, table: &Table, side: fn(&mut Count) -> &mut usize) {
        table.chains.iter().for_each(|chain| self.whole_chain(chain, side));
        table.sets.iter().for_each(|set| self.whole_set(set, side));
    }
}

impl Count {
    fn removed(&mut self) -> &mut usize {
        &mut self.n_removed
    }

    fn added(&mut self) -> &mut usize {
        &mut self.n_added
    }
}

#[cfg(test)]
mod tests;
