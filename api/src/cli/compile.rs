//! `compile`: the ruleset as text or JSON, on standard output.

use std::time::Instant;

use clap::ValueEnum;
use engine::inputs::{RejectMode, Settings};
use engine::render;

use super::Outcome;
use super::node::{Node, micros};
use super::output::{print_plain, remark};
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Drop,
    Prerouting,
}

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    let reject_mode = args.reject_mode.map(|mode| match mode {
        Mode::Drop => RejectMode::Drop,
        Mode::Prerouting => RejectMode::Prerouting,
    });
    let node = Node::compile_aloud(wanted, Settings { reject_mode, ..Settings::default() })?;
    let compiled = &node.compiled;
    if !compiled.diagnostics.is_empty() {
        remark(&format!("{} (see `check`)", report::summary(&compiled.diagnostics)));
    }
    if !compiled.resolved.enabled {
        remark("the datacenter's firewall is off: no tables");
    }
    let began = Instant::now();
    let text = match args.format {
        Format::Nft => render::text(&compiled.plan.ruleset),
        Format::Json => format!("{}\n", render::json(&compiled.plan.ruleset)),
    };
    tracing::debug!(stage = "render", n_bytes = text.len(), elapsed_us = micros(began));
    print_plain(&text)?;
    Ok(Outcome::Clean)
}
