//! ICMP and ICMPv6 types and codes (RFC 792, RFC 4443; IANA registries).

/// What a rule asks of an ICMP message; the family is the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IcmpMatch {
    /// Every message.
    Any,
    /// Every code of a type.
    Type(u8),
    /// One code of a type.
    TypeCode(u8, u8),
}
