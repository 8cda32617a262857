//! The generated node's surroundings: its interfaces, VNets, SDN and IPAM state, and the registries of names.

use std::net::Ipv4Addr;

use engine::inputs::{HostFacts, Link, LinkKind};

use super::{N_VNETS, NODE};
use proxmox_firewall::views::facts::{FactsView, KindView, LinkView};

/// Names of services, protocols and EtherTypes.
pub(super) const REGISTRIES: &[(&str, &str)] = &[
    ("/etc/services", include_str!("../../../network/services")),
    ("/etc/protocols", include_str!("../../../network/protocols")),
    ("/etc/ethertypes", include_str!("../../../network/ethertypes")),
];

/// A guest's device.
#[derive(Debug, Clone)]
pub(super) struct Nic {
    pub(super) vmid: u32,
    /// Name on the host.
    pub(super) ifname: String,
    /// Hardware address in the guest.
    pub(super) mac: String,
    /// Number of its VNet; `None`: it is on `vmbr0`.
    pub(super) vnet: Option<u32>,
    pub(super) ip: Ipv4Addr,
}

impl Nic {
    pub(super) fn bridge(&self) -> String {
        self.vnet.map_or("vmbr0".to_owned(), vnet)
    }
}

/// Name of a VNet.
pub(super) fn vnet(index: u32) -> String {
    format!("vnet{index}")
}

/// First address of a VNet's /24.
pub(super) fn network(index: u32) -> Ipv4Addr {
    let byte = u8::try_from(index).expect("there are few VNets");
    Ipv4Addr::new(172, 16, byte, 0)
}

/// Host number `host` in a VNet.
pub(super) fn address(index: u32, host: u8) -> Ipv4Addr {
    let [a, b, c, _] = network(index).octets();
    Ipv4Addr::new(a, b, c, host)
}

/// The applied SDN configuration: one zone, a subnet for each VNet.
pub(super) fn running_config() -> String {
    let mut vnets = Vec::new();
    let mut subnets = Vec::new();
    for index in 0..N_VNETS {
        let (name, tag) = (vnet(index), 100 + index);
        vnets.push(format!(r#""{name}": {{"type": "vnet", "zone": "lab", "tag": {tag}}}"#));
        let (first, last) = (address(index, 100), address(index, 200));
        subnets.push(format!(
            r#""lab-{}-24": {{"type": "subnet", "vnet": "{name}", "gateway": "{}", "dhcp-range": ["start-address={first},end-address={last}"]}}"#,
            network(index),
            address(index, 1),
        ));
    }
    format!(
        r#"{{"version": 1, "zones": {{"ids": {{"lab": {{"type": "simple"}}}}}}, "vnets": {{"ids": {{{}}}}}, "subnets": {{"ids": {{{}}}}}}}"#,
        vnets.join(", "),
        subnets.join(", ")
    )
}

/// The IPAM state: every device on a VNet holds its address. Of two devices with one address the first has it.
pub(super) fn ipam(nics: &[Nic]) -> String {
    let subnet = |index: u32| {
        let mut held: Vec<&Nic> = nics.iter().filter(|nic| nic.vnet == Some(index)).collect();
        held.sort_by_key(|nic| nic.ip);
        held.dedup_by_key(|nic| nic.ip);
        let entry = |nic: &&Nic| format!(r#""{}": {{"vmid": "{}", "mac": "{}"}}"#, nic.ip, nic.vmid, nic.mac);
        let entries: Vec<String> = held.iter().map(entry).collect();
        format!(r#""{}/24": {{"ips": {{{}}}}}"#, network(index), entries.join(", "))
    };
    let subnets: Vec<String> = (0..N_VNETS).map(subnet).collect();
    format!(r#"{{"zones": {{"lab": {{"subnets": {{{}}}}}}}}}"#, subnets.join(", "))
}

/// The host: two bridges' worth of links and one for each device.
pub(super) fn facts(nics: &[Nic]) -> HostFacts {
    let bridge = |name: String, address: String| Link {
        name,
        kind: LinkKind::Bridge { vlan_aware: false },
        mac: "02:00:00:00:00:01".parse().ok(),
        up: true,
        addresses: address.parse().into_iter().collect(),
        ..Link::default()
    };
    let mut links = vec![bridge("vmbr0".to_owned(), "192.168.0.1/16".to_owned())];
    links.extend((0..N_VNETS).map(|index| bridge(vnet(index), format!("{}/24", address(index, 1)))));
    let port = |name: &str, master: String| Link {
        name: name.to_owned(),
        master: Some(master),
        up: true,
        ..Link::default()
    };
    links.push(port("eth0", "vmbr0".to_owned()));
    links.extend(nics.iter().map(|nic| port(&nic.ifname, nic.bridge())));
    HostFacts {
        divert_assumed: true,
        node: NODE.to_owned(),
        connected: links.iter().flat_map(|link| &link.addresses).map(|own| own.network()).collect(),
        links,
        resolved: [(NODE.to_owned(), vec![Ipv4Addr::new(192, 168, 0, 1).into()])].into(),
        now_s: 1_700_000_000,
        ..HostFacts::default()
    }
}

/// Facts as JSON.
pub(super) fn facts_json(facts: &HostFacts) -> String {
    let link = |link: &Link| LinkView {
        name: link.name.clone(),
        kind: match link.kind {
            LinkKind::Bridge { .. } => KindView::Bridge,
            LinkKind::Vlan => KindView::Vlan,
            LinkKind::Other => KindView::Other,
        },
        up: link.up,
        no_carrier: link.no_carrier,
        isolated: link.isolated,
        addresses: link
            .addresses
            .iter()
            .map(|host| format!("{}/{}", host.address(), host.prefix()))
            .collect(),
        master: link.master.clone(),
        ..LinkView::default()
    };
    let view = FactsView {
        node: facts.node.clone(),
        now_s: facts.now_s,
        links: facts.links.iter().map(link).collect(),
        resolved: facts.resolved.clone(),
        connected: facts.connected.iter().map(ToString::to_string).collect(),
        bridge_nf_stuck: facts.bridge_nf_stuck,
    };
    serde_json::to_string_pretty(&view).expect("facts have nothing that JSON lacks")
}
