//! Whether one rule decides everything that another one matches. Where that is not certain, the answer is no.

use crate::model::address::{Family, IpInterval, join};
use crate::model::icmp::IcmpMatch;
use crate::model::port::PortList;
use crate::model::rule::Transport;
use crate::resolve::{Addresses, Ipsets, MatchRule, Variant};

/// Whether `earlier` matches all that `later` does, on a device that both are for.
pub(super) fn covers(earlier: &MatchRule, later: &MatchRule, ipsets: &Ipsets) -> bool {
    // A device's own name in both, or none in the earlier one.
    let same_interface = earlier.iface.is_none() || earlier.iface == later.iface;
    same_interface
        && later.variants.iter().all(|variant| {
            families(later, variant).all(|family| {
                let meets = earlier.variants.iter().any(|wide| {
                    wide.family.is_none_or(|wide| wide == family)
                        && transport_covers(&wide.transport, &variant.transport)
                });
                meets
                    && addresses_cover(&earlier.source, &later.source, family, ipsets)
                    && addresses_cover(&earlier.dest, &later.dest, family, ipsets)
            })
        })
}

/// The families in which a rule can match packets: an empty set has none.
pub(super) fn families(rule: &MatchRule, variant: &Variant) -> impl Iterator<Item = Family> {
    let asked = Family::BOTH.into_iter().filter(|family| variant.family.is_none_or(|only| only == *family));
    asked.filter(|family| rule.source.has(*family) && rule.dest.has(*family))
}

/// The addresses of one family; `None`: any.
fn members<'a>(addresses: &'a Addresses, family: Family, ipsets: &'a Ipsets) -> Option<&'a [IpInterval]> {
    match addresses {
        Addresses::Any => None,
        Addresses::Literal(_) | Addresses::Own(_) => addresses.listed(family),
        Addresses::Shared(set) => Some(ipsets.get(&set.name).map_or(&[], |ipset| ipset.of(family))),
    }
}

fn addresses_cover(wide: &Addresses, narrow: &Addresses, family: Family, ipsets: &Ipsets) -> bool {
    match (members(wide, family, ipsets), members(narrow, family, ipsets)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => {
            let wide = join(wide.to_vec());
            let inside =
                |one: &IpInterval| wide.iter().any(|wide| wide.first <= one.first && one.last <= wide.last);
            narrow.iter().all(inside)
        }
    }
}

fn transport_covers(wide: &Transport, narrow: &Transport) -> bool {
    match (wide, narrow) {
        (Transport::Any, _) => true,
        (
            Transport::Ports { protocol: p, sport: s, dport: d },
            Transport::Ports { protocol: q, sport: t, dport: e },
        ) => p == q && ports_cover(s, t) && ports_cover(d, e),
        (Transport::Icmp(wide), Transport::Icmp(narrow))
        | (Transport::Icmpv6(wide), Transport::Icmpv6(narrow)) => icmp_covers(*wide, *narrow),
        (Transport::Other(p), Transport::Other(q)) => p == q,
        (Transport::Ports { .. } | Transport::Icmp(_) | Transport::Icmpv6(_) | Transport::Other(_), _) => {
            false
        }
    }
}

/// Lists are disjoint, adjacent ranges joined.
fn ports_cover(wide: &PortList, narrow: &PortList) -> bool {
    let inside = |first, last| wide.ranges().iter().any(|wide| wide.first <= first && last <= wide.last);
    wide.is_any() || (!narrow.is_any() && narrow.ranges().iter().all(|range| inside(range.first, range.last)))
}

fn icmp_covers(wide: IcmpMatch, narrow: IcmpMatch) -> bool {
    match (wide, narrow) {
        (IcmpMatch::Any, _) => true,
        (IcmpMatch::Type(wide), IcmpMatch::Type(narrow) | IcmpMatch::TypeCode(narrow, _)) => wide == narrow,
        (IcmpMatch::TypeCode(..), _) => wide == narrow,
        (IcmpMatch::Type(_), IcmpMatch::Any) => false,
    }
}
