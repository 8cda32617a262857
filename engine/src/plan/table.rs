//! Contributions -> table: the union of their chains and sets, and the maps that hold elements of all of them.
//!
//! What no changed contribution touches is taken from the table before: the maps that all guests share are put
//! together again only where one of their elements is another one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::shared::Shared;
use super::unit::{Contribution, NamedIpset, SharedElements, address_set, address_set_name, same_or_new};
use crate::model::names::{IfName, Vmid};
use crate::resolve::{Ipset, Ipsets};
use crate::ruleset::{Chain, Name, Origin, Set, Statement, Table, TableFamily, Verdict};

/// Whose contribution it is; contributions stand in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Skeleton,
    Vnet(IfName),
    Guest(Vmid),
}

/// All of a table, ascending by owner.
pub(super) type Contributions = Vec<(Owner, Arc<Contribution>)>;

/// What putting a table together keeps; starts empty.
#[derive(Debug, Default)]
pub(super) struct Memo {
    contributions: Contributions,
    /// Sets of lists, by content, and those of the skeleton.
    listed: BTreeMap<Name, Arc<Set>>,
    /// Sets that the cluster shares, with what each was made from.
    named: BTreeMap<NamedIpset, (Arc<Ipset>, Arc<Set>)>,
    ipsets: Arc<Ipsets>,
    shared: BTreeMap<Shared, Arc<Set>>,
    /// All of these, by name.
    sets: Vec<Arc<Set>>,
}

/// What must be put together anew.
#[derive(Default)]
struct Fresh {
    listed: bool,
    named: bool,
    shared: BTreeSet<Shared>,
}

/// The finished table, with all shared maps of its family, empty ones included.
pub(super) fn table(
    (family, name): (TableFamily, &str),
    diverts: bool,
    contributions: Contributions,
    ipsets: &Arc<Ipsets>,
    memo: &mut Memo,
) -> Table {
    let mut fresh = Fresh::between(&memo.contributions, &contributions);
    fresh.named |= !Arc::ptr_eq(&memo.ipsets, ipsets);
    let is_wanted =
        |shared: &Shared| shared.family() == family && (diverts || *shared != Shared::DivertReady);
    fresh.shared.retain(is_wanted);
    fresh.named |= memo.shared.keys().any(|shared| !is_wanted(shared));
    memo.shared.retain(|shared, _| is_wanted(shared));
    let fixed = || Shared::FIXED.iter().copied().filter(is_wanted);
    fresh.shared.extend(fixed().filter(|shared| !memo.shared.contains_key(shared)));
    if fresh.listed {
        memo.listed = listed(&contributions);
    }
    if fresh.named {
        memo.named = named(&contributions, ipsets, &memo.named);
        memo.ipsets = ipsets.clone();
    }
    for (shared, elements) in elements(&contributions, &fresh.shared) {
        if shared.is_numbered() && elements.is_empty() {
            memo.shared.remove(&shared);
        } else {
            let set = same_or_new(memo.shared.get(&shared), shared.set(elements));
            memo.shared.insert(shared, set);
        }
    }
    if fresh.listed || fresh.named || !fresh.shared.is_empty() {
        let named = memo.named.values().map(|(_, set)| set);
        let sets = memo.listed.values().chain(named).chain(memo.shared.values());
        let by_name: BTreeMap<&Name, &Arc<Set>> = sets.map(|set| (&set.name, set)).collect();
        memo.sets = by_name.into_values().cloned().collect();
    }
    // Nobody else has base chains, and thousands of chains are not looked into for nothing.
    let is_left_out =
        |owner: &Owner, chain: &Chain| *owner == Owner::Skeleton && is_idle(chain, &memo.shared);
    let chains = contributions
        .iter()
        .flat_map(|(owner, contribution)| contribution.chains.iter().map(move |chain| (owner, chain)))
        .filter(|(owner, chain)| !is_left_out(owner, chain))
        .map(|(_, chain)| chain.clone())
        .collect();
    let helpers = contributions.iter().flat_map(|(_, contribution)| &contribution.helpers).cloned().collect();
    memo.contributions = contributions;
    Table { family, name: name.into(), helpers, sets: memo.sets.clone(), chains }
}

/// Whether a base chain does nothing to any packet: its rules accept, as its end does, or look into empty maps. Each
/// base chain costs every frame.
fn is_idle(chain: &Chain, shared: &BTreeMap<Shared, Arc<Set>>) -> bool {
    let is_empty = |map: &Name| shared.values().any(|set| set.name == *map && set.elements.is_empty());
    let does_nothing = |statement: &Statement| {
        matches!(statement, Statement::VerdictMap { map, .. } if is_empty(map))
            || matches!(statement, Statement::CtState(_) | Statement::Verdict(Verdict::Accept))
    };
    chain.base.is_some() && chain.rules.iter().flat_map(|rule| &rule.statements).all(does_nothing)
}

impl Fresh {
    fn between(before: &Contributions, now: &Contributions) -> Fresh {
        let mut fresh = Fresh::default();
        let mut before = before.iter().peekable();
        for (owner, contribution) in now {
            while let Some((_, gone)) = before.next_if(|(known, _)| known < owner) {
                fresh.note(Some(gone), None);
            }
            match before.next_if(|(known, _)| known == owner) {
                Some((_, known)) if Arc::ptr_eq(known, contribution) => {}
                known => fresh.note(known.map(|(_, known)| &**known), Some(contribution)),
            }
        }
        for (_, gone) in before {
            fresh.note(Some(gone), None);
        }
        fresh
    }

    fn note(&mut self, before: Option<&Contribution>, now: Option<&Contribution>) {
        let sets = |of: Option<&Contribution>| of.map_or(0, |of| of.sets.len());
        let same_sets = match (before, now) {
            (Some(before), Some(now)) => before.sets == now.sets,
            (Some(_), None) | (None, Some(_)) | (None, None) => sets(before) + sets(now) == 0,
        };
        self.listed |= !same_sets;
        fn ipsets(of: Option<&Contribution>) -> &[NamedIpset] {
            of.map_or(&[], |of| &of.ipsets)
        }
        self.named |= ipsets(before) != ipsets(now);
        let none = SharedElements::new();
        let [before, now] = [before, now].map(|of| of.map_or(&none, |of| &of.elements));
        let differs = |shared: &&Shared| before.get(*shared) != now.get(*shared);
        self.shared.extend(before.keys().chain(now.keys()).filter(differs));
    }
}

/// Sets of equal name are equal, but for their origin: the first one's counts.
fn listed(contributions: &Contributions) -> BTreeMap<Name, Arc<Set>> {
    let mut listed = BTreeMap::new();
    for (name, set) in contributions.iter().flat_map(|(_, contribution)| &contribution.sets) {
        if !listed.contains_key(name) {
            listed.insert(name.clone(), set.clone());
        }
    }
    listed
}

/// What rules name: each family of an IPSet.
fn named(
    contributions: &Contributions,
    ipsets: &Ipsets,
    before: &BTreeMap<NamedIpset, (Arc<Ipset>, Arc<Set>)>,
) -> BTreeMap<NamedIpset, (Arc<Ipset>, Arc<Set>)> {
    let wanted: BTreeSet<&NamedIpset> = contributions.iter().flat_map(|(_, c)| &c.ipsets).collect();
    let mut named = BTreeMap::new();
    for key @ (name, family) in wanted {
        let Some(ipset) = ipsets.get(name) else { continue };
        let set = match before.get(key) {
            Some((from, set)) if Arc::ptr_eq(from, ipset) => set.clone(),
            known => {
                let origin = ipset.span.map_or(Origin::Skeleton("ipsets"), Origin::Line);
                let name = address_set_name(name, *family).into();
                let set = address_set(name, *family, ipset.of(*family), origin);
                same_or_new(known.map(|(_, set)| set), set)
            }
        };
        named.insert(key.clone(), (ipset.clone(), set));
    }
    named
}

/// The elements of these maps, ascending by key; of equal keys the first one counts.
fn elements(contributions: &Contributions, wanted: &BTreeSet<Shared>) -> SharedElements {
    let mut all: SharedElements = wanted.iter().map(|shared| (*shared, Vec::new())).collect();
    if all.is_empty() {
        return all;
    }
    for (shared, elements) in contributions.iter().flat_map(|(_, contribution)| &contribution.elements) {
        if let Some(all) = all.get_mut(shared) {
            all.extend_from_slice(elements);
        }
    }
    for elements in all.values_mut() {
        elements.sort_by(|a, b| a.key.cmp(&b.key));
        elements.dedup_by(|a, b| a.key == b.key);
    }
    all
}
