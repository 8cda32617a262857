//! From a connection to the packet that would open it again: where it comes from, and through which interface.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use engine::inputs::{HostFacts, Link, LinkKind};
use engine::model::address::{Family, IpInterval, from_number, number};
use engine::simulate::packet::{Fragment, Ipv4, Ipv6, L3, Packet, Ports, TcpFlags, Transport, Zone};
use engine::simulate::{Trace, Verdict, World};

use crate::host::facts::is_guest_link;
use crate::host::flows::Flow;

/// Port of an opener whose connection is only possible.
const EPHEMERAL: u16 = 40_000;
/// Addresses of the node that ways in are tried to, of each family.
const N_OWN_MAX: usize = 4;

/// The host without its guests' interfaces: as far as its own connections see it.
pub(super) struct Surroundings {
    pub(super) world: World,
    links: Vec<Link>,
    locals: BTreeSet<IpAddr>,
    /// Where a node is looked for: the addresses of its name, then others.
    own: Vec<IpAddr>,
    /// Addresses of its name; of a family without any, all.
    named: BTreeSet<IpAddr>,
}

impl Surroundings {
    pub(super) fn new(facts: &HostFacts) -> Surroundings {
        let links: Vec<Link> =
            facts.links.iter().filter(|link| !is_guest_link(&link.name)).cloned().collect();
        let named = facts.resolved.get(&facts.node).map_or(&[][..], Vec::as_slice);
        let host = HostFacts {
            node: facts.node.clone(),
            links,
            resolved: [(facts.node.clone(), named.to_vec())].into(),
            connected: facts.connected.clone(),
            ..HostFacts::default()
        };
        let mut world = World::from_facts(&host, &BTreeMap::new());
        for link in &host.links {
            world.add_zone(&link.name, &link.name);
        }
        let addresses = || host.links.iter().flat_map(|link| &link.addresses).map(|own| own.address());
        let own = named.iter().copied().chain(addresses()).filter(|address| is_reachable(*address));
        let own = first_of_each(own);
        let is_named = |address: &&IpAddr| {
            let mut alike = named.iter().filter(|name| name.is_ipv4() == address.is_ipv4()).peekable();
            alike.peek().is_none() || alike.any(|name| name == *address)
        };
        let named = own.iter().filter(is_named).copied().collect();
        Surroundings { own, named, locals: addresses().collect(), links: host.links, world }
    }

    /// The node has this address.
    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        self.locals.contains(&address) || address.is_loopback()
    }

    /// The node's addresses, as far as somebody would look for it there.
    pub(super) fn own(&self) -> &[IpAddr] {
        &self.own
    }

    /// One looks for the node there first.
    pub(super) fn is_named(&self, address: IpAddr) -> bool {
        self.named.contains(&address)
    }

    /// The packet that opens a connection; `None` if it does not lead from the node to another or back.
    pub(super) fn packet(&self, flow: &Flow) -> Option<Packet> {
        let host = Zone::new("host")?;
        let (from, to, vlan) = match (self.is_local(flow.source), self.is_local(flow.dest)) {
            (false, true) => {
                let (zone, vlan) = self.zone(flow.source);
                (zone, host, vlan)
            }
            (true, false) => {
                let (zone, vlan) = self.zone(flow.dest);
                (host, zone, vlan)
            }
            (true, true) | (false, false) => return None,
        };
        let vlans = vlan.into_iter().collect();
        Some(Packet { vlans, ..Packet::new(from, to, l3(flow)?) })
    }

    /// The port behind which an address is at home, with the VLAN that leads there.
    fn zone(&self, address: IpAddr) -> (Zone, Option<u16>) {
        let networks = self.links.iter().flat_map(|link| link.addresses.iter().map(move |own| (link, own)));
        let home = networks.filter(|(_, own)| own.network().contains(address));
        let nearest = home.max_by_key(|(_, own)| own.prefix()).map(|(link, _)| link);
        let found = nearest.and_then(|link| match link.kind {
            LinkKind::Vlan => {
                let vlan = link.name.rsplit_once('.')?.1.parse().ok()?;
                Some((self.port(self.link(link.parent.as_deref()?)?)?, Some(vlan)))
            }
            LinkKind::Bridge { .. } | LinkKind::Other => Some((self.port(link)?, None)),
        });
        // Behind a router, or not to be told: the simulation takes the way that the node's own address is on.
        found.unwrap_or_else(|| (Zone::new("outside").expect("one word"), None))
    }

    /// The port by which an interface of the node leads outside: itself, or its bridge's first.
    fn port(&self, link: &Link) -> Option<Zone> {
        match link.kind {
            LinkKind::Bridge { .. } => {
                let port = self.links.iter().find(|port| port.master.as_deref() == Some(&link.name))?;
                Zone::new(&port.name)
            }
            LinkKind::Vlan | LinkKind::Other => Zone::new(&link.name),
        }
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}

fn first_of_each(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut own: Vec<IpAddr> = Vec::new();
    for address in addresses {
        let n_alike = own.iter().filter(|known| known.is_ipv4() == address.is_ipv4()).count();
        if n_alike < N_OWN_MAX && !own.contains(&address) {
            own.push(address);
        }
    }
    own
}

/// One would connect to it from elsewhere.
fn is_reachable(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

fn l3(flow: &Flow) -> Option<L3> {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    let source = if flow.source_port == 0 { EPHEMERAL } else { flow.source_port };
    let ports = Ports { source, dest: flow.dest_port };
    let transport = match flow.protocol {
        TCP => Transport::Tcp(ports, TcpFlags::SYN),
        UDP => Transport::Udp(ports),
        _ => return None,
    };
    let fragment = Fragment::None;
    match (flow.source, flow.dest) {
        (IpAddr::V4(source), IpAddr::V4(dest)) => {
            Some(L3::Ipv4(Ipv4 { source, dest, fragment, payload: 0, transport }))
        }
        (IpAddr::V6(source), IpAddr::V6(dest)) => Some(L3::Ipv6(Ipv6 {
            source,
            dest,
            hop_limit: 64,
            extensions: Vec::new(),
            fragment,
            payload: 0,
            length: None,
            transport,
        })),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// Up to two addresses that stand for an entry of a set: near its ends, none of them the node's own.
pub(super) fn samples(entry: IpInterval, around: &Surroundings) -> Vec<IpAddr> {
    let width = entry.last - entry.first;
    // The ends of a network are its own name and its broadcast address.
    let inset = u128::from(width > 2);
    let candidates = [entry.first + inset, entry.last - inset, entry.first + width / 2];
    let mut samples: Vec<IpAddr> = Vec::new();
    for number in candidates {
        let address = from_number(entry.family, number);
        if samples.len() < 2
            && is_reachable(address)
            && !around.is_local(address)
            && !samples.contains(&address)
        {
            samples.push(address);
        }
    }
    samples
}

/// Whether intervals hold an address.
pub(super) fn holds(intervals: &[IpInterval], address: IpAddr) -> bool {
    let family = Family::of(address);
    intervals.iter().any(|interval| interval.family == family && interval.contains(number(address)))
}

/// Whether a connection can be opened: also if that depends on a rate.
pub(super) fn is_open(trace: &Trace<'_>) -> bool {
    match trace.verdict {
        Verdict::Accept | Verdict::Indeterminate { .. } => true,
        Verdict::Drop | Verdict::Reject(_) => false,
    }
}
