//! Names of ICMP and ICMPv6 types and codes that a rule may use: those of the classic firewall (iptables) and
//! those of nft(8). `any` is not a name but the absence of a type.

use crate::model::address::Family;
use crate::model::icmp::IcmpMatch::{self, Type, TypeCode};

/// The type of this name; case matters, but for `any`.
pub fn find(family: Family, name: &str) -> Option<IcmpMatch> {
    if name.eq_ignore_ascii_case("any") {
        return Some(IcmpMatch::Any);
    }
    types(family).iter().find(|(known, _)| *known == name).map(|(_, icmp)| *icmp)
}

/// Whether the name is nft's alone: the classic firewall does not know it.
pub fn is_nft_only(family: Family, name: &str) -> bool {
    match family {
        Family::V4 => matches!(name, "info-request" | "info-reply"),
        Family::V6 => {
            let prefixes = ["mld-", "mld2-", "nd-", "ind-"];
            name == "router-renumbering" || prefixes.into_iter().any(|prefix| name.starts_with(prefix))
        }
    }
}

/// The names of a family.
pub fn types(family: Family) -> &'static [(&'static str, IcmpMatch)] {
    match family {
        Family::V4 => ICMP,
        Family::V6 => ICMPV6,
    }
}

/// ICMP (RFC 792, RFC 950, RFC 1256, RFC 1812).
pub const ICMP: &[(&str, IcmpMatch)] = &[
    ("echo-reply", Type(0)),
    ("destination-unreachable", Type(3)),
    ("network-unreachable", TypeCode(3, 0)),
    ("host-unreachable", TypeCode(3, 1)),
    ("protocol-unreachable", TypeCode(3, 2)),
    ("port-unreachable", TypeCode(3, 3)),
    ("fragmentation-needed", TypeCode(3, 4)),
    ("source-route-failed", TypeCode(3, 5)),
    ("network-unknown", TypeCode(3, 6)),
    ("host-unknown", TypeCode(3, 7)),
    ("network-prohibited", TypeCode(3, 9)),
    ("host-prohibited", TypeCode(3, 10)),
    ("TOS-network-unreachable", TypeCode(3, 11)),
    ("TOS-host-unreachable", TypeCode(3, 12)),
    ("communication-prohibited", TypeCode(3, 13)),
    ("host-precedence-violation", TypeCode(3, 14)),
    ("precedence-cutoff", TypeCode(3, 15)),
    ("source-quench", Type(4)),
    ("redirect", Type(5)),
    ("network-redirect", TypeCode(5, 0)),
    ("host-redirect", TypeCode(5, 1)),
    ("TOS-network-redirect", TypeCode(5, 2)),
    ("TOS-host-redirect", TypeCode(5, 3)),
    ("echo-request", Type(8)),
    ("router-advertisement", Type(9)),
    ("router-solicitation", Type(10)),
    ("time-exceeded", Type(11)),
    ("ttl-zero-during-transit", TypeCode(11, 0)),
    ("ttl-zero-during-reassembly", TypeCode(11, 1)),
    ("parameter-problem", Type(12)),
    ("ip-header-bad", TypeCode(12, 0)),
    ("required-option-missing", TypeCode(12, 1)),
    ("timestamp-request", Type(13)),
    ("timestamp-reply", Type(14)),
    ("address-mask-request", Type(17)),
    ("address-mask-reply", Type(18)),
    ("info-request", Type(15)),
    ("info-reply", Type(16)),
];

/// ICMPv6 (RFC 4443, RFC 4861, RFC 2710, RFC 3810, RFC 2894, RFC 3122).
pub const ICMPV6: &[(&str, IcmpMatch)] = &[
    ("destination-unreachable", Type(1)),
    ("no-route", TypeCode(1, 0)),
    ("communication-prohibited", TypeCode(1, 1)),
    ("beyond-scope", TypeCode(1, 2)),
    ("address-unreachable", TypeCode(1, 3)),
    ("port-unreachable", TypeCode(1, 4)),
    ("failed-policy", TypeCode(1, 5)),
    ("reject-route", TypeCode(1, 6)),
    ("packet-too-big", Type(2)),
    ("time-exceeded", Type(3)),
    ("ttl-zero-during-transit", TypeCode(3, 0)),
    ("ttl-zero-during-reassembly", TypeCode(3, 1)),
    ("parameter-problem", Type(4)),
    ("bad-header", TypeCode(4, 0)),
    ("unknown-header-type", TypeCode(4, 1)),
    ("unknown-option", TypeCode(4, 2)),
    ("echo-request", Type(128)),
    ("echo-reply", Type(129)),
    ("router-solicitation", Type(133)),
    ("router-advertisement", Type(134)),
    ("neighbor-solicitation", Type(135)),
    ("neighbour-solicitation", Type(135)),
    ("neighbor-advertisement", Type(136)),
    ("neighbour-advertisement", Type(136)),
    ("redirect", Type(137)),
    ("mld-listener-query", Type(130)),
    ("mld-listener-report", Type(131)),
    ("mld-listener-done", Type(132)),
    ("mld-listener-reduction", Type(132)),
    ("nd-router-solicit", Type(133)),
    ("nd-router-advert", Type(134)),
    ("nd-neighbor-solicit", Type(135)),
    ("nd-neighbor-advert", Type(136)),
    ("nd-redirect", Type(137)),
    ("router-renumbering", Type(138)),
    ("ind-neighbor-solicit", Type(141)),
    ("ind-neighbor-advert", Type(142)),
    ("mld2-listener-report", Type(143)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_decides_what_a_shared_name_means() {
        let check = |name, v4, v6| {
            assert_eq!((find(Family::V4, name), find(Family::V6, name)), (v4, v6), "{name}");
        };
        check("port-unreachable", Some(TypeCode(3, 3)), Some(TypeCode(1, 4)));
        check("redirect", Some(Type(5)), Some(Type(137)));
        check("reject-route", None, Some(TypeCode(1, 6)));
        check("ANY", Some(IcmpMatch::Any), Some(IcmpMatch::Any));
        check("Echo-Request", None, None);
        check("ping", None, None);
    }

    #[test]
    fn names_that_nft_alone_has() {
        let n_of = |family| types(family).iter().filter(|(name, _)| is_nft_only(family, name)).count();
        assert_eq!((n_of(Family::V4), n_of(Family::V6)), (2, 13));
    }
}
