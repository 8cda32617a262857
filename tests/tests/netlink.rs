//! What is loaded as netlink messages lists as if nft had loaded it as text: every fixture, and rulesets that use
//! every statement, as far as this kernel has the features.

#[path = "../../engine/tests/common/mod.rs"]
#[expect(dead_code, reason = "what the engine's own tests use of it")]
mod common;

use std::net::UdpSocket;

use common::{chain, eq, kitchen, n, range, v4};
use engine::diff::{Changes, Edit, TableChange, diff};
use engine::model::port::PortProtocol;
use engine::render::{self, netlink as messages};
use engine::ruleset::field::Side;
use engine::ruleset::{Field, Hook, Ruleset, Statement, Table, TableFamily, Verdict};
use firewall_tests::generate::{reference_facts, wild};
use firewall_tests::namespace::{Namespace, run};
use firewall_tests::nft::without_ports;
use firewall_tests::{Failure, fixtures, netlink};
use nft_ffi::netlink::{CommitError, Event, Family, Monitor, Socket};

fn programs() -> Vec<String> {
    std::iter::once("nft".to_owned()).chain(std::env::var("NFT113")).collect()
}

fn rulesets() -> Vec<(String, Ruleset)> {
    let mut all: Vec<_> =
        fixtures::all().into_iter().map(|f| (f.name, without_ports(&f.compiled.plan.ruleset))).collect();
    all.sort_by_cached_key(|(_, ruleset)| render::text(ruleset));
    all.dedup_by_key(|(_, ruleset)| render::text(ruleset));
    all
}

#[test]
fn every_fixture_lists_as_if_nft_had_loaded_it() -> Result<(), Failure> {
    let missing = netlink::missing()?;
    let mut found = Vec::new();
    for (name, ruleset) in rulesets() {
        let ruleset = netlink::reduce(&ruleset, &missing);
        match netlink::differences(&ruleset, &programs()) {
            Ok(lines) => found.extend(lines.iter().map(|line| format!("{name}: {line}"))),
            Err(error) => found.push(format!("{name}: {error}")),
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn every_statement_lists_as_if_nft_had_loaded_it() -> Result<(), Failure> {
    let missing = netlink::missing()?;
    let mut found = Vec::new();
    for ruleset in [kitchen::with_bridge_modules(), kitchen::integer_keys()] {
        found.extend(netlink::differences(&netlink::reduce(&ruleset, &missing), &programs())?);
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    Ok(())
}

/// Rulesets in no order that anybody would choose: fixtures, and configurations full of edge cases between them.
fn sequence(n_wild: u64) -> Vec<Ruleset> {
    let inputs = |seed| {
        let content = |(path, bytes): (String, Vec<u8>)| {
            (path, engine::inputs::FileContent::Bytes(bytes.as_slice().into()))
        };
        let files = wild(seed).into_iter().map(content).collect();
        engine::inputs::Inputs { files, facts: reference_facts().into(), ..Default::default() }
    };
    let wild = (0..n_wild).map(|seed| without_ports(&engine::compile(&inputs(seed)).plan.ruleset));
    let fixtures = rulesets().into_iter().map(|(_, ruleset)| ruleset);
    wild.zip(fixtures).flat_map(|(wild, fixture)| [wild, fixture]).collect()
}

/// Handles of rules that stay, before or after.
fn kept_handles(socket: &mut Socket, changes: &Changes<'_>, after: bool) -> Result<Vec<u64>, Failure> {
    let mut kept = Vec::new();
    for change in &changes.tables {
        let TableChange::Edit(table) = change else { continue };
        for edit in &table.chain_edits {
            let held = netlink::rules(socket, table.old, edit.old)?;
            let mut next_new = 0;
            for change in &edit.edits {
                match change {
                    Edit::Keep(range) => {
                        let range = if after { next_new..next_new + range.len() } else { range.clone() };
                        next_new += range.len();
                        kept.extend(held[range].iter().map(|rule| rule.handle));
                    }
                    Edit::Add(_) => next_new += 1,
                    Edit::Remove(_) => {}
                }
            }
        }
    }
    Ok(kept)
}

#[test]
fn changes_come_to_what_a_cold_load_is() -> Result<(), Failure> {
    let missing = netlink::missing()?;
    let home = Namespace::new()?;
    let (mut socket, mut held, mut n_kept) = (Socket::new()?, Ruleset::default(), 0);
    for (step, wanted) in sequence(60).into_iter().enumerate() {
        let wanted = netlink::reduce(&wanted, &missing);
        let changes = diff(&held, &wanted);
        let before = kept_handles(&mut socket, &changes, false)?;
        netlink::apply(&mut socket, &changes).map_err(|error| format!("step {step}: {error}"))?;
        let after = kept_handles(&mut socket, &changes, true)?;
        assert_eq!(before, after, "step {step}: rules that stay are the same objects");
        n_kept += before.len();
        let changed = run("nft", &["-s", "list", "ruleset"], "")?;
        let cold = {
            let _namespace = Namespace::new()?;
            netlink::commit(&mut Socket::new()?, &messages::full(&wanted))?;
            run("nft", &["-s", "list", "ruleset"], "")?
        };
        home.enter()?;
        let (changed, cold) = (netlink::blocks(&changed).concat(), netlink::blocks(&cold).concat());
        let found = netlink::line_differences(&cold, &changed);
        assert!(found.is_empty(), "step {step}:\n{}", found.join("\n"));
        held = wanted;
    }
    assert!(n_kept > 500, "only {n_kept} rules stayed in chains that changed: nothing was tested");
    Ok(())
}

/// A table with one chain.
fn one_chain(base: Option<(Hook, i32)>, rules: Vec<Vec<Statement>>) -> Ruleset {
    let table = Table {
        family: TableFamily::Inet,
        name: "small".into(),
        helpers: Vec::new(),
        sets: Vec::new(),
        chains: vec![chain("only", base, 1, rules).into()],
    };
    Ruleset { tables: vec![table] }
}

fn port_rule(port: u128) -> Vec<Statement> {
    let field = Field::Port(PortProtocol::Udp, Side::Dest);
    vec![eq(field, n(port)), Statement::Counter, Statement::Verdict(Verdict::Accept)]
}

#[test]
fn neighbours_of_a_change_go_on_counting() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    run("ip", &["link", "set", "lo", "up"], "")?;
    let mut socket = Socket::new()?;
    let old = one_chain(Some((Hook::Output, 0)), vec![port_rule(7), port_rule(9), port_rule(11)]);
    netlink::commit(&mut socket, &messages::full(&old))?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    for _ in 0..3 {
        // Nobody listens: the answer to one is an error of the next.
        let _ = sender.send_to(b"x", "127.0.0.1:9");
    }
    let mut new = old.clone();
    let rules = &mut std::sync::Arc::make_mut(&mut new.tables[0].chains[0]).rules;
    let mut added = rules[0].clone();
    added.id = engine::ruleset::RuleId(100);
    added.statements =
        vec![eq(Field::IpSaddr, range(v4("10.0.0.0"), v4("10.255.255.255"))), Statement::Counter];
    rules[0] = added.clone();
    added.id = engine::ruleset::RuleId(101);
    rules.insert(2, added);
    netlink::apply(&mut socket, &diff(&old, &new))?;
    let held = netlink::rules(&mut socket, &new.tables[0], &new.tables[0].chains[0])?;
    let counted: Vec<_> = held
        .iter()
        .map(|rule| (rule.comment.as_deref().unwrap_or(""), rule.counter.unwrap_or_default().packets))
        .collect();
    let id = |number: u64| format!("{number:016x}");
    assert_eq!(counted, [(&*id(100), 0), (&*id(2), 3), (&*id(101), 0), (&*id(3), 0)]);
    Ok(())
}

#[test]
fn what_is_refused_changes_nothing_and_is_named() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let mut socket = Socket::new()?;
    let good = one_chain(None, vec![port_rule(7)]);
    netlink::commit(&mut socket, &messages::full(&good))?;
    let before = run("nft", &["list", "ruleset"], "")?;
    let lost = vec![Statement::Verdict(Verdict::Jump("nowhere".into()))];
    let bad = messages::full(&one_chain(None, vec![port_rule(7), lost, port_rule(8)]));
    match socket.commit(&bad.messages, None) {
        Err(CommitError::Refused(refusals)) => {
            // Three of the table, one of the chain, one of the first rule.
            assert_eq!(refusals.iter().map(|refusal| refusal.message).collect::<Vec<_>>(), [Some(5)]);
            assert_eq!(bad.origins[5], Some(common::ORIGIN));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(run("nft", &["list", "ruleset"], "")?, before);
    // The socket is as good as before.
    netlink::commit(
        &mut socket,
        &messages::flush(&[(TableFamily::Inet, "small"), (TableFamily::Bridge, "no")]),
    )?;
    assert_eq!(run("nft", &["list", "ruleset"], "")?, "");
    Ok(())
}

#[test]
fn a_change_by_others_is_noticed() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let (mut socket, mut monitor) = (Socket::new()?, Monitor::new()?);
    let batch = messages::full(&one_chain(None, vec![port_rule(7)]));
    let generation = socket.generation()?;
    assert_eq!(monitor.next_event()?, None);
    socket.commit(&batch.messages, Some(generation))?;
    let Some(Event::Change(ours)) = monitor.next_event()? else { panic!("our change is not heard of") };
    assert_eq!((ours.generation, ours.port), (generation + 1, socket.port()));
    assert!(ours.tables.keys().eq([&(Family::INET, "small".to_owned())]));

    run("nft", &["add", "table", "bridge", "theirs"], "")?;
    let Some(Event::Change(theirs)) = monitor.next_event()? else { panic!("their change is not heard of") };
    assert_eq!(theirs.generation, generation + 2);
    assert_ne!(theirs.port, socket.port());
    assert_eq!(theirs.process.map(|process| process.name).as_deref(), Some("nft"));
    assert!(theirs.tables.keys().eq([&(Family::BRIDGE, "theirs".to_owned())]));
    assert_eq!(monitor.next_event()?, None);

    assert!(matches!(socket.commit(&batch.messages, Some(generation + 1)), Err(CommitError::Stale)));
    socket.commit(&batch.messages, Some(generation + 2))?;
    assert_eq!(socket.generation()?, generation + 3);
    Ok(())
}

/// More than any default of a socket's buffer.
#[test]
fn a_hundred_thousand_rules_are_one_batch() -> Result<(), Failure> {
    let _namespace = Namespace::new()?;
    let mut socket = Socket::new()?;
    let rules = (0..100_000).map(|port| port_rule(port % 65536)).collect();
    let wanted = one_chain(None, rules);
    let batch = messages::full(&wanted);
    assert!(batch.messages.len() > 20 << 20, "{}", batch.messages.len());
    netlink::commit(&mut socket, &batch)?;
    let held = netlink::rules(&mut socket, &wanted.tables[0], &wanted.tables[0].chains[0])?;
    assert_eq!(held.len(), 100_000);
    assert!(
        held.iter()
            .zip(&wanted.tables[0].chains[0].rules)
            .all(|(held, wanted)| { held.comment.as_deref() == Some(&wanted.id.to_string()) })
    );
    Ok(())
}
