//! The packet lines of all cases, sent for real.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::inputs::{HostFacts, Inputs};
use engine::ruleset::{Origin, Ruleset};
use engine::simulate::packet::Packet;
use engine::simulate::{Simulator, Trace};
use engine::{Compiled, compile};

use super::lab::{Lab, zones};
use super::wiring::{Wiring, tag};
use super::{Judge, Tally, random};
use crate::case::inputs;
use crate::packet::{Expectation, parse, parse_all, verdict_word};
use crate::{Failure, conformance, fixtures, network};

/// A case: its name, what the engine reads, its lines.
struct Case {
    name: String,
    inputs: Inputs,
    lines: Vec<Expectation>,
    /// Whether it brings a network of its own.
    has_network: bool,
    /// Where it stands.
    kind: Kind,
}

/// What cases are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A sentence of the manual, a trap of the packet's path, what zones do.
    Path,
    /// The configuration language: how guests are plugged is nothing to it.
    Language,
    /// Packets follow each other.
    Conversation,
}

fn all() -> Vec<Case> {
    let fixtures = fixtures::all().into_iter().map(|fixture| Case {
        has_network: is_network_own(&fixture.inputs.facts),
        kind: Kind::Path,
        name: fixture.name,
        inputs: fixture.inputs,
        lines: parse_all(&fixture.packets),
    });
    let table = |case: &conformance::Case, kind: Kind| {
        let files = case.files();
        Case {
            has_network: files.contains_key("facts.json"),
            kind,
            inputs: inputs(&files),
            lines: case.packets.iter().map(|line| parse(line)).collect(),
            name: case.id.clone(),
        }
    };
    let mut all: Vec<Case> = fixtures.collect();
    all.extend(conformance::all().iter().map(|case| table(case, Kind::Language)));
    all.extend(conformance::zones().iter().map(|case| table(case, Kind::Path)));
    all.extend(conformance::conversations().iter().map(|case| table(case, Kind::Conversation)));
    all.retain(|case| !case.lines.is_empty());
    all
}

fn is_network_own(facts: &HostFacts) -> bool {
    let reference = network::inputs().facts;
    facts.links != reference.links || facts.bridge_nf_stuck != reference.bridge_nf_stuck
}

/// A case wired up and compiled.
struct Wired {
    name: String,
    compiled: Compiled,
    facts: Arc<HostFacts>,
    packets: Vec<Packet>,
    kind: Kind,
}

/// Lines whose verdict the simulator has otherwise where guests are plugged like this.
pub fn differences(wiring: Wiring) -> Result<Vec<String>, Failure> {
    wired(wiring).map(|(_, wrong)| wrong)
}

/// All cases that the wiring may concern, and lines whose verdict it changes.
fn wired(wiring: Wiring) -> Result<(Vec<Wired>, Vec<String>), Failure> {
    let is_played = |case: &Case| match wiring {
        Wiring::AsWritten => true,
        Wiring::Reference => !case.has_network && case.kind != Kind::Conversation,
        Wiring::VlanAware | Wiring::Tagged => !case.has_network && case.kind != Kind::Language,
        // What a guest's own bridge drops has crossed the main one, which knows the connection then: its reverse is a
        // reply.
        Wiring::FirewallBridges => !case.has_network && case.kind == Kind::Path,
    };
    let mut wrong = Vec::new();
    let cases = all().into_iter().filter(is_played).map(|case| wire(case, wiring, &mut wrong));
    let cases = cases.collect::<Result<_, _>>()?;
    Ok((cases, wrong))
}

/// Plays all cases that the wiring may concern, those on the same network one after the other in it; `part` chooses what
/// is loaded. Fails if kernel and simulator disagree, or if the simulator gives another verdict than the line.
pub fn play(wiring: Wiring, part: fn(&Ruleset) -> Ruleset) -> Result<(), Failure> {
    let mut tally = Tally::default();
    let (cases, wrong) = wired(wiring)?;
    let mut networks: BTreeMap<String, Vec<Wired>> = BTreeMap::new();
    for wired in cases {
        networks.entry(key(&wired)).or_default().push(wired);
    }
    let n_cases: usize = networks.values().map(Vec::len).sum();
    for cases in networks.values() {
        play_together(cases, part, &mut tally)?;
    }
    println!("{wiring:?}: {n_cases} cases on {} networks, {tally}", networks.len());
    wrong.iter().for_each(|line| println!("{line}"));
    if !tally.disagreements.is_empty() {
        return Err(tally.report().into());
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{} verdicts depend on the wiring", wrong.len()).into())
    }
}

fn wire(mut case: Case, wiring: Wiring, wrong: &mut Vec<String>) -> Result<Wired, Failure> {
    wiring.plug(&mut case.inputs);
    let compiled = compile(&case.inputs);
    let facts = case.inputs.facts;
    let world = network::world(&facts, &compiled.config.guests);
    let simulator = Simulator::new(&compiled.plan.ruleset, &world);
    let places = zones(&facts, &compiled.config.guests);
    if wiring == Wiring::Tagged {
        let n_lines = case.lines.len();
        case.lines.retain_mut(|line| tag(&places, &mut line.packet));
        if case.kind == Kind::Conversation && case.lines.len() < n_lines {
            // What is said later rests on what was said before.
            case.lines.clear();
        }
    }
    for line in &case.lines {
        let trace = simulator.simulate(&line.packet).map_err(|error| format!("{}: {error}", line.line))?;
        let verdict = verdict_word(&trace.verdict);
        // A firewall bridge of its own lets a guest answer what the main bridge's hooks cannot.
        let answers =
            wiring == Wiring::FirewallBridges && (line.verdict.as_str(), verdict) == ("drop", "reject");
        if verdict != line.verdict && !answers && !is_about_tags(&trace) {
            wrong.push(format!("{}: {} | simulated {verdict}", case.name, line.line));
        }
    }
    let packets = case.lines.into_iter().map(|line| line.packet).collect();
    Ok(Wired { name: case.name, compiled, facts, packets, kind: case.kind })
}

/// Whether the option decided that lists a tag's EtherType or does not.
fn is_about_tags(trace: &Trace<'_>) -> bool {
    let origin = trace.deciding.map(|by| by.origin());
    matches!(origin, Some(Origin::Option { name: "layer2_protocols", .. }))
}

fn key(wired: &Wired) -> String {
    let nics = wired.compiled.config.guests.values().flat_map(|guest| guest.nics.values());
    let nics: Vec<_> = nics.map(|nic| (nic.ifname.as_str(), nic.mac, nic.tag)).collect();
    format!("{:?} {nics:?}", wired.facts.links)
}

fn play_together(cases: &[Wired], part: fn(&Ruleset) -> Ruleset, tally: &mut Tally) -> Result<(), Failure> {
    let Some(first) = cases.first() else { return Ok(()) };
    let mut lab = Lab::new(&first.facts, &first.compiled.config.guests)?;
    lab.neighbours(&random::homes())?;
    for case in cases {
        let n_before = tally.disagreements.len();
        let world = network::world(&case.facts, &case.compiled.config.guests);
        let ruleset = part(&case.compiled.plan.ruleset);
        let mut judge = Judge::new(&mut lab, &world, &ruleset, &case.compiled.sources)?;
        if case.kind == Kind::Conversation {
            judge.remember();
        }
        judge.compare(&case.packets, tally).map_err(|error| format!("{}: {error}", case.name))?;
        for disagreement in &mut tally.disagreements[n_before..] {
            disagreement.insert_str(0, &format!("{}: ", case.name));
        }
    }
    Ok(())
}
