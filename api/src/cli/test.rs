//! `test`: the packets of vector files through the simulator; a verdict other than the expected one is explained.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use engine::compile;
use engine::inputs::Files;
use engine::simulate::trace::Detail;
use engine::simulate::{Packet, World, simulate};

use super::Outcome;
use super::output::print;
use crate::host::facts::{self, Gathered, Wanted};
use crate::host::files;
use crate::host::paths::Paths;
use crate::report::{BAD, GOOD};
use crate::vectors;
use crate::views::trace::word;
use crate::views::vectors::{LogView, VectorView, VectorsView};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of test vectors (JSON); those without a configuration use that of this node, or of --root
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    // Vectors that bring their configuration need no node.
    let is_here = wanted.paths.is_live() && wanted.facts.is_none();
    let tree = if is_here { facts::gather(wanted).ok() } else { Some(facts::gather(wanted)?) };
    let mut run =
        Run { registries: files::registries(&Paths::default()), tree, n_passed: 0, failures: Vec::new() };
    for path in &args.files {
        run.file(path).with_context(|| format!("could not use {}", path.display()))?;
    }
    let mut text: String = run.failures.concat();
    let style = if run.failures.is_empty() { GOOD } else { BAD };
    text.push_str(&format!("{style}{} passed, {} failed{style:#}\n", run.n_passed, run.failures.len()));
    print(&text)?;
    Ok(if run.failures.is_empty() { Outcome::Clean } else { Outcome::Findings })
}

struct Run {
    registries: Files,
    tree: Option<Gathered>,
    n_passed: usize,
    failures: Vec<String>,
}

impl Run {
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(path)?;
        let file: VectorsView = serde_json::from_str(&text)?;
        if file.schema_version != 1 {
            bail!("schema_version {} is not 1", file.schema_version);
        }
        for vector in &file.vectors {
            let failure = self.packet(&file, vector).with_context(|| vector.id.clone())?;
            self.count(failure);
        }
        for log in &file.log_prefixes {
            let failure = self.log(&file, log).with_context(|| log.id.clone())?;
            self.count(failure);
        }
        Ok(())
    }

    fn count(&mut self, failure: Option<String>) {
        match failure {
            None => self.n_passed += 1,
            Some(text) => self.failures.push(text),
        }
    }

    fn packet(&self, file: &VectorsView, vector: &VectorView) -> anyhow::Result<Option<String>> {
        let mut inputs = match (&vector.config, &self.tree) {
            (Some(config), _) => vectors::inputs(&file.topology, config, &self.registries)?,
            (None, Some(tree)) => tree.inputs.clone(),
            (None, None) => bail!("no `config`, and this is no node; say --root DIR"),
        };
        inputs.settings.reject_mode = vectors::reject_mode(vector.reject_mode.as_deref());
        let compiled = compile(&inputs);
        let mut world = World::from_facts(&inputs.facts, &compiled.config.guests);
        vectors::add_zones(&mut world, &file.topology)?;
        let packet = Packet::try_from(&vector.packet)?;
        let trace = simulate(&compiled.plan.ruleset, &world, &packet)?;
        let wanted = vectors::contradiction(&vector.expect, &trace.verdict);
        Ok(wanted.map(|wanted| {
            let story = super::simulate::text(&trace, Detail::Summary, &compiled.sources);
            let indented: String = story.lines().map(|line| format!("    {line}\n")).collect();
            let found = word(&trace.verdict);
            let id = &vector.id;
            format!(
                "{BAD}FAILED{BAD:#} {id}: expected {wanted}, got {found} ({packet})\n    {}\n{indented}",
                vector.why
            )
        }))
    }

    fn log(&self, file: &VectorsView, log: &LogView) -> anyhow::Result<Option<String>> {
        let inputs = vectors::inputs(&file.topology, &vectors::log_config(log), &self.registries)?;
        let compiled = compile(&inputs);
        let found = vectors::prefixes(&compiled.plan.ruleset);
        let wanted = vectors::log_prefix(log);
        let is_right = match &wanted {
            Some(prefix) => found.contains(&prefix.as_str()),
            None => found.is_empty(),
        };
        Ok((!is_right).then(|| {
            let wanted = wanted.unwrap_or_else(|| "no log".to_owned());
            format!("{BAD}FAILED{BAD:#} {}: expected {wanted:?}, got {found:?}\n", log.id)
        }))
    }
}
