//! A skipped DROP or REJECT can open what a later ACCEPT covers; that is an error of its own.
//!
//! Judged on the safe side: what is not known of the skipped rule counts as "anything", addresses are not compared.

use std::collections::BTreeSet;

use super::{Group, Resolved, Rule, RuleKind};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::port::{PortList, PortProtocol, PortRange};
use crate::model::rule::{Action, Direction, Transport};
use crate::span::Span;
use crate::tables::cluster_ports::{COROSYNC, MANAGEMENT_IN, MANAGEMENT_OUT};

/// Reports each skipped DROP or REJECT behind which something accepts.
pub(super) fn report(resolved: &Resolved, diagnostics: &mut Vec<Diagnostic>) {
    if !loses_something(resolved) {
        return;
    }
    let mut said = BTreeSet::new();
    for sequence in sequences(resolved) {
        let mut opened = opened(&sequence);
        opened.reverse();
        for (span, by) in opened {
            if said.insert(span) {
                diagnostics.push(diagnostic(span, by));
            }
        }
    }
}

/// From the end: what is accepted behind a rule, each transport once, so that thousands of alike rules cost nothing.
fn opened(sequence: &[Item<'_>]) -> Vec<(Span, &'static str)> {
    let (mut by_rules, mut built_in) = (BTreeSet::new(), Vec::new());
    let mut opened = Vec::new();
    for item in sequence.iter().rev() {
        match item {
            Item::Accept(accepted) => by_rules.extend(accepted.iter().copied()),
            Item::BuiltIn(what, accepted) => built_in.push((*what, accepted)),
            Item::Lost(span, lost) => {
                let meets =
                    |accepted: &Transport| lost.is_empty() || lost.iter().any(|l| overlaps(l, accepted));
                let rule =
                    by_rules.iter().any(|accepted| meets(accepted)).then_some("an ACCEPT that covers it");
                let first_built_in = || built_in.iter().rev().find(|(_, accepted)| meets(accepted));
                let by = rule.or_else(|| first_built_in().map(|(what, _)| *what));
                opened.extend(by.map(|by| (*span, by)));
            }
        }
    }
    opened
}

fn loses_something(resolved: &Resolved) -> bool {
    let groups = resolved.groups.iter().flat_map(|group| &group.rules);
    let guests = resolved.guests.iter().flat_map(|guest| &guest.rules);
    let vnets = resolved.vnets.iter().flat_map(|vnet| &vnet.rules);
    let all = resolved.host_rules.iter().chain(&resolved.datacenter_rules).chain(groups);
    all.chain(guests).chain(vnets).any(|rule| matches!(rule.kind, RuleKind::Lost { .. }))
}

fn diagnostic(span: Span, by: &str) -> Diagnostic {
    let message = format!("a skipped DROP or REJECT stands before {by}");
    Diagnostic::new(Code::Opens, Place::Span(span), message, "traffic that it denied may pass")
        .help("repair the rule; `strict: 1` in the node's proxmox-firewall.cfg keeps the last good version")
}

enum Item<'a> {
    Lost(Span, &'a [Transport]),
    Accept(Vec<&'a Transport>),
    /// What the firewall itself accepts behind the rules.
    BuiltIn(&'static str, Transport),
}

/// Whether some packet fits both; ports are compared, addresses are not.
fn overlaps(a: &Transport, b: &Transport) -> bool {
    match (a, b) {
        (Transport::Any, _) | (_, Transport::Any) => true,
        (
            Transport::Ports { protocol: p, sport: s, dport: d },
            Transport::Ports { protocol: q, sport: t, dport: e },
        ) => p == q && ports_meet(s, t) && ports_meet(d, e),
        (Transport::Other(p), Transport::Other(q)) => p == q,
        (Transport::Icmp(_), Transport::Icmp(_)) | (Transport::Icmpv6(_), Transport::Icmpv6(_)) => true,
        (Transport::Ports { .. } | Transport::Icmp(_) | Transport::Icmpv6(_) | Transport::Other(_), _) => {
            false
        }
    }
}

fn ports_meet(a: &PortList, b: &PortList) -> bool {
    let meets = |x: &PortRange| b.ranges().iter().any(|y| x.first <= y.last && y.first <= x.last);
    a.is_any() || b.is_any() || a.ranges().iter().any(meets)
}

/// Every order in which rules are met: zone, direction; with what is accepted at its end.
fn sequences(resolved: &Resolved) -> Vec<Vec<Item<'_>>> {
    let datacenter = &resolved.datacenter;
    let mut all = Vec::new();
    if resolved.host.enable.value {
        for (direction, ports, policy) in [
            (Direction::In, &MANAGEMENT_IN[..], datacenter.policy_in.value),
            (Direction::Out, &MANAGEMENT_OUT[..], datacenter.policy_out.value),
        ] {
            let mut zone = host_zone(resolved, direction);
            zone.push(built_in("the management ports that are always open", PortProtocol::Tcp, ports));
            if resolved.corosync.is_some() {
                zone.push(built_in("the ports of corosync", PortProtocol::Udp, &[COROSYNC]));
            }
            zone.extend(at_end(policy));
            all.push(zone);
        }
    }
    let mut forward = host_zone(resolved, Direction::Forward);
    forward.extend(at_end(datacenter.policy_forward.value));
    all.push(forward);
    for guest in resolved.guests.iter().filter(|guest| guest.filtered().next().is_some()) {
        let options = &guest.options;
        let policies = [(Direction::In, options.policy_in), (Direction::Out, options.policy_out)];
        for (direction, policy) in policies {
            let mut zone = flatten(guest.rules.iter(), &resolved.groups, direction);
            zone.extend(at_end(policy.value));
            all.push(zone);
        }
    }
    for vnet in &resolved.vnets {
        let mut zone = flatten(vnet.rules.iter(), &resolved.groups, Direction::Forward);
        zone.extend(at_end(vnet.options.policy_forward.value));
        all.push(zone);
    }
    all
}

fn host_zone(resolved: &Resolved, direction: Direction) -> Vec<Item<'_>> {
    let rules = resolved.host_rules.iter().chain(&resolved.datacenter_rules);
    flatten(rules, &resolved.groups, direction)
}

fn built_in(what: &'static str, protocol: PortProtocol, ports: &[PortRange]) -> Item<'static> {
    let dport = PortList::new(ports.to_vec());
    Item::BuiltIn(what, Transport::Ports { protocol, sport: PortList::default(), dport })
}

fn at_end(policy: Action) -> Option<Item<'static>> {
    (policy == Action::Accept).then_some(Item::BuiltIn("policy ACCEPT", Transport::Any))
}

/// A group stands here twice at most: then each of its rules stands behind each other.
fn flatten<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    groups: &'a [Group],
    direction: Direction,
) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    let mut calls = vec![0_u8; groups.len()];
    for rule in rules {
        match &rule.kind {
            RuleKind::Match(m) if m.direction == direction && m.action == Action::Accept => {
                items.push(Item::Accept(m.variants.iter().map(|v| &v.transport).collect()));
            }
            RuleKind::Lost { direction: lost, transports } if lost.is_none_or(|d| d == direction) => {
                items.push(Item::Lost(rule.span, transports));
            }
            RuleKind::Group { group, .. } if calls[*group] < 2 => {
                calls[*group] += 1;
                items.extend(flatten(groups[*group].rules.iter(), &[], direction));
            }
            RuleKind::Match(_) | RuleKind::Lost { .. } | RuleKind::Group { .. } => {}
        }
    }
    items
}
