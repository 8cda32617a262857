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

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

use super::packet::{L3, Packet, Sender, Zone};
use super::world::{Place, Port, World, veth_peer};
use crate::inputs::LinkKind;
use crate::model::address::{Cidr, Mac};
use crate::ruleset::{Hook, Name, TableFamily};

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

/// A bridge on the way, with the ports that it is entered and left by; `None`: the bridge's own device.
struct Crossing {
    bridge: Name,
    entry: Option<Name>,
    exit: Option<Name>,
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
/// the sender.
pub(super) fn answer_route(world: &World, answer: &Packet, rejected: &Pass, sender: usize) -> Vec<Pass> {
    let map = Map { world, packet: answer };
    let Some(bridge) = &rejected.ibrname else { return Vec::new() };
    let port = &world.ports[sender];
    let frame = rejected.frame.map(|frame| Frame { source: frame.dest, dest: frame.source });
    map.bridged(map.crossings(bridge, None, port), frame, rejected.vlans.clone())
}

/// The hooks that an answer of the host's IP stack passes on its way to the sender.
pub(super) fn host_route(world: &World, answer: &Packet, sender: usize) -> Vec<Pass> {
    Map { world, packet: answer }.down(&world.ports[sender])
}

fn ends(world: &World, packet: &Packet) -> Result<(Place, Place), PathError> {
    let (from, to) = (world.place(&packet.from)?, world.place(&packet.to)?);
    let outside = |peer: Option<Place>, address| {
        outside_port(world, peer, address).map(Place::Port).ok_or(PathError::NoOutside)
    };
    let from_place = match from {
        Some(place) => place,
        None => outside(to, [packet.l3.dest(), packet.l3.source()])?,
    };
    let to_place = match to {
        Some(place) => place,
        None => outside(Some(from_place), [packet.l3.dest(), packet.l3.source()])?,
    };
    Ok((from_place, to_place))
}

/// The port that leads outside: on the peer's layer 2, else where one of the addresses is at home, else the first.
fn outside_port(world: &World, peer: Option<Place>, addresses: [Option<IpAddr>; 2]) -> Option<usize> {
    let candidates: Vec<usize> = (0..world.ports.len()).filter(|&at| world.ports[at].is_outside()).collect();
    let near_peer = |at: usize| match peer {
        Some(Place::Port(peer)) => same_layer2(world, &world.ports[at], &world.ports[peer]),
        Some(Place::Host) | None => false,
    };
    let at_home = |at: usize, address: IpAddr| {
        let interface = world.interfaces.get(&*gateway(world, &world.ports[at]));
        let networks = interface.into_iter().flat_map(|interface| &interface.addresses);
        let mut networks = networks.filter_map(|host| Cidr::new(host.address, host.prefix));
        networks.any(|network| network.contains(address))
    };
    let first = |wanted: &dyn Fn(usize) -> bool| candidates.iter().copied().find(|&at| wanted(at));
    first(&near_peer)
        .or_else(|| addresses.into_iter().flatten().find_map(|address| first(&|at| at_home(at, address))))
        .or_else(|| first(&|at| world.ports[at].bridge.is_some()))
        .or_else(|| first(&|_| true))
}

/// The interface of the host's IP stack that a port's layer 2 network belongs to.
fn gateway(world: &World, port: &Port) -> Name {
    let Some(bridge) = &port.bridge else { return port.name.clone() };
    let reached = reach(world, bridge);
    let mut bridges: Vec<&Name> = reached.keys().filter(|name| !name.starts_with("fwbr")).collect();
    bridges.sort_by_key(|name| (addressless(world, name), reached[*name].len(), (*name).clone()));
    bridges.first().map_or_else(|| bridge.clone(), |name| (*name).clone())
}

fn addressless(world: &World, interface: &str) -> bool {
    world.interfaces.get(interface).is_none_or(|interface| interface.addresses.is_empty())
}

fn same_layer2(world: &World, one: &Port, other: &Port) -> bool {
    match (&one.bridge, &other.bridge) {
        (Some(one), Some(other)) => reach(world, one).contains_key(other),
        _ => one.name == other.name,
    }
}

/// All bridges that veth pairs join with `start`, each with the pairs that lead there.
fn reach(world: &World, start: &Name) -> BTreeMap<Name, Vec<(Name, Name)>> {
    let mut ways: BTreeMap<Name, Vec<(Name, Name)>> = BTreeMap::from([(start.clone(), Vec::new())]);
    let mut open = VecDeque::from([start.clone()]);
    while let Some(bridge) = open.pop_front() {
        for port in world.ports.iter().filter(|port| port.bridge.as_ref() == Some(&bridge)) {
            let peer = veth_peer(&port.name).and_then(|name| world.ports.iter().find(|p| *p.name == name));
            let Some((peer, next)) = peer.and_then(|peer| Some((peer, peer.bridge.clone()?))) else {
                continue;
            };
            if !ways.contains_key(&next) {
                let mut way = ways[&bridge].clone();
                way.push((port.name.clone(), peer.name.clone()));
                ways.insert(next.clone(), way);
                open.push_back(next);
            }
        }
    }
    ways
}

/// World and packet, to lay passes out.
struct Map<'a> {
    world: &'a World,
    packet: &'a Packet,
}

impl Map<'_> {
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
        let mut passes = self.to_stack(from, &gateway, frame);
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
        passes.extend(self.from_stack(&gateway, to, Frame { source, dest }));
        passes
    }

    fn between(&self, from: &Port, to: &Port) -> Result<Vec<Pass>, PathError> {
        if same_layer2(self.world, from, to) {
            let frame = self.frame(from, to.peer_mac());
            let crossings = from.bridge.as_ref().map(|b| self.crossings(b, Some(&from.name), to));
            return Ok(self.bridged(crossings.unwrap_or_default(), Some(frame), self.tags(from, to)));
        }
        let (entry, exit) = (gateway(self.world, from), gateway(self.world, to));
        let frame = self.frame(from, self.world.host_mac(&entry));
        if frame.dest != self.world.host_mac(&entry) {
            return self.joined_outside(from, to, frame);
        }
        if !self.packet.is_ip() {
            return Err(self.not_routable());
        }
        let mut passes = self.to_stack(from, &entry, frame);
        let (iif, oif) = (self.interface(&entry, from), self.interface(&exit, to));
        passes.push(received(Hook::Prerouting, &iif, None, frame, passes.is_empty()));
        passes.push(received(Hook::Forward, &iif, Some(&oif), frame, false));
        passes.push(inet(Hook::Postrouting, Some(&iif), Some(&oif)));
        let frame = Frame { source: self.world.host_mac(&exit), dest: to.peer_mac() };
        passes.extend(self.from_stack(&exit, to, frame));
        Ok(passes)
    }

    /// Out of one bridge and into the other, past the host.
    fn joined_outside(&self, from: &Port, to: &Port, frame: Frame) -> Result<Vec<Pass>, PathError> {
        let uplink = |port: &Port| {
            self.world.ports.iter().find(|p| p.is_outside() && same_layer2(self.world, p, port))
        };
        let (Some(exit), Some(entry)) = (uplink(from), uplink(to)) else { return Err(self.not_routable()) };
        let (Some(first), Some(second)) = (&from.bridge, &entry.bridge) else {
            return Err(self.not_routable());
        };
        let there = self.crossings(first, Some(&from.name), exit);
        let here = self.crossings(second, Some(&entry.name), to);
        let mut passes = self.bridged(there, Some(frame), self.packet.vlans.clone());
        let tags = passes.last().map(|pass| pass.vlans.clone()).unwrap_or_default();
        passes.extend(self.bridged(here, Some(frame), tags));
        Ok(passes)
    }

    fn not_routable(&self) -> PathError {
        PathError::NotRoutable { from: self.packet.from.clone(), to: self.packet.to.clone() }
    }

    /// From a port to the host's interface.
    fn to_stack(&self, from: &Port, gateway: &Name, frame: Frame) -> Vec<Pass> {
        let Some(bridge) = &from.bridge else { return Vec::new() };
        let crossings = self.crossings_to(bridge, Some(&from.name), gateway, None);
        self.bridged(crossings, Some(frame), self.packet.vlans.clone())
    }

    /// From the host's interface to a port.
    fn from_stack(&self, gateway: &Name, to: &Port, frame: Frame) -> Vec<Pass> {
        if to.bridge.is_none() {
            return Vec::new();
        }
        let tags = if self.packet.sender == Sender::PacketSocket || !self.packet.is_ip() {
            self.packet.vlans.clone()
        } else {
            Vec::new()
        };
        self.bridged(self.crossings(gateway, None, to), Some(frame), tags)
    }

    fn crossings(&self, start: &Name, entry: Option<&Name>, to: &Port) -> Vec<Crossing> {
        let Some(end) = &to.bridge else { return Vec::new() };
        self.crossings_to(start, entry, end, Some(&to.name))
    }

    fn crossings_to(
        &self,
        start: &Name,
        entry: Option<&Name>,
        end: &Name,
        exit: Option<&Name>,
    ) -> Vec<Crossing> {
        let reached = reach(self.world, start);
        let Some(way) = reached.get(end) else { return Vec::new() };
        let bridge_of = |port: &Name| self.world.ports.iter().find(|p| p.name == *port)?.bridge.clone();
        let mut crossings = Vec::with_capacity(way.len() + 1);
        let mut here = Crossing { bridge: start.clone(), entry: entry.cloned(), exit: None };
        for (near, far) in way {
            let bridge = bridge_of(far).unwrap_or_else(|| end.clone());
            let next = Crossing { bridge, entry: Some(far.clone()), exit: None };
            crossings.push(Crossing { exit: Some(near.clone()), ..here });
            here = next;
        }
        crossings.push(Crossing { exit: exit.cloned(), ..here });
        crossings
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
        self.world.ports.iter().find(|p| &*p.name == port).and_then(|p| p.pvid).unwrap_or(1)
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
