//! Goldens: what a fixture's ruleset and diagnostics look like, as files beside it.
//!
//! `ruleset.nft` shows what differs from the skeleton (an empty, enabled configuration on the same host): objects
//! that are new or changed, whole; objects that are gone, as a comment. The skeleton itself is the golden of the
//! fixture `an-enabled-firewall-without-rules`.

use std::collections::{BTreeMap, BTreeSet};

use engine::Compiled;
use engine::diagnostic::Diagnostic;
use engine::render;
use engine::ruleset::{Ruleset, Table};

/// Objects of a table by kind and name, each as the text of a table that holds nothing else.
type Objects = BTreeMap<(&'static str, String), String>;

/// The ruleset as a golden shows it; `skeleton: None` for the whole.
pub fn ruleset(compiled: &Compiled, skeleton: Option<&Ruleset>) -> String {
    let Some(skeleton) = skeleton else { return render::text(&compiled.plan.ruleset) };
    let mut text = String::new();
    for table in &compiled.plan.ruleset.tables {
        let base = skeleton.table(table.family, &table.name).map(objects).unwrap_or_default();
        let here = objects(table);
        for (kind, name) in base.keys().filter(|object| !here.contains_key(*object)) {
            text += &format!("# {} {}: no {kind} {name}\n", table.family.as_str(), table.name);
        }
        let changed: BTreeSet<_> =
            here.iter().filter(|(object, text)| base.get(*object) != Some(*text)).map(|(o, _)| o).collect();
        let mut reduced = table.clone();
        reduced.helpers.retain(|helper| changed.contains(&("helper", helper.name.to_string())));
        reduced.sets.retain(|set| changed.contains(&("set", set.name.to_string())));
        reduced.chains.retain(|chain| changed.contains(&("chain", chain.name.to_string())));
        if !changed.is_empty() {
            text += &render::text(&Ruleset { tables: vec![reduced] });
        }
    }
    text
}

fn objects(table: &Table) -> Objects {
    let alone = |fill: &dyn Fn(&mut Table)| {
        let mut only = Table { helpers: Vec::new(), sets: Vec::new(), chains: Vec::new(), ..table.clone() };
        fill(&mut only);
        render::text(&Ruleset { tables: vec![only] })
    };
    let mut objects = Objects::new();
    for helper in &table.helpers {
        let text = alone(&|only| only.helpers.push(helper.clone()));
        objects.insert(("helper", helper.name.to_string()), text);
    }
    for set in &table.sets {
        let text = alone(&|only| only.sets.push(set.clone()));
        objects.insert(("set", set.name.to_string()), text);
    }
    for chain in &table.chains {
        let text = alone(&|only| only.chains.push(chain.clone()));
        objects.insert(("chain", chain.name.to_string()), text);
    }
    objects
}

/// All diagnostics, one a line, with what helps below.
pub fn diagnostics(compiled: &Compiled) -> String {
    let shown = |diagnostic: &Diagnostic| {
        let help = diagnostic.remedy.as_ref().map_or_else(String::new, |text| format!("  help: {text}\n"));
        format!("{}\n{help}", diagnostic.line(&compiled.sources))
    };
    compiled.diagnostics.iter().map(shown).collect()
}
