//! Transport protocols that have ports, and lists of ports.

use std::cmp::Ordering;
use std::sync::Arc;

/// IP protocols with ports, as nft(8) names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortProtocol {
    /// 6
    Tcp,
    /// 17
    Udp,
    /// 136
    Udplite,
    /// 33
    Dccp,
    /// 132
    Sctp,
}

impl PortProtocol {
    /// All of them.
    pub const ALL: [PortProtocol; 5] =
        [PortProtocol::Tcp, PortProtocol::Udp, PortProtocol::Udplite, PortProtocol::Dccp, PortProtocol::Sctp];

    /// IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            PortProtocol::Tcp => 6,
            PortProtocol::Udp => 17,
            PortProtocol::Udplite => 136,
            PortProtocol::Dccp => 33,
            PortProtocol::Sctp => 132,
        }
    }

    /// The word of nft(8) and `/etc/protocols`.
    pub fn as_str(self) -> &'static str {
        match self {
            PortProtocol::Tcp => "tcp",
            PortProtocol::Udp => "udp",
            PortProtocol::Udplite => "udplite",
            PortProtocol::Dccp => "dccp",
            PortProtocol::Sctp => "sctp",
        }
    }
}

/// Ports from `first` to `last`, both included; `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

/// A list of ports: sorted, disjoint, adjacent ranges joined; empty means "any port".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PortList(Ranges);

/// Nearly all lists have one range or none: those need no memory of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
enum Ranges {
    #[default]
    None,
    One(PortRange),
    /// Two or more.
    Many(Arc<[PortRange]>),
}

impl PortList {
    /// Joins ranges in any order into a list.
    pub fn new(ranges: &[PortRange]) -> PortList {
        match ranges {
            [] => PortList(Ranges::None),
            [range] => PortList(Ranges::One(*range)),
            ranges => PortList::joined(ranges.to_vec()),
        }
    }

    fn joined(mut ranges: Vec<PortRange>) -> PortList {
        ranges.sort_unstable();
        let mut joined: Vec<PortRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if u32::from(range.first) <= u32::from(last.last) + 1 => {
                    last.last = last.last.max(range.last);
                }
                _ => joined.push(range),
            }
        }
        PortList(match joined[..] {
            [range] => Ranges::One(range),
            _ => Ranges::Many(joined.into()),
        })
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[PortRange] {
        match &self.0 {
            Ranges::None => &[],
            Ranges::One(range) => std::slice::from_ref(range),
            Ranges::Many(ranges) => ranges,
        }
    }

    /// No restriction.
    pub fn is_any(&self) -> bool {
        matches!(self.0, Ranges::None)
    }
}

impl Ord for PortList {
    fn cmp(&self, other: &PortList) -> Ordering {
        self.ranges().cmp(other.ranges())
    }
}

impl PartialOrd for PortList {
    fn partial_cmp(&self, other: &PortList) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
