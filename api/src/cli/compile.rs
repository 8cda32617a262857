//! `compile`: the ruleset as text or JSON, on standard output.

use std::time::Instant;

use clap::ValueEnum;
use engine::inputs::{RejectMode, Settings};
use engine::render;

use super::node::{Node, micros};
use super::output::{print_pieces, print_plain, remark};
use super::{Mode, Outcome};
use crate::host::facts::Wanted;
use crate::report;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Text as nft(8) reads it, or libnftables-json(5)
    #[arg(long, default_value = "nft")]
    format: Format,
    /// How REJECT towards guests is answered, whatever the node's settings say
    #[arg(long, value_name = "MODE")]
    reject_mode: Option<Mode>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Nft,
    Json,
}

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    let reject_mode = args.reject_mode.map(RejectMode::from);
    let node = Node::compile_aloud(wanted, Settings { reject_mode, ..Settings::default() })?;
    let compiled = &node.compiled;
    if !compiled.diagnostics.is_empty() {
        remark(&format!("{} (see `check`)", report::summary(&compiled.diagnostics)));
    }
    if !compiled.resolved.enabled {
        remark("the datacenter's firewall is off: no tables");
    }
    let began = Instant::now();
    let ruleset = &compiled.plan.ruleset;
    match args.format {
        Format::Nft => print_pieces(|print| render::text_in_pieces(ruleset, print))?,
        Format::Json => print_plain(&format!("{}\n", render::json(ruleset)))?,
    }
    tracing::debug!(stage = "render", elapsed_us = micros(began));
    // The process ends here: to give a hundred thousand pieces of memory back one by one would only take time.
    std::mem::forget(node);
    Ok(Outcome::Clean)
}
