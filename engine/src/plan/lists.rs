//! Lists in rules: a rule for each part, or one look-up in a set.
//!
//! Ports of guests' rules are looked up together (`listed.rs`). Other lists of up to [`EXPANDED_MAX`] combinations
//! become consecutive rules; beyond that the longest list becomes a named set, by content. (A set costs more than a few
//! rules, in the kernel's bookkeeping and for each packet; anonymous sets cost quadratically, and so do thousands of
//! named ones.)

use super::listed;
use super::rules::{Context, address_field};
use super::unit::Unit;
use crate::model::address::{Family, IpInterval};
use crate::model::port::PortRange;
use crate::model::rule::Transport;
use crate::resolve::{Addresses, MatchRule, Variant};
use crate::ruleset::field::Side;
use crate::ruleset::{Field, Name, Origin, Statement, build};

/// At most this many kernel rules for one combination of lists.
const EXPANDED_MAX: usize = 8;

/// What a condition costs each packet that gets to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// It compares.
    Comparison,
    /// It finds an element by its hash.
    Hash,
    /// It searches intervals.
    Search,
}

impl Cost {
    /// From the lowest: conditions stand in this order.
    pub(super) const ASCENDING: [Cost; 3] = [Cost::Comparison, Cost::Hash, Cost::Search];
}

/// A condition that holds in one of several ways: a rule for each.
#[derive(Debug)]
pub(super) enum List<'a> {
    /// One of these ports.
    Ports(Field, &'a [PortRange]),
    /// One of these ports: a way for those that stand alone, which is known in the end, and one for each range.
    PortsTogether(Field, &'a [PortRange], Option<Statement>),
    /// One of these addresses.
    Addresses(Field, &'a [IpInterval]),
    /// In a set: that is one way.
    Set(Field, Name),
}

impl List<'_> {
    /// How many rules it needs.
    pub(super) fn n_ways(&self) -> usize {
        match self {
            List::Ports(_, ranges) => ranges.len(),
            List::PortsTogether(_, ranges, _) => 1 + wide(ranges).count(),
            List::Addresses(_, intervals) => intervals.len(),
            List::Set(..) => 1,
        }
    }

    /// What one of its ways costs.
    pub(super) fn cost(&self, way: usize) -> Cost {
        match self {
            List::PortsTogether(..) if way == 0 => Cost::Hash,
            List::Ports(..) | List::PortsTogether(..) | List::Addresses(..) => Cost::Comparison,
            List::Set(..) => Cost::Search,
        }
    }

    /// One of its ways.
    pub(super) fn condition(&self, way: usize) -> Statement {
        let port = |field, range: &PortRange| build::within(field, range.first.into(), range.last.into());
        match self {
            List::Ports(field, ranges) => port(*field, &ranges[way]),
            List::PortsTogether(field, ranges, look_up) => match way.checked_sub(1) {
                None => look_up.clone().expect("`lists` has asked for it"),
                Some(at) => port(*field, wide(ranges).nth(at).expect("a way for each range")),
            },
            List::Addresses(field, intervals) => build::address(*field, intervals[way]),
            List::Set(field, set) => build::in_set(&[*field], set),
        }
    }
}

/// Ranges of more than one port.
fn wide(ranges: &[PortRange]) -> impl Iterator<Item = &PortRange> {
    ranges.iter().filter(|range| range.first != range.last)
}

/// The lists of a rule in one family: source and destination ports, source and destination addresses, as far as it
/// has them. What they need in sets goes to `unit`.
pub(super) fn lists<'r>(
    context: Context<'_>,
    rule: &'r MatchRule,
    variant: &'r Variant,
    family: Option<Family>,
    origin: Origin,
    unit: &mut Unit,
) -> [Option<List<'r>>; 4] {
    let [sports, dports] = ports(context, rule, &variant.transport);
    let [sources, dests] =
        [(Side::Source, &rule.source), (Side::Dest, &rule.dest)].map(|(side, addresses)| {
            let family = family?;
            let field = address_field(family, side);
            match addresses {
                Addresses::Any => None,
                Addresses::Literal(_) | Addresses::Own(_) => {
                    addresses.listed(family).map(|listed| List::Addresses(field, listed))
                }
                Addresses::Shared(set) => Some(List::Set(field, unit.ipset(&set.name, family))),
            }
        });
    let mut lists = [sports, dports, sources, dests];
    while lists.iter().flatten().map(List::n_ways).product::<usize>() > EXPANDED_MAX {
        let all = lists.iter_mut().flatten();
        let longest = all.max_by_key(|list| list.n_ways()).expect("a product above 1 has a factor");
        *longest = match longest {
            List::Ports(field, ranges) | List::PortsTogether(field, ranges, _) => {
                List::Set(*field, unit.ports(ranges, origin))
            }
            List::Addresses(field, intervals) => {
                List::Set(*field, unit.literal(intervals[0].family, intervals, origin))
            }
            List::Set(field, set) => List::Set(*field, set.clone()),
        };
    }
    for list in lists.iter_mut().flatten() {
        if let List::PortsTogether(field, ranges, look_up) = list {
            *look_up = listed::look_up(context, *field, ranges, unit);
            match look_up {
                Some(_) => {}
                None if ranges.len() > EXPANDED_MAX => *list = List::Set(*field, unit.ports(ranges, origin)),
                None => *list = List::Ports(*field, ranges),
            }
        }
    }
    lists
}

fn ports<'r>(context: Context<'_>, rule: &MatchRule, transport: &'r Transport) -> [Option<List<'r>>; 2] {
    let Transport::Ports { protocol, sport, dport } = transport else { return [None, None] };
    [(Side::Source, sport), (Side::Dest, dport)].map(|(side, list)| {
        let (field, ranges) = (Field::Port(*protocol, side), list.ranges());
        match list.is_any() {
            true => None,
            false if listed::is_looked_up(context, rule, ranges) => {
                Some(List::PortsTogether(field, ranges, None))
            }
            false => Some(List::Ports(field, ranges)),
        }
    })
}
