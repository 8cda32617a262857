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
pub(super) struct List(Vec<(Cost, Statement)>);

impl List {
    /// How many rules it needs.
    pub(super) fn n_ways(&self) -> usize {
        self.0.len()
    }

    /// One of its ways, and what it costs.
    pub(super) fn way(&self, way: usize) -> &(Cost, Statement) {
        &self.0[way]
    }
}

/// What a list is going to be.
#[derive(Debug)]
enum Form<'a> {
    /// A way for each of these ports.
    Ports(Field, &'a [PortRange]),
    /// One way for the ports that stand alone, one for each range.
    PortsTogether(Field, &'a [PortRange]),
    /// A way for each of these addresses.
    Addresses(Field, &'a [IpInterval]),
    /// A set: that is one way.
    Set(Field, Name),
}

impl Form<'_> {
    fn n_ways(&self) -> usize {
        match self {
            Form::Ports(_, ranges) => ranges.len(),
            Form::PortsTogether(_, ranges) => 1 + wide(ranges).count(),
            Form::Addresses(_, intervals) => intervals.len(),
            Form::Set(..) => 1,
        }
    }
}

/// Ranges of more than one port.
fn wide(ranges: &[PortRange]) -> impl Iterator<Item = &PortRange> {
    ranges.iter().filter(|range| range.first != range.last)
}

/// The lists of a rule in one family: source and destination ports, source and destination addresses, as far as it
/// has them. What they need in sets goes to `unit`.
pub(super) fn lists(
    context: Context<'_>,
    rule: &MatchRule,
    variant: &Variant,
    family: Option<Family>,
    origin: Origin,
    unit: &mut Unit,
) -> Vec<List> {
    let mut forms = forms(context, rule, variant, family, unit);
    while forms.iter().map(Form::n_ways).product::<usize>() > EXPANDED_MAX {
        let longest =
            forms.iter_mut().max_by_key(|form| form.n_ways()).expect("a product above 1 has a factor");
        *longest = match longest {
            Form::Ports(field, ranges) | Form::PortsTogether(field, ranges) => {
                Form::Set(*field, unit.ports(ranges, origin))
            }
            Form::Addresses(field, intervals) => {
                Form::Set(*field, unit.literal(intervals[0].family, intervals, origin))
            }
            Form::Set(field, set) => Form::Set(*field, set.clone()),
        };
    }
    forms.into_iter().map(|form| written(context, form, origin, unit)).collect()
}

fn forms<'r>(
    context: Context<'_>,
    rule: &'r MatchRule,
    variant: &'r Variant,
    family: Option<Family>,
    unit: &mut Unit,
) -> Vec<Form<'r>> {
    let mut forms = Vec::with_capacity(4);
    if let Transport::Ports { protocol, sport, dport } = &variant.transport {
        for (side, list) in [(Side::Source, sport), (Side::Dest, dport)] {
            let (field, ranges) = (Field::Port(*protocol, side), list.ranges());
            match list.is_any() {
                true => {}
                false if listed::is_looked_up(context, rule, ranges) => {
                    forms.push(Form::PortsTogether(field, ranges));
                }
                false => forms.push(Form::Ports(field, ranges)),
            }
        }
    }
    let Some(family) = family else { return forms };
    for (side, addresses) in [(Side::Source, &rule.source), (Side::Dest, &rule.dest)] {
        let field = address_field(family, side);
        match addresses {
            Addresses::Any => {}
            Addresses::Literal(_) | Addresses::Own(_) => {
                forms.extend(addresses.listed(family).map(|listed| Form::Addresses(field, listed)));
            }
            Addresses::Shared(set) => forms.push(Form::Set(field, unit.ipset(&set.name, family))),
        }
    }
    forms
}

fn written(context: Context<'_>, form: Form<'_>, origin: Origin, unit: &mut Unit) -> List {
    let port = |field, range: &PortRange| {
        (Cost::Comparison, build::within(field, range.first.into(), range.last.into()))
    };
    let in_set = |field, set: &Name| List(vec![(Cost::Search, build::in_set(&[field], set))]);
    match form {
        Form::Ports(field, ranges) => List(ranges.iter().map(|range| port(field, range)).collect()),
        Form::PortsTogether(field, ranges) => match listed::look_up(context, field, ranges, unit) {
            Some(look_up) => {
                let wide = wide(ranges).map(|range| port(field, range));
                List([(Cost::Hash, look_up)].into_iter().chain(wide).collect())
            }
            None if ranges.len() > EXPANDED_MAX => in_set(field, &unit.ports(ranges, origin)),
            None => List(ranges.iter().map(|range| port(field, range)).collect()),
        },
        Form::Addresses(field, intervals) => {
            let way = |interval: &IpInterval| (Cost::Comparison, build::address(field, *interval));
            List(intervals.iter().map(way).collect())
        }
        Form::Set(field, set) => in_set(field, &set),
    }
}
