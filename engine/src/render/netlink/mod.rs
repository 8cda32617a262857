//! From the IR to what the kernel reads: messages of nf_tables, without a table of nft in between.
//!
//! The bytes say what nft would say of the text rendering, so that a listing cannot tell who loaded it. Nothing is
//! asked of the kernel before or between; where an object must be named by its handle, the caller knows it.

mod changes;
mod expression;
mod field;
mod message;
mod numbers;
mod rule;
mod set;
mod table;
mod userdata;

use crate::ruleset::{Chain, Rule};
use crate::ruleset::{HelperObject, Origin, Ruleset, Set, Table, TableFamily};
pub use changes::{Handles, chains_to_list, changes};
use message::Writer;
use table::Place;

/// Messages of one transaction: all of it happens, or nothing. Without `NFNL_MSG_BATCH_BEGIN` and `_END`, which are
/// the sender's, who knows the generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The messages; the sequence number of message `i` is `i + 1`.
    pub messages: Vec<u8>,
    /// `origins[i]` is why message `i` is there: a refused message leads back to the configuration.
    pub origins: Vec<Option<Origin>>,
}

/// Replaces the tables of `ruleset`, whatever they held.
pub fn full(ruleset: &Ruleset) -> Batch {
    let mut batch = Builder::default();
    for table in &ruleset.tables {
        batch.replace_table(table);
    }
    batch.finish()
}

/// As [`full`], after removing other tables.
pub fn full_and_flush(ruleset: &Ruleset, unwanted: &[(TableFamily, &str)]) -> Batch {
    let mut batch = Builder::default();
    for (family, name) in unwanted {
        batch.remove_table(*family, name);
    }
    for table in &ruleset.tables {
        batch.replace_table(table);
    }
    batch.finish()
}

/// Removes tables, present or not.
pub fn flush(tables: &[(TableFamily, &str)]) -> Batch {
    let mut batch = Builder::default();
    for (family, name) in tables {
        batch.remove_table(*family, name);
    }
    batch.finish()
}

/// A batch under construction.
#[derive(Debug, Default)]
struct Builder {
    writer: Writer,
    origins: Vec<Option<Origin>>,
    n_sets: u32,
}

impl Builder {
    /// `add` first: `delete` refuses a table that is not there.
    fn remove_table(&mut self, family: TableFamily, name: &str) {
        self.push(None, |w| table::add(w, family, name));
        self.push(None, |w| table::delete(w, family, name));
    }

    fn replace_table(&mut self, table: &Table) {
        self.remove_table(table.family, &table.name);
        self.push(None, |w| table::add(w, table.family, &table.name));
        // Chains come before the elements that lead to them.
        table.helpers.iter().for_each(|helper| self.add_helper(table, helper));
        table.sets.iter().for_each(|set| self.add_set(table, set));
        table.chains.iter().for_each(|chain| self.add_chain(table, chain));
        table.sets.iter().for_each(|set| self.fill_set(table, set));
        table.chains.iter().for_each(|chain| self.fill_chain(table, chain));
    }

    fn add_helper(&mut self, table: &Table, helper: &HelperObject) {
        self.push(Some(helper.origin), |w| table::add_helper(w, table, helper));
    }

    fn add_set(&mut self, table: &Table, added: &Set) {
        self.n_sets += 1;
        let id = self.n_sets;
        self.push(Some(added.origin), |w| set::declare(w, table, added, id));
    }

    fn add_chain(&mut self, table: &Table, added: &Chain) {
        self.push(Some(added.origin), |w| table::add_chain(w, table, added));
    }

    fn fill_set(&mut self, table: &Table, filled: &Set) {
        self.push(Some(filled.origin), |w| set::fill(w, table, filled));
    }

    fn fill_chain(&mut self, table: &Table, chain: &Chain) {
        for rule in &chain.rules {
            self.add_rule(table, chain, (Place::End, rule));
        }
    }

    fn add_rule(&mut self, table: &Table, chain: &Chain, (place, rule): (Place, &Rule)) {
        self.push(Some(rule.origin), |w| table::add_rule(w, table, &chain.name, (place, rule)));
    }

    /// Writes messages, all for one reason.
    fn push(&mut self, origin: Option<Origin>, write: impl FnOnce(&mut Writer)) {
        write(&mut self.writer);
        self.origins.resize(self.writer.n_messages(), origin);
    }

    fn finish(self) -> Batch {
        Batch { messages: self.writer.bytes, origins: self.origins }
    }
}
