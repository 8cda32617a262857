//! Addresses, networks, ranges and hardware addresses: one family each, one parser each.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// Bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The highest address as a number.
    pub fn max(self) -> u128 {
        match self {
            Family::V4 => u128::from(u32::MAX),
            Family::V6 => u128::MAX,
        }
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidAddress;

/// An address as a number, in the order of its bytes on the wire.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of a number; bits beyond the family's are ignored.
pub fn from_number(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits((number & u128::from(u32::MAX)) as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// An address or network; host bits are masked off. `10.0.0.5/24` parses to `10.0.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    family: Family,
    network: u128,
    prefix: u8,
}

impl Cidr {
    /// The network of `prefix` bits that contains `address`; `None` if the family has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Cidr> {
        let family = Family::of(address);
        (prefix <= family.bits()).then(|| {
            let host = host_mask(family, prefix);
            Cidr { family, network: number(address) & !host, prefix }
        })
    }

    /// The network of one address.
    pub fn host(address: IpAddr) -> Cidr {
        let family = Family::of(address);
        Cidr { family, network: number(address), prefix: family.bits() }
    }

    /// Its family.
    pub fn family(self) -> Family {
        self.family
    }

    /// Its prefix length.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Its first and last address.
    pub fn interval(self) -> IpInterval {
        let last = self.network | host_mask(self.family, self.prefix);
        IpInterval { family: self.family, first: self.network, last }
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        from_number(self.family, self.network)
    }

    /// Whether `address` is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        Family::of(address) == self.family && self.interval().contains(number(address))
    }
}

fn host_mask(family: Family, prefix: u8) -> u128 {
    match family.bits() - prefix {
        128 => u128::MAX,
        host_bits => (1 << host_bits) - 1,
    }
}

impl FromStr for Cidr {
    type Err = InvalidAddress;

    /// Dotted quad without leading zeros or RFC 4291 text, optionally `/prefix` in decimal.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidAddress)?;
        let Some(prefix) = prefix else { return Ok(Cidr::host(address)) };
        if prefix.is_empty() || prefix.len() > 3 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidAddress);
        }
        Cidr::new(address, prefix.parse().map_err(|_| InvalidAddress)?).ok_or(InvalidAddress)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)?;
        if self.prefix == self.family.bits() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// Addresses of one family from `first` to `last`, as numbers, both included; `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpInterval {
    /// Family of both ends.
    pub family: Family,
    /// Lowest address.
    pub first: u128,
    /// Highest address.
    pub last: u128,
}

impl IpInterval {
    /// Whether the number lies inside.
    pub fn contains(self, number: u128) -> bool {
        self.first <= number && number <= self.last
    }
}

/// Literal addresses of one family: sorted, disjoint, adjacent intervals joined; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressList {
    family: Family,
    intervals: Arc<[IpInterval]>,
}

impl AddressList {
    /// `None` if empty or of two families.
    pub fn new(intervals: Vec<IpInterval>) -> Option<AddressList> {
        let family = intervals.first()?.family;
        if intervals.iter().any(|i| i.family != family) {
            return None;
        }
        Some(AddressList { family, intervals: join(intervals).into() })
    }

    /// A single address, network or range.
    pub fn one(interval: IpInterval) -> AddressList {
        AddressList { family: interval.family, intervals: [interval].into() }
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The intervals, ascending.
    pub fn intervals(&self) -> &Arc<[IpInterval]> {
        &self.intervals
    }
}

/// Sorts intervals and joins those that overlap or touch. Families stay apart.
pub fn join(mut intervals: Vec<IpInterval>) -> Vec<IpInterval> {
    intervals.sort_unstable();
    let mut joined: Vec<IpInterval> = Vec::with_capacity(intervals.len());
    for next in intervals {
        match joined.last_mut() {
            Some(last)
                if last.family == next.family && (next.first <= last.last || next.first - last.last == 1) =>
            {
                last.last = last.last.max(next.last);
            }
            _ => joined.push(next),
        }
    }
    joined
}

/// The addresses that a list of networks holds if the longest matching prefix decides and `nomatch` networks
/// exclude: what a kernel ipset of type `hash:net` answers, as disjoint intervals. Of two entries for one network
/// the first decides.
pub fn longest_prefix(entries: &[(Cidr, bool)]) -> Vec<IpInterval> {
    if entries.iter().all(|(_, nomatch)| !nomatch) {
        return join(entries.iter().map(|(cidr, _)| cidr.interval()).collect());
    }
    // Networks contain each other or are disjoint, so in this order an enclosing one comes first and `open` holds
    // the networks around the current address, the innermost last.
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|(cidr, _)| *cidr);
    sorted.dedup_by_key(|(cidr, _)| *cidr);
    let mut sweep = Sweep::default();
    for (cidr, nomatch) in sorted {
        let interval = cidr.interval();
        sweep.close(|inner| inner.family != interval.family || inner.last < interval.first);
        sweep.open(interval, nomatch);
    }
    sweep.close(|_| true);
    join(sweep.held)
}

/// Walks over nested networks in ascending order.
#[derive(Default)]
struct Sweep {
    open: Vec<(IpInterval, bool)>,
    /// The first address not decided yet; `None` behind the last one of IPv6.
    next: Option<u128>,
    held: Vec<IpInterval>,
}

impl Sweep {
    /// Decides what lies before `interval`, then enters it.
    fn open(&mut self, interval: IpInterval, nomatch: bool) {
        if let Some(before) = interval.first.checked_sub(1) {
            self.decide(before);
        }
        self.open.push((interval, nomatch));
        self.next = Some(interval.first);
    }

    /// Leaves the innermost networks as long as `ended` says so.
    fn close(&mut self, ended: impl Fn(IpInterval) -> bool) {
        while let Some((inner, _)) = self.open.last().copied().filter(|(inner, _)| ended(*inner)) {
            self.decide(inner.last);
            self.open.pop();
            self.next = inner.last.checked_add(1);
        }
    }

    /// The innermost network decides about all addresses up to `last`.
    fn decide(&mut self, last: u128) {
        if let (Some((inner, false)), Some(first)) = (self.open.last(), self.next) {
            if first <= last {
                self.held.push(IpInterval { first, last, ..*inner });
            }
        }
    }
}

/// `held` without the addresses of `hole`.
pub fn subtract(held: Vec<IpInterval>, hole: IpInterval) -> Vec<IpInterval> {
    let mut left = Vec::with_capacity(held.len() + 1);
    for interval in held {
        if interval.family != hole.family || interval.last < hole.first || hole.last < interval.first {
            left.push(interval);
            continue;
        }
        if interval.first < hole.first {
            left.push(IpInterval { last: hole.first - 1, ..interval });
        }
        if hole.last < interval.last {
            left.push(IpInterval { first: hole.last + 1, ..interval });
        }
    }
    left
}

/// An Ethernet address, six pairs of hexadecimal digits with colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// As a number, in the order of its bytes on the wire.
    pub fn number(self) -> u128 {
        self.0.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
    }

    /// The group bit is clear (IEEE 802: an individual address).
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0
    }

    /// The link-local address of the modified EUI-64 (RFC 4291, appendix A).
    pub fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }
}

impl FromStr for Mac {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let mut bytes = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().ok_or(InvalidAddress)?;
            if pair.len() != 2 || !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(InvalidAddress);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidAddress)?;
        }
        if pairs.next().is_some() { Err(InvalidAddress) } else { Ok(Mac(bytes)) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(text: &str) -> IpInterval {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let parse = |t: &str| t.parse::<IpAddr>().expect("test address");
        let (first, last) = (parse(first), parse(last));
        IpInterval { family: Family::of(first), first: number(first), last: number(last) }
    }

    #[test]
    fn longest_prefix_decides() {
        let entry = |t: &str, no| (t.parse::<Cidr>().expect("test network"), no);
        let held = longest_prefix(&[
            entry("10.1.2.0/24", false),
            entry("10.1.0.0/16", true),
            entry("10.0.0.0/8", false),
        ]);
        let expected = [
            interval("10.0.0.0-10.0.255.255"),
            interval("10.1.2.0-10.1.2.255"),
            interval("10.2.0.0-10.255.255.255"),
        ];
        assert_eq!(held, expected);
    }

    /// Against the definition: each address asks for its longest prefix.
    #[test]
    fn longest_prefix_is_what_each_address_finds() {
        let mut state = 7_u32;
        let mut random = |bound: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % bound
        };
        for round in 0..300 {
            // A /24 at either end of the family, and of the other family's if the round is odd.
            let base = if round % 4 < 2 { 0 } else { u32::MAX - 255 };
            let address = |low: u32| match round % 2 {
                0 => IpAddr::V4(Ipv4Addr::from_bits(base | low)),
                _ => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX - u128::from(low))),
            };
            let wide = Family::of(address(0)).bits() - 8;
            let entries: Vec<(Cidr, bool)> = (0..random(9))
                .map(|_| {
                    let prefix = if random(20) == 0 { 0 } else { wide + random(9) as u8 };
                    (Cidr::new(address(random(256)), prefix).expect("fits"), random(2) == 0)
                })
                .collect();
            let held = longest_prefix(&entries);
            for low in 0..256 {
                let around = entries.iter().filter(|(cidr, _)| cidr.contains(address(low)));
                let longest =
                    around.reduce(|best, next| if next.0.prefix > best.0.prefix { next } else { best });
                let expected = longest.is_some_and(|(_, nomatch)| !nomatch);
                let found = held.iter().any(|interval| interval.contains(number(address(low))));
                assert_eq!(found, expected, "{entries:?} {}", address(low));
            }
        }
    }

    #[test]
    fn touching_intervals_join_up_to_the_last_address() {
        let all = join(vec![interval("0.0.0.0-127.255.255.255"), interval("128.0.0.0-255.255.255.255")]);
        assert_eq!(all, [interval("0.0.0.0-255.255.255.255")]);
        let v6 = join(vec![interval("::-::1"), interval("ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]);
        assert_eq!(v6.len(), 2);
    }

    #[test]
    fn cidr_masks_host_bits_and_refuses_what_is_ambiguous() {
        assert_eq!("10.0.0.5/24".parse::<Cidr>().expect("valid").to_string(), "10.0.0.0/24");
        for bad in
            ["10/8", "010.0.0.1", "10.0.0.1/33", "fe80::1%eth0", "10.0.0.1/", "::/129", "10.0.0.1/+8", ""]
        {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn link_local_is_the_modified_eui64() {
        let mac: Mac = "BC:24:11:00:00:01".parse().expect("valid");
        assert_eq!(mac.link_local().to_string(), "fe80::be24:11ff:fe00:1");
    }
}
