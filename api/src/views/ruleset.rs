//! A ruleset with the reason for each of its parts, as JSON and as text.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::render;
use engine::ruleset::{
    Chain, Element, ElementData, Name, Origin, Ruleset, Set, SetKind, Statement, Table, Value, Verdict,
};
use engine::span::Sources;
use serde::Serialize;
use utoipa::ToSchema;

use super::trace::OriginView;
use crate::report;

/// The answer of `GET /v1/ruleset`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RulesetView {
    /// In the order in which they are loaded.
    pub tables: Vec<TableView>,
}

/// A table.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TableView {
    /// `inet`, `bridge`
    pub family: &'static str,
    /// Its name.
    pub name: String,
    /// Names of conntrack helper objects.
    pub helpers: Vec<String>,
    /// Sets and maps.
    pub sets: Vec<SetView>,
    /// Base chains, then regular ones.
    pub chains: Vec<ChainView>,
}

/// A set or a map.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SetView {
    /// Its name.
    pub name: String,
    /// `set`, `verdict map`, `mark map`, `dynamic set`
    pub kind: &'static str,
    /// Types of its key.
    pub key: Vec<&'static str>,
    /// Its elements.
    pub elements: Vec<ElementView>,
    /// Where it comes from.
    pub origin: OriginView,
}

/// An element of a set or map.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ElementView {
    /// As nft(8) writes it.
    pub text: String,
    /// Where it comes from.
    pub origin: OriginView,
}

/// A chain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainView {
    /// Its name.
    pub name: String,
    /// Its hook; `null`: a regular chain.
    pub hook: Option<&'static str>,
    /// Its priority.
    pub priority: Option<i32>,
    /// Its rules.
    pub rules: Vec<RuleView>,
    /// Where it comes from.
    pub origin: OriginView,
}

/// A rule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleView {
    /// Its id: its comment in the kernel.
    pub id: String,
    /// As nft(8) writes it.
    pub text: String,
    /// Where it comes from.
    pub origin: OriginView,
}

impl RulesetView {
    /// The wire form.
    pub fn new(ruleset: &Ruleset, sources: &Sources) -> RulesetView {
        RulesetView { tables: ruleset.tables.iter().map(|table| TableView::new(table, sources)).collect() }
    }
}

impl TableView {
    fn new(table: &Table, sources: &Sources) -> TableView {
        TableView {
            family: table.family.as_str(),
            name: table.name.to_string(),
            helpers: table.helpers.iter().map(|helper| helper.name.to_string()).collect(),
            sets: table.sets.iter().map(|set| SetView::new(set, sources)).collect(),
            chains: table.chains.iter().map(|chain| ChainView::new(table, chain, sources)).collect(),
        }
    }
}

impl SetView {
    fn new(set: &Set, sources: &Sources) -> SetView {
        let element = |element: &Element| ElementView {
            text: render::element(set, element),
            origin: OriginView::new(element.origin, sources),
        };
        SetView {
            name: set.name.to_string(),
            kind: match set.kind {
                SetKind::Set => "set",
                SetKind::VerdictMap => "verdict map",
                SetKind::MarkMap => "mark map",
                SetKind::Dynamic { .. } => "dynamic set",
            },
            key: set.key.iter().map(|part| part.as_str()).collect(),
            elements: set.elements.iter().map(element).collect(),
            origin: OriginView::new(set.origin, sources),
        }
    }
}

impl ChainView {
    fn new(table: &Table, chain: &Chain, sources: &Sources) -> ChainView {
        let rule = |rule: &engine::ruleset::Rule| RuleView {
            id: rule.id.to_string(),
            text: render::rule(table.family, rule),
            origin: OriginView::new(rule.origin, sources),
        };
        ChainView {
            name: chain.name.to_string(),
            hook: chain.base.as_ref().map(|base| base.hook.as_str()),
            priority: chain.base.as_ref().map(|base| base.priority),
            rules: chain.rules.iter().map(rule).collect(),
            origin: OriginView::new(chain.origin, sources),
        }
    }
}

/// nft(8) text with a comment behind each line that the configuration led to.
pub fn text(ruleset: &Ruleset, sources: &Sources) -> String {
    let (plain, origins) = render::text_with_origins(ruleset);
    let mut text = String::with_capacity(plain.len() * 3 / 2);
    for (line, origin) in plain.lines().zip(origins) {
        text.push_str(line);
        if let Some(origin @ (Origin::Line(_) | Origin::Option { .. })) = origin {
            text.push_str(&format!(" # {}", report::origin(origin, sources)));
        }
        text.push('\n');
    }
    text
}

/// What one guest meets: its chains with all that they call, and its elements of shared sets and maps. To be read,
/// not to be loaded.
pub fn of_guest(ruleset: &Ruleset, vmid: u32) -> Ruleset {
    let tables = ruleset.tables.iter().map(|table| {
        let met = chains_met(table, &format!("guest-{vmid}-"));
        let devices = devices(table, vmid);
        Table {
            sets: table.sets.iter().filter_map(|set| own_elements(set, &devices, vmid)).collect(),
            chains: table.chains.iter().filter(|chain| met.contains(&chain.name)).cloned().collect(),
            helpers: Vec::new(),
            ..table.clone()
        }
    });
    let tables = tables.filter(|table| !table.chains.is_empty() || !table.sets.is_empty());
    Ruleset { tables: tables.collect() }
}

/// The chains whose names begin so, and those that they lead to.
fn chains_met(table: &Table, prefix: &str) -> BTreeSet<Name> {
    let own = table.chains.iter().filter(|chain| chain.name.starts_with(prefix));
    let mut open: Vec<Name> = own.map(|chain| chain.name.clone()).collect();
    let mut met = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(chain) = table.chain(&name) else { continue };
        if met.insert(name) {
            let statements = chain.rules.iter().flat_map(|rule| &rule.statements);
            open.extend(statements.filter_map(|statement| match statement {
                Statement::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) => Some(to.clone()),
                _ => None,
            }));
        }
    }
    met
}

/// What leads to chains of this guest: a port, or bridge and MAC, with which keys of other sets begin.
fn devices(table: &Table, vmid: u32) -> Vec<&[Value]> {
    let chains = format!("guest-{vmid}-");
    let leads = |element: &&Element| match &element.data {
        ElementData::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) => to.starts_with(&chains),
        ElementData::Verdict(_) | ElementData::None | ElementData::Mark(_) => false,
    };
    table.sets.iter().flat_map(|set| &set.elements).filter(leads).map(|element| &*element.key).collect()
}

/// The set with the elements alone of this guest's devices, or that name a port of it; `None`: it has none.
fn own_elements(set: &Set, devices: &[&[Value]], vmid: u32) -> Option<Arc<Set>> {
    let ports = [format!("tap{vmid}i"), format!("veth{vmid}i")];
    let is_own = |element: &&Element| {
        devices.iter().any(|device| element.key.starts_with(device))
            || element.key.iter().any(|part| match part {
                Value::Name(name) => ports.iter().any(|prefix| name.starts_with(prefix.as_str())),
                Value::Number(_) => false,
            })
    };
    let elements: Vec<Element> = set.elements.iter().filter(is_own).cloned().collect();
    (!elements.is_empty()).then(|| Arc::new(Set { elements, ..set.clone() }))
}

#[cfg(test)]
mod tests {
    use engine::ruleset::{DataType, TableFamily};

    use super::*;

    /// A guest's device is told by its port, or by bridge and MAC.
    #[test]
    fn a_guests_elements_are_those_of_its_devices() {
        let origin = Origin::Skeleton("a test");
        let device = |mac: u128| [Value::name("vmbr0"), Value::number(mac)];
        let element = |key: Vec<Value>, data| Element { key: key.into(), data, origin };
        let leads = |mac, to: &str| {
            let data = ElementData::Verdict(Verdict::Goto(to.into()));
            element(device(mac).to_vec(), data)
        };
        let listed = |mac| element([&device(mac)[..], &[Value::number(80)]].concat(), ElementData::None);
        let set = |name: &str, kind, elements| {
            let key = [DataType::Ifname, DataType::EtherAddr].into();
            Arc::new(Set { name: name.into(), key, kind, interval: false, elements, origin })
        };
        let map =
            set("map", SetKind::VerdictMap, vec![leads(1, "guest-100-reject"), leads(2, "guest-1001-in")]);
        let lists = set("lists", SetKind::Set, vec![listed(1), listed(2)]);
        let (helpers, chains) = (Vec::new(), Vec::new());
        let table =
            Table { family: TableFamily::Bridge, name: "t".into(), helpers, sets: vec![map, lists], chains };
        let own = of_guest(&Ruleset { tables: vec![table] }, 100);
        let keys: Vec<Vec<Value>> =
            own.tables[0].sets.iter().flat_map(|set| &set.elements).map(|e| e.key.to_vec()).collect();
        assert_eq!(keys, [device(1).to_vec(), listed(1).key.to_vec()]);
    }
}
