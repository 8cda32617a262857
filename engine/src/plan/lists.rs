//! Lists in rules: a rule for each part, or one look-up in a set.
//!
//! Lists of up to [`EXPANDED_MAX`] combinations become consecutive rules; beyond that the longest list becomes a
//! named set, by content. (A set costs more than a few rules, in the kernel's bookkeeping and for each packet;
//! anonymous sets cost quadratically, and so do thousands of named ones.)

use super::rules::address_field;
use super::unit::Unit;
use crate::model::address::{Family, IpInterval};
use crate::model::port::PortRange;
use crate::model::rule::Transport;
use crate::resolve::{Addresses, MatchRule, Variant};
use crate::ruleset::field::Side;
use crate::ruleset::{Field, Name, Origin, Statement, build};

/// At most this many kernel rules for one combination of lists.
const EXPANDED_MAX: usize = 8;

/// A condition that holds in one of several ways.
#[derive(Debug)]
pub(super) enum List<'a> {
    /// One of these ports.
    Ports(Field, &'a [PortRange]),
    /// One of these addresses.
    Addresses(Field, &'a [IpInterval]),
    /// In a set: that is one way.
    LookUp(Field, Name),
}

impl List<'_> {
    /// How many rules it needs.
    pub(super) fn n_ways(&self) -> usize {
        match self {
            List::Ports(_, ranges) => ranges.len(),
            List::Addresses(_, intervals) => intervals.len(),
            List::LookUp(..) => 1,
        }
    }

    /// Whether it is a set.
    pub(super) fn is_look_up(&self) -> bool {
        matches!(self, List::LookUp(..))
    }

    /// One of its ways.
    pub(super) fn condition(&self, way: usize) -> Statement {
        match self {
            List::Ports(field, ranges) => {
                build::within(*field, ranges[way].first.into(), ranges[way].last.into())
            }
            List::Addresses(field, intervals) => build::address(*field, intervals[way]),
            List::LookUp(field, set) => build::in_set(&[*field], set),
        }
    }
}

/// The lists of a rule in one family: source and destination ports, source and destination addresses, as far as it
/// has them. Sets that they need go to `unit`.
pub(super) fn lists<'r>(
    rule: &'r MatchRule,
    variant: &'r Variant,
    family: Option<Family>,
    origin: Origin,
    unit: &mut Unit,
) -> [Option<List<'r>>; 4] {
    let [sports, dports] = match &variant.transport {
        Transport::Ports { protocol, sport, dport } => {
            [(Side::Source, sport), (Side::Dest, dport)].map(|(side, list)| {
                (!list.is_any()).then(|| List::Ports(Field::Port(*protocol, side), list.ranges()))
            })
        }
        Transport::Any | Transport::Icmp(_) | Transport::Icmpv6(_) | Transport::Other(_) => [None, None],
    };
    let [sources, dests] =
        [(Side::Source, &rule.source), (Side::Dest, &rule.dest)].map(|(side, addresses)| {
            let family = family?;
            let field = address_field(family, side);
            match addresses {
                Addresses::Any => None,
                Addresses::Literal(_) | Addresses::Own(_) => {
                    addresses.listed(family).map(|listed| List::Addresses(field, listed))
                }
                Addresses::Shared(set) => Some(List::LookUp(field, unit.ipset(&set.name, family))),
            }
        });
    let mut lists = [sports, dports, sources, dests];
    while lists.iter().flatten().map(List::n_ways).product::<usize>() > EXPANDED_MAX {
        let all = lists.iter_mut().flatten();
        let longest = all.max_by_key(|list| list.n_ways()).expect("a product above 1 has a factor");
        *longest = match longest {
            List::Ports(field, ranges) => List::LookUp(*field, unit.ports(ranges, origin)),
            List::Addresses(field, intervals) => {
                List::LookUp(*field, unit.literal(intervals[0].family, intervals, origin))
            }
            List::LookUp(field, set) => List::LookUp(*field, set.clone()),
        };
    }
    lists
}
