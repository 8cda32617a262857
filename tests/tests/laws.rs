//! What holds for every configuration and every value, whatever they are.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use engine::diff::{Count, Counts, diff, replay};
use engine::inputs::{FileContent, Inputs, Link, LinkKind, RejectMode};
use engine::model::address::{Cidr, Mac};
use engine::model::names::ObjectName;
use engine::ruleset::check::check_since;
use engine::ruleset::{Ruleset, Table};
use engine::simulate::Packet;
use engine::{Compiled, Memo, compile, compile_with, transaction};
use firewall_tests::generate::{Draw, OwnSets, Size, edit, mutate, tree, wild_inputs};

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
        draw.shuffle(&mut Arc::make_mut(&mut inputs.facts).links);
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
        Arc::make_mut(&mut inputs.facts)
            .links
            .retain(|link| !link.name.starts_with(&tap) && !link.name.starts_with(&veth));
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

/// All that a compilation gives, with paths for the ids of files: those are numbered as they were met.
fn everything(compiled: &Compiled) -> String {
    let lines: Vec<String> = compiled.diagnostics.iter().map(|d| d.line(&compiled.sources)).collect();
    let Compiled { plan, resolved, config, hold, .. } = compiled;
    let text = format!("{plan:?}\n{resolved:?}\n{config:?}\n{hold}\n{lines:#?}");
    let mut parts = text.split("FileId(");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (id, rest) = part.split_once(')').expect("a number in parentheses");
        shown.push_str(compiled.sources.path(engine::span::FileId(id.parse().expect("a number"))));
        shown.push_str(rest);
    }
    shown
}

/// Something else about the node: a file comes, goes or changes, an interface does, or what the caller asks for.
fn change(draw: &mut Draw, inputs: &mut Inputs, other: &Inputs) -> String {
    let paths: Vec<String> = inputs.files.keys().cloned().collect();
    let path = paths[draw.below(paths.len())].clone();
    let (n_links, link) = (inputs.facts.links.len(), draw.below(inputs.facts.links.len()));
    let what = draw.below(16);
    match what {
        0..=2 => inputs.files.extend(other.files.get(&path).map(|content| (path.clone(), content.clone()))),
        3 => drop(inputs.files.remove(&path)),
        4 => {
            let others: Vec<_> = other.files.iter().collect();
            let (path, content) = others[draw.below(others.len())];
            inputs.files.insert(path.clone(), content.clone());
        }
        5..=9 => {
            let Some(FileContent::Bytes(bytes)) = inputs.files.get(&path) else { return path };
            let mut bytes = bytes.to_vec();
            match what {
                5 => mutate(draw, &mut bytes),
                6 => bytes.splice(..0, b"\n# one line more\n".iter().copied()).for_each(drop),
                7 => bytes.extend(b"\n[IPSET more]\n192.0.2.77\n2001:db8::77\n"),
                8 => bytes.extend(b"\n[RULES]\nIN DROP -p nonsense\nIN ACCEPT -source +dc/more\n"),
                _ => bytes.extend(b"\n[ALIASES]\nmore 192.0.2.78\n[OPTIONS]\nenable: 1\n"),
            }
            inputs.files.insert(path.clone(), FileContent::Bytes(bytes.into()));
        }
        10 => drop(inputs.files.insert(path.clone(), FileContent::Unreadable("an error".to_owned()))),
        11 => Arc::make_mut(&mut inputs.facts).links[link].up ^= true,
        12 => {
            let bridge = inputs.facts.links[draw.below(n_links)].name.clone();
            Arc::make_mut(&mut inputs.facts).links[link].master = Some(bridge);
        }
        13 => {
            let kind = LinkKind::Bridge { vlan_aware: draw.chance(50) };
            let name = format!("vmbr{}", draw.below(4));
            Arc::make_mut(&mut inputs.facts).links.push(Link { name, kind, ..Link::default() });
        }
        14 => {
            let modes = [None, Some(RejectMode::Drop), Some(RejectMode::Divert), Some(RejectMode::Fwbr)];
            inputs.settings.reject_mode = draw.pick(&modes);
        }
        _ => {
            let text = draw.pick(&["strict: 1\n", "strict: 1\nreject_mode: drop\n", ""]);
            let node = inputs.facts.node.clone();
            let settings = format!("/etc/pve/nodes/{node}/proxmox-firewall.cfg");
            inputs.files.insert(settings, FileContent::text(text));
            inputs.last_good.extend(other.files.get(&path).map(|content| (path.clone(), content.clone())));
        }
    }
    format!("change {what} of {path}")
}

/// Whatever a compilation knows of earlier ones, it gives what one gives that knows nothing.
#[test]
fn what_is_remembered_changes_nothing() {
    for seed in 0..40 {
        let mut draw = Draw::new(seed, "changes", 0);
        let mut inputs = wild_inputs(seed);
        let (mut memo, mut legal) = (Memo::default(), Ruleset::default());
        let mut done = Vec::new();
        for step in 0..25 {
            let compiled = compile_with(&inputs, &mut memo);
            assert_eq!(check_since(&compiled.plan.ruleset, &legal), Ok(()), "{seed}, {step}: {done:#?}");
            let remembered = everything(&compiled);
            legal = compiled.plan.ruleset;
            let cold = everything(&compile(&inputs));
            if remembered != cold {
                let at = remembered.bytes().zip(cold.bytes()).take_while(|(a, b)| a == b).count();
                let near = |text: &str| {
                    let bytes = &text.as_bytes()[at.saturating_sub(200)..(at + 200).min(text.len())];
                    String::from_utf8_lossy(bytes).into_owned()
                };
                panic!("{seed}, {step}: {done:#?}\nnot {}\nbut {}", near(&cold), near(&remembered));
            }
            let other = wild_inputs(seed + 1 + step);
            for _ in 0..=draw.below(2) {
                done.push(change(&mut draw, &mut inputs, &other));
            }
        }
    }
}

/// What did not change is not equal, it is the same: who compares two generations need not look at it.
#[test]
fn what_did_not_change_is_shared() {
    const CLUSTER: &str = "/etc/pve/firewall/cluster.fw";
    const LAST: &str = "[IPSET last]\n192.0.2.1\n";
    let mut tree = tree(&Size { own_sets: OwnSets::Many, ..Size::guests(30) });
    tree.files.entry(CLUSTER.to_owned()).or_default().push_str(&format!("\n{LAST}"));
    let mut inputs = tree.inputs();
    let mut memo = Memo::default();
    let mut before = compile_with(&inputs, &mut memo).plan.ruleset;
    let mut edit = |path: &str, at: &str, added: &str| {
        let content = inputs.files.get_mut(path).expect("the tree has it");
        let FileContent::Bytes(bytes) = &content else { panic!("{path} is unreadable") };
        let text = std::str::from_utf8(bytes).expect("a text").replacen(at, &format!("{at}{added}"), 1);
        *content = FileContent::text(&text);
        let after = compile_with(&inputs, &mut memo).plan.ruleset;
        let names = unshared(&before, &after);
        before = after;
        names
    };
    assert_eq!(edit(CLUSTER, "[OPTIONS]", ""), [""; 0]);
    let of_guest =
        edit("/etc/pve/firewall/107.fw", "[RULES]", "\nIN ACCEPT -source +dc/last -p tcp -dport 4711");
    assert!(of_guest.contains(&"guest-107-in".to_owned()));
    let own = |name: &String| name.starts_with("guest-107-") || name == "v4-dc/last";
    assert!(of_guest.iter().all(own), "{of_guest:?}");
    let of_datacenter = edit(CLUSTER, "[RULES]", "\nIN DROP -p tcp -dport 4711");
    assert!(of_datacenter.iter().any(|name| name == "cluster-in"));
    assert!(of_datacenter.iter().all(|name| !name.starts_with("guest-")), "{of_datacenter:?}");
    // Behind all other sections: an entry there moves no other line.
    assert_eq!(edit(CLUSTER, LAST, "192.0.2.7\n"), ["v4-dc/last"]);
}

/// Names of chains and sets that are not the very same in both.
fn unshared(before: &Ruleset, after: &Ruleset) -> Vec<String> {
    let mut names = Vec::new();
    for (a, b) in before.tables.iter().zip(&after.tables) {
        let chains = b.chains.iter().filter(|chain| !a.chains.iter().any(|known| Arc::ptr_eq(known, chain)));
        names.extend(chains.map(|chain| chain.name.to_string()));
        let sets = b.sets.iter().filter(|set| !a.sets.iter().any(|known| Arc::ptr_eq(known, set)));
        names.extend(sets.map(|set| set.name.to_string()));
    }
    names
}

#[track_caller]
fn leads_to(old: &Ruleset, new: &Ruleset, what: &str) {
    let changes = diff(old, new);
    let replayed = replay(old, &changes);
    assert!(replayed.is_same(new), "{what}: {:?}", diff(&replayed, new));
    assert!(diff(&replayed, new).is_empty(), "{what}: a difference remains");
    assert_eq!(changes.is_empty(), old.is_same(new), "{what}");
}

#[test]
fn the_difference_replayed_on_the_old_is_the_new() {
    let mut n_changed = 0;
    for seed in 0..40 {
        let mut draw = Draw::new(seed, "edits", 0);
        let mut inputs = wild_inputs(seed);
        let first = compile(&inputs).plan.ruleset;
        let mut old = first.clone();
        for nth in 0..8 {
            edit(&mut draw, &mut inputs);
            let new = compile(&inputs).plan.ruleset;
            leads_to(&old, &new, &format!("edit {nth} of configuration {seed}"));
            n_changed += usize::from(!old.is_same(&new));
            old = new;
        }
        leads_to(&old, &first, &format!("configuration {seed}, back"));
        leads_to(&first, &compile(&wild_inputs(seed + 1)).plan.ruleset, &format!("from {seed} to the next"));
        assert!(diff(&first, &compile(&wild_inputs(seed)).plan.ruleset).is_empty(), "{seed} compiled again");
    }
    assert!(n_changed >= 60, "only {n_changed} edits changed anything");
}

/// A rule more in a guest's file: what comes is its own, and nothing leaves.
#[test]
fn a_new_line_costs_no_rule_that_was_there() {
    let mut inputs = tree(&Size::guests(12)).inputs();
    let old = compile(&inputs).plan.ruleset;
    let path = "/etc/pve/firewall/105.fw";
    let Some(FileContent::Bytes(bytes)) = inputs.files.get(path) else { panic!("no {path}") };
    let text = String::from_utf8(bytes.to_vec()).expect("the generator writes text");
    let text = text.replace("[RULES]\n", "[RULES]\nIN DROP -p tcp -dport 7 -source 192.0.2.77\n");
    inputs.files.insert(path.to_owned(), FileContent::text(&text));
    let new = compile(&inputs).plan.ruleset;
    let counts = diff(&old, &new).counts();
    assert!(
        (1..=2).contains(&counts.rules.n_added),
        "one, and one in the pass that looks for REJECT: {counts:?}"
    );
    let rest = Counts { rules: Count { n_added: 0, ..counts.rules }, ..counts };
    assert_eq!(rest, Counts::default());
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
