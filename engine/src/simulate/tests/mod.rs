//! Small rulesets, one reference network, and what packets meet there.

mod eval;
mod fields;
mod path;
mod reject;
mod trace;
mod world;

use std::sync::Arc;

use super::packet::Packet;
use super::world::{Interface, Port, World};
use super::{Trace, Verdict, simulate};
use crate::inputs::{HostAddress, LinkKind};
use crate::model::guest::GuestKind;
use crate::ruleset::{
    Base, Chain, Compare, Element, ElementData, Field, Hook, Op, Origin, Rule, RuleId, Ruleset, Set, SetKind,
    Statement, Table, TableFamily, Value,
};
use crate::ruleset::{Verdict as RuleVerdict, statement::Statement as S};
use crate::simulate::world::GuestPort;

/// What these tests build.
pub(super) const OURS: Origin = Origin::Skeleton("test");

pub(super) fn packet(line: &str) -> Packet {
    line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Three bridges: `vmbr0` with an uplink, `vmbr1`, and `vmbr2`, which is VLAN-aware and has an uplink.
pub(super) fn world() -> World {
    let mut world = World::default();
    for (bridge, addresses, vlan_aware) in [
        ("vmbr0", ["192.0.2.1/24", "2001:db8:a::1/64"], false),
        ("vmbr1", ["198.51.100.1/24", "2001:db8:b::1/64"], false),
        ("vmbr2", ["203.0.113.1/24", "2001:db8:c::1/64"], true),
    ] {
        let interface = Interface {
            mac: Some(format!("02:00:00:00:aa:0{}", &bridge[4..]).parse().expect("a MAC")),
            addresses: addresses.map(host_address).to_vec(),
            kind: LinkKind::Bridge { vlan_aware },
            index: 0,
        };
        world.add_interface(bridge, interface);
    }
    world.add_port(Some("outside"), port("eth0", "vmbr0", "02:00:00:00:00:50"));
    world.add_port(Some("trunk"), port("eth2", "vmbr2", "02:00:00:00:02:50"));
    world.add_port(None, guest(100, "tap100i0", "vmbr0", "bc:24:11:00:01:00"));
    world.add_port(None, guest(101, "tap101i0", "vmbr0", "bc:24:11:00:01:01"));
    world.add_port(None, guest(110, "tap110i0", "vmbr1", "bc:24:11:00:01:10"));
    world.add_port(None, Port { pvid: Some(7), ..guest(120, "tap120i0", "vmbr2", "bc:24:11:00:01:20") });
    world.add_port(None, guest(121, "tap121i0", "vmbr2", "bc:24:11:00:01:21"));
    world.add_port(None, guest(130, "tap130i0", "fwbr130i0", "bc:24:11:00:01:30"));
    world.add_port(None, Port::bare("fwln130i0", Some("fwbr130i0".into())));
    world.add_port(None, Port::bare("fwpr130p0", Some("vmbr0".into())));
    world
}

fn host_address(text: &str) -> HostAddress {
    text.parse().expect("an address with its prefix")
}

fn port(name: &str, bridge: &str, mac: &str) -> Port {
    Port { mac: Some(mac.parse().expect("a MAC")), ..Port::bare(name, Some(bridge.into())) }
}

fn guest(vmid: u32, name: &str, bridge: &str, mac: &str) -> Port {
    let vmid = vmid.to_string().parse().expect("a VMID");
    Port { guest: Some(GuestPort { kind: GuestKind::Qemu, vmid, index: 0 }), ..port(name, bridge, mac) }
}

/// A base chain, with the number of its first rule.
pub(super) fn base(name: &str, hook: Hook, priority: i32, rules: Vec<Vec<Statement>>) -> Chain {
    Chain { base: Some(Base { hook, priority, device: None }), ..chain(name, rules) }
}

pub(super) fn chain(name: &str, rules: Vec<Vec<Statement>>) -> Chain {
    let rule = |(nth, statements)| Rule { id: RuleId(nth as u64), statements, origin: OURS };
    let rules = rules.into_iter().enumerate().map(rule).collect();
    Chain { name: name.into(), base: None, rules, origin: OURS }
}

pub(super) fn table(family: TableFamily, sets: Vec<Set>, chains: Vec<Chain>) -> Table {
    let (sets, chains) =
        (sets.into_iter().map(Arc::new).collect(), chains.into_iter().map(Arc::new).collect());
    Table { family, name: "t".into(), helpers: Vec::new(), sets, chains }
}

pub(super) fn bridge(chains: Vec<Chain>) -> Ruleset {
    Ruleset { tables: vec![table(TableFamily::Bridge, Vec::new(), chains)] }
}

pub(super) fn set(name: &str, kind: SetKind, elements: Vec<(Vec<Value>, ElementData)>) -> Set {
    let element = |(key, data): (Vec<Value>, _)| Element { key: key.into(), data, origin: OURS };
    let n_parts = elements.first().map_or(1, |(key, _)| key.len());
    Set {
        name: name.into(),
        key: vec![crate::ruleset::DataType::Integer128; n_parts].into(),
        kind,
        interval: true,
        elements: elements.into_iter().map(element).collect(),
        origin: OURS,
    }
}

pub(super) fn is(field: Field, number: u128) -> Statement {
    S::Compare(Compare { field, op: Op::Eq, value: Value::number(number) })
}

pub(super) fn is_not(field: Field, number: u128) -> Statement {
    S::Compare(Compare { field, op: Op::Ne, value: Value::number(number) })
}

pub(super) fn is_name(field: Field, name: &str) -> Statement {
    S::Compare(Compare { field, op: Op::Eq, value: Value::name(name) })
}

pub(super) const ACCEPT: Statement = S::Verdict(RuleVerdict::Accept);
pub(super) const DROP: Statement = S::Verdict(RuleVerdict::Drop);

pub(super) fn trace<'r>(ruleset: &'r Ruleset, line: &str) -> Trace<'r> {
    simulate(ruleset, &world(), &packet(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

pub(super) fn verdict(ruleset: &Ruleset, line: &str) -> Verdict {
    trace(ruleset, line).verdict
}

/// Whether the conditions hold of a packet in one hook: they drop it there.
pub(super) fn holds(family: TableFamily, hook: Hook, mut conditions: Vec<Statement>, line: &str) -> bool {
    conditions.push(DROP);
    let chain = base("c", hook, 0, vec![conditions]);
    let ruleset = Ruleset { tables: vec![table(family, Vec::new(), vec![chain])] };
    verdict(&ruleset, line) == Verdict::Drop
}
