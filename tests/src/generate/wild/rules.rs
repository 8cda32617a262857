//! `[RULES]` and the bodies of groups: rules whose parameters fit each other, and some whose don't.

use engine::tables::macros::MACROS;

use super::{Scope, Wild, comment, pool};

/// At most `most` rules.
pub(super) fn lines(wild: &mut Wild, scope: Scope, most: usize) -> String {
    let n_rules = wild.draw.between(0, most);
    (0..n_rules).map(|_| line(wild, scope)).collect()
}

fn line(wild: &mut Wild, scope: Scope) -> String {
    if wild.chance(wild.noise / 4) {
        let broken = [
            "IN",
            "IN ACCEPT -",
            "IN ACCEPT net0",
            "\0",
            "IN ACCEPT -p",
            "||IN ACCEPT",
            "OUT DENY",
            "-log info",
        ];
        return format!("{}\n", wild.draw.pick(&broken));
    }
    let off = wild.draw.weighted(&[(20, ""), (1, "|"), (1, "| ")]);
    let rule =
        if scope != Scope::Group && wild.chance(15) { group(wild, scope) } else { matching(wild, scope) };
    format!("{off}{rule}{}\n", comment(wild))
}

fn group(wild: &mut Wild, scope: Scope) -> String {
    let name = wild.value(pool::GROUPS, pool::BAD_NAMES);
    let word = wild.value(&["GROUP", "group"], &["GRUP"]);
    let log = if wild.chance(wild.noise) { " -log info" } else { "" };
    format!("{word} {name}{}{log}", interface(wild, scope))
}

fn matching(wild: &mut Wild, scope: Scope) -> String {
    let direction = direction(wild, scope);
    let verdict = wild.draw.weighted(&[(5, "ACCEPT"), (3, "DROP"), (3, "REJECT"), (1, "accept")]);
    let interface = if direction == "FORWARD" { String::new() } else { interface(wild, scope) };
    let mut parameters = vec![interface];
    let head = if wild.chance(25) {
        let name = MACROS[wild.draw.below(MACROS.len())].name;
        let name = if wild.chance(wild.noise) { "NoSuchMacro" } else { name };
        let action = if wild.chance(10) {
            format!("{}({verdict})", name.to_lowercase())
        } else {
            format!("{name}({verdict})")
        };
        let family = any_family(wild);
        parameters.extend(addresses(wild, scope, family));
        format!("{direction} {action}")
    } else {
        parameters.extend(criteria(wild, scope));
        format!("{direction} {verdict}")
    };
    if wild.chance(30) {
        let dash = wild.draw.pick(&["-", "-", "--"]);
        parameters.push(format!(" {dash}log {}", wild.value(pool::LEVELS, &["error", "8", "yes"])));
    }
    if wild.chance(15) {
        wild.draw.shuffle(&mut parameters);
    }
    if wild.chance(wild.noise) {
        parameters.push(
            wild.draw
                .pick(&[" -p tcp", " -dport 80", " -source 10.0.0.1", " -P tcp", " -p=tcp", " x"])
                .to_owned(),
        );
    }
    format!("{head}{}", parameters.concat())
}

fn direction(wild: &mut Wild, scope: Scope) -> &'static str {
    let good: &[&str] = match scope {
        Scope::Cluster | Scope::Host | Scope::Group => &["IN", "IN", "IN", "OUT", "FORWARD", "in"],
        Scope::Guest(_) => &["IN", "IN", "IN", "OUT", "OUT", "out"],
        Scope::Vnet => &["FORWARD", "forward"],
    };
    wild.value(good, &["IN", "OUT", "FORWARD", "BOTH", "INPUT"])
}

fn interface(wild: &mut Wild, scope: Scope) -> String {
    if !wild.chance(if scope == Scope::Group { wild.noise } else { 12 }) {
        return String::new();
    }
    let good: &[&str] = match scope {
        Scope::Guest(_) => &["net0", "net1"],
        Scope::Cluster | Scope::Host | Scope::Vnet | Scope::Group => {
            &["vmbr0", "vmbr1", "eth0", "vnet1", "absent0"]
        }
    };
    let name =
        wild.value(good, &["net32", "net", "eth*", "a/b", "a-name-too-long-for-linux", ".", "\"", "lo"]);
    format!(" {} {name}", wild.draw.pick(&["-i", "-i", "--iface"]))
}

/// A family to which a rule's parts keep: 4, 6, or none in particular.
fn any_family(wild: &mut Wild) -> Option<u8> {
    wild.draw.weighted(&[(4, Some(4)), (3, Some(6)), (2, None)])
}

/// Protocol, ports and types, addresses.
fn criteria(wild: &mut Wild, scope: Scope) -> Vec<String> {
    let family = any_family(wild);
    let mut parts = Vec::new();
    match wild.draw.below(10) {
        0..=4 => {
            parts.push(format!(" -p {}", wild.value(pool::PORT_PROTOCOLS, pool::BAD_PROTOCOLS)));
            for (name, share) in [("dport", 85), ("sport", 15)] {
                if wild.chance(share) {
                    let lists = wild.draw.pick(&[pool::PORTS, pool::PORT_LISTS]);
                    parts.push(format!(" -{name} {}", wild.value(lists, pool::BAD_PORTS)));
                }
            }
        }
        5..=6 => {
            let good = match family {
                Some(4) => &["icmp", "1"][..],
                Some(_) => &["icmpv6", "ipv6-icmp", "58"],
                None => pool::ICMP_PROTOCOLS,
            };
            parts.push(format!(" -p {}", wild.value(good, pool::BAD_PROTOCOLS)));
            if wild.chance(80) {
                let name = wild.draw.pick(&["icmp-type", "icmp-type", "dport"]);
                parts.push(format!(" -{name} {}", wild.value(pool::ICMP_TYPES, pool::BAD_ICMP_TYPES)));
            }
        }
        7 => parts.push(format!(" -proto {}", wild.value(pool::PROTOCOLS, pool::BAD_PROTOCOLS))),
        _ => {}
    }
    parts.extend(addresses(wild, scope, family));
    parts
}

/// `-source` and `-dest`, each often not there.
fn addresses(wild: &mut Wild, scope: Scope, family: Option<u8>) -> Vec<String> {
    let mut parts = Vec::new();
    for (name, share) in [("source", 45), ("dest", 25)] {
        if wild.chance(share) {
            let blank = wild.draw.weighted(&[(20, " "), (1, "  "), (1, "\t")]);
            parts.push(format!(" -{name}{blank}{}", address(wild, scope, family)));
        }
    }
    parts
}

fn address(wild: &mut Wild, scope: Scope, family: Option<u8>) -> String {
    if wild.chance(wild.noise) {
        return wild.draw.pick(pool::BAD_ADDRESSES).to_owned();
    }
    let mut scopes = vec!["", "dc/"];
    if matches!(scope, Scope::Guest(_)) {
        scopes.push("guest/");
    }
    match wild.draw.below(10) {
        0..=1 => format!("+{}{}", wild.draw.pick(&scopes), wild.value(pool::SETS, pool::BAD_NAMES)),
        2 => {
            let sets = [
                "vnet1-all",
                "vnet1-gateway",
                "vnet1-no-gateway",
                "vnet1-dhcp",
                "guest-ipam-100",
                "vnet9-all",
            ];
            format!("+{}{}", wild.draw.pick(&["sdn/", ""]), wild.draw.pick(&sets))
        }
        3 => format!("{}{}", wild.draw.pick(&scopes), wild.value(pool::ALIASES, pool::BAD_NAMES)),
        _ => list(wild, family),
    }
}

/// One to twelve addresses, networks and ranges of one family.
fn list(wild: &mut Wild, family: Option<u8>) -> String {
    let six = match family {
        Some(family) => family == 6,
        None => wild.chance(40),
    };
    let pools: [&[&str]; 3] = if six {
        [pool::V6, pool::V6_NETWORKS, pool::V6_RANGES]
    } else {
        [pool::V4, pool::V4_NETWORKS, pool::V4_RANGES]
    };
    let n_elements = wild.draw.weighted(&[(12, 1), (3, 2), (2, 4), (1, 12)]);
    let elements: Vec<&str> = (0..n_elements)
        .map(|_| {
            let pool = wild.draw.weighted(&[(5, pools[0]), (3, pools[1]), (1, pools[2])]);
            wild.draw.pick(pool)
        })
        .collect();
    elements.join(",")
}
