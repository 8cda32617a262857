//! What most commands begin with: look at the node, compile its configuration, ask the kernel what it can.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Context;
use engine::inputs::{Inputs, Settings};
use engine::{Compiled, Memo, Milestone, compile_watched};

use super::output::remark;
use crate::features::{self, Feature, Reduced};
use crate::host::facts::{self, Wanted};
use crate::host::kernel::Kernel;

/// A node and what its configuration comes to.
pub(super) struct Node {
    /// The files and what the host looks like.
    pub(super) inputs: Inputs,
    /// What was assumed.
    pub(super) remarks: Vec<String>,
    /// The outcome.
    pub(super) compiled: Compiled,
}

/// What the kernel can do for a ruleset.
pub(super) struct Ability {
    /// What it lacks.
    pub(super) missing: BTreeSet<Feature>,
    /// What can be loaded all the same.
    pub(super) reduced: Reduced,
}

impl Node {
    /// Gathers and compiles.
    pub(super) fn compile(wanted: &Wanted, settings: Settings) -> anyhow::Result<Node> {
        let began = Instant::now();
        let gathered = facts::gather(wanted)?;
        let (n_files, n_links) = (gathered.inputs.files.len(), gathered.inputs.facts.links.len());
        tracing::debug!(stage = "gather", n_files, n_links, elapsed_us = micros(began));
        let inputs = Inputs { settings, ..gathered.inputs };
        let compiled = compile_timed(&inputs);
        Ok(Node { inputs, remarks: gathered.remarks, compiled })
    }

    /// As [`Node::compile`], with what was assumed on standard error.
    pub(super) fn compile_aloud(wanted: &Wanted, settings: Settings) -> anyhow::Result<Node> {
        let node = Node::compile(wanted, settings)?;
        node.remarks.iter().for_each(|text| remark(text));
        Ok(node)
    }

    /// What this kernel can do for the node's ruleset.
    pub(super) fn ability(&self, kernel: &mut Kernel) -> anyhow::Result<Ability> {
        let ruleset = &self.compiled.plan.ruleset;
        let began = Instant::now();
        let used = features::used(ruleset);
        let missing = kernel.missing(&used).context("could not ask the kernel what it can")?;
        tracing::debug!(
            stage = "features",
            n_used = used.len(),
            n_missing = missing.len(),
            elapsed_us = micros(began)
        );
        Ok(Ability { reduced: features::reduce(ruleset, &missing), missing })
    }
}

fn compile_timed(inputs: &Inputs) -> Compiled {
    let mut began = Instant::now();
    compile_watched(inputs, &mut Memo::default(), &mut |milestone| {
        let elapsed_us = micros(began);
        match milestone {
            Milestone::Lowered { n_guests, n_vnets, n_diagnostics } => {
                tracing::debug!(stage = "lower", n_guests, n_vnets, n_diagnostics, elapsed_us);
            }
            Milestone::Resolved { n_diagnostics } => {
                tracing::debug!(stage = "resolve", n_diagnostics, elapsed_us);
            }
            Milestone::Planned { n_chains, n_rules } => {
                tracing::debug!(stage = "plan", n_chains, n_rules, elapsed_us);
            }
        }
        began = Instant::now();
    })
}

/// Microseconds since `began`.
pub(super) fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
