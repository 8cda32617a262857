//! What holds for every configuration and every value, whatever they are.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use engine::inputs::{FileContent, Inputs};
use engine::model::address::{Cidr, Mac};
use engine::model::names::ObjectName;
use engine::ruleset::{Ruleset, Table};
use engine::simulate::Packet;
use engine::{compile, transaction};
use firewall_tests::generate::{Draw, OwnSets, Size, reference_facts, tree, wild};

fn wild_inputs(seed: u64) -> Inputs {
    let content = |(path, bytes): (String, Vec<u8>)| (path, FileContent::Bytes(bytes.into()));
    Inputs {
        files: wild(seed).into_iter().map(content).collect(),
        facts: reference_facts(),
        ..Inputs::default()
    }
}

fn script(inputs: &Inputs) -> String {
    transaction::full(&compile(inputs).plan.ruleset).text
}

/// All that a ruleset holds, by name: rules of chains in their order, elements of sets.
fn objects(ruleset: &Ruleset) -> BTreeMap<String, Vec<String>> {
    let of_table = |table: &Table| {
        let name = table.name.clone();
        let chains = table.chains.iter().map(|chain| {
            let rules = chain.rules.iter().map(|rule| format!("{:?} {:?}", rule.id, rule.statements));
            (format!("{name} chain {}", chain.name), rules.collect())
        });
        let sets = table.sets.iter().map(|set| {
            let elements = set.elements.iter().map(|element| format!("{:?} {:?}", element.key, element.data));
            (format!("{name} set {}", set.name), elements.collect())
        });
        chains.chain(sets).collect::<Vec<_>>()
    };
    ruleset.tables.iter().flat_map(of_table).collect()
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    for seed in 0..50 {
        assert_eq!(script(&wild_inputs(seed)), script(&wild_inputs(seed)), "configuration {seed}");
    }
    let inputs = tree(&Size::guests(30)).inputs();
    assert_eq!(script(&inputs), script(&inputs));
}

/// The list of guests is a JSON object, and interfaces come in the kernel's order: neither says anything.
#[test]
fn the_order_of_guests_and_interfaces_means_nothing() {
    let base = tree(&Size::guests(30));
    let mut inputs = base.inputs();
    let wanted = script(&inputs);
    let mut draw = Draw::new(7, "order", 0);
    for _ in 0..3 {
        let list = base.files["/etc/pve/.vmlist"].trim();
        let inner =
            list.split_once("\"ids\": {").and_then(|(_, rest)| rest.strip_suffix("}}")).expect("a list");
        let mut guests: Vec<String> =
            inner.split("}, ").map(|one| one.trim_end_matches('}').to_owned()).collect();
        draw.shuffle(&mut guests);
        let list = format!(r#"{{"ids": {{{}}}}}, "version": 9}}"#, guests.join("}, "));
        inputs.files.insert("/etc/pve/.vmlist".to_owned(), FileContent::text(&list));
        draw.shuffle(&mut inputs.facts.links);
        assert_eq!(script(&inputs), wanted);
    }
}

/// What a guest's firewall adds goes with it; no other chain changes, and sets lose only elements of its own.
#[test]
fn a_guest_leaves_nothing_behind() {
    let size = Size { own_sets: OwnSets::Many, ..Size::guests(12) };
    let all = tree(&size);
    let before = objects(&compile(&all.inputs()).plan.ruleset);
    for vmid in [100, 105, 111] {
        let mut inputs = all.inputs();
        let of_guest =
            |path: &str| path.ends_with(&format!("/{vmid}.fw")) || path.ends_with(&format!("/{vmid}.conf"));
        inputs.files.retain(|path, _| path != "/etc/pve/.vmlist" && !of_guest(path));
        let [tap, veth] = ["tap", "veth"].map(|kind| format!("{kind}{vmid}i"));
        inputs.facts.links.retain(|link| !link.name.starts_with(&tap) && !link.name.starts_with(&veth));
        let after = objects(&compile(&inputs).plan.ruleset);
        for (name, held) in &after {
            let was = before.get(name).unwrap_or_else(|| panic!("{vmid}: {name} is new"));
            if name.contains(" chain ") {
                assert_eq!(held, was, "{vmid}: {name}");
            } else {
                assert!(held.iter().all(|element| was.contains(element)), "{vmid}: {name} has a new element");
            }
        }
        let gone: Vec<&String> = before.keys().filter(|name| !after.contains_key(*name)).collect();
        let own_chain = format!("chain guest-{vmid}-");
        let own = |name: &&String| {
            name.contains(&own_chain) || name.contains(&format!("{vmid}i")) || name.contains(" set ")
        };
        assert!(gone.iter().all(own), "{vmid}: {gone:?}");
        assert!(!after.keys().any(|name| name.contains(&own_chain)), "{vmid} is still there");
    }
}

#[track_caller]
fn round_trip<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(value: &T) {
    let printed = value.to_string();
    assert_eq!(printed.parse::<T>().as_ref().ok(), Some(value), "{printed}");
}

#[test]
fn what_is_printed_reads_the_same() {
    let mut draw = Draw::new(3, "values", 0);
    for _ in 0..2000 {
        let v4 = Ipv4Addr::from_bits(u32::try_from(draw.bits() >> 32).expect("32 bits"));
        let v6 = Ipv6Addr::from_bits(u128::from(draw.bits()) << 64 | u128::from(draw.bits()));
        let prefix = |draw: &mut Draw, most| u8::try_from(draw.between(0, most)).expect("small");
        round_trip(&Cidr::new(v4.into(), prefix(&mut draw, 32)).expect("at most 32"));
        round_trip(&Cidr::new(v6.into(), prefix(&mut draw, 128)).expect("at most 128"));
        round_trip(&Cidr::host(v6.into()));
        let [a, b, c, d, e, f, ..] = draw.bits().to_le_bytes();
        let mac: Mac = format!("{a:02x}:{b:02X}:{c:02x}:{d:02x}:{e:02x}:{f:02x}").parse().expect("a MAC");
        round_trip(&mac);
    }
    for name in ["a", "Web-1_x", "ipfilter-net0", "Z9"] {
        round_trip(&name.parse::<ObjectName>().expect("a name"));
    }
}

/// The packets of all fixtures.
#[test]
fn packets_that_are_printed_read_the_same() {
    let fixtures = firewall_tests::network::tests_folder().join("fixtures");
    let mut n_packets = 0;
    for folder in std::fs::read_dir(fixtures).expect("a folder").flatten() {
        let Ok(text) = std::fs::read_to_string(folder.path().join("packets")) else { continue };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((left, _)) = line.split_once(" => ") else { continue };
            let packet: Packet = left.trim().parse().unwrap_or_else(|e| panic!("{line}: {e}"));
            round_trip(&packet);
            n_packets += 1;
        }
    }
    assert!(n_packets >= 300, "only {n_packets} packets");
}
