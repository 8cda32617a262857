//! How the host is wired: ports of guests' devices, MACs that occur twice, bridges and what leads to them. All of it
//! depends on the devices of all guests and on the host's interfaces, on nothing that a firewall file says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Diversion, Doubt, PortVlans, RunningPort};
use crate::divert::{self, Pair};
use crate::inputs::{HostFacts, Link, LinkKind};
use crate::links::Links;
use crate::model::Config;
use crate::model::address::Mac;
use crate::model::guest::Nic;
use crate::model::names::{IfName, VnetName};
use crate::model::sdn::Sdn;

/// What the devices of all guests and the host's interfaces come to.
#[derive(Debug)]
pub(super) struct Wiring {
    from: From,
    /// Of each guest, in their order, the ports of its devices.
    pub(super) ports: Vec<Vec<Option<RunningPort>>>,
    pub(super) bridges: Vec<IfName>,
    pub(super) towards: Vec<IfName>,
    pub(super) stacked_ports: Vec<IfName>,
    pub(super) pairs: Vec<&'static str>,
    pub(super) isolated_ports: Vec<IfName>,
    pub(super) foreign_ports: Vec<IfName>,
}

/// What it was made from.
#[derive(Debug)]
struct From {
    nics: Vec<Arc<BTreeMap<u8, Nic>>>,
    vnets: Vec<VnetName>,
    sdn: Arc<Sdn>,
    announced: BTreeSet<String>,
    links: Arc<Links>,
}

impl Wiring {
    pub(super) fn new(config: &Config, facts: &HostFacts, links: &Arc<Links>) -> Wiring {
        let bridges = bridges(config, facts);
        Wiring {
            ports: ports(config, links),
            towards: towards(&bridges, facts),
            stacked_ports: stacked_ports(facts),
            pairs: pairs(facts),
            isolated_ports: isolated_ports(facts),
            foreign_ports: foreign_ports(&bridges, facts),
            bridges,
            from: From {
                nics: config.guests.values().map(|guest| guest.nics.clone()).collect(),
                vnets: config.vnets.keys().cloned().collect(),
                sdn: config.sdn.clone(),
                announced: facts.announced_bridges.clone(),
                links: links.clone(),
            },
        }
    }

    /// Whether it would come out the same.
    pub(super) fn is_of(&self, config: &Config, facts: &HostFacts, links: &Arc<Links>) -> bool {
        let From { nics, vnets, sdn, announced, links: known } = &self.from;
        let mut guests = nics.iter().zip(config.guests.values());
        Arc::ptr_eq(known, links)
            && Arc::ptr_eq(sdn, &config.sdn)
            && *announced == facts.announced_bridges
            && vnets.iter().eq(config.vnets.keys())
            && nics.len() == config.guests.len()
            && guests.all(|(known, guest)| Arc::ptr_eq(known, &guest.nics))
    }
}

/// The ports of each guest's devices, and whether others have their MACs.
fn ports(config: &Config, links: &Links) -> Vec<Vec<Option<RunningPort>>> {
    let of_guest = |nics: &BTreeMap<u8, Nic>| nics.values().map(|nic| running_port(links, nic)).collect();
    let mut all: Vec<Vec<Option<RunningPort>>> =
        config.guests.values().map(|guest| of_guest(&guest.nics)).collect();
    let macs = || config.guests.values().map(|guest| guest.nics.values().map(|nic| nic.mac));
    let mut owners: BTreeMap<(IfName, Mac), u32> = BTreeMap::new();
    for (port, mac) in all.iter().flatten().zip(macs().flatten()) {
        if let (Some(port), Some(mac)) = (port, mac) {
            *owners.entry((port.bridge.clone(), mac)).or_default() += 1;
        }
    }
    owners.retain(|_, n_owners| *n_owners > 1);
    let nics = config.guests.values().flat_map(|guest| guest.nics.values());
    for (port, nic) in all.iter_mut().flatten().zip(nics) {
        if let (Some(port), Some(mac)) = (port, nic.mac) {
            let is_twice = owners.contains_key(&(port.bridge.clone(), mac));
            let learned =
                || links.learned_at(mac, port.bridge.as_str()).find(|at| *at != nic.ifname.as_str());
            port.doubt = match is_twice {
                true => Some(Doubt::Twice),
                false => learned().map(|at| Doubt::LearnedAt(at.to_owned())),
            };
        }
    }
    all
}

/// The port as it is now; a NIC without one, or whose port is down or leads nowhere, is nobody's to answer for.
fn running_port(links: &Links, nic: &Nic) -> Option<RunningPort> {
    let runs = |link: &&Link| link.up && !link.no_carrier && !nic.link_down;
    let link = links.get(nic.ifname.as_str()).filter(runs)?;
    let bridge = link.master.as_deref()?;
    let master = links.get(bridge)?;
    let vlan_aware = master.kind == LinkKind::Bridge { vlan_aware: true };
    let vlans = match nic.tag {
        _ if !vlan_aware => PortVlans::All,
        Some(tag) => PortVlans::Access(tag),
        None if nic.trunks => PortVlans::Trunk,
        None => PortVlans::All,
    };
    let bridge: IfName = bridge.parse().ok()?;
    let diversion = is_divertible(master).then(|| {
        // PVE gives untagged frames of a device without a tag VLAN 1.
        let vlan = vlan_aware.then(|| nic.tag.unwrap_or(1));
        let pair = Pair { bridge: bridge.clone(), vlan };
        Diversion { index: pair.index(links), pair }
    });
    let (isolated, index) = (link.isolated, link.index);
    Some(RunningPort { bridge, vlans, isolated, doubt: None, index, diversion })
}

/// On a firewall bridge every frame is a bridged one, and Open vSwitch knows no hooks.
fn is_divertible(master: &Link) -> bool {
    matches!(master.kind, LinkKind::Bridge { .. }) && !master.name.starts_with("fwbr")
}

/// Bridges that a guest's configuration, a guest's port, who plugs one, or a VNet names; firewall bridges are ours by their name.
fn bridges(config: &Config, facts: &HostFacts) -> Vec<IfName> {
    let nics = || config.guests.values().flat_map(|guest| guest.nics.values());
    let named = nics().filter_map(|nic| nic.bridge.as_deref());
    // A bridge that is not VLAN-aware has a bridge of its own for each VLAN of a guest.
    let is_vlan_aware = |link: &&Link| link.kind == LinkKind::Bridge { vlan_aware: true };
    let vlan_aware: BTreeSet<&str> =
        facts.links.iter().filter(is_vlan_aware).map(|link| link.name.as_str()).collect();
    let tagged: BTreeSet<(&str, u16)> =
        nics().filter_map(|nic| Some((nic.bridge.as_deref()?, nic.tag?))).collect();
    let auxiliary = tagged.into_iter().filter(|(bridge, _)| !vlan_aware.contains(bridge));
    let auxiliary = auxiliary.map(|(bridge, tag)| format!("{bridge}v{tag}"));
    let ports: BTreeSet<&str> = nics().map(|nic| nic.ifname.as_str()).collect();
    let actual = facts.links.iter().filter(|link| ports.contains(link.name.as_str()));
    let actual = actual.filter_map(|link| link.master.as_deref()).filter(|name| !name.starts_with("fwbr"));
    let vnets = config.vnets.keys().chain(&config.sdn.vnets).map(IfName::as_str);
    let announced = facts.announced_bridges.iter().map(String::as_str);
    let all = named
        .chain(actual)
        .chain(vnets)
        .chain(announced)
        .map(str::parse)
        .chain(auxiliary.map(|name| name.parse()));
    all.flatten().collect::<BTreeSet<IfName>>().into_iter().collect()
}

/// Host interfaces through which packets reach bridges: those with guests, and any other, for pairs and VLAN
/// sub-interfaces join bridges in ways that no configuration tells.
fn towards(bridges: &[IfName], facts: &HostFacts) -> Vec<IfName> {
    let is_bridge = |link: &&Link| is_divertible(link) && !divert::is_ours(&link.name);
    let others = facts.links.iter().filter(is_bridge).filter_map(|link| link.name.parse().ok());
    let vlans = on_bridges(facts).into_iter().filter_map(|link| link.name.parse().ok());
    let all: BTreeSet<IfName> = bridges.iter().cloned().chain(others).chain(vlans).collect();
    all.into_iter().collect()
}

/// Bridge ports that are VLAN sub-interfaces of another bridge: what is forwarded there comes out of that bridge's
/// own device, as if the host had sent it.
fn stacked_ports(facts: &HostFacts) -> Vec<IfName> {
    let ports = on_bridges(facts).into_iter().filter(|link| link.master.is_some());
    ports.filter_map(|link| link.name.parse().ok()).collect()
}

/// What names of veth pairs that join our own bridges begin with, as far as there are any: those of firewall bridges
/// and those of VLAN zones.
fn pairs(facts: &HostFacts) -> Vec<&'static str> {
    let ports = || facts.links.iter().filter(|link| link.master.is_some());
    let is_there = |prefix: &&str| ports().any(|link| link.name.starts_with(prefix));
    ["fwln", "fwpr", "ln_", "pr_"].into_iter().filter(is_there).collect()
}

/// Isolated ports of any bridge.
fn isolated_ports(facts: &HostFacts) -> Vec<IfName> {
    let ports = facts.links.iter().filter(|link| link.isolated && link.master.is_some());
    ports.filter_map(|link| link.name.parse().ok()).collect()
}

/// VLAN sub-interfaces of bridges, at any depth.
fn on_bridges(facts: &HostFacts) -> Vec<&Link> {
    let mut above: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    for link in facts.links.iter().filter(|link| link.kind == LinkKind::Vlan) {
        above.entry(link.parent.as_deref().unwrap_or_default()).or_default().push(link);
    }
    let bridges = facts.links.iter().filter(|link| matches!(link.kind, LinkKind::Bridge { .. }));
    let mut open: Vec<&str> = bridges.map(|link| link.name.as_str()).collect();
    let mut found = Vec::new();
    while let Some(parent) = open.pop() {
        let children = above.remove(parent).unwrap_or_default();
        open.extend(children.iter().map(|link| link.name.as_str()));
        found.extend(children);
    }
    found
}

/// Ports of those bridges whose name begins like a guest's (`tap5`, `veth1x`) but does not have its exact form.
fn foreign_ports(bridges: &[IfName], facts: &HostFacts) -> Vec<IfName> {
    let bridges: BTreeSet<&str> = bridges.iter().map(IfName::as_str).collect();
    let ours = |link: &&Link| {
        let master = link.master.as_deref().unwrap_or_default();
        master.starts_with("fwbr") || bridges.contains(master)
    };
    let foreign = facts.links.iter().filter(ours).filter(|link| looks_like_guest(&link.name) == Some(false));
    let all: BTreeSet<IfName> = foreign.filter_map(|link| link.name.parse().ok()).collect();
    all.into_iter().collect()
}

/// `Some(true)`: exactly `tap<vmid>i<n>` or `veth<vmid>i<n>`; `Some(false)`: begins alike; `None`: unlike.
fn looks_like_guest(name: &str) -> Option<bool> {
    let rest = name.strip_prefix("tap").or_else(|| name.strip_prefix("veth"))?;
    if !rest.starts_with(|c: char| ('1'..='9').contains(&c)) {
        return None;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    Some(rest.split_once('i').is_some_and(|(vmid, index)| digits(vmid) && digits(index)))
}
