//! Small configurations of the reference network (`tests/network`), full of edge cases: every section and option,
//! overlapping rules, and among them lines that are wrong in the ways in which people are.
//!
//! A configuration has a noise level: some have no wrong line, so that packets reach deep into the rules.

mod confs;
mod options;
pub mod pool;
mod rules;
mod sets;

use std::collections::BTreeMap;

use engine::inputs::HostFacts;

use super::Draw;
use crate::network;

/// Guests of the reference network.
const GUESTS: &[u32] = &[100, 110, 199, 200, 400, 401];

/// Where a rule stands: which directions, names and interfaces make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Cluster,
    Host,
    Guest(u32),
    Vnet,
    Group,
}

/// A stream of choices, some of them wrong.
struct Wild {
    draw: Draw,
    /// How many of a hundred choices are wrong.
    noise: usize,
}

impl Wild {
    /// One of the good values, or of the bad ones.
    fn value(&mut self, good: &[&'static str], bad: &[&'static str]) -> &'static str {
        let noisy = self.draw.chance(self.noise);
        self.draw.pick(if noisy && !bad.is_empty() { bad } else { good })
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.draw.chance(percent)
    }
}

/// The host of the reference network.
pub fn reference_facts() -> HostFacts {
    network::facts(include_str!("../../../network/facts.json"))
}

/// The files of configuration number `seed`, by the path that a node sees; [`reference_facts`] go with them.
pub fn wild(seed: u64) -> BTreeMap<String, Vec<u8>> {
    let noise = Draw::new(seed, "noise", 0).weighted(&[(4, 0), (3, 4), (1, 25)]);
    let stream = |kind: &str, number: u32| Wild { draw: Draw::new(seed, kind, u64::from(number)), noise };
    let mut files = confs::files(&mut stream("confs", 0));
    let mut add = |path: &str, text: String, wild: &mut Wild| {
        files.insert(path.to_owned(), line_ends(wild, text));
    };
    let mut cluster = stream("cluster", 0);
    let text = cluster_fw(&mut cluster);
    add("/etc/pve/firewall/cluster.fw", text, &mut cluster);
    let mut host = stream("host", 0);
    if host.chance(85) {
        let text = sections(&mut host, Scope::Host);
        add("/etc/pve/nodes/node1/host.fw", text, &mut host);
    }
    for &vmid in GUESTS {
        let mut guest = stream("guest", vmid);
        if guest.chance(90) {
            let text = sections(&mut guest, Scope::Guest(vmid));
            add(&format!("/etc/pve/firewall/{vmid}.fw"), text, &mut guest);
        }
    }
    let mut vnet = stream("vnet", 1);
    if vnet.chance(75) {
        let text = sections(&mut vnet, Scope::Vnet);
        add("/etc/pve/sdn/firewall/vnet1.fw", text, &mut vnet);
    }
    files
}

fn cluster_fw(wild: &mut Wild) -> String {
    let mut text = sections(wild, Scope::Cluster);
    for name in pool::GROUPS {
        if wild.chance(80) {
            let rules = rules::lines(wild, Scope::Group, 5);
            text.push_str(&format!(
                "[{} {name}]{}\n{rules}",
                wild.value(&["group", "GROUP"], &["grup"]),
                comment(wild)
            ));
        }
    }
    text
}

/// Options, aliases, sets and rules, in any order.
fn sections(wild: &mut Wild, scope: Scope) -> String {
    let mut parts = vec![options::section(wild, scope)];
    if matches!(scope, Scope::Cluster | Scope::Guest(_)) || wild.chance(wild.noise) {
        parts.push(sets::aliases(wild));
        parts.push(sets::ipsets(wild, scope));
    }
    let most = if scope == Scope::Cluster { 8 } else { 10 };
    parts.push(format!("{}\n{}", wild.value(&["[RULES]", "[rules]"], &["[RULES] # ours", "[RULE]"]), {
        rules::lines(wild, scope, most)
    }));
    if wild.chance(30) {
        wild.draw.shuffle(&mut parts);
    }
    if wild.chance(wild.noise) {
        let stray = [
            "enable: 1\n",
            "\u{feff}",
            "[group x]\n",
            "[IPSET]\n",
            "]\n",
            "[OPTIONS\n",
            "IN ACCEPT\n",
            "\0\n",
        ];
        parts.insert(wild.draw.below(parts.len() + 1), wild.draw.pick(&stray).to_owned());
    }
    parts.join(wild.draw.pick(&["", "\n", "# a comment\n\n"]))
}

fn comment(wild: &mut Wild) -> &'static str {
    wild.draw.weighted(&[(20, ""), (2, " # why"), (1, "#w # y"), (1, "\t# gr\u{fc}\u{df}e")])
}

/// Some editors write CR LF, some forget the last line end.
fn line_ends(wild: &mut Wild, mut text: String) -> Vec<u8> {
    if wild.chance(5) {
        text = text.replace('\n', "\r\n");
    }
    if wild.chance(5) {
        text.truncate(text.trim_end().len());
    }
    text.into_bytes()
}
