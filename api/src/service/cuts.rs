//! What a candidate would cut here and now: live connections are read and given to the preflight, what it finds is put
//! into words.

use std::net::IpAddr;
use std::time::Duration;

use engine::Compiled;
use engine::inputs::HostFacts;

use super::preflight::{self, Change, Cut, Report};
use super::state::Generation;
use crate::host::flows;
use crate::report;

/// What is read of live connections.
const FLOWS: flows::Limits = flows::Limits { n_read: 65_536, time: Duration::from_millis(50) };

/// Cuts that are told of, the most serious first.
const N_CUTS_MAX: usize = 100;

/// What would be cut if the ruleset of `compiled` took the place of what is enforced.
pub(super) fn find(
    enforced: &Generation,
    compiled: &Compiled,
    facts: &HostFacts,
    caller: Option<IpAddr>,
) -> Report {
    let rulesets = [&enforced.compiled.plan.ruleset, &compiled.plan.ruleset];
    if preflight::is_equal(rulesets) {
        return Report::default();
    }
    let live = flows::live(FLOWS, &|flow| preflight::concerns(flow, caller));
    let [old, new] = [&*enforced.compiled, compiled].map(preflight::Generation::of);
    preflight::cuts(&Change { old, new, facts, flows: &live.flows, caller })
}

/// A line for each cut.
pub(super) fn words<'a>(cuts: impl Iterator<Item = &'a Cut>, compiled: &Compiled) -> Vec<String> {
    cuts.take(N_CUTS_MAX).map(|cut| text(cut, compiled)).collect()
}

/// `web: 192.0.2.9 to 192.0.2.1 port 8006: drop because of /etc/pve/firewall/cluster.fw:7`
fn text(cut: &Cut, compiled: &Compiled) -> String {
    let flow = &cut.flow;
    let because = cut.origin.map_or_else(String::new, |origin| {
        format!(" because of {}", report::origin(origin, &compiled.sources))
    });
    let (source, dest, port, new) = (flow.source, flow.dest, flow.dest_port, &cut.new);
    let (service, now) = (cut.service.as_str(), if cut.live { ", connected now" } else { "" });
    format!("{service}: {source} to {dest} port {port}{now}: {new}{because}")
}
