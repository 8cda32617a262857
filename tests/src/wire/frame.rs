//! A packet of the simulator -> the frames that an end of the network sends, checksums and all.
//!
//! Headers are etherparse's; by hand is what it has no header for, and what is malformed on purpose. Every frame carries a mark ([`super::mark`]) by which it and its answer are known again.

use std::net::IpAddr;

use engine::simulate::packet::{
    Arp, Extension, Fragment, Icmp, Ipv4, Ipv6, L3, Packet, Ports, Quoted, TcpFlags, Transport,
};
use etherparse::checksum::Sum16BitWords;
use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header,
    Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, SingleVlanHeader, TcpHeader, UdpHeader, VlanId,
};

use super::mark::Mark;

/// What an Ethernet interface takes without fragmentation.
const MTU: usize = 1500;
/// Hop limit of IPv4 packets.
const TTL: u8 = 64;

/// Ethernet addresses of a frame: destination, source.
pub type Macs = ([u8; 6], [u8; 6]);

/// The frames of a packet, in the order in which they are sent: one, or the pieces of a datagram.
pub fn frames(packet: &Packet, (destination, source): Macs, mark: Mark) -> Vec<Vec<u8>> {
    let of_payload = EtherType(packet.l3.ethertype());
    // Of two tags the outer one is 802.1ad, as the simulator has it.
    let ether_type = match packet.vlans.len() {
        0 => of_payload,
        1 => EtherType::VLAN_TAGGED_FRAME,
        _ => EtherType::PROVIDER_BRIDGING,
    };
    let mut head = Ethernet2Header { source, destination, ether_type }.to_bytes().to_vec();
    for (nth, vlan) in packet.vlans.iter().enumerate() {
        let is_last = nth + 1 == packet.vlans.len();
        let tag = SingleVlanHeader {
            vlan_id: VlanId::try_new(*vlan).expect("a packet's VLANs have 12 bits"),
            ether_type: if is_last { of_payload } else { EtherType::VLAN_TAGGED_FRAME },
            ..SingleVlanHeader::default()
        };
        head.extend(tag.to_bytes());
    }
    let with_head = |payload: Vec<u8>| [head.clone(), payload].concat();
    datagrams(&packet.l3, source, mark).into_iter().map(with_head).collect()
}

/// What stands behind the Ethernet header; for IP the pieces.
pub fn datagrams(l3: &L3, ether_source: [u8; 6], mark: Mark) -> Vec<Vec<u8>> {
    match l3 {
        L3::Ipv4(ip) => ipv4(ip, mark),
        L3::Ipv6(ip) => ipv6(ip, mark),
        L3::Arp(arp) => vec![[arp_bytes(arp, ether_source), mark.bytes()].concat()],
        L3::Other(_) => vec![[vec![0; 40], mark.bytes()].concat()],
    }
}

fn ipv4(ip: &Ipv4, mark: Mark) -> Vec<Vec<u8>> {
    let ends = (IpAddr::V4(ip.source), IpAddr::V4(ip.dest));
    let body = transport(&ip.transport, ends, ip.payload, mark);
    let number = protocol(&ip.transport, 1);
    let cuts = pieces(body.len(), MTU - Ipv4Header::MIN_LEN, ip.fragment);
    let piece = |&(from, to): &(usize, usize)| {
        let mut header = Ipv4Header {
            total_len: short(Ipv4Header::MIN_LEN + to - from),
            identification: mark.short(),
            dont_fragment: false,
            more_fragments: to < body.len(),
            fragment_offset: offset(from),
            time_to_live: TTL,
            protocol: IpNumber(number),
            source: ip.source.octets(),
            destination: ip.dest.octets(),
            ..Ipv4Header::default()
        };
        header.header_checksum = header.calc_header_checksum();
        [&header.to_bytes(), &body[from..to]].concat()
    };
    cuts.iter().map(piece).collect()
}

fn ipv6(ip: &Ipv6, mark: Mark) -> Vec<Vec<u8>> {
    let ends = (IpAddr::V6(ip.source), IpAddr::V6(ip.dest));
    let mut body = transport(&ip.transport, ends, ip.payload, mark);
    let number = protocol(&ip.transport, 58);
    let numbers: Vec<u8> = ip.extensions.iter().map(|extension| extension_number(*extension)).collect();
    let chain = 8 * numbers.len();
    if let (Some(length), Transport::Icmp(_)) = (ip.length, &ip.transport) {
        body = lengthened(body, usize::from(length).saturating_sub(chain), ends);
    }
    let cuts = pieces(body.len(), (MTU - Ipv6Header::LEN - 8 - chain) / 8 * 8, ip.fragment);
    let is_cut = cuts.len() > 1;
    let innermost = if is_cut { IpNumber::IPV6_FRAGMENTATION_HEADER.0 } else { number };
    let piece = |&(from, to): &(usize, usize)| {
        let mut extensions = Vec::new();
        for (nth, this) in numbers.iter().enumerate() {
            let next = numbers.get(nth + 1).copied().unwrap_or(innermost);
            extensions.extend(extension(*this, next));
        }
        if is_cut {
            let (more, id) = (to < body.len(), mark.long());
            extensions.extend(Ipv6FragmentHeader::new(IpNumber(number), offset(from), more, id).to_bytes());
        }
        let header = Ipv6Header {
            flow_label: mark.label().try_into().expect("marks leave room for 20 bits"),
            payload_length: ip.length.unwrap_or(short(extensions.len() + to - from)),
            next_header: IpNumber(numbers.first().copied().unwrap_or(innermost)),
            hop_limit: ip.hop_limit,
            source: ip.source.octets(),
            destination: ip.dest.octets(),
            ..Ipv6Header::default()
        };
        [&header.to_bytes(), extensions.as_slice(), &body[from..to]].concat()
    };
    cuts.iter().map(piece).collect()
}

/// A neighbour discovery message of this length: a nonce fills it up (RFC 3971, 5.3.2).
fn lengthened(mut message: Vec<u8>, length: usize, ends: (IpAddr, IpAddr)) -> Vec<u8> {
    let more = length.saturating_sub(message.len());
    let Some(units) = u8::try_from(more / 8).ok().filter(|units| *units > 0) else { return message };
    message.extend([14, units]);
    message.resize(length, 0);
    message[2..4].fill(0);
    summed(message, 2, Some((ends, 58)))
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("a test packet fits")
}

/// Where a piece begins, in units of eight bytes.
fn offset(from: usize) -> IpFragOffset {
    IpFragOffset::try_new(short(from / 8)).expect("a test packet fits")
}

/// Where a body of `length` bytes is cut: at `most`, or anyway in two if the packet is said to be a piece.
fn pieces(length: usize, most: usize, fragment: Fragment) -> Vec<(usize, usize)> {
    let most = match fragment {
        Fragment::None if length <= most => return vec![(0, length)],
        Fragment::None => most / 8 * 8,
        // Behind the ports and the mark, so that the first piece has both.
        Fragment::First | Fragment::Later => (length / 2 / 8 * 8).max(32).min(most),
    };
    (0..length).step_by(most).map(|from| (from, (from + most).min(length))).collect()
}

fn extension_number(extension: Extension) -> u8 {
    match extension {
        Extension::HopByHop => 0,
        Extension::Routing => 43,
        Extension::Destination => 60,
    }
}

/// Eight bytes: padding, or a routing header of an experimental type with no segments left.
fn extension(this: u8, next: u8) -> Vec<u8> {
    let content = if this == 43 { [253, 0, 0, 0, 0, 0] } else { [1, 4, 0, 0, 0, 0] };
    let header = Ipv6RawExtHeader::new_raw(IpNumber(next), &content);
    header.expect("six bytes are the least that it has").to_bytes().to_vec()
}

fn protocol(transport: &Transport, icmp: u8) -> u8 {
    match transport {
        Transport::Icmp(_) => icmp,
        Transport::Igmp => 2,
        Transport::Other(number) => *number,
        Transport::Tcp(..) => 6,
        Transport::Udp(_) => 17,
        Transport::Dccp(_) => 33,
        Transport::Sctp(_) => 132,
        Transport::Udplite(_) => 136,
    }
}

/// Header and payload, which is the mark at least. A long one repeats it: every piece of a datagram bears it.
fn transport(transport: &Transport, ends: (IpAddr, IpAddr), payload: u16, mark: Mark) -> Vec<u8> {
    let mut data = mark.bytes();
    let wanted = data.len().max(payload.into());
    data = data.iter().copied().cycle().take(wanted).collect();
    let is_v6 = ends.0.is_ipv6();
    match transport {
        Transport::Tcp(ports, flags) => tcp((*ports, *flags), &data, ends, mark),
        Transport::Udp(ports) => udp(*ports, &data, ends),
        Transport::Udplite(ports) => {
            // Coverage 0: all of it.
            let datagram = [ports_bytes(*ports), vec![0, 0, 0, 0], data].concat();
            summed(datagram, 6, Some((ends, 136)))
        }
        Transport::Dccp(ports) => {
            // A request (RFC 4340, 5.1 and 5.4): five words of header, long sequence numbers.
            let rest = vec![5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
            summed([ports_bytes(*ports), rest, data].concat(), 6, Some((ends, 33)))
        }
        Transport::Sctp(ports) => sctp(*ports, &data),
        Transport::Icmp(icmp) => icmp_bytes(icmp, ends, (data, mark)),
        Transport::Igmp => summed([vec![0x16, 0, 0, 0, 239, 1, 1, 1], data].concat(), 2, None),
        // GRE version 0 without options.
        Transport::Other(47) => [vec![0, 0, 0, 0], data].concat(),
        // The kernel answers a protocol that it does not know only if what it carries has a right Internet checksum.
        Transport::Other(number) => {
            summed([vec![0, 0, 0, 0], data].concat(), 0, is_v6.then_some((ends, *number)))
        }
    }
}

fn tcp((ports, flags): (Ports, TcpFlags), data: &[u8], ends: (IpAddr, IpAddr), mark: Mark) -> Vec<u8> {
    let mut header = TcpHeader::new(ports.source, ports.dest, mark.sequence(), 8192);
    header.acknowledgment_number = mark.sequence();
    let has = |bit: usize| flags.0 >> bit & 1 == 1;
    (header.fin, header.syn, header.rst, header.psh) = (has(0), has(1), has(2), has(3));
    (header.ack, header.urg, header.ece, header.cwr) = (has(4), has(5), has(6), has(7));
    header.checksum = match ends {
        (IpAddr::V4(from), IpAddr::V4(to)) => header.calc_checksum_ipv4_raw(from.octets(), to.octets(), data),
        (from, to) => header.calc_checksum_ipv6_raw(octets16(from), octets16(to), data),
    }
    .expect("a test packet fits");
    [&header.to_bytes(), data].concat()
}

fn udp(ports: Ports, data: &[u8], ends: (IpAddr, IpAddr)) -> Vec<u8> {
    let (source_port, destination_port) = (ports.source, ports.dest);
    let length = short(UdpHeader::LEN + data.len());
    let mut header = UdpHeader { source_port, destination_port, length, checksum: 0 };
    header.checksum = match ends {
        (IpAddr::V4(from), IpAddr::V4(to)) => header.calc_checksum_ipv4_raw(from.octets(), to.octets(), data),
        (from, to) => header.calc_checksum_ipv6_raw(octets16(from), octets16(to), data),
    }
    .expect("a test packet fits");
    [&header.to_bytes(), data].concat()
}

fn ports_bytes(ports: Ports) -> Vec<u8> {
    [ports.source.to_be_bytes(), ports.dest.to_be_bytes()].concat()
}

/// An association is opened by INIT alone in its packet, with verification tag 0 (RFC 9260, 8.5.1).
fn sctp(ports: Ports, data: &[u8]) -> Vec<u8> {
    let mut packet = [ports_bytes(ports), vec![0; 8]].concat();
    // The mark travels in a parameter that a receiver skips.
    let parameter = u16::try_from(4 + data.len()).expect("a test packet fits");
    let chunk = 20 + parameter;
    packet.extend([1, 0]);
    packet.extend(chunk.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    packet.extend([0xbf, 0xff]);
    packet.extend(parameter.to_be_bytes());
    packet.extend(data);
    let sum = crc32c(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    packet
}

/// RFC 9260, appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Neighbour discovery has no room for a mark: its length is looked at. It is known by its flow label.
fn icmp_bytes(icmp: &Icmp, ends: (IpAddr, IpAddr), (data, mark): (Vec<u8>, Mark)) -> Vec<u8> {
    let is_v6 = ends.0.is_ipv6();
    let mut message = vec![icmp.kind, icmp.code, 0, 0];
    let discovery = is_v6 && matches!(icmp.kind, 133..=137);
    if discovery {
        let target = icmp.nd_target.map(|target| target.octets().to_vec());
        let fixed = match icmp.kind {
            134 => vec![64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0],
            133 => vec![0; 4],
            136 => vec![0x60, 0, 0, 0],
            _ => vec![0; 4],
        };
        message.extend(fixed);
        let needs_target = matches!(icmp.kind, 135..=137);
        message.extend(target.unwrap_or(if needs_target { vec![0; 16] } else { Vec::new() }));
        if icmp.kind == 137 {
            message.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        }
        if icmp.source_lladdr_len > 0 {
            let units = icmp.source_lladdr_len / 8;
            message.extend([1, units, 2, 0, 0, 0, 0, 0x50]);
            message.resize(message.len() + 8 * usize::from(units.saturating_sub(1)), 0);
        }
    } else if let Some(inner) = &icmp.inner {
        message.extend([0; 4]);
        message.extend(quotation(inner));
        message.extend(mark.quoting());
    } else {
        // Identifier and sequence of an echo: each packet is a connection of its own.
        message.extend(mark.short().to_be_bytes());
        message.extend([0, 1]);
        message.extend(data);
    }
    summed(message, 2, is_v6.then_some((ends, 58)))
}

/// Header and first eight bytes of a packet, as an error message repeats them.
fn quotation(inner: &Quoted) -> Vec<u8> {
    let ports = inner.ports.map_or_else(|| vec![0; 4], ports_bytes);
    let transport = [ports, vec![0, 8, 0, 0]].concat();
    let protocol = IpNumber(inner.protocol);
    match (inner.source, inner.dest) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header::new(short(transport.len()), TTL, protocol, from.octets(), to.octets());
            let mut header = header.expect("a test packet fits");
            header.header_checksum = header.calc_header_checksum();
            [&header.to_bytes(), transport.as_slice()].concat()
        }
        (from, to) => {
            let header = Ipv6Header {
                payload_length: short(transport.len()),
                next_header: protocol,
                hop_limit: TTL,
                source: octets16(from),
                destination: octets16(to),
                ..Ipv6Header::default()
            };
            [&header.to_bytes(), transport.as_slice()].concat()
        }
    }
}

/// The lengths that the packet claims may be wrong.
fn arp_bytes(arp: &Arp, ether_source: [u8; 6]) -> Vec<u8> {
    let packet = ArpPacket::new(
        ArpHardwareId(arp.hardware_type),
        EtherType(arp.protocol_type),
        ArpOperation(arp.operation),
        &arp.sender_mac.map_or(ether_source, |mac| mac.0),
        &arp.sender_ip.octets(),
        &arp.target_mac.0,
        &arp.target_ip.octets(),
    );
    let mut bytes = packet.expect("addresses are of one length").to_bytes().to_vec();
    (bytes[4], bytes[5]) = (arp.hardware_len, arp.protocol_len);
    bytes
}

/// Fills in the checksum at `at`, over a pseudo header where one belongs to it.
fn summed(mut bytes: Vec<u8>, at: usize, pseudo: Option<((IpAddr, IpAddr), u8)>) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a test packet fits").to_be_bytes();
    let header = pseudo.map_or_else(Vec::new, |((source, dest), protocol)| {
        [octets(source), octets(dest), length.to_vec(), vec![0, 0, 0, protocol]].concat()
    });
    // 0 means that there is none (RFC 768); the two zeros are equal to the sum.
    let sum = Sum16BitWords::new().add_slice(&header).add_slice(&bytes).to_ones_complement_with_no_zero();
    bytes[at..at + 2].copy_from_slice(&sum.to_ne_bytes());
    bytes
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Of an IPv6 address.
fn octets16(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}
