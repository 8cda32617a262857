//! What stands before the rules of every guest and of every zone: state, anti-spoofing, options, blacklist, smurfs, TCP
//! flags. Order: the zone's table in ARCHITECTURE.md. What stands behind them is in `policy.rs`.

use super::log::{self, Label};
use super::reject;
use super::rules::{ETHERTYPE_ARP, ETHERTYPE_IPV4, address_field};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use crate::model::address::{Cidr, Family};
use crate::model::options::LogLevel;
use crate::model::port::PortProtocol;
use crate::resolve::{Ipset, Resolved};
use crate::ruleset::field::Side;
use crate::ruleset::{Chain, Field, Hook, Name, Origin, Statement, build};

/// Shared start of a guest's in zone.
pub(super) const GUESTS_IN: &str = "guests-in";
/// Pieces of datagrams in a guest's in zone.
const LATER_FRAGMENTS: &str = "later-fragments";
const FRAGMENTS: Origin = Origin::Skeleton("fragments");
/// Shared start of a guest's reject pass.
pub(super) const GUESTS_REJECT: &str = "guests-reject";

/// EtherType of an 802.1Q tag.
pub(super) const ETHERTYPE_VLAN: u128 = 0x8100;
/// RTN_BROADCAST of the kernel's routing tables.
pub(super) const FIB_BROADCAST: u128 = 3;

/// The FIN flag.
pub(super) const FIN: u128 = 0x01;
/// The SYN flag.
pub(super) const SYN: u128 = 0x02;
/// The RST flag.
pub(super) const RST: u128 = 0x04;
const PSH: u128 = 0x08;
/// The ACK flag.
pub(super) const ACK: u128 = 0x10;
const URG: u128 = 0x20;

/// 224.0.0.0/4
pub(super) fn multicast_v4() -> Cidr {
    "224.0.0.0/4".parse().expect("a constant")
}

/// ff00::/8
pub(super) fn multicast_v6() -> Cidr {
    "ff00::/8".parse().expect("a constant")
}

/// What becomes of a packet that a filter refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Logged and dropped.
    Dropped,
    /// The reject pass ends: the zone that decides will drop it.
    Pass,
}

/// Where filters stand: their chains have the same names in both tables.
#[derive(Clone, Copy)]
pub(super) struct Refused {
    chain: &'static str,
    origin: Origin,
}

fn refuse(ends: Ends, refused: Refused) -> Statement {
    match ends {
        Ends::Dropped => build::goto(refused.chain),
        Ends::Pass => build::accept(),
    }
}

fn blacklisted(ipset: &Ipset) -> Refused {
    Refused { chain: "blacklist", origin: ipset.span.map_or(Origin::Skeleton("blacklist"), Origin::Line) }
}

fn smurf(resolved: &Resolved) -> Refused {
    let at = resolved.host.nosmurfs.at;
    Refused { chain: "log-smurfs", origin: Origin::Option { name: "nosmurfs", at } }
}

fn bad_flags(resolved: &Resolved) -> Refused {
    let at = resolved.host.tcpflags.at;
    Refused { chain: "log-invalid-tcp", origin: Origin::Option { name: "tcpflags", at } }
}

/// Blacklist, smurfs and TCP flags for traffic towards guests.
pub(super) fn sources(resolved: &Resolved, ends: Ends, chain: &mut ChainBuilder, unit: &mut Unit) {
    blacklist(resolved, ends, chain);
    bridge_smurfs(resolved, ends, chain);
    tcp_flags(resolved, ends, chain, unit);
}

/// Sources in the datacenter's set `blacklist`.
pub(super) fn blacklist(resolved: &Resolved, ends: Ends, chain: &mut ChainBuilder) {
    let Some(ipset) = &resolved.blacklist else { return };
    let refused = blacklisted(ipset);
    for family in Family::BOTH {
        if !ipset.of(family).is_empty() {
            let set: Name = kernel_set(&ipset.name, family);
            let source = build::in_set(&[address_field(family, Side::Source)], &set);
            chain.rule(refused.origin, vec![source, refuse(ends, refused)]);
        }
    }
}

/// Name of one family of a shared IPSet in the kernel.
pub(super) fn kernel_set(name: &str, family: Family) -> Name {
    let prefix = match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    };
    format!("{prefix}-{name}").into()
}

/// The host's routing tables say nothing about a guest's network, and bridges have no `fib`: a frame's own class
/// decides.
fn bridge_smurfs(resolved: &Resolved, ends: Ends, chain: &mut ChainBuilder) {
    if !resolved.host.nosmurfs.value {
        return;
    }
    let refused = smurf(resolved);
    for condition in [
        build::network(Field::IpSaddr, multicast_v4()),
        build::is(Field::IpSaddr, u128::from(u32::MAX)),
        build::masked(Field::EtherSaddr, reject::GROUP_BIT, reject::GROUP_BIT),
    ] {
        chain.rule(refused.origin, vec![condition, refuse(ends, refused)]);
    }
}

/// Source 0.0.0.0 passes: a host asks for an address with it.
pub(super) fn host_smurfs(resolved: &Resolved, chain: &mut ChainBuilder) {
    if !resolved.host.nosmurfs.value {
        return;
    }
    let refused = smurf(resolved);
    let not_any = build::is_not(Field::IpSaddr, 0);
    let broadcast = build::is(Field::FibSaddrType, FIB_BROADCAST);
    let conditions = [vec![not_any, broadcast], vec![build::network(Field::IpSaddr, multicast_v4())]];
    for mut conditions in conditions {
        conditions.push(refuse(Ends::Dropped, refused));
        chain.rule(refused.origin, conditions);
    }
}

/// Combinations of flags that no connection has: called from `chain`, in a chain of its own, which nearly all packets
/// leave at its first rule.
pub(super) fn tcp_flags(resolved: &Resolved, ends: Ends, chain: &mut ChainBuilder, unit: &mut Unit) {
    if !resolved.host.tcpflags.value {
        return;
    }
    let refused = bad_flags(resolved);
    let name = match ends {
        Ends::Dropped => "tcp-flags",
        Ends::Pass => "tcp-flags-reject",
    };
    chain.rule(refused.origin, vec![build::l4proto(PortProtocol::Tcp.number()), build::jump(name)]);
    let mut checks = ChainBuilder::regular(name, refused.origin);
    let all = FIN | SYN | RST | PSH | ACK | URG;
    let flags = |mask, value| build::masked(Field::TcpFlags, mask, value);
    let source_port = Field::Port(PortProtocol::Tcp, Side::Source);
    checks.rule(refused.origin, vec![flags(all, SYN), build::is_not(source_port, 0), build::return_()]);
    for mut conditions in [
        vec![flags(all, FIN | PSH | URG)],
        vec![flags(all, 0)],
        vec![flags(SYN | RST, SYN | RST)],
        vec![flags(SYN | FIN, SYN | FIN)],
        vec![build::is(source_port, 0), flags(FIN | SYN | RST | ACK, SYN)],
    ] {
        conditions.push(refuse(ends, refused));
        checks.rule(refused.origin, conditions);
    }
    unit.chains.push(checks.finish());
}

/// The chains that log and drop what a filter refuses.
pub(super) fn refusals(resolved: &Resolved, blacklist_level: Option<LogLevel>, unit: &mut Unit) {
    let mut all = Vec::new();
    if let Some(ipset) = &resolved.blacklist {
        all.push((blacklisted(ipset), blacklist_level));
    }
    if resolved.host.nosmurfs.value {
        all.push((smurf(resolved), resolved.host.smurf_log_level.value));
    }
    if resolved.host.tcpflags.value {
        all.push((bad_flags(resolved), resolved.host.tcp_flags_log_level.value));
    }
    for (refused, level) in all {
        let mut chain = ChainBuilder::regular(refused.chain, refused.origin);
        if let Some(level) = level {
            let label = Label { vmid: 0, chain: refused.chain };
            let rate = resolved.datacenter.log_ratelimit.value;
            let statements: Vec<Statement> = log::statements(label, level, "DROP", rate).collect();
            chain.rule(refused.origin, statements);
        }
        chain.rule(refused.origin, vec![build::counter(), build::drop()]);
        unit.chains.push(chain.finish());
    }
    if let Some(ipset) = &resolved.blacklist {
        for family in Family::BOTH {
            unit.ipset(&ipset.name, family);
        }
    }
}

/// State invalid; `nf_conntrack_allow_invalid` lets the rules decide.
pub(super) fn invalid(resolved: &Resolved, chain: &mut ChainBuilder) {
    let setting = resolved.host.nf_conntrack_allow_invalid;
    if !setting.value {
        let origin = Origin::Option { name: "nf_conntrack_allow_invalid", at: setting.at };
        chain.rule(origin, vec![build::ct_invalid(), build::counter(), build::drop()]);
    }
}

/// `ct state established,related accept`
pub(super) fn known(chain: &mut ChainBuilder) {
    chain.rule(Origin::Skeleton("connection state"), vec![build::ct_known(), build::accept()]);
}

/// Our answers to rejected packets belong to no connection.
pub(super) fn answers(resolved: &Resolved, chain: &mut ChainBuilder) {
    let answer = u128::from(resolved.settings.mark_answer);
    let origin = Origin::Skeleton("answers on their way");
    chain.rule(origin, vec![build::masked(Field::Mark, answer, answer), build::accept()]);
}

/// Shared start of a guest's in zone, and the chain that it calls. What belongs to a known connection does not get here.
pub(super) fn guests_in(resolved: &Resolved, unit: &mut Unit) {
    let mut chain = ChainBuilder::regular(GUESTS_IN, Origin::Skeleton("guest inbound"));
    for later in later_fragments() {
        chain.rule(FRAGMENTS, vec![later, build::goto(LATER_FRAGMENTS)]);
    }
    tcp_flags(resolved, Ends::Dropped, &mut chain, unit);
    invalid(resolved, &mut chain);
    let arp = build::is(Field::Protocol, ETHERTYPE_ARP);
    chain.rule(Origin::Skeleton("arp"), vec![arp, build::accept()]);
    blacklist(resolved, Ends::Dropped, &mut chain);
    bridge_smurfs(resolved, Ends::Dropped, &mut chain);
    connmark(&[Field::Oifname, Field::EtherDaddr], Shared::VmidsByMac, &mut chain);
    without_tcp(&mut chain);
    dhcp(Field::Oifname, [(67, 68), (547, 546)], &mut chain);
    ndp(Field::Oifname, (133, 136), &mut chain);
    unit.chains.extend([chain.finish(), guests_in_pieces(resolved)]);
}

/// Only what the host sends or routes comes in pieces to a guest; later ones are useless without the first, which the
/// rules see. Rules for ports and flags would read what happens to stand there: nf_tables looks for it behind the
/// addresses of any piece (seen on 6.12).
fn guests_in_pieces(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::regular(LATER_FRAGMENTS, FRAGMENTS);
    invalid(resolved, &mut chain);
    blacklist(resolved, Ends::Dropped, &mut chain);
    bridge_smurfs(resolved, Ends::Dropped, &mut chain);
    chain.rule(FRAGMENTS, vec![build::accept()]);
    chain.finish()
}

/// Conditions for all pieces of a datagram but the first, in either family.
fn later_fragments() -> [Statement; 2] {
    [build::not_masked(Field::IpFragOff, 0x1fff, 0), build::is_not(Field::FragOff, 0)]
}

/// DHCP and DHCPv6 by option: `dhcp: 0` drops before the rules.
fn dhcp(port: Field, ports: [(u16, u16); 2], chain: &mut ChainBuilder) {
    let origin = Origin::Option { name: "dhcp", at: None };
    for (sport, dport) in ports {
        let exchange = [build::udp_sport(sport), build::udp_dport(dport)];
        let off = [build::in_set(&[port], &Shared::DhcpOff.name()), build::counter(), build::drop()];
        chain.rule(origin, [exchange.as_slice(), &off].concat());
    }
    for (sport, dport) in ports {
        chain.rule(origin, vec![build::udp_sport(sport), build::udp_dport(dport), build::accept()]);
    }
}

/// What stands behind concerns no TCP packet.
fn without_tcp(chain: &mut ChainBuilder) {
    let tcp = build::l4proto(PortProtocol::Tcp.number());
    chain.rule(Origin::Skeleton("options"), vec![tcp, build::return_()]);
}

/// Neighbour discovery by option, types `first` to `last`; only with hop limit 255 (RFC 4861) it is accepted.
fn ndp(port: Field, (first, last): (u128, u128), chain: &mut ChainBuilder) {
    let origin = Origin::Option { name: "ndp", at: None };
    let types = build::within(Field::Icmpv6Type, first, last);
    let off = build::in_set(&[port], &Shared::NdpOff.name());
    chain.rule(origin, vec![types.clone(), off, build::counter(), build::drop()]);
    chain.rule(origin, vec![types, build::is(Field::Ip6Hoplimit, 255), build::accept()]);
}

/// The connection mark is the VMID of the guest that met the connection first.
fn connmark<const N: usize>(key: &[Field; N], vmids: Shared, chain: &mut ChainBuilder) {
    let set = Statement::CtMarkSet { key: key.into(), map: vmids.name() };
    chain.rule(Origin::Skeleton("connection mark"), vec![build::is(Field::CtMark, 0), set]);
}

/// Shared start of a guest's out zone, and the chains that it calls.
pub(super) fn guests_out(resolved: &Resolved, unit: &mut Unit) {
    let mut chain = ChainBuilder::regular(super::guest::GUESTS_OUT, Origin::Skeleton("guest outbound"));
    let filters_arp = resolved.datacenter.ebtables.value;
    mac_filter(filters_arp, &mut chain);
    known(&mut chain);
    invalid(resolved, &mut chain);
    if filters_arp {
        layer2(&mut chain, unit);
    }
    early_dhcp(&mut chain);
    let radv = Origin::Option { name: "radv", at: None };
    let not_allowed = Statement::Lookup {
        key: [Field::Iifname].into(),
        set: Shared::Radv.name(),
        op: crate::ruleset::Op::Ne,
    };
    let advert = build::is(Field::Icmpv6Type, 134);
    chain.rule(radv, vec![advert.clone(), not_allowed, build::counter(), build::drop()]);
    super::ipfilter::check(filters_arp, &mut chain, unit);
    connmark(&[Field::Iifname], Shared::Vmids, &mut chain);
    without_tcp(&mut chain);
    dhcp(Field::Iifname, [(68, 67), (546, 547)], &mut chain);
    chain.rule(radv, vec![advert, build::is(Field::Ip6Hoplimit, 255), build::accept()]);
    ndp_out(&mut chain);
    let arp = build::is(Field::Protocol, ETHERTYPE_ARP);
    chain.rule(Origin::Skeleton("arp"), vec![arp, build::accept()]);
    unit.chains.push(chain.finish());
}

/// Router solicitation, neighbour solicitation and advertisement; the types between are not asked for.
fn ndp_out(chain: &mut ChainBuilder) {
    let origin = Origin::Option { name: "ndp", at: None };
    for types in [(133, 133), (135, 136)] {
        let types = build::within(Field::Icmpv6Type, types.0, types.1);
        let off = build::in_set(&[Field::Iifname], &Shared::NdpOff.name());
        chain.rule(origin, vec![types.clone(), off, build::counter(), build::drop()]);
        chain.rule(origin, vec![types, build::is(Field::Ip6Hoplimit, 255), build::accept()]);
    }
}

/// Ethernet source and ARP sender must be the NIC's; before the state, so that no tracked flow escapes it.
fn mac_filter(filters_arp: bool, chain: &mut ChainBuilder) {
    let origin = Origin::Option { name: "macfilter", at: None };
    let foreign = |field| {
        vec![
            build::not_in_set(&[Field::Iifname, field], &Shared::Macs.name()),
            build::not_in_set(&[Field::Iifname], &Shared::MacfilterOff.name()),
            build::counter(),
            build::drop(),
        ]
    };
    chain.rule(origin, foreign(Field::EtherSaddr));
    if filters_arp {
        chain.rule(origin, foreign(Field::ArpSaddrEther));
        // Other hardware or address lengths would shift the fields that are compared.
        let shape = Origin::Skeleton("arp");
        for (field, value) in [
            (Field::ArpHtype, 1),
            (Field::ArpPtype, ETHERTYPE_IPV4),
            (Field::ArpHlen, 6),
            (Field::ArpPlen, 4),
        ] {
            chain.rule(shape, vec![build::is_not(field, value), build::counter(), build::drop()]);
        }
    }
}

/// `layer2_protocols`: tag and payload must both be listed.
fn layer2(chain: &mut ChainBuilder, unit: &mut Unit) {
    let origin = Origin::Option { name: "layer2_protocols", at: None };
    let restricted = build::in_set(&[Field::Iifname], &Shared::Layer2Restricted.name());
    chain.rule(origin, vec![restricted, build::jump("layer2")]);
    let mut listed = ChainBuilder::regular("layer2", origin);
    for field in [Field::EtherType, Field::Protocol] {
        let unlisted = build::not_in_set(&[Field::Iifname, field], &Shared::Layer2Protocols.name());
        listed.rule(origin, vec![unlisted, build::counter(), build::drop()]);
    }
    unit.chains.push(listed.finish());
}

/// A client without address asks before the IP filter; with a foreign address it is met by the filter first. So is
/// any DHCPv6 client: it asks from a link-local address, and the filter permits that of its MAC anyway.
fn early_dhcp(chain: &mut ChainBuilder) {
    let origin = Origin::Option { name: "dhcp", at: None };
    let on = build::not_in_set(&[Field::Iifname], &Shared::DhcpOff.name());
    let no_address = build::is(Field::IpSaddr, 0);
    let exchange = [build::udp_sport(68), build::udp_dport(67), no_address, on, build::accept()];
    chain.rule(origin, exchange);
}

/// Limits new TCP connections by source, before connection tracking: below the limit a packet goes on.
pub(super) fn synflood(resolved: &Resolved, [v4, v6]: [Shared; 2]) -> Option<Chain> {
    let options = &resolved.host;
    if !options.protection_synflood.value {
        return None;
    }
    let origin = Origin::Option { name: "protection_synflood", at: options.protection_synflood.at };
    let nonzero = |value: u64, default: u64| if value == 0 { default } else { value };
    let rate = nonzero(options.protection_synflood_rate.value, 200);
    let burst = nonzero(options.protection_synflood_burst.value.into(), 1000);
    let limit = build::per_second(rate, u32::try_from(burst).unwrap_or(u32::MAX));
    let mut chain = ChainBuilder::base("synflood", Hook::Prerouting, -250, origin);
    // Before they are gathered.
    for later in later_fragments() {
        chain.rule(FRAGMENTS, vec![later, build::accept()]);
    }
    for (set, field, prefix) in [(v4, Field::IpSaddr, None), (v6, Field::Ip6Saddr, Some(64))] {
        let opens = build::masked(Field::TcpFlags, FIN | SYN | RST | ACK, SYN);
        let meter = Statement::Meter { set: set.name(), field, prefix, limit: limit.into() };
        chain.rule(origin, vec![opens, meter, build::counter(), build::drop()]);
    }
    Some(chain.finish())
}
