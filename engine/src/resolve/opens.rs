//! A skipped DROP or REJECT can open what a later ACCEPT covers; that is an error of its own.
//!
//! Judged on the safe side: what is not known of the skipped rule counts as "anything", addresses are not compared.

use std::collections::BTreeSet;

use super::{Group, Resolved, Rule, RuleKind};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::rule::{Action, Direction, Transport};
use crate::span::Span;

/// Reports each skipped DROP or REJECT behind which something accepts.
pub(super) fn report(resolved: &Resolved, diagnostics: &mut Vec<Diagnostic>) {
    if !loses_something(resolved) {
        return;
    }
    let mut said = BTreeSet::new();
    for (sequence, accepted_at_end) in sequences(resolved) {
        for (position, item) in sequence.iter().enumerate() {
            let Item::Lost(span, transports) = item else { continue };
            let later = sequence[position + 1..].iter().find_map(|item| accepts(item, transports));
            let opened_by = later.or(accepted_at_end.map(By::BuiltIn));
            if let (Some(by), true) = (opened_by, said.insert(*span)) {
                diagnostics.push(diagnostic(*span, &by));
            }
        }
    }
}

fn loses_something(resolved: &Resolved) -> bool {
    let groups = resolved.groups.iter().flat_map(|group| &group.rules);
    let guests = resolved.guests.iter().flat_map(|guest| &guest.rules);
    let vnets = resolved.vnets.iter().flat_map(|vnet| &vnet.rules);
    let all = resolved.host_rules.iter().chain(&resolved.datacenter_rules).chain(groups);
    all.chain(guests).chain(vnets).any(|rule| matches!(rule.kind, RuleKind::Lost { .. }))
}

/// What accepts behind a lost rule.
enum By {
    Rule,
    BuiltIn(&'static str),
}

fn diagnostic(span: Span, by: &By) -> Diagnostic {
    let message = match by {
        By::Rule => "a skipped DROP or REJECT stands before an ACCEPT that covers it".to_owned(),
        By::BuiltIn(what) => format!("a skipped DROP or REJECT stands before {what}"),
    };
    Diagnostic::new(Code::Opens, Place::Span(span), message, "traffic that it denied may pass")
        .help("repair the rule; `strict: 1` in the node's proxmox-firewall.cfg keeps the last good version")
}

enum Item<'a> {
    Lost(Span, &'a [Transport]),
    Accept(Vec<&'a Transport>),
}

fn accepts(item: &Item<'_>, lost: &[Transport]) -> Option<By> {
    let Item::Accept(accepted) = item else { return None };
    let meets = lost.is_empty() || lost.iter().any(|l| accepted.iter().any(|a| overlaps(l, a)));
    meets.then_some(By::Rule)
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

fn ports_meet(a: &crate::model::port::PortList, b: &crate::model::port::PortList) -> bool {
    let meets =
        |x: &crate::model::port::PortRange| b.ranges().iter().any(|y| x.first <= y.last && y.first <= x.last);
    a.is_any() || b.is_any() || a.ranges().iter().any(meets)
}

/// Every order in which rules are met: zone, direction; and what accepts at its end.
fn sequences(resolved: &Resolved) -> Vec<(Vec<Item<'_>>, Option<&'static str>)> {
    let mut all = Vec::new();
    let policy = |action: Action| (action == Action::Accept).then_some("policy ACCEPT");
    let datacenter = &resolved.datacenter;
    let management = Some("the management ports that are always open");
    let ends = [
        (Direction::In, policy(datacenter.policy_in.value).or(management)),
        (Direction::Out, policy(datacenter.policy_out.value)),
        (Direction::Forward, policy(datacenter.policy_forward.value)),
    ];
    for (direction, end) in ends {
        let rules = resolved.host_rules.iter().chain(&resolved.datacenter_rules);
        all.push((flatten(rules, &resolved.groups, direction), end));
    }
    for guest in resolved.guests.iter().filter(|guest| guest.options.enable.value) {
        let ends = [
            (Direction::In, policy(guest.options.policy_in.value)),
            (Direction::Out, policy(guest.options.policy_out.value)),
        ];
        for (direction, end) in ends {
            all.push((flatten(guest.rules.iter(), &resolved.groups, direction), end));
        }
    }
    for vnet in &resolved.vnets {
        let end = policy(vnet.options.policy_forward.value);
        all.push((flatten(vnet.rules.iter(), &resolved.groups, Direction::Forward), end));
    }
    all
}

fn flatten<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    groups: &'a [Group],
    direction: Direction,
) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for rule in rules {
        match &rule.kind {
            RuleKind::Match(m) if m.direction == direction && m.action == Action::Accept => {
                items.push(Item::Accept(m.variants.iter().map(|v| &v.transport).collect()));
            }
            RuleKind::Lost { direction: lost, transports } if lost.is_none_or(|d| d == direction) => {
                items.push(Item::Lost(rule.span, transports));
            }
            RuleKind::Group { group, .. } => {
                items.extend(flatten(groups[*group].rules.iter(), &[], direction));
            }
            RuleKind::Match(_) | RuleKind::Lost { .. } => {}
        }
    }
    items
}
