//! What the cluster and the host contribute: local network, corosync links, bridges that br_netfilter spoils.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Corosync, Ipset};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::{HostFacts, LinkKind};
use crate::model::address::{Cidr, Family, IpInterval, Mac, join};
use crate::model::names::{IfName, ObjectName};
use crate::model::sdn::CorosyncNode;
use crate::model::{Config, LostEntries};

/// The local network: alias `local_network`, else every interface network and every connected route that holds
/// an address of the node's name. Never empty: loopback stands in.
pub(super) fn local_network(config: &Config, facts: &HostFacts) -> Ipset {
    let name: ObjectName = "local_network".parse().expect("follows the grammar");
    if let Some(alias) = config.datacenter.aliases.get(&name) {
        return ipset(vec![alias.cidr.interval()], Some(alias.span));
    }
    let own = facts.resolved.get(&facts.node).map_or(&[][..], Vec::as_slice);
    let interfaces = facts.links.iter().flat_map(|link| &link.addresses).map(|own| own.network());
    let networks =
        interfaces.chain(facts.connected.iter().copied()).filter(|net| own.iter().any(|a| net.contains(*a)));
    let intervals: Vec<IpInterval> = networks.map(|cidr| cidr.interval()).collect();
    if intervals.is_empty() {
        let loopback = Cidr::new(IpAddr::from([127, 0, 0, 0]), 8).expect("8 bits fit");
        return ipset(vec![loopback.interval()], None);
    }
    ipset(join(intervals), None)
}

fn ipset(intervals: Vec<IpInterval>, span: Option<crate::span::Span>) -> Ipset {
    // Not below `dc/`: an IPSet of the datacenter may have the same name and other content.
    Ipset { name: "local_network".into(), intervals, span, lost: LostEntries::default() }
}

/// Pairs of addresses between which corosync talks: same link, same family, this node and each other node.
pub(super) fn corosync(
    config: &Config,
    facts: &HostFacts,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Corosync> {
    let written = config.corosync.as_ref()?;
    let is_own = |node: &&CorosyncNode| node.name == facts.node;
    let mut corosync = Corosync { multicast: written.transport == "udp", ..Corosync::default() };
    let Some(own) = written.nodes.iter().find(is_own) else {
        corosync.unresolved = !written.nodes.is_empty();
        if corosync.unresolved {
            let message = format!("corosync.conf has no node {}", facts.node);
            diagnostics.push(unresolved(message));
        }
        return Some(corosync);
    };
    let mut pairs = BTreeSet::new();
    for peer in written.nodes.iter().filter(|node| !is_own(node)) {
        for (link, peer_address) in &peer.links {
            let Some(own_address) = own.links.get(link) else { continue };
            let here = addresses(own_address, facts);
            let there = addresses(peer_address, facts);
            let all = there.iter().flat_map(|peer| here.iter().map(move |own| (*peer, *own)));
            let mut matching = all.filter(|(peer, own)| Family::of(*peer) == Family::of(*own)).peekable();
            if matching.peek().is_none() {
                corosync.unresolved = true;
                let message =
                    format!("address `{peer_address}` of node {}, link {link}, is not known", peer.name);
                diagnostics.push(unresolved(message));
            }
            pairs.extend(matching);
        }
    }
    corosync.pairs = pairs.into_iter().collect();
    Some(corosync)
}

fn unresolved(message: String) -> Diagnostic {
    let consequence = "corosync is open to the whole management set";
    Diagnostic::new(Code::CorosyncAddress, Place::Host, message, consequence)
        .help("write an IP address in corosync.conf, or add the name to /etc/hosts")
}

fn addresses(text: &str, facts: &HostFacts) -> Vec<IpAddr> {
    match text.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => facts.resolved.get(text).cloned().unwrap_or_default(),
    }
}

/// All bridges with their MAC, where bridged frames run the inet hooks and nobody could switch that off.
pub(super) fn stuck_bridges(facts: &HostFacts) -> Vec<(IfName, Mac)> {
    if !facts.bridge_nf_stuck {
        return Vec::new();
    }
    let bridges = facts.links.iter().filter(|link| matches!(link.kind, LinkKind::Bridge { .. }));
    bridges.filter_map(|link| Some((link.name.parse().ok()?, link.mac?))).collect()
}
