//! A skipped DROP or REJECT can open what a later ACCEPT covers, and so can a skipped entry of a set; that is an error
//! of its own.
//!
//! Judged on the safe side: what is not known of the skipped rule counts as "anything", addresses are not compared.

use std::collections::BTreeSet;

use super::{Group, Guest, Loss, Resolved, Rule, RuleKind, Vnet};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::Setting;
use crate::model::port::{PortList, PortProtocol, PortRange};
use crate::model::rule::{Action, Direction, Transport};
use crate::span::{FileId, Span};
use crate::tables::cluster_ports::{COROSYNC, MANAGEMENT_IN, MANAGEMENT_OUT};

/// A loss behind which something accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    /// What has to be repaired.
    place: Span,
    loss: Loss,
    by: &'static str,
    /// The file whose scope is open by it.
    file: Option<FileId>,
}

/// What zones meet that are not the host's, besides their own rules.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) groups: &'a [Group],
    /// The entry that the blacklist lacks.
    pub(super) blacklist: Option<Span>,
}

/// Reports each loss behind which something accepts, once; gives the files whose scope is open by it.
pub(super) fn report<'o>(
    opened: impl Iterator<Item = &'o Opened>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeSet<FileId> {
    let mut files = BTreeSet::new();
    let mut said = BTreeSet::new();
    for opened in opened {
        files.extend(opened.file);
        if said.insert(opened.place) {
            diagnostics.push(diagnostic(opened));
        }
    }
    files
}

/// What is opened in the zones of the host.
pub(super) fn of_host(resolved: &Resolved) -> Vec<Opened> {
    let mut rules = resolved.host_rules.iter().chain(&*resolved.datacenter_rules);
    let of_sets = blacklist_lost(resolved).or(resolved.management.lost.excluded);
    if of_sets.is_none() && !rules.any(|rule| loses(rule, &resolved.groups)) {
        return Vec::new();
    }
    host_sequences(resolved).iter().flat_map(opened).collect()
}

/// What is opened in the zones of a guest.
pub(super) fn of_guest(guest: &Guest, around: Around<'_>) -> Vec<Opened> {
    let loses = around.blacklist.is_some() || guest.rules.iter().any(|rule| loses(rule, around.groups));
    if !loses || guest.filtered().next().is_none() {
        return Vec::new();
    }
    let options = &guest.options;
    let policies = [(Direction::In, options.policy_in), (Direction::Out, options.policy_out)];
    let sequence = |(direction, policy): (Direction, Setting<Action>)| {
        let mut items = match direction {
            Direction::In => around.blacklist.map(of_zone).into_iter().collect(),
            Direction::Out | Direction::Forward => Vec::new(),
        };
        items.extend(flatten(guest.rules.iter(), around.groups, direction));
        items.extend(at_end(policy.value));
        opened(&Sequence { zone: options.enable.at.map(|at| at.file), items })
    };
    policies.into_iter().flat_map(sequence).collect()
}

/// What is opened in the zone of a VNet.
pub(super) fn of_vnet(vnet: &Vnet, around: Around<'_>) -> Vec<Opened> {
    if around.blacklist.is_none() && !vnet.rules.iter().any(|rule| loses(rule, around.groups)) {
        return Vec::new();
    }
    let mut items: Vec<Item<'_>> = around.blacklist.map(of_zone).into_iter().collect();
    items.extend(flatten(vnet.rules.iter(), around.groups, Direction::Forward));
    items.extend(at_end(vnet.options.policy_forward.value));
    opened(&Sequence { zone: vnet.options.enable.at.map(|at| at.file), items })
}

fn loses(rule: &Rule, groups: &[Group]) -> bool {
    match &rule.kind {
        RuleKind::Match(_) => false,
        RuleKind::Group { group, .. } => groups[*group].loses,
        RuleKind::Lost { .. } => true,
    }
}

/// From the end: what is accepted behind a rule, each transport once, so that thousands of alike rules cost nothing.
fn opened(sequence: &Sequence<'_>) -> Vec<Opened> {
    let (mut by_rules, mut built_in) = (BTreeSet::new(), Vec::new());
    let mut found = Vec::new();
    for item in sequence.items.iter().rev() {
        match item {
            Item::Accept(accepted) => by_rules.extend(accepted.iter().copied()),
            Item::BuiltIn(what, accepted) => built_in.push((*what, accepted)),
            Item::Lost(lost) => {
                let meets = |accepted: &Transport| {
                    lost.transports.is_empty() || lost.transports.iter().any(|l| overlaps(l, accepted))
                };
                let rule =
                    by_rules.iter().any(|accepted| meets(accepted)).then_some("an ACCEPT that covers it");
                let first_built_in = || built_in.iter().rev().find(|(_, accepted)| meets(accepted));
                let by = rule.or_else(|| first_built_in().map(|(what, _)| *what));
                let file = lost.rule.map(|rule| rule.file).or(sequence.zone);
                found.extend(by.map(|by| Opened { place: lost.place, loss: lost.loss, by, file }));
            }
        }
    }
    found.reverse();
    found
}

fn blacklist_lost(resolved: &Resolved) -> Option<Span> {
    resolved.blacklist.as_ref().and_then(|ipset| ipset.lost.included)
}

fn diagnostic(opened: &Opened) -> Diagnostic {
    let by = opened.by;
    let (message, what) = match opened.loss {
        Loss::Denial => (format!("a skipped DROP or REJECT stands before {by}"), "rule"),
        Loss::Perhaps => (format!("a skipped rule that may have denied stands before {by}"), "rule"),
        Loss::Entry(_) => (format!("a skipped entry of a set kept addresses from {by}"), "entry"),
    };
    Diagnostic::new(Code::Opens, Place::Span(opened.place), message, "traffic that it denied may pass").help(
        format!(
            "repair the {what}; `strict: 1` in the node's proxmox-firewall.cfg keeps the last good version"
        ),
    )
}

/// What a zone meets, in order.
struct Sequence<'a> {
    /// The file that the zone hangs on.
    zone: Option<FileId>,
    items: Vec<Item<'a>>,
}

/// Something that no longer denies.
struct Lost<'a> {
    /// What has to be repaired.
    place: Span,
    /// The rule that is lost, or not what it was; `None`: a set of the zone itself.
    rule: Option<Span>,
    loss: Loss,
    transports: &'a [Transport],
}

enum Item<'a> {
    Lost(Lost<'a>),
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

/// Every order in which rules of the host are met: zone, direction; with what is accepted at its end.
fn host_sequences(resolved: &Resolved) -> Vec<Sequence<'_>> {
    let datacenter = &resolved.datacenter;
    let zone = datacenter.enable.at.map(|at| at.file);
    let mut all = Vec::new();
    if resolved.host.enable.value {
        for (direction, ports, policy) in [
            (Direction::In, &MANAGEMENT_IN[..], datacenter.policy_in.value),
            (Direction::Out, &MANAGEMENT_OUT[..], datacenter.policy_out.value),
        ] {
            let mut items = host_zone(resolved, direction);
            if direction == Direction::In {
                items.splice(..0, blacklist(resolved));
                items.extend(resolved.management.lost.excluded.map(of_zone));
            }
            items.push(built_in("the management ports that are always open", PortProtocol::Tcp, ports));
            if resolved.corosync.is_some() {
                items.push(built_in("the ports of corosync", PortProtocol::Udp, &[COROSYNC]));
            }
            items.extend(at_end(policy));
            all.push(Sequence { zone, items });
        }
    }
    let mut items = blacklist(resolved);
    items.extend(host_zone(resolved, Direction::Forward));
    items.extend(at_end(datacenter.policy_forward.value));
    all.push(Sequence { zone, items });
    all
}

/// What the blacklist lacks is no longer dropped before the rules.
fn blacklist(resolved: &Resolved) -> Vec<Item<'_>> {
    blacklist_lost(resolved).map(of_zone).into_iter().collect()
}

/// The lost entry of a set that the zone itself asks.
fn of_zone(entry: Span) -> Item<'static> {
    Item::Lost(Lost { place: entry, rule: None, loss: Loss::Entry(entry), transports: &[] })
}

fn host_zone(resolved: &Resolved, direction: Direction) -> Vec<Item<'_>> {
    let rules = resolved.host_rules.iter().chain(&*resolved.datacenter_rules);
    flatten(rules, &resolved.groups, direction)
}

fn built_in(what: &'static str, protocol: PortProtocol, ports: &[PortRange]) -> Item<'static> {
    let dport = PortList::new(ports);
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
            RuleKind::Lost { direction: lost, transports, loss } if lost.is_none_or(|d| d == direction) => {
                let place = match loss {
                    Loss::Entry(entry) => *entry,
                    Loss::Denial | Loss::Perhaps => rule.span,
                };
                items.push(Item::Lost(Lost { place, rule: Some(rule.span), loss: *loss, transports }));
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
