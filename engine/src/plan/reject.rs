//! REJECT on bridges: what is answered and how, and the pass that finds REJECTs before the forwarding decision.
//!
//! The kernel allows `reject` on bridges in prerouting and input only, and only there a frame is sure to be met
//! once. So a guest's inbound policy is walked there, in full order, only to find a REJECT; everything else ends
//! the pass with `accept` of its own base chain, and postrouting decides as if there had been no pass.

use super::filters::{self, Ends};
use super::rules::{self, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use crate::model::address::Family;
use crate::model::port::PortProtocol;
use crate::model::rule::Action;
use crate::resolve::{Guest, Nic, PortVlans, Resolved, Rule, RuleKind, RunningPort};
use crate::ruleset::{Chain, Field, Hook, Origin, RejectWith, Statement, TableFamily, Value, Verdict, build};

/// Chain that answers and drops.
pub(super) const REJECT: &str = "do-reject";
/// The same, at a limited rate: a guest must not become a reflector.
pub(super) const REJECT_GUEST: &str = "do-reject-guest";

/// Group bit of an Ethernet address: multicast and broadcast.
pub(super) const GROUP_BIT: u128 = 0x0100_0000_0000;

const PARAGRAPH: Origin = Origin::Skeleton("reject answers");

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
    let meter = Statement::Meter {
        set: Shared::RejectRate.name(),
        field: Field::EtherDaddr,
        prefix: None,
        limit: build::per_second(100, 200),
    };
    chain.rule(origin, vec![meter, build::counter(), build::drop()]);
    chain.rule(origin, vec![build::goto(REJECT)]);
    chain.finish()
}

/// Base chain of the pass for guests, after their out zones and after the VNets' pass.
pub(super) fn guests_base() -> Chain {
    let origin = Origin::Skeleton("reject pass");
    let mut chain = ChainBuilder::base("reject-guests", Hook::Prerouting, 10, origin);
    let key = [Field::Ibrname, Field::EtherDaddr];
    chain.rule(origin, vec![build::vmap(&key, &Shared::RejectMap.name())]);
    chain.finish()
}

/// Base chain of the pass for VNets: ACCEPT there goes on to the guests' pass, DROP must not be answered by it.
pub(super) fn vnets_base() -> Chain {
    let origin = Origin::Skeleton("reject pass");
    let mut chain = ChainBuilder::base("reject-vnets", Hook::Prerouting, 5, origin);
    chain.rule(origin, vec![build::vmap(&[Field::Ibrname], &Shared::BridgeRejectMap.name())]);
    chain.finish()
}

/// Whether an inbound REJECT of this guest can be met; then up to which rule the pass has to look.
pub(super) fn rules_to_walk<'r>(resolved: &Resolved, guest: &'r Guest) -> Option<&'r [Rule]> {
    if guest.options.policy_in.value == Action::Reject {
        return Some(&guest.rules);
    }
    let direction = Zone::GuestReject.direction();
    let rejects = |rule: &Rule| match &rule.kind {
        RuleKind::Match(m) => m.direction == direction && m.action == Action::Reject,
        RuleKind::Group { group, .. } => resolved.groups[*group].rejects(direction),
        RuleKind::Lost { .. } => false,
    };
    let last = guest.rules.iter().rposition(rejects)?;
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
    let mut chain = ChainBuilder::regular(name.clone(), origin);
    for (nic, port) in &answering {
        let mac = nic.mac?;
        let key = [Value::Name(port.bridge.shared()), Value::number(mac.number())];
        let verdict = Verdict::Goto(name.as_str().into());
        unit.verdict(Shared::RejectMap, key, verdict, Origin::Line(nic.span));
        // The bridge never sends a frame back to the port that it came from.
        chain.rule(origin, vec![build::named(Field::Iifname, nic.ifname.as_str()), build::accept()]);
        for guard in vlan_guards(port.vlans) {
            let conditions = [vec![build::ether(Field::EtherDaddr, mac)], guard, vec![build::accept()]];
            chain.rule(origin, conditions.concat());
        }
    }
    chain.rule(origin, vec![build::jump(filters::GUESTS_REJECT)]);
    rules::write(context, walked, &mut chain, unit);
    policy(guest, context, &mut chain);
    Some(chain.finish())
}

fn answering(nic: &Nic) -> Option<(&Nic, &RunningPort)> {
    let port = nic.running.as_ref()?;
    (port.unique && nic.mac.is_some()).then_some((nic, port))
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
        chain.rule(origin, vec![build::jump(filters::PREAMBLE_PASS)]);
        filters::policy_log(context, guest.options.log_level_in.value, setting.value, origin, chain);
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
pub(super) fn crossing(resolved: &Resolved) -> Chain {
    let origin = Origin::Skeleton("mark bits");
    let mut chain = ChainBuilder::base("mark-crossing", Hook::Forward, 300, origin);
    let stacked = build::in_set(&[Field::Oifname], &Shared::StackedPorts.name());
    chain.rule(origin, vec![stacked, Statement::MarkSet(resolved.settings.mark_routed)]);
    chain.finish()
}

/// Frames enter without our mark bits, whatever they passed before, but for what joins our own bridges: pairs, and
/// VLAN sub-interfaces of a bridge where they have entered before.
pub(super) fn entering(resolved: &Resolved) -> Chain {
    let origin = Origin::Skeleton("mark bits");
    let bits = resolved.settings.mark_routed | resolved.settings.mark_answer;
    let mut chain = ChainBuilder::base("mark-entering", Hook::Prerouting, -300, origin);
    for own_pair in ["fwln*", "fwpr*", "ln_*", "pr_*"] {
        chain.rule(origin, vec![build::named(Field::Iifname, own_pair), build::accept()]);
    }
    let stacked = build::in_set(&[Field::Iifname], &Shared::StackedPorts.name());
    chain.rule(origin, vec![stacked, build::accept()]);
    chain.rule(origin, clear(bits));
    chain.finish()
}

/// Frames leave through a guest's port without our mark bits: administrators route by marks.
pub(super) fn leaving(resolved: &Resolved) -> Chain {
    let origin = Origin::Skeleton("mark bits");
    let bits = resolved.settings.mark_routed | resolved.settings.mark_answer;
    let mut chain = ChainBuilder::base("mark-leaving", Hook::Postrouting, 300, origin);
    for port in ["tap*", "veth*"] {
        chain.rule(origin, [vec![build::named(Field::Oifname, port)], clear(bits)].concat());
    }
    chain.finish()
}

/// `meta mark & bits != 0 meta mark set meta mark & ~bits`
pub(super) fn clear(bits: u32) -> Vec<Statement> {
    vec![build::not_masked(Field::Mark, bits.into(), 0), Statement::MarkClear(bits)]
}

/// Whether frames between ports of this VNet need the pass.
pub(super) fn vnet_needs_pass(resolved: &Resolved, vnet: &crate::resolve::Vnet) -> bool {
    let direction = Zone::VnetReject.direction();
    let rejects = |rule: &Rule| match &rule.kind {
        RuleKind::Match(m) => m.action == Action::Reject,
        RuleKind::Group { group, .. } => resolved.groups[*group].rejects(direction),
        RuleKind::Lost { .. } => false,
    };
    let guest_answers = |guest: &Guest| {
        let here = |nic: &Nic| nic.running.as_ref().is_some_and(|port| port.bridge == vnet.bridge);
        guest.filtered().any(here) && rules_to_walk(resolved, guest).is_some()
    };
    vnet.options.policy_forward.value == Action::Reject
        || vnet.rules.iter().any(rejects)
        || resolved.guests.iter().any(guest_answers)
}

/// The prelude of the pass, which stands for the in zone's.
pub(super) fn prelude(resolved: &Resolved) -> Chain {
    let origin = Origin::Skeleton("reject pass");
    let mut chain = ChainBuilder::regular(filters::GUESTS_REJECT, origin);
    for state in [build::ct_known(), build::ct_invalid()] {
        chain.rule(origin, vec![state, build::accept()]);
    }
    chain.rule(origin, vec![build::is(Field::Protocol, rules::ETHERTYPE_ARP), build::accept()]);
    filters::sources(resolved, Ends::Pass, &mut chain);
    // What options decide in the in zone is never answered; that zone tells accepted from dropped.
    for (server, client) in [(67, 68), (547, 546)] {
        chain.rule(origin, vec![build::udp_sport(server), build::udp_dport(client), build::accept()]);
    }
    chain.rule(origin, vec![build::within(Field::Icmpv6Type, 133, 136), build::accept()]);
    chain.finish()
}
