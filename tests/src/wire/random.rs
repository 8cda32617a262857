//! Random packets of the reference network, drawn from the pools that random configurations draw from.
//!
//! Left out is what the kernel's IP stack would refuse before or behind every rule, firewall or not: martian sources,
//! groups that the node is not a member of, link-local addresses on routed packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::model::address::Mac;
use engine::simulate::packet::{
    Arp, Extension, Fragment, Icmp, Ipv4, Ipv6, L3, Packet, Ports, Sender, TcpFlags, Transport, Zone,
};

use crate::generate::Draw;

/// A place with its bridge and its addresses.
#[derive(Debug)]
struct Place {
    zone: &'static str,
    /// `None`: the host, which is on all of them.
    bridge: Option<&'static str>,
    v4: &'static [&'static str],
    v6: &'static [&'static str],
}

const fn place(
    zone: &'static str,
    bridge: &'static str,
    v4: &'static [&'static str],
    v6: &'static [&'static str],
) -> Place {
    Place { zone, bridge: Some(bridge), v4, v6 }
}

const HOST: Place = Place {
    zone: "host",
    bridge: None,
    v4: &["192.0.2.1", "198.51.100.1", "203.0.113.1"],
    v6: &["2001:db8:a::1", "2001:db8:b::1", "2001:db8:c::1"],
};

const PLACES: [Place; 8] = [
    place(
        "outside",
        "vmbr0",
        &["192.0.2.50", "192.0.2.2", "10.66.0.5", "10.66.0.77"],
        &["2001:db8:a::50", "2001:db8:66::5"],
    ),
    place("vm100", "vmbr0", &["192.0.2.100"], &["2001:db8:a::100", "fe80::be24:11ff:fe00:100"]),
    place("ct200", "vmbr0", &["192.0.2.200"], &["2001:db8:a::200", "fe80::be24:11ff:fe00:200"]),
    place("vm199", "vmbr0", &["192.0.2.199"], &["2001:db8:a::199"]),
    place("vm100i1", "vmbr1", &["198.51.100.100"], &["2001:db8:b::100"]),
    place("vm110", "vmbr1", &["198.51.100.110"], &["2001:db8:b::110", "fe80::be24:11ff:fe00:110"]),
    place("vm400", "vnet1", &["203.0.113.40", "203.0.113.4"], &["2001:db8:c::40", "2001:db8:c::4"]),
    place("vm401", "vnet1", &["203.0.113.41"], &["2001:db8:c::41"]),
];

/// Ports that rules, macros and options name.
const PORTS: &[u16] = &[
    22, 53, 80, 443, 8006, 8080, 5900, 1500, 0, 65535, 67, 68, 546, 547, 25, 113, 135, 137, 138, 139, 445,
    1900, 5405, 5404, 3128, 60000, 123, 161, 3306, 111, 21,
];
const GROUPS_V4: &[&str] = &["255.255.255.255", "224.0.0.1", "224.0.0.251", "239.1.1.1"];
const GROUPS_V6: &[&str] = &["ff02::1", "ff02::2", "ff02::fb", "ff02::1:ff00:100", "ff02::1:2"];

/// Addresses of the network, with the zones where they are.
pub fn homes() -> Vec<(IpAddr, String)> {
    let of = |place: &'static Place| {
        let texts = place.v4.iter().chain(place.v6);
        texts.map(|text| (address(text), place.zone.to_owned()))
    };
    PLACES.iter().flat_map(of).collect()
}

/// Any packet.
pub fn packet(draw: &mut Draw) -> Packet {
    loop {
        let (from, to) = (end(draw), end(draw));
        if from.zone == to.zone || from.bridge.is_none() && to.bridge.is_none() {
            continue;
        }
        let routed = from.bridge.is_some() && to.bridge.is_some() && from.bridge != to.bridge;
        let way = Way { from, to, routed };
        let l3 = match draw.below(100) {
            0..50 => way.ipv4(draw),
            50..88 => way.ipv6(draw),
            88..95 if !routed && from.bridge.is_some() => way.arp(draw),
            95.. if !routed => L3::Other(draw.pick(&[0x8137, 0x88cc, 0x8863, 0x8864, 0x4305])),
            _ => continue,
        };
        let zone = |place: &Place| Zone::new(place.zone).expect("a word");
        let mut packet = Packet::new(zone(from), zone(to), l3);
        way.frame(draw, &mut packet);
        return packet;
    }
}

fn end(draw: &mut Draw) -> &'static Place {
    if draw.chance(22) { &HOST } else { &PLACES[draw.below(PLACES.len())] }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of the pools")
}

fn v4(text: &str) -> Ipv4Addr {
    text.parse().expect("an IPv4 address of the pools")
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect("an IPv6 address of the pools")
}

struct Way {
    from: &'static Place,
    to: &'static Place,
    routed: bool,
}

impl Way {
    /// The IP stack looks at it: what it refuses is left out.
    fn meets_stack(&self) -> bool {
        self.routed || self.to.bridge.is_none()
    }

    fn is_from_host(&self) -> bool {
        self.from.bridge.is_none()
    }

    /// The bridge that both are on.
    fn bridge(&self) -> &'static str {
        self.from.bridge.or(self.to.bridge).unwrap_or("vmbr0")
    }

    /// The host has one address on each bridge.
    fn own<'t>(&self, place: &'static Place, texts: &'static [&'t str], draw: &mut Draw) -> &'t str {
        if place.bridge.is_some() {
            return draw.pick(texts);
        }
        match self.bridge() {
            "vmbr0" => texts[0],
            "vmbr1" => texts[1],
            _ => texts[2],
        }
    }

    fn ipv4(&self, draw: &mut Draw) -> L3 {
        let stranger = || PLACES.iter().flat_map(|place| place.v4.iter().copied()).collect::<Vec<_>>();
        let source = match draw.below(100) {
            0..12 if !self.is_from_host() => draw.pick(&stranger()),
            12..16 if !self.is_from_host() && !self.meets_stack() => {
                draw.pick(&["0.0.0.0", "224.0.0.5", "255.255.255.255", "192.0.2.255", "127.0.0.1"])
            }
            _ => self.own(self.from, self.from.v4, draw),
        };
        let dest = match draw.below(100) {
            0..10 if !self.routed => self.group_v4(draw),
            10..14 if !self.meets_stack() && !self.is_from_host() => draw.pick(&stranger()),
            _ => self.own(self.to, self.to.v4, draw),
        };
        if draw.chance(2) && !self.routed && !self.is_from_host() {
            return dhcp_v4();
        }
        let transport = self.transport(draw, false);
        let (fragment, payload) = self.size(draw, false);
        L3::Ipv4(Ipv4 { source: v4(source), dest: v4(dest), fragment, payload, transport })
    }

    fn group_v4(&self, draw: &mut Draw) -> &'static str {
        let subnet = match self.bridge() {
            "vmbr0" => "192.0.2.255",
            "vmbr1" => "198.51.100.255",
            _ => "203.0.113.255",
        };
        if self.to.bridge.is_none() {
            return draw.pick(&["255.255.255.255", "224.0.0.1", subnet]);
        }
        if draw.chance(30) { subnet } else { draw.pick(GROUPS_V4) }
    }

    fn ipv6(&self, draw: &mut Draw) -> L3 {
        let global = |texts: &'static [&'static str]| {
            texts.iter().copied().filter(|text| !text.starts_with("fe80")).collect::<Vec<_>>()
        };
        let stranger = || PLACES.iter().flat_map(|place| global(place.v6)).collect::<Vec<_>>();
        let source = match draw.below(100) {
            0..12 if !self.is_from_host() => draw.pick(&stranger()),
            12..17 if !self.is_from_host() && !self.meets_stack() => {
                draw.pick(&["::", "fe80::1", "ff02::1", "::1"])
            }
            17..20 if !self.is_from_host() && !self.routed => draw.pick(&["::", "fe80::1"]),
            _ if self.from.bridge.is_some() && self.meets_stack() => draw.pick(&global(self.from.v6)),
            _ => self.own(self.from, self.from.v6, draw),
        };
        let dest = match draw.below(100) {
            0..12 if !self.routed => self.group_v6(draw),
            12..16 if !self.meets_stack() && !self.is_from_host() => draw.pick(&stranger()),
            _ if self.routed || self.is_from_host() => draw.pick(&global(self.to.v6)),
            _ => self.own(self.to, self.to.v6, draw),
        };
        let mut transport = self.transport(draw, true);
        let discovers = matches!(&transport, Transport::Icmp(icmp) if matches!(icmp.kind, 130..=137 | 143));
        if let Transport::Icmp(icmp) = &mut transport {
            discovery(icmp, source == "::", draw);
        }
        let hop_limit = if discovers && draw.chance(85) { 255 } else { draw.pick(&[64, 64, 255]) };
        let (fragment, payload) = if discovers { (Fragment::None, 0) } else { self.size(draw, true) };
        let extensions = match draw.below(100) {
            0..3 => vec![Extension::Destination],
            3..5 => vec![Extension::HopByHop, Extension::Destination],
            5..7 => vec![Extension::Routing],
            _ => Vec::new(),
        };
        L3::Ipv6(Ipv6 {
            source: v6(source),
            dest: v6(dest),
            hop_limit,
            extensions,
            fragment,
            payload,
            length: None,
            transport,
        })
    }

    fn group_v6(&self, draw: &mut Draw) -> &'static str {
        if self.to.bridge.is_none() { draw.pick(&["ff02::1", "ff02::2"]) } else { draw.pick(GROUPS_V6) }
    }

    /// Pieces of small datagrams stay pieces on bridges alone, and with IPv6 not even there: a bridge that tracks
    /// connections drops a datagram that comes in pieces of less than 1,280 bytes.
    fn size(&self, draw: &mut Draw, is_v6: bool) -> (Fragment, u16) {
        let bridged = !self.meets_stack() && !self.is_from_host();
        match draw.below(100) {
            0..2 if bridged => (Fragment::First, if is_v6 { 2600 } else { 64 }),
            2..4 => (Fragment::None, 3000),
            _ => (Fragment::None, 0),
        }
    }

    fn transport(&self, draw: &mut Draw, is_v6: bool) -> Transport {
        let source = if draw.chance(25) { draw.pick(PORTS) } else { port(draw, 49_152, 60_999) };
        let dest = if draw.chance(92) { draw.pick(PORTS) } else { port(draw, 1, 65_535) };
        let ports = Ports { source, dest };
        match draw.below(100) {
            0..40 => Transport::Tcp(ports, flags(draw)),
            40..65 => Transport::Udp(ports),
            65..84 if is_v6 => Transport::Icmp(icmpv6(draw)),
            65..84 => Transport::Icmp(icmp(draw)),
            84..87 => Transport::Sctp(ports),
            87..89 => Transport::Udplite(ports),
            89..91 if !is_v6 => Transport::Igmp,
            91..94 => dhcp_ports(draw, is_v6),
            _ => Transport::Other(draw.pick(&[47, 50, 89, 112, 253])),
        }
    }

    fn arp(&self, draw: &mut Draw) -> L3 {
        let all: Vec<_> = PLACES.iter().chain([&HOST]).flat_map(|place| place.v4.iter().copied()).collect();
        let sender = match draw.below(100) {
            0..15 => draw.pick(&all),
            15..25 => "0.0.0.0",
            _ => self.own(self.from, self.from.v4, draw),
        };
        let target = if draw.chance(25) { draw.pick(&all) } else { self.own(self.to, self.to.v4, draw) };
        let mut arp = Arp::request(v4(sender), v4(target));
        arp.operation = draw.weighted(&[(6, 1), (3, 2), (1, 8)]);
        if draw.chance(12) {
            arp.sender_mac = Some(foreign_mac(draw));
        }
        match draw.below(100) {
            0..3 => arp.hardware_type = 6,
            3..6 => arp.protocol_type = 0x86dd,
            6..9 => arp.hardware_len = 8,
            9..12 => arp.protocol_len = 16,
            _ => {}
        }
        L3::Arp(arp)
    }

    /// Addresses and tags of the frame.
    fn frame(&self, draw: &mut Draw, packet: &mut Packet) {
        if self.is_from_host() {
            let whole = packet.l3.fragment() == Fragment::None;
            if !matches!(packet.l3, L3::Ipv4(_) | L3::Ipv6(_)) || whole && draw.chance(10) {
                packet.sender = Sender::PacketSocket;
            }
            return;
        }
        let is_guest = self.from.zone != "outside";
        if is_guest && draw.chance(6) {
            packet.ether_source = Some(foreign_mac(draw));
        }
        let bridged = !self.meets_stack();
        if bridged && draw.chance(3) {
            packet.ether_dest = Some("bc:24:11:77:77:77".parse().expect("a hardware address"));
        }
        if bridged && draw.chance(8) {
            packet.vlans = draw.pick(&[[5, 0], [7, 5]]).into_iter().filter(|vlan| *vlan != 0).collect();
        }
    }
}

fn port(draw: &mut Draw, first: usize, last: usize) -> u16 {
    u16::try_from(draw.between(first, last)).expect("a port")
}

fn foreign_mac(draw: &mut Draw) -> Mac {
    draw.pick(&["bc:24:11:66:66:66", "bc:24:11:00:01:00", "bc:24:11:00:01:01", "02:00:00:00:00:50"])
        .parse()
        .expect("a hardware address")
}

fn flags(draw: &mut Draw) -> TcpFlags {
    let (syn, ack, rst, fin) = (TcpFlags::SYN.0, TcpFlags::ACK.0, TcpFlags::RST.0, TcpFlags::FIN.0);
    let other = u8::try_from(draw.below(64)).expect("six bits");
    TcpFlags(draw.weighted(&[
        (12, syn),
        (2, ack),
        (1, syn | ack),
        (1, rst),
        (1, rst | ack),
        (1, fin | ack),
        (1, 0),
        (1, syn | 0xc0),
        (2, other),
    ]))
}

fn icmp(draw: &mut Draw) -> Icmp {
    let kind = draw.pick(&[8, 8, 8, 8, 0, 3, 4, 5, 9, 10, 11, 12, 13, 15, 17, 30]);
    let code = if draw.chance(80) { 0 } else { draw.pick(&[1, 3, 4]) };
    Icmp::new(kind, code)
}

fn icmpv6(draw: &mut Draw) -> Icmp {
    let kind = draw.pick(&[
        128, 128, 128, 128, 135, 135, 136, 136, 133, 134, 129, 1, 2, 3, 4, 130, 131, 132, 137, 143, 200,
    ]);
    let code = if draw.chance(85) { 0 } else { draw.pick(&[1, 3, 4]) };
    Icmp::new(kind, code)
}

/// What a neighbour message says; duplicate address detection has no option (RFC 4862, 5.4.2).
fn discovery(icmp: &mut Icmp, is_unspecified: bool, draw: &mut Draw) {
    if matches!(icmp.kind, 135..=137) {
        let all: Vec<_> = PLACES.iter().flat_map(|place| place.v6.iter().copied()).collect();
        icmp.nd_target = Some(v6(draw.pick(&all)));
    }
    let has_option = matches!(icmp.kind, 133 | 135) && !is_unspecified || draw.chance(10);
    if has_option && matches!(icmp.kind, 133..=136) {
        icmp.source_lladdr_len = 8;
    }
}

fn dhcp_v4() -> L3 {
    L3::Ipv4(Ipv4 {
        source: Ipv4Addr::UNSPECIFIED,
        dest: Ipv4Addr::BROADCAST,
        fragment: Fragment::None,
        payload: 240,
        transport: Transport::Udp(Ports { source: 68, dest: 67 }),
    })
}

fn dhcp_ports(draw: &mut Draw, is_v6: bool) -> Transport {
    let (client, server) = if is_v6 { (546, 547) } else { (68, 67) };
    let (source, dest) = if draw.chance(50) { (client, server) } else { (server, client) };
    Transport::Udp(Ports { source, dest })
}
