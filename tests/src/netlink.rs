//! Rulesets that are loaded as netlink messages, compared with the same loaded as text: whoever lists sees no difference.

use std::collections::BTreeSet;

use engine::diff::Changes;
use engine::render::netlink::{self, Batch, Handles};
use engine::ruleset::{Chain, Ruleset, Statement, Table, TableFamily, Verdict};
use engine::transaction;
use nft_ffi::netlink::{CommitError, Family, Rule, Socket};
use proxmox_firewall::features::{Feature, used, used_by_rule};
use proxmox_firewall::host;

use crate::Failure;
use crate::namespace::{Namespace, run};
use crate::nft::{Language, Loader};

/// What this kernel lacks of what a ruleset may need.
pub fn missing() -> Result<BTreeSet<Feature>, Failure> {
    let _namespace = Namespace::new()?;
    let mut nft = nft_ffi::Nft::new()?;
    let wanted: BTreeSet<Feature> =
        Feature::FIXED.iter().copied().chain(["ftp", "sip", "tftp"].map(Feature::Helper)).collect();
    Ok(host::features::missing(&mut nft, &wanted)?)
}

/// What is left of a ruleset without rules that need something missing: enough to compare listings.
pub fn reduce(ruleset: &Ruleset, missing: &BTreeSet<Feature>) -> Ruleset {
    let mut reduced = ruleset.clone();
    if used(ruleset).is_disjoint(missing) {
        return reduced;
    }
    if missing.contains(&Feature::NetdevEgress) {
        reduced.tables.retain(|table| table.family != TableFamily::Netdev);
    }
    for table in &mut reduced.tables {
        let family = table.family;
        let tracks = family == TableFamily::Inet || !missing.contains(&Feature::BridgeConntrack);
        let gone = |helper: &'static str| !tracks || missing.contains(&Feature::Helper(helper));
        table.helpers.retain(|object| !gone(object.helper));
        let helpers: BTreeSet<_> = table.helpers.iter().map(|object| object.name.clone()).collect();
        for chain in &mut table.chains {
            let chain = std::sync::Arc::make_mut(chain);
            for statement in chain.rules.iter_mut().flat_map(|rule| &mut rule.statements) {
                if matches!(statement, Statement::Reject(_)) && missing.contains(&Feature::BridgeReject) {
                    *statement = Statement::Verdict(Verdict::Drop);
                }
            }
            chain.rules.retain(|rule| {
                let assigns = |statement: &Statement| {
                    matches!(statement, Statement::CtHelper(name) if !helpers.contains(name))
                };
                used_by_rule(family, rule).is_disjoint(missing) && !rule.statements.iter().any(assigns)
            });
        }
    }
    reduced
}

/// Commits a batch; a refused message is told with the reason why it is there.
pub fn commit(socket: &mut Socket, batch: &Batch) -> Result<(), Failure> {
    match socket.commit(&batch.messages, None) {
        Ok(()) => Ok(()),
        Err(CommitError::Refused(refusals)) => {
            let told = refusals.iter().map(|refusal| {
                let origin = refusal.message.and_then(|message| batch.origins.get(message));
                format!("{refusal}: {origin:?}\n")
            });
            Err(told.collect::<String>().into())
        }
        Err(other) => Err(other.into()),
    }
}

/// What lists a namespace: programs by their paths, and their listings of every table.
pub fn listings(ruleset: &Ruleset, programs: &[String]) -> Result<Vec<String>, Failure> {
    let mut listings = Vec::new();
    for program in programs {
        for table in &ruleset.tables {
            listings.push(run(program, &["-s", "list", "table", table.family.as_str(), &table.name], "")?);
        }
    }
    Ok(listings)
}

/// Loads a ruleset as text with each program and lists it with it; loads it as messages and lists it with all.
/// What differs, in lines.
pub fn differences(ruleset: &Ruleset, programs: &[String]) -> Result<Vec<String>, Failure> {
    let mut as_text = Vec::new();
    for program in programs {
        let _namespace = Namespace::new()?;
        let mut loader = Loader::Program(program.clone());
        loader.load(&transaction::full(ruleset).text, Language::Text)?;
        as_text.extend(listings(ruleset, std::slice::from_ref(program))?);
    }
    let _namespace = Namespace::new()?;
    let mut socket = Socket::new()?;
    commit(&mut socket, &netlink::full(ruleset))?;
    let as_messages = listings(ruleset, programs)?;
    Ok(as_text
        .iter()
        .zip(&as_messages)
        .flat_map(|(text, messages)| line_differences(text, messages))
        .collect())
}

/// The rules of a chain, as the kernel holds them.
pub fn rules(socket: &mut Socket, table: &Table, chain: &Chain) -> Result<Vec<Rule>, Failure> {
    let family = match table.family {
        TableFamily::Inet => Family::INET,
        TableFamily::Bridge => Family::BRIDGE,
        TableFamily::Netdev => Family::NETDEV,
    };
    Ok(socket.rules(family, &table.name, Some(&chain.name))?)
}

/// Applies changes to the ruleset that the kernel holds.
pub fn apply(socket: &mut Socket, changes: &Changes<'_>) -> Result<(), Failure> {
    let mut handles = Handles::default();
    for (table, chain) in netlink::chains_to_list(changes) {
        let held = rules(socket, table, chain)?;
        handles.insert(table, chain, held.iter().map(|rule| rule.handle).collect());
    }
    commit(socket, &netlink::changes(changes, &handles))
}

/// A listing without the order in which sets and chains were made: its blocks, each with its table, sorted.
pub fn blocks(listing: &str) -> Vec<String> {
    let (mut table, mut blocks, mut block) = ("", Vec::new(), String::new());
    for line in listing.lines() {
        if line.starts_with("table ") {
            table = line;
        }
        block.push_str(line);
        block.push('\n');
        if line.starts_with("\t}") || line.starts_with('}') {
            blocks.push(format!("{table}\n{}", std::mem::take(&mut block).trim_start()));
        } else if line.starts_with("table ") {
            block.clear();
        }
    }
    blocks.sort();
    blocks
}

/// Lines that two listings do not share, in their order.
pub fn line_differences(wanted: &str, held: &str) -> Vec<String> {
    let (wanted, held): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), held.lines().collect());
    let start = wanted.iter().zip(&held).take_while(|(a, b)| a == b).count();
    let n_same =
        wanted[start..].iter().rev().zip(held[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let told = |sign: &str, lines: &[&str]| -> Vec<String> {
        lines[start..lines.len() - n_same].iter().map(|line| format!("{sign}{line}")).collect()
    };
    [told("-", &wanted), told("+", &held)].concat()
}
