//! Which hooks a packet passes between two places, and what is known at each.
//!
//! A way is made of crossings of bridges and one visit to the host's IP stack at most:
//!
//! | from → to | hooks |
//! |---|---|
//! | port → port, one layer 2 | per bridge: prerouting, forward, postrouting |
//! | port → host | bridges on the way; the last: prerouting, input; then inet prerouting, input |
//! | host → port | inet output, postrouting; first bridge: output, postrouting; further bridges as between ports |
//! | port → port, routed | as to the host up to inet prerouting; inet forward, postrouting; as from the host |
//! | port → port, joined outside | both bridges: prerouting, forward, postrouting |
//! | host → host | inet output, postrouting, prerouting, input on `lo` |
//!
//! Frames that are no IP, and those of packet sockets, leave the inet hooks out.

mod layer2;

use std::fmt;

use super::packet::{L3, Packet, Sender, Zone};
use super::world::{Place, Port, World, veth_peer};
use crate::divert;
use crate::inputs::LinkKind;
use crate::model::address::Mac;
use crate::ruleset::{Hook, Name, TableFamily};
use layer2::{Crossing, End, are_joined, crossings, ends, gateway};

/// Why there is no way between two zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathError {
    /// No such place.
    UnknownZone(Zone),
    /// `outside` is asked for, and no interface leads there.
    NoOutside,
    /// The zones are on different layer 2 networks, and what is sent can't be routed.
    NotRoutable {
        /// Where from.
        from: Zone,
        /// Where to.
        to: Zone,
    },
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathError::UnknownZone(zone) => write!(f, "no zone `{zone}`"),
            PathError::NoOutside => f.write_str("no interface leads outside"),
            PathError::NotRoutable { from, to } => {
                write!(f, "no way from `{from}` to `{to}` for a packet that isn't routed")
            }
        }
    }
}

impl std::error::Error for PathError {}

/// One hook on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Family of the tables that are asked.
    pub family: TableFamily,
    /// The hook.
    pub hook: Hook,
    /// Incoming interface or port; bridge postrouting has none.
    pub iifname: Option<Name>,
    /// Outgoing interface or port.
    pub oifname: Option<Name>,
    /// Bridge of the incoming port.
    pub ibrname: Option<Name>,
    /// Bridge of the outgoing port.
    pub obrname: Option<Name>,
    /// VLAN that the incoming port gives to untagged frames; VLAN-aware bridges only.
    pub ibrpvid: Option<u16>,
    /// The Ethernet header; inet output and postrouting have none.
    pub frame: Option<Frame>,
    /// The VLAN tags as seen here.
    pub vlans: Vec<u16>,
    /// A frame enters the node here: nothing is attached to it yet.
    pub arrives: bool,
    /// Between the host's IP stack and the first wire, where large datagrams are in pieces.
    pub in_pieces: bool,
    /// How often the packet has been forwarded by its address: the hop limit is counted down before the hook forward.
    pub hops: u8,
}

/// Ethernet addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Source.
    pub source: Mac,
    /// Destination.
    pub dest: Mac,
}

/// The whole way.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// Hooks in order.
    pub(super) passes: Vec<Pass>,
    /// Where it begins and ends.
    pub(super) ends: (Place, Place),
}

const THROUGH: [Hook; 3] = [Hook::Prerouting, Hook::Forward, Hook::Postrouting];
const UP: [Hook; 2] = [Hook::Prerouting, Hook::Input];
const DOWN: [Hook; 2] = [Hook::Output, Hook::Postrouting];

/// The hooks between the packet's zones.
pub(super) fn route(world: &World, packet: &Packet) -> Result<Route, PathError> {
    let (from, to) = ends(world, packet)?;
    let map = Map { world, packet };
    let passes = match (from, to) {
        (Place::Host, Place::Host) => map.loopback(),
        (Place::Port(from), Place::Host) => map.up(&world.ports[from]),
        (Place::Host, Place::Port(to)) => map.down(&world.ports[to]),
        (Place::Port(from), Place::Port(to)) => map.between(&world.ports[from], &world.ports[to])?,
    };
    Ok(Route { passes, ends: (from, to) })
}

/// The hooks that an answer of a bridge hook passes: out of the port that the rejected frame came from, and on to
/// the sender. `None`: it gets nowhere.
pub(super) fn answer_route(
    world: &World,
    answer: &mut Packet,
    rejected: &Pass,
    sender: Place,
) -> Option<Vec<Pass>> {
    let bridge = rejected.ibrname.as_ref()?;
    let frame = rejected.frame.map(|frame| Frame { source: frame.dest, dest: frame.source })?;
    if let Place::Port(sender) = sender {
        let way = crossings(world, End::device(bridge), End::port(&world.ports[sender])?);
        if !way.is_empty() {
            let map = Map { world, packet: answer };
            return Some(map.bridged(way, Some(frame), rejected.vlans.clone()));
        }
    }
    // The frame came over a pair, from the host's IP stack.
    let exit = rejected.iifname.as_ref()?;
    let far = world.port(&veth_peer(exit)?)?;
    (answer.ether_source, answer.ether_dest) = (Some(frame.source), Some(frame.dest));
    let way = Crossing { bridge: bridge.clone(), entry: None, exit: Some(exit.clone()) };
    let map = Map { world, packet: answer };
    let passes = map.out_of(way, frame, rejected.vlans.clone());
    Some([passes, map.onward(far, frame, sender)?].concat())
}

/// The hooks that an answer of the host's IP stack passes on its way to the sender.
pub(super) fn host_route(world: &World, answer: &Packet, sender: usize) -> Vec<Pass> {
    Map { world, packet: answer }.down(&world.ports[sender])
}

/// What leaves a port and is sent out of the outer end of a pair, at the hook where it is answered. What is attached to
/// it stays but for its connection.
pub(super) fn diverted(left: &Pass, outer: &str) -> Option<Pass> {
    Some(Pass {
        family: TableFamily::Bridge,
        hook: Hook::Prerouting,
        iifname: Some(divert::inner_of(outer)?.into()),
        ibrname: Some(divert::BRIDGE.into()),
        oifname: None,
        obrname: None,
        in_pieces: false,
        ..left.clone()
    })
}

/// The hooks that an answer to it passes: out of the bridge that answers, through the pair, and on to the sender.
pub(super) fn diverted_route(
    world: &World,
    answer: &mut Packet,
    (left, outer): (&Pass, &Name),
    sender: Place,
) -> Option<Vec<Pass>> {
    let frame = left.frame.map(|frame| Frame { source: frame.dest, dest: frame.source })?;
    (answer.ether_source, answer.ether_dest) = (Some(frame.source), Some(frame.dest));
    let inner = Name::from(divert::inner_of(outer)?);
    let way = Crossing { bridge: divert::BRIDGE.into(), entry: None, exit: Some(inner) };
    let pvid = left.oifname.as_ref().and_then(|port| world.port(port)).and_then(|port| port.pvid);
    let outer = Port { pvid, mac: Some(frame.source), ..Port::bare(outer, left.obrname.clone()) };
    let mut world = world.clone();
    world.add_port(None, outer.clone());
    let map = Map { world: &world, packet: answer };
    let passes = map.out_of(way, frame, left.vlans.clone());
    Some([passes, map.onward(&outer, frame, sender)?].concat())
}

/// World and packet, to lay passes out.
struct Map<'a> {
    world: &'a World,
    packet: &'a Packet,
}

impl Map<'_> {
    /// Out of a bridge that has made a frame itself, which is never in pieces.
    fn out_of(&self, way: Crossing, frame: Frame, tags: Vec<u16>) -> Vec<Pass> {
        let mut passes = self.bridged(vec![way], Some(frame), tags);
        passes.iter_mut().for_each(|pass| pass.in_pieces = false);
        passes
    }

    /// From a port where an answer comes in to whoever it is for.
    fn onward(&self, from: &Port, frame: Frame, sender: Place) -> Option<Vec<Pass>> {
        let is_for_host = frame.dest == self.world.host_mac(&gateway(self.world, from));
        match sender {
            Place::Host => Some(self.up(from)),
            Place::Port(sender) if is_for_host => self.routed(from, &self.world.ports[sender]).ok(),
            Place::Port(sender) => self.between(from, &self.world.ports[sender]).ok(),
        }
    }

    fn loopback(&self) -> Vec<Pass> {
        let lo: Name = "lo".into();
        if !self.packet.is_ip() {
            return Vec::new();
        }
        vec![
            inet(Hook::Output, None, Some(&lo)),
            inet(Hook::Postrouting, None, Some(&lo)),
            inet(Hook::Prerouting, Some(&lo), None),
            inet(Hook::Input, Some(&lo), None),
        ]
    }

    fn up(&self, from: &Port) -> Vec<Pass> {
        let gateway = gateway(self.world, from);
        let frame = self.frame(from, self.world.host_mac(&gateway));
        let mut passes = self.up_to_stack(from, &gateway, frame);
        if self.packet.is_ip() {
            let interface = self.interface(&gateway, from);
            passes.push(received(Hook::Prerouting, &interface, None, frame, passes.is_empty()));
            passes.push(received(Hook::Input, &interface, None, frame, false));
        }
        passes
    }

    fn down(&self, to: &Port) -> Vec<Pass> {
        let gateway = gateway(self.world, to);
        let through_stack = self.packet.is_ip() && self.packet.sender == Sender::Socket;
        let mut passes = Vec::new();
        if through_stack {
            let interface = self.interface(&gateway, to);
            passes.push(inet(Hook::Output, None, Some(&interface)));
            passes.push(inet(Hook::Postrouting, None, Some(&interface)));
        }
        let source = self.packet.ether_source.unwrap_or(self.world.host_mac(&gateway));
        let dest = self.packet.ether_dest.unwrap_or_else(|| self.receiver(to.peer_mac()));
        passes.extend(self.below_stack(&gateway, to, Frame { source, dest }));
        passes
    }

    fn between(&self, from: &Port, to: &Port) -> Result<Vec<Pass>, PathError> {
        if are_joined(self.world, from, to) {
            let frame = self.frame(from, to.peer_mac());
            let ends = End::port(from).zip(End::port(to));
            let way = ends.map(|(from, to)| crossings(self.world, from, to)).unwrap_or_default();
            return Ok(self.bridged(way, Some(frame), self.tags(from, to)));
        }
        self.routed(from, to)
    }

    /// Through the host's IP stack, or past the host.
    fn routed(&self, from: &Port, to: &Port) -> Result<Vec<Pass>, PathError> {
        let (entry, exit) = (gateway(self.world, from), gateway(self.world, to));
        let frame = self.frame(from, self.world.host_mac(&entry));
        if frame.dest != self.world.host_mac(&entry) {
            return self.joined_outside(from, to, frame);
        }
        if !self.packet.is_ip() {
            return Err(self.not_routable());
        }
        let mut passes = self.up_to_stack(from, &entry, frame);
        let (iif, oif) = (self.interface(&entry, from), self.interface(&exit, to));
        passes.push(received(Hook::Prerouting, &iif, None, frame, passes.is_empty()));
        let n_before = passes.len();
        passes.push(received(Hook::Forward, &iif, Some(&oif), frame, false));
        passes.push(inet(Hook::Postrouting, Some(&iif), Some(&oif)));
        let frame = Frame { source: self.world.host_mac(&exit), dest: to.peer_mac() };
        passes.extend(self.below_stack(&exit, to, frame));
        passes[n_before..].iter_mut().for_each(|pass| pass.hops = 1);
        Ok(passes)
    }

    /// Out of one bridge and into the other, past the host.
    fn joined_outside(&self, from: &Port, to: &Port, frame: Frame) -> Result<Vec<Pass>, PathError> {
        let uplink =
            |port: &Port| self.world.ports.iter().find(|p| p.is_outside() && are_joined(self.world, p, port));
        let way = |from: &Port, to: &Port| Some(crossings(self.world, End::port(from)?, End::port(to)?));
        let there = uplink(from).and_then(|exit| way(from, exit)).ok_or_else(|| self.not_routable())?;
        let here = uplink(to).and_then(|entry| way(entry, to)).ok_or_else(|| self.not_routable())?;
        let mut passes = self.bridged(there, Some(frame), self.packet.vlans.clone());
        let tags = passes.last().map(|pass| pass.vlans.clone()).unwrap_or_default();
        passes.extend(self.bridged(here, Some(frame), tags));
        Ok(passes)
    }

    fn not_routable(&self) -> PathError {
        PathError::NotRoutable { from: self.packet.from.clone(), to: self.packet.to.clone() }
    }

    /// From a port to the host's interface.
    fn up_to_stack(&self, from: &Port, gateway: &Name, frame: Frame) -> Vec<Pass> {
        let Some(start) = End::port(from) else { return Vec::new() };
        let way = crossings(self.world, start, End::device(gateway));
        self.bridged(way, Some(frame), self.packet.vlans.clone())
    }

    /// From the host's interface to a port.
    fn below_stack(&self, gateway: &Name, to: &Port, frame: Frame) -> Vec<Pass> {
        let Some(end) = End::port(to) else { return Vec::new() };
        let tags = if self.packet.sender == Sender::PacketSocket || !self.packet.is_ip() {
            self.packet.vlans.clone()
        } else {
            Vec::new()
        };
        self.bridged(crossings(self.world, End::device(gateway), end), Some(frame), tags)
    }

    fn bridged(&self, crossings: Vec<Crossing>, frame: Option<Frame>, mut tags: Vec<u16>) -> Vec<Pass> {
        let mut passes = Vec::new();
        for crossing in &crossings {
            let inside = self.cross(crossing, frame, tags);
            tags = inside.last().map(|pass| pass.vlans.clone()).unwrap_or_default();
            passes.extend(inside);
        }
        passes
    }

    /// The hooks of one bridge, and with `br_netfilter` those of inet that follow each.
    fn cross(&self, crossing: &Crossing, frame: Option<Frame>, tags: Vec<u16>) -> Vec<Pass> {
        let hooks: &[Hook] = match (&crossing.entry, &crossing.exit) {
            (Some(_), Some(_)) => &THROUGH,
            (Some(_), None) => &UP,
            (None, _) => &DOWN,
        };
        let leaving = self.tags_at_exit(crossing, &tags);
        let mut passes = Vec::new();
        for &hook in hooks {
            let pass = self.bridge_pass(crossing, hook, frame, if before(hook) { &tags } else { &leaving });
            passes.push(pass);
            if self.world.bridge_nf && self.packet.is_ip() && hooks == THROUGH {
                passes.push(shadow(hook, &crossing.bridge, frame));
            }
        }
        passes
    }

    fn bridge_pass(&self, crossing: &Crossing, hook: Hook, frame: Option<Frame>, tags: &[u16]) -> Pass {
        let bridge = || Some(crossing.bridge.clone());
        // The hook postrouting carries no incoming device, for bridged frames either.
        let iifname = crossing.entry.clone().filter(|_| hook != Hook::Postrouting);
        let oifname = crossing.exit.clone().filter(|_| !before(hook));
        Pass {
            family: TableFamily::Bridge,
            hook,
            ibrname: iifname.as_ref().and_then(|_| bridge()),
            obrname: oifname.as_ref().and_then(|_| bridge()),
            ibrpvid: iifname.as_ref().filter(|_| self.vlan_aware(&crossing.bridge)).map(|n| self.pvid(n)),
            iifname,
            oifname,
            frame,
            vlans: tags.to_vec(),
            arrives: hook == Hook::Prerouting,
            in_pieces: crossing.entry.is_none(),
            hops: 0,
        }
    }

    /// A VLAN-aware bridge takes the tag off at an untagged member port and puts it on elsewhere.
    fn tags_at_exit(&self, crossing: &Crossing, tags: &[u16]) -> Vec<u16> {
        let Some(exit) =
            crossing.exit.as_ref().filter(|_| self.vlan_aware(&crossing.bridge) && tags.len() < 2)
        else {
            return tags.to_vec();
        };
        let native = crossing.entry.as_ref().map_or_else(|| self.pvid(exit), |entry| self.pvid(entry));
        let vlan = tags.first().copied().unwrap_or(native);
        if vlan == self.pvid(exit) { Vec::new() } else { vec![vlan] }
    }

    fn vlan_aware(&self, bridge: &str) -> bool {
        let kind = self.world.interfaces.get(bridge).map(|interface| interface.kind);
        matches!(kind, Some(LinkKind::Bridge { vlan_aware: true }))
    }

    fn pvid(&self, port: &str) -> u16 {
        self.world.port(port).and_then(|port| port.pvid).unwrap_or(1)
    }

    /// The tags that a frame comes with: what is written, else what the receiver's VLAN asks of a trunk.
    fn tags(&self, from: &Port, to: &Port) -> Vec<u16> {
        let aware = from.bridge.as_ref().is_some_and(|bridge| self.vlan_aware(bridge));
        match to.pvid {
            Some(vlan) if aware && self.packet.vlans.is_empty() && from.is_outside() => vec![vlan],
            _ => self.packet.vlans.clone(),
        }
    }

    /// The host's interface in the VLAN that the port is in: `vmbr0.7` if there is one, else the bridge.
    fn interface(&self, gateway: &Name, port: &Port) -> Name {
        let vlan = self.packet.vlans.first().copied().or(port.pvid);
        let name = vlan.map(|vlan| Name::from(format!("{gateway}.{vlan}")));
        name.filter(|name| self.world.interfaces.contains_key(name)).unwrap_or_else(|| gateway.clone())
    }

    fn frame(&self, from: &Port, receiver: Mac) -> Frame {
        Frame {
            source: self.packet.ether_source.unwrap_or(from.peer_mac()),
            dest: self.packet.ether_dest.unwrap_or_else(|| self.receiver(receiver)),
        }
    }

    /// Groups have group addresses (RFC 1112, 6.4; RFC 2464, 7); an ARP request is broadcast.
    fn receiver(&self, receiver: Mac) -> Mac {
        const BROADCAST: Mac = Mac([0xff; 6]);
        match &self.packet.l3 {
            L3::Ipv4(ip) if ip.dest.is_multicast() => {
                let [_, b, c, d] = ip.dest.octets();
                Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
            }
            L3::Ipv4(ip) if self.world.is_group(ip.dest.into()) => BROADCAST,
            L3::Ipv6(ip) if ip.dest.is_multicast() => {
                let [.., a, b, c, d] = ip.dest.octets();
                Mac([0x33, 0x33, a, b, c, d])
            }
            L3::Arp(arp) if arp.operation == 1 => BROADCAST,
            L3::Ipv4(_) | L3::Ipv6(_) | L3::Arp(_) | L3::Other(_) => receiver,
        }
    }
}

/// Hooks that come before the outgoing port is known.
fn before(hook: Hook) -> bool {
    matches!(hook, Hook::Prerouting | Hook::Input)
}

fn inet(hook: Hook, iif: Option<&Name>, oif: Option<&Name>) -> Pass {
    Pass {
        family: TableFamily::Inet,
        hook,
        iifname: iif.cloned(),
        oifname: oif.cloned(),
        ibrname: None,
        obrname: None,
        ibrpvid: None,
        frame: None,
        vlans: Vec::new(),
        arrives: false,
        in_pieces: false,
        hops: 0,
    }
}

/// An inet hook that a received frame passes: its Ethernet header is still there, its tag is not.
fn received(hook: Hook, iif: &Name, oif: Option<&Name>, frame: Frame, arrives: bool) -> Pass {
    Pass { frame: Some(frame), arrives, ..inet(hook, Some(iif), oif) }
}

/// What `br_netfilter` calls behind a bridge hook: interfaces are the bridge on both sides.
fn shadow(hook: Hook, bridge: &Name, frame: Option<Frame>) -> Pass {
    let iif = (hook != Hook::Postrouting).then_some(bridge);
    let oif = (!before(hook)).then_some(bridge);
    Pass { frame, ..inet(hook, iif, oif) }
}
