//! Is a ruleset closed, legal in nft(8) and the kernel, and within their limits?
//!
//! A violation is a fault of the planner, never of the configuration: it is found before a kernel refuses the whole
//! transaction with less to say. What depends on modules of the running kernel is left to the kernel.

mod keywords;
mod reach;
mod rule;
mod set;
mod since;

use std::collections::BTreeMap;

pub(crate) use rule::{Implied, implied_by, rejected};
pub use since::check_since;

use super::{Chain, HelperObject, Hook, Origin, Ruleset, Set, Table, TableFamily};

/// Longest name of a table, chain, set or object (`NFT_NAME_MAXLEN`, nft 1.0.6 and later).
const NAME_MAX: usize = 128;

/// Something that would be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegal {
    /// The object: `bridge table x, chain y, rule 00000000000000ff`.
    pub place: String,
    /// What is the matter with it.
    pub problem: String,
    /// Why the object exists; tables have no origin.
    pub origin: Option<Origin>,
}

impl std::fmt::Display for Illegal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// All that is illegal, in the order of the ruleset.
pub fn check(ruleset: &Ruleset) -> Result<(), Vec<Illegal>> {
    let mut found = Vec::new();
    let names = ruleset.tables.iter().map(|table| (table.family, &*table.name));
    for (family, name) in duplicates(names) {
        let place = format!("{} table {name}", family.as_str());
        found.push(Illegal { place, problem: "occurs twice".to_owned(), origin: None });
    }
    for table in &ruleset.tables {
        check_table(&mut found, table);
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// A table with its names looked up: what every part of the check needs.
struct Scope<'table> {
    table: &'table Table,
    chains: BTreeMap<&'table str, &'table Chain>,
    sets: BTreeMap<&'table str, &'table Set>,
    helpers: BTreeMap<&'table str, &'table HelperObject>,
}

impl Scope<'_> {
    /// `inet table x, ` and the rest of the place.
    fn illegal(&self, place: &str, problem: impl Into<String>, origin: Origin) -> Illegal {
        let place = format!("{} table {}, {place}", self.table.family.as_str(), self.table.name);
        Illegal { place, problem: problem.into(), origin: Some(origin) }
    }

    /// A jump needs a chain that is there and has no hook.
    fn jump_problem(&self, chain: &str) -> Option<String> {
        match self.chains.get(chain) {
            None => Some(format!("there is no chain {chain}")),
            Some(chain) if chain.base.is_some() => {
                Some(format!("{} is a base chain: no jump leads there", chain.name))
            }
            Some(_) => None,
        }
    }
}

fn check_table(found: &mut Vec<Illegal>, table: &Table) {
    let scope = Scope {
        table,
        chains: table.chains.iter().map(|chain| (&*chain.name, &**chain)).collect(),
        sets: table.sets.iter().map(|set| (&*set.name, &**set)).collect(),
        helpers: table.helpers.iter().map(|helper| (&*helper.name, helper)).collect(),
    };
    if let Some(problem) = name_problem(&table.name) {
        let place = format!("{} table {}", table.family.as_str(), table.name);
        found.push(Illegal { place, problem, origin: None });
    }
    check_names(found, &scope, "chain", table.chains.iter().map(|chain| (&*chain.name, chain.origin)));
    check_names(found, &scope, "set", table.sets.iter().map(|set| (&*set.name, set.origin)));
    check_names(
        found,
        &scope,
        "ct helper",
        table.helpers.iter().map(|helper| (&*helper.name, helper.origin)),
    );
    for set in &table.sets {
        set::check_set(found, &scope, set);
    }
    for chain in &table.chains {
        if let Some(problem) = base_problem(table.family, chain) {
            found.push(scope.illegal(&format!("chain {}", chain.name), problem, chain.origin));
        }
        for rule in &chain.rules {
            rule::check_rule(found, &scope, chain, rule);
        }
    }
    reach::check_reach(found, &scope);
}

/// Each family has its own hooks, and only at a device a chain names one.
fn base_problem(family: TableFamily, chain: &Chain) -> Option<String> {
    let base = chain.base.as_ref()?;
    let at_device = family == TableFamily::Netdev;
    if (base.hook == Hook::Egress) != at_device {
        Some(format!("hook {} in family {}", base.hook.as_str(), family.as_str()))
    } else if base.device.is_some() != at_device {
        Some("a base chain names a device in the family netdev, and there alone".to_owned())
    } else {
        base.device.as_ref().and_then(|device| set::ifname_problem(&device.name))
    }
}

fn check_names<'n>(
    found: &mut Vec<Illegal>,
    scope: &Scope<'_>,
    kind: &str,
    names: impl Iterator<Item = (&'n str, Origin)> + Clone,
) {
    for name in duplicates(names.clone().map(|(name, _)| name)) {
        let origin = names.clone().find(|(other, _)| *other == name).map(|(_, origin)| origin);
        found.extend(origin.map(|origin| scope.illegal(&format!("{kind} {name}"), "occurs twice", origin)));
    }
    for (name, origin) in names {
        if let Some(problem) = name_problem(name) {
            found.push(scope.illegal(&format!("{kind} {name}"), problem, origin));
        }
    }
}

/// What occurs more than once, each once.
fn duplicates<T: Ord + Clone>(names: impl Iterator<Item = T>) -> Vec<T> {
    let mut names: Vec<T> = names.collect();
    names.sort_unstable();
    let mut twice: Vec<T> =
        names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
    twice.dedup();
    twice
}

/// nft(8), lexical conventions: a letter, `_` or `.`, then letters, digits, `/ - _ .`; no word of the language, which
/// no version takes without quotes.
fn name_problem(name: &str) -> Option<String> {
    let starts = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.');
    let continues = |byte: u8| starts(byte) || byte.is_ascii_digit() || matches!(byte, b'/' | b'-');
    if name.len() > NAME_MAX {
        Some(format!("a name of {} bytes, more than {NAME_MAX}", name.len()))
    } else if !name.bytes().next().is_some_and(starts) || !name.bytes().all(continues) {
        Some("a name that nft cannot read".to_owned())
    } else if keywords::KEYWORDS.binary_search(&name).is_ok() {
        Some(format!("`{name}` is a word of nft"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
