//! Guests: which NICs are filtered, what they may send, where their ports are; bridges; VNets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::lookup::{GuestScope, Links, Scope, entries, guest_sets};
use super::{Guest, Nic, PortVlans, RunningPort, Vnet, rule};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::{HostFacts, Link, LinkKind};
use crate::model::address::{Cidr, IpInterval, Mac, longest_prefix};
use crate::model::names::{IfName, ObjectName};
use crate::model::{Config, guest as written};

/// Resolves one guest.
pub(super) fn resolve(scope: &Scope<'_>, guest: &written::Guest, diagnostics: &mut Vec<Diagnostic>) -> Guest {
    let sets = guest_sets(guest, scope.config, diagnostics);
    let scope = Scope { guest: Some(GuestScope { guest, sets: &sets }), ..*scope };
    let rules = rule::resolve_rules(&scope, &format!("guest/{}", guest.vmid), &guest.rules, diagnostics);
    let nics = guest.nics.values().map(|nic| resolve_nic(&scope, guest, nic)).collect();
    Guest { vmid: guest.vmid, options: guest.options.clone(), nics, rules }
}

fn resolve_nic(scope: &Scope<'_>, guest: &written::Guest, nic: &written::Nic) -> Nic {
    let filtered = guest.options.enable.value && nic.firewall;
    Nic {
        ifname: nic.ifname.clone(),
        index: nic.index,
        mac: nic.mac,
        span: nic.span,
        filtered,
        running: running_port(scope.links, nic),
        ipfilter: if filtered { ipfilter(scope, guest, nic) } else { None },
    }
}

/// The port as it is now; a NIC without one, or whose port is down, is nobody's to answer for.
fn running_port(links: &Links<'_>, nic: &written::Nic) -> Option<RunningPort> {
    let link = links.get(nic.ifname.as_str()).filter(|link| link.up)?;
    let bridge = link.master.as_deref()?;
    let vlan_aware = links.get(bridge).is_some_and(|b| b.kind == LinkKind::Bridge { vlan_aware: true });
    let vlans = match nic.tag {
        _ if !vlan_aware => PortVlans::All,
        Some(tag) => PortVlans::Access(tag),
        None if nic.trunks => PortVlans::Trunk,
        None => PortVlans::All,
    };
    Some(RunningPort { bridge: bridge.parse().ok()?, vlans, unique: true })
}

/// Permitted source addresses: active by option or by the mere existence of `ipfilter-net<n>`. Always permitted:
/// the link-local address of the MAC (no other one) and a container's configured addresses.
fn ipfilter(scope: &Scope<'_>, guest: &written::Guest, nic: &written::Nic) -> Option<Vec<IpInterval>> {
    let name: ObjectName = format!("ipfilter-net{}", nic.index).parse().expect("follows the grammar");
    let own = guest.ipsets.get(&name);
    if !guest.options.ipfilter.value && own.is_none() {
        return None;
    }
    // What does not resolve has been said when the guest's sets were resolved.
    let mut said_before = Vec::new();
    let aliases = &scope.config.datacenter.aliases;
    let mut networks =
        own.map_or_else(Vec::new, |set| entries(Some(&guest.aliases), aliases, set, &mut said_before));
    let link_local = nic.mac.map(|mac| IpAddr::V6(mac.link_local()));
    let container = [nic.ip.map(IpAddr::V4), nic.ip6.map(IpAddr::V6)];
    let hosts = container.into_iter().flatten().chain(link_local);
    networks
        .push((Cidr::new(IpAddr::from([0xfe80u16, 0, 0, 0, 0, 0, 0, 0]), 10).expect("10 bits fit"), true));
    networks.extend(hosts.map(|address| (Cidr::host(address), false)));
    Some(longest_prefix(&networks))
}

/// Clears [`RunningPort::unique`] where two NICs share bridge and MAC: whose frame it is cannot be told there.
pub(super) fn mark_duplicates(mut guests: Vec<Guest>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Guest> {
    let mut owners: BTreeMap<(IfName, Mac), u32> = BTreeMap::new();
    for nic in guests.iter().flat_map(|guest| &guest.nics) {
        if let (Some(port), Some(mac)) = (&nic.running, nic.mac) {
            *owners.entry((port.bridge.clone(), mac)).or_default() += 1;
        }
    }
    for guest in &mut guests {
        for nic in &mut guest.nics {
            let (Some(port), Some(mac)) = (&mut nic.running, nic.mac) else { continue };
            port.unique = owners.get(&(port.bridge.clone(), mac)) == Some(&1);
            if !port.unique && nic.filtered {
                let message = format!("{mac} of {} is used twice on bridge {}", nic.ifname, port.bridge);
                let consequence = "rejected packets to it are dropped, not answered";
                diagnostics.push(Diagnostic::new(
                    Code::MacDuplicate,
                    Place::Span(nic.span),
                    message,
                    consequence,
                ));
            }
        }
    }
    guests
}

/// VNets with an enabled firewall file.
pub(super) fn vnets(scope: &Scope<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Vnet> {
    let mut vnets = Vec::new();
    for (bridge, vnet) in &scope.config.vnets {
        let rules = rule::resolve_rules(scope, &format!("vnet/{bridge}"), &vnet.rules, diagnostics);
        if vnet.options.enable.value {
            let mac = scope.links.get(bridge.as_str()).and_then(|link| link.mac);
            vnets.push(Vnet { bridge: bridge.clone(), mac, options: vnet.options.clone(), rules });
        }
    }
    vnets
}

/// Bridges that a guest's configuration, a guest's port or a VNet names; firewall bridges are ours by their name.
pub(super) fn bridges(config: &Config, facts: &HostFacts) -> Vec<IfName> {
    let nics = || config.guests.values().flat_map(|guest| guest.nics.values());
    let named = nics().filter_map(|nic| nic.bridge.as_deref());
    // A bridge that is not VLAN-aware has a bridge of its own for each VLAN of a guest.
    let vlan_aware = |name: &str| {
        facts.links.iter().any(|link| link.name == name && link.kind == LinkKind::Bridge { vlan_aware: true })
    };
    let tagged: BTreeSet<(&str, u16)> =
        nics().filter_map(|nic| Some((nic.bridge.as_deref()?, nic.tag?))).collect();
    let auxiliary = tagged.into_iter().filter(|(bridge, _)| !vlan_aware(bridge));
    let auxiliary = auxiliary.map(|(bridge, tag)| format!("{bridge}v{tag}"));
    let ports: BTreeSet<&str> = nics().map(|nic| nic.ifname.as_str()).collect();
    let actual = facts.links.iter().filter(|link| ports.contains(link.name.as_str()));
    let actual = actual.filter_map(|link| link.master.as_deref()).filter(|name| !name.starts_with("fwbr"));
    let vnets = config.vnets.keys().chain(&config.sdn.vnets).map(IfName::as_str);
    let all = named.chain(actual).chain(vnets).map(str::parse).chain(auxiliary.map(|name| name.parse()));
    all.flatten().collect::<BTreeSet<IfName>>().into_iter().collect()
}

/// Host interfaces through which packets reach bridges: those with guests, and any other, for pairs and VLAN
/// sub-interfaces join bridges in ways that no configuration tells.
pub(super) fn towards(bridges: &[IfName], facts: &HostFacts) -> Vec<IfName> {
    let is_bridge =
        |link: &&Link| matches!(link.kind, LinkKind::Bridge { .. }) && !link.name.starts_with("fwbr");
    let others = facts.links.iter().filter(is_bridge).filter_map(|link| link.name.parse().ok());
    let vlans = on_bridges(facts).into_iter().filter_map(|link| link.name.parse().ok());
    let all: BTreeSet<IfName> = bridges.iter().cloned().chain(others).chain(vlans).collect();
    all.into_iter().collect()
}

/// Bridge ports that are VLAN sub-interfaces of another bridge: what is forwarded there comes out of that bridge's
/// own device, as if the host had sent it.
pub(super) fn stacked_ports(facts: &HostFacts) -> Vec<IfName> {
    let ports = on_bridges(facts).into_iter().filter(|link| link.master.is_some());
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
pub(super) fn foreign_ports(bridges: &[IfName], facts: &HostFacts) -> Vec<IfName> {
    let ours = |link: &&Link| {
        let master = link.master.as_deref().unwrap_or_default();
        master.starts_with("fwbr") || bridges.iter().any(|bridge| bridge.as_str() == master)
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
