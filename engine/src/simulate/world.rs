//! The network around the rules: the host's interfaces and addresses, ports of bridges, what lies behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::packet::Zone;
use super::path::PathError;
use crate::divert;
use crate::inputs::{HostAddress, HostFacts, Link, LinkKind};
use crate::model::address::{Cidr, Family, Mac};
use crate::model::guest::{Guest, GuestKind, Nic};
use crate::model::names::Vmid;
use crate::ruleset::Name;

/// What a [`Zone`] can name, and what answers `fib` expressions.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub(super) interfaces: BTreeMap<Name, Interface>,
    pub(super) ports: Vec<Port>,
    by_name: BTreeMap<Name, usize>,
    by_bridge: BTreeMap<Name, BTreeSet<usize>>,
    /// Names besides the built-in ones, to ports.
    zones: BTreeMap<String, usize>,
    locals: BTreeSet<IpAddr>,
    broadcasts: BTreeSet<IpAddr>,
    /// Bridged IP packets run the inet hooks too (`br_netfilter` left switched on).
    pub(super) bridge_nf: bool,
}

/// An interface of the host's IP stack.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its addresses.
    pub addresses: Vec<HostAddress>,
    /// What it is.
    pub kind: LinkKind,
    /// Its number; 0: not known.
    pub index: u32,
}

/// A way out of the host: a port of a bridge, or an interface by itself.
#[derive(Debug, Clone)]
pub struct Port {
    /// Its name.
    pub name: Name,
    /// The bridge that it belongs to.
    pub bridge: Option<Name>,
    /// The hardware address of what is behind it.
    pub mac: Option<Mac>,
    /// The addresses of what is behind it.
    pub addresses: Vec<IpAddr>,
    /// The VLAN of untagged frames on a VLAN-aware bridge; `None`: 1.
    pub pvid: Option<u16>,
    /// The guest NIC behind it.
    pub guest: Option<GuestPort>,
}

/// A guest NIC as a zone names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestPort {
    /// VM or container.
    pub kind: GuestKind,
    /// The guest.
    pub vmid: Vmid,
    /// Index of `net<index>`.
    pub index: u8,
}

/// What a zone stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The host's own sockets.
    Host,
    /// What is behind a port, by index.
    Port(usize),
}

/// Who lives behind a port that nothing is known about.
const STRANGER: Mac = Mac([0x02, 0, 0, 0, 0, 0x50]);
/// An interface of the host whose address is not known.
const HOST: Mac = Mac([0x02, 0, 0, 0, 0, 0x01]);

impl World {
    /// The host of `facts` with its guests. A guest's port is where the kernel has it, else (the guest does not
    /// run) where its configuration would put it.
    pub fn from_facts(facts: &HostFacts, guests: &BTreeMap<Vmid, Arc<Guest>>) -> World {
        let mut world = World { bridge_nf: facts.bridge_nf_stuck, ..World::default() };
        let nics = || guests.values().flat_map(|guest| guest.nics.values().map(move |nic| (guest, nic)));
        let guest_ports: BTreeSet<&str> = nics().map(|(_, nic)| nic.ifname.as_str()).collect();
        for link in &facts.links {
            world.add_link(link);
            if !guest_ports.contains(link.name.as_str()) {
                world.add_end(facts, link);
            }
        }
        for address in facts.resolved.get(&facts.node).into_iter().flatten() {
            world.locals.insert(*address);
        }
        for network in &facts.connected {
            world.broadcasts.extend(broadcast_of(*network));
        }
        for (guest, nic) in nics() {
            world.add_nic(facts.link(nic.ifname.as_str()), guest, nic);
        }
        world
    }

    /// Adds an interface of the host's IP stack.
    pub fn add_interface(&mut self, name: &str, interface: Interface) {
        for host in &interface.addresses {
            self.locals.insert(host.address());
            self.broadcasts.extend(broadcast_of(host.network()));
        }
        self.interfaces.insert(name.into(), interface);
    }

    /// Adds a port; `zone` is a name for it besides those that it has anyway. A port that was there by this name
    /// is replaced.
    pub fn add_port(&mut self, zone: Option<&str>, port: Port) {
        if let Some(bridge) = &port.bridge {
            self.interfaces
                .entry(bridge.clone())
                .or_insert_with(|| Interface { kind: BRIDGE, ..Interface::default() });
        }
        let at = *self.by_name.entry(port.name.clone()).or_insert(self.ports.len());
        if let Some(old) = self.ports.get(at).and_then(|old| old.bridge.clone()) {
            self.by_bridge.entry(old).or_default().remove(&at);
        }
        if let Some(bridge) = port.bridge.clone() {
            self.by_bridge.entry(bridge).or_default().insert(at);
        }
        if at == self.ports.len() {
            self.ports.push(port);
        } else {
            self.ports[at] = port;
        }
        if let Some(zone) = zone {
            self.zones.insert(zone.to_owned(), at);
        }
    }

    /// Gives the port `port` a name of a topology's own; `false`: there is no such port.
    pub fn add_zone(&mut self, zone: &str, port: &str) -> bool {
        let Some(&at) = self.by_name.get(port) else { return false };
        self.zones.insert(zone.to_owned(), at);
        true
    }

    /// The port of this name.
    pub(super) fn port(&self, name: &str) -> Option<&Port> {
        self.by_name.get(name).map(|&at| &self.ports[at])
    }

    /// The ports of a bridge.
    pub(super) fn ports_of(&self, bridge: &str) -> impl Iterator<Item = &Port> {
        self.by_bridge.get(bridge).into_iter().flatten().map(|&at| &self.ports[at])
    }

    fn add_link(&mut self, link: &Link) {
        let (addresses, index) = (link.addresses.clone(), link.index);
        let interface = Interface { mac: link.mac, addresses, kind: link.kind, index };
        self.add_interface(&link.name, interface);
    }

    /// What leads somewhere: ports of bridges, and interfaces that stand alone. Members of a bond do not, the bond
    /// does; of a VLAN and its parent alone the parent does.
    fn add_end(&mut self, facts: &HostFacts, link: &Link) {
        let is_bridge = |link: &&Link| matches!(link.kind, LinkKind::Bridge { .. });
        match &link.master {
            Some(master) if facts.link(master).as_ref().is_some_and(is_bridge) => {
                self.add_port(None, Port::bare(&link.name, Some(master.as_str().into())));
            }
            None if link.kind == LinkKind::Other && link.name != "lo" => {
                self.add_port(None, Port::bare(&link.name, None));
            }
            Some(_) | None => {}
        }
    }

    fn add_nic(&mut self, link: Option<&Link>, guest: &Guest, nic: &Nic) {
        let master = link.and_then(|link| link.master.clone());
        let Some(bridge) = master.or_else(|| nic.bridge.clone()) else { return };
        let addresses = nic.ip.map(IpAddr::from).into_iter().chain(nic.ip6.map(IpAddr::from));
        let on_firewall_bridge = bridge.starts_with("fwbr");
        self.add_port(
            None,
            Port {
                mac: nic.mac,
                addresses: addresses.collect(),
                // A firewall bridge knows no VLANs: the tag is given on the main bridge's side.
                pvid: nic.tag.filter(|_| !on_firewall_bridge),
                guest: Some(GuestPort { kind: guest.kind, vmid: guest.vmid, index: nic.index }),
                ..Port::bare(nic.ifname.as_str(), Some(bridge.as_str().into()))
            },
        );
        if on_firewall_bridge {
            self.join_firewall_bridge(guest.vmid, nic);
        }
    }

    /// `fwln<vmid>i<n>` in the firewall bridge, `fwpr<vmid>p<n>` in the main one.
    fn join_firewall_bridge(&mut self, vmid: Vmid, nic: &Nic) {
        let (inner, outer) = (format!("fwln{vmid}i{}", nic.index), format!("fwpr{vmid}p{}", nic.index));
        if self.port(&format!("fwln{vmid}o{}", nic.index)).is_some() {
            // Behind it is Open vSwitch, which netfilter does not see.
            return;
        }
        if self.port(&inner).is_none() {
            let bridge = format!("fwbr{vmid}i{}", nic.index);
            self.add_port(None, Port::bare(&inner, Some(bridge.into())));
        }
        let main = nic.bridge.as_deref().map(Name::from);
        match self.by_name.get(outer.as_str()) {
            Some(&at) => self.ports[at].pvid = nic.tag,
            None => self.add_port(None, Port { pvid: nic.tag, ..Port::bare(&outer, main) }),
        }
    }

    /// What a zone stands for; `outside` is left to the path, which knows what is to be reached.
    pub(super) fn place(&self, zone: &Zone) -> Result<Option<Place>, PathError> {
        let word = zone.as_str();
        if let Some(&port) = self.zones.get(word) {
            return Ok(Some(Place::Port(port)));
        }
        match word {
            "host" => return Ok(Some(Place::Host)),
            "outside" => return Ok(None),
            _ => {}
        }
        let found = match word.split_once('/') {
            Some((bridge, port)) => {
                self.by_name.get(port).copied().filter(|&at| self.ports[at].bridge.as_deref() == Some(bridge))
            }
            None => self.guest_port(word),
        };
        let unknown = || PathError::UnknownZone(zone.clone());
        found.map(|port| Some(Place::Port(port))).ok_or_else(unknown)
    }

    /// `vm100`, `vm100i1`, `ct200`, `ct200i0`; without a number the first NIC.
    fn guest_port(&self, word: &str) -> Option<usize> {
        let (kind, rest) = match (word.strip_prefix("vm"), word.strip_prefix("ct")) {
            (Some(rest), _) => (GuestKind::Qemu, rest),
            (None, Some(rest)) => (GuestKind::Lxc, rest),
            (None, None) => return None,
        };
        let (vmid, index) = match rest.split_once('i') {
            Some((vmid, index)) => (vmid, Some(index.parse::<u8>().ok()?)),
            None => (rest, None),
        };
        let vmid: Vmid = vmid.parse().ok()?;
        let of_guest = |port: &Port| port.guest.filter(|guest| guest.kind == kind && guest.vmid == vmid);
        let nics = self.ports.iter().enumerate().filter_map(|(at, port)| Some((of_guest(port)?.index, at)));
        nics.filter(|(nic, _)| index.is_none_or(|index| index == *nic)).min().map(|(_, at)| at)
    }

    /// The number of an interface; 0: not known.
    pub(super) fn index(&self, interface: &str) -> u32 {
        self.interfaces.get(interface).map_or(0, |interface| interface.index)
    }

    /// The hardware address of the host's interface.
    pub(super) fn host_mac(&self, interface: &str) -> Mac {
        self.interfaces.get(interface).and_then(|interface| interface.mac).unwrap_or(HOST)
    }

    /// Whether the host itself has this address.
    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.locals.contains(&address)
    }

    /// Whether the address stands for several receivers.
    pub(super) fn is_group(&self, address: IpAddr) -> bool {
        matches!(self.fib_type(address), BROADCAST | MULTICAST)
    }

    /// What `fib … type` says: the kernel's RTN_ numbers.
    pub(super) fn fib_type(&self, address: IpAddr) -> u8 {
        // 0.0.0.0 counts as broadcast (inet_addr_type).
        let is_wildcard = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.is_unspecified());
        if address.is_multicast() {
            MULTICAST
        } else if is_wildcard || self.broadcasts.contains(&address) {
            BROADCAST
        } else if self.is_local(address) {
            LOCAL
        } else {
            UNICAST
        }
    }
}

const UNICAST: u8 = 1;
const LOCAL: u8 = 2;
const BROADCAST: u8 = 3;
const MULTICAST: u8 = 5;
const BRIDGE: LinkKind = LinkKind::Bridge { vlan_aware: false };

/// The last address of an IPv4 network of more than two.
fn broadcast_of(network: Cidr) -> Option<IpAddr> {
    let has_one = network.family() == Family::V4 && network.prefix() < 31;
    has_one.then(|| crate::model::address::from_number(Family::V4, network.interval().last))
}

impl Port {
    /// A port that nothing more is known about.
    pub fn bare(name: &str, bridge: Option<Name>) -> Port {
        Port { name: name.into(), bridge, mac: None, addresses: Vec::new(), pvid: None, guest: None }
    }

    /// The hardware address of what is behind it.
    pub(super) fn peer_mac(&self) -> Mac {
        self.mac.unwrap_or(STRANGER)
    }

    /// Whether it leads out of the node: neither to a guest, known or not, nor to another bridge of the node.
    pub(super) fn is_outside(&self) -> bool {
        let is_numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        let unknown_guest =
            ["tap", "veth"].iter().any(|kind| self.name.strip_prefix(kind).is_some_and(is_numbered));
        let is_joint = veth_peer(&self.name).is_some() || divert::is_ours(&self.name);
        self.guest.is_none() && !unknown_guest && !is_joint
    }
}

/// The other end of a veth pair between two bridges, by PVE's names: a firewall bridge's, or a VNet's.
pub fn veth_peer(name: &str) -> Option<String> {
    let swap = |from: &str, to: &str, infix: (char, char)| {
        let (vmid, index) = name.strip_prefix(from)?.split_once(infix.0)?;
        Some(format!("{to}{vmid}{}{index}", infix.1))
    };
    let plain = |from: &str, to: &str| Some(format!("{to}{}", name.strip_prefix(from)?));
    swap("fwln", "fwpr", ('i', 'p'))
        .or_else(|| swap("fwpr", "fwln", ('p', 'i')))
        .or_else(|| plain("ln_", "pr_"))
        .or_else(|| plain("pr_", "ln_"))
}
