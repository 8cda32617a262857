//! The reference network's host, as `tests/network/facts.json` has it.

use engine::inputs::{HostFacts, Link, LinkKind};

/// Bridges: name, addresses.
const BRIDGES: &[(&str, [&str; 2])] = &[
    ("vmbr0", ["192.0.2.1/24", "2001:db8:a::1/64"]),
    ("vmbr1", ["198.51.100.1/24", "2001:db8:b::1/64"]),
    ("vnet1", ["203.0.113.1/24", "2001:db8:c::1/64"]),
];

/// Ports: name, bridge, hardware address.
const PORTS: &[(&str, &str, &str)] = &[
    ("eth0", "vmbr0", "02:00:00:00:00:11"),
    ("tap100i0", "vmbr0", "fe:24:11:00:01:00"),
    ("tap100i1", "vmbr1", "fe:24:11:00:01:01"),
    ("tap110i0", "vmbr1", "fe:24:11:00:01:10"),
    ("tap199i0", "vmbr0", "fe:24:11:00:01:99"),
    ("veth200i0", "vmbr0", "fe:24:11:00:02:00"),
    ("tap400i0", "vnet1", "fe:24:11:00:04:00"),
    ("tap401i0", "vnet1", "fe:24:11:00:04:01"),
];

/// Facts about node1.
pub fn reference_facts() -> HostFacts {
    let bridges = BRIDGES.iter().zip(1..).map(|((name, addresses), number)| Link {
        name: (*name).to_owned(),
        kind: LinkKind::Bridge { vlan_aware: false },
        mac: format!("02:00:00:00:00:0{number}").parse().ok(),
        up: true,
        addresses: addresses.iter().flat_map(|address| address.parse()).collect(),
        ..Link::default()
    });
    let ports = PORTS.iter().map(|(name, bridge, mac)| Link {
        name: (*name).to_owned(),
        mac: mac.parse().ok(),
        master: Some((*bridge).to_owned()),
        up: true,
        ..Link::default()
    });
    let node = |name: &str, address: [u8; 4]| (name.to_owned(), vec![address.into()]);
    HostFacts {
        node: "node1".to_owned(),
        links: bridges.chain(ports).collect(),
        resolved: [node("node1", [192, 0, 2, 1]), node("node2", [192, 0, 2, 2])].into(),
        now_s: 1_700_000_000,
        bridge_nf_stuck: false,
        connected: BRIDGES
            .iter()
            .flat_map(|(_, networks)| networks)
            .flat_map(|network| network.parse())
            .collect(),
    }
}
