//! `[ALIASES]` and `[IPSET …]`.

use super::{Scope, Wild, comment, pool};

/// Some of the aliases, of either family; `web` may be defined twice.
pub(super) fn aliases(wild: &mut Wild) -> String {
    let mut text = wild.value(&["[ALIASES]\n", "[aliases]\n"], &["[ALIAS]\n"]).to_owned();
    for name in pool::ALIASES {
        if wild.chance(70) {
            let name = if wild.chance(wild.noise) { wild.draw.pick(pool::BAD_NAMES) } else { name };
            let cidr = cidr(wild);
            text.push_str(&format!("{name} {cidr}{}\n", comment(wild)));
        }
    }
    text
}

/// Some of the sets, each with few entries; one may be large.
pub(super) fn ipsets(wild: &mut Wild, scope: Scope) -> String {
    let mut text = String::new();
    for name in pool::SETS {
        let share = if name.starts_with("ipfilter") == (scope == Scope::Cluster) { 5 } else { 50 };
        if !wild.chance(share) {
            continue;
        }
        let name = if wild.chance(wild.noise) { wild.draw.pick(pool::BAD_NAMES) } else { name };
        text.push_str(&format!("[IPSET {name}]{}\n", comment(wild)));
        let n_entries = match name {
            "empty" => 0,
            "big" => wild.draw.between(20, 60),
            _ => wild.draw.between(0, 6),
        };
        for _ in 0..n_entries {
            text.push_str(&entry(wild));
        }
    }
    text
}

fn entry(wild: &mut Wild) -> String {
    let not = wild.draw.weighted(&[(12, ""), (2, "!"), (1, "! ")]);
    let what = if wild.chance(15) {
        let scope = wild.value(&["", "dc/", "guest/"], &["sdn/", "+"]);
        format!("{scope}{}", wild.value(pool::ALIASES, pool::BAD_NAMES))
    } else if wild.chance(wild.noise) {
        wild.draw
            .pick(&["10.0.0.1-10.0.0.9", "+web", "1.1.1.1,2.2.2.2", "0.0.0.0/0", "!", "1.1.1.1 2.2.2.2"])
            .to_owned()
    } else {
        cidr(wild)
    };
    format!("{not}{what}{}\n", comment(wild))
}

/// An address or a network.
fn cidr(wild: &mut Wild) -> String {
    let pools = [pool::V4, pool::V4, pool::V4_NETWORKS, pool::V6, pool::V6_NETWORKS];
    let good = wild.draw.pick(&pools);
    let cidr = wild.value(good, pool::BAD_ADDRESSES);
    if cidr.contains('/') || !wild.chance(20) {
        return cidr.to_owned();
    }
    let longest = if cidr.contains(':') { 128 } else { 32 };
    format!("{cidr}/{}", wild.draw.between(1, longest))
}
