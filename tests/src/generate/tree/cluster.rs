//! `cluster.fw`, `host.fw` and the VNets' files.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::network;
use super::rules::{Names, address, port_list, v4_network};
use super::{Size, stream};
use crate::generate::Draw;

pub(super) const N_SETS: usize = 20;
pub(super) const N_ALIASES: usize = 50;
pub(super) const N_GROUPS: usize = 10;
const SET_ENTRIES: usize = 50;
const GROUP_RULES: usize = 10;
const NODE_RULES: usize = 20;

/// Options, 50 aliases, 20 sets of 50, 10 groups of 10 rules, and rules for every node.
pub(super) fn cluster_fw(size: &Size) -> String {
    let mut text = "[OPTIONS]\n\nenable: 1\npolicy_in: DROP\npolicy_out: ACCEPT\n\
        log_ratelimit: enable=1,rate=5/second,burst=10\n\n[ALIASES]\n\nlocal_network 192.168.0.0/16\n"
        .to_owned();
    let mut draw = stream(size, "aliases", 0);
    for index in 0..N_ALIASES {
        writeln!(text, "alias{index:02} {} # alias {index}", address(&mut draw)).expect("a String takes all");
    }
    text.push_str("\n[IPSET management]\n\n192.168.0.0/24\n10.0.0.0/24 # office\n");
    for index in 0..N_SETS {
        let mut draw = stream(size, "set", u32::try_from(index).expect("small"));
        let entries = set_entries(&mut draw, SET_ENTRIES);
        write!(text, "\n[IPSET set{index:02}] # a set\n\n{entries}").expect("a String takes all");
    }
    for index in 0..N_GROUPS {
        let mut draw = stream(size, "group", u32::try_from(index).expect("small"));
        let rules = Names::group().rules(&mut draw, GROUP_RULES);
        write!(text, "\n[group group{index}] # a group\n\n{rules}").expect("a String takes all");
    }
    let rules = Names::node().rules(&mut stream(size, "cluster", 0), NODE_RULES);
    text.push_str(&format!("\n[RULES]\n\n{rules}"));
    text
}

/// The entries of a set: distinct, one in fifty excluded, one in fifty an alias of the datacenter.
pub(super) fn set_entries(draw: &mut Draw, n_entries: usize) -> String {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    while seen.len() < n_entries {
        let kind = draw.below(50);
        let entry = if kind == 0 { format!("dc/alias{:02}", draw.below(N_ALIASES)) } else { address(draw) };
        if seen.insert(entry.clone()) {
            let not = if kind == 1 { "!" } else { "" };
            let comment = if draw.chance(5) { " # entry" } else { "" };
            writeln!(text, "{not}{entry}{comment}").expect("a String takes all");
        }
    }
    text
}

/// A node's own options and rules.
pub(super) fn host_fw(size: &Size) -> String {
    let rules = Names::node().rules(&mut stream(size, "host", 0), NODE_RULES);
    format!(
        "[OPTIONS]\n\nenable: 1\nnftables: 1\nlog_level_in: info\nlog_level_out: nolog\nndp: 1\ntcpflags: 1\n\
         nosmurfs: 1\nprotection_synflood: 1\n\n[RULES]\n\n{rules}"
    )
}

/// Ten forward rules of a VNet.
pub(super) fn vnet_fw(size: &Size, index: u32) -> String {
    let mut draw = stream(size, "vnet", index);
    let (name, subnet) = (network::vnet(index), network::network(index));
    let mut text = format!(
        "[OPTIONS]\n\nenable: 1\npolicy_forward: DROP\n\n[RULES]\n\n\
         FORWARD ACCEPT -source +sdn/{name}-all -dest +sdn/{name}-all -p tcp -dport {}\n\
         FORWARD ACCEPT -source {subnet}/24 -p icmp -icmp-type echo-request\n",
        port_list(&mut draw)
    );
    for _ in 0..8 {
        let verdict = draw.pick(&["ACCEPT", "ACCEPT", "DROP"]);
        let (source, ports) = (v4_network(&mut draw), port_list(&mut draw));
        writeln!(text, "FORWARD {verdict} -source {source} -dest {subnet}/24 -p tcp -dport {ports}")
            .expect("a String takes all");
    }
    text
}
