//! Whether two rules can match the same packet: what the reject pass may leave out.
//!
//! `false` is certain, `true` is not: interfaces, ICMP types and what addresses say about each other are not looked
//! at, nor is what shared sets hold: members come and go, and no chain shall change with them.

use crate::model::address::{Family, IpInterval};
use crate::model::port::PortList;
use crate::model::rule::Transport;
use crate::resolve::{Addresses, MatchRule, Variant};

/// Whether some packet may match both.
pub(super) fn overlap(a: &MatchRule, b: &MatchRule) -> bool {
    Family::BOTH.into_iter().any(|family| {
        addresses(&a.source, &b.source, family)
            && addresses(&a.dest, &b.dest, family)
            && variants(&a.variants, &b.variants, family)
    })
}

fn variants(a: &[Variant], b: &[Variant], family: Family) -> bool {
    let of_family = |variant: &&Variant| variant.family.is_none_or(|own| own == family);
    a.iter()
        .filter(of_family)
        .any(|one| b.iter().filter(of_family).any(|other| transports(&one.transport, &other.transport)))
}

fn transports(a: &Transport, b: &Transport) -> bool {
    let (Some(number), Some(other)) = (protocol(a), protocol(b)) else { return true };
    if number != other {
        return false;
    }
    match (a, b) {
        (Transport::Ports { sport: s, dport: d, .. }, Transport::Ports { sport: t, dport: e, .. }) => {
            ports(s, t) && ports(d, e)
        }
        _ => true,
    }
}

/// `None`: any protocol.
fn protocol(transport: &Transport) -> Option<u8> {
    match transport {
        Transport::Any => None,
        Transport::Ports { protocol, .. } => Some(protocol.number()),
        Transport::Icmp(_) => Some(1),
        Transport::Icmpv6(_) => Some(58),
        Transport::Other(number) => Some(*number),
    }
}

fn ports(a: &PortList, b: &PortList) -> bool {
    let bounds = |list: &PortList, index: usize| list.ranges().get(index).map(|r| (r.first, r.last));
    a.is_any() || b.is_any() || meet(|index| bounds(a, index), |index| bounds(b, index))
}

fn addresses(a: &Addresses, b: &Addresses, family: Family) -> bool {
    let bounds = |list: &[IpInterval], index: usize| list.get(index).map(|i| (i.first, i.last));
    match (a.listed(family), b.listed(family)) {
        (Some(a), Some(b)) => meet(|index| bounds(a, index), |index| bounds(b, index)),
        (Some(_) | None, None) | (None, Some(_)) => a.has(family) && b.has(family),
    }
}

/// Whether two ascending lists of disjoint ranges have a member in common.
fn meet<T: Ord>(a: impl Fn(usize) -> Option<(T, T)>, b: impl Fn(usize) -> Option<(T, T)>) -> bool {
    let (mut i, mut j) = (0, 0);
    while let (Some((first, last)), Some((other_first, other_last))) = (a(i), b(j)) {
        if last < other_first {
            i += 1;
        } else if other_last < first {
            j += 1;
        } else {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::meet;

    fn lists_meet(a: &[(u8, u8)], b: &[(u8, u8)]) -> bool {
        meet(|i| a.get(i).copied(), |i| b.get(i).copied())
    }

    /// Against the definition, on every pair of lists made from a few ranges.
    #[test]
    fn lists_meet_where_a_number_is_in_both() {
        let ranges: [(u8, u8); 5] = [(0, 0), (2, 3), (5, 8), (10, 10), (12, 255)];
        let list = |bits: u32, shift: u8| -> Vec<(u8, u8)> {
            let chosen = ranges.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
            chosen.map(|(_, (a, b))| (a.saturating_add(shift), b.saturating_add(shift))).collect()
        };
        for (a, b) in (0..32).flat_map(|a| (0..32).map(move |b| (a, b))) {
            for shift in 0..3 {
                let (a, b) = (list(a, 0), list(b, shift));
                let holds =
                    |list: &[(u8, u8)], n| list.iter().any(|(first, last)| (*first..=*last).contains(&n));
                let expected = (0..=255).any(|n| holds(&a, n) && holds(&b, n));
                assert_eq!(lists_meet(&a, &b), expected, "{a:?} {b:?}");
            }
        }
    }
}
