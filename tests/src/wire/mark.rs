//! The mark that each packet of a test carries, and how it is found in what arrives: in the payload, which an ICMP
//! error quotes; in TCP's sequence numbers, which a reset repeats; in the IPv6 flow label, where a message has no room.

use engine::ruleset::RejectWith;

/// Number of a packet within its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u16);

const MAGIC: [u8; 4] = *b"pfw!";
/// The same in an error message of our own, behind what it quotes.
const QUOTING: [u8; 4] = *b"pfw?";
const SIGNATURE: u32 = 0x5000_0000;
const LABEL: u32 = 0xa_0000;

impl Mark {
    /// What stands in a payload.
    pub fn bytes(self) -> Vec<u8> {
        self.behind(MAGIC)
    }

    /// What stands behind the quotation of an error message.
    pub fn quoting(self) -> Vec<u8> {
        self.behind(QUOTING)
    }

    fn behind(self, tag: [u8; 4]) -> Vec<u8> {
        [&tag[..], &[0, 0], &self.0.to_be_bytes()].concat()
    }

    /// As IPv4 identification and echo identifier.
    pub fn short(self) -> u16 {
        self.0
    }

    /// As identification of an IPv6 fragment.
    pub fn long(self) -> u32 {
        SIGNATURE | u32::from(self.0)
    }

    /// As IPv6 flow label.
    pub fn label(self) -> u32 {
        LABEL | u32::from(self.0)
    }

    /// As sequence and acknowledgment number: a reset repeats one of them, plus the segment's length (less than 4096).
    pub fn sequence(self) -> u32 {
        SIGNATURE | u32::from(self.0) << 12
    }
}

/// What was seen of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sight {
    /// The packet, or the piece of it with its beginning.
    Itself,
    /// A later piece.
    Later,
    /// The answer of a firewall.
    Answer(Answered),
}

/// [`RejectWith`], ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answered {
    /// TCP reset
    Reset,
    /// ICMP or ICMPv6 port unreachable
    Port,
    /// ICMP host prohibited
    Host,
    /// ICMPv6 administratively prohibited
    Admin,
}

impl From<RejectWith> for Answered {
    fn from(with: RejectWith) -> Answered {
        match with {
            RejectWith::TcpReset => Answered::Reset,
            RejectWith::PortUnreachable => Answered::Port,
            RejectWith::HostProhibited => Answered::Host,
            RejectWith::AdminProhibited => Answered::Admin,
        }
    }
}

/// What an Ethernet frame shows of which packet. The kernel takes the outer tag off before anybody looks.
pub fn in_frame(frame: &[u8]) -> Option<(Mark, Sight)> {
    let mut at = 12;
    loop {
        match frame.get(at..at + 2)? {
            [0x81, 0x00] | [0x88, 0xa8] => at += 4,
            [0x08, 0x00] | [0x86, 0xdd] => return in_packet(frame.get(at + 2..)?),
            _ => return Some((find(frame, MAGIC)?.0, Sight::Itself)),
        }
    }
}

/// What a packet of this EtherType shows of which packet.
pub fn in_payload(ethertype: u16, packet: &[u8]) -> Option<(Mark, Sight)> {
    match ethertype {
        0x0800 | 0x86dd => in_packet(packet),
        _ => Some((find(packet, MAGIC)?.0, Sight::Itself)),
    }
}

/// What an IP packet shows of which packet.
pub fn in_packet(packet: &[u8]) -> Option<(Mark, Sight)> {
    let (protocol, body, is_later) = if packet.first()? >> 4 == 4 { ipv4(packet)? } else { ipv6(packet)? };
    if is_later {
        return Some((find(body, MAGIC)?.0, Sight::Later));
    }
    if let (1 | 58, Some((mark, _))) = (protocol, find(body, QUOTING)) {
        return Some((mark, Sight::Itself));
    }
    let is_error = matches!((protocol, body.first()), (1, Some(3)) | (58, Some(1)));
    match find(body, MAGIC) {
        // What we send has the mark right behind its header, a quotation behind the quoted header.
        Some((mark, at)) if is_error && at > 8 => {
            let answered = match (protocol, body.get(1)?) {
                (1, 3) | (58, 4) => Answered::Port,
                (1, 10) => Answered::Host,
                (58, 1) => Answered::Admin,
                _ => return None,
            };
            Some((mark, Sight::Answer(answered)))
        }
        // Other messages that quote are the IP stack's own.
        Some((_, at)) if matches!(protocol, 1 | 58) && at > 8 => None,
        Some((mark, _)) => Some((mark, Sight::Itself)),
        None => unmarked(packet, protocol, body),
    }
}

fn unmarked(packet: &[u8], protocol: u8, body: &[u8]) -> Option<(Mark, Sight)> {
    if protocol == 6 && body.get(13)? & 0x04 != 0 {
        let numbers = [number(body, 8)?, number(body, 4)?];
        let signed = numbers.into_iter().find(|number| number & 0xf000_0000 == SIGNATURE)?;
        let mark = u16::try_from(signed >> 12 & 0xffff).ok()?;
        return Some((Mark(mark), Sight::Answer(Answered::Reset)));
    }
    let label = number(packet, 0)? & 0xf_ffff;
    let discovery = protocol == 58 && matches!(body.first()?, 133..=137) && label & 0xf_0000 == LABEL;
    discovery.then(|| (Mark(u16::try_from(label & 0xffff).unwrap_or(0)), Sight::Itself))
}

/// Protocol, what follows the headers of the packet, and whether it is a later piece.
fn ipv4(packet: &[u8]) -> Option<(u8, &[u8], bool)> {
    let offset = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
    let header = usize::from(packet[0] & 0xf) * 4;
    Some((*packet.get(9)?, packet.get(header..)?, offset != 0))
}

fn ipv6(packet: &[u8]) -> Option<(u8, &[u8], bool)> {
    let (mut next, mut at, mut is_later) = (*packet.get(6)?, 40, false);
    while matches!(next, 0 | 43 | 44 | 60) && !is_later {
        let length = if next == 44 { 0 } else { *packet.get(at + 1)? };
        if next == 44 {
            is_later = u16::from_be_bytes([*packet.get(at + 2)?, *packet.get(at + 3)?]) & 0xfff8 != 0;
        }
        next = *packet.get(at)?;
        at += 8 + 8 * usize::from(length);
    }
    Some((next, packet.get(at..)?, is_later))
}

fn find(bytes: &[u8], tag: [u8; 4]) -> Option<(Mark, usize)> {
    let at = bytes.windows(8).position(|window| window[..4] == tag && window[4..6] == [0, 0])?;
    Some((Mark(u16::from_be_bytes([bytes[at + 6], bytes[at + 7]])), at))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
