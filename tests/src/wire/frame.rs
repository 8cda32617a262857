//! A packet of the simulator -> the frames that an end of the network sends, checksums and all.
//!
//! Written by hand: what the tests send is malformed on purpose as often as not, which packet libraries exist to
//! prevent. Every frame carries a mark ([`super::mark`]) by which it and its answer are known again.

use std::net::IpAddr;

use engine::simulate::packet::{Arp, Extension, Fragment, Icmp, Ipv4, Ipv6, L3, Packet, Ports, Transport};

use super::mark::{self, Mark};

/// What an Ethernet interface takes without fragmentation.
const MTU: usize = 1500;
const MORE_FRAGMENTS: u16 = 0x2000;

/// Ethernet addresses of a frame: destination, source.
pub type Macs = ([u8; 6], [u8; 6]);

/// The frames of a packet, in the order in which they are sent: one, or the pieces of a datagram.
pub fn frames(packet: &Packet, (dest, source): Macs, mark: Mark) -> Vec<Vec<u8>> {
    let mut head: Vec<u8> = [dest, source].concat();
    for (nth, vlan) in packet.vlans.iter().enumerate() {
        // Of two tags the outer one is 802.1ad, as the simulator has it.
        let is_outer = nth == 0 && packet.vlans.len() > 1;
        head.extend(if is_outer { [0x88, 0xa8] } else { [0x81, 0x00] });
        head.extend(vlan.to_be_bytes());
    }
    head.extend(packet.l3.ethertype().to_be_bytes());
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
    let header = |length: usize, frag_off: u16| {
        let total = u16::try_from(20 + length).expect("a test packet fits");
        let mut header = vec![0x45, 0];
        header.extend(total.to_be_bytes());
        header.extend(mark.short().to_be_bytes());
        header.extend(frag_off.to_be_bytes());
        header.extend([64, number, 0, 0]);
        header.extend(ip.source.octets());
        header.extend(ip.dest.octets());
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    };
    let cuts = pieces(body.len(), MTU - 20, ip.fragment);
    cuts.iter()
        .map(|&(from, to)| {
            let more = if to < body.len() { MORE_FRAGMENTS } else { 0 };
            let offset = u16::try_from(from / 8).expect("a test packet fits");
            [header(to - from, offset | more), body[from..to].to_vec()].concat()
        })
        .collect()
}

fn ipv6(ip: &Ipv6, mark: Mark) -> Vec<Vec<u8>> {
    let ends = (IpAddr::V6(ip.source), IpAddr::V6(ip.dest));
    let body = transport(&ip.transport, ends, ip.payload, mark);
    let number = protocol(&ip.transport, 58);
    let numbers: Vec<u8> = ip.extensions.iter().map(|extension| extension_number(*extension)).collect();
    let chain = 8 * numbers.len();
    let cuts = pieces(body.len(), (MTU - 40 - 8 - chain) / 8 * 8, ip.fragment);
    let is_cut = cuts.len() > 1;
    let innermost = if is_cut { 44 } else { number };
    cuts.iter()
        .map(|&(from, to)| {
            let mut extensions = Vec::new();
            for (nth, this) in numbers.iter().enumerate() {
                let next = numbers.get(nth + 1).copied().unwrap_or(innermost);
                extensions.extend(extension(*this, next));
            }
            if is_cut {
                let more = u16::from(to < body.len());
                let offset = u16::try_from(from).expect("a test packet fits");
                extensions.extend([number, 0]);
                extensions.extend((offset | more).to_be_bytes());
                extensions.extend(mark.long().to_be_bytes());
            }
            let first = numbers.first().copied().unwrap_or(innermost);
            let natural = u16::try_from(extensions.len() + to - from).expect("a test packet fits");
            let length = ip.length.unwrap_or(natural);
            let mut packet = (0x6000_0000 | mark.label()).to_be_bytes().to_vec();
            packet.extend(length.to_be_bytes());
            packet.extend([first, ip.hop_limit]);
            packet.extend(ip.source.octets());
            packet.extend(ip.dest.octets());
            packet.extend(extensions);
            packet.extend(&body[from..to]);
            packet
        })
        .collect()
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
fn extension(this: u8, next: u8) -> [u8; 8] {
    match this {
        43 => [next, 0, 253, 0, 0, 0, 0, 0],
        _ => [next, 0, 1, 4, 0, 0, 0, 0],
    }
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
        Transport::Tcp(ports, flags) => {
            let mut segment = ports_bytes(*ports);
            segment.extend(mark.sequence().to_be_bytes());
            segment.extend(mark.sequence().to_be_bytes());
            segment.extend([0x50, flags.0, 0x20, 0, 0, 0, 0, 0]);
            segment.extend(data);
            summed(segment, 16, Some((ends, 6)))
        }
        Transport::Udp(ports) => {
            let mut datagram = ports_bytes(*ports);
            datagram.extend(u16::try_from(8 + data.len()).expect("a test packet fits").to_be_bytes());
            datagram.extend([0, 0]);
            datagram.extend(data);
            summed(datagram, 6, Some((ends, 17)))
        }
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
    } else {
        // Identifier and sequence of an echo: each packet is a connection of its own.
        message.extend(mark.short().to_be_bytes());
        message.extend([0, 1]);
        message.extend(data);
    }
    summed(message, 2, is_v6.then_some((ends, 58)))
}

fn arp_bytes(arp: &Arp, ether_source: [u8; 6]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(arp.hardware_type.to_be_bytes());
    bytes.extend(arp.protocol_type.to_be_bytes());
    bytes.extend([arp.hardware_len, arp.protocol_len]);
    bytes.extend(arp.operation.to_be_bytes());
    bytes.extend(arp.sender_mac.map_or(ether_source, |mac| mac.0));
    bytes.extend(arp.sender_ip.octets());
    bytes.extend(arp.target_mac.0);
    bytes.extend(arp.target_ip.octets());
    bytes
}

/// Fills in the checksum at `at`, over a pseudo header where one belongs to it.
fn summed(mut bytes: Vec<u8>, at: usize, pseudo: Option<((IpAddr, IpAddr), u8)>) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a test packet fits").to_be_bytes();
    let header = pseudo.map_or_else(Vec::new, |((source, dest), protocol)| {
        [octets(source), octets(dest), length.to_vec(), vec![0, 0, 0, protocol]].concat()
    });
    let sum = match checksum(&[&header, &bytes]) {
        // 0 means that there is none (RFC 768); the two zeros are equal to the sum.
        0 => 0xffff,
        sum => sum,
    };
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// RFC 1071 over parts of even length, the last one excepted.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

/// Whether a packet can be told apart on the wire: IP by header fields, all others by bytes behind them.
pub fn is_markable(packet: &Packet) -> bool {
    match &packet.l3 {
        L3::Ipv6(ip) => ip.length.is_none(),
        L3::Ipv4(_) | L3::Arp(_) | L3::Other(_) => !mark::is_quoting(&packet.l3),
    }
}
