//! Facts of a node of which only the files are there: what its configuration says is taken for what is.
//!
//! Every local guest runs, its NICs are ports of the bridges that they name, names resolve by the copy's
//! `etc/hosts`, addresses are those of its `etc/network/interfaces`.

use std::collections::BTreeMap;

use engine::inputs::{HostAddress, HostFacts, Inputs, Link, LinkKind};
use engine::model::Config;
use engine::span::Sources;

use super::{names, now_s};
use crate::host::concern::vmid_of_port;
use crate::host::files::{self, GatherError};
use crate::host::paths::Paths;

/// What the files of `node` suggest.
pub(super) fn facts(paths: &Paths, node: String) -> Result<HostFacts, GatherError> {
    let files = files::gather(paths, &node, &[])?;
    let hosts = files::text(paths, "/etc/hosts").unwrap_or_default();
    let mut resolved = names::look_up(&hosts, names::wanted(paths, &node));
    let own = resolved.entry(node.clone()).or_default();
    own.extend(names::member_address(paths, &node));
    names::tidy(own);

    let divert_assumed = true;
    let facts = HostFacts { node, resolved, now_s: now_s(), divert_assumed, ..HostFacts::default() };
    let inputs = Inputs { files, facts: facts.into(), ..Inputs::default() };
    let (config, _) = engine::lower::config(&inputs, &mut Sources::default());
    let interfaces = files::text(paths, "/etc/network/interfaces").unwrap_or_default();
    Ok(HostFacts { links: links(&config, &interfaces), ..HostFacts::clone(&inputs.facts) })
}

/// Interfaces of `etc/network/interfaces`, bridges that guests and VNets name, ports of guests.
fn links(config: &Config, interfaces: &str) -> Vec<Link> {
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    let bridge = |name: &str| Link {
        name: name.to_owned(),
        kind: LinkKind::Bridge { vlan_aware: false },
        up: true,
        ..Link::default()
    };
    let nics = || config.guests.values().flat_map(|guest| guest.nics.values());
    let bridges = nics().filter_map(|nic| nic.bridge.as_deref());
    for name in bridges.chain(config.vnets.keys().map(|name| name.as_str())) {
        links.entry(name.to_owned()).or_insert_with(|| bridge(name));
    }
    for stanza in stanzas(interfaces) {
        let link = links.entry(stanza.name.clone()).or_insert_with(|| Link {
            name: stanza.name.clone(),
            up: true,
            ..Link::default()
        });
        if stanza.is_bridge {
            link.kind = LinkKind::Bridge { vlan_aware: stanza.vlan_aware };
        }
        link.addresses.extend(stanza.addresses);
        for port in stanza.ports {
            let port =
                links.entry(port.clone()).or_insert_with(|| Link { name: port, up: true, ..Link::default() });
            port.master = Some(stanza.name.clone());
        }
    }
    for nic in nics() {
        let name = nic.ifname.as_str().to_owned();
        let port = Link { name: name.clone(), master: nic.bridge.clone(), up: true, ..Link::default() };
        links.insert(name, port);
    }
    add_uplinks(&mut links);
    (1..).zip(links.into_values()).map(|(index, link)| Link { index, ..link }).collect()
}

/// A bridge of which nothing but guests is known gets a port to the world, or no packet could come from there.
fn add_uplinks(links: &mut BTreeMap<String, Link>) {
    let is_bridge = |link: &&Link| matches!(link.kind, LinkKind::Bridge { .. });
    let has_port = |bridge: &&Link| {
        let is_port = |link: &Link| link.master.as_ref() == Some(&bridge.name);
        links.values().any(|link| is_port(link) && vmid_of_port(&link.name).is_none())
    };
    let lonely: Vec<String> =
        links.values().filter(is_bridge).filter(|bridge| !has_port(bridge)).map(|b| b.name.clone()).collect();
    for (index, bridge) in lonely.into_iter().enumerate() {
        let name = format!("uplink{index}");
        links.insert(name.clone(), Link { name, master: Some(bridge), up: true, ..Link::default() });
    }
}

/// What matters of an `iface` stanza of interfaces(5).
#[derive(Debug, Default, PartialEq, Eq)]
struct Stanza {
    name: String,
    is_bridge: bool,
    vlan_aware: bool,
    addresses: Vec<HostAddress>,
    ports: Vec<String>,
}

fn stanzas(text: &str) -> Vec<Stanza> {
    let mut stanzas: Vec<Stanza> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(key), first) = (words.next(), words.next()) else { continue };
        match (key, first) {
            ("iface", Some(name)) => {
                is_inside = true;
                stanzas.push(Stanza { name: name.to_owned(), ..Stanza::default() });
            }
            ("auto" | "source" | "source-directory" | "mapping" | "rename", _) => is_inside = false,
            (key, _) if key.starts_with("allow-") => is_inside = false,
            (key, Some(value)) if is_inside => {
                if let Some(stanza) = stanzas.last_mut() {
                    stanza.option(key, value, words);
                }
            }
            _ => {}
        }
    }
    stanzas
}

impl Stanza {
    fn option<'t>(&mut self, key: &str, value: &'t str, rest: impl Iterator<Item = &'t str>) {
        match key {
            // Without a prefix the mask stands in a line of its own: old, and not worth a guess.
            "address" if value.contains('/') => self.addresses.extend(value.parse::<HostAddress>().ok()),
            "bridge-ports" | "bridge_ports" => {
                self.is_bridge = true;
                let ports = std::iter::once(value).chain(rest).filter(|port| *port != "none");
                self.ports.extend(ports.map(str::to_owned));
            }
            "bridge-vlan-aware" => self.vlan_aware = value == "yes",
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::stanzas;

    #[test]
    fn reads_bridges_and_addresses() {
        let text = "auto lo\niface lo inet loopback\n\niface eno1 inet manual\n\nauto vmbr0\niface vmbr0 inet static\n\
            \taddress 192.0.2.1/24\n\tgateway 192.0.2.254\n\tbridge-ports eno1\n\tbridge-vlan-aware yes\n";
        let all = stanzas(text);
        let bridge = all.iter().find(|s| s.name == "vmbr0").expect("there");
        assert!(bridge.is_bridge && bridge.vlan_aware);
        assert_eq!(bridge.ports, ["eno1"]);
        assert_eq!(bridge.addresses.len(), 1);
    }
}
