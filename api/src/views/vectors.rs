//! Test vectors: a file with one reference network and many packets, each with a configuration and a verdict.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::model::address::Mac;
use engine::simulate::Packet;
use engine::simulate::packet::{
    Arp, Fragment, Icmp, Ipv4, Ipv6, L3, Ports, Quoted, Sender, State, TcpFlags, Transport, Zone,
};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
pub struct VectorsView {
    /// 1.
    pub schema_version: u32,
    /// The network that all vectors use.
    pub topology: TopologyView,
    /// Packets.
    pub vectors: Vec<VectorView>,
    /// Log prefixes.
    #[serde(default)]
    pub log_prefixes: Vec<LogView>,
}

/// The network.
#[derive(Debug, Deserialize)]
pub struct TopologyView {
    /// Node name.
    pub node: String,
    /// The node's addresses on each bridge.
    pub bridges: BTreeMap<String, Vec<String>>,
    /// Who is where.
    pub zones: BTreeMap<String, ZoneView>,
}

/// A zone.
#[derive(Debug, Clone, Deserialize)]
pub struct ZoneView {
    /// `host`, `port`, `qemu`, `lxc`
    pub kind: String,
    /// Bridge.
    pub bridge: Option<String>,
    /// Interface.
    pub iface: Option<String>,
    /// Hardware address.
    pub mac: Option<String>,
    /// Addresses behind it.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Guest number.
    pub vmid: Option<u32>,
    /// `net0`
    pub netid: Option<String>,
    /// 0 or 1.
    #[serde(default)]
    pub firewall: u8,
    /// `ip=` of a container.
    pub ip: Option<String>,
    /// `ip6=` of a container.
    pub ip6: Option<String>,
}

/// One packet and what becomes of it.
#[derive(Debug, Deserialize)]
pub struct VectorView {
    /// Unique name.
    pub id: String,
    /// What is tested.
    #[serde(default)]
    pub title: String,
    /// Why the verdict is right.
    #[serde(default)]
    pub why: String,
    /// Files; absent: the tree that the command was given.
    pub config: Option<ConfigView>,
    /// The packet.
    pub packet: PacketView,
    /// Verdicts.
    pub expect: ExpectView,
    /// `divert`: the verdict needs a mode that is not there.
    pub reject_mode: Option<String>,
}

/// Files of a vector.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ConfigView {
    /// Guest configurations that replace those of the topology.
    #[serde(default)]
    pub guest_conf: BTreeMap<String, String>,
    /// What `corosync.conf` says.
    pub corosync: Option<CorosyncView>,
    /// Kernel settings.
    #[serde(default)]
    pub sysctl: BTreeMap<String, u32>,
    /// `cluster.fw`, `host.fw`, `<vmid>.fw`, `<vnet>.fw`.
    #[serde(flatten)]
    pub files: BTreeMap<String, String>,
}

/// The cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct CorosyncView {
    /// `knet`, `udp`, `udpu`
    pub transport: String,
    /// Members: `name` and `ring<n>_addr`.
    pub nodes: Vec<BTreeMap<String, String>>,
}

/// A verdict.
#[derive(Debug, Deserialize)]
pub struct ExpectView {
    /// `accept`, `drop`, `reject`
    pub target: String,
    /// With `reject`: `tcp-reset` or `icmp-port-unreachable`.
    pub target_reply: Option<String>,
}

/// A log line.
#[derive(Debug, Deserialize)]
pub struct LogView {
    /// Unique name.
    pub id: String,
    /// Files.
    #[serde(default)]
    pub config: ConfigView,
    /// The event in words.
    #[serde(default)]
    pub event: String,
    /// The first nftables firewall's prefix: its chain name is ours.
    pub nft: Option<String>,
    /// The classic firewall's prefix: its message is ours.
    pub legacy: Option<String>,
}

/// A packet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketView {
    from: String,
    to: String,
    family: String,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    proto: Option<String>,
    sport: Option<u16>,
    dport: Option<u16>,
    tcp_flags: Option<Vec<String>>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    inner: Option<InnerView>,
    nd_target: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
    arp: Option<ArpView>,
    ethertype: Option<String>,
    src_mac: Option<String>,
    dst_mac: Option<String>,
    #[serde(default)]
    vlan: Vec<u16>,
    payload: Option<u16>,
    origin: Option<String>,
    state: Option<String>,
    #[serde(rename = "ct_owner")]
    _ct_owner: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct InnerView {
    src: IpAddr,
    dst: IpAddr,
    proto: String,
    sport: Option<u16>,
    dport: Option<u16>,
}

#[derive(Debug, Clone, Deserialize)]
struct ArpView {
    op: u16,
    sha: String,
    spa: Ipv4Addr,
    tha: String,
    tpa: Ipv4Addr,
}

/// A packet that says something impossible.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("packet: `{value}` is no {what}")]
pub struct InvalidPacketView {
    what: &'static str,
    value: String,
}

fn invalid(what: &'static str, value: impl ToString) -> InvalidPacketView {
    InvalidPacketView { what, value: value.to_string() }
}

impl TryFrom<&PacketView> for Packet {
    type Error = InvalidPacketView;

    fn try_from(view: &PacketView) -> Result<Packet, InvalidPacketView> {
        let zone = |text: &str| Zone::new(text).ok_or_else(|| invalid("zone", text));
        let plain = Packet::new(zone(&view.from)?, zone(&view.to)?, view.l3()?);
        let state = match view.state.as_deref() {
            None => None,
            Some("new") => Some(State::New),
            Some("established") => Some(State::Established),
            Some("related") => Some(State::Related),
            Some("invalid") => Some(State::Invalid),
            Some("untracked") => Some(State::Untracked),
            Some(other) => return Err(invalid("connection state", other)),
        };
        let sender = match view.origin.as_deref() {
            None | Some("socket") => Sender::Socket,
            Some("packet-socket") => Sender::PacketSocket,
            Some(other) => return Err(invalid("origin", other)),
        };
        Ok(Packet {
            ether_source: mac(view.src_mac.as_deref())?,
            ether_dest: mac(view.dst_mac.as_deref())?,
            vlans: view.vlan.clone(),
            state,
            sender,
            ..plain
        })
    }
}

fn mac(text: Option<&str>) -> Result<Option<Mac>, InvalidPacketView> {
    text.map(|text| text.parse().map_err(|_| invalid("hardware address", text))).transpose()
}

impl PacketView {
    fn l3(&self) -> Result<L3, InvalidPacketView> {
        match (self.family.as_str(), self.src, self.dst) {
            ("ipv4", Some(IpAddr::V4(source)), Some(IpAddr::V4(dest))) => Ok(L3::Ipv4(Ipv4 {
                source,
                dest,
                fragment: Fragment::None,
                payload: self.payload.unwrap_or(0),
                transport: self.transport()?,
            })),
            ("ipv6", Some(IpAddr::V6(source)), Some(IpAddr::V6(dest))) => {
                let mut transport = self.transport()?;
                if let Transport::Icmp(icmp) = &mut transport {
                    icmp.nd_target = self.nd_target;
                    // Solicitations carry their sender's address unless it has none yet (RFC 4861, 4.1 and 4.3).
                    let solicits = matches!(icmp.kind, 133 | 135) && !source.is_unspecified();
                    icmp.source_lladdr_len = if solicits { 8 } else { 0 };
                }
                Ok(L3::Ipv6(Ipv6 {
                    source,
                    dest,
                    hop_limit: self.hop_limit.unwrap_or(64),
                    extensions: Vec::new(),
                    fragment: Fragment::None,
                    payload: self.payload.unwrap_or(0),
                    length: None,
                    transport,
                }))
            }
            ("arp", ..) => self.arp(),
            ("other", ..) => {
                let text = self.ethertype.as_deref().unwrap_or_default();
                let digits = text.trim_start_matches("0x");
                let ethertype = u16::from_str_radix(digits, 16).map_err(|_| invalid("EtherType", text))?;
                Ok(L3::Other(ethertype))
            }
            (family, ..) => Err(invalid("family with these addresses", family)),
        }
    }

    fn arp(&self) -> Result<L3, InvalidPacketView> {
        let arp = self.arp.as_ref().ok_or_else(|| invalid("ARP packet", "arp"))?;
        let address = |text: &str| text.parse::<Mac>().map_err(|_| invalid("hardware address", text));
        Ok(L3::Arp(Arp {
            operation: arp.op,
            sender_mac: Some(address(&arp.sha)?),
            target_mac: address(&arp.tha)?,
            ..Arp::request(arp.spa, arp.tpa)
        }))
    }

    fn transport(&self) -> Result<Transport, InvalidPacketView> {
        let ports = Ports { source: self.sport.unwrap_or(40000), dest: self.dport.unwrap_or(0) };
        let icmp = || Icmp::new(self.icmp_type.unwrap_or(8), self.icmp_code.unwrap_or(0));
        Ok(match self.proto.as_deref() {
            Some("tcp") => Transport::Tcp(ports, self.flags()?),
            Some("udp") => Transport::Udp(ports),
            Some("icmp" | "icmpv6") => {
                Transport::Icmp(Icmp { inner: self.inner.as_ref().map(quoted).transpose()?, ..icmp() })
            }
            Some("igmp") => Transport::Igmp,
            other => return Err(invalid("protocol", other.unwrap_or_default())),
        })
    }

    fn flags(&self) -> Result<TcpFlags, InvalidPacketView> {
        let Some(words) = &self.tcp_flags else { return Ok(TcpFlags::SYN) };
        let mut flags = TcpFlags(0);
        for word in words {
            let bit = TcpFlags::NAMES.iter().position(|name| name == word);
            flags.0 |= 1 << bit.ok_or_else(|| invalid("TCP flag", word))?;
        }
        Ok(flags)
    }
}

fn quoted(inner: &InnerView) -> Result<Quoted, InvalidPacketView> {
    let protocol = match inner.proto.as_str() {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "icmpv6" => 58,
        other => return Err(invalid("protocol", other)),
    };
    let ports = inner.sport.zip(inner.dport).map(|(source, dest)| Ports { source, dest });
    Ok(Quoted { protocol, source: inner.src, dest: inner.dst, ports })
}
