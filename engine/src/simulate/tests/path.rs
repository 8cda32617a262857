//! Each row of the table in `path.rs`: hooks in order, with interfaces and tags.

use super::{packet, world};
use crate::simulate::path::{Pass, route};
use crate::simulate::world::World;
use crate::simulate::{PathError, path};

/// `bridge forward tap100i0>tap101i0@vmbr0`
fn shown(pass: &Pass) -> String {
    let name = |name: &Option<crate::ruleset::Name>| name.as_deref().unwrap_or("-").to_owned();
    let bridge = pass.ibrname.as_ref().or(pass.obrname.as_ref()).map(|b| format!("@{b}"));
    let tags: Vec<String> = pass.vlans.iter().map(|tag| format!(" tag {tag}")).collect();
    let ends = format!("{}>{}", name(&pass.iifname), name(&pass.oifname));
    let (family, hook) = (pass.family.as_str(), pass.hook.as_str());
    format!("{family} {hook} {ends}{}{}", bridge.unwrap_or_default(), tags.concat())
}

fn check_in(world: &World, line: &str, expected: &[&str]) {
    let route = route(world, &packet(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
    let passes: Vec<String> = route.passes.iter().map(shown).collect();
    assert_eq!(passes, expected, "{line}");
}

fn check(line: &str, expected: &[&str]) {
    check_in(&world(), line, expected);
}

#[test]
fn from_a_port_to_the_host() {
    check(
        "outside host udp 192.0.2.50:1 > 192.0.2.1:2",
        &[
            "bridge prerouting eth0>-@vmbr0",
            "bridge input eth0>-@vmbr0",
            "inet prerouting vmbr0>-",
            "inet input vmbr0>-",
        ],
    );
    check(
        "vm100 host arp 192.0.2.100 > 192.0.2.1",
        &["bridge prerouting tap100i0>-@vmbr0", "bridge input tap100i0>-@vmbr0"],
    );
}

#[test]
fn from_the_host_to_a_port() {
    check(
        "host vm100 udp 192.0.2.1:1 > 192.0.2.100:2",
        &[
            "inet output ->vmbr0",
            "inet postrouting ->vmbr0",
            "bridge output ->tap100i0@vmbr0",
            "bridge postrouting ->tap100i0@vmbr0",
        ],
    );
    let below = ["bridge output ->tap100i0@vmbr0", "bridge postrouting ->tap100i0@vmbr0"];
    check("host vm100 udp 192.0.2.1:67 > 192.0.2.100:68 origin=packet-socket", &below);
    check("host vm100 other 0x8137", &below);
}

#[test]
fn between_ports_of_one_bridge() {
    check(
        "vm100 vm101 udp 192.0.2.100:1 > 192.0.2.101:2",
        &[
            "bridge prerouting tap100i0>-@vmbr0",
            "bridge forward tap100i0>tap101i0@vmbr0",
            "bridge postrouting ->tap101i0@vmbr0",
        ],
    );
}

#[test]
fn through_a_firewall_bridge() {
    check(
        "vm100 vm130 udp 192.0.2.100:1 > 192.0.2.130:2",
        &[
            "bridge prerouting tap100i0>-@vmbr0",
            "bridge forward tap100i0>fwpr130p0@vmbr0",
            "bridge postrouting ->fwpr130p0@vmbr0",
            "bridge prerouting fwln130i0>-@fwbr130i0",
            "bridge forward fwln130i0>tap130i0@fwbr130i0",
            "bridge postrouting ->tap130i0@fwbr130i0",
        ],
    );
    check(
        "vm130 host udp 192.0.2.130:1 > 192.0.2.1:2",
        &[
            "bridge prerouting tap130i0>-@fwbr130i0",
            "bridge forward tap130i0>fwln130i0@fwbr130i0",
            "bridge postrouting ->fwln130i0@fwbr130i0",
            "bridge prerouting fwpr130p0>-@vmbr0",
            "bridge input fwpr130p0>-@vmbr0",
            "inet prerouting vmbr0>-",
            "inet input vmbr0>-",
        ],
    );
    check(
        "host vm130 udp 192.0.2.1:1 > 192.0.2.130:2",
        &[
            "inet output ->vmbr0",
            "inet postrouting ->vmbr0",
            "bridge output ->fwpr130p0@vmbr0",
            "bridge postrouting ->fwpr130p0@vmbr0",
            "bridge prerouting fwln130i0>-@fwbr130i0",
            "bridge forward fwln130i0>tap130i0@fwbr130i0",
            "bridge postrouting ->tap130i0@fwbr130i0",
        ],
    );
}

#[test]
fn routed_between_two_bridges() {
    check(
        "vm110 vm100 udp 198.51.100.110:1 > 192.0.2.100:2",
        &[
            "bridge prerouting tap110i0>-@vmbr1",
            "bridge input tap110i0>-@vmbr1",
            "inet prerouting vmbr1>-",
            "inet forward vmbr1>vmbr0",
            "inet postrouting vmbr1>vmbr0",
            "bridge output ->tap100i0@vmbr0",
            "bridge postrouting ->tap100i0@vmbr0",
        ],
    );
}

#[test]
fn frames_that_are_not_for_the_router_need_bridges_joined_outside() {
    check(
        "vm100 vm121 udp 192.0.2.100:1 > 192.0.2.121:2 dmac=bc:24:11:00:01:21",
        &[
            "bridge prerouting tap100i0>-@vmbr0",
            "bridge forward tap100i0>eth0@vmbr0",
            "bridge postrouting ->eth0@vmbr0",
            "bridge prerouting eth2>-@vmbr2",
            "bridge forward eth2>tap121i0@vmbr2",
            "bridge postrouting ->tap121i0@vmbr2",
        ],
    );
    let nowhere = packet("vm100 vm110 other 0x8137");
    assert!(matches!(path::route(&world(), &nowhere), Err(PathError::NotRoutable { .. })));
}

#[test]
fn vlan_aware_bridges_tag_at_trunks_only() {
    check(
        "vm120 trunk udp 203.0.113.120:1 > 203.0.113.50:2",
        &[
            "bridge prerouting tap120i0>-@vmbr2",
            "bridge forward tap120i0>eth2@vmbr2 tag 7",
            "bridge postrouting ->eth2@vmbr2 tag 7",
        ],
    );
    check(
        "trunk vm120 udp 203.0.113.50:1 > 203.0.113.120:2",
        &[
            "bridge prerouting eth2>-@vmbr2 tag 7",
            "bridge forward eth2>tap120i0@vmbr2",
            "bridge postrouting ->tap120i0@vmbr2",
        ],
    );
    check(
        "vm121 trunk udp 203.0.113.121:1 > 203.0.113.50:2",
        &[
            "bridge prerouting tap121i0>-@vmbr2",
            "bridge forward tap121i0>eth2@vmbr2",
            "bridge postrouting ->eth2@vmbr2",
        ],
    );
    let route = route(&world(), &packet("vm120 trunk udp 203.0.113.120:1 > 203.0.113.50:2")).expect("a way");
    assert_eq!(route.passes[0].ibrpvid, Some(7));
    assert_eq!(route.passes[2].ibrpvid, None);
}

#[test]
fn a_guest_s_own_tag_stays_on_a_plain_bridge() {
    check(
        "vm100 outside udp 192.0.2.100:1 > 192.0.2.50:2 vlan=9",
        &[
            "bridge prerouting tap100i0>-@vmbr0 tag 9",
            "bridge forward tap100i0>eth0@vmbr0 tag 9",
            "bridge postrouting ->eth0@vmbr0 tag 9",
        ],
    );
}

#[test]
fn loopback() {
    check(
        "host host udp 127.0.0.1:1 > 127.0.0.1:2",
        &["inet output ->lo", "inet postrouting ->lo", "inet prerouting lo>-", "inet input lo>-"],
    );
}

#[test]
fn br_netfilter_shows_bridged_packets_to_inet() {
    let mut world = world();
    world.bridge_nf = true;
    check_in(
        &world,
        "vm100 vm101 udp 192.0.2.100:1 > 192.0.2.101:2",
        &[
            "bridge prerouting tap100i0>-@vmbr0",
            "inet prerouting vmbr0>-",
            "bridge forward tap100i0>tap101i0@vmbr0",
            "inet forward vmbr0>vmbr0",
            "bridge postrouting ->tap101i0@vmbr0",
            "inet postrouting ->vmbr0",
        ],
    );
}

#[test]
fn zones() {
    let world = world();
    for (line, error) in [
        ("vm999 host udp 1.1.1.1:1 > 1.1.1.2:2", "no zone `vm999`"),
        ("ct100 host udp 1.1.1.1:1 > 1.1.1.2:2", "no zone `ct100`"),
        ("vm100i1 host udp 1.1.1.1:1 > 1.1.1.2:2", "no zone `vm100i1`"),
        ("vmbr1/eth0 host udp 1.1.1.1:1 > 1.1.1.2:2", "no zone `vmbr1/eth0`"),
    ] {
        assert_eq!(route(&world, &packet(line)).expect_err(line).to_string(), error);
    }
    let port = route(&world, &packet("vmbr0/eth0 host udp 1.1.1.1:1 > 1.1.1.2:2")).expect("a way");
    assert_eq!(port.passes[0].iifname.as_deref(), Some("eth0"));
}

#[test]
fn ethernet_addresses() {
    for (line, source, dest) in [
        ("vm100 vm101 udp 1.1.1.1:1 > 1.1.1.2:2", "bc:24:11:00:01:00", "bc:24:11:00:01:01"),
        ("vm100 vm110 udp 1.1.1.1:1 > 1.1.1.2:2", "bc:24:11:00:01:00", "02:00:00:00:aa:00"),
        ("vm100 host udp 1.1.1.1:1 > 1.1.1.2:2", "bc:24:11:00:01:00", "02:00:00:00:aa:00"),
        ("vm100 vm101 udp 1.1.1.1:1 > 224.1.2.3:2", "bc:24:11:00:01:00", "01:00:5e:01:02:03"),
        ("vm100 vm101 udp 1.1.1.1:1 > 192.0.2.255:2", "bc:24:11:00:01:00", "ff:ff:ff:ff:ff:ff"),
        ("vm100 vm101 udp [::1]:1 > [ff02::1]:2", "bc:24:11:00:01:00", "33:33:00:00:00:01"),
        ("vm100 vm101 arp 1.1.1.1 > 1.1.1.2", "bc:24:11:00:01:00", "ff:ff:ff:ff:ff:ff"),
        ("vm100 vm101 arp 1.1.1.1 > 1.1.1.2 op=reply", "bc:24:11:00:01:00", "bc:24:11:00:01:01"),
        ("vm100 vm101 other 0x8137 smac=02:00:00:00:00:09", "02:00:00:00:00:09", "bc:24:11:00:01:01"),
    ] {
        let route = route(&world(), &packet(line)).expect(line);
        let frame = route.passes[0].frame.expect("a frame");
        assert_eq!(
            (frame.source.to_string(), frame.dest.to_string()),
            (source.into(), dest.into()),
            "{line}"
        );
    }
    let routed = route(&world(), &packet("vm110 vm100 udp 1.1.1.1:1 > 1.1.1.2:2")).expect("a way");
    let frame = routed.passes.last().and_then(|pass| pass.frame).expect("a frame");
    assert_eq!(frame.source.to_string(), "02:00:00:00:aa:00");
    assert_eq!(frame.dest.to_string(), "bc:24:11:00:01:00");
}
