//! What a rule can look at: fields of a packet and of its metadata, with their nft(8) names and data types.
//!
//! A field implies the protocol that it belongs to (`tcp dport` implies TCP, `ip saddr` implies IPv4), as in
//! nft(8): the implied condition is never written out, neither here nor in text.

use crate::model::port::PortProtocol;

/// Source or destination port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// `sport`
    Source,
    /// `dport`
    Dest,
}

/// Where a field is read: in a header of the packet, or in what the kernel knows about it. A header goes without
/// saying: `tcp dport` implies TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Header {
    /// The kernel's notes.
    Meta,
    /// Those of a bridge.
    BridgeMeta,
    /// The connection.
    Ct,
    /// The routing table.
    Fib,
    /// Ethernet.
    Ether,
    /// 802.1Q.
    Vlan,
    /// ARP.
    Arp,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// The fragment header of IPv6.
    Fragment,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmpv6,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    Udplite,
    /// DCCP.
    Dccp,
    /// SCTP.
    Sctp,
    /// Bytes at a place; implies nothing.
    Raw,
}

impl Header {
    /// Of a protocol with ports.
    fn of(protocol: PortProtocol) -> Header {
        match protocol {
            PortProtocol::Tcp => Header::Tcp,
            PortProtocol::Udp => Header::Udp,
            PortProtocol::Udplite => Header::Udplite,
            PortProtocol::Dccp => Header::Dccp,
            PortProtocol::Sctp => Header::Sctp,
        }
    }
}

macro_rules! fields {
    ($($name:ident $text:literal $datatype:ident $header:ident $doc:literal;)*) => {
        /// A field. All but ports have a fixed name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = $doc] $name,)*
            /// A port; implies its protocol and a first fragment.
            Port(PortProtocol, Side),
        }

        impl Field {
            /// All fields but ports.
            pub const FIXED: &'static [Field] = &[$(Field::$name,)*];

            /// The expression of nft(8).
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Field::$name => $text,)*
                    Field::Port(protocol, side) => port_text(protocol, side),
                }
            }

            /// Where it is read.
            pub fn header(self) -> Header {
                match self {
                    $(Field::$name => Header::$header,)*
                    Field::Port(protocol, _) => Header::of(protocol),
                }
            }

            /// Type of its values.
            pub fn data_type(self) -> DataType {
                match self {
                    $(Field::$name => DataType::$datatype,)*
                    Field::Port(..) => DataType::InetService,
                }
            }
        }
    };
}

fields! {
    Iifname "iifname" Ifname Meta "Name of the incoming interface (in the bridge family: the port).";
    Oifname "oifname" Ifname Meta "Name of the outgoing interface (in the bridge family: the port).";
    Oif "meta oif" Ifindex Meta "Number of the outgoing interface (in the bridge family: the port).";
    Ibrname "meta ibrname" Ifname BridgeMeta "Name of the bridge that the incoming port belongs to.";
    Obrname "meta obrname" Ifname BridgeMeta "Name of the bridge that the outgoing port belongs to.";
    Ibrpvid "meta ibrpvid" Integer16 BridgeMeta "VLAN that the incoming port gives to untagged frames.";
    Protocol "meta protocol" EtherType Meta "Protocol of the payload; one VLAN tag is transparent.";
    Nfproto "meta nfproto" Nfproto Meta "Family of the packet, inet only: 2 is IPv4, 10 is IPv6.";
    L4proto "meta l4proto" InetProto Meta "Transport protocol, IPv6 extension headers skipped.";
    Mark "meta mark" Mark Meta "Packet mark.";
    CtState "ct state" CtState Ct "Connection tracking state, a bit mask.";
    CtMark "ct mark" Mark Ct "Connection mark.";
    EtherSaddr "ether saddr" EtherAddr Ether "Ethernet source.";
    EtherDaddr "ether daddr" EtherAddr Ether "Ethernet destination.";
    EtherType "ether type" EtherType Ether "EtherType of the frame as sent: a VLAN tag shows as 0x8100.";
    VlanId "vlan id" Integer12 Vlan "VLAN of a tagged frame; implies a tag.";
    ArpHtype "arp htype" Integer16 Arp "ARP hardware type; implies ARP.";
    ArpPtype "arp ptype" EtherType Arp "ARP protocol type.";
    ArpHlen "arp hlen" Integer8 Arp "ARP hardware address length.";
    ArpPlen "arp plen" Integer8 Arp "ARP protocol address length.";
    ArpSaddrEther "arp saddr ether" EtherAddr Arp "ARP sender hardware address.";
    ArpSaddrIp "arp saddr ip" Ipv4Addr Arp "ARP sender protocol address.";
    ArpDaddrIp "arp daddr ip" Ipv4Addr Arp "ARP target protocol address.";
    IpSaddr "ip saddr" Ipv4Addr Ip "IPv4 source.";
    IpDaddr "ip daddr" Ipv4Addr Ip "IPv4 destination.";
    IpFragOff "ip frag-off" Integer16 Ip "IPv4 flags and fragment offset.";
    Ip6Saddr "ip6 saddr" Ipv6Addr Ip6 "IPv6 source.";
    Ip6Daddr "ip6 daddr" Ipv6Addr Ip6 "IPv6 destination.";
    Ip6Hoplimit "ip6 hoplimit" Integer8 Ip6 "IPv6 hop limit.";
    Ip6Length "ip6 length" Integer16 Ip6 "IPv6 payload length.";
    FragOff "frag frag-off" Integer13 Fragment "Offset in the IPv6 fragment header; implies one.";
    TcpFlags "tcp flags" TcpFlag Tcp "TCP flags, a bit mask; implies TCP.";
    IcmpType "icmp type" IcmpType Icmp "ICMP type; implies ICMP over IPv4.";
    IcmpCode "icmp code" Integer8 Icmp "ICMP code.";
    Icmpv6Type "icmpv6 type" Icmpv6Type Icmpv6 "ICMPv6 type; implies ICMPv6.";
    Icmpv6Code "icmpv6 code" Integer8 Icmpv6 "ICMPv6 code.";
    NdTarget "@th,64,128" Integer128 Raw "Target of a neighbour solicitation or advertisement (RFC 4861, 4.3), raw: nft 1.0.6 has no keyword.";
    NdOption "@th,192,8" Integer8 Raw "Type of the first option of a neighbour solicitation or advertisement, raw as its target.";
    FibSaddrType "fib saddr type" FibAddrType Fib "Type of the source address in the host's routing tables; inet only.";
    FibDaddrType "fib daddr type" FibAddrType Fib "Type of the destination address in the host's routing tables; inet only.";
}

fn port_text(protocol: PortProtocol, side: Side) -> &'static str {
    match (protocol, side) {
        (PortProtocol::Tcp, Side::Source) => "tcp sport",
        (PortProtocol::Tcp, Side::Dest) => "tcp dport",
        (PortProtocol::Udp, Side::Source) => "udp sport",
        (PortProtocol::Udp, Side::Dest) => "udp dport",
        (PortProtocol::Udplite, Side::Source) => "udplite sport",
        (PortProtocol::Udplite, Side::Dest) => "udplite dport",
        (PortProtocol::Dccp, Side::Source) => "dccp sport",
        (PortProtocol::Dccp, Side::Dest) => "dccp dport",
        (PortProtocol::Sctp, Side::Source) => "sctp sport",
        (PortProtocol::Sctp, Side::Dest) => "sctp dport",
    }
}

/// Data types of nft(8), as far as they are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    /// `ifname`: 16 bytes, padded with NUL.
    Ifname,
    /// `iface_index`, host byte order
    Ifindex,
    /// `ipv4_addr`
    Ipv4Addr,
    /// `ipv6_addr`
    Ipv6Addr,
    /// `ether_addr`
    EtherAddr,
    /// `ether_type`
    EtherType,
    /// `inet_service`
    InetService,
    /// `inet_proto`
    InetProto,
    /// `nf_proto`
    Nfproto,
    /// `mark`, host byte order
    Mark,
    /// `icmp_type`
    IcmpType,
    /// `icmpv6_type`
    Icmpv6Type,
    /// `ct_state`
    CtState,
    /// `tcp_flag`
    TcpFlag,
    /// `fib_addrtype`: the kernel's RTN_ numbers (unicast 1, local 2, broadcast 3, anycast 4, multicast 5)
    FibAddrType,
    /// An integer of 8 bits.
    Integer8,
    /// An integer of 12 bits.
    Integer12,
    /// An integer of 13 bits.
    Integer13,
    /// An integer of 16 bits.
    Integer16,
    /// An integer of 128 bits.
    Integer128,
}

impl DataType {
    /// The word behind `type`; integers have none (`typeof` a field instead).
    pub fn as_str(self) -> &'static str {
        match self {
            DataType::Ifname => "ifname",
            DataType::Ifindex => "iface_index",
            DataType::Ipv4Addr => "ipv4_addr",
            DataType::Ipv6Addr => "ipv6_addr",
            DataType::EtherAddr => "ether_addr",
            DataType::EtherType => "ether_type",
            DataType::InetService => "inet_service",
            DataType::InetProto => "inet_proto",
            DataType::Nfproto => "nf_proto",
            DataType::Mark => "mark",
            DataType::IcmpType => "icmp_type",
            DataType::Icmpv6Type => "icmpv6_type",
            DataType::CtState => "ct_state",
            DataType::TcpFlag => "tcp_flag",
            DataType::FibAddrType => "fib_addrtype",
            DataType::Integer8
            | DataType::Integer12
            | DataType::Integer13
            | DataType::Integer16
            | DataType::Integer128 => "integer",
        }
    }

    /// Bits of a value.
    pub fn bits(self) -> u8 {
        match self {
            DataType::Ifname | DataType::Ipv6Addr | DataType::Integer128 => 128,
            DataType::EtherAddr => 48,
            DataType::Ifindex
            | DataType::Ipv4Addr
            | DataType::Mark
            | DataType::CtState
            | DataType::FibAddrType => 32,
            DataType::EtherType | DataType::InetService | DataType::Integer16 => 16,
            DataType::Integer13 => 13,
            DataType::Integer12 => 12,
            DataType::InetProto
            | DataType::Nfproto
            | DataType::IcmpType
            | DataType::Icmpv6Type
            | DataType::TcpFlag
            | DataType::Integer8 => 8,
        }
    }

    /// Whether nft(8) calls it `integer`, a type that has no fixed width.
    pub fn is_integer(self) -> bool {
        self.as_str() == "integer"
    }

    /// A field of this type, for `typeof`.
    pub fn typical_field(self) -> Field {
        match self {
            DataType::Ifname => Field::Iifname,
            DataType::Ifindex => Field::Oif,
            DataType::Ipv4Addr => Field::IpSaddr,
            DataType::Ipv6Addr => Field::Ip6Saddr,
            DataType::EtherAddr => Field::EtherSaddr,
            DataType::EtherType => Field::EtherType,
            DataType::InetService => Field::Port(PortProtocol::Tcp, Side::Dest),
            DataType::InetProto => Field::L4proto,
            DataType::Nfproto => Field::Nfproto,
            DataType::Mark => Field::Mark,
            DataType::IcmpType => Field::IcmpType,
            DataType::Icmpv6Type => Field::Icmpv6Type,
            DataType::CtState => Field::CtState,
            DataType::TcpFlag => Field::TcpFlags,
            DataType::FibAddrType => Field::FibSaddrType,
            DataType::Integer8 => Field::Ip6Hoplimit,
            DataType::Integer12 => Field::VlanId,
            DataType::Integer13 => Field::FragOff,
            DataType::Integer16 => Field::Ip6Length,
            DataType::Integer128 => Field::NdTarget,
        }
    }
}

/// Bits of `ct state` (nft(8), conntrack types).
pub mod ct_state {
    /// Neither tracked nor untracked, or refused by tracking.
    pub const INVALID: u32 = 1;
    /// A reply was seen.
    pub const ESTABLISHED: u32 = 2;
    /// Belongs to another connection.
    pub const RELATED: u32 = 4;
    /// No reply yet.
    pub const NEW: u32 = 8;
    /// Exempt from tracking.
    pub const UNTRACKED: u32 = 64;
}
