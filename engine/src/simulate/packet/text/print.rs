//! A packet as one line that parses to it again; what is as by default is left out.

use std::fmt;
use std::net::IpAddr;

use super::{
    EXTENSIONS, FRAGMENTS, OPERATIONS, PROTOCOLS, RATES, SENDERS, STATES, default_hop_limit,
    default_lladdr_len, word_of,
};
use crate::simulate::packet::{Arp, Ipv4, Ipv6, L3, Packet, Quoted, Rate, Sender, TcpFlags, Transport};

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.from, self.to)?;
        match &self.l3 {
            L3::Ipv4(ip) => print_ipv4(f, ip)?,
            L3::Ipv6(ip) => print_ipv6(f, ip)?,
            L3::Arp(arp) => print_arp(f, arp)?,
            L3::Other(ethertype) => write!(f, "other 0x{ethertype:04x}")?,
        }
        print_some(f, "smac", self.ether_source)?;
        print_some(f, "dmac", self.ether_dest)?;
        if !self.vlans.is_empty() {
            let tags: Vec<String> = self.vlans.iter().map(u16::to_string).collect();
            write!(f, " vlan={}", tags.join(","))?;
        }
        print_some(f, "state", self.state.and_then(|state| word_of(&STATES, state)))?;
        print_unless(f, "origin", Sender::Socket, self.sender, |s| word_of(&SENDERS, s).unwrap_or(""))?;
        print_unless(f, "mark", 0, self.mark, |mark| format!("{mark:#x}"))?;
        print_unless(f, "ctmark", 0, self.ct_mark, |mark| mark)?;
        print_unless(f, "rate", Rate::Under, self.rate, |rate| word_of(&RATES, rate).unwrap_or(""))
    }
}

fn print_some(f: &mut fmt::Formatter<'_>, key: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {key}={value}"))
}

fn print_unless<T: PartialEq + Copy, D: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    default: T,
    value: T,
    text: impl Fn(T) -> D,
) -> fmt::Result {
    print_some(f, key, (value != default).then(|| text(value)))
}

fn print_ipv4(f: &mut fmt::Formatter<'_>, ip: &Ipv4) -> fmt::Result {
    print_head(f, "icmp", &ip.transport, ip.source.into(), ip.dest.into())?;
    print_unless(f, "payload", 0, ip.payload, |payload| payload)?;
    print_some(f, "frag", word_of(&FRAGMENTS, ip.fragment))
}

fn print_ipv6(f: &mut fmt::Formatter<'_>, ip: &Ipv6) -> fmt::Result {
    print_head(f, "icmpv6", &ip.transport, ip.source.into(), ip.dest.into())?;
    if let Transport::Icmp(icmp) = &ip.transport {
        print_some(f, "target", icmp.nd_target)?;
        print_unless(f, "sll", default_lladdr_len(icmp, ip.source), icmp.source_lladdr_len, |len| len)?;
    }
    print_unless(f, "hoplimit", default_hop_limit(&ip.transport), ip.hop_limit, |limit| limit)?;
    if !ip.extensions.is_empty() {
        let words: Vec<&str> = ip.extensions.iter().filter_map(|&e| word_of(&EXTENSIONS, e)).collect();
        write!(f, " ext={}", words.join(","))?;
    }
    print_some(f, "frag", word_of(&FRAGMENTS, ip.fragment))?;
    print_unless(f, "payload", 0, ip.payload, |payload| payload)?;
    print_some(f, "ip6len", ip.length)
}

/// Protocol, addresses, ports, and what only the transport knows.
fn print_head(
    f: &mut fmt::Formatter<'_>,
    icmp: &str,
    transport: &Transport,
    source: IpAddr,
    dest: IpAddr,
) -> fmt::Result {
    if let Some((protocol, ports)) = transport.ports() {
        let (source, dest) = (socket(source, ports.source), socket(dest, ports.dest));
        write!(f, "{} {source} > {dest}", protocol.as_str())?;
    }
    match transport {
        Transport::Tcp(_, flags) => print_unless(f, "flags", TcpFlags::SYN, *flags, flag_words),
        Transport::Udp(_) | Transport::Udplite(_) | Transport::Dccp(_) | Transport::Sctp(_) => Ok(()),
        Transport::Igmp => write!(f, "igmp {source} > {dest}"),
        Transport::Other(number) => write!(f, "{number} {source} > {dest}"),
        Transport::Icmp(message) => {
            write!(f, "{icmp} {source} > {dest} type={}", message.kind)?;
            print_unless(f, "code", 0, message.code, |code| code)?;
            print_some(f, "inner", message.inner.map(quoted_text))
        }
    }
}

fn socket(address: IpAddr, port: u16) -> std::net::SocketAddr {
    (address, port).into()
}

fn flag_words(flags: TcpFlags) -> String {
    let named = TcpFlags::NAMES.iter().enumerate().filter(|(bit, _)| flags.0 & (1 << bit) != 0);
    let words: Vec<&str> = named.map(|(_, name)| *name).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(",") }
}

fn quoted_text(quoted: Quoted) -> String {
    let protocol = word_of(&PROTOCOLS, quoted.protocol).map_or(quoted.protocol.to_string(), str::to_owned);
    match quoted.ports {
        Some(ports) => {
            let (source, dest) = (socket(quoted.source, ports.source), socket(quoted.dest, ports.dest));
            format!("{protocol},{source},{dest}")
        }
        None => format!("{protocol},{},{}", quoted.source, quoted.dest),
    }
}

fn print_arp(f: &mut fmt::Formatter<'_>, arp: &Arp) -> fmt::Result {
    let plain = Arp::request(arp.sender_ip, arp.target_ip);
    write!(f, "arp {} > {} op=", arp.sender_ip, arp.target_ip)?;
    match word_of(&OPERATIONS, arp.operation) {
        Some(word) => f.write_str(word)?,
        None => write!(f, "{}", arp.operation)?,
    }
    print_some(f, "sha", arp.sender_mac)?;
    print_unless(f, "tha", plain.target_mac, arp.target_mac, |mac| mac)?;
    print_unless(f, "htype", plain.hardware_type, arp.hardware_type, |n| n)?;
    print_unless(f, "ptype", plain.protocol_type, arp.protocol_type, |n| format!("{n:#06x}"))?;
    print_unless(f, "hlen", plain.hardware_len, arp.hardware_len, |n| n)?;
    print_unless(f, "plen", plain.protocol_len, arp.protocol_len, |n| n)
}
