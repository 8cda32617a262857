//! What hooks see: states, tags, fragments, addresses, types of addresses.

use super::{holds, is, is_name, is_not};
use crate::model::port::PortProtocol;
use crate::ruleset::field::{Side, ct_state};
use crate::ruleset::{Field, Hook, Statement as S, TableFamily, build};

const DPORT: Field = Field::Port(PortProtocol::Udp, Side::Dest);

fn in_bridge(hook: Hook, condition: S, line: &str) -> bool {
    holds(TableFamily::Bridge, hook, vec![condition], line)
}

fn in_inet(hook: Hook, condition: S, line: &str) -> bool {
    holds(TableFamily::Inet, hook, vec![condition], line)
}

fn state_is(hook: Hook, state: u32, line: &str) -> bool {
    in_bridge(hook, S::CtState(state), line)
}

#[test]
fn states() {
    for (hook, state, line) in [
        (Hook::Forward, ct_state::NEW, "outside vm100 tcp 10.0.0.1:1 > 192.0.2.100:2"),
        (Hook::Postrouting, ct_state::NEW, "outside vm100 tcp 10.0.0.1:1 > 192.0.2.100:2"),
        (Hook::Forward, ct_state::NEW, "outside vm100 tcp 10.0.0.1:1 > 192.0.2.100:2 flags=ack"),
        (Hook::Forward, ct_state::INVALID, "outside vm100 tcp 10.0.0.1:1 > 192.0.2.100:2 flags=syn,ack"),
        (Hook::Forward, ct_state::INVALID, "outside vm100 tcp 10.0.0.1:1 > 192.0.2.100:2 flags=syn,fin"),
        (Hook::Forward, ct_state::INVALID, "outside vm100 tcp 10.0.0.1:1 > 192.0.2.100:2 flags=none"),
        (
            Hook::Forward,
            ct_state::ESTABLISHED,
            "outside vm100 tcp 10.0.0.1:1 > 192.0.2.100:2 state=established",
        ),
        (Hook::Forward, ct_state::NEW, "outside vm100 icmp 10.0.0.1 > 192.0.2.100"),
        (Hook::Forward, ct_state::INVALID, "outside vm100 icmp 10.0.0.1 > 192.0.2.100 type=3"),
        (Hook::Forward, ct_state::UNTRACKED, "outside vm100 arp 192.0.2.50 > 192.0.2.100 state=new"),
        (Hook::Forward, ct_state::UNTRACKED, "outside vm100 other 0x8137"),
        (Hook::Forward, ct_state::UNTRACKED, "outside vm100 icmpv6 fe80::1 > ff02::1 type=135 state=new"),
        (Hook::Forward, ct_state::UNTRACKED, "outside vm100 icmpv6 fe80::1 > ff02::16 type=143"),
        (Hook::Forward, ct_state::INVALID, "outside vm100 icmpv6 fe80::1 > fe80::2 type=137 state=new"),
        (Hook::Forward, ct_state::UNTRACKED, "vm100 outside udp 192.0.2.100:1 > 192.0.2.50:2 vlan=7,5"),
        (Hook::Postrouting, ct_state::NEW, "host vm100 udp 192.0.2.1:1 > 192.0.2.100:2"),
        (Hook::Output, ct_state::NEW, "host vm100 udp 192.0.2.1:1 > 192.0.2.100:2"),
        (
            Hook::Postrouting,
            ct_state::INVALID,
            "host vm100 udp 192.0.2.1:67 > 192.0.2.100:68 origin=packet-socket",
        ),
        (Hook::Postrouting, ct_state::INVALID, "host vm100 other 0x8137"),
        (Hook::Output, ct_state::INVALID, "host vm100 arp 192.0.2.1 > 192.0.2.100"),
        (Hook::Output, ct_state::UNTRACKED, "host vm100 icmpv6 fe80::1 > ff02::1 type=135"),
    ] {
        assert!(state_is(hook, state, line), "{line}");
        assert!(!state_is(hook, !state, line), "{line}");
    }
}

#[test]
fn ports_of_interfaces() {
    let line = "vm100 vm101 udp 192.0.2.100:1 > 192.0.2.101:2";
    assert!(in_bridge(Hook::Forward, is_name(Field::Iifname, "tap100i0"), line));
    assert!(in_bridge(Hook::Forward, is_name(Field::Ibrname, "vmbr*"), line));
    assert!(in_bridge(Hook::Postrouting, is_name(Field::Oifname, "tap101i0"), line));
    assert!(!in_bridge(Hook::Postrouting, is_name(Field::Iifname, "tap100i0"), line));
    assert!(!in_bridge(Hook::Postrouting, is_name(Field::Ibrname, "vmbr0"), line));
    assert!(in_inet(
        Hook::Input,
        is_name(Field::Iifname, "vmbr0"),
        "vm100 host udp 192.0.2.100:1 > 192.0.2.1:2"
    ));
}

#[test]
fn tags() {
    let plain = "vm100 outside udp 192.0.2.100:1 > 192.0.2.50:2";
    let one = format!("{plain} vlan=9");
    let two = format!("{plain} vlan=7,5");
    let see = |condition: S, line: &str| in_bridge(Hook::Prerouting, condition, line);
    assert!(see(is(DPORT, 2), plain) && see(is(DPORT, 2), &one) && !see(is(DPORT, 2), &two));
    assert!(see(is(Field::Protocol, 0x0800), &one) && see(is(Field::Protocol, 0x8100), &two));
    assert!(see(is(Field::EtherType, 0x0800), plain));
    assert!(see(is(Field::EtherType, 0x8100), &one) && see(is(Field::EtherType, 0x88a8), &two));
    assert!(see(is(Field::VlanId, 9), &one) && !see(is_not(Field::VlanId, 1), plain));
    assert!(!see(is_not(Field::L4proto, 1), &two));
}

#[test]
fn later_pieces_have_no_transport_header() {
    let line = "host vm100 udp 192.0.2.1:1 > 192.0.2.100:2 origin=packet-socket frag=later";
    let see = |condition| in_bridge(Hook::Postrouting, condition, line);
    assert!(!see(is(DPORT, 2)) && !see(is_not(DPORT, 3)));
    assert!(see(is(Field::L4proto, 17)));
    assert!(see(build::not_masked(Field::IpFragOff, 0x1fff, 0)));
    let bridged = "outside vm100 udp 192.0.2.50:1 > 192.0.2.100:2 frag=later";
    assert!(in_bridge(Hook::Prerouting, is(DPORT, 2), bridged), "reassembled by tracking");
    let v6 = "host vm100 udp [2001:db8:a::1]:1 > [2001:db8:a::100]:2 frag=first";
    assert!(in_bridge(Hook::Postrouting, is(Field::FragOff, 0), v6));
    assert!(!in_inet(Hook::Output, is(Field::FragOff, 0), v6));
}

#[test]
fn icmp_by_family() {
    let v4 = "outside vm100 icmp 10.0.0.1 > 192.0.2.100 type=8";
    let v6 = "outside vm100 icmpv6 2001:db8::5 > 2001:db8:a::100 type=128";
    let see = |field, number, line| in_bridge(Hook::Forward, is(field, number), line);
    assert!(see(Field::IcmpType, 8, v4) && !see(Field::Icmpv6Type, 8, v4) && see(Field::L4proto, 1, v4));
    assert!(see(Field::Icmpv6Type, 128, v6) && !see(Field::IcmpType, 128, v6) && see(Field::L4proto, 58, v6));
}

#[test]
fn neighbour_solicitations() {
    let probe = "vm100 outside icmpv6 :: > ff02::1:ff00:1 type=135 target=fe80::1";
    let usual = "vm100 outside icmpv6 fe80::1 > ff02::1:ff00:1 type=135 target=fe80::2";
    let see = |field, number, line| in_bridge(Hook::Prerouting, is(field, number), line);
    assert!(see(Field::Ip6Length, 24, probe) && see(Field::Ip6Length, 32, usual));
    assert!(see(Field::NdTarget, 0xfe80 << 112 | 2, usual));
    assert!(see(Field::Ip6Hoplimit, 255, usual));
}

#[test]
fn arp_senders() {
    let line = "vm100 outside arp 192.0.2.100 > 192.0.2.50";
    let see = |field, number, line: &str| in_bridge(Hook::Prerouting, is(field, number), line);
    assert!(see(Field::ArpSaddrEther, 0xbc24_1100_0100, line));
    assert!(see(Field::ArpSaddrEther, 9, &format!("{line} sha=00:00:00:00:00:09")));
    assert!(see(Field::ArpSaddrIp, 0xc000_0264, line) && see(Field::ArpDaddrIp, 0xc000_0232, line));
    assert!(!see(Field::ArpHtype, 1, "vm100 outside other 0x8137"));
}

#[test]
fn types_of_addresses() {
    for (address, kind) in [
        ("192.0.2.1", 2),
        ("127.0.0.1", 2),
        ("192.0.2.50", 1),
        ("192.0.2.255", 3),
        ("255.255.255.255", 3),
        ("0.0.0.0", 3),
        ("224.0.0.1", 5),
        ("2001:db8:b::1", 2),
        ("ff02::1", 5),
        ("2001:db8:b::2", 1),
    ] {
        let family = if address.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        let line = format!("outside host 47 {address} > {family}");
        assert!(in_inet(Hook::Input, is(Field::FibSaddrType, kind), &line), "{line}");
        assert!(!in_bridge(Hook::Prerouting, is_not(Field::FibSaddrType, 99), &line), "{line}");
    }
}

#[test]
fn network_family_is_a_matter_of_inet() {
    let line = "outside host udp 10.0.0.1:1 > 192.0.2.1:2";
    assert!(in_inet(Hook::Input, is(Field::Nfproto, 2), line));
    assert!(!in_bridge(Hook::Prerouting, is(Field::Nfproto, 2), line));
}
