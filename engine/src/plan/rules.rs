//! One configured rule becomes kernel rules: one for each family, transport and list element it needs.
//!
//! Lists of up to [`EXPANDED_MAX`] combinations become consecutive rules; beyond that the longest list becomes a
//! named set, by content. (A set costs more than a few rules, in the kernel's bookkeeping and for each packet;
//! anonymous sets cost quadratically.) Conditions stand in the order of their cost: interface, transport,
//! address, set.

use std::sync::Arc;

use super::log::{self, Label};
use super::reject;
use super::unit::{ChainBuilder, Unit};
use crate::model::address::{Family, IpInterval};
use crate::model::icmp::IcmpMatch;
use crate::model::options::Rate;
use crate::model::port::{PortProtocol, PortRange};
use crate::model::rule::{Action, Direction, Transport};
use crate::resolve::{Addresses, Group, Guest, Interface, Ipset, MatchRule, Rule, RuleKind, Variant};
use crate::ruleset::field::Side;
use crate::ruleset::{Field, Name, Origin, Statement, TableFamily, build};

/// At most this many kernel rules for one combination of lists.
const EXPANDED_MAX: usize = 8;

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
    fn suffix(self) -> &'static str {
        match self {
            Zone::HostIn | Zone::GuestIn => "in",
            Zone::HostOut | Zone::GuestOut => "out",
            Zone::HostForward | Zone::VnetForward => "forward",
            Zone::GuestReject => "reject",
            Zone::VnetReject => "forward/reject",
        }
    }

    /// What an action becomes.
    pub(super) fn verdict(self, action: Action) -> Statement {
        match (self, action) {
            (Zone::GuestReject, Action::Drop) | (_, Action::Accept) => build::accept(),
            (Zone::GuestIn | Zone::VnetForward, Action::Reject) | (_, Action::Drop) => build::drop(),
            (
                Zone::HostIn | Zone::HostOut | Zone::HostForward | Zone::GuestOut | Zone::VnetReject,
                Action::Reject,
            ) => build::goto(reject::REJECT),
            (Zone::GuestReject, Action::Reject) => build::goto(reject::REJECT_GUEST),
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
}

/// Writes `rules` into `chain`; sets that they need go to `unit`.
pub(super) fn write(context: Context<'_>, rules: &[Rule], chain: &mut ChainBuilder, unit: &mut Unit) {
    for rule in rules {
        match &rule.kind {
            RuleKind::Match(matching) if matching.direction == context.zone.direction() => {
                Writer { context, rule, chain, unit }.matching(matching);
            }
            RuleKind::Group { group, iface } => {
                call_group(context, rule, *group, iface.as_ref(), chain, unit);
            }
            RuleKind::Match(_) | RuleKind::Lost { .. } => {}
        }
    }
}

fn call_group(
    context: Context<'_>,
    rule: &Rule,
    index: usize,
    iface: Option<&Interface>,
    chain: &mut ChainBuilder,
    unit: &mut Unit,
) {
    let group = &context.groups[index];
    let zone = context.zone;
    let bound_forward = iface.is_some() && zone.direction() == Direction::Forward;
    if !group.has(zone.direction()) || bound_forward {
        return;
    }
    let (name, own_instance) = group_chain(context, group);
    let exists = unit.chains.iter().any(|chain| *chain.name == *name);
    if own_instance && !exists {
        let body = group_body(context, group, &name, unit);
        unit.chains.push(body);
    }
    let Some(mut statements) = interface(context, iface) else { return };
    statements.push(build::jump(&name));
    chain.configured(rule.id, Origin::Line(rule.span), statements);
}

/// The chain of a group here, and whether the guest needs one of its own: log lines carry the guest's VMID.
fn group_chain(context: Context<'_>, group: &Group) -> (String, bool) {
    let zone = context.zone;
    let shared = format!("group-{}-{}", group.name, zone.suffix());
    match context.guest {
        Some(guest) if logs(group, zone) => (format!("guest-{}-{shared}", guest.vmid), true),
        Some(_) | None => (shared, false),
    }
}

/// Whether a rule of the group logs in this zone.
fn logs(group: &Group, zone: Zone) -> bool {
    group.matches(zone.direction()).any(|rule| rule.log.is_some() && zone.logs(rule.action))
}

/// The chains of groups that several callers of a table share.
pub(super) fn shared_groups(context: Context<'_>, unit: &mut Unit) {
    let guest_zone = matches!(context.zone, Zone::GuestIn | Zone::GuestOut | Zone::GuestReject);
    for group in context.groups {
        let direction = context.zone.direction();
        if group.has(direction) && !(guest_zone && logs(group, context.zone)) {
            let name = format!("group-{}-{}", group.name, context.zone.suffix());
            let body = group_body(context, group, &name, unit);
            unit.chains.push(body);
        }
    }
}

fn group_body(context: Context<'_>, group: &Group, name: &str, unit: &mut Unit) -> crate::ruleset::Chain {
    // The log shows the group's chain in its zone, whichever pass or guest has it.
    let shown = match context.zone {
        Zone::GuestReject => format!("group-{}-in", group.name),
        Zone::VnetReject => format!("group-{}-forward", group.name),
        _ => format!("group-{}-{}", group.name, context.zone.suffix()),
    };
    let label = Label { chain: &shown, ..context.label };
    let mut chain = ChainBuilder::regular(name, Origin::Skeleton("security groups"));
    write(Context { label, ..context }, &group.rules, &mut chain, unit);
    chain.finish()
}

/// `-i`: the interface that a packet comes from or goes to, seen from the zone. `None`: it can't be met here.
fn interface(context: Context<'_>, iface: Option<&Interface>) -> Option<Vec<Statement>> {
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

struct Writer<'w, 'c> {
    context: Context<'c>,
    rule: &'w Rule,
    chain: &'w mut ChainBuilder,
    unit: &'w mut Unit,
}

impl Writer<'_, '_> {
    fn matching(&mut self, rule: &MatchRule) {
        let Some(head) = interface(self.context, rule.iface.as_ref()) else { return };
        for variant in &rule.variants {
            for family in families(rule, variant) {
                self.variant(rule, variant, family, &head);
            }
        }
    }

    fn variant(&mut self, rule: &MatchRule, variant: &Variant, family: Option<Family>, head: &[Statement]) {
        let bridge = self.context.zone.family() == TableFamily::Bridge;
        let mut fixed = head.to_vec();
        fixed.extend(protocol(&variant.transport, family, rule, bridge));
        let mut lists = ports(&variant.transport);
        if let Some(family) = family {
            lists.extend(peers(family, Side::Source, &rule.source));
            lists.extend(peers(family, Side::Dest, &rule.dest));
        }
        let origin = Origin::Line(self.rule.span);
        let conditions = choose(lists, origin, self.unit);
        for combination in product(&conditions) {
            // Room for a counter and a verdict.
            let mut statements = Vec::with_capacity(fixed.len() + conditions.len() + 2);
            statements.extend(fixed.iter().chain(combination).cloned());
            statements.sort_by_key(|statement| matches!(statement, Statement::Lookup { .. }));
            self.act(rule, statements);
        }
    }

    fn act(&mut self, rule: &MatchRule, conditions: Vec<Statement>) {
        let Context { zone, label, log_rate, .. } = self.context;
        let origin = Origin::Line(self.rule.span);
        if let (Some(level), true) = (rule.log, zone.logs(rule.action)) {
            let mut statements = Vec::with_capacity(conditions.len() + 2);
            statements.extend_from_slice(&conditions);
            statements.extend(log::statements(label, level, rule.action.as_str(), log_rate));
            self.chain.configured(self.rule.id, origin, statements);
        }
        let mut statements = conditions;
        if zone.counts(rule.action) {
            statements.push(build::counter());
        }
        statements.push(zone.verdict(rule.action));
        self.chain.configured(self.rule.id, origin, statements);
    }
}

/// The families that a rule must be written for; `[None]`: once, without asking for one.
fn families(rule: &MatchRule, variant: &Variant) -> Vec<Option<Family>> {
    let has_addresses = |addresses: &Addresses| !matches!(addresses, Addresses::Any);
    match variant.family {
        Some(family) => vec![Some(family)],
        None if has_addresses(&rule.source) || has_addresses(&rule.dest) => Family::BOTH.map(Some).to_vec(),
        None => vec![None],
    }
    .into_iter()
    .filter(|family| {
        // An empty set matches nothing; a rule that asks for one is not written.
        family.is_none_or(|family| {
            [&rule.source, &rule.dest].iter().all(|a| a.of(family).is_none_or(|i| !i.is_empty()))
        })
    })
    .collect()
}

/// Conditions on family and protocol that no other condition of the rule implies.
fn protocol(transport: &Transport, family: Option<Family>, rule: &MatchRule, bridge: bool) -> Vec<Statement> {
    let implied_by_address = !matches!((&rule.source, &rule.dest), (Addresses::Any, Addresses::Any));
    let family_condition = family.filter(|_| !implied_by_address).map(|f| family_is(f, bridge));
    match transport {
        Transport::Any => family_condition.into_iter().collect(),
        Transport::Ports { protocol, sport, dport } if sport.is_any() && dport.is_any() => {
            family_condition.into_iter().chain([build::l4proto(protocol.number())]).collect()
        }
        Transport::Ports { .. } => family_condition.into_iter().collect(),
        Transport::Other(number) => family_condition.into_iter().chain([build::l4proto(*number)]).collect(),
        Transport::Icmp(asked) => {
            icmp(*asked, 1, [Field::IcmpType, Field::IcmpCode], family_condition).collect()
        }
        Transport::Icmpv6(asked) => {
            icmp(*asked, 58, [Field::Icmpv6Type, Field::Icmpv6Code], family_condition).collect()
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
) -> impl Iterator<Item = Statement> {
    let (family, conditions) = match asked {
        IcmpMatch::Any => (family, vec![build::l4proto(number)]),
        // The type's field implies protocol and family.
        IcmpMatch::Type(value) => (None, vec![build::is(kind, value.into())]),
        IcmpMatch::TypeCode(value, of) => {
            (None, vec![build::is(kind, value.into()), build::is(code, of.into())])
        }
    };
    family.into_iter().chain(conditions)
}

/// A condition that is a list: one of its parts must hold.
enum List<'a> {
    Ports(PortProtocol, Side, &'a [PortRange]),
    Addresses(Family, Side, &'a [IpInterval]),
    /// A set with a name of its own.
    Ipset(Family, Side, &'a Arc<Ipset>),
}

fn ports(transport: &Transport) -> Vec<List<'_>> {
    let Transport::Ports { protocol, sport, dport } = transport else { return Vec::new() };
    [(Side::Source, sport), (Side::Dest, dport)]
        .into_iter()
        .filter(|(_, list)| !list.is_any())
        .map(|(side, list)| List::Ports(*protocol, side, list.ranges()))
        .collect()
}

fn peers<'a>(family: Family, side: Side, addresses: &'a Addresses) -> Option<List<'a>> {
    match addresses {
        Addresses::Any => None,
        Addresses::Literal(_) | Addresses::Own(_) => {
            Some(List::Addresses(family, side, addresses.of(family)?))
        }
        Addresses::Shared(ipset) => Some(List::Ipset(family, side, ipset)),
    }
}

/// For each list its alternatives: as many as it has parts, or one look-up.
fn choose(lists: Vec<List<'_>>, origin: Origin, unit: &mut Unit) -> Vec<Vec<Statement>> {
    let parts = |list: &List<'_>| match list {
        List::Ports(_, _, ranges) => ranges.len(),
        List::Addresses(_, _, intervals) => intervals.len(),
        List::Ipset(..) => 1,
    };
    let mut sizes: Vec<usize> = lists.iter().map(parts).collect();
    while sizes.iter().product::<usize>() > EXPANDED_MAX {
        let longest = (0..sizes.len()).max_by_key(|i| sizes[*i]).expect("a product above 1 has a factor");
        sizes[longest] = 1;
    }
    let chosen = lists.iter().zip(sizes);
    chosen.map(|(list, size)| alternatives(list, size == parts(list), origin, unit)).collect()
}

fn alternatives(list: &List<'_>, expand: bool, origin: Origin, unit: &mut Unit) -> Vec<Statement> {
    match list {
        List::Ports(protocol, side, ranges) if expand => {
            ranges.iter().map(|range| build::port(*protocol, *side, *range)).collect()
        }
        List::Ports(protocol, side, ranges) => {
            vec![look_up(Field::Port(*protocol, *side), &unit.ports(ranges, origin))]
        }
        List::Addresses(family, side, intervals) if expand => intervals
            .iter()
            .map(|interval| build::address(address_field(*family, *side), *interval))
            .collect(),
        List::Addresses(family, side, intervals) => {
            let set = unit.literal(*family, intervals, origin);
            vec![look_up(address_field(*family, *side), &set)]
        }
        List::Ipset(family, side, ipset) => {
            let set = unit.ipset(ipset, *family);
            vec![look_up(address_field(*family, *side), &set)]
        }
    }
}

fn look_up(field: Field, set: &Name) -> Statement {
    build::in_set(&[field], set)
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

/// Every way to take one alternative of each list, in the order of the lists: the last list turns fastest.
fn product(lists: &[Vec<Statement>]) -> impl Iterator<Item = impl Iterator<Item = &Statement>> {
    let n_ways: usize = lists.iter().map(Vec::len).product();
    (0..n_ways).map(move |way| {
        let mut faster = n_ways;
        lists.iter().map(move |list| {
            faster /= list.len();
            &list[way / faster % list.len()]
        })
    })
}
