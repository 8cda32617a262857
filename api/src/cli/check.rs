//! `check`: every diagnostic, and whether the kernel can hold what is wanted.

use engine::classic;
use engine::diagnostic::Severity;
use engine::inputs::Settings;

use super::Outcome;
use super::node::{Ability, Node};
use super::output::{losses, print, print_json, remark};
use crate::features::Feature;
use crate::host::facts::Wanted;
use crate::host::kernel::Kernel;
use crate::report::{self, BAD, GOOD, NOTABLE};
use crate::views::report::{CheckView, CountsView, DiagnosticView, FeatureView, NoteView};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Say, too, which traffic meets another verdict than with the classic (iptables) firewall, and why
    #[arg(long)]
    against_classic: bool,
}

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    let mut node = Node::compile(wanted, Settings::default())?;
    // Of another machine's files, this kernel says nothing.
    let ability = if wanted.paths.is_live() && wanted.facts.is_none() { ability(&mut node) } else { None };
    let compiled = &node.compiled;
    let notes = args.against_classic.then(|| {
        classic::notes(&compiled.config, &compiled.diagnostics, &compiled.sources, &node.inputs.files)
    });
    if args.json {
        let view = CheckView {
            against_classic: notes
                .map(|notes| notes.iter().map(|note| NoteView::new(note, &compiled.sources)).collect()),
            ..view(&node, ability.as_ref())
        };
        print_json(&view)?;
    } else {
        print(&losses(ability.as_ref().map_or(&[], |ability| &ability.reduced.losses)))?;
        node.remarks.iter().for_each(|line| remark(line));
        print(&text(&node))?;
        print(&notes.map(|notes| report::notes(&notes, &compiled.sources)).unwrap_or_default())?;
    }
    let is_error = |d: &engine::diagnostic::Diagnostic| d.code.severity() == Severity::Error;
    let is_reduced = ability.is_some_and(|ability| !ability.reduced.losses.is_empty());
    let has_findings = node.compiled.diagnostics.iter().any(is_error) || is_reduced;
    Ok(if has_findings { Outcome::Findings } else { Outcome::Clean })
}

/// `None`, and a remark, if the kernel cannot be asked: that takes root.
fn ability(node: &mut Node) -> Option<Ability> {
    let asked = Kernel::open().map_err(anyhow::Error::from).and_then(|mut kernel| node.ability(&mut kernel));
    match asked {
        Ok(ability) => Some(ability),
        Err(error) => {
            node.remarks.push(format!("not asked what the kernel can do (that takes root): {error}"));
            None
        }
    }
}

fn text(node: &Node) -> String {
    let compiled = &node.compiled;
    let mut text = report::diagnostics(&compiled.diagnostics, &compiled.sources);
    let counts = CountsView::of(&compiled.diagnostics);
    let style = match (counts.error, counts.warning) {
        (0, 0) => GOOD,
        (0, _) => NOTABLE,
        _ => BAD,
    };
    let state = if compiled.hold {
        "; what is in force stays, because a file could not be read"
    } else if compiled.resolved.enabled {
        ""
    } else {
        "; the datacenter's firewall is off"
    };
    let summary = report::summary(&compiled.diagnostics);
    text.push_str(&format!("{}: {style}{summary}{style:#}{state}\n", node.inputs.facts.node));
    text
}

fn view(node: &Node, ability: Option<&Ability>) -> CheckView {
    let compiled = &node.compiled;
    let feature =
        |ability: &Ability, feature: &Feature| FeatureView::new(*feature, !ability.missing.contains(feature));
    let diagnostics =
        compiled.diagnostics.iter().map(|d| DiagnosticView::new(d, &compiled.sources)).collect();
    CheckView {
        node: node.inputs.facts.node.clone(),
        losses: ability.map(|ability| ability.reduced.losses.clone()).unwrap_or_default(),
        features: ability.map(|ability| {
            let used = crate::features::used(&compiled.plan.ruleset);
            used.iter().map(|used| feature(ability, used)).collect()
        }),
        counts: CountsView::of(&compiled.diagnostics),
        remarks: node.remarks.clone(),
        diagnostics,
        against_classic: None,
    }
}
