//! `skeleton`: what is there before anybody writes a rule.

use engine::inputs::{FileContent, HostFacts, Inputs};
use engine::{compile, render};

use super::Outcome;
use super::output::print;
use crate::host::facts::{self, Wanted};

const CLUSTER: &str = "/etc/pve/firewall/cluster.fw";

/// Of this node where it can be looked at, else of one about which nothing is known.
pub(super) fn run(wanted: &Wanted) -> anyhow::Result<Outcome> {
    let facts = match facts::gather(wanted) {
        Ok(gathered) => gathered.inputs.facts,
        Err(_) => HostFacts { node: "localhost".to_owned(), ..HostFacts::default() }.into(),
    };
    let files = [(CLUSTER.to_owned(), FileContent::text("[OPTIONS]\nenable: 1\n"))].into();
    let compiled = compile(&Inputs { files, facts, ..Inputs::default() });
    print(&render::text(&compiled.plan.ruleset))?;
    Ok(Outcome::Clean)
}
