//! Rules that the classic firewall loses, ignores or reads otherwise, by the text of their lines.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::names::FirstColumns;
use super::{Effect, Notes};
use crate::diagnostic::Place;
use crate::model::Config;
use crate::model::address::{Cidr, Family};
use crate::model::rule::{Action, Direction, MatchRule, Rule, RuleKind, Transport};
use crate::tables::icmp;

const LOST: &str = "loses the rule";

/// Where rules stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Host,
    Guest,
    Group,
    Vnet,
}

pub(super) fn find(config: &Config, known: &FirstColumns<'_>, notes: &mut Notes<'_>) {
    let host = config.datacenter.rules.iter().chain(&config.host.rules).map(|rule| (Scope::Host, rule));
    let groups = config.datacenter.groups.values().flat_map(|group| &group.rules);
    let guests = config.guests.values().flat_map(|guest| &guest.rules);
    let vnets = config.vnets.values().flat_map(|vnet| &vnet.rules);
    let all = host
        .chain(groups.map(|rule| (Scope::Group, rule)))
        .chain(guests.map(|rule| (Scope::Guest, rule)))
        .chain(vnets.map(|rule| (Scope::Vnet, rule)));
    for (scope, rule) in all.filter(|(_, rule)| rule.enabled) {
        if let RuleKind::Match(matches) = &rule.kind {
            one(scope, rule, matches, notes);
            if scope != Scope::Vnet && matches.direction != Direction::Forward {
                let text = notes.text(rule.span);
                for (id, ours) in unnamed(&text, matches, known) {
                    let effect = Effect::of_gained(matches.action);
                    notes.add(id, Place::Span(rule.span), effect, [LOST, ours]);
                }
            }
        }
    }
}

fn one(scope: Scope, rule: &Rule, matches: &MatchRule, notes: &mut Notes<'_>) {
    let place = Place::Span(rule.span);
    if matches.direction == Direction::Forward {
        // It filters nothing in this direction, so an ACCEPT of ours cannot let more pass.
        let effect = if matches.action == Action::Accept { Effect::Other } else { Effect::PassesLess };
        let texts = ["ignores rules of direction FORWARD", "applied to what is routed, and to VNets"];
        notes.add("D119", place, effect, texts);
        return;
    }
    if scope == Scope::Vnet {
        return;
    }
    let text = notes.text(rule.span);
    for (id, ours) in lost(&text) {
        notes.add(id, place, Effect::of_gained(matches.action), [LOST, ours]);
    }
    for word in ["-sport", "-dport"] {
        if value(&text, word).is_some_and(|ports| ports == "0") {
            let effect =
                if matches.action == Action::Accept { Effect::PassesLess } else { Effect::PassesMore };
            let texts = ["drops the criterion: the rule holds for every port", "port 0 alone"];
            notes.add("D95", place, effect, texts);
        }
    }
    if matches!(value(&text, "-p"), Some("1" | "58")) {
        let texts = ["a plain protocol number, in both families", "ICMP or ICMPv6, in its own family"];
        notes.add("D90", place, Effect::Other, texts);
    }
    if scope == Scope::Guest && matches.action == Action::Reject && matches.direction == Direction::In {
        let texts = [
            "answers every packet, flooded copies too",
            "answers bridged packets to the guest's own address; drops what the host sends or routes",
        ];
        notes.add("S1", place, Effect::Other, texts);
    }
    let own_set =
        |word| value(&text, word).is_some_and(|set: &str| set.to_ascii_lowercase().starts_with("+guest/"));
    if scope == Scope::Group && ["-source", "-dest"].into_iter().any(own_set) {
        let texts = [
            "checks the datacenter's set of that name; without it in the guest, its users are not filtered at all",
            "the set of the guest that uses the group",
        ];
        notes.add("D101", place, Effect::PassesLess, texts);
    }
}

/// Every reason for which the classic firewall loses a rule that we apply.
fn lost(text: &str) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let mut note = |holds: bool, id, ours| {
        if holds {
            found.push((id, ours));
        }
    };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let action = words.get(1).copied().unwrap_or_default();
    let is_plain = ["accept", "drop", "reject"].into_iter().any(|known| known.eq_ignore_ascii_case(action));
    note(
        is_plain && action.bytes().any(|b| b.is_ascii_lowercase()),
        "D77",
        "the case of an action means nothing",
    );
    let unknown = |word: &&str| matches!(*word, "--p" | "--i" | "-iface" | "--iface");
    note(words.iter().any(unknown), "D79", "another spelling of the parameter");
    note(has_wide_gap(text), "D80", "blanks count once");
    let level = value(text, "-log").unwrap_or_default();
    note(level == "warn" || level.bytes().any(|b| b.is_ascii_uppercase()), "D82", "a spelling of the level");
    let icmp_type = value(text, "-icmp-type").unwrap_or_default();
    note(icmp_type.starts_with(|c: char| c.is_ascii_digit()), "D86", "types by number are known");
    for word in ["-sport", "-dport"] {
        let ports = value(text, word).unwrap_or_default();
        note(n_numbers(ports) > 15, "D96", "lists of ports may be of any length");
        note(ports.split(',').any(is_named_range), "D97", "ranges may begin and end with names");
    }
    for word in ["-source", "-dest"] {
        let list = value(text, word).unwrap_or_default();
        note(list.split(',').any(has_host_bits), "D100", "bits behind the prefix are masked off");
        note(list.contains(',') && list.split(',').any(is_range), "D102", "ranges may stand in a list");
    }
    let macro_name = action.split('(').next().unwrap_or_default();
    note(macro_name.eq_ignore_ascii_case("PBS"), "D133", "the macro is known");
    note(macro_name.eq_ignore_ascii_case("HTTP/3"), "D134", "the macro is known");
    found
}

/// Names and numbers for which the classic firewall loses a rule, as the host's lists have them.
fn unnamed(
    text: &str,
    matches: &MatchRule,
    known: &FirstColumns<'_>,
) -> BTreeSet<(&'static str, &'static str)> {
    let mut found = BTreeSet::new();
    let protocol = value(text, "-p").or_else(|| value(text, "-proto")).unwrap_or_default();
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if is_number(protocol) {
        if !protocol.is_empty() && !known.has_number(protocol) {
            found.insert(("D92", "any number from 1 to 255"));
        }
    } else if known.has_protocol(&protocol.to_ascii_lowercase()) {
        if !known.has_protocol(protocol) {
            found.insert(("D91", "the case of a protocol means nothing"));
        }
    } else {
        found.insert(("D93", "protocols may go by their other names"));
    }
    let family = matches.components.iter().find_map(|component| match component.transport {
        Transport::Icmp(_) => Some(Family::V4),
        Transport::Icmpv6(_) => Some(Family::V6),
        Transport::Any | Transport::Ports { .. } | Transport::Other(_) => None,
    });
    for word in ["-icmp-type", "-dport", "-sport"] {
        let value = value(text, word).unwrap_or_default();
        let Some(family) = family else {
            let starts_name = |item: &&str| item.starts_with(|c: char| c.is_ascii_alphabetic());
            if value
                .split(',')
                .filter(starts_name)
                .any(|item| !item.contains(':') && !known.has_service(item))
            {
                found.insert(("D97", "services may go by their other names"));
            }
            continue;
        };
        let is_any = family == Family::V6 && value.eq_ignore_ascii_case("any");
        if is_any || icmp::is_nft_only(family, value) {
            found.insert(("D89", "names of nftables are known"));
        }
    }
    found
}

/// The word behind a parameter, which may have two dashes; of several the last.
fn value<'t>(text: &'t str, parameter: &str) -> Option<&'t str> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_it = |word: &str| word == parameter || word.strip_prefix('-') == Some(parameter);
    words.windows(2).rev().find(|pair| is_it(pair[0])).map(|pair| pair[1])
}

/// More than one blank, or a tab, between a parameter and its value.
fn has_wide_gap(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(" -") {
        rest = &rest[at + 1..];
        let behind = rest.find(|c: char| c.is_ascii_whitespace()).map_or("", |at| &rest[at..]);
        let gap = &behind[..behind.len() - behind.trim_start().len()];
        if gap.len() < behind.len() && gap != " " {
            return true;
        }
    }
    false
}

/// A range counts two, a name nothing.
fn n_numbers(ports: &str) -> usize {
    let is_number = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit());
    ports.split([',', ':']).filter(is_number).count()
}

fn is_named_range(item: &str) -> bool {
    let is_name = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    item.split_once(':').is_some_and(|(first, last)| is_name(first) || is_name(last))
}

fn has_host_bits(item: &str) -> bool {
    let Some((address, _)) = item.split_once('/') else { return false };
    let (Ok(address), Ok(cidr)) = (address.parse::<IpAddr>(), item.parse::<Cidr>()) else {
        return false;
    };
    cidr.address() != address
}

fn is_range(item: &str) -> bool {
    item.split_once('-').is_some_and(|(first, _)| first.parse::<IpAddr>().is_ok())
}
