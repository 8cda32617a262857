//! A reader of NFLOG group 0 as the firewall's logger is one: messages to the lines of its log file.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::netlink::Logged;

const ETH_P_ARP: u16 = 0x0806;

/// `VMID LEVEL CHAIN TIME MESSAGE` and the packet's fields, with `time` for the time of day. A prefix of another form
/// belongs to nobody: VMID 0, level 6, chain `-`.
pub fn line(logged: &Logged, time: &str) -> String {
    let (vmid, level, chain, message) = head(&logged.prefix).unwrap_or(("0", "6", "-", &logged.prefix));
    let mut line = format!("{vmid} {level} {chain} {time} {message}");
    for (key, idx) in ["IN", "OUT", "PHYSIN", "PHYSOUT"].into_iter().zip(logged.devices) {
        if idx != 0 {
            let name = nix::net::if_::if_indextoname(idx);
            let name = name.map_or_else(|_| idx.to_string(), |name| name.to_string_lossy().into_owned());
            let _ = write!(line, "{key}={name} ");
        }
    }
    if !logged.link_header.is_empty() {
        let _ = write!(line, "MAC={} ", colons(&logged.link_header));
    }
    let fields = match (logged.protocol, logged.packet.first().map(|byte| byte >> 4)) {
        (ETH_P_ARP, _) => arp(&logged.packet),
        (_, Some(4)) => ipv4(&logged.packet),
        (_, Some(6)) => ipv6(&logged.packet),
        _ => None,
    };
    line.push_str(&fields.unwrap_or_default());
    if logged.mark != 0 {
        let _ = write!(line, "mark={}", logged.mark);
    }
    line
}

/// `:VMID:LEVEL:CHAIN: MESSAGE`
fn head(prefix: &str) -> Option<(&str, &str, &str, &str)> {
    let (vmid, rest) = prefix.strip_prefix(':')?.split_once(':')?;
    let (level, rest) = rest.split_once(':')?;
    let (chain, message) = rest.split_once(": ")?;
    let is_vmid = !vmid.is_empty() && vmid.bytes().all(|byte| byte.is_ascii_digit());
    let is_level = matches!(level.as_bytes(), [b'0'..=b'7']);
    let is_chain = (1..=28).contains(&chain.len()) && !chain.contains([':', ' ']);
    (is_vmid && is_level && is_chain).then_some((vmid, level, chain, message))
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(short(bytes, at)?) << 16 | u32::from(short(bytes, at + 2)?))
}

fn ipv4(packet: &[u8]) -> Option<String> {
    let address = |at: usize| long(packet, at).map(Ipv4Addr::from);
    let tos = packet.get(1)?;
    let mut fields = format!(
        "SRC={} DST={} LEN={} TOS=0x{:02X} PREC=0x{:02X} TTL={} ID={} ",
        address(12)?,
        address(16)?,
        short(packet, 2)?,
        tos & 0x1e,
        tos & 0xe0,
        packet.get(8)?,
        short(packet, 4)?
    );
    let offset = short(packet, 6)?;
    if offset & 0x1fff != 0 {
        let _ = write!(fields, "FRAG={} ", offset & 0x1fff);
        return Some(fields);
    }
    for (bit, word) in [(0x4000, "DF "), (0x2000, "MF ")] {
        if offset & bit != 0 {
            fields.push_str(word);
        }
    }
    let body = packet.get(usize::from(packet[0] & 0xf) * 4..)?;
    Some(fields + &transport(*packet.get(9)?, body)?)
}

fn ipv6(packet: &[u8]) -> Option<String> {
    let address = |at: usize| {
        let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(bytes))
    };
    let first = long(packet, 0)?;
    let fields = format!(
        "SRC={} DST={} LEN={} TC={} FLOWLBL={} HOPLIMIT={} ",
        address(8)?,
        address(24)?,
        short(packet, 4)?,
        first >> 20 & 0xff,
        first & 0xf_ffff,
        packet.get(7)?
    );
    Some(fields + &transport(*packet.get(6)?, packet.get(40..)?)?)
}

fn transport(protocol: u8, body: &[u8]) -> Option<String> {
    let ports = || Some(format!("SPT={} DPT={} ", short(body, 0)?, short(body, 2)?));
    let message = || Some(format!("TYPE={} CODE={} ", body.first()?, body.get(1)?));
    Some(match protocol {
        6 => {
            let numbers =
                format!("SEQ={} ACK={} WINDOW={} ", long(body, 4)?, long(body, 8)?, short(body, 14)?);
            let flags = *body.get(13)?;
            let names = [(5, "URG "), (4, "ACK "), (3, "PSH "), (2, "RST "), (1, "SYN "), (0, "FIN ")];
            let set = names.into_iter().filter(|(bit, _)| flags >> bit & 1 == 1);
            format!("PROTO=TCP {}{numbers}{}", ports()?, set.map(|(_, name)| name).collect::<String>())
        }
        17 => format!("PROTO=UDP {}LEN={}", ports()?, short(body, 4)?),
        1 => {
            let is_query = matches!(body.first()?, 0 | 8);
            let ids = format!("ID={} SEQ={} ", short(body, 4)?, short(body, 6)?);
            format!("PROTO=ICMP {}{}", message()?, if is_query { ids } else { String::new() })
        }
        58 => {
            let is_query = matches!(body.first()?, 128 | 129);
            let ids = format!("ID={} SEQ={} ", short(body, 4)?, short(body, 6)?);
            format!("PROTO=ICMPV6 {}{}", message()?, if is_query { ids } else { String::new() })
        }
        2 => "PROTO=IGMP ".to_owned(),
        132 => format!("PROTO=SCTP {}", ports()?),
        other => format!("PROTO={other} "),
    })
}

fn arp(packet: &[u8]) -> Option<String> {
    let (from, to) = (Ipv4Addr::from(long(packet, 14)?), Ipv4Addr::from(long(packet, 24)?));
    let operation = match short(packet, 6)? {
        1 => "REQUEST".to_owned(),
        2 => format!("REPLY MAC={}", colons(packet.get(8..14)?)),
        other => format!("CODE={other}"),
    };
    Some(format!("SRC={from} DST={to} PROTO=ARP {operation} "))
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn a_prefix_is_of_one_form() {
        assert_eq!(
            head(":100:6:guest-100-in: policy DROP: "),
            Some(("100", "6", "guest-100-in", "policy DROP: "))
        );
        for other in ["DROP: ", ":x:6:c: DROP: ", ":1:8:c: DROP: ", ":1:6:: DROP: ", ":1:6:c", ":1:66:c: D: "]
        {
            assert_eq!(head(other), None, "{other}");
        }
        let long = format!(":1:6:{}: D: ", "c".repeat(29));
        assert_eq!(head(&long), None);
    }
}
