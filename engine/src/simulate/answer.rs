//! What the kernel answers a rejected packet with, and when it refuses to answer.

use super::packet::{
    Fragment, Icmp, Ipv4, Ipv6, L3, Packet, Ports, Quoted, Sender, State, TcpFlags, Transport,
};
use super::path::Pass;
use super::view::Meta;
use super::world::World;
use crate::ruleset::{Hook, RejectWith, TableFamily};

/// The answer to `packet`, rejected at `pass`; `None`: the kernel drops it without one.
///
/// `reject` in other hooks than these is refused when the ruleset is loaded; here it answers nothing.
pub(super) fn answer(
    world: &World,
    packet: &Packet,
    pass: &Pass,
    meta: &Meta,
    with: RejectWith,
) -> Option<Packet> {
    let may_answer = match (pass.family, pass.hook) {
        (TableFamily::Bridge, Hook::Prerouting | Hook::Input) => true,
        (TableFamily::Bridge, Hook::Forward | Hook::Output | Hook::Postrouting) => false,
        (TableFamily::Inet, Hook::Prerouting | Hook::Input | Hook::Forward | Hook::Output) => true,
        (TableFamily::Inet, Hook::Postrouting) => false,
        (TableFamily::Inet | TableFamily::Bridge, Hook::Egress) | (TableFamily::Netdev, _) => false,
    };
    if !may_answer || is_never_answered(world, packet, pass, meta) {
        return None;
    }
    let l3 = match &packet.l3 {
        L3::Ipv4(ip) => L3::Ipv4(Ipv4 {
            source: ip.dest,
            dest: ip.source,
            fragment: Fragment::None,
            payload: 0,
            transport: transport(&packet.l3, with)?,
        }),
        L3::Ipv6(ip) => L3::Ipv6(Ipv6 {
            source: ip.dest,
            dest: ip.source,
            hop_limit: 64,
            extensions: Vec::new(),
            fragment: Fragment::None,
            payload: 0,
            length: None,
            transport: transport(&packet.l3, with)?,
        }),
        L3::Arp(_) | L3::Other(_) => return None,
    };
    // An answer of the IP stack is related to the entry of what it answers; one of a bridge has none.
    let is_related = pass.family == TableFamily::Inet && meta.tracking.has_entry();
    Some(Packet {
        vlans: pass.vlans.clone(),
        state: is_related.then_some(State::Related),
        sender: Sender::Socket,
        rate: packet.rate,
        ..Packet::new(packet.to.clone(), packet.from.clone(), l3)
    })
}

/// What the kernel is silent about. In the bridge family that is less than in inet, as seen with Linux 6.12: there
/// ICMP errors but destination-unreachable are answered, and so is what has a group address above an individual
/// hardware address. A ruleset has to leave those out itself.
fn is_never_answered(world: &World, packet: &Packet, pass: &Pass, meta: &Meta) -> bool {
    let is_group_frame = pass.frame.is_some_and(|frame| !frame.dest.is_unicast());
    let by_family = match pass.family {
        TableFamily::Bridge | TableFamily::Netdev => is_icmp(&packet.l3, |kind| kind == 3, |kind| kind == 1),
        TableFamily::Inet => {
            is_icmp(&packet.l3, |kind| matches!(kind, 3 | 4 | 5 | 11 | 12), |kind| kind < 128)
                || packet.l3.dest().is_some_and(|dest| world.is_group(dest))
                || packet.l3.source().is_some_and(|source| world.is_group(source) || source.is_unspecified())
        }
    };
    let is_reset = matches!(packet.l3.transport(), Some(Transport::Tcp(_, f)) if f.has(TcpFlags::RST));
    is_group_frame || by_family || is_reset || meta.fragment == Fragment::Later || packet.is_opaque()
}

fn is_icmp(l3: &L3, v4: impl Fn(u8) -> bool, v6: impl Fn(u8) -> bool) -> bool {
    match (l3, l3.transport()) {
        (L3::Ipv4(_), Some(Transport::Icmp(icmp))) => v4(icmp.kind),
        (L3::Ipv6(_), Some(Transport::Icmp(icmp))) => v6(icmp.kind),
        _ => false,
    }
}

fn transport(rejected: &L3, with: RejectWith) -> Option<Transport> {
    let is_v4 = matches!(rejected, L3::Ipv4(_));
    let (kind, code) = match with {
        RejectWith::TcpReset => return reset(rejected.transport()?),
        RejectWith::PortUnreachable if is_v4 => (3, 3),
        RejectWith::PortUnreachable => (1, 4),
        RejectWith::HostProhibited => (3, 10),
        RejectWith::AdminProhibited => (1, 1),
    };
    let inner = Quoted {
        protocol: rejected.l4proto()?,
        source: rejected.source()?,
        dest: rejected.dest()?,
        ports: rejected.transport()?.ports().map(|(_, ports)| ports),
    };
    Some(Transport::Icmp(Icmp { inner: Some(inner), ..Icmp::new(kind, code) }))
}

/// RFC 9293, 3.10.7.1: a segment without ACK is acknowledged by the reset.
fn reset(rejected: &Transport) -> Option<Transport> {
    let Transport::Tcp(ports, flags) = rejected else { return None };
    let acknowledged = if flags.has(TcpFlags::ACK) { 0 } else { TcpFlags::ACK.0 };
    let swapped = Ports { source: ports.dest, dest: ports.source };
    Some(Transport::Tcp(swapped, TcpFlags(TcpFlags::RST.0 | acknowledged)))
}
