//! A node's configuration of any size, as administrators write it: every line is valid and names what is there.
//!
//! Each object draws from its own stream, so guest 150 is the same whether there are 100 guests or 5,000.

mod cluster;
mod guest;
mod network;
mod rules;

use std::collections::BTreeMap;

use engine::inputs::{FileContent, HostFacts, Inputs};

use super::Draw;

/// Number of the first guest; the others follow without a gap.
pub const FIRST_VMID: u32 = 100;

const NODE: &str = "pve1";
const N_VNETS: u32 = 4;

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Another seed, other rules.
    pub seed: u64,
    /// Guests of this node.
    pub guests: u32,
    /// Rules of each.
    pub rules_per_guest: usize,
    /// Their own sets.
    pub own_sets: OwnSets,
}

/// Sets in guests' own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnSets {
    /// One guest in five has one or two small ones.
    Few,
    /// Every guest has two with 50 entries each, unlike all others'.
    Many,
}

impl Size {
    /// So many guests of 20 rules each, few of them with sets of their own.
    pub fn guests(guests: u32) -> Size {
        Size { seed: 1, guests, rules_per_guest: 20, own_sets: OwnSets::Few }
    }
}

/// A generated node.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Its files, by the path that a node sees.
    pub files: BTreeMap<String, String>,
    /// Its interfaces and addresses.
    pub facts: HostFacts,
}

impl Tree {
    /// What a compilation reads.
    pub fn inputs(&self) -> Inputs {
        let content = |(path, text): (&String, &String)| (path.clone(), FileContent::text(text));
        Inputs {
            files: self.files.iter().map(content).collect(),
            facts: self.facts.clone().into(),
            ..Inputs::default()
        }
    }

    /// The facts as the command line reads them.
    pub fn facts_json(&self) -> String {
        network::facts_json(&self.facts)
    }
}

/// The node of this size.
pub fn tree(size: &Size) -> Tree {
    let mut files = BTreeMap::new();
    let mut add = |path: &str, text: String| {
        files.insert(path.to_owned(), text);
    };
    add("/etc/pve/firewall/cluster.fw", cluster::cluster_fw(size));
    add(&format!("/etc/pve/nodes/{NODE}/host.fw"), cluster::host_fw(size));
    let mut nics = Vec::new();
    let mut list = Vec::new();
    for vmid in FIRST_VMID..FIRST_VMID + size.guests {
        let guest = guest::guest(size, vmid);
        let (folder, kind) = if guest.container { ("lxc", "lxc") } else { ("qemu-server", "qemu") };
        add(&format!("/etc/pve/nodes/{NODE}/{folder}/{vmid}.conf"), guest.conf);
        add(&format!("/etc/pve/firewall/{vmid}.fw"), guest.firewall);
        list.push(format!(r#""{vmid}": {{"node": "{NODE}", "type": "{kind}", "version": {vmid}}}"#));
        nics.extend(guest.nics);
    }
    add("/etc/pve/.vmlist", format!("{{\"version\": 1, \"ids\": {{{}}}}}\n", list.join(", ")));
    for index in 0..N_VNETS {
        add(&format!("/etc/pve/sdn/firewall/{}.fw", network::vnet(index)), cluster::vnet_fw(size, index));
    }
    add("/etc/pve/sdn/.running-config", network::running_config());
    add("/etc/pve/sdn/pve-ipam-state.json", network::ipam(&nics));
    for (path, text) in network::REGISTRIES {
        add(path, (*text).to_owned());
    }
    Tree { files, facts: network::facts(&nics) }
}

fn stream(size: &Size, kind: &str, number: u32) -> Draw {
    Draw::new(size.seed, kind, u64::from(number))
}
