//! The one-line form of a packet: the words that parser and printer share.

mod parse;
mod print;

use std::net::Ipv6Addr;

pub use parse::InvalidPacket;

use super::{Extension, Fragment, Icmp, Rate, Sender, State, Transport};

const STATES: [(&str, State); 5] = [
    ("new", State::New),
    ("established", State::Established),
    ("related", State::Related),
    ("invalid", State::Invalid),
    ("untracked", State::Untracked),
];
const FRAGMENTS: [(&str, Fragment); 2] = [("first", Fragment::First), ("later", Fragment::Later)];
const SENDERS: [(&str, Sender); 2] = [("socket", Sender::Socket), ("packet-socket", Sender::PacketSocket)];
const RATES: [(&str, Rate); 3] = [("under", Rate::Under), ("over", Rate::Over), ("unknown", Rate::Unknown)];
const OPERATIONS: [(&str, u16); 2] = [("request", 1), ("reply", 2)];
const EXTENSIONS: [(&str, Extension); 3] =
    [("hopopts", Extension::HopByHop), ("routing", Extension::Routing), ("dstopts", Extension::Destination)];
const PROTOCOLS: [(&str, u8); 8] = [
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("dccp", 33),
    ("sctp", 132),
    ("icmp", 1),
    ("icmpv6", 58),
    ("igmp", 2),
];

fn word_of<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == value).map(|(word, _)| *word)
}

fn value_of<T: Copy>(table: &[(&'static str, T)], word: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

/// Neighbour discovery is only valid with 255 (RFC 4861, 7.1.1).
fn default_hop_limit(transport: &Transport) -> u8 {
    let is_nd = matches!(transport, Transport::Icmp(Icmp { kind: 133..=137, .. }));
    if is_nd { 255 } else { 64 }
}

/// Solicitations carry the option unless their source is unspecified (RFC 4861, 4.1 and 4.3).
fn default_lladdr_len(icmp: &Icmp, source: Ipv6Addr) -> u8 {
    if matches!(icmp.kind, 133 | 135) && !source.is_unspecified() { 8 } else { 0 }
}
