//! `localnet`: the network that may manage this node, as detected, in the order of the classic firewall's command.

use engine::inputs::Settings;
use engine::model::address::{Cidr, IpInterval, from_number};
use engine::model::port::PortRange;

use super::Outcome;
use super::node::Node;
use super::output::print;
use crate::host::facts::Wanted;

pub(super) fn run(wanted: &Wanted) -> anyhow::Result<Outcome> {
    let node = Node::compile_aloud(wanted, Settings::default())?;
    let (facts, resolved) = (&node.inputs.facts, &node.compiled.resolved);
    let mut text = format!("local hostname: {}\n", facts.node);
    let own = facts.resolved.get(&facts.node).map_or(&[][..], Vec::as_slice);
    if own.is_empty() {
        text.push_str("local IP address: none: the host name does not resolve\n");
    }
    own.iter().for_each(|address| text.push_str(&format!("local IP address: {address}\n")));

    let networks = listed(&resolved.local_network.intervals);
    match resolved.local_network.span {
        Some(span) => {
            let at = node.compiled.sources.position(span);
            text.push_str(&format!(
                "using user defined local_network: {networks} ({}:{})\n",
                at.path, at.line
            ));
        }
        None => {
            text.push_str(&format!("network auto detect: {networks}\n"));
            text.push_str(&format!("using detected local_network: {networks}\n"));
        }
    }

    let management = listed(&resolved.management.intervals);
    text.push_str(&format!("\naccepting management of this node (tcp {}) from: {management}\n", ports()));
    if let Some(corosync) = &resolved.corosync {
        let pairs: Vec<String> =
            corosync.pairs.iter().map(|(peer, own)| format!("{peer} to {own}")).collect();
        if !pairs.is_empty() {
            text.push_str(&format!("accepting corosync from: {}\n", pairs.join(", ")));
        }
        if corosync.unresolved {
            text.push_str(
                "accepting corosync from the whole management set, because a peer has no known address\n",
            );
        }
    }
    print(&text)?;
    Ok(Outcome::Clean)
}

fn ports() -> String {
    let text = |ports: &PortRange| match ports {
        PortRange { first, last } if first == last => first.to_string(),
        PortRange { first, last } => format!("{first}-{last}"),
    };
    engine::tables::cluster_ports::MANAGEMENT_IN.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn listed(intervals: &[IpInterval]) -> String {
    let text = |interval: &IpInterval| {
        let (first, last) =
            (from_number(interval.family, interval.first), from_number(interval.family, interval.last));
        let network = (0..=interval.family.bits())
            .find_map(|prefix| Cidr::new(first, prefix).filter(|cidr| cidr.interval() == *interval));
        network.map_or_else(|| format!("{first}-{last}"), |network| network.to_string())
    };
    intervals.iter().map(text).collect::<Vec<_>>().join(", ")
}
