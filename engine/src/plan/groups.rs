//! Security groups: chains that all callers share, and what a guest writes itself.
//!
//! A log line bears the VMID of the guest that it is written for, so a guest's zone cannot share the log lines of a
//! group. It shares all the rest: the group is cut before each line that logs, the pieces are chains, and the guest
//! calls them in turn with its own log lines between:
//!
//! ```text
//! jump group-web-in/0
//! tcp dport 22 limit rate 1/second burst 5 packets log prefix ":100:6:group-web-in: DROP: " group 0
//! jump group-web-in/1
//! ```
//!
//! (A map from port to log chain in the shared chain would be shorter. But the kernel walks every way through a table
//! when it validates it, so each guest's call would visit the log chains of all guests.)

use super::log::Label;
use super::rules::{self, Context, Line, Part, Zone};
use super::unit::{ChainBuilder, Unit};
use crate::model::rule::Direction;
use crate::resolve::{Group, Interface, MatchRule, Rule, RuleKind};
use crate::ruleset::{Chain, Origin, build};

/// A rule that calls a group.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) rule: &'a Rule,
    pub(super) group: &'a Group,
    /// Only on this interface.
    pub(super) iface: Option<&'a Interface>,
}

/// A group in a zone that cannot share its log lines.
enum Piece<'a> {
    /// Lines that a chain holds for all guests, among lines of other directions; the first one's log line is left
    /// out.
    Shared(&'a [Rule]),
    /// The log line of the line that the next piece begins with.
    Log(&'a Rule, &'a MatchRule),
    /// A line and its log line. Parts of a macro may overlap: only where the verdict follows its log line at once a
    /// packet is logged once.
    Whole(&'a Rule, &'a MatchRule),
}

/// Writes the call of a group.
pub(super) fn call(context: Context<'_>, call: Call<'_>, chain: &mut ChainBuilder, unit: &mut Unit) {
    let Call { rule, group, iface } = call;
    let zone = context.zone;
    let bound_forward = iface.is_some() && zone.direction() == Direction::Forward;
    if !group.has(zone.direction()) || bound_forward {
        return;
    }
    let Some(head) = rules::interface(context, iface) else { return };
    let jump = |name: &str, chain: &mut ChainBuilder| {
        let statements = [&head, [build::jump(name)].as_slice()].concat();
        chain.configured(rule.id, Origin::Line(rule.span), statements);
    };
    if context.guest.is_none() || !logs(group, zone) {
        return jump(&chain_name(group, zone), chain);
    }
    let shown = shown(group, zone);
    let context = Context { label: Label { chain: &shown, ..context.label }, ..context };
    let mut n_shared = 0;
    for piece in pieces(group, zone) {
        let (rule, matching, part) = match piece {
            Piece::Shared(_) => {
                jump(&piece_name(group, zone, n_shared), chain);
                n_shared += 1;
                continue;
            }
            Piece::Log(rule, matching) => (rule, matching, Part::Log),
            Piece::Whole(rule, matching) => (rule, matching, Part::Whole),
        };
        rules::one(Line { rule, matching, part, head: &head }, context, chain, unit);
    }
}

/// The chains of groups that several callers of a table share.
pub(super) fn shared(context: Context<'_>, unit: &mut Unit) {
    let zone = context.zone;
    let of_guests = matches!(zone, Zone::GuestIn | Zone::GuestOut | Zone::GuestReject);
    for group in context.groups.iter().filter(|group| group.has(zone.direction())) {
        if of_guests && logs(group, zone) {
            let shared = pieces(group, zone).into_iter().filter_map(|piece| match piece {
                Piece::Shared(rules) => Some(rules),
                Piece::Log(..) | Piece::Whole(..) => None,
            });
            for (index, rules) in shared.enumerate() {
                let chain = piece_chain(context, &piece_name(group, zone, index), rules, unit);
                unit.chains.push(chain);
            }
        } else {
            let shown = shown(group, zone);
            let context = Context { label: Label { chain: &shown, ..context.label }, ..context };
            let mut chain = builder(&chain_name(group, zone));
            rules::write(context, &group.rules, &mut chain, unit);
            unit.chains.push(chain.finish());
        }
    }
}

fn piece_chain(context: Context<'_>, name: &str, rules: &[Rule], unit: &mut Unit) -> Chain {
    let mut chain = builder(name);
    for (rule, matching) in rules.iter().filter_map(|rule| Some((rule, met(rule, context.zone)?))) {
        let line = Line { rule, matching, part: Part::Verdict, head: &[] };
        rules::one(line, context, &mut chain, unit);
    }
    chain.finish()
}

fn builder(name: &str) -> ChainBuilder {
    ChainBuilder::regular(name, Origin::Skeleton("security groups"))
}

/// The group, cut before each line that logs in this zone.
fn pieces(group: &Group, zone: Zone) -> Vec<Piece<'_>> {
    let rules = &group.rules;
    let mut pieces = Vec::with_capacity(rules.len());
    // Where the lines begin that nothing cuts.
    let mut uncut: Option<usize> = None;
    for (at, rule) in rules.iter().enumerate() {
        let Some(matching) = met(rule, zone) else { continue };
        if matching.log.is_some() && zone.logs(matching.action) {
            pieces.extend(uncut.take().map(|first| Piece::Shared(&rules[first..at])));
            if matching.variants.len() > 1 {
                pieces.push(Piece::Whole(rule, matching));
                continue;
            }
            pieces.push(Piece::Log(rule, matching));
        }
        uncut.get_or_insert(at);
    }
    pieces.extend(uncut.map(|first| Piece::Shared(&rules[first..])));
    pieces
}

/// What a zone meets of a group's line.
fn met(rule: &Rule, zone: Zone) -> Option<&MatchRule> {
    match &rule.kind {
        RuleKind::Match(matching) if matching.direction == zone.direction() => Some(matching),
        RuleKind::Match(_) | RuleKind::Group { .. } | RuleKind::Lost { .. } => None,
    }
}

/// Whether a rule of the group logs in this zone.
fn logs(group: &Group, zone: Zone) -> bool {
    group.matches(zone.direction()).any(|rule| rule.log.is_some() && zone.logs(rule.action))
}

fn chain_name(group: &Group, zone: Zone) -> String {
    ["group-", group.name.as_str(), "-", zone.suffix()].concat()
}

fn piece_name(group: &Group, zone: Zone, index: usize) -> String {
    ["group-", group.name.as_str(), "-", zone.suffix(), "/", &index.to_string()].concat()
}

/// The log shows the group's chain in its zone, whichever pass has it.
fn shown(group: &Group, zone: Zone) -> String {
    match zone {
        Zone::GuestReject => chain_name(group, Zone::GuestIn),
        Zone::VnetReject => chain_name(group, Zone::VnetForward),
        Zone::HostIn
        | Zone::HostOut
        | Zone::HostForward
        | Zone::GuestIn
        | Zone::GuestOut
        | Zone::VnetForward => chain_name(group, zone),
    }
}
