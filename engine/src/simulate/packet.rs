//! A packet as a person describes it: where from and to, what is in it, what the network knows about it.
//!
//! Its one-line form is in `text`; what a hook sees of it is in `view`.

mod text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::model::address::Mac;
use crate::model::port::PortProtocol;
pub use text::InvalidPacket;

/// A packet and its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from.
    pub from: Zone,
    /// Where it would arrive if nothing stopped it, for a copy of a flooded frame too.
    pub to: Zone,
    /// What the frame carries.
    pub l3: L3,
    /// Ethernet source; `None`: the sending zone's.
    pub ether_source: Option<Mac>,
    /// Ethernet destination; `None`: the group address of a group, the receiver's on the same layer 2, else the
    /// gateway's.
    pub ether_dest: Option<Mac>,
    /// VLAN tags that the frame enters with, outermost first. Of two the outer one is 802.1ad.
    pub vlans: Vec<u16>,
    /// Connection tracking state; `None`: what tracking says of this packet if its table is empty.
    pub state: Option<State>,
    /// How the host sends it; without meaning for packets from elsewhere.
    pub sender: Sender,
    /// `meta mark` at the start.
    pub mark: u32,
    /// `ct mark` of its connection.
    pub ct_mark: u32,
    /// What is assumed of rate limits and of sets that packets fill.
    pub rate: Rate,
}

/// Name of a place in the network, one word: `host`, `outside`, `vm100`, `ct200i1`, `vmbr0/eno1`, or a name that
/// a topology defines. What it stands for is [`super::World`]'s to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(Arc<str>);

impl Zone {
    /// `None` if the text is empty or has a blank.
    pub fn new(text: &str) -> Option<Zone> {
        (!text.is_empty() && !text.contains(char::is_whitespace)).then(|| Zone(text.into()))
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Payload of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum L3 {
    /// IPv4
    Ipv4(Ipv4),
    /// IPv6
    Ipv6(Ipv6),
    /// ARP
    Arp(Arp),
    /// Another EtherType.
    Other(u16),
}

/// An IPv4 packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv4 {
    /// Source.
    pub source: Ipv4Addr,
    /// Destination.
    pub dest: Ipv4Addr,
    /// Whether it is one piece of a datagram.
    pub fragment: Fragment,
    /// Bytes behind the transport header.
    pub payload: u16,
    /// Transport protocol.
    pub transport: Transport,
}

/// An IPv6 packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv6 {
    /// Source.
    pub source: Ipv6Addr,
    /// Destination.
    pub dest: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
    /// Extension headers in front of the transport header, the fragment header left out.
    pub extensions: Vec<Extension>,
    /// Whether it is one piece of a datagram.
    pub fragment: Fragment,
    /// Bytes behind the transport header and its options.
    pub payload: u16,
    /// The header's payload length; `None`: what follows from the rest.
    pub length: Option<u16>,
    /// Transport protocol.
    pub transport: Transport,
}

/// IPv6 extension headers, eight bytes each here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extension {
    /// Hop-by-hop options.
    HopByHop,
    /// Routing header.
    Routing,
    /// Destination options.
    Destination,
}

/// Pieces of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Fragment {
    /// The whole datagram.
    #[default]
    None,
    /// The piece with the transport header.
    First,
    /// A piece without it.
    Later,
}

/// Transport protocols, as far as rules tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// TCP
    Tcp(Ports, TcpFlags),
    /// UDP
    Udp(Ports),
    /// UDP-Lite
    Udplite(Ports),
    /// DCCP
    Dccp(Ports),
    /// SCTP
    Sctp(Ports),
    /// ICMP in an IPv4 packet, ICMPv6 in an IPv6 packet.
    Icmp(Icmp),
    /// IGMP
    Igmp,
    /// A protocol that has no variant above, by number.
    Other(u8),
}

/// Ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub dest: u16,
}

/// TCP flags, as the header's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// Names by bit: `fin` is bit 0.
    pub const NAMES: [&'static str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
    /// FIN
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// SYN
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// RST
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// ACK
    pub const ACK: TcpFlags = TcpFlags(0x10);

    /// All bits of `other` are set.
    pub fn has(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// An ICMP or ICMPv6 message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Target of a neighbour solicitation or advertisement.
    pub nd_target: Option<Ipv6Addr>,
    /// Bytes of the source link-layer address option, 0 if there is none.
    pub source_lladdr_len: u8,
    /// What an error message quotes.
    pub inner: Option<Quoted>,
}

impl Icmp {
    /// A message without quotation and options.
    pub fn new(kind: u8, code: u8) -> Icmp {
        Icmp { kind, code, nd_target: None, source_lladdr_len: 0, inner: None }
    }
}

/// The packet that an ICMP error quotes: a remark, since [`Packet::state`] says what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// Protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub dest: IpAddr,
    /// Ports, where the protocol has them.
    pub ports: Option<Ports>,
}

/// An ARP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Hardware type, 1 for Ethernet.
    pub hardware_type: u16,
    /// Protocol type, 0x0800 for IPv4.
    pub protocol_type: u16,
    /// Hardware address length, 6.
    pub hardware_len: u8,
    /// Protocol address length, 4.
    pub protocol_len: u8,
    /// Sender hardware address; `None`: the Ethernet source.
    pub sender_mac: Option<Mac>,
    /// Sender protocol address.
    pub sender_ip: Ipv4Addr,
    /// Target hardware address.
    pub target_mac: Mac,
    /// Target protocol address.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// A request of IPv4 over Ethernet.
    pub fn request(sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Arp {
        Arp {
            operation: 1,
            hardware_type: 1,
            protocol_type: 0x0800,
            hardware_len: 6,
            protocol_len: 4,
            sender_mac: None,
            sender_ip,
            target_mac: Mac([0; 6]),
            target_ip,
        }
    }
}

/// What connection tracking knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No reply yet.
    New,
    /// A reply was seen.
    Established,
    /// Belongs to another connection.
    Related,
    /// Refused.
    Invalid,
    /// Exempt.
    Untracked,
}

/// How the host sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sender {
    /// Through its IP stack.
    #[default]
    Socket,
    /// Below it, on the bridge (some DHCP servers, LLDP, test tools).
    PacketSocket,
}

/// What is assumed of rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rate {
    /// Below all of them; sets that packets fill are empty.
    #[default]
    Under,
    /// Above all of them.
    Over,
    /// Nothing: a verdict that depends on one is indeterminate.
    Unknown,
}

impl Packet {
    /// A packet with nothing unusual.
    pub fn new(from: Zone, to: Zone, l3: L3) -> Packet {
        Packet {
            from,
            to,
            l3,
            ether_source: None,
            ether_dest: None,
            vlans: Vec::new(),
            state: None,
            sender: Sender::Socket,
            mark: 0,
            ct_mark: 0,
            rate: Rate::Under,
        }
    }

    /// Two tags make the rest unreadable for netfilter (semantics of `nft_set_pktinfo`: one tag is transparent).
    pub(super) fn is_opaque(&self) -> bool {
        self.vlans.len() > 1
    }

    /// Whether the host's IP stack has to do with it.
    pub(super) fn is_ip(&self) -> bool {
        matches!(self.l3, L3::Ipv4(_) | L3::Ipv6(_)) && !self.is_opaque()
    }
}

impl L3 {
    /// The EtherType.
    pub fn ethertype(&self) -> u16 {
        match self {
            L3::Ipv4(_) => 0x0800,
            L3::Ipv6(_) => 0x86dd,
            L3::Arp(_) => 0x0806,
            L3::Other(ethertype) => *ethertype,
        }
    }

    /// Source address of an IP packet.
    pub fn source(&self) -> Option<IpAddr> {
        match self {
            L3::Ipv4(ip) => Some(ip.source.into()),
            L3::Ipv6(ip) => Some(ip.source.into()),
            L3::Arp(_) | L3::Other(_) => None,
        }
    }

    /// Destination address of an IP packet.
    pub fn dest(&self) -> Option<IpAddr> {
        match self {
            L3::Ipv4(ip) => Some(ip.dest.into()),
            L3::Ipv6(ip) => Some(ip.dest.into()),
            L3::Arp(_) | L3::Other(_) => None,
        }
    }

    /// Transport of an IP packet.
    pub fn transport(&self) -> Option<&Transport> {
        match self {
            L3::Ipv4(ip) => Some(&ip.transport),
            L3::Ipv6(ip) => Some(&ip.transport),
            L3::Arp(_) | L3::Other(_) => None,
        }
    }

    /// Which piece of a datagram it is.
    pub fn fragment(&self) -> Fragment {
        match self {
            L3::Ipv4(ip) => ip.fragment,
            L3::Ipv6(ip) => ip.fragment,
            L3::Arp(_) | L3::Other(_) => Fragment::None,
        }
    }

    /// Protocol number of an IP packet's transport.
    pub fn l4proto(&self) -> Option<u8> {
        let v6 = matches!(self, L3::Ipv6(_));
        self.transport().map(|transport| match transport {
            Transport::Icmp(_) if v6 => 58,
            Transport::Icmp(_) => 1,
            Transport::Igmp => 2,
            Transport::Other(number) => *number,
            Transport::Tcp(..)
            | Transport::Udp(_)
            | Transport::Udplite(_)
            | Transport::Dccp(_)
            | Transport::Sctp(_) => transport.ports().map_or(0, |(protocol, _)| protocol.number()),
        })
    }

    /// Bytes of transport header and payload.
    pub(super) fn transport_len(&self) -> u32 {
        let payload = match self {
            L3::Ipv4(ip) => ip.payload,
            L3::Ipv6(ip) => ip.payload,
            L3::Arp(_) | L3::Other(_) => 0,
        };
        u32::from(payload) + self.transport().map_or(0, Transport::header_len)
    }

    /// Whether the host must cut it to send it over Ethernet. TCP cuts its segments itself.
    pub(super) fn exceeds_mtu(&self) -> bool {
        const MTU: u32 = 1500;
        let header = match self {
            L3::Ipv4(_) => 20,
            L3::Ipv6(ip) => 40 + 8 * u32::try_from(ip.extensions.len()).unwrap_or(0),
            L3::Arp(_) | L3::Other(_) => return false,
        };
        !matches!(self.transport(), Some(Transport::Tcp(..))) && header + self.transport_len() > MTU
    }
}

impl Transport {
    /// Protocol and ports, where there are ports.
    pub fn ports(&self) -> Option<(PortProtocol, Ports)> {
        match self {
            Transport::Tcp(ports, _) => Some((PortProtocol::Tcp, *ports)),
            Transport::Udp(ports) => Some((PortProtocol::Udp, *ports)),
            Transport::Udplite(ports) => Some((PortProtocol::Udplite, *ports)),
            Transport::Dccp(ports) => Some((PortProtocol::Dccp, *ports)),
            Transport::Sctp(ports) => Some((PortProtocol::Sctp, *ports)),
            Transport::Icmp(_) | Transport::Igmp | Transport::Other(_) => None,
        }
    }

    fn header_len(&self) -> u32 {
        match self {
            Transport::Tcp(..) => 20,
            Transport::Udp(_) | Transport::Udplite(_) | Transport::Igmp => 8,
            Transport::Dccp(_) | Transport::Sctp(_) => 12,
            Transport::Icmp(icmp) => icmp.header_len() + u32::from(icmp.source_lladdr_len),
            Transport::Other(_) => 0,
        }
    }
}

impl Icmp {
    /// Fixed part of the message: RFC 4861, 4.1 to 4.5; eight bytes for all others.
    fn header_len(&self) -> u32 {
        match (self.nd_target.is_some(), self.kind) {
            (true, 137) => 40,
            (true, _) => 24,
            (false, 134) => 16,
            (false, _) => 8,
        }
    }
}
