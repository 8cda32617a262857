//! Where a field lies: what the kernel loads for it, how the bytes compare with a value, and what must hold before.

use super::numbers::{CT_MARK, CT_STATE, FIB_DADDR, FIB_SADDR, meta};
use crate::ruleset::field::Side;
use crate::ruleset::{DataType, Field, Header, Value};

/// What is loaded for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) source: Source,
    /// Bytes.
    pub(super) length: usize,
    pub(super) order: Order,
    /// Fields of less than whole bytes: the bits that are theirs, and how many lie below.
    pub(super) part: Option<(u16, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Meta(u32),
    Ct(u32),
    Payload(Base, u32),
    /// Of the IPv6 fragment header, from this offset.
    Fragment(u32),
    /// Type of an address; `NFTA_FIB_F_`
    Fib(u32),
}

/// `NFT_PAYLOAD_`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Link,
    Network,
    Transport,
}

/// How numbers lie in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Host,
}

/// What nft asks before it looks at a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// An Ethernet header.
    Ethernet,
    /// A VLAN tag.
    Vlan,
    /// This EtherType.
    Network(u16),
    /// This IP protocol.
    Transport(u8),
}

pub(super) const IP: u16 = 0x0800;
pub(super) const ARP: u16 = 0x0806;
pub(super) const IP6: u16 = 0x86dd;
const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
const ICMPV6: u8 = 58;

pub(super) fn load(field: Field) -> Load {
    let whole = |source, length, order| Load { source, length, order, part: None };
    let meta = |key, length, order| whole(Source::Meta(key), length, order);
    let payload = |base, offset, length| whole(Source::Payload(base, offset), length, Order::Big);
    match field {
        Field::Iifname => meta(meta::IIFNAME, 16, Order::Big),
        Field::Oifname => meta(meta::OIFNAME, 16, Order::Big),
        Field::Oif => meta(meta::OIF, 4, Order::Host),
        Field::Ibrname => meta(meta::BRI_IIFNAME, 16, Order::Big),
        Field::Obrname => meta(meta::BRI_OIFNAME, 16, Order::Big),
        Field::Ibrpvid => meta(meta::BRI_IIFPVID, 2, Order::Host),
        Field::Protocol => meta(meta::PROTOCOL, 2, Order::Big),
        Field::Nfproto => meta(meta::NFPROTO, 1, Order::Big),
        Field::L4proto => meta(meta::L4PROTO, 1, Order::Big),
        Field::Mark => meta(meta::MARK, 4, Order::Host),
        Field::CtState => whole(Source::Ct(CT_STATE), 4, Order::Host),
        Field::CtMark => whole(Source::Ct(CT_MARK), 4, Order::Host),
        Field::EtherDaddr => payload(Base::Link, 0, 6),
        Field::EtherSaddr => payload(Base::Link, 6, 6),
        Field::EtherType => payload(Base::Link, 12, 2),
        Field::VlanId => Load { part: Some((0x0fff, 0)), ..payload(Base::Link, 14, 2) },
        Field::ArpHtype => payload(Base::Network, 0, 2),
        Field::ArpPtype => payload(Base::Network, 2, 2),
        Field::ArpHlen => payload(Base::Network, 4, 1),
        Field::ArpPlen => payload(Base::Network, 5, 1),
        Field::ArpSaddrEther => payload(Base::Network, 8, 6),
        Field::ArpSaddrIp => payload(Base::Network, 14, 4),
        Field::ArpDaddrIp => payload(Base::Network, 24, 4),
        Field::IpFragOff => payload(Base::Network, 6, 2),
        Field::IpSaddr => payload(Base::Network, 12, 4),
        Field::IpDaddr => payload(Base::Network, 16, 4),
        Field::Ip6Length => payload(Base::Network, 4, 2),
        Field::Ip6Hoplimit => payload(Base::Network, 7, 1),
        Field::Ip6Saddr => payload(Base::Network, 8, 16),
        Field::Ip6Daddr => payload(Base::Network, 24, 16),
        Field::FragOff => Load { part: Some((0xfff8, 3)), ..whole(Source::Fragment(2), 2, Order::Big) },
        Field::TcpFlags => payload(Base::Transport, 13, 1),
        Field::IcmpType | Field::Icmpv6Type => payload(Base::Transport, 0, 1),
        Field::IcmpCode | Field::Icmpv6Code => payload(Base::Transport, 1, 1),
        Field::NdTarget => payload(Base::Transport, 8, 16),
        Field::NdOption => payload(Base::Transport, 24, 1),
        Field::FibSaddrType => whole(Source::Fib(FIB_SADDR), 4, Order::Host),
        Field::FibDaddrType => whole(Source::Fib(FIB_DADDR), 4, Order::Host),
        Field::Port(_, Side::Source) => payload(Base::Transport, 0, 2),
        Field::Port(_, Side::Dest) => payload(Base::Transport, 2, 2),
    }
}

/// What a field implies, in the order in which nft asks.
pub(super) fn needs(field: Field) -> &'static [Need] {
    match field.header() {
        Header::Meta | Header::BridgeMeta | Header::Ct | Header::Fib | Header::Raw => &[],
        Header::Ether => &[Need::Ethernet],
        Header::Vlan => &[Need::Ethernet, Need::Vlan],
        Header::Arp => &[Need::Network(ARP)],
        Header::Ip => &[Need::Network(IP)],
        Header::Ip6 | Header::Fragment => &[Need::Network(IP6)],
        Header::Icmp => &[Need::Network(IP), Need::Transport(ICMP)],
        Header::Icmpv6 => &[Need::Network(IP6), Need::Transport(ICMPV6)],
        Header::Tcp => &[Need::Transport(TCP)],
        Header::Udp => &[Need::Transport(17)],
        Header::Dccp => &[Need::Transport(33)],
        Header::Sctp => &[Need::Transport(132)],
        Header::Udplite => &[Need::Transport(136)],
    }
}

/// How numbers of a type lie in a register. Names are bytes in the order in which they are read.
pub(super) fn order(data_type: DataType) -> Order {
    match data_type {
        DataType::Ifindex | DataType::Mark | DataType::CtState | DataType::FibAddrType => Order::Host,
        DataType::Ifname
        | DataType::Ipv4Addr
        | DataType::Ipv6Addr
        | DataType::EtherAddr
        | DataType::EtherType
        | DataType::InetService
        | DataType::InetProto
        | DataType::Nfproto
        | DataType::IcmpType
        | DataType::Icmpv6Type
        | DataType::TcpFlag
        | DataType::Integer8
        | DataType::Integer12
        | DataType::Integer13
        | DataType::Integer16
        | DataType::Integer128 => Order::Big,
    }
}

/// Bytes that a value of a type takes.
pub(super) fn length(data_type: DataType) -> usize {
    usize::from(data_type.bits()).div_ceil(8)
}

/// What a register holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes {
    bytes: [u8; 16],
    length: usize,
}

impl Bytes {
    pub(super) fn number(number: u128, length: usize, order: Order) -> Bytes {
        let mut bytes = [0; 16];
        match order {
            Order::Big => bytes[..length].copy_from_slice(&number.to_be_bytes()[16 - length..]),
            // Numbers in the host's order have 1, 2 or 4 bytes.
            Order::Host => match u32::try_from(number).unwrap_or(u32::MAX) {
                long if length == 4 => bytes[..4].copy_from_slice(&long.to_ne_bytes()),
                short => {
                    let short = u16::try_from(short).unwrap_or(u16::MAX);
                    bytes[..2].copy_from_slice(&short.to_ne_bytes());
                }
            },
        }
        Bytes { bytes, length }
    }

    /// A name; what is behind it is `fill`.
    fn name(name: &str, fill: u8) -> Bytes {
        let mut bytes = [fill; 16];
        bytes.iter_mut().zip(name.bytes()).for_each(|(byte, character)| *byte = character);
        Bytes { bytes, length: 16 }
    }

    /// The first `length` bytes.
    pub(super) fn first(self, length: usize) -> Bytes {
        Bytes { length, ..self }
    }

    /// These, then others, as one register.
    pub(super) fn then(mut self, next: Bytes) -> Bytes {
        self.bytes[self.length..self.length + next.length].copy_from_slice(next.as_slice());
        self.length += next.length;
        self
    }

    /// The number above, big-endian; `None` behind the last one.
    pub(super) fn successor(self) -> Option<Bytes> {
        let unused = 8 * u32::try_from(16 - self.length).expect("at most 16");
        let number = u128::from_be_bytes(self.bytes) >> unused;
        let last = u128::MAX >> unused;
        (number < last).then(|| Bytes::number(number + 1, self.length, Order::Big))
    }

    pub(super) fn is_zero(&self) -> bool {
        self.as_slice().iter().all(|byte| *byte == 0)
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The lowest and the highest key that a value stands for.
pub(super) fn bounds(value: &Value, length: usize, order: Order) -> (Bytes, Bytes) {
    match value {
        Value::Number(numbers) => {
            (Bytes::number(numbers.first(), length, order), Bytes::number(numbers.last(), length, order))
        }
        Value::Name(name) => match name.strip_suffix('*') {
            Some(start) => (Bytes::name(start, 0), Bytes::name(start, 0xff)),
            None => (Bytes::name(name, 0), Bytes::name(name, 0)),
        },
    }
}
