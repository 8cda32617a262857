//! The check of a generation that shares most of itself with a legal one: what is the same needs no second look.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Illegal, Scope, check, reach, rule, set};
use crate::ruleset::{Chain, Ruleset, Set, Statement, Table};

/// As [`check`], where `legal` has passed it. A change that reaches beyond the objects which changed (a chain or set
/// comes or goes or is of another kind, a chain leads where it did not lead before) has everything checked.
pub fn check_since(ruleset: &Ruleset, legal: &Ruleset) -> Result<(), Vec<Illegal>> {
    let mut found = Vec::new();
    if ruleset.tables.len() != legal.tables.len() {
        return check(ruleset);
    }
    for (table, before) in ruleset.tables.iter().zip(&legal.tables) {
        let Some(changes) = Changes::between(table, before) else { return check(ruleset) };
        changes.check(&mut found, table);
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Chains and sets that are other ones than before, and lead nowhere else.
struct Changes<'table> {
    chains: Vec<&'table Chain>,
    sets: Vec<&'table Set>,
}

impl<'table> Changes<'table> {
    /// `None`: a change reaches further.
    fn between(table: &'table Table, before: &Table) -> Option<Changes<'table>> {
        let same_frame = table.family == before.family
            && table.name == before.name
            && table.helpers == before.helpers
            && table.chains.len() == before.chains.len()
            && table.sets.len() == before.sets.len();
        if !same_frame {
            return None;
        }
        let mut changes = Changes { chains: Vec::new(), sets: Vec::new() };
        for (chain, before) in table.chains.iter().zip(&before.chains) {
            if !Arc::ptr_eq(chain, before) {
                changes.chains.push(within(chain, before)?);
            }
        }
        for (set, before) in table.sets.iter().zip(&before.sets) {
            if !Arc::ptr_eq(set, before) {
                let same = set.name == before.name
                    && set.key == before.key
                    && set.kind == before.kind
                    && set.interval == before.interval;
                let leads = same && reach::targets_of_map(set).is_subset(&reach::targets_of_map(before));
                changes.sets.push(leads.then_some(&**set)?);
            }
        }
        Some(changes)
    }

    fn check(&self, found: &mut Vec<Illegal>, table: &'table Table) {
        if self.chains.is_empty() && self.sets.is_empty() {
            return;
        }
        let mut named: BTreeSet<&str> = self.sets.iter().flat_map(|set| reach::targets_of_map(set)).collect();
        named.extend(self.chains.iter().flat_map(|chain| ways(chain).chains));
        let chains = table.chains.iter().map(|chain| (&*chain.name, &**chain));
        let scope = Scope {
            table,
            chains: chains.filter(|(name, _)| named.contains(name)).collect(),
            sets: table.sets.iter().map(|set| (&*set.name, &**set)).collect(),
            helpers: table.helpers.iter().map(|helper| (&*helper.name, helper)).collect(),
        };
        for set in &self.sets {
            set::check_set(found, &scope, set);
        }
        for chain in &self.chains {
            for rule in &chain.rules {
                rule::check_rule(found, &scope, chain, rule);
            }
        }
    }
}

/// Where a chain leads, and what it does that not every hook allows.
#[derive(Default)]
struct Ways<'chain> {
    chains: BTreeSet<&'chain str>,
    maps: BTreeSet<&'chain str>,
    bound_to_hooks: BTreeSet<&'static str>,
}

fn ways(chain: &Chain) -> Ways<'_> {
    let mut ways = Ways::default();
    for statement in chain.rules.iter().flat_map(|rule| &rule.statements) {
        match statement {
            Statement::Verdict(verdict) => ways.chains.extend(reach::target(verdict)),
            Statement::VerdictMap { map, .. } => drop(ways.maps.insert(map)),
            Statement::Reject(_) => drop(ways.bound_to_hooks.insert("reject")),
            Statement::Forward(_) => drop(ways.bound_to_hooks.insert("fwd")),
            Statement::Notrack => drop(ways.bound_to_hooks.insert("notrack")),
            _ => {}
        }
    }
    ways
}

/// The chain, if it is reached as before and leads nowhere else: then no way is new.
fn within<'table>(chain: &'table Chain, before: &Chain) -> Option<&'table Chain> {
    let (now, was) = (ways(chain), ways(before));
    let leads = chain.name == before.name
        && chain.base == before.base
        && now.chains.is_subset(&was.chains)
        && now.maps.is_subset(&was.maps)
        && now.bound_to_hooks.is_subset(&was.bound_to_hooks);
    leads.then_some(chain)
}
