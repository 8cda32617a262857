//! The network of a case, for real: the node's bridges, ports and IP stack in a namespace of its own. The tests hold the
//! far ends of all ports, where nobody else answers.
//!
//! Whatever would answer or refuse besides the firewall is switched off: reverse path checks, ARP, rate limits of ICMP,
//! learning of addresses. What reaches the node's own input hook behind the firewall is logged and dropped there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;

use engine::inputs::{HostFacts, Link, LinkKind};
use engine::model::address::{Cidr, Family, from_number};
use engine::model::guest::{Guest, GuestKind};
use engine::model::names::Vmid;
use engine::ruleset::{Ruleset, SetKind};
use engine::simulate::Packet;
use engine::simulate::world::veth_peer;
use engine::transaction;
use nix::sys::socket::AddressFamily;

use super::netlink::{Conntrack, Log};
use super::socket::{FarEnd, FrameSocket, StackSocket};
use crate::Failure;
use crate::namespace::{Namespace, run};
use crate::nft::{Language, Loader};

/// Group of the probe behind the firewall.
const PROBE_GROUP: u16 = 7;
/// Group that the firewall logs to.
const LOG_GROUP: u16 = 0;
/// `conntrack` must be known to the namespace before its settings can be made.
const PROBE: &str = r#"
table inet wire-probe {
    chain prerouting { type filter hook prerouting priority 1000; ct state invalid accept; }
    chain input {
        type filter hook input priority 1000
        iifname "lo" accept
        log group 7 drop
    }
}
"#;

/// What lives where nothing is configured; the simulator has it so as well.
const STRANGER: &str = "02:00:00:00:00:50";

/// The running network.
pub struct Lab {
    node: Namespace,
    /// Far ends of the ports, by the port's name.
    pub(super) ports: BTreeMap<String, FarEnd>,
    /// The node's own bridge devices.
    pub(super) bridges: BTreeMap<String, FrameSocket>,
    pub(super) loopback: FrameSocket,
    pub(super) probe: Log,
    pub(super) log: Log,
    /// The connection tracking of the node.
    pub conntrack: Conntrack,
    /// Port, bridge and hardware address by zone name.
    pub(super) zones: BTreeMap<String, Zone>,
    /// The port where an address is at home.
    pub(super) homes: BTreeMap<IpAddr, String>,
    /// The node's own addresses.
    own: BTreeSet<IpAddr>,
    /// Groups that the node is a member of.
    groups: BTreeMap<IpAddr, UdpSocket>,
    /// Addresses that stand for all of a network.
    broadcasts: BTreeSet<IpAddr>,
    /// Ports that a cable joins outside the node.
    pub(super) cable: Option<[String; 2]>,
    /// Ports without anybody behind them.
    unplugged: BTreeSet<String>,
    /// Ports that exchange no frames with each other.
    isolated: BTreeSet<String>,
    /// Frames may come to ports where they are not meant to go.
    pub(super) floods: bool,
    nft: Loader,
}

/// A place that packets come from or go to.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) port: String,
    /// The bridge whose device is the host's interface for it.
    pub(super) bridge: String,
    pub(super) mac: String,
}

impl Lab {
    /// Builds the network of `facts` with the NICs of `guests`; the calling thread is in the node's namespace then.
    pub fn new(facts: &HostFacts, guests: &BTreeMap<Vmid, Arc<Guest>>) -> Result<Lab, Failure> {
        // TAP devices may be a module of the kernel; opening the first one does not load it.
        if !std::path::Path::new("/dev/net/tun").exists() {
            run("modprobe", &["tun"], "")?;
        }
        let node = Namespace::new()?;
        run("ip", &["link", "set", "lo", "up"], "")?;
        let mut nft = Loader::library()?;
        nft.load(PROBE, Language::Text)?;
        settings(facts.bridge_nf_stuck)?;
        let mut ports = BTreeMap::new();
        for link in ends(facts).filter(|link| !link.no_carrier) {
            ports.insert(link.name.clone(), FarEnd::new(&link.name)?);
        }
        run("ip", &["-batch", "-"], &links(facts))?;
        run("bridge", &["-batch", "-"], &vlans(facts, guests))?;
        let zones = zones(facts, guests);
        run("bridge", &["-batch", "-"], &forwarding(facts, guests, &zones))?;
        let mut bridges = BTreeMap::new();
        for link in facts.links.iter().filter(|link| matches!(link.kind, LinkKind::Bridge { .. })) {
            bridges.insert(link.name.clone(), FrameSocket::on(&link.name)?);
        }
        let (loopback, probe) = (FrameSocket::on("lo")?, Log::group(PROBE_GROUP)?);
        let (log, conntrack) = (Log::group(LOG_GROUP)?, Conntrack::new()?);
        let own = facts.links.iter().flat_map(|link| &link.addresses).map(|own| own.address()).collect();
        let broadcasts = facts.connected.iter().filter_map(|network| last_of(*network)).collect();
        let is_unsure =
            |link: &Link| link.name.starts_with("fwbr") || link.kind == LinkKind::Bridge { vlan_aware: true };
        let floods = facts.links.iter().any(is_unsure) || !zones.values().all(|zone| is_alone(zone, &zones));
        let named = |condition: fn(&Link) -> bool| {
            facts.links.iter().filter(|link| condition(link)).map(|link| link.name.clone()).collect()
        };
        let (unplugged, isolated) = (named(|link| link.no_carrier), named(|link| link.isolated));
        let (homes, groups) = (BTreeMap::new(), BTreeMap::new());
        Ok(Lab {
            groups,
            cable: None,
            unplugged,
            isolated,
            node,
            ports,
            bridges,
            loopback,
            probe,
            log,
            conntrack,
            zones,
            homes,
            own,
            broadcasts,
            floods,
            nft,
        })
    }

    /// Joins two ports outside the node: what leaves by one enters by the other.
    pub fn join_outside(&mut self, one: &str, other: &str) {
        self.cable = Some([one.to_owned(), other.to_owned()]);
    }

    /// Carries a frame that has come out of a port to the other end of its cable.
    pub(super) fn carry(&self, from: &str, frame: &[u8]) -> Result<(), Failure> {
        let Some([one, other]) = &self.cable else { return Ok(()) };
        match from {
            _ if from == one => self.ports[other].send(frame),
            _ if from == other => self.ports[one].send(frame),
            _ => Ok(()),
        }
    }

    /// Whether packets to this address come to the node's own sockets.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        self.own.contains(&address) || self.is_group(address)
    }

    pub(super) fn is_group(&self, address: IpAddr) -> bool {
        let is_all = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        address.is_multicast() || is_all || self.broadcasts.contains(&address)
    }

    /// Whether the bridge itself lets nothing pass from one place to the other.
    pub(super) fn is_cut_off(&self, from: &str, to: &str) -> bool {
        let port = |zone: &str| self.zones.get(zone).map(|zone| &zone.port);
        let (from, to) = (port(from), port(to));
        let is_in =
            |ports: &BTreeSet<String>, port: Option<&String>| port.is_some_and(|port| ports.contains(port));
        is_in(&self.unplugged, from)
            || is_in(&self.unplugged, to)
            || is_in(&self.isolated, from) && is_in(&self.isolated, to)
    }

    /// Gives addresses of packets that nobody has yet a home where they come from or go to.
    pub fn accommodate(&mut self, packets: &[Packet]) -> Result<(), Failure> {
        let mut wanted: BTreeMap<IpAddr, String> = BTreeMap::new();
        for packet in packets {
            for (address, zone) in [(packet.l3.dest(), &packet.to), (packet.l3.source(), &packet.from)] {
                let Some(address) = address.filter(|address| self.is_homeless(*address)) else { continue };
                if self.zones.contains_key(zone.as_str()) {
                    wanted.entry(address).or_insert_with(|| zone.as_str().to_owned());
                }
            }
        }
        for packet in packets.iter().filter(|packet| packet.to.as_str() == "host") {
            if let Some(group) = packet.l3.dest().filter(|dest| dest.is_multicast()) {
                self.join(group)?;
            }
        }
        self.neighbours(&wanted.into_iter().collect::<Vec<_>>())
    }

    /// Makes the node a member of a group, on all of its bridges that have addresses.
    fn join(&mut self, group: IpAddr) -> Result<(), Failure> {
        if self.groups.contains_key(&group) {
            return Ok(());
        }
        let socket = match group {
            IpAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
            IpAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
        };
        for bridge in self.bridges.keys() {
            let idx = nix::net::if_::if_nametoindex(bridge.as_str())?;
            match group {
                IpAddr::V4(group) => {
                    for own in self
                        .own
                        .iter()
                        .filter_map(|own| if let IpAddr::V4(own) = own { Some(own) } else { None })
                    {
                        match socket.join_multicast_v4(&group, own) {
                            Err(error) if error.kind() != ErrorKind::AddrInUse => return Err(error.into()),
                            Ok(()) | Err(_) => {}
                        }
                    }
                }
                IpAddr::V6(group) => match socket.join_multicast_v6(&group, idx) {
                    Err(error) if error.kind() != ErrorKind::AddrInUse => return Err(error.into()),
                    Ok(()) | Err(_) => {}
                },
            }
        }
        self.groups.insert(group, socket);
        // The node tells the others by itself, once.
        nix::poll::poll(&mut [], 50u8)?;
        Ok(())
    }

    fn is_homeless(&self, address: IpAddr) -> bool {
        let is_nobodys = address.is_unspecified() || address.is_loopback() || self.is_own(address);
        !is_nobodys && !self.homes.contains_key(&address)
    }

    /// Makes the node know where addresses are: on the network that a zone is in, with its hardware address.
    pub fn neighbours(&mut self, addresses: &[(IpAddr, String)]) -> Result<(), Failure> {
        let mut batch = String::new();
        for (address, zone) in addresses {
            // Where there is no network of the family, nothing of it is routed.
            let Some(zone) = self.zones.get(zone).filter(|zone| self.bridges.contains_key(&zone.bridge))
            else {
                continue;
            };
            self.homes.insert(*address, zone.port.clone());
            let prefix = if address.is_ipv4() { 32 } else { 128 };
            let _ = writeln!(batch, "route replace {address}/{prefix} dev {}", zone.bridge);
            let _ = writeln!(
                batch,
                "neigh replace {address} lladdr {} dev {} nud permanent",
                zone.mac, zone.bridge
            );
        }
        if !batch.is_empty() {
            run("ip", &["-batch", "-"], &batch)?;
        }
        Ok(())
    }

    /// Replaces the firewall; every connection is forgotten.
    pub fn load(&mut self, ruleset: &Ruleset) -> Result<(), Failure> {
        let ours = transaction::flush(&[
            (engine::ruleset::TableFamily::Inet, engine::plan::HOST_TABLE),
            (engine::ruleset::TableFamily::Bridge, engine::plan::GUEST_TABLE),
        ]);
        let script = format!("{}{}", ours.text, transaction::full(&super::reject::settled(ruleset)?).text);
        self.nft.load(&script, Language::Text)?;
        self.conntrack.flush()
    }

    /// Empties the sets that packets fill, and with them the rates of senders.
    pub(super) fn forget_rates(&mut self, ruleset: &Ruleset) -> Result<(), Failure> {
        let mut script = String::new();
        for table in &ruleset.tables {
            for set in table.sets.iter().filter(|set| matches!(set.kind, SetKind::Dynamic { .. })) {
                let _ = writeln!(script, "flush set {} {} {}", table.family.as_str(), table.name, set.name);
            }
        }
        if script.is_empty() { Ok(()) } else { self.nft.load(&script, Language::Text) }
    }

    /// A socket for packets of the node itself towards a bridge.
    pub(super) fn stack(&self, family: AddressFamily, bridge: &str) -> Result<StackSocket, Failure> {
        StackSocket::on(family, bridge)
    }
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lab in {}", self.node.path())
    }
}

fn set(path: &str, value: &str) -> Result<(), Failure> {
    let path = format!("/proc/sys/net/{path}");
    std::fs::write(&path, value).map_err(|error| format!("{path} = {value}: {error}").into())
}

fn settings(bridge_nf: bool) -> Result<(), Failure> {
    for conf in ["all", "default"] {
        for (name, value) in
            [("rp_filter", "0"), ("accept_local", "1"), ("arp_ignore", "8"), ("send_redirects", "0")]
        {
            set(&format!("ipv4/conf/{conf}/{name}"), value)?;
        }
        for (name, value) in [
            ("forwarding", "1"),
            ("accept_ra", "0"),
            ("router_solicitations", "0"),
            ("mldv2_unsolicited_report_interval", "1"),
        ] {
            set(&format!("ipv6/conf/{conf}/{name}"), value)?;
        }
    }
    set("ipv4/ip_forward", "1")?;
    set("ipv4/icmp_ratemask", "0")?;
    set("ipv4/igmp_qrv", "1")?;
    set("ipv6/icmp/ratelimit", "0")?;
    // Tracking checks UDP-Lite with the protocol number of UDP where the sender's checksum has not been trusted before.
    set("netfilter/nf_conntrack_checksum", "0")?;
    set("netfilter/nf_conntrack_tcp_be_liberal", "1")?;
    for name in ["iptables", "ip6tables"] {
        let name = format!("bridge/bridge-nf-call-{name}");
        if std::path::Path::new("/proc/sys/net").join(&name).exists() {
            set(&name, if bridge_nf { "1" } else { "0" })?;
        }
    }
    Ok(())
}

/// The broadcast address of an IPv4 network.
fn last_of(network: Cidr) -> Option<IpAddr> {
    (network.family() == Family::V4).then(|| from_number(Family::V4, network.interval().last))
}

/// Ports whose other end is not in the node.
fn ends(facts: &HostFacts) -> impl Iterator<Item = &Link> {
    let others = facts.links.iter().filter(|link| link.kind == LinkKind::Other && link.name != "lo");
    others.filter(|link| veth_peer(&link.name).is_none())
}

/// Commands of `ip` that make the links, bridges first.
fn links(facts: &HostFacts) -> String {
    let mut batch = String::new();
    for link in &facts.links {
        if let LinkKind::Bridge { vlan_aware } = link.kind {
            let _ = writeln!(
                batch,
                "link add {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0{}",
                link.name,
                if vlan_aware { " vlan_filtering 1" } else { "" }
            );
        }
    }
    for (inner, outer) in facts.links.iter().filter_map(|link| Some((&link.name, veth_peer(&link.name)?))) {
        if inner.starts_with("fwln") || inner.starts_with("ln_") {
            let _ = writeln!(batch, "link add {inner} type veth peer name {outer}");
        }
    }
    for link in ends(facts).filter(|link| link.no_carrier) {
        // A TAP device that nobody has opened.
        let _ = writeln!(batch, "tuntap add mode tap name {}", link.name);
    }
    for link in facts.links.iter().filter(|link| link.kind == LinkKind::Vlan) {
        let (Some(parent), Some((_, vlan))) = (&link.parent, link.name.rsplit_once('.')) else { continue };
        let _ = writeln!(batch, "link add link {parent} name {} type vlan id {vlan}", link.name);
    }
    for link in &facts.links {
        let name = &link.name;
        let _ = writeln!(batch, "link set {name} addrgenmode none");
        for altname in &link.altnames {
            let _ = writeln!(batch, "link property add dev {name} altname {altname}");
        }
        if let Some(mac) = link.mac {
            let _ = writeln!(batch, "link set {name} address {mac}");
        }
        if let Some(master) = &link.master {
            let _ = writeln!(batch, "link set {name} master {master}");
            let isolated = if link.isolated { "on" } else { "off" };
            let _ = writeln!(batch, "link set {name} type bridge_slave learning off isolated {isolated}");
        }
        for address in &link.addresses {
            let nodad = if address.address().is_ipv6() { "nodad" } else { "brd +" };
            let _ = writeln!(batch, "addr add {}/{} {nodad} dev {name}", address.address(), address.prefix());
        }
        let _ = writeln!(batch, "link set {name} up");
    }
    batch
}

fn is_vlan_aware(facts: &HostFacts, bridge: &str) -> bool {
    facts.link(bridge).is_some_and(|link| link.kind == LinkKind::Bridge { vlan_aware: true })
}

/// Commands of `bridge` that make ports members of VLANs as the node does.
fn vlans(facts: &HostFacts, guests: &BTreeMap<Vmid, Arc<Guest>>) -> String {
    let nics = || guests.values().flat_map(|guest| guest.nics.values());
    let mut batch = String::new();
    for link in facts.links.iter().filter(|link| link.kind == LinkKind::Bridge { vlan_aware: true }) {
        let _ = writeln!(batch, "vlan add dev {} vid 2-4094 self", link.name);
    }
    for link in &facts.links {
        if !link.master.as_ref().is_some_and(|master| is_vlan_aware(facts, master)) {
            continue;
        }
        let name = &link.name;
        match nics().find(|nic| nic.ifname.as_str() == name).and_then(|nic| nic.tag) {
            Some(tag) => {
                let _ = writeln!(batch, "vlan del dev {name} vid 1");
                let _ = writeln!(batch, "vlan add dev {name} vid {tag} pvid untagged");
            }
            None => {
                let _ = writeln!(batch, "vlan add dev {name} vid 2-4094");
            }
        }
    }
    batch
}

/// Commands of `bridge` that say where guests are, untagged; a VLAN-aware bridge floods what bears a tag.
fn forwarding(
    facts: &HostFacts,
    guests: &BTreeMap<Vmid, Arc<Guest>>,
    zones: &BTreeMap<String, Zone>,
) -> String {
    let nics = || guests.values().flat_map(|guest| guest.nics.values());
    let mut batch = String::new();
    for zone in zones.values().filter(|zone| is_alone(zone, zones)) {
        let Some(master) = facts.link(&zone.port).and_then(|link| link.master.as_ref()) else { continue };
        let outer = outer_port(facts, master);
        let tag = nics().find(|nic| nic.ifname.as_str() == zone.port).and_then(|nic| nic.tag).unwrap_or(1);
        for port in [Some(&zone.port), outer.as_ref()].into_iter().flatten() {
            let bridge = facts.link(port).and_then(|link| link.master.as_ref());
            let is_aware = bridge.is_some_and(|bridge| is_vlan_aware(facts, bridge));
            let vlan = if is_aware { format!(" vlan {tag}") } else { String::new() };
            let _ = writeln!(batch, "fdb replace {} dev {port} master static{vlan}", zone.mac);
        }
    }
    batch
}

/// Whether nobody else on the bridge has the zone's address. What is sent to one of several is flooded.
fn is_alone(zone: &Zone, zones: &BTreeMap<String, Zone>) -> bool {
    let is_twin =
        |other: &Zone| other.mac == zone.mac && other.bridge == zone.bridge && other.port != zone.port;
    !zones.values().any(is_twin)
}

/// All places by their names.
pub(super) fn zones(facts: &HostFacts, guests: &BTreeMap<Vmid, Arc<Guest>>) -> BTreeMap<String, Zone> {
    let mut zones = BTreeMap::new();
    let zone = |port: &str, mac: String| {
        let master = facts.link(port)?.master.clone().unwrap_or_else(|| port.to_owned());
        Some(Zone { port: port.to_owned(), bridge: host_side(facts, &master), mac })
    };
    for guest in guests.values() {
        let kind = match guest.kind {
            GuestKind::Qemu => "vm",
            GuestKind::Lxc => "ct",
        };
        for (nth, nic) in guest.nics.values().enumerate() {
            let mac = nic.mac.map_or_else(|| STRANGER.to_owned(), |mac| mac.to_string());
            let Some(zone) = zone(nic.ifname.as_str(), mac) else { continue };
            if nth == 0 {
                zones.insert(format!("{kind}{}", guest.vmid), zone.clone());
            }
            zones.insert(format!("{kind}{}i{}", guest.vmid, nic.index), zone);
        }
    }
    for (name, port) in [("outside", "eth0"), ("nfvm", "tap199i0")] {
        let known = zones.values().find(|zone| zone.port == port).map(|zone| zone.mac.clone());
        zones.extend(
            zone(port, known.unwrap_or_else(|| STRANGER.to_owned())).map(|zone| (name.to_owned(), zone)),
        );
    }
    for link in ends(facts) {
        if let (Some(master), Some(zone)) = (&link.master, zone(&link.name, STRANGER.to_owned())) {
            let known = zones.values().find(|known| known.port == link.name).cloned();
            zones.insert(format!("{master}/{}", link.name), known.unwrap_or(zone));
        }
    }
    zones
}

/// The bridge that the host's addresses are on: behind a firewall bridge, the main one.
fn host_side(facts: &HostFacts, bridge: &str) -> String {
    let outer = outer_port(facts, bridge).and_then(|outer| facts.link(&outer)?.master.clone());
    outer.unwrap_or_else(|| bridge.to_owned())
}

/// The port of the main bridge behind which a firewall bridge is.
fn outer_port(facts: &HostFacts, bridge: &str) -> Option<String> {
    let inner = facts.links.iter().find(|link| {
        link.master.as_deref() == Some(bridge) && bridge.starts_with("fwbr") && link.name.starts_with("fwln")
    });
    veth_peer(&inner?.name)
}
