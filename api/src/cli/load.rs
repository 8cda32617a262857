//! `load`: the kernel holds what the configuration means, or what it held before.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use engine::inputs::{RejectCan, Settings};
use engine::ruleset::Ruleset;
use engine::ruleset::check;

use super::Outcome;
use super::node::{Node, micros};
use super::output::{losses, print, remark, warn};
use crate::host::enforce::{EnforceError, Enforcer};
use crate::host::facts::Wanted;
use crate::host::kernel::{self, Fault};
use crate::report::{self, BAD, GOOD, counted};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Have the kernel validate the ruleset, and forget it
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    // Devices and ports that come and go need somebody who stays.
    let once = RejectCan { answer: true, divert: false };
    let node = Node::compile(wanted, Settings { reject_can: Some(once), ..Settings::default() })?;
    let compiled = &node.compiled;
    if compiled.hold {
        print(&report::diagnostics(&compiled.diagnostics, &compiled.sources))?;
        bail!("a file that everything hangs on could not be read; what is in force stays in force");
    }
    let mut enforcer = Enforcer::open()?;
    let reduced = enforcer.reduce(&compiled.plan.ruleset).context("could not ask the kernel what it can")?;
    print(&losses(&reduced.losses))?;
    node.remarks.iter().for_each(|text| remark(text));
    let (asked, mode) = (compiled.resolved.reject_asked, compiled.resolved.reject_mode);
    if asked != mode {
        remark(&format!("reject mode {} instead of {}, which needs `serve`", mode.as_str(), asked.as_str()));
    }
    let ruleset = Arc::new(reduced.ruleset);
    if let Err(illegal) = check::check(&ruleset) {
        let all: Vec<String> = illegal.iter().map(ToString::to_string).collect();
        bail!("the planned ruleset is not legal, which is a bug: {}", all.join("; "));
    }

    let began = Instant::now();
    let ran = if args.dry_run {
        enforcer.would_take(&ruleset)
    } else {
        enforcer.load(ruleset.clone()).map(|writer| tracing::debug!(?writer, "written"))
    };
    tracing::debug!(stage = "commit", dry_run = args.dry_run, elapsed_us = micros(began));
    match ran {
        Ok(()) => {}
        Err(EnforceError::Refused(faults)) => {
            print(&refusal(&faults, &node))?;
            bail!("the ruleset was refused; what was in force stays in force");
        }
        Err(error) => return Err(error).context("nothing was loaded"),
    }
    if !args.dry_run {
        for (sysctl, error) in kernel::write_sysctls(&wanted.paths, &compiled.plan.sysctls) {
            warn(&format!("could not write {} to {}: {error}", sysctl.value, sysctl.path));
        }
    }
    if !compiled.diagnostics.is_empty() {
        remark(&format!("{} (see `check`)", report::summary(&compiled.diagnostics)));
    }
    let done = if args.dry_run { "the kernel would take" } else { "loaded" };
    print(&format!("{GOOD}{done}{GOOD:#}: {}\n", contents(&ruleset)))?;
    let outcome = if reduced.losses.is_empty() { Outcome::Clean } else { Outcome::Findings };
    // The process ends here, as in `compile`.
    std::mem::forget((node, ruleset));
    Ok(outcome)
}

/// A line for each error: where in the configuration, what libnftables says, the command.
fn refusal(faults: &[Fault], node: &Node) -> String {
    let line = |fault: &Fault| {
        let place = fault.origin.map_or_else(
            || "the script's frame".to_owned(),
            |origin| report::origin(origin, &node.compiled.sources),
        );
        format!("{place}: {BAD}refused{BAD:#}: {}\n    {}\n", fault.message, fault.command)
    };
    faults.iter().map(line).collect()
}

/// `2 tables, 40 chains, 210 rules, 30 sets and maps with 120 elements`
pub(super) fn contents(ruleset: &Ruleset) -> String {
    let tables = &ruleset.tables;
    if tables.is_empty() {
        return "no tables".to_owned();
    }
    let n_chains = tables.iter().map(|table| table.chains.len()).sum();
    let n_rules = tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum();
    let n_sets: usize = tables.iter().map(|table| table.sets.len()).sum();
    let n_elements = tables.iter().flat_map(|table| &table.sets).map(|set| set.elements.len()).sum();
    format!(
        "{}, {}, {}, {n_sets} sets and maps with {}",
        counted(tables.len(), "table"),
        counted(n_chains, "chain"),
        counted(n_rules, "rule"),
        counted(n_elements, "element")
    )
}
