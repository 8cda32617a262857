//! What one guest, VNet or zone contributes to a table: being written, and finished.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::listed::Lists;
use super::shared::Shared;
use crate::divert::Pair;
use crate::model::address::{Family, IpInterval};
use crate::model::port::PortRange;
use crate::ruleset::{
    Base, Chain, DataType, Device, Element, ElementData, HelperObject, Hook, Name, Origin, Rule, RuleId, Set,
    SetKind, Statement, TableFamily, Value, Verdict,
};

/// Chains, sets and elements of shared maps. A pure value: units of two guests do not know each other.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) helpers: Vec<HelperObject>,
    pub(super) chains: Vec<Chain>,
    sets: BTreeMap<Name, Set>,
    ipsets: BTreeMap<NamedIpset, Name>,
    elements: SharedElements,
    /// Lists of ports in sets by device.
    pub(super) device_ports: Lists,
    /// Lists of ports in sets by bridge and MAC.
    pub(super) mac_ports: Lists,
    /// Base chains at the devices of a guest; they are in a table of their own.
    pub(super) egress: Vec<Chain>,
    /// Pairs to the bridge that answers.
    pub(super) pairs: Vec<Pair>,
}

/// One family of an IPSet that the cluster shares, which rules name. It becomes a set when the table is put
/// together: a thousand guests name it, and it is built once.
pub(super) type NamedIpset = (Arc<str>, Family);

/// Elements by the set that they are for.
pub(super) type SharedElements = BTreeMap<Shared, Vec<Element>>;

/// A finished unit, which generations share.
#[derive(Debug)]
pub(super) struct Contribution {
    pub(super) helpers: Vec<HelperObject>,
    /// Base chains first.
    pub(super) chains: Vec<Arc<Chain>>,
    pub(super) sets: BTreeMap<Name, Arc<Set>>,
    pub(super) ipsets: Vec<NamedIpset>,
    pub(super) elements: SharedElements,
    pub(super) egress: Vec<Arc<Chain>>,
    pub(super) pairs: Vec<Pair>,
}

impl Unit {
    /// Adds an element to a shared set.
    pub(super) fn element(&mut self, shared: Shared, key: impl Into<Arc<[Value]>>, origin: Origin) {
        self.insert(shared, Element { key: key.into(), data: ElementData::None, origin });
    }

    fn insert(&mut self, shared: Shared, element: Element) {
        self.elements.entry(shared).or_default().push(element);
    }

    /// Adds a key to a shared verdict map.
    pub(super) fn verdict(
        &mut self,
        shared: Shared,
        key: impl Into<Arc<[Value]>>,
        verdict: Verdict,
        origin: Origin,
    ) {
        self.insert(shared, Element { key: key.into(), data: ElementData::Verdict(verdict), origin });
    }

    /// Adds a key to a shared mark map.
    pub(super) fn mark(&mut self, shared: Shared, key: impl Into<Arc<[Value]>>, mark: u32, origin: Origin) {
        self.insert(shared, Element { key: key.into(), data: ElementData::Mark(mark), origin });
    }

    /// The kernel set of one family of an IPSet that the cluster shares: `v4-dc/<name>`.
    pub(super) fn ipset(&mut self, ipset: &Arc<str>, family: Family) -> Name {
        let named = self.ipsets.entry((ipset.clone(), family));
        named.or_insert_with(|| address_set_name(ipset, family).into()).clone()
    }

    /// The set of a long literal list, by its content: equal lists of different guests are one set.
    pub(super) fn literal(&mut self, family: Family, intervals: &[IpInterval], origin: Origin) -> Name {
        self.address_set(&content_hash(intervals), family, intervals, origin)
    }

    fn address_set(&mut self, name: &str, family: Family, intervals: &[IpInterval], origin: Origin) -> Name {
        let name: Name = address_set_name(name, family).into();
        if !self.sets.contains_key(&name) {
            self.sets.insert(name.clone(), address_set(name.clone(), family, intervals, origin));
        }
        name
    }

    /// The set of a long port list, by its content.
    pub(super) fn ports(&mut self, ranges: &[PortRange], origin: Origin) -> Name {
        let value = |r: &PortRange| Value::range(r.first.into(), r.last.into());
        let name = format!("ports-{}", content_hash(ranges));
        self.column(name, DataType::InetService, ranges.iter().map(value).collect(), origin)
    }

    /// A set with a key of one field.
    pub(super) fn column(
        &mut self,
        name: String,
        data_type: DataType,
        values: Vec<Value>,
        origin: Origin,
    ) -> Name {
        let name: Name = name.into();
        if !self.sets.contains_key(&name) {
            self.sets.insert(name.clone(), column(name.clone(), data_type, values, origin));
        }
        name
    }

    /// Finishes it for a table of this family. What comes out as in `before` is that of `before`.
    pub(super) fn finish(mut self, family: TableFamily, before: Option<&Contribution>) -> Contribution {
        self.chains.sort_by_key(|chain| chain.base.is_none());
        self.elements.values_mut().for_each(Vec::shrink_to_fit);
        for rule in self.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            // Both tables have chains of the same name; a configured rule is the same rule in both.
            if family == TableFamily::Bridge && !matches!(rule.origin, Origin::Line(_)) {
                rule.id = RuleId(rule.id.0.rotate_left(1));
            }
        }
        let chain_before = |at: usize, name: &Name| {
            let chains = &before?.chains;
            let there = chains.get(at).filter(|known| known.name == *name);
            there.or_else(|| chains.iter().find(|known| known.name == *name))
        };
        let chains = self.chains.into_iter().enumerate();
        let chains = chains.map(|(at, chain)| same_or_new(chain_before(at, &chain.name), chain)).collect();
        let egress_before = |chain: &Chain| before?.egress.iter().find(|known| known.name == chain.name);
        let egress = self.egress.into_iter().map(|chain| same_or_new(egress_before(&chain), chain));
        let set_before = |name: &Name| before?.sets.get(name);
        let sets = self.sets.into_iter().map(|(name, set)| {
            let set = same_or_new(set_before(&name), set);
            (name, set)
        });
        Contribution {
            helpers: self.helpers,
            chains,
            sets: sets.collect(),
            ipsets: self.ipsets.into_keys().collect(),
            elements: self.elements,
            egress: egress.collect(),
            pairs: self.pairs,
        }
    }
}

/// What was there before, if it is equal.
pub(super) fn same_or_new<T: PartialEq>(before: Option<&Arc<T>>, now: T) -> Arc<T> {
    before.filter(|before| ***before == now).cloned().unwrap_or_else(|| Arc::new(now))
}

/// A set of addresses of one family.
pub(super) fn address_set(name: Name, family: Family, intervals: &[IpInterval], origin: Origin) -> Set {
    let data_type = match family {
        Family::V4 => DataType::Ipv4Addr,
        Family::V6 => DataType::Ipv6Addr,
    };
    let values = intervals.iter().map(|i| Value::range(i.first, i.last));
    column(name, data_type, values.collect(), origin)
}

fn column(name: Name, data_type: DataType, values: Vec<Value>, origin: Origin) -> Set {
    let interval = matches!(data_type, DataType::Ipv4Addr | DataType::Ipv6Addr)
        || values.iter().any(|v| matches!(v, Value::Number(numbers) if numbers.single().is_none()));
    let element = |value| Element { key: [value].into(), data: ElementData::None, origin };
    let elements = values.into_iter().map(element).collect();
    Set { name, key: [data_type].into(), kind: SetKind::Set, interval, elements, origin }
}

/// `v4-dc/<name>`, `v6-<hash>`
pub(super) fn address_set_name(name: &str, family: Family) -> String {
    match family {
        Family::V4 => format!("v4-{name}"),
        Family::V6 => format!("v6-{name}"),
    }
}

/// 64 bits are enough: a list that collides with a foreign one would have to be a second preimage.
fn content_hash<T: Hash>(content: &[T]) -> String {
    let mut hasher = SipHasher13::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Rules that we add to configured ones, in nearly every chain.
const OWN_RULES: usize = 4;

/// A chain being written.
pub(super) struct ChainBuilder {
    chain: Chain,
    /// How often each paragraph has written here: the ordinal of its next rule.
    written: Vec<(&'static str, u32)>,
}

impl ChainBuilder {
    /// A regular chain.
    pub(super) fn regular(name: impl Into<Name>, origin: Origin) -> ChainBuilder {
        let chain = Chain { name: name.into(), base: None, rules: Vec::new(), origin };
        ChainBuilder { chain, written: Vec::new() }
    }

    /// A base chain.
    pub(super) fn base(name: &str, hook: Hook, priority: i32, origin: Origin) -> ChainBuilder {
        let mut builder = ChainBuilder::regular(name, origin);
        builder.chain.base = Some(Base { hook, priority, device: None });
        builder
    }

    /// A base chain for what leaves a device, named like it.
    pub(super) fn egress(device: Device, origin: Origin) -> ChainBuilder {
        let mut builder = ChainBuilder::regular(device.name.clone(), origin);
        let device = Some(device);
        builder.chain.base = Some(Base { hook: Hook::Egress, priority: 0, device });
        builder
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.chain.name
    }

    /// Makes room for what this many configured lines need: a line seldom has more than two kernel rules.
    pub(super) fn reserve(&mut self, n_lines: usize) {
        self.chain.rules.reserve(2 * n_lines + OWN_RULES);
    }

    /// Adds a rule of ours: its id is chain, paragraph and ordinal.
    pub(super) fn rule(&mut self, origin: Origin, statements: impl Into<Vec<Statement>>) {
        let paragraph = match origin {
            Origin::Skeleton(paragraph) => paragraph,
            Origin::Option { name, .. } => name,
            Origin::Line(_) => "line",
        };
        let position = self.written.iter().position(|(name, _)| *name == paragraph);
        let ordinal = match position {
            Some(position) => {
                self.written[position].1 += 1;
                self.written[position].1
            }
            None => {
                self.written.push((paragraph, 0));
                0
            }
        };
        let id = RuleId::of(&self.chain.name, paragraph, ordinal);
        self.configured(id, origin, statements.into());
    }

    /// Adds a rule of the configuration, which has an id of its own.
    pub(super) fn configured(&mut self, id: RuleId, origin: Origin, statements: Vec<Statement>) {
        self.chain.rules.push(Rule { id, statements, origin });
    }

    /// The finished chain.
    pub(super) fn finish(mut self) -> Chain {
        self.chain.rules.shrink_to_fit();
        self.chain
    }
}
