//! Chains as a graph: from which hooks is a chain reached, how deep, and does a jump come back?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Illegal, Scope};
use crate::ruleset::{Chain, ElementData, Hook, Rule, Set, Statement, TableFamily, Verdict};

/// Most jumps from a base chain (`NFT_JUMP_STACK_SIZE`: the sixteenth is refused); a goto counts as well.
const JUMPS_MAX: usize = 15;

pub(super) fn check_reach(found: &mut Vec<Illegal>, scope: &Scope<'_>) {
    let graph = Graph::new(scope);
    if let Some(chain) = graph.chain_in_cycle() {
        let place = format!("chain {}", chain.name);
        return found.push(scope.illegal(&place, "jumps lead back to it", chain.origin));
    }
    let depths = graph.depths();
    for chain in &scope.table.chains {
        if depths.get(&*chain.name).is_some_and(|depth| *depth > JUMPS_MAX) {
            let problem = format!("more than {JUMPS_MAX} jumps away from a base chain");
            found.push(scope.illegal(&format!("chain {}", chain.name), problem, chain.origin));
        }
    }
    let hooks = graph.hooks();
    for chain in &scope.table.chains {
        let Some(reached_from) = hooks.get(&*chain.name) else { continue };
        for rule in &chain.rules {
            for problem in hook_problems(scope.table.family, rule, reached_from) {
                found.push(scope.illegal(
                    &format!("chain {}, rule {}", chain.name, rule.id),
                    problem,
                    rule.origin,
                ));
            }
        }
    }
}

fn hook_problems(family: TableFamily, rule: &Rule, hooks: &BTreeSet<Hook>) -> Vec<String> {
    let problems = rule.statements.iter().filter_map(|statement| {
        let (what, allowed) = allowed_hooks(family, statement)?;
        let hook = hooks.iter().find(|hook| !allowed.contains(hook))?;
        Some(format!("{what} is reached from hook {}", hook.as_str()))
    });
    problems.collect()
}

/// Hooks of statements that the kernel allows in some only, or that do nothing elsewhere.
fn allowed_hooks(family: TableFamily, statement: &Statement) -> Option<(&'static str, &'static [Hook])> {
    match (statement, family) {
        (Statement::Reject(_), TableFamily::Bridge) => Some(("reject", &[Hook::Prerouting, Hook::Input])),
        (Statement::Reject(_), TableFamily::Inet) => {
            Some(("reject", &[Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output]))
        }
        (Statement::Reject(_), TableFamily::Netdev) => Some(("reject", &[])),
        (Statement::Forward(_), TableFamily::Netdev) => Some(("fwd", &[Hook::Egress])),
        (Statement::Forward(_), TableFamily::Inet | TableFamily::Bridge) => Some(("fwd", &[])),
        (Statement::Notrack, _) => Some(("notrack", &[Hook::Prerouting, Hook::Output])),
        _ => None,
    }
}

/// Jumps and gotos of a table, those through verdict maps included.
struct Graph<'table> {
    targets: BTreeMap<&'table str, BTreeSet<&'table str>>,
    chains: &'table [Arc<Chain>],
}

impl<'table> Graph<'table> {
    fn new(scope: &Scope<'table>) -> Graph<'table> {
        let by_map: BTreeMap<&str, BTreeSet<&str>> =
            scope.table.sets.iter().map(|set| (&*set.name, targets_of_map(set))).collect();
        let targets_of = |chain: &'table Chain| {
            let mut targets = BTreeSet::new();
            for statement in chain.rules.iter().flat_map(|rule| &rule.statements) {
                match statement {
                    Statement::Verdict(verdict) => targets.extend(target(verdict)),
                    Statement::VerdictMap { map, .. } => {
                        targets.extend(by_map.get(&**map).into_iter().flatten())
                    }
                    _ => {}
                }
            }
            targets.retain(|name| scope.chains.contains_key(name));
            targets
        };
        let chains = &*scope.table.chains;
        Graph { targets: chains.iter().map(|chain| (&*chain.name, targets_of(chain))).collect(), chains }
    }

    /// Chains that nothing leads to any more once those before them are taken away; what remains turns in circles.
    fn order(&self) -> Vec<&'table str> {
        let mut incoming: BTreeMap<&str, usize> = self.targets.keys().map(|name| (*name, 0)).collect();
        for name in self.targets.values().flatten() {
            *incoming.entry(name).or_default() += 1;
        }
        let mut order: Vec<&str> = incoming.iter().filter(|(_, n)| **n == 0).map(|(name, _)| *name).collect();
        let mut next = 0;
        while next < order.len() {
            for target in &self.targets[order[next]] {
                let n_left = incoming.entry(target).or_default();
                *n_left -= 1;
                if *n_left == 0 {
                    order.push(target);
                }
            }
            next += 1;
        }
        order
    }

    fn chain_in_cycle(&self) -> Option<&'table Chain> {
        let ordered: BTreeSet<&str> = self.order().into_iter().collect();
        self.chains.iter().map(|chain| &**chain).find(|chain| !ordered.contains(&*chain.name))
    }

    /// Most jumps on a way from a base chain, for every chain that is reached from one.
    fn depths(&self) -> BTreeMap<&'table str, usize> {
        let bases = self.chains.iter().filter(|chain| chain.base.is_some());
        let mut depths: BTreeMap<&str, usize> = bases.map(|chain| (&*chain.name, 0)).collect();
        for name in self.order() {
            let Some(depth) = depths.get(name).copied() else { continue };
            for target in &self.targets[name] {
                let deepest = depths.entry(target).or_default();
                *deepest = (*deepest).max(depth + 1);
            }
        }
        depths
    }

    /// Hooks from which each chain is reached.
    fn hooks(&self) -> BTreeMap<&'table str, BTreeSet<Hook>> {
        let bases =
            self.chains.iter().filter_map(|chain| chain.base.as_ref().map(|base| (&*chain.name, base.hook)));
        let mut hooks: BTreeMap<&str, BTreeSet<Hook>> =
            bases.map(|(name, hook)| (name, BTreeSet::from([hook]))).collect();
        for name in self.order() {
            let Some(reached_from) = hooks.get(name).cloned() else { continue };
            for target in &self.targets[name] {
                hooks.entry(target).or_default().extend(&reached_from);
            }
        }
        hooks
    }
}

/// Chains that a map leads to.
pub(super) fn targets_of_map(map: &Set) -> BTreeSet<&str> {
    let verdicts = map.elements.iter().filter_map(|element| match &element.data {
        ElementData::Verdict(verdict) => target(verdict),
        ElementData::None | ElementData::Mark(_) => None,
    });
    verdicts.collect()
}

/// The chain that a verdict leads to.
pub(super) fn target(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        Verdict::Accept | Verdict::Drop | Verdict::Return => None,
    }
}
