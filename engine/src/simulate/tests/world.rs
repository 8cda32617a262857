//! The network as facts and guest configurations give it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::packet;
use crate::inputs::{HostFacts, Link, LinkKind};
use crate::model::guest::{Guest, GuestKind, Nic};
use crate::model::names::Vmid;
use crate::model::options::GuestOptions;
use crate::simulate::World;
use crate::simulate::path::route;
use crate::span::{FileId, Span};

fn link(name: &str, kind: LinkKind, master: Option<&str>, address: Option<&str>) -> Link {
    Link {
        name: name.to_owned(),
        kind,
        master: master.map(str::to_owned),
        up: true,
        addresses: address.map(|a| a.parse().expect("an address")).into_iter().collect(),
        ..Link::default()
    }
}

fn guest(kind: GuestKind, vmid: &str, ifname: &str, tag: Option<u16>) -> (Vmid, Arc<Guest>) {
    let vmid = vmid.parse().expect("a VMID");
    let nic = Nic {
        index: 0,
        ifname: ifname.parse().expect("a name"),
        mac: Some("bc:24:11:00:00:01".parse().expect("a MAC")),
        bridge: Some("vmbr0".to_owned()),
        firewall: true,
        tag,
        trunks: false,
        link_down: false,
        ip: None,
        ip6: None,
        span: Span { file: FileId(0), start: 0, end: 0 },
    };
    let guest = Guest {
        vmid,
        kind,
        nics: Arc::new(BTreeMap::from([(0, nic)])),
        options: GuestOptions::default(),
        aliases: BTreeMap::new(),
        ipsets: BTreeMap::new(),
        rules: Vec::new(),
    };
    (vmid, Arc::new(guest))
}

/// A bond as uplink, a VM on a firewall bridge, a container in the main bridge, a VM that does not run.
fn world() -> World {
    let bridge = LinkKind::Bridge { vlan_aware: false };
    let facts = HostFacts {
        links: vec![
            link("lo", LinkKind::Other, None, Some("127.0.0.1/8")),
            link("eno1", LinkKind::Other, Some("bond0"), None),
            link("bond0", LinkKind::Other, Some("vmbr0"), None),
            link("vmbr0", bridge, None, Some("192.0.2.0/24")),
            link("fwbr100i0", bridge, None, None),
            link("tap100i0", LinkKind::Other, Some("fwbr100i0"), None),
            link("veth200i0", LinkKind::Other, Some("vmbr0"), None),
            link("tap999i0", LinkKind::Other, Some("vmbr0"), None),
        ],
        ..HostFacts::default()
    };
    let guests = BTreeMap::from([
        guest(GuestKind::Qemu, "100", "tap100i0", Some(7)),
        guest(GuestKind::Lxc, "200", "veth200i0", None),
        guest(GuestKind::Qemu, "300", "tap300i0", None),
    ]);
    World::from_facts(&facts, &guests)
}

fn ports(line: &str) -> Vec<String> {
    let route = route(&world(), &packet(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
    let names = route.passes.iter().map(|pass| {
        let name = |name: &Option<crate::ruleset::Name>| name.as_deref().unwrap_or("").to_owned();
        format!("{}>{}", name(&pass.iifname), name(&pass.oifname))
    });
    names.collect()
}

#[test]
fn outside_is_the_bond_not_its_member() {
    let hooks = ["bond0>", "bond0>veth200i0", ">veth200i0"];
    assert_eq!(ports("outside ct200 udp 192.0.2.50:1 > 192.0.2.200:2"), hooks);
    assert_eq!(
        ports("outside host udp 192.0.2.50:1 > 192.0.2.1:2"),
        ["bond0>", "bond0>", "vmbr0>", "vmbr0>"]
    );
}

#[test]
fn a_guest_that_does_not_run_is_where_its_configuration_says() {
    assert_eq!(ports("ct200 vm300 udp 1.1.1.1:1 > 1.1.1.2:2")[1], "veth200i0>tap300i0");
}

#[test]
fn a_firewall_bridge_is_joined_with_the_main_one() {
    let hooks = ["tap100i0>", "tap100i0>fwln100i0", ">fwln100i0", "fwpr100p0>", "fwpr100p0>bond0", ">bond0"];
    assert_eq!(ports("vm100 outside udp 192.0.2.100:1 > 192.0.2.50:2"), hooks);
}

#[test]
fn a_topology_adds_names_and_ports() {
    let mut world = world();
    assert!(world.add_zone("peer", "bond0") && !world.add_zone("nobody", "eth9"));
    assert!(route(&world, &packet("peer host udp 1.1.1.1:1 > 1.1.1.2:2")).is_ok());
}
