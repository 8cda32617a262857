//! One line to a packet: `outside host tcp 10.0.0.5:40000 > 192.0.2.1:22 state=new`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{
    EXTENSIONS, FRAGMENTS, OPERATIONS, PROTOCOLS, RATES, SENDERS, STATES, default_hop_limit,
    default_lladdr_len, value_of,
};
use crate::model::address::Mac;
use crate::simulate::packet::{
    Arp, Fragment, Icmp, Ipv4, Ipv6, L3, Packet, Ports, Quoted, TcpFlags, Transport, Zone,
};

/// Why a line is no packet: the word, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPacket {
    /// The word; empty if one is missing.
    pub word: String,
    /// What is wrong, or what is missing.
    pub problem: &'static str,
}

impl fmt::Display for InvalidPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word.as_str() {
            "" => f.write_str(self.problem),
            word => write!(f, "`{word}`: {}", self.problem),
        }
    }
}

impl std::error::Error for InvalidPacket {}

fn invalid(word: &str, problem: &'static str) -> InvalidPacket {
    InvalidPacket { word: word.to_owned(), problem }
}

type Parsed<T> = Result<T, InvalidPacket>;

/// Source port where none is written.
const EPHEMERAL: u16 = 40000;

impl FromStr for Packet {
    type Err = InvalidPacket;

    fn from_str(text: &str) -> Parsed<Packet> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [from, to, protocol, rest @ ..] = words.as_slice() else {
            return Err(invalid(
                "",
                "wanted: <from> <to> <proto> <src>[:sport] > <dst>[:dport] [key=value …]",
            ));
        };
        let zone = |word: &str| Zone::new(word).ok_or_else(|| invalid(word, "not a zone"));
        let (l3, mut keys) = parse_l3(protocol, rest)?;
        let packet = Packet {
            ether_source: keys.mac("smac")?,
            ether_dest: keys.mac("dmac")?,
            vlans: keys.take("vlan", "not a list of VLAN numbers", vlans)?.unwrap_or_default(),
            state: keys.take("state", "not a connection state", |w| value_of(&STATES, w))?,
            sender: keys
                .take("origin", "neither socket nor packet-socket", |w| value_of(&SENDERS, w))?
                .unwrap_or_default(),
            mark: keys.number("mark")?.unwrap_or(0),
            ct_mark: keys.number("ctmark")?.unwrap_or(0),
            rate: keys
                .take("rate", "none of under, over, unknown", |w| value_of(&RATES, w))?
                .unwrap_or_default(),
            ..Packet::new(zone(from)?, zone(to)?, l3)
        };
        keys.end()?;
        Ok(packet)
    }
}

fn vlans(text: &str) -> Option<Vec<u16>> {
    list_of(text, |tag| number(tag).filter(|&tag| tag < 4096).and_then(|tag| u16::try_from(tag).ok()))
}

fn parse_l3<'t>(protocol: &'t str, rest: &[&'t str]) -> Parsed<(L3, Keys<'t>)> {
    if protocol == "other" {
        let [ethertype, keys @ ..] = rest else {
            return Err(invalid(protocol, "wants an EtherType behind it"));
        };
        let parsed = number(ethertype).and_then(|n| u16::try_from(n).ok());
        let parsed = parsed.ok_or_else(|| invalid(ethertype, "not an EtherType"))?;
        return Ok((L3::Other(parsed), Keys::parse(keys)?));
    }
    let [source, ">", dest, keys @ ..] = rest else {
        return Err(invalid(protocol, "wants `<src> > <dst>` behind it"));
    };
    let mut keys = Keys::parse(keys)?;
    let (from, to) = (endpoint(source)?, endpoint(dest)?);
    let l3 = match (protocol, from.0, to.0) {
        ("arp", IpAddr::V4(sender), IpAddr::V4(target)) => L3::Arp(parse_arp(sender, target, &mut keys)?),
        ("arp", ..) => return Err(invalid(source, "ARP is about IPv4 addresses")),
        (_, IpAddr::V4(source), IpAddr::V4(dest)) => {
            let transport = parse_transport(protocol, 1, from.1, to.1, &mut keys)?;
            let payload = keys.number("payload")?.unwrap_or(0);
            let fragment = parse_fragment(&mut keys)?;
            L3::Ipv4(Ipv4 { source, dest, fragment, payload, transport })
        }
        (_, IpAddr::V6(source), IpAddr::V6(dest)) => {
            let transport = parse_transport(protocol, 58, from.1, to.1, &mut keys)?;
            L3::Ipv6(parse_ipv6(source, dest, transport, &mut keys)?)
        }
        _ => return Err(invalid(dest, "not of the family of the source")),
    };
    Ok((l3, keys))
}

fn parse_fragment(keys: &mut Keys<'_>) -> Parsed<Fragment> {
    let fragment = keys.take("frag", "neither first nor later", |w| value_of(&FRAGMENTS, w))?;
    Ok(fragment.unwrap_or_default())
}

fn parse_ipv6(
    source: Ipv6Addr,
    dest: Ipv6Addr,
    mut transport: Transport,
    keys: &mut Keys<'_>,
) -> Parsed<Ipv6> {
    if let Transport::Icmp(icmp) = &mut transport {
        icmp.nd_target = keys.take("target", "not an IPv6 address", |w| w.parse().ok())?;
        icmp.source_lladdr_len = keys.number("sll")?.unwrap_or(default_lladdr_len(icmp, source));
    }
    Ok(Ipv6 {
        source,
        dest,
        hop_limit: keys.number("hoplimit")?.unwrap_or(default_hop_limit(&transport)),
        extensions: keys
            .take("ext", "not a list of hopopts, routing, dstopts", |text| {
                list_of(text, |w| value_of(&EXTENSIONS, w))
            })?
            .unwrap_or_default(),
        fragment: parse_fragment(keys)?,
        payload: keys.number("payload")?.unwrap_or(0),
        length: keys.number("ip6len")?,
        transport,
    })
}

fn parse_arp(sender_ip: Ipv4Addr, target_ip: Ipv4Addr, keys: &mut Keys<'_>) -> Parsed<Arp> {
    let plain = Arp::request(sender_ip, target_ip);
    let operation = |w: &str| value_of(&OPERATIONS, w).or_else(|| u16::try_from(number(w)?).ok());
    Ok(Arp {
        operation: keys.take("op", "neither request nor reply nor a number", operation)?.unwrap_or(1),
        hardware_type: keys.number("htype")?.unwrap_or(plain.hardware_type),
        protocol_type: keys.number("ptype")?.unwrap_or(plain.protocol_type),
        hardware_len: keys.number("hlen")?.unwrap_or(plain.hardware_len),
        protocol_len: keys.number("plen")?.unwrap_or(plain.protocol_len),
        sender_mac: keys.mac("sha")?,
        target_mac: keys.mac("tha")?.unwrap_or(plain.target_mac),
        ..plain
    })
}

/// `icmp` is the number of the family's own ICMP.
fn parse_transport(
    word: &str,
    icmp: u8,
    sport: Option<u16>,
    dport: Option<u16>,
    keys: &mut Keys<'_>,
) -> Parsed<Transport> {
    let protocol = value_of(&PROTOCOLS, word).or_else(|| u8::try_from(number(word)?).ok());
    let protocol = protocol.ok_or_else(|| invalid(word, "not a protocol"))?;
    let has_ports = matches!(protocol, 6 | 17 | 33 | 132 | 136);
    if !has_ports && (sport.is_some() || dport.is_some()) {
        return Err(invalid(word, "this protocol has no ports"));
    }
    let ports = Ports { source: sport.unwrap_or(EPHEMERAL), dest: dport.unwrap_or(0) };
    if has_ports && dport.is_none() {
        return Err(invalid(word, "wants a destination port"));
    }
    Ok(match protocol {
        6 => Transport::Tcp(ports, keys.take("flags", "not TCP flags", tcp_flags)?.unwrap_or(TcpFlags::SYN)),
        17 => Transport::Udp(ports),
        136 => Transport::Udplite(ports),
        33 => Transport::Dccp(ports),
        132 => Transport::Sctp(ports),
        2 => Transport::Igmp,
        1 | 58 if protocol == icmp => {
            let echo = if icmp == 1 { 8 } else { 128 };
            Transport::Icmp(Icmp {
                inner: keys.take("inner", "wanted: <proto>,<src>[:sport],<dst>[:dport]", quoted)?,
                ..Icmp::new(keys.number("type")?.unwrap_or(echo), keys.number("code")?.unwrap_or(0))
            })
        }
        1 | 58 => return Err(invalid(word, "not of the family of the addresses")),
        other => Transport::Other(other),
    })
}

fn tcp_flags(text: &str) -> Option<TcpFlags> {
    if text == "none" {
        return Some(TcpFlags(0));
    }
    let bit = |word: &str| TcpFlags::NAMES.iter().position(|name| *name == word).map(|bit| 1 << bit);
    list_of(text, bit).map(|bits| TcpFlags(bits.into_iter().fold(0, |all: u8, bit: u8| all | bit)))
}

fn quoted(text: &str) -> Option<Quoted> {
    let [protocol, source, dest] = text.split(',').collect::<Vec<_>>().try_into().ok()?;
    let (source, sport) = endpoint(source).ok()?;
    let (dest, dport) = endpoint(dest).ok()?;
    let ports = match (sport, dport) {
        (Some(source), Some(dest)) => Some(Ports { source, dest }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return None,
    };
    let protocol = value_of(&PROTOCOLS, protocol).or_else(|| u8::try_from(number(protocol)?).ok())?;
    Some(Quoted { protocol, source, dest, ports })
}

/// `192.0.2.1`, `192.0.2.1:80`, `fe80::1`, `[fe80::1]`, `[fe80::1]:80`.
fn endpoint(text: &str) -> Parsed<(IpAddr, Option<u16>)> {
    let bad = || invalid(text, "not an address, or an address and a port");
    if let Ok(address) = text.parse() {
        return Ok((address, None));
    }
    let (address, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (IpAddr::V6(address.parse().map_err(|_| bad())?), port),
        None => {
            let colon = text.find(':').ok_or_else(bad)?;
            let (address, port) = text.split_at(colon);
            (IpAddr::V4(address.parse().map_err(|_| bad())?), port)
        }
    };
    if port.is_empty() {
        return Ok((address, None));
    }
    let port = port.strip_prefix(':').and_then(number).and_then(|port| u16::try_from(port).ok());
    Ok((address, Some(port.ok_or_else(bad)?)))
}

/// The `key=value` words; what nobody took is unknown.
struct Keys<'t>(Vec<(&'t str, &'t str, &'t str)>);

impl<'t> Keys<'t> {
    fn parse(words: &[&'t str]) -> Parsed<Keys<'t>> {
        let mut keys: Vec<(&str, &str, &str)> = Vec::with_capacity(words.len());
        for word in words {
            let (key, value) =
                word.split_once('=').ok_or_else(|| invalid(word, "not of the form key=value"))?;
            if keys.iter().any(|(known, ..)| *known == key) {
                return Err(invalid(word, "this key occurs twice"));
            }
            keys.push((key, value, word));
        }
        Ok(Keys(keys))
    }

    fn take<T>(
        &mut self,
        key: &str,
        problem: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Parsed<Option<T>> {
        let Some(at) = self.0.iter().position(|(known, ..)| *known == key) else { return Ok(None) };
        let (_, value, word) = self.0.remove(at);
        parse(value).map(Some).ok_or_else(|| invalid(word, problem))
    }

    fn mac(&mut self, key: &str) -> Parsed<Option<Mac>> {
        self.take(key, "not a hardware address", |value| value.parse().ok())
    }

    fn number<T: TryFrom<u64>>(&mut self, key: &str) -> Parsed<Option<T>> {
        self.take(key, "not a number in range", |value| T::try_from(number(value)?).ok())
    }

    fn end(self) -> Parsed<()> {
        let unknown = "no such key for this kind of packet";
        self.0.first().map_or(Ok(()), |(_, _, word)| Err(invalid(word, unknown)))
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok(),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Some(_) | None => None,
    }
}

fn list_of<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(item).collect()
}
