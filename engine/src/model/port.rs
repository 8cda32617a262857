//! Transport protocols that have ports, and lists of ports.

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
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortList(Vec<PortRange>);

impl PortList {
    /// Joins ranges in any order into a list.
    pub fn new(mut ranges: Vec<PortRange>) -> PortList {
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
        PortList(joined)
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[PortRange] {
        &self.0
    }

    /// No restriction.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }
}
