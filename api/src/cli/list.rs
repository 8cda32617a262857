//! `list`: what the kernel holds in our tables, each rule with the line that it comes from.

use std::collections::BTreeMap;

use engine::inputs::Settings;
use engine::ruleset::{Origin, Ruleset};
use engine::span::Sources;
use serde_json::{Value, json};

use super::Outcome;
use super::node::Node;
use super::output::{losses, print, print_json, remark};
use crate::host::facts::Wanted;
use crate::host::kernel::{EGRESS_TABLE, Kernel, TABLES};
use crate::report::{self, BOLD, NOTABLE, QUIET};
use crate::views::trace::OriginView;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print libnftables' JSON, with an `origin` beside each of our comments
    #[arg(long)]
    json: bool,
    /// Only count
    #[arg(long, conflicts_with = "json")]
    summary: bool,
}

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    let mut kernel = Kernel::open()?;
    // The rules are there whether or not the configuration can be read; only their lines are not known then.
    let node = match Node::compile(wanted, Settings::default()) {
        Ok(node) => Some(node),
        Err(error) => {
            remark(&format!("rules are shown without their lines: {error:#}"));
            None
        }
    };
    let origins = Origins::new(node.as_ref());
    let losses_now = match &node {
        Some(node) => node.ability(&mut kernel)?.reduced.losses,
        None => Vec::new(),
    };
    if args.json {
        print_json(&listing(&mut kernel, &origins, &losses_now)?)?;
        return Ok(Outcome::Clean);
    }
    let mut text = losses(&losses_now);
    let present = kernel.present()?;
    for table in TABLES.into_iter().chain(present.contains(&EGRESS_TABLE).then_some(EGRESS_TABLE)) {
        let name = format!("table {} {}", table.0.as_str(), table.1);
        if !present.contains(&table) {
            text.push_str(&format!("{NOTABLE}{name} is not there{NOTABLE:#}\n"));
        } else if args.summary {
            let held = engine::lift::tables(&kernel.json(table)?, &[table])?;
            text.push_str(&format!("{BOLD}{name}{BOLD:#}: {}\n", super::load::contents(&held)));
        } else {
            kernel.text(table)?.lines().for_each(|line| text.push_str(&origins.annotated(line)));
        }
    }
    print(&text)?;
    Ok(Outcome::Clean)
}

fn listing(kernel: &mut Kernel, origins: &Origins<'_>, losses: &[String]) -> anyhow::Result<Value> {
    let mut objects = Vec::new();
    for table in kernel.present()? {
        let mut listing = kernel.json(table)?;
        let Some(all) = listing.get_mut("nftables").and_then(Value::as_array_mut) else { continue };
        for object in all.iter_mut() {
            origins.add(object);
        }
        objects.append(all);
    }
    Ok(json!({ "losses": losses, "nftables": objects }))
}

/// Why rules are there, by the id that is their comment.
struct Origins<'n> {
    by_id: BTreeMap<String, Vec<Origin>>,
    sources: Option<&'n Sources>,
}

impl<'n> Origins<'n> {
    fn new(node: Option<&'n Node>) -> Origins<'n> {
        let mut by_id: BTreeMap<String, Vec<Origin>> = BTreeMap::new();
        let empty = Ruleset::default();
        let ruleset = node.map_or(&empty, |node| &node.compiled.plan.ruleset);
        let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
        for rule in chains.flat_map(|chain| &chain.rules) {
            let known = by_id.entry(rule.id.to_string()).or_default();
            if !known.contains(&rule.origin) {
                known.push(rule.origin);
            }
        }
        Origins { by_id, sources: node.map(|node| &node.compiled.sources) }
    }

    /// `… comment "0123456789abcdef"` with the place in place of the comment.
    fn annotated(&self, line: &str) -> String {
        const MARK: &str = " comment \"";
        let known = line.rsplit_once(MARK).and_then(|(rule, comment)| {
            let origins = self.by_id.get(comment.strip_suffix('"')?)?;
            let places: Vec<String> = origins
                .iter()
                .map(|origin| report::origin(*origin, self.sources?).into())
                .collect::<Option<_>>()?;
            Some(format!("{rule}  {QUIET}# {}{QUIET:#}\n", places.join("; ")))
        });
        known.unwrap_or_else(|| format!("{line}\n"))
    }

    fn add(&self, object: &mut Value) {
        let Some(rule) = object.get_mut("rule").and_then(Value::as_object_mut) else { return };
        let id = rule.get("comment").and_then(Value::as_str);
        let (Some(origins), Some(sources)) = (id.and_then(|id| self.by_id.get(id)), self.sources) else {
            return;
        };
        let views: Vec<OriginView> = origins.iter().map(|origin| OriginView::new(*origin, sources)).collect();
        if let Ok(views) = serde_json::to_value(views) {
            rule.insert("origin".to_owned(), views);
        }
    }
}
