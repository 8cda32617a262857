//! Changes that no edit of a configuration causes today, in a kernel: names whose definition changes under those that
//! refer to them.

use std::sync::Arc;

use engine::diff::diff;
use engine::model::address::Family;
use engine::model::port::PortProtocol;
use engine::ruleset::check::check;
use engine::ruleset::{
    Chain, DataType, ElementData, Field, HelperObject, Hook, Op, Ruleset, Set, SetKind, Statement, Table,
    TableFamily, Verdict,
};
use engine::{lift, transaction};

use super::common::{
    ORIGIN, accept, chain, drop, element, entry, held, kitchen, lookup, n, name, nft, range, set, vmap,
};

/// Loads `old`, then what changes, both ways and back.
#[track_caller]
fn leads_there_and_back(one: &Ruleset, other: &Ruleset) {
    for (old, new) in [(one, other), (other, one)] {
        assert_eq!((check(old), check(new)), (Ok(()), Ok(())));
        let scripts = [transaction::full(old).text, transaction::changes(&diff(old, new)).text];
        let (listing, _) = nft::load_all_and_list(&[&scripts[0], &scripts[1]], "");
        let held = held(&listing);
        assert_eq!(lift::differences(new, &held), Vec::<String>::new(), "{}", scripts[1]);
    }
}

fn table(sets: Vec<Set>, chains: Vec<Chain>) -> Ruleset {
    let (sets, chains) =
        (sets.into_iter().map(Arc::new).collect(), chains.into_iter().map(Arc::new).collect());
    let (family, name) = (TableFamily::Inet, "changing".into());
    Ruleset { tables: vec![Table { family, name, helpers: Vec::new(), sets, chains }] }
}

fn to(chain: &str) -> ElementData {
    ElementData::Verdict(Verdict::Jump(chain.into()))
}

/// A set becomes an interval set, a map too, a set a map, a chain a base chain at another place, and all are in use.
#[test]
fn definitions_change_under_references() {
    let make = |interval: bool, priority: i32, calls: &str| {
        let addresses = if interval { vec![element([range(10, 20)])] } else { vec![element([n(10)])] };
        let sets = vec![
            Set { interval, elements: addresses, ..set("addresses", &[DataType::Ipv4Addr], SetKind::Set) },
            Set {
                interval,
                elements: vec![entry([n(80)], to(calls)), entry([n(81)], to("always"))],
                ..set("ports", &[DataType::InetService], SetKind::VerdictMap)
            },
        ];
        let key = [Field::Port(PortProtocol::Tcp, engine::ruleset::field::Side::Dest)];
        let rules = vec![
            vec![lookup(&[Field::IpSaddr], "addresses", Op::Eq), accept()],
            vec![vmap(&key, "ports")],
            vec![Statement::Verdict(Verdict::Jump(calls.into()))],
        ];
        let other = if calls == "first" { "second" } else { "first" };
        let chains = vec![
            chain("in", Some((Hook::Input, priority)), 1, rules),
            chain(other, Some((Hook::Forward, 5)), 0x10, vec![vec![drop()]]),
            chain(calls, None, 0x20, vec![vec![Statement::Verdict(Verdict::Goto("always".into()))]]),
            chain("always", None, 0x30, vec![vec![drop()]]),
        ];
        table(sets, chains)
    };
    leads_there_and_back(&make(false, 0, "first"), &make(true, 0, "first"));
    leads_there_and_back(&make(false, 0, "first"), &make(false, 7, "first"));
    leads_there_and_back(&make(false, 0, "first"), &make(false, 0, "second"));
    leads_there_and_back(&make(false, 0, "first"), &make(true, 7, "second"));
}

/// Intervals that overlap those which leave, and a key with other data.
#[test]
fn elements_overlap_what_they_replace() {
    let intervals = |elements: &[(u128, u128)], target: &str| {
        let keys = elements.iter().map(|(first, last)| element([range(*first, *last)])).collect();
        let by_port =
            elements.iter().map(|(first, last)| entry([name("tap100i0"), range(*first, *last)], to(target)));
        let sets = vec![
            Set { interval: true, elements: keys, ..set("s", &[DataType::Ipv4Addr], SetKind::Set) },
            Set {
                interval: true,
                elements: by_port.collect(),
                ..set("m", &[DataType::Ifname, DataType::Ipv4Addr], SetKind::VerdictMap)
            },
        ];
        let rules = vec![
            vec![lookup(&[Field::IpSaddr], "s", Op::Eq), accept()],
            vec![vmap(&[Field::Iifname, Field::IpSaddr], "m")],
        ];
        let chains = vec![
            chain("in", Some((Hook::Input, 0)), 1, rules),
            chain("a", None, 0x10, vec![vec![accept()]]),
            chain("b", None, 0x20, vec![vec![accept()]]),
        ];
        table(sets, chains)
    };
    let some = intervals(&[(10, 20), (30, 40), (50, 50), (0xffff_ff00, 0xffff_ffff)], "a");
    leads_there_and_back(&some, &intervals(&[(5, 35), (50, 50), (0xffff_fff0, 0xffff_ffff)], "a"));
    leads_there_and_back(&some, &intervals(&[(10, 20), (30, 30), (32, 40), (50, 60)], "b"));
    leads_there_and_back(&some, &intervals(&[(0, 0xffff_ffff)], "a"));
    leads_there_and_back(&some, &intervals(&[], "a"));
}

/// A helper object of another protocol, which a rule assigns.
#[test]
fn a_helper_changes() {
    let make = |protocol: PortProtocol| {
        let rules = vec![vec![Statement::CtHelper("h".into())]];
        let mut ruleset = table(vec![], vec![chain("pre", Some((Hook::Prerouting, -150)), 1, rules)]);
        let helper =
            HelperObject { name: "h".into(), helper: "sip", protocol, family: Family::V4, origin: ORIGIN };
        ruleset.tables[0].helpers.push(helper);
        ruleset
    };
    leads_there_and_back(&make(PortProtocol::Tcp), &make(PortProtocol::Udp));
}

#[test]
fn tables_come_and_go() {
    let (kitchen, integers) = (kitchen::everywhere(), kitchen::integer_keys());
    leads_there_and_back(&kitchen, &integers);
    leads_there_and_back(&kitchen, &Ruleset::default());
    // Everything in a table that stays.
    let mut empty = kitchen.clone();
    for table in &mut empty.tables {
        (table.helpers, table.sets, table.chains) = (Vec::new(), Vec::new(), Vec::new());
    }
    leads_there_and_back(&kitchen, &empty);
}
