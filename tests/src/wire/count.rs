//! Which rules a packet met: by their counters in the kernel, and by the steps of a simulation.

use std::collections::{BTreeMap, BTreeSet};

use engine::ruleset::{Rule, Ruleset, Statement, Table, TableFamily};
use engine::simulate::Trace;
use engine::simulate::trace::{Outcome, RuleStep, Step};
use nft_ffi::netlink::{Family, Socket};

use crate::Failure;

/// A rule: its table's family, its chain, its place there.
pub type RuleAt<'r> = (&'static str, &'r str, usize);

/// The counters of a loaded ruleset.
pub struct Counters<'r> {
    ruleset: &'r Ruleset,
    socket: Socket,
    last: BTreeMap<RuleAt<'r>, u64>,
}

impl<'r> Counters<'r> {
    /// As they are now.
    pub fn new(ruleset: &'r Ruleset) -> Result<Counters<'r>, Failure> {
        let mut counters = Counters { ruleset, socket: Socket::new()?, last: BTreeMap::new() };
        counters.take()?;
        Ok(counters)
    }

    /// The rules that have counted since the last call.
    pub fn take(&mut self) -> Result<BTreeSet<RuleAt<'r>>, Failure> {
        let now = self.read()?;
        let before = std::mem::replace(&mut self.last, now);
        let grown = self.last.iter().filter(|(at, count)| before.get(*at).copied().unwrap_or(0) < **count);
        Ok(grown.map(|(at, _)| *at).collect())
    }

    fn read(&mut self) -> Result<BTreeMap<RuleAt<'r>, u64>, Failure> {
        let mut all = BTreeMap::new();
        for table in &self.ruleset.tables {
            let names: BTreeSet<&'r str> = table.chains.iter().map(|chain| &*chain.name).collect();
            let mut n_seen: BTreeMap<&'r str, usize> = BTreeMap::new();
            for rule in self.socket.rules(family(table), &table.name, None)? {
                let chain = names.get(rule.chain.as_str()).copied();
                let chain = chain.ok_or_else(|| format!("a chain `{}` that is not ours", rule.chain))?;
                let at = n_seen.entry(chain).or_default();
                if let Some(counter) = rule.counter {
                    all.insert((table.family.as_str(), chain, *at), counter.packets);
                }
                *at += 1;
            }
        }
        Ok(all)
    }
}

fn family(table: &Table) -> Family {
    match table.family {
        TableFamily::Inet => Family::INET,
        TableFamily::Bridge => Family::BRIDGE,
        TableFamily::Netdev => Family::NETDEV,
    }
}

/// The rules that count the packet by the simulation.
pub fn expected<'r>(trace: &Trace<'r>) -> BTreeSet<RuleAt<'r>> {
    let steps = trace.steps.iter().filter_map(|step| match step {
        Step::Rule(step) => Some(step),
        Step::Hook { .. } | Step::Chain { .. } | Step::Policy | Step::Answer { .. } => None,
    });
    steps.filter(|step| counts(step)).map(place).collect()
}

/// The deciding rule, if it has a counter.
pub fn deciding<'r>(trace: &Trace<'r>) -> Option<RuleAt<'r>> {
    let by = trace.deciding?;
    counter_idx(by.rule)?;
    let idx = by.chain.rules.iter().position(|rule| std::ptr::eq(rule, by.rule))?;
    Some((by.table.family.as_str(), &by.chain.name, idx))
}

fn place<'r>(step: &RuleStep<'r>) -> RuleAt<'r> {
    let (table, chain, rule) = (step.place.table, step.place.chain, step.place.rule);
    let idx = chain.rules.iter().position(|other| std::ptr::eq(other, rule));
    (table.family.as_str(), &chain.name, idx.expect("a rule is in its chain"))
}

fn counter_idx(rule: &Rule) -> Option<usize> {
    rule.statements.iter().position(|statement| matches!(statement, Statement::Counter))
}

/// Statements run in order up to the first that fails.
fn counts(step: &RuleStep<'_>) -> bool {
    let statements = &step.place.rule.statements;
    let Some(counter) = counter_idx(step.place.rule) else { return false };
    let Outcome::NotMatched(mismatch) = &step.outcome else { return true };
    let failed = statements.iter().position(|statement| std::ptr::eq(statement, mismatch.statement));
    failed.is_some_and(|failed| counter < failed)
}
