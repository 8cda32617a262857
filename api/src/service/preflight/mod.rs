//! A candidate and the live connections of a node become the list of what could not be opened again.
//!
//! A changed rule never cuts what is established; it meets the next attempt. So each live connection is simulated as
//! a *new* one, in the direction in which it was opened, before and after: what was open and would not be is a
//! [`Cut`]. So are the ways in that stand open without anybody using them: management and corosync.
//!
//! Left out: guests' traffic, and whoever reaches the node out of a guest of its own.

mod service;
mod way;

use std::collections::BTreeSet;
use std::net::IpAddr;

use engine::Compiled;
use engine::diff::diff;
use engine::inputs::HostFacts;
use engine::plan::HOST_TABLE;
use engine::resolve::{Corosync, Ipset};
use engine::ruleset::{Origin, Ruleset, TableFamily};
use engine::simulate::{Simulator, Verdict};

use crate::host::flows::Flow;
use crate::report;
pub use service::Service;
use way::{Surroundings, holds, is_open, samples};

/// One side of a change.
#[derive(Debug, Clone, Copy)]
pub struct Generation<'a> {
    /// What the kernel holds or would hold.
    pub ruleset: &'a Ruleset,
    /// Who may manage the node.
    pub management: &'a Ipset,
    /// The cluster's links.
    pub corosync: Option<&'a Corosync>,
}

impl<'a> Generation<'a> {
    /// The side that a compilation gave.
    pub fn of(compiled: &'a Compiled) -> Generation<'a> {
        Generation {
            ruleset: &compiled.plan.ruleset,
            management: &compiled.resolved.management,
            corosync: compiled.resolved.corosync.as_ref(),
        }
    }
}

/// A change, and what it is held against.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What is enforced.
    pub old: Generation<'a>,
    /// What would be.
    pub new: Generation<'a>,
    /// Today's host: addresses and interfaces, for both sides.
    pub facts: &'a HostFacts,
    /// What is live.
    pub flows: &'a [Flow],
    /// The address of the person who asks for it, if that is known.
    pub caller: Option<IpAddr>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What could not be opened again, the most serious first.
    pub cuts: Vec<Cut>,
    /// Ways that were tried; 0: nothing changed that could matter.
    pub n_tried: usize,
    /// There were more than are tried.
    pub truncated: bool,
}

impl Report {
    /// The change waits for a person.
    pub fn holds(&self) -> bool {
        self.cuts.iter().any(|cut| cut.holds)
    }
}

/// A way that would be closed.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The connection; a way in that nobody uses has source port 0.
    pub flow: Flow,
    /// It is there now, not only possible.
    pub live: bool,
    /// What it is for.
    pub service: Service,
    /// It is a way in: the change waits for a person.
    pub holds: bool,
    /// What it meets now.
    pub old: Verdict,
    /// What it would meet.
    pub new: Verdict,
    /// Why; a place in the candidate's files. `None`: no rule decided.
    pub origin: Option<Origin>,
}

/// Ways that are tried; what else there is says little more, and takes time.
const N_TRIED_MAX: usize = 256;

/// What a preflight wants to know of: connections that a node depends on, and the caller's.
pub fn concerns(flow: &Flow, caller: Option<IpAddr>) -> bool {
    Service::of(flow.protocol, flow.dest_port).is_some() || Some(flow.source) == caller
}

/// The node's own connections meet the same under both: nothing of theirs can be cut. Lines that have only moved in their
/// file make no difference.
pub fn is_equal(rulesets: [&Ruleset; 2]) -> bool {
    let [old, new] = rulesets.map(host_table);
    diff(&old, &new).is_empty()
}

/// The host's table alone: what the node itself says and hears does not meet guests' chains.
fn host_table(ruleset: &Ruleset) -> Ruleset {
    Ruleset { tables: ruleset.table(TableFamily::Inet, HOST_TABLE).cloned().into_iter().collect() }
}

/// Finds what a change would cut.
pub fn cuts(change: &Change<'_>) -> Report {
    let [old, new] = [change.old, change.new].map(|side| host_table(side.ruleset));
    if new.tables.is_empty() || diff(&old, &new).is_empty() {
        return Report::default();
    }
    let around = Surroundings::new(change.facts);
    let ways = ways(change, &around);
    let truncated = ways.len() > N_TRIED_MAX;
    let [before, after] = [&old, &new].map(|ruleset| Simulator::new(ruleset, &around.world));
    let mut report = Report { truncated, ..Report::default() };
    let mut left_open = BTreeSet::new();
    for way in ways.into_iter().take(N_TRIED_MAX) {
        let Some(packet) = around.packet(&way.flow) else { continue };
        let Ok(met) = after.simulate(&packet) else { continue };
        report.n_tried += 1;
        if is_open(&met) {
            if way.service.is_way_in() && around.is_local(way.flow.dest) {
                left_open.insert(way.service);
            }
            continue;
        }
        let Ok(meets) = before.simulate(&packet) else { continue };
        if is_open(&meets) {
            report.cuts.push(Cut {
                flow: way.flow,
                live: way.live,
                service: way.service,
                holds: way.holds,
                old: meets.verdict,
                origin: report::cause(&met),
                new: met.verdict,
            });
        }
    }
    // A service that nobody could reach any more is a way in that is cut.
    let ways_in =
        report.cuts.iter_mut().filter(|cut| cut.service.is_way_in() && !left_open.contains(&cut.service));
    ways_in.filter(|cut| around.is_local(cut.flow.dest)).for_each(|cut| cut.holds = true);
    report.cuts.sort_by_key(|cut| (!cut.holds, !cut.live, cut.service, cut.flow));
    report
}

/// A connection that is to be tried.
struct Way {
    flow: Flow,
    service: Service,
    live: bool,
    holds: bool,
}

/// Everything to be tried, the most important first, each once.
fn ways(change: &Change<'_>, around: &Surroundings) -> Vec<Way> {
    let mut ways = live(change, around);
    ways.extend(corosync_links(change));
    ways.extend(ways_in(change, around));
    let mut known = BTreeSet::new();
    ways.retain(|Way { flow, .. }| known.insert((flow.protocol, flow.source, flow.dest, flow.dest_port)));
    // Stable: among equals what is live stays first.
    ways.sort_by_key(|way| !way.holds);
    ways
}

fn live(change: &Change<'_>, around: &Surroundings) -> Vec<Way> {
    let is_manager = |address| {
        let sets = [change.old.management, change.new.management];
        sets.iter().any(|set| holds(&set.intervals, address))
    };
    let way = |flow: &Flow| {
        let is_caller = Some(flow.source) == change.caller;
        let service = Service::of(flow.protocol, flow.dest_port).or(is_caller.then_some(Service::Caller))?;
        let is_inbound = around.is_local(flow.dest);
        if is_inbound == around.is_local(flow.source) {
            return None;
        }
        let holds = match service {
            Service::Web | Service::Ssh => is_inbound && (is_caller || is_manager(flow.source)),
            Service::Corosync => is_wanted_link(change, flow),
            Service::Caller | Service::Spice | Service::Vnc => is_inbound && is_caller,
            Service::Ceph | Service::Migration | Service::Storage => false,
        };
        Some(Way { flow: *flow, service, live: true, holds })
    };
    change.flows.iter().filter_map(way).collect()
}

/// Corosync between nodes that the candidate does not separate on purpose.
fn is_wanted_link(change: &Change<'_>, flow: &Flow) -> bool {
    change.new.corosync.is_none_or(|corosync| {
        let ends = [(flow.source, flow.dest), (flow.dest, flow.source)];
        corosync.unresolved || ends.iter().any(|ends| corosync.pairs.contains(ends))
    })
}

/// Both directions of each link that the candidate has, on the first link's port.
fn corosync_links(change: &Change<'_>) -> impl Iterator<Item = Way> {
    const UDP: u8 = 17;
    const PORT: u16 = 5405;
    let pairs = change.new.corosync.into_iter().flat_map(|corosync| &corosync.pairs);
    let way = |from: IpAddr, to: IpAddr| Way {
        flow: Flow::between(UDP, (from, PORT), (to, PORT)),
        service: Service::Corosync,
        live: false,
        holds: true,
    };
    pairs.flat_map(move |(peer, own)| [way(*peer, *own), way(*own, *peer)])
}

/// Web interface and SSH, from where the caller sits and each entry of the management sets. An entry that the candidate takes out is meant to
/// lose them, so that alone does not hold the change; nor does an address of the node that is not its name's.
fn ways_in(change: &Change<'_>, around: &Surroundings) -> Vec<Way> {
    const TCP: u8 = 6;
    let mut ways = Vec::new();
    let entries = [change.new.management, change.old.management].map(|set| &set.intervals);
    let managers = entries.into_iter().flatten().flat_map(|entry| samples(*entry, around));
    for source in change.caller.into_iter().chain(managers) {
        let is_managing = Some(source) == change.caller || holds(&change.new.management.intervals, source);
        for dest in around.own().iter().filter(|own| own.is_ipv4() == source.is_ipv4()) {
            for (service, port) in [(Service::Web, 8006), (Service::Ssh, 22)] {
                let flow = Flow::between(TCP, (source, 0), (*dest, port));
                let holds = is_managing && around.is_named(*dest);
                ways.push(Way { flow, service, live: false, holds });
            }
        }
    }
    ways
}
