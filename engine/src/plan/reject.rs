//! REJECT on bridges: what is answered and how, and the pass that finds REJECTs before the forwarding decision.
//!
//! The kernel allows `reject` on bridges in prerouting and input only, and only there a frame is sure to be met
//! once. So a guest's inbound policy is walked there, in full order, only to find a REJECT; everything else ends
//! the pass with `accept` of its own base chain, and postrouting decides as if there had been no pass.

use super::filters::{self, Ends};
use super::overlap;
use super::policy;
use super::rules::{self, Line, Part, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use crate::inputs::RejectMode;
use crate::model::address::Family;
use crate::model::port::PortProtocol;
use crate::model::rule::Action;
use crate::resolve::{Guest, MatchRule, Nic, PortVlans, Resolved, Rule, RuleKind, RunningPort, Vnet};
use crate::ruleset::{Chain, Field, Hook, Origin, RejectWith, Statement, TableFamily, Value, Verdict, build};

/// Chain that answers and drops.
pub(super) const REJECT: &str = "do-reject";
/// The same, at a limited rate: a guest must not become a reflector.
pub(super) const REJECT_GUEST: &str = "do-reject-guest";

/// Group bit of an Ethernet address: multicast and broadcast.
pub(super) const GROUP_BIT: u128 = 0x0100_0000_0000;

/// Chain that removes our mark bits from frames that enter.
const CLEAR: &str = "clear-marks";
/// Chain that does so with those that leave to guests.
const ARRIVING: &str = "marked-in";

const PARAGRAPH: Origin = Origin::Skeleton("reject answers");
const MARKS: Origin = Origin::Skeleton("mark bits");

/// The answers, in either family: TCP reset; port unreachable for UDP and ICMP queries; prohibited for the rest.
/// Never answered: broadcast, multicast, senders without an address, resets, ICMP errors and replies, neighbour
/// discovery and other ICMPv6 control. The kernel keeps fewer of these to itself on bridges than on the host (seen
/// on 6.12), so all of them are said here.
pub(super) fn answers(family: TableFamily) -> Chain {
    let bridge = family == TableFamily::Bridge;
    let mut chain = ChainBuilder::regular(REJECT, PARAGRAPH);
    let mut never = |conditions: Vec<Statement>| {
        chain.rule(PARAGRAPH, [conditions, vec![build::counter(), build::drop()]].concat());
    };
    if bridge {
        never(vec![build::masked(Field::EtherDaddr, GROUP_BIT, GROUP_BIT)]);
    } else {
        never(vec![build::is(Field::FibDaddrType, filters::FIB_BROADCAST)]);
    }
    for (saddr, daddr, multicast) in [
        (Field::IpSaddr, Field::IpDaddr, filters::multicast_v4()),
        (Field::Ip6Saddr, Field::Ip6Daddr, filters::multicast_v6()),
    ] {
        never(vec![build::network(saddr, multicast)]);
        never(vec![build::network(daddr, multicast)]);
        never(vec![build::is(saddr, 0)]);
    }
    never(vec![build::is(Field::IpDaddr, u128::from(u32::MAX))]);
    never(vec![build::masked(Field::TcpFlags, filters::RST, filters::RST)]);
    // Only queries (RFC 792, RFC 950): echo, timestamp, information, address mask. Not errors, not replies.
    for (first, last) in [(0, 7), (9, 12), (14, 14), (16, 16), (18, 255)] {
        never(vec![build::within(Field::IcmpType, first, last)]);
    }
    // Only the echo request (RFC 4443): not errors, replies, neighbour and listener discovery.
    for (first, last) in [(0, 127), (129, 255)] {
        never(vec![build::within(Field::Icmpv6Type, first, last)]);
    }
    chain.rule(
        PARAGRAPH,
        vec![
            build::l4proto(PortProtocol::Tcp.number()),
            build::counter(),
            build::reject(RejectWith::TcpReset),
        ],
    );
    for number in [PortProtocol::Udp.number(), 1, 58] {
        let with = build::reject(RejectWith::PortUnreachable);
        chain.rule(PARAGRAPH, vec![build::l4proto(number), build::counter(), with]);
    }
    for (family, with) in
        [(Family::V4, RejectWith::HostProhibited), (Family::V6, RejectWith::AdminProhibited)]
    {
        let family = rules::family_is(family, bridge);
        chain.rule(PARAGRAPH, vec![family, build::counter(), build::reject(with)]);
    }
    chain.rule(PARAGRAPH, vec![build::counter(), build::drop()]);
    chain.finish()
}

/// The rate limit before the answers that are given in a guest's name.
pub(super) fn limited() -> Chain {
    let origin = Origin::Skeleton("reject rate");
    let mut chain = ChainBuilder::regular(REJECT_GUEST, origin);
    chain.rule(origin, vec![answer_rate(), build::counter(), build::drop()]);
    chain.rule(origin, vec![build::goto(REJECT)]);
    chain.finish()
}

/// Holds when more answers are asked for in the name of a MAC than it may give.
pub(super) fn answer_rate() -> Statement {
    Statement::Meter {
        set: Shared::RejectRate.name(),
        field: Field::EtherDaddr,
        prefix: None,
        limit: build::per_second(100, 200).into(),
    }
}

/// Base chain of the pass for guests, after their out zones and after the VNets' pass.
pub(super) fn guests_base() -> Chain {
    let origin = Origin::Skeleton("reject pass");
    let mut chain = ChainBuilder::base("reject-guests", Hook::Prerouting, 10, origin);
    // Most frames: before the map is asked.
    chain.rule(origin, vec![build::ct_known(), build::accept()]);
    let key = [Field::Ibrname, Field::EtherDaddr];
    chain.rule(origin, vec![build::vmap(&key, &Shared::RejectMap.name())]);
    chain.finish()
}

/// Base chain of the pass for VNets: ACCEPT there goes on to the guests' pass, DROP must not be answered by it.
pub(super) fn vnets_base() -> Chain {
    let origin = Origin::Skeleton("reject pass");
    let mut chain = ChainBuilder::base("reject-vnets", Hook::Prerouting, 5, origin);
    chain.rule(origin, vec![build::ct_known(), build::accept()]);
    chain.rule(origin, vec![build::vmap(&[Field::Ibrname], &Shared::BridgeRejectMap.name())]);
    chain.finish()
}

/// Whether an inbound REJECT of this guest can be met; then up to which rule the pass has to look.
pub(super) fn rules_to_walk<'r>(resolved: &Resolved, guest: &'r Guest) -> Option<&'r [Rule]> {
    if guest.options.policy_in.value == Action::Reject {
        return Some(&guest.rules);
    }
    let direction = Zone::GuestReject.direction();
    let last = guest.rules.iter().rposition(|rule| resolved.rejects(rule, direction))?;
    Some(&guest.rules[..=last])
}

/// A guest's chain of the pass, and its NICs' entries in the map; `None` if nothing can be answered for it.
pub(super) fn guest(
    resolved: &Resolved,
    guest: &Guest,
    context: rules::Context<'_>,
    unit: &mut Unit,
) -> Option<Chain> {
    let walked = rules_to_walk(resolved, guest)?;
    let answering: Vec<(&Nic, &RunningPort)> = guest.filtered().filter_map(answering).collect();
    if answering.is_empty() {
        return None;
    }
    let origin = Origin::Skeleton("reject pass");
    let name = format!("guest-{}-reject", guest.vmid);
    for (nic, port) in &answering {
        let key = [Value::name(port.bridge.shared()), Value::number(nic.mac?.number())];
        let verdict = Verdict::Goto(name.as_str().into());
        unit.verdict(Shared::RejectMap, key, verdict, Origin::Line(nic.span));
    }
    let mut chain = ChainBuilder::regular(name, origin);
    if guest.options.policy_in.value == Action::Reject {
        guards(&answering, &mut chain);
        walk(resolved, guest, context, walked, &mut chain, unit);
    } else {
        let name = format!("{}/walk", chain.name());
        candidates(context, walked, &name, &mut chain, unit);
        chain.rule(origin, vec![build::accept()]);
        let mut behind = ChainBuilder::regular(name, origin);
        guards(&answering, &mut behind);
        walk(resolved, guest, context, walked, &mut behind, unit);
        unit.chains.push(behind.finish());
    }
    Some(chain.finish())
}

/// Frames to the guest's devices that do not get there.
fn guards(answering: &[(&Nic, &RunningPort)], chain: &mut ChainBuilder) {
    let origin = Origin::Skeleton("reject pass");
    for (nic, port) in answering {
        // The bridge never sends a frame back to the port that it came from.
        chain.rule(origin, vec![build::named(Field::Iifname, nic.ifname.as_str()), build::accept()]);
        let Some(mac) = nic.mac else { continue };
        let isolated = build::in_set(&[Field::Iifname], &Shared::IsolatedPorts.name());
        for guard in vlan_guards(port.vlans).into_iter().chain(port.isolated.then(|| vec![isolated])) {
            let conditions = [vec![build::ether(Field::EtherDaddr, mac)], guard, vec![build::accept()]];
            chain.rule(origin, conditions.concat());
        }
    }
}

/// What no REJECT can match need not be walked through all rules: few packets match one.
fn candidates(
    context: rules::Context<'_>,
    walked: &[Rule],
    to: &str,
    chain: &mut ChainBuilder,
    unit: &mut Unit,
) {
    let mut write = |rule: &Rule, matching: &MatchRule, head: &[Statement]| {
        if matching.direction == context.zone.direction() && matching.action == Action::Reject {
            rules::one(Line { rule, matching, part: Part::To(to), head }, context, chain, unit);
        }
    };
    for rule in walked {
        match &rule.kind {
            RuleKind::Match(matching) => write(rule, matching, &[]),
            RuleKind::Group { group, iface } => {
                let Some(head) = rules::interface(context, iface.as_ref()) else { continue };
                for rule in &context.groups[*group].rules {
                    if let RuleKind::Match(matching) = &rule.kind {
                        write(rule, matching, &head);
                    }
                }
            }
            RuleKind::Lost { .. } => {}
        }
    }
}

/// The guest's inbound rules in full order, as far as they decide about a REJECT, and its policy.
fn walk(
    resolved: &Resolved,
    guest: &Guest,
    context: rules::Context<'_>,
    walked: &[Rule],
    chain: &mut ChainBuilder,
    unit: &mut Unit,
) {
    chain.rule(Origin::Skeleton("reject pass"), vec![build::jump(filters::GUESTS_REJECT)]);
    let walked = needed(resolved, walked, guest.options.policy_in.value);
    rules::write(context, walked, chain, unit);
    policy(guest, context, chain);
}

/// The rules that decide whether a packet meets a REJECT. What meets none behind it may as well walk on to the end
/// of the pass, which is `accept` too, unless the policy is REJECT.
fn needed<'r>(resolved: &'r Resolved, walked: &'r [Rule], policy: Action) -> Vec<&'r Rule> {
    if policy == Action::Reject {
        return walked.iter().collect();
    }
    let direction = Zone::GuestReject.direction();
    let mut rejecting: Vec<&MatchRule> = Vec::new();
    let mut decides = |rule: &&'r Rule| {
        let lines: Vec<&MatchRule> = match &rule.kind {
            RuleKind::Match(line) if line.direction == direction => vec![line],
            RuleKind::Group { group, .. } => resolved.groups[*group].matches(direction).collect(),
            RuleKind::Match(_) | RuleKind::Lost { .. } => Vec::new(),
        };
        let n_before = rejecting.len();
        rejecting.extend(lines.iter().filter(|line| line.action == Action::Reject));
        rejecting.len() > n_before
            || lines.iter().any(|line| rejecting.iter().any(|later| overlap::overlap(line, later)))
    };
    let mut kept: Vec<&Rule> = walked.iter().rev().filter(|rule| decides(rule)).collect();
    kept.reverse();
    kept
}

pub(super) fn answering(nic: &Nic) -> Option<(&Nic, &RunningPort)> {
    let port = nic.running.as_ref()?;
    (port.doubt.is_none() && nic.mac.is_some()).then_some((nic, port))
}

/// Conditions under which a frame would not be delivered to the port for its VLAN.
fn vlan_guards(vlans: PortVlans) -> Vec<Vec<Statement>> {
    let tagged = build::is(Field::EtherType, filters::ETHERTYPE_VLAN);
    let untagged = build::is_not(Field::EtherType, filters::ETHERTYPE_VLAN);
    match vlans {
        PortVlans::All => Vec::new(),
        PortVlans::Access(vlan) => vec![
            vec![build::is_not(Field::VlanId, vlan.into())],
            vec![untagged, build::is_not(Field::Ibrpvid, vlan.into())],
        ],
        PortVlans::Trunk => vec![vec![tagged]],
    }
}

fn policy(guest: &Guest, context: rules::Context<'_>, chain: &mut ChainBuilder) {
    let setting = guest.options.policy_in;
    let origin = Origin::Option { name: "policy_in", at: setting.at };
    if setting.value == Action::Reject {
        chain.rule(origin, vec![build::jump(policy::PREAMBLE_PASS)]);
        policy::policy_log(context, guest.options.log_level_in.value, setting.value, origin, chain);
        chain.rule(origin, vec![build::counter(), build::goto(REJECT_GUEST)]);
    } else {
        chain.rule(origin, vec![build::accept()]);
    }
}

/// Marks answers of our own on their way back, and frees what the host injects below its IP stack from the
/// suspicion of being invalid. Whatever passed the host's inet hooks bears a mark and is left alone: a *routed*
/// reset is no answer of ours.
pub(super) fn outgoing(resolved: &Resolved) -> Chain {
    let origin = Origin::Skeleton("answers on their way");
    let bits = resolved.settings;
    let mut chain = ChainBuilder::base("answers", Hook::Output, 0, origin);
    let routed = u128::from(bits.mark_routed);
    chain.rule(origin, vec![build::masked(Field::Mark, routed, routed), build::accept()]);
    let answer = |condition| {
        vec![build::ct_invalid(), condition, Statement::MarkSet(bits.mark_answer), build::accept()]
    };
    chain.rule(origin, answer(build::masked(Field::TcpFlags, filters::RST, filters::RST)));
    chain.rule(origin, answer(build::is(Field::IcmpType, 3)));
    chain.rule(origin, answer(build::is(Field::Icmpv6Type, 1)));
    chain.rule(origin, vec![build::ct_invalid(), Statement::Notrack]);
    chain.finish()
}

/// Frames that cross to another bridge by a VLAN sub-interface of it come out of that bridge's own device: they pass
/// its `output` hook without being the host's, and a reset among them is no answer of ours.
pub(super) fn crossing(resolved: &Resolved, chain: &mut ChainBuilder) {
    if !resolved.stacked_ports.is_empty() {
        let stacked = build::in_set(&[Field::Oifname], &Shared::StackedPorts.name());
        chain.rule(MARKS, vec![stacked, Statement::MarkSet(resolved.settings.mark_routed)]);
    }
}

/// Frames enter without our mark bits, whatever they passed before, but for what joins our own bridges: pairs, and
/// VLAN sub-interfaces of a bridge where they have entered before. Next to no frame bears one.
pub(super) fn entering(resolved: &Resolved) -> Vec<Statement> {
    vec![build::not_masked(Field::Mark, bits(resolved).into(), 0), build::jump(CLEAR)]
}

/// What clears them.
pub(super) fn clearing(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::regular(CLEAR, MARKS);
    let answering = (resolved.reject_mode == RejectMode::Divert).then_some(crate::divert::OUTER);
    for pair in resolved.pairs.iter().copied().chain(answering) {
        chain.rule(MARKS, vec![build::named(Field::Iifname, &format!("{pair}*")), build::return_()]);
    }
    let stacked = build::in_set(&[Field::Iifname], &Shared::StackedPorts.name());
    chain.rule(MARKS, vec![stacked, build::return_()]);
    chain.rule(MARKS, vec![Statement::MarkClear(bits(resolved))]);
    chain.finish()
}

/// A reset that answers the first packet of a connection ends the entry of it, so the bridge behind a pair knows of
/// none: it is told that the reset belonged to one.
pub(super) fn leaving(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::base("mark-leaving", Hook::Postrouting, 300, MARKS);
    for pair in &resolved.pairs {
        chain.rule(
            MARKS,
            vec![
                build::named(Field::Oifname, &format!("{pair}*")),
                build::masked(Field::TcpFlags, filters::RST, filters::RST),
                build::ct_known(),
                Statement::MarkSet(resolved.settings.mark_answer),
            ],
        );
    }
    chain.finish()
}

/// A frame of a known connection that bears none of our mark bits.
pub(super) fn known_and_unmarked(resolved: &Resolved) -> Vec<Statement> {
    vec![build::ct_known(), build::masked(Field::Mark, bits(resolved).into(), 0), build::accept()]
}

/// A frame that leaves through a guest's port bears our mark bits.
pub(super) fn arrives_marked(resolved: &Resolved) -> Vec<Statement> {
    vec![build::not_masked(Field::Mark, bits(resolved).into(), 0), build::jump(ARRIVING)]
}

/// Our answers to rejected packets belong to no connection: they pass before any rule. Whatever arrives, arrives without
/// our mark bits: administrators route by marks.
///
/// Then what belongs to a known connection passes, as it does without marks.
pub(super) fn arriving(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::regular(ARRIVING, MARKS);
    let answer = u128::from(resolved.settings.mark_answer);
    let answer = build::masked(Field::Mark, answer, answer);
    let clear = || Statement::MarkClear(bits(resolved));
    chain.rule(Origin::Skeleton("answers on their way"), vec![answer, clear(), build::accept()]);
    chain.rule(MARKS, vec![clear()]);
    filters::known(&mut chain);
    chain.finish()
}

/// Our mark bits.
fn bits(resolved: &Resolved) -> u32 {
    resolved.settings.mark_routed | resolved.settings.mark_answer
}

/// `meta mark & bits != 0 meta mark set meta mark & ~bits`
pub(super) fn clear(bits: u32) -> Vec<Statement> {
    vec![build::not_masked(Field::Mark, bits.into(), 0), Statement::MarkClear(bits)]
}

/// Whether frames between ports of this VNet need the pass: a REJECT has its answer here, a DROP keeps the guests'
/// pass from answering. Its guests have no say, so that a VNet is planned alone.
pub(super) fn vnet_needs_pass(resolved: &Resolved, vnet: &Vnet) -> bool {
    let direction = Zone::VnetReject.direction();
    let denies = |rule: &Rule| match &rule.kind {
        RuleKind::Match(m) => m.action != Action::Accept,
        RuleKind::Group { group, .. } => {
            resolved.groups[*group].matches(direction).any(|m| m.action != Action::Accept)
        }
        RuleKind::Lost { .. } => false,
    };
    vnet.options.policy_forward.value != Action::Accept || vnet.rules.iter().any(denies)
}

/// The prelude of the pass, which stands for the in zone's.
pub(super) fn prelude(resolved: &Resolved, unit: &mut Unit) {
    let origin = Origin::Skeleton("reject pass");
    let mut chain = ChainBuilder::regular(filters::GUESTS_REJECT, origin);
    chain.rule(origin, vec![build::ct_invalid(), build::accept()]);
    chain.rule(origin, vec![build::is(Field::Protocol, rules::ETHERTYPE_ARP), build::accept()]);
    filters::sources(resolved, Ends::Pass, &mut chain, unit);
    // What options decide in the in zone is never answered; that zone tells accepted from dropped.
    for (server, client) in [(67, 68), (547, 546)] {
        chain.rule(origin, vec![build::udp_sport(server), build::udp_dport(client), build::accept()]);
    }
    chain.rule(origin, vec![build::within(Field::Icmpv6Type, 133, 136), build::accept()]);
    unit.chains.push(chain.finish());
}
