//! What one hook sees of a packet: fields by their nft(8) names, absent where their protocol is.

use std::net::IpAddr;

use super::lookup::Datum;
use super::packet::{Arp, Fragment, Icmp, Ipv4, Ipv6, L3, Packet, TcpFlags, Transport};
use super::path::Pass;
use super::tracking::Tracking;
use super::world::World;
use crate::model::port::PortProtocol;
use crate::ruleset::field::{Field, Side};
use crate::ruleset::{Name, TableFamily};

/// What travels with a packet besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// `meta mark`
    pub(super) mark: u32,
    /// `ct mark` of the entry.
    pub(super) ct_mark: u32,
    /// The connection tracking entry.
    pub(super) tracking: Tracking,
    /// The piece that is seen here.
    pub(super) fragment: Fragment,
}

/// A packet at a hook.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) packet: &'a Packet,
    pub(super) pass: &'a Pass,
    pub(super) meta: &'a Meta,
    pub(super) world: &'a World,
}

/// EtherTypes of VLAN tags: one tag is 802.1Q, the outer of two 802.1ad.
const DOT1Q: u16 = 0x8100;
const DOT1AD: u16 = 0x88a8;
/// What `frag frag-off` and `ip frag-off` hold in a later piece: 1480 bytes in.
const LATER_OFFSET: u16 = 185;
const MORE_FRAGMENTS: u16 = 0x2000;

impl<'a> View<'a> {
    /// The value of a field; `None`: the packet has no such field here, and no comparison of it holds.
    pub(super) fn field(&self, field: Field) -> Option<Datum> {
        match field {
            Field::Iifname => name(&self.pass.iifname),
            Field::Oifname => name(&self.pass.oifname),
            // A port that nobody knows has no number that a rule names.
            Field::Oif => Some(number(self.world.index(self.pass.oifname.as_ref()?))),
            Field::Ibrname => name(&self.pass.ibrname),
            Field::Obrname => name(&self.pass.obrname),
            Field::Ibrpvid => self.pass.ibrpvid.map(number),
            Field::Protocol => Some(number(self.protocol())),
            Field::Nfproto => self.nfproto().map(number),
            Field::L4proto => self.ip()?.l4proto().map(number),
            Field::Mark => Some(number(self.meta.mark)),
            Field::CtState => Some(Datum::Number(self.meta.tracking.bits().into())),
            Field::CtMark => self.meta.tracking.has_entry().then(|| number(self.meta.ct_mark)),
            Field::EtherSaddr => Some(Datum::Number(self.pass.frame?.source.number())),
            Field::EtherDaddr => Some(Datum::Number(self.pass.frame?.dest.number())),
            Field::EtherType => self.pass.frame.map(|_| number(self.ethertype())),
            Field::VlanId => self.vlan_id().map(number),
            Field::ArpHtype => self.arp().map(|arp| number(arp.hardware_type)),
            Field::ArpPtype => self.arp().map(|arp| number(arp.protocol_type)),
            Field::ArpHlen => self.arp().map(|arp| number(arp.hardware_len)),
            Field::ArpPlen => self.arp().map(|arp| number(arp.protocol_len)),
            Field::ArpSaddrEther => self.arp_sender().map(Datum::Number),
            Field::ArpSaddrIp => self.arp().map(|arp| number(arp.sender_ip.to_bits())),
            Field::ArpDaddrIp => self.arp().map(|arp| number(arp.target_ip.to_bits())),
            Field::IpSaddr => self.ipv4().map(|ip| number(ip.source.to_bits())),
            Field::IpDaddr => self.ipv4().map(|ip| number(ip.dest.to_bits())),
            Field::IpFragOff => self.ipv4().map(|_| number(self.ipv4_frag_off())),
            Field::Ip6Saddr => self.ipv6().map(|ip| Datum::Number(ip.source.to_bits())),
            Field::Ip6Daddr => self.ipv6().map(|ip| Datum::Number(ip.dest.to_bits())),
            Field::Ip6Hoplimit => self.ipv6().map(|ip| number(ip.hop_limit.saturating_sub(self.pass.hops))),
            Field::Ip6Length => self.ipv6().map(|ip| number(self.payload_length(ip))),
            Field::FragOff => self.ipv6_frag_off().map(number),
            Field::TcpFlags => self.tcp_flags().map(|flags| number(flags.0)),
            Field::IcmpType => self.icmp(self.ipv4().is_some()).map(|icmp| number(icmp.kind)),
            Field::IcmpCode => self.icmp(self.ipv4().is_some()).map(|icmp| number(icmp.code)),
            Field::Icmpv6Type => self.icmp(self.ipv6().is_some()).map(|icmp| number(icmp.kind)),
            Field::Icmpv6Code => self.icmp(self.ipv6().is_some()).map(|icmp| number(icmp.code)),
            Field::NdTarget => self.icmp(true)?.nd_target.map(|target| Datum::Number(target.to_bits())),
            Field::NdOption => self.nd_option().map(number),
            Field::FibSaddrType => self.fib_type(self.ip()?.source()?).map(number),
            Field::FibDaddrType => self.fib_type(self.ip()?.dest()?).map(number),
            Field::Port(protocol, side) => self.port(protocol, side).map(number),
        }
    }

    /// Two tags hide what is behind them.
    fn l3(&self) -> Option<&'a L3> {
        (self.pass.vlans.len() < 2).then_some(&self.packet.l3)
    }

    fn ip(&self) -> Option<&'a L3> {
        self.l3().filter(|l3| matches!(l3, L3::Ipv4(_) | L3::Ipv6(_)))
    }

    fn ipv4(&self) -> Option<&'a Ipv4> {
        if let L3::Ipv4(ip) = self.l3()? { Some(ip) } else { None }
    }

    fn ipv6(&self) -> Option<&'a Ipv6> {
        if let L3::Ipv6(ip) = self.l3()? { Some(ip) } else { None }
    }

    fn arp(&self) -> Option<&'a Arp> {
        if let L3::Arp(arp) = self.l3()? { Some(arp) } else { None }
    }

    fn arp_sender(&self) -> Option<u128> {
        let given = self.arp()?.sender_mac;
        given.or(self.pass.frame.map(|frame| frame.source)).map(|mac| mac.number())
    }

    /// The transport header; later pieces have none.
    fn transport(&self) -> Option<&'a Transport> {
        self.ip()?.transport().filter(|_| self.meta.fragment != Fragment::Later)
    }

    fn icmp(&self, right_family: bool) -> Option<&'a Icmp> {
        if let Transport::Icmp(icmp) = self.transport()? { right_family.then_some(icmp) } else { None }
    }

    fn tcp_flags(&self) -> Option<TcpFlags> {
        if let Transport::Tcp(_, flags) = self.transport()? { Some(*flags) } else { None }
    }

    fn port(&self, protocol: PortProtocol, side: Side) -> Option<u16> {
        let (actual, ports) = self.transport()?.ports()?;
        let port = match side {
            Side::Source => ports.source,
            Side::Dest => ports.dest,
        };
        (actual == protocol).then_some(port)
    }

    fn protocol(&self) -> u16 {
        self.l3().map_or(DOT1Q, L3::ethertype)
    }

    fn ethertype(&self) -> u16 {
        match self.pass.vlans.len() {
            0 => self.packet.l3.ethertype(),
            1 => DOT1Q,
            _ => DOT1AD,
        }
    }

    /// `vlan id` implies 802.1Q.
    fn vlan_id(&self) -> Option<u16> {
        self.pass.frame?;
        if let [vlan] = self.pass.vlans[..] { Some(vlan) } else { None }
    }

    /// NFPROTO_IPV4, NFPROTO_IPV6; nft refuses it in the bridge family.
    fn nfproto(&self) -> Option<u8> {
        match self.pass.family {
            TableFamily::Bridge | TableFamily::Netdev => None,
            TableFamily::Inet => self.ip().map(|l3| if matches!(l3, L3::Ipv4(_)) { 2 } else { 10 }),
        }
    }

    fn ipv4_frag_off(&self) -> u16 {
        match self.meta.fragment {
            Fragment::None => 0,
            Fragment::First => MORE_FRAGMENTS,
            Fragment::Later => LATER_OFFSET,
        }
    }

    fn ipv6_frag_off(&self) -> Option<u16> {
        self.ipv6()?;
        match self.meta.fragment {
            Fragment::None => None,
            Fragment::First => Some(0),
            Fragment::Later => Some(LATER_OFFSET),
        }
    }

    fn payload_length(&self, ip: &Ipv6) -> u16 {
        let extensions = 8 * u32::try_from(ip.extensions.len()).unwrap_or(0);
        let whole = extensions + self.packet.l3.transport_len();
        let length = match self.meta.fragment {
            Fragment::None => whole,
            Fragment::First => (whole + 8).min(1456),
            Fragment::Later => whole.saturating_sub(1448) + 8,
        };
        ip.length.unwrap_or(u16::try_from(length).unwrap_or(u16::MAX))
    }

    /// A packet tells of a source link-layer address (1) whether it has one; if it is longer than that makes it, a nonce
    /// (14) is taken to be there, which Linux adds.
    fn nd_option(&self) -> Option<u8> {
        let icmp = self.icmp(true)?;
        icmp.nd_target?;
        if icmp.source_lladdr_len > 0 {
            return Some(1);
        }
        let ip = self.ipv6()?;
        let bare = 8 * ip.extensions.len() + 24;
        (usize::from(self.payload_length(ip)) > bare).then_some(14)
    }

    fn fib_type(&self, address: IpAddr) -> Option<u8> {
        (self.pass.family == TableFamily::Inet).then(|| self.world.fib_type(address))
    }
}

fn name(name: &Option<Name>) -> Option<Datum> {
    name.clone().map(Datum::Name)
}

fn number(number: impl Into<u128>) -> Datum {
    Datum::Number(number.into())
}
