//! One configured rule becomes kernel rules: one for each family, transport and list element it needs. Conditions
//! stand in the order of their cost: interface, comparisons of transport and address, look-ups, searches.

use super::groups::{self, Call};
use super::lists::{self, Cost, List};
use super::log::{self, Label};
use super::unit::{ChainBuilder, Unit};
use super::{divert, reject};
use crate::inputs::RejectMode;
use crate::model::address::Family;
use crate::model::icmp::IcmpMatch;
use crate::model::options::Rate;
use crate::model::rule::{Action, Direction, Transport};
use crate::resolve::{Addresses, Group, Guest, Interface, MatchRule, Rule, RuleKind, Variant};
use crate::ruleset::field::Side;
use crate::ruleset::{Field, Origin, Statement, TableFamily, build};

/// Where a rule stands: decides its interface field, what its action becomes, and whether it logs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// inet input.
    HostIn,
    /// inet output.
    HostOut,
    /// inet forward, and VNets where the host routes or is an end.
    HostForward,
    /// bridge postrouting: REJECT is lowered to DROP, the reject pass has answered what can be answered.
    GuestIn,
    /// bridge prerouting.
    GuestOut,
    /// bridge prerouting, to find REJECTs: everything else ends the pass.
    GuestReject,
    /// bridge forward: REJECT is lowered to DROP, as above.
    VnetForward,
    /// bridge prerouting, to find a VNet's REJECTs: ACCEPT ends the pass, DROP drops (and logs) already here.
    VnetReject,
}

impl Zone {
    /// Family of the zone's table.
    pub(super) fn family(self) -> TableFamily {
        match self {
            Zone::HostIn | Zone::HostOut | Zone::HostForward => TableFamily::Inet,
            Zone::GuestIn | Zone::GuestOut | Zone::GuestReject | Zone::VnetForward | Zone::VnetReject => {
                TableFamily::Bridge
            }
        }
    }

    /// Direction of the rules that the zone meets.
    pub(super) fn direction(self) -> Direction {
        match self {
            Zone::HostIn | Zone::GuestIn | Zone::GuestReject => Direction::In,
            Zone::HostOut | Zone::GuestOut => Direction::Out,
            Zone::HostForward | Zone::VnetForward | Zone::VnetReject => Direction::Forward,
        }
    }

    /// Suffix of the chains of groups in this zone. Names of groups hold no `/`: no suffix can be part of one.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Zone::HostIn | Zone::GuestIn => "in",
            Zone::HostOut | Zone::GuestOut => "out",
            Zone::HostForward | Zone::VnetForward => "forward",
            Zone::GuestReject => "reject",
            Zone::VnetReject => "forward/reject",
        }
    }

    /// What an action becomes, where nothing is diverted.
    fn verdict(self, action: Action) -> Statement {
        match (self, action) {
            (Zone::GuestReject, Action::Drop) | (_, Action::Accept) => build::accept(),
            (Zone::GuestIn | Zone::VnetForward, Action::Reject) | (_, Action::Drop) => build::drop(),
            (Zone::HostIn | Zone::HostOut | Zone::HostForward | Zone::GuestOut, Action::Reject) => {
                build::goto(reject::REJECT)
            }
            (Zone::GuestReject | Zone::VnetReject, Action::Reject) => build::goto(reject::REJECT_GUEST),
        }
    }

    /// Whether a packet's way ends or passes here for good: then this zone logs, not the pass before it.
    pub(super) fn logs(self, action: Action) -> bool {
        match self {
            Zone::GuestReject => action == Action::Reject,
            Zone::VnetReject => action != Action::Accept,
            Zone::HostIn
            | Zone::HostOut
            | Zone::HostForward
            | Zone::GuestIn
            | Zone::GuestOut
            | Zone::VnetForward => true,
        }
    }

    /// Whether hits are counted: the reject pass counts only what it answers, or packets would count twice.
    fn counts(self, action: Action) -> bool {
        self.logs(action)
    }
}

/// Everything that the rules of one zone share.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) zone: Zone,
    /// Who logs.
    pub(super) label: Label<'a>,
    /// Limit of log statements.
    pub(super) log_rate: Option<Rate>,
    /// All groups.
    pub(super) groups: &'a [Group],
    /// The guest, in a guest's zone: its NICs give `-i` a meaning.
    pub(super) guest: Option<&'a Guest>,
    /// How REJECT towards guests is answered.
    pub(super) mode: RejectMode,
}

impl Context<'_> {
    /// What an action becomes.
    pub(super) fn verdict(&self, action: Action) -> Statement {
        match (self.zone, action, self.mode) {
            (Zone::GuestIn, Action::Reject, RejectMode::Divert) => build::goto(divert::DIVERT),
            _ => self.zone.verdict(action),
        }
    }
}

/// Writes `rules` into `chain`; sets that they need go to `unit`.
pub(super) fn write<'r>(
    context: Context<'_>,
    rules: impl IntoIterator<Item = &'r Rule>,
    chain: &mut ChainBuilder,
    unit: &mut Unit,
) {
    let rules = rules.into_iter();
    chain.reserve(rules.size_hint().0);
    for rule in rules {
        match &rule.kind {
            RuleKind::Match(matching) if matching.direction == context.zone.direction() => {
                one(Line { rule, matching, part: Part::Whole, head: &[] }, context, chain, unit);
            }
            RuleKind::Group { group, iface } => {
                let call = Call { rule, group: &context.groups[*group], iface: iface.as_ref() };
                groups::call(context, call, chain, unit);
            }
            RuleKind::Match(_) | RuleKind::Lost { .. } => {}
        }
    }
}

/// What is written of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Its log line, if it has one, and its verdict.
    Whole,
    /// Its log line alone.
    Log,
    /// Its verdict alone.
    Verdict,
    /// Its conditions, before the name of a chain that decides.
    To(&'a str),
}

/// A line to write.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) rule: &'a Rule,
    pub(super) matching: &'a MatchRule,
    pub(super) part: Part<'a>,
    /// Conditions of whoever calls the group that it stands in.
    pub(super) head: &'a [Statement],
}

/// Writes one line.
pub(super) fn one(line: Line<'_>, context: Context<'_>, chain: &mut ChainBuilder, unit: &mut Unit) {
    let Context { zone, label, log_rate, .. } = context;
    let Line { matching, part, .. } = line;
    let logs = zone.logs(matching.action) && matches!(part, Part::Whole | Part::Log);
    let log = match matching.log.filter(|_| logs) {
        Some(level) => log::statements(label, level, matching.action.as_str(), log_rate).collect(),
        None => Vec::new(),
    };
    Writer { context, line, log, chain, unit }.matching();
}

/// `-i`: the interface that a packet comes from or goes to, seen from the zone. `None`: it can't be met here.
pub(super) fn interface(context: Context<'_>, iface: Option<&Interface>) -> Option<Vec<Statement>> {
    let (nic, guest) = match (iface, context.guest) {
        (None, _) => return Some(Vec::new()),
        (Some(Interface::Host(name)), _) => {
            let field = match context.zone.direction() {
                Direction::In => Field::Iifname,
                Direction::Out => Field::Oifname,
                Direction::Forward => return None,
            };
            return Some(vec![build::named(field, name.as_str())]);
        }
        (Some(Interface::Nic(position)), guest) => (*position, guest?),
    };
    let nic = &guest.nics[nic];
    match context.zone {
        Zone::GuestIn => Some(vec![build::named(Field::Oifname, nic.ifname.as_str())]),
        Zone::GuestOut => Some(vec![build::named(Field::Iifname, nic.ifname.as_str())]),
        // Before the forwarding decision, the destination MAC on its bridge tells the NIC; a NIC without these
        // never gets here.
        Zone::GuestReject => {
            let port = nic.running.as_ref()?;
            let bridge = build::named(Field::Ibrname, port.bridge.as_str());
            Some(vec![build::ether(Field::EtherDaddr, nic.mac?), bridge])
        }
        Zone::HostIn | Zone::HostOut | Zone::HostForward | Zone::VnetForward | Zone::VnetReject => None,
    }
}

struct Writer<'w> {
    context: Context<'w>,
    line: Line<'w>,
    /// What logs, if the line does here.
    log: Vec<Statement>,
    chain: &'w mut ChainBuilder,
    unit: &'w mut Unit,
}

impl Writer<'_> {
    fn matching(&mut self) {
        let rule = self.line.matching;
        // Each condition by its name: none can be forgotten here. Addresses are lists, like the ports of a variant.
        let MatchRule { direction: _, action: _, iface, source: _, dest: _, variants, log: _ } = rule;
        let Some(own) = interface(self.context, iface.as_ref()) else { return };
        let head = [self.line.head, &own].concat();
        for variant in variants {
            for family in families(rule, variant) {
                self.variant(variant, family, &head);
            }
        }
    }

    fn variant(&mut self, variant: &Variant, family: Option<Family>, head: &[Statement]) {
        let rule = self.line.matching;
        let bridge = self.context.zone.family() == TableFamily::Bridge;
        let protocol = protocol(&variant.transport, family, rule, bridge);
        let origin = Origin::Line(self.line.rule.span);
        let lists = lists::lists(self.context, rule, variant, family, origin, self.unit);
        let n_ways: usize = lists.iter().flatten().map(List::n_ways).product();
        let n_conditions = head.len() + protocol.iter().flatten().count() + lists.iter().flatten().count();
        let n_actions = 1 + usize::from(self.context.zone.counts(rule.action));
        for way in 0..n_ways {
            let mut statements = Vec::with_capacity(n_conditions + n_actions);
            statements.extend_from_slice(head);
            statements.extend(protocol.iter().flatten().cloned());
            for wanted in Cost::ASCENDING {
                let mut faster = n_ways;
                for list in lists.iter().flatten() {
                    faster /= list.n_ways();
                    let way = way / faster % list.n_ways();
                    if list.cost(way) == wanted {
                        statements.push(list.condition(way));
                    }
                }
            }
            self.act(statements);
        }
    }

    fn act(&mut self, conditions: Vec<Statement>) {
        let Context { zone, .. } = self.context;
        let Line { rule: Rule { id, span, .. }, matching, part, .. } = self.line;
        let origin = Origin::Line(*span);
        if !self.log.is_empty() {
            let statements = [conditions.as_slice(), &self.log].concat();
            self.chain.configured(*id, origin, statements);
        }
        let mut statements = conditions;
        match part {
            Part::Log => return,
            Part::To(chain) => statements.push(build::goto(chain)),
            Part::Whole | Part::Verdict => {
                if zone.counts(matching.action) {
                    statements.push(build::counter());
                }
                statements.push(self.context.verdict(matching.action));
            }
        }
        self.chain.configured(*id, origin, statements);
    }
}

/// The families that a rule must be written for; `None` among them: once, without asking for one.
fn families(rule: &MatchRule, variant: &Variant) -> impl Iterator<Item = Option<Family>> {
    let has_addresses = |addresses: &Addresses| !matches!(addresses, Addresses::Any);
    let all = match variant.family {
        Some(family) => [Some(Some(family)), None],
        None if has_addresses(&rule.source) || has_addresses(&rule.dest) => {
            Family::BOTH.map(|family| Some(Some(family)))
        }
        None => [Some(None), None],
    };
    all.into_iter().flatten().filter(|family| {
        // An empty set matches nothing; a rule that asks for one is not written.
        family.is_none_or(|family| rule.source.has(family) && rule.dest.has(family))
    })
}

/// Conditions on family and protocol that no other condition of the rule implies.
fn protocol(
    transport: &Transport,
    family: Option<Family>,
    rule: &MatchRule,
    bridge: bool,
) -> [Option<Statement>; 2] {
    let implied_by_address = !matches!((&rule.source, &rule.dest), (Addresses::Any, Addresses::Any));
    let family_condition = family.filter(|_| !implied_by_address).map(|f| family_is(f, bridge));
    match transport {
        Transport::Any => [family_condition, None],
        Transport::Ports { protocol, sport, dport } if sport.is_any() && dport.is_any() => {
            [family_condition, Some(build::l4proto(protocol.number()))]
        }
        Transport::Ports { .. } => [family_condition, None],
        Transport::Other(number) => [family_condition, Some(build::l4proto(*number))],
        Transport::Icmp(asked) => icmp(*asked, 1, [Field::IcmpType, Field::IcmpCode], family_condition),
        Transport::Icmpv6(asked) => {
            icmp(*asked, 58, [Field::Icmpv6Type, Field::Icmpv6Code], family_condition)
        }
    }
}

/// `meta protocol ip` on bridges, `meta nfproto ipv4` elsewhere, and so on.
pub(super) fn family_is(family: Family, bridge: bool) -> Statement {
    match (bridge, family) {
        (true, Family::V4) => build::is(Field::Protocol, ETHERTYPE_IPV4),
        (true, Family::V6) => build::is(Field::Protocol, ETHERTYPE_IPV6),
        (false, Family::V4) => build::is(Field::Nfproto, 2),
        (false, Family::V6) => build::is(Field::Nfproto, 10),
    }
}

/// EtherType of IPv4.
pub(super) const ETHERTYPE_IPV4: u128 = 0x0800;
/// EtherType of IPv6.
pub(super) const ETHERTYPE_IPV6: u128 = 0x86dd;
/// EtherType of ARP.
pub(super) const ETHERTYPE_ARP: u128 = 0x0806;

fn icmp(
    asked: IcmpMatch,
    number: u8,
    [kind, code]: [Field; 2],
    family: Option<Statement>,
) -> [Option<Statement>; 2] {
    match asked {
        IcmpMatch::Any => [family, Some(build::l4proto(number))],
        // The type's field implies protocol and family.
        IcmpMatch::Type(value) => [Some(build::is(kind, value.into())), None],
        IcmpMatch::TypeCode(value, of) => {
            [Some(build::is(kind, value.into())), Some(build::is(code, of.into()))]
        }
    }
}

/// `ip saddr`, `ip6 daddr` …
pub(super) fn address_field(family: Family, side: Side) -> Field {
    match (family, side) {
        (Family::V4, Side::Source) => Field::IpSaddr,
        (Family::V4, Side::Dest) => Field::IpDaddr,
        (Family::V6, Side::Source) => Field::Ip6Saddr,
        (Family::V6, Side::Dest) => Field::Ip6Daddr,
    }
}
