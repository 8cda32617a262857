//! Interfaces and addresses by their number, as the kernel tells them: what one message changes is taken over alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use engine::inputs::{HostAddress, Link, LinkKind};
use engine::model::address::Mac;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage, Prop,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// What the facts hold of one interface, others named by their number.
#[derive(Debug, Default, PartialEq, Eq)]
struct Interface {
    link: Link,
    master: Option<u32>,
    parent: Option<u32>,
}

/// What a bridge has learned of a hardware address: bridge, VLAN (0: none), address.
type Learned = (u32, u16, Mac);

/// The interfaces of a network namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    interfaces: BTreeMap<u32, Interface>,
    addresses: BTreeMap<u32, BTreeSet<HostAddress>>,
    /// The forwarding databases of all bridges: at which port something was learned.
    forwarding: BTreeMap<Learned, u32>,
    /// Hardware addresses of guests' devices, with the names of their ports.
    guests: BTreeMap<Mac, BTreeSet<String>>,
}

impl Table {
    /// Takes over a message. `true`: something that the facts hold is different now.
    pub(crate) fn apply(&mut self, message: &RouteNetlinkMessage) -> bool {
        match message {
            RouteNetlinkMessage::NewLink(link) => self.put(link),
            // A port leaves a bridge: the interface itself stays.
            RouteNetlinkMessage::DelLink(link) if is_of_bridge(link) => false,
            RouteNetlinkMessage::DelLink(link) => {
                self.addresses.remove(&link.header.index);
                self.forwarding.retain(|_, port| *port != link.header.index);
                self.interfaces.remove(&link.header.index).is_some()
            }
            RouteNetlinkMessage::NewAddress(message) => {
                let addresses = self.addresses.entry(message.header.index).or_default();
                address_of(message).is_some_and(|address| addresses.insert(address))
            }
            RouteNetlinkMessage::DelAddress(message) => {
                let addresses = self.addresses.get_mut(&message.header.index);
                addresses.zip(address_of(message)).is_some_and(|(all, address)| all.remove(&address))
            }
            RouteNetlinkMessage::NewNeighbour(message) => {
                learned(message).is_some_and(|key| self.learn(key, Some(message.header.ifindex)))
            }
            RouteNetlinkMessage::DelNeighbour(message) => {
                learned(message).is_some_and(|key| self.learn(key, None))
            }
            _ => false,
        }
    }

    /// Which hardware addresses are those of guests' devices, and the names of their ports. `true`: some were learned
    /// elsewhere, as nobody could tell before.
    pub(crate) fn watch(&mut self, guests: BTreeMap<Mac, BTreeSet<String>>) -> bool {
        let before = self.elsewhere();
        self.guests = guests;
        self.elsewhere() != before
    }

    /// The same addresses as in another table.
    pub(crate) fn watched(&self) -> &BTreeMap<Mac, BTreeSet<String>> {
        &self.guests
    }

    fn learn(&mut self, key: Learned, port: Option<u32>) -> bool {
        let before = match port {
            Some(port) => self.forwarding.insert(key, port),
            None => self.forwarding.remove(&key),
        };
        before != port && [before, port].into_iter().flatten().any(|port| self.is_elsewhere(key.2, port))
    }

    /// Whether it is the address of a guest's device that has another port.
    fn is_elsewhere(&self, mac: Mac, port: u32) -> bool {
        let name = || self.interfaces.get(&port).map_or("", |interface| &interface.link.name);
        self.guests.get(&mac).is_some_and(|own| !own.contains(name()))
    }

    /// Addresses of guests' devices that were learned at other ports, by port.
    fn elsewhere(&self) -> BTreeMap<u32, BTreeSet<Mac>> {
        let mut all: BTreeMap<u32, BTreeSet<Mac>> = BTreeMap::new();
        for ((_, _, mac), port) in
            self.forwarding.iter().filter(|((_, _, mac), port)| self.is_elsewhere(*mac, **port))
        {
            all.entry(*port).or_default().insert(*mac);
        }
        all
    }

    /// The interfaces, in the order of their numbers.
    pub(crate) fn links(&self) -> Vec<Link> {
        let elsewhere = self.elsewhere();
        let name = |index: u32| self.interfaces.get(&index).map(|other| other.link.name.clone());
        let addresses = |index: &u32| self.addresses.get(index).into_iter().flatten().copied().collect();
        let link = |(index, interface): (&u32, &Interface)| Link {
            master: interface.master.and_then(name),
            parent: interface.parent.and_then(name),
            addresses: addresses(index),
            learned: elsewhere.get(index).into_iter().flatten().copied().collect(),
            ..interface.link.clone()
        };
        self.interfaces.iter().map(link).collect()
    }

    fn put(&mut self, message: &LinkMessage) -> bool {
        if is_of_bridge(message) {
            return false;
        }
        let Some(interface) = interface_of(message) else { return false };
        let is_same = self.interfaces.get(&message.header.index) == Some(&interface);
        if !is_same {
            self.interfaces.insert(message.header.index, interface);
        }
        !is_same
    }
}

/// Bridges tell the states of their ports in messages that hold little else.
pub(crate) fn is_of_bridge(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Bridge
}

/// What an entry of a forwarding database is about. Not: the bridge's own addresses, and what somebody has entered
/// for a port that stays where it is.
fn learned(message: &NeighbourMessage) -> Option<Learned> {
    let header = &message.header;
    if header.family != AddressFamily::Bridge || header.state == NeighbourState::Permanent {
        return None;
    }
    let (mut bridge, mut vlan, mut mac) = (None, 0, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Controller(index) => bridge = Some(*index),
            NeighbourAttribute::Vlan(tag) => vlan = *tag,
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac);
            }
            _ => {}
        }
    }
    Some((bridge?, vlan, mac?))
}

fn interface_of(message: &LinkMessage) -> Option<Interface> {
    let mut interface = Interface::default();
    let link = &mut interface.link;
    link.index = message.header.index;
    link.up = message.header.flags.contains(LinkFlags::Up);
    link.no_carrier = link.up && !message.header.flags.contains(LinkFlags::LowerUp);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) => {
                link.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(Mac);
            }
            LinkAttribute::Controller(index) => interface.master = Some(*index),
            LinkAttribute::Link(index) => interface.parent = Some(*index),
            LinkAttribute::PropList(properties) => {
                link.altnames.extend(properties.iter().filter_map(|property| match property {
                    Prop::AltIfName(name) => Some(name.clone()),
                    _ => None,
                }));
            }
            LinkAttribute::LinkInfo(infos) => {
                link.kind = kind_of(infos);
                link.isolated = is_isolated(infos);
            }
            _ => {}
        }
    }
    (!interface.link.name.is_empty()).then_some(interface)
}

fn kind_of(infos: &[LinkInfo]) -> LinkKind {
    let kind = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    match kind {
        Some(InfoKind::Bridge) => LinkKind::Bridge { vlan_aware: filters_vlans(infos) },
        Some(InfoKind::Vlan) => LinkKind::Vlan,
        _ => LinkKind::Other,
    }
}

fn is_isolated(infos: &[LinkInfo]) -> bool {
    infos.iter().any(|info| match info {
        LinkInfo::PortData(InfoPortData::BridgePort(flags)) => {
            flags.contains(&InfoBridgePort::Isolated(true))
        }
        _ => false,
    })
}

fn filters_vlans(infos: &[LinkInfo]) -> bool {
    infos.iter().any(|info| match info {
        LinkInfo::Data(InfoData::Bridge(options)) => options.contains(&InfoBridge::VlanFiltering(true)),
        _ => false,
    })
}

/// The interface's own address: `Local` where there is a peer, else `Address`.
fn address_of(message: &AddressMessage) -> Option<HostAddress> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    let local = find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    });
    HostAddress::new(address?, message.header.prefix_len)
}

#[cfg(test)]
mod tests {
    use engine::model::address::Mac;
    use netlink_packet_route::AddressFamily;
    use netlink_packet_route::RouteNetlinkMessage::{DelLink, DelNeighbour, NewLink, NewNeighbour};
    use netlink_packet_route::link::{LinkAttribute, LinkMessage};
    use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};

    use super::Table;

    fn link(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes = attributes;
        message
    }

    fn named(index: u32, name: &str, more: LinkAttribute) -> LinkMessage {
        link(index, vec![LinkAttribute::IfName(name.to_owned()), more])
    }

    #[test]
    fn only_what_the_facts_hold_counts() {
        let mut table = Table::default();
        assert!(table.apply(&NewLink(named(1, "vmbr0", LinkAttribute::Mtu(1500)))));
        assert!(!table.apply(&NewLink(named(1, "vmbr0", LinkAttribute::Mtu(9000)))));
        assert!(table.apply(&NewLink(named(2, "tap100i0", LinkAttribute::Controller(1)))));
        assert_eq!(table.links()[1].master.as_deref(), Some("vmbr0"));

        let mut of_bridge = named(2, "tap100i0", LinkAttribute::Mtu(1500));
        of_bridge.header.interface_family = AddressFamily::Bridge;
        assert!(!table.apply(&NewLink(of_bridge.clone())));
        assert!(!table.apply(&DelLink(of_bridge)));
        assert!(table.apply(&NewLink(named(2, "tap100i0", LinkAttribute::Mtu(1500)))));
        assert_eq!(table.links()[1].master, None);
        assert!(table.apply(&DelLink(link(2, Vec::new()))));
        assert_eq!(table.links().len(), 1);
    }

    fn entry(port: u32, mac: Mac, state: NeighbourState) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.ifindex = port;
        message.header.state = state;
        message.attributes =
            vec![NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()), NeighbourAttribute::Controller(1)];
        message
    }

    #[test]
    fn only_guests_that_are_elsewhere_count() {
        let (guest, other) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let reachable = NeighbourState::Reachable;
        let mut table = Table::default();
        for (index, name) in [(1, "vmbr0"), (2, "tap100i0"), (3, "eth0")] {
            table.apply(&NewLink(named(index, name, LinkAttribute::Mtu(1500))));
        }
        assert!(!table.watch([(guest, ["tap100i0".to_owned()].into())].into()));
        assert!(!table.apply(&NewNeighbour(entry(3, other, reachable))));
        assert!(!table.apply(&NewNeighbour(entry(2, guest, reachable))));
        assert!(!table.apply(&NewNeighbour(entry(3, guest, NeighbourState::Permanent))));
        assert!(table.apply(&NewNeighbour(entry(3, guest, reachable))));
        assert!(!table.apply(&NewNeighbour(entry(3, guest, reachable))));
        assert_eq!(table.links()[2].learned, [guest]);
        // Who was not known to be a guest's.
        assert!(table.watch(
            [(guest, ["tap100i0".to_owned()].into()), (other, ["tap101i0".to_owned()].into())].into()
        ));
        assert_eq!(table.links()[2].learned, [guest, other]);
        assert!(table.apply(&NewNeighbour(entry(2, guest, reachable))));
        assert!(table.apply(&DelNeighbour(entry(3, other, reachable))));
        assert_eq!(table.links()[2].learned, []);
    }
}
