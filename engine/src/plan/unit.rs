//! What one guest, VNet or zone contributes to a table, and the union of such contributions.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::shared::Shared;
use crate::model::address::{Family, IpInterval};
use crate::model::port::PortRange;
use crate::resolve::Ipset;
use crate::ruleset::{
    Base, Chain, DataType, Element, ElementData, HelperObject, Hook, Name, Origin, Rule, RuleId, Set,
    SetKind, Statement, Table, TableFamily, Value, Verdict,
};

/// Chains, sets and elements of shared maps. A pure value: units of two guests do not know each other.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) helpers: Vec<HelperObject>,
    pub(super) chains: Vec<Chain>,
    sets: BTreeMap<Name, Set>,
    ipsets: Vec<NamedIpset>,
    elements: Vec<(Shared, Element)>,
}

/// One family of an IPSet that the cluster shares, which rules name. It becomes a set when the table is finished:
/// a thousand guests name it, and it is built once.
#[derive(Debug)]
struct NamedIpset {
    ipset: Arc<Ipset>,
    family: Family,
    name: Name,
}

impl Unit {
    /// Adds an element to a shared set.
    pub(super) fn element(&mut self, shared: Shared, key: impl Into<Box<[Value]>>, origin: Origin) {
        self.elements.push((shared, Element { key: key.into(), data: ElementData::None, origin }));
    }

    /// Adds a key to a shared verdict map.
    pub(super) fn verdict(
        &mut self,
        shared: Shared,
        key: impl Into<Box<[Value]>>,
        verdict: Verdict,
        origin: Origin,
    ) {
        let data = ElementData::Verdict(verdict);
        self.elements.push((shared, Element { key: key.into(), data, origin }));
    }

    /// Adds a key to a shared mark map.
    pub(super) fn mark(&mut self, shared: Shared, key: impl Into<Box<[Value]>>, mark: u32, origin: Origin) {
        self.elements.push((shared, Element { key: key.into(), data: ElementData::Mark(mark), origin }));
    }

    /// The kernel set of one family of an IPSet that the cluster shares: `v4-dc/<name>`.
    pub(super) fn ipset(&mut self, ipset: &Arc<Ipset>, family: Family) -> Name {
        if let Some(named) = self.ipsets.iter().find(|named| named.is(ipset, family)) {
            return named.name.clone();
        }
        let name: Name = address_set_name(&ipset.name, family).into();
        self.ipsets.push(NamedIpset { ipset: ipset.clone(), family, name: name.clone() });
        name
    }

    /// The set of a long literal list, by its content: equal lists of different guests are one set.
    pub(super) fn literal(&mut self, family: Family, intervals: &[IpInterval], origin: Origin) -> Name {
        self.address_set(&content_hash(intervals), family, intervals, origin)
    }

    fn address_set(&mut self, name: &str, family: Family, intervals: &[IpInterval], origin: Origin) -> Name {
        let data_type = match family {
            Family::V4 => DataType::Ipv4Addr,
            Family::V6 => DataType::Ipv6Addr,
        };
        let values = intervals.iter().map(|i| Value::Number { first: i.first, last: i.last });
        self.column(address_set_name(name, family), data_type, values.collect(), origin)
    }

    /// The set of a long port list, by its content.
    pub(super) fn ports(&mut self, ranges: &[PortRange], origin: Origin) -> Name {
        let value = |r: &PortRange| Value::Number { first: r.first.into(), last: r.last.into() };
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
            let interval = matches!(data_type, DataType::Ipv4Addr | DataType::Ipv6Addr)
                || values.iter().any(|v| matches!(v, Value::Number { first, last } if first != last));
            let element = |value| Element { key: [value].into(), data: ElementData::None, origin };
            let elements = values.into_iter().map(element).collect();
            let key = [data_type].into();
            let set = Set { name: name.clone(), key, kind: SetKind::Set, interval, elements, origin };
            self.sets.insert(name.clone(), set);
        }
        name
    }

    /// Takes over what another unit contributes. Sets of equal name are equal: a name is an IPSet's or a hash.
    pub(super) fn absorb(&mut self, other: Unit) {
        self.helpers.extend(other.helpers);
        self.chains.extend(other.chains);
        for (name, set) in other.sets {
            self.sets.entry(name).or_insert(set);
        }
        for named in other.ipsets {
            if !self.ipsets.iter().any(|known| known.is(&named.ipset, named.family)) {
                self.ipsets.push(named);
            }
        }
        self.elements.extend(other.elements);
    }

    /// The finished table, with all `shared` sets of its family, empty ones included.
    pub(super) fn into_table(mut self, family: TableFamily, name: &str) -> Table {
        for NamedIpset { ipset, family, .. } in std::mem::take(&mut self.ipsets) {
            let origin = ipset.span.map_or(Origin::Skeleton("ipsets"), Origin::Line);
            self.address_set(&ipset.name, family, ipset.of(family), origin);
        }
        let mut shared: BTreeMap<Shared, Vec<Element>> = BTreeMap::new();
        for definition in Shared::ALL.iter().filter(|s| s.family() == family) {
            shared.insert(*definition, Vec::new());
        }
        for (set, element) in self.elements {
            shared.entry(set).or_default().push(element);
        }
        for (definition, mut elements) in shared {
            elements.sort_by(|a, b| a.key.cmp(&b.key));
            elements.dedup_by(|a, b| a.key == b.key);
            let set = definition.set(elements);
            self.sets.insert(set.name.clone(), set);
        }
        self.chains.sort_by_key(|chain| chain.base.is_none());
        for rule in self.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            // Both tables have chains of the same name; a configured rule is the same rule in both.
            if family == TableFamily::Bridge && !matches!(rule.origin, Origin::Line(_)) {
                rule.id = RuleId(rule.id.0.rotate_left(1));
            }
        }
        Table {
            family,
            name: name.into(),
            helpers: self.helpers,
            sets: self.sets.into_values().collect(),
            chains: self.chains,
        }
    }
}

impl NamedIpset {
    fn is(&self, ipset: &Arc<Ipset>, family: Family) -> bool {
        self.family == family && Arc::ptr_eq(&self.ipset, ipset)
    }
}

/// `v4-dc/<name>`, `v6-<hash>`
fn address_set_name(name: &str, family: Family) -> String {
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
        builder.chain.base = Some(Base { hook, priority });
        builder
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.chain.name
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
    pub(super) fn finish(self) -> Chain {
        self.chain
    }
}
