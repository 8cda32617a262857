//! Base chains of others that decide about the same packets as ours do: what an administrator has to know of.
//!
//! To accept ends one base chain, to drop ends the packet, wherever it is: so nobody's chain opens what ours close,
//! and anybody's closes what ours open.

use nft_ffi::netlink::{BaseChain, Family};

/// Families of tables that packets of ours meet (`NFPROTO_`).
const FAMILIES: [(u8, &str); 5] = [(1, "inet"), (2, "ip"), (5, "netdev"), (7, "bridge"), (10, "ip6")];
/// Hooks of all of them but netdev (`NF_INET_`, `NF_BR_`).
const HOOKS: [&str; 5] = ["prerouting", "input", "forward", "output", "postrouting"];
/// From here on chains stand among ours or behind them.
const OURS: i32 = 0;
/// That many are named.
const N_NAMED_MAX: usize = 20;

/// A line for each chain that may drop.
pub fn warnings(chains: &[BaseChain]) -> Vec<String> {
    let mut warnings: Vec<String> = chains.iter().filter_map(warning).collect();
    let n_more = warnings.len().saturating_sub(N_NAMED_MAX);
    warnings.truncate(N_NAMED_MAX);
    if n_more > 0 {
        warnings.push(format!("{n_more} more chains of others decide beside ours"));
    }
    warnings
}

fn warning(chain: &BaseChain) -> Option<String> {
    let Family(number) = chain.family;
    let (_, family) = FAMILIES.iter().find(|(known, _)| *known == number)?;
    if chain.kind != "filter" || (!chain.drops && chain.n_rules == 0) {
        return None;
    }
    let hook = match (*family, usize::try_from(chain.hook)) {
        ("netdev", Ok(0)) => "ingress",
        ("netdev", _) => "egress",
        (_, Ok(number)) => HOOKS.get(number).copied().unwrap_or("ingress"),
        (_, Err(_)) => "ingress",
    };
    let BaseChain { name, table, priority, .. } = chain;
    let policy = if chain.drops { "drop" } else { "accept" };
    let place = match *family == "netdev" || *priority < OURS {
        true => "before ours: what it drops never comes to them",
        false => "beside ours: what it drops is lost even if they accept it",
    };
    Some(format!(
        "chain {name} of table {family} {table} (hook {hook}, priority {priority}, policy {policy}) decides {place}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{BaseChain, Family, warnings};

    #[test]
    fn what_cannot_drop_is_not_told() {
        let chain = |kind: &str, drops, n_rules, priority| BaseChain {
            family: Family(1),
            table: "theirs".to_owned(),
            name: "first".to_owned(),
            kind: kind.to_owned(),
            hook: 1,
            priority,
            drops,
            n_rules,
        };
        let harmless = [chain("nat", false, 3, -100), chain("filter", false, 0, -10)];
        assert_eq!(warnings(&harmless), [""; 0]);
        let told = warnings(&[chain("filter", true, 0, -10), chain("filter", false, 1, 0)]);
        assert!(
            told[0].starts_with("chain first of table inet theirs (hook input, priority -10, policy drop)")
        );
        assert!(told[0].contains("before ours") && told[1].contains("beside ours"), "{told:?}");
        let many = vec![chain("filter", true, 0, 0); 30];
        assert_eq!(warnings(&many).len(), 21);
    }
}
