//! The IP filter: which source addresses a NIC may use, in IP packets, in ARP and in neighbour advertisements.
//!
//! Permitted addresses are elements of sets that all NICs share. The target of a neighbour message has no keyword
//! in nft 1.0.6 and no set type: each filtered NIC has a chain of its own for it.

use super::rules::{ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use crate::model::address::{Family, IpInterval};
use crate::resolve::Nic;
use crate::ruleset::{Field, Name, Origin, Statement, Value, Verdict, build};

const CHAIN: &str = "ipfilter";
/// Sender `::`: duplicate address detection and the like.
const UNSPECIFIED: &str = "ipfilter-unspecified";
/// A permitted sender announces addresses.
const ANNOUNCED: &str = "ipfilter-announced";

/// Option of neighbour discovery: a nonce, in eight bytes.
const ND_OPTION_NONCE: u128 = 14;

/// Calls the filter for NICs that have one, and writes its chains.
pub(super) fn check(filters_arp: bool, chain: &mut ChainBuilder, unit: &mut Unit) {
    let origin = Origin::Option { name: "ipfilter", at: None };
    let filtered = build::in_set(&[Field::Iifname], &Shared::Ipfilter.name());
    chain.rule(origin, vec![filtered, build::jump(CHAIN)]);
    let mut filter = ChainBuilder::regular(CHAIN, origin);
    let permitted = |field, shared: Shared| build::in_set(&[Field::Iifname, field], &shared.name());
    let drop = |condition: Statement| vec![condition, build::counter(), build::drop()];

    for sets in [Shared::IpfilterV4, Shared::IpfilterNetsV4] {
        filter.rule(origin, vec![permitted(Field::IpSaddr, sets), build::return_()]);
    }
    filter.rule(origin, drop(build::is(Field::Protocol, ETHERTYPE_IPV4)));

    filter.rule(origin, vec![build::is(Field::Ip6Saddr, 0), build::goto(UNSPECIFIED)]);
    for sets in [Shared::IpfilterV6, Shared::IpfilterNetsV6] {
        filter.rule(origin, vec![permitted(Field::Ip6Saddr, sets), build::goto(ANNOUNCED)]);
    }
    filter.rule(origin, drop(build::is(Field::Protocol, ETHERTYPE_IPV6)));

    if filters_arp {
        arp(origin, permitted, &mut filter);
        filter.rule(origin, drop(build::is(Field::Protocol, ETHERTYPE_ARP)));
    }
    unit.chains.push(filter.finish());
    announcements(origin, unit);
}

/// The sender must be permitted; a probe (RFC 5227, sender 0.0.0.0) may ask for a permitted address, or for any
/// where no IPv4 address is permitted at all: it claims nothing.
fn arp(origin: Origin, permitted: impl Fn(Field, Shared) -> Statement, filter: &mut ChainBuilder) {
    let probe = build::is(Field::ArpSaddrIp, 0);
    for sets in [Shared::IpfilterV4, Shared::IpfilterNetsV4] {
        filter.rule(origin, vec![permitted(Field::ArpSaddrIp, sets), build::return_()]);
        let target = permitted(Field::ArpDaddrIp, sets);
        filter.rule(origin, vec![probe.clone(), target, build::return_()]);
    }
    let none = build::in_set(&[Field::Iifname], &Shared::IpfilterNoV4.name());
    filter.rule(origin, vec![probe, none, build::return_()]);
}

fn announcements(origin: Origin, unit: &mut Unit) {
    let target = build::vmap(&[Field::Iifname], &Shared::NdTargets.name());
    let mut announced = ChainBuilder::regular(ANNOUNCED, origin);
    announced.rule(origin, vec![build::is(Field::Icmpv6Type, 136), target.clone()]);
    unit.chains.push(announced.finish());

    let mut unspecified = ChainBuilder::regular(UNSPECIFIED, origin);
    // Duplicate address detection: the solicitation alone has 24 bytes (RFC 4862); Linux adds a nonce (RFC 7527).
    let solicits = |bytes| vec![build::is(Field::Icmpv6Type, 135), build::is(Field::Ip6Length, bytes)];
    let nonce = build::is(Field::NdOption, ND_OPTION_NONCE);
    unspecified.rule(origin, [solicits(24), vec![target.clone()]].concat());
    unspecified.rule(origin, [solicits(32), vec![nonce, target]].concat());
    for (first, last) in [(133, 133), (131, 132), (143, 143)] {
        let asks = build::within(Field::Icmpv6Type, first, last);
        unspecified.rule(origin, vec![asks, build::return_()]);
    }
    unspecified.rule(origin, vec![build::counter(), build::drop()]);
    unit.chains.push(unspecified.finish());
}

/// What a NIC permits.
pub(super) fn nic(nic: &Nic, permitted: &[IpInterval], origin: Origin, unit: &mut Unit) {
    let port = Value::name(nic.ifname.shared());
    unit.element(Shared::Ipfilter, [port.clone()], origin);
    for interval in permitted {
        let single = interval.first == interval.last;
        let shared = match (interval.family, single) {
            (Family::V4, true) => Shared::IpfilterV4,
            (Family::V4, false) => Shared::IpfilterNetsV4,
            (Family::V6, true) => Shared::IpfilterV6,
            (Family::V6, false) => Shared::IpfilterNetsV6,
        };
        let value = Value::range(interval.first, interval.last);
        unit.element(shared, [port.clone(), value], origin);
    }
    if permitted.iter().all(|interval| interval.family == Family::V6) {
        unit.element(Shared::IpfilterNoV4, [port.clone()], origin);
    }
    let name: Name = format!("nd-target-{}", nic.ifname).into();
    let mut targets = ChainBuilder::regular(name.clone(), origin);
    for interval in permitted.iter().filter(|interval| interval.family == Family::V6) {
        for (first, prefix) in prefixes(*interval) {
            let mask = if prefix == 0 { 0 } else { u128::MAX << (128 - prefix) };
            let target = if prefix == 128 {
                build::is(Field::NdTarget, first)
            } else {
                build::masked(Field::NdTarget, mask, first)
            };
            targets.rule(origin, vec![target, build::return_()]);
        }
    }
    targets.rule(origin, vec![build::counter(), build::drop()]);
    unit.chains.push(targets.finish());
    unit.verdict(Shared::NdTargets, [port], Verdict::Goto(name), origin);
}

/// The fewest networks that make up an IPv6 interval: first address and prefix length.
fn prefixes(interval: IpInterval) -> Vec<(u128, u32)> {
    let mut networks = Vec::new();
    let mut first = interval.first;
    loop {
        let mut host_bits = first.trailing_zeros().min(127);
        while host_bits > 0 && first | ((1 << host_bits) - 1) > interval.last {
            host_bits -= 1;
        }
        networks.push((first, 128 - host_bits));
        match (first | ((1 << host_bits) - 1)).checked_add(1) {
            Some(next) if next <= interval.last => first = next,
            Some(_) | None => return networks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> u128 {
        crate::model::address::number(text.parse().expect("a test address"))
    }

    #[test]
    fn an_interval_is_its_networks() {
        let interval = IpInterval { family: Family::V6, first: number("fe80::1"), last: number("fe80::6") };
        let expected = [("fe80::1", 128), ("fe80::2", 127), ("fe80::4", 127), ("fe80::6", 128)];
        assert_eq!(prefixes(interval), expected.map(|(first, prefix)| (number(first), prefix)));
    }
}
