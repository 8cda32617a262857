//! Damage to bytes, as a crashed editor, a bad cable or an attacker may do it.

use super::Draw;

/// Bytes that mean something to one of the parsers.
const SEEDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\0",
    b"#",
    b"[",
    b"]",
    b"[RULES]\n",
    b"[OPTIONS]\n",
    b"[IPSET x]\n",
    b"[group x]\n",
    b"|",
    b"-",
    b"--",
    b" -p ",
    b",",
    b":",
    b"/",
    b"+",
    b"!",
    b"{",
    b"}",
    b"\"",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3\xa9",
    b"99999999999999999999",
    b"-1",
    b"255.255.255.255",
    b"::",
    b"/128",
    b"=",
    b"\t",
    b"net31: ",
    b"firewall=1",
];

/// Changes `bytes` in one to eight places.
pub fn mutate(draw: &mut Draw, bytes: &mut Vec<u8>) {
    for _ in 0..draw.between(1, 8) {
        let at = draw.below(bytes.len() + 1);
        let end = bytes.len().min(at + draw.between(0, 24));
        match draw.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, draw.pick(SEEDS).iter().copied())),
            3 => {
                let again: Vec<u8> = bytes[at..end].to_vec();
                let to = draw.below(bytes.len() + 1);
                drop(bytes.splice(to..to, again));
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << draw.below(8),
            _ if at < bytes.len() => bytes[at] = draw.bits().to_le_bytes()[0],
            _ => bytes.push(b'\n'),
        }
    }
}
