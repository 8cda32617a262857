//! Test vectors become inputs and packets, and verdicts are compared. Pure: files are read by whoever calls.

use std::collections::BTreeMap;

use engine::inputs::{FileContent, Files, HostAddress, HostFacts, Inputs, Link, LinkKind, RejectMode};
use engine::model::address::Mac;
use engine::model::guest::GuestKind;
use engine::ruleset::{RejectWith, Ruleset, Statement};
use engine::simulate::world::{GuestPort, Port};
use engine::simulate::{Verdict, World};

use crate::views::vectors::{ConfigView, CorosyncView, ExpectView, LogView, TopologyView, ZoneView};

/// A topology that contradicts itself.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("topology: {place}: `{value}` cannot be used")]
pub struct InvalidTopology {
    place: String,
    value: String,
}

fn invalid(place: &str, value: impl ToString) -> InvalidTopology {
    InvalidTopology { place: place.to_owned(), value: value.to_string() }
}

/// The node of a topology with the configuration of a vector.
pub fn inputs(
    topology: &TopologyView,
    config: &ConfigView,
    registries: &Files,
) -> Result<Inputs, InvalidTopology> {
    let mut files = registries.clone();
    let mut add = |path: String, text: &str| files.insert(path, FileContent::text(text));
    let node = &topology.node;
    for (name, text) in &config.files {
        let stem = name.strip_suffix(".fw").ok_or_else(|| invalid("config", name))?;
        let path = match stem {
            "cluster" => "/etc/pve/firewall/cluster.fw".to_owned(),
            "host" => format!("/etc/pve/nodes/{node}/host.fw"),
            vmid if vmid.bytes().all(|b| b.is_ascii_digit()) => format!("/etc/pve/firewall/{name}"),
            _ => format!("/etc/pve/sdn/firewall/{name}"),
        };
        add(path, text);
    }
    let mut ids = serde_json::Map::new();
    for (vmid, guest) in guests(topology) {
        let folder = if guest.kind == "qemu" { "qemu-server" } else { "lxc" };
        let name = format!("{vmid}.conf");
        let text = config.guest_conf.get(&name).unwrap_or(&guest.text);
        add(format!("/etc/pve/nodes/{node}/{folder}/{name}"), text);
        ids.insert(vmid.to_string(), serde_json::json!({"node": node, "type": guest.kind, "version": 1}));
    }
    add("/etc/pve/.vmlist".to_owned(), &serde_json::json!({"version": 1, "ids": ids}).to_string());
    if let Some(corosync) = &config.corosync {
        add("/etc/pve/corosync.conf".to_owned(), &corosync_conf(corosync));
    }
    Ok(Inputs { files, facts: facts(topology, config)?.into(), ..Inputs::default() })
}

struct GuestText {
    kind: String,
    text: String,
}

/// The configuration of each guest, a device line for each of its zones.
fn guests(topology: &TopologyView) -> BTreeMap<u32, GuestText> {
    let mut guests: BTreeMap<u32, GuestText> = BTreeMap::new();
    for zone in topology.zones.values() {
        let Some(vmid) = zone.vmid else { continue };
        let (Some(net), Some(mac), Some(bridge)) = (&zone.netid, &zone.mac, &zone.bridge) else { continue };
        let firewall = zone.firewall;
        let mut line = if zone.kind == "qemu" {
            format!("{net}: virtio={mac},bridge={bridge},firewall={firewall}")
        } else {
            format!("{net}: name=eth0,bridge={bridge},hwaddr={mac},type=veth,firewall={firewall}")
        };
        for (key, value) in [("ip", &zone.ip), ("ip6", &zone.ip6)] {
            value.iter().for_each(|value| line.push_str(&format!(",{key}={value}")));
        }
        let guest =
            guests.entry(vmid).or_insert_with(|| GuestText { kind: zone.kind.clone(), text: String::new() });
        guest.text.push_str(&line);
        guest.text.push('\n');
    }
    guests
}

fn corosync_conf(view: &CorosyncView) -> String {
    let mut text = format!("totem {{\n  version: 2\n  transport: {}\n}}\nnodelist {{\n", view.transport);
    for (index, node) in view.nodes.iter().enumerate() {
        text.push_str(&format!("  node {{\n    nodeid: {}\n", index + 1));
        node.iter().for_each(|(key, value)| text.push_str(&format!("    {key}: {value}\n")));
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

fn facts(topology: &TopologyView, config: &ConfigView) -> Result<HostFacts, InvalidTopology> {
    let mut links = Vec::new();
    for (index, (name, addresses)) in topology.bridges.iter().enumerate() {
        let parsed =
            addresses.iter().map(|text| text.parse::<HostAddress>().map_err(|_| invalid(name, text)));
        links.push(Link {
            name: name.clone(),
            kind: LinkKind::Bridge { vlan_aware: false },
            mac: Some(Mac([2, 0, 0, 0, 0, u8::try_from(index + 1).unwrap_or(u8::MAX)])),
            up: true,
            addresses: parsed.collect::<Result<_, _>>()?,
            ..Link::default()
        });
    }
    let own = links.first().and_then(|link| link.addresses.first()).map(|address| address.address());
    let connected = links.iter().flat_map(|link| &link.addresses).map(|address| address.network()).collect();
    for zone in topology.zones.values() {
        let Some(name) = &zone.iface else { continue };
        links.push(Link { name: name.clone(), master: zone.bridge.clone(), up: true, ..Link::default() });
    }
    (1..).zip(&mut links).for_each(|(index, link)| link.index = index);
    let is_bridge_nf = |(name, value): (&String, &u32)| name.contains("bridge-nf-call") && *value != 0;
    Ok(HostFacts {
        node: topology.node.clone(),
        links,
        resolved: [(topology.node.clone(), own.into_iter().collect())].into(),
        now_s: 1_700_000_000,
        bridge_nf_stuck: config.sysctl.iter().any(is_bridge_nf),
        connected,
        divert_assumed: true,
        announced_bridges: Default::default(),
    })
}

/// The zones of a topology, under their names.
pub fn add_zones(world: &mut World, topology: &TopologyView) -> Result<(), InvalidTopology> {
    for (name, zone) in &topology.zones {
        let Some(iface) = &zone.iface else { continue };
        let mac = zone.mac.as_ref().map(|text| text.parse().map_err(|_| invalid(name, text))).transpose()?;
        world.add_port(
            Some(name),
            Port {
                mac,
                addresses: zone.addresses.clone(),
                guest: guest_port(zone),
                ..Port::bare(iface, zone.bridge.as_deref().map(Into::into))
            },
        );
    }
    Ok(())
}

fn guest_port(zone: &ZoneView) -> Option<GuestPort> {
    let kind = match zone.kind.as_str() {
        "qemu" => GuestKind::Qemu,
        "lxc" => GuestKind::Lxc,
        _ => return None,
    };
    let index = zone.netid.as_deref()?.strip_prefix("net")?.parse().ok()?;
    Some(GuestPort { kind, vmid: zone.vmid?.to_string().parse().ok()?, index })
}

/// The mode that a vector's target needs; `None`: any that answers bridged frames.
pub fn reject_mode(needed: Option<&str>) -> Option<RejectMode> {
    RejectMode::ALL.into_iter().find(|mode| Some(mode.as_str()) == needed)
}

/// `None` if a verdict is as expected; else what was expected.
pub fn contradiction(expect: &ExpectView, found: &Verdict) -> Option<String> {
    let target = expect.target.as_str();
    let matches = match found {
        Verdict::Accept => target == "accept",
        Verdict::Drop => target == "drop",
        Verdict::Reject(with) => target == "reject" && is_reply(expect.target_reply.as_deref(), *with),
        Verdict::Indeterminate { .. } => false,
    };
    let reply = expect.target_reply.as_ref().filter(|_| target == "reject");
    (!matches).then(|| reply.map_or(target.to_owned(), |reply| format!("{target} with {reply}")))
}

fn is_reply(wanted: Option<&str>, with: RejectWith) -> bool {
    match wanted {
        None => true,
        Some("tcp-reset") => with == RejectWith::TcpReset,
        Some("icmp-port-unreachable") => with == RejectWith::PortUnreachable,
        Some(_) => false,
    }
}

/// The configuration of a log vector: what is not given is on, with defaults.
pub fn log_config(log: &LogView) -> ConfigView {
    let mut config = log.config.clone();
    config.files.entry("cluster.fw".to_owned()).or_insert_with(|| "[OPTIONS]\nenable: 1\n".to_owned());
    config
}

/// The prefix that a log vector asks for: chain names are those of the first nftables firewall, messages those of the
/// classic one, and a group's VMID is that of the guest that uses it. `None`: nothing is logged.
pub fn log_prefix(log: &LogView) -> Option<String> {
    let Some(nft) = &log.nft else {
        // The classic firewall's own chains are ours without its prefix.
        return log.legacy.as_ref().map(|legacy| legacy.replace("PVEFW-", ""));
    };
    let is_policy =
        log.legacy.as_ref().is_none_or(|legacy| legacy.contains("policy ")) && log.event.contains("policy");
    let prefix = if is_policy { nft.replacen(": ", ": policy ", 1) } else { nft.clone() };
    let mut guests = log.config.files.keys().filter_map(|name| name.strip_suffix(".fw"));
    match guests.find(|stem| stem.bytes().all(|b| b.is_ascii_digit())) {
        Some(vmid) if prefix.contains(":group-") => Some(prefix.replacen(":0:", &format!(":{vmid}:"), 1)),
        Some(_) | None => Some(prefix),
    }
}

/// The prefixes with which a ruleset logs.
pub fn prefixes(ruleset: &Ruleset) -> Vec<&str> {
    let rules = ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let logged = rules.flat_map(|rule| &rule.statements).filter_map(|statement| match statement {
        Statement::Log(prefix) => Some(&**prefix),
        _ => None,
    });
    logged.collect()
}
