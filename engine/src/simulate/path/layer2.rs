//! Layer 2: which bridges belong together, which ports lead where.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::PathError;
use crate::ruleset::Name;
use crate::simulate::packet::Packet;
use crate::simulate::world::{Place, Port, World, veth_peer};

/// A bridge on the way, with the ports that it is entered and left by; `None`: the bridge's own device.
pub(super) struct Crossing {
    pub(super) bridge: Name,
    pub(super) entry: Option<Name>,
    pub(super) exit: Option<Name>,
}

/// Where a way begins or ends: a bridge's port, or its own device.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) bridge: &'a Name,
    pub(super) port: Option<&'a Name>,
}

impl<'a> End<'a> {
    /// `None` if the port is of no bridge.
    pub(super) fn port(port: &'a Port) -> Option<End<'a>> {
        port.bridge.as_ref().map(|bridge| End { bridge, port: Some(&port.name) })
    }

    pub(super) fn device(bridge: &'a Name) -> End<'a> {
        End { bridge, port: None }
    }
}

/// What the packet's zones stand for.
pub(super) fn ends(world: &World, packet: &Packet) -> Result<(Place, Place), PathError> {
    let (from, to) = (world.place(&packet.from)?, world.place(&packet.to)?);
    let addresses = [packet.l3.dest(), packet.l3.source()];
    let outside = |peer: Option<Place>| {
        outside_port(world, peer, addresses).map(Place::Port).ok_or(PathError::NoOutside)
    };
    let from = from.map_or_else(|| outside(to), Ok)?;
    let to = to.map_or_else(|| outside(Some(from)), Ok)?;
    Ok((from, to))
}

/// The port that leads outside: on the peer's layer 2, else where one of the addresses is at home, else the first.
fn outside_port(world: &World, peer: Option<Place>, addresses: [Option<IpAddr>; 2]) -> Option<usize> {
    let candidates: Vec<usize> = (0..world.ports.len()).filter(|&at| world.ports[at].is_outside()).collect();
    let near_peer = |at: usize| match peer {
        Some(Place::Port(peer)) => are_joined(world, &world.ports[at], &world.ports[peer]),
        Some(Place::Host) | None => false,
    };
    let at_home = |at: usize, address: IpAddr| {
        let interface = world.interfaces.get(&gateway(world, &world.ports[at]));
        let networks = interface.into_iter().flat_map(|interface| &interface.addresses);
        let mut networks = networks.map(|host| host.network());
        networks.any(|network| network.contains(address))
    };
    let first = |wanted: &dyn Fn(usize) -> bool| candidates.iter().copied().find(|&at| wanted(at));
    first(&near_peer)
        .or_else(|| addresses.into_iter().flatten().find_map(|address| first(&|at| at_home(at, address))))
        .or_else(|| first(&|at| world.ports[at].bridge.is_some()))
        .or_else(|| first(&|_| true))
}

/// The interface of the host's IP stack that a port's layer 2 network belongs to: the nearest bridge with an
/// address, firewall bridges left out.
pub(super) fn gateway(world: &World, port: &Port) -> Name {
    let Some(bridge) = &port.bridge else { return port.name.clone() };
    let reached = reach(world, bridge, None);
    let bridges = reached.iter().filter(|(name, _)| !is_firewall_bridge(name));
    let nearest = bridges.min_by_key(|(name, way)| (is_addressless(world, name), way.len()));
    nearest.map_or_else(|| bridge.clone(), |(name, _)| name.clone())
}

fn is_addressless(world: &World, interface: &str) -> bool {
    world.interfaces.get(interface).is_none_or(|interface| interface.addresses.is_empty())
}

/// Whether frames get from one port to the other without the host's IP stack.
pub(super) fn are_joined(world: &World, one: &Port, other: &Port) -> bool {
    match (&one.bridge, &other.bridge) {
        (Some(one), Some(other)) => one == other || reach(world, one, Some(other)).contains_key(other),
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => one.name == other.name,
    }
}

/// The bridges between two ends, in order; empty if they are not joined.
pub(super) fn crossings(world: &World, from: End<'_>, to: End<'_>) -> Vec<Crossing> {
    let reached = reach(world, from.bridge, Some(to.bridge));
    let Some(way) = reached.get(to.bridge) else { return Vec::new() };
    let mut crossings = Vec::with_capacity(way.len() + 1);
    let mut here = Crossing { bridge: from.bridge.clone(), entry: from.port.cloned(), exit: None };
    for joint in way {
        let next = Crossing { bridge: joint.bridge.clone(), entry: Some(joint.far.clone()), exit: None };
        crossings.push(Crossing { exit: Some(joint.near.clone()), ..here });
        here = next;
    }
    crossings.push(Crossing { exit: to.port.cloned(), ..here });
    crossings
}

/// A veth pair between two bridges.
#[derive(Clone)]
struct Joint {
    near: Name,
    far: Name,
    /// The bridge that `far` belongs to.
    bridge: Name,
}

/// The bridges that veth pairs join with `start`, each with the pairs that lead there. Firewall bridges are dead
/// ends and left out, but for the one where the way shall end.
fn reach(world: &World, start: &Name, end: Option<&Name>) -> BTreeMap<Name, Vec<Joint>> {
    let mut ways: BTreeMap<Name, Vec<Joint>> = BTreeMap::from([(start.clone(), Vec::new())]);
    let mut open = VecDeque::from([start.clone()]);
    while let Some(bridge) = open.pop_front() {
        for joint in world.ports_of(&bridge).filter_map(|port| joint(world, port)) {
            let dead_end = is_firewall_bridge(&joint.bridge) && Some(&joint.bridge) != end;
            if !dead_end && !ways.contains_key(&joint.bridge) {
                let mut way = ways[&bridge].clone();
                open.push_back(joint.bridge.clone());
                let end = joint.bridge.clone();
                way.push(joint);
                ways.insert(end, way);
            }
        }
    }
    ways
}

fn is_firewall_bridge(name: &str) -> bool {
    name.starts_with("fwbr")
}

fn joint(world: &World, near: &Port) -> Option<Joint> {
    let far = world.port(&veth_peer(&near.name)?)?;
    Some(Joint { near: near.name.clone(), far: far.name.clone(), bridge: far.bridge.clone()? })
}
