//! What changes between two rulesets, as data and for people.

use engine::diff::{self, Changes, Edit, SetEdit, TableChange, TableEdit};
use engine::render;
use engine::ruleset::{Chain, Element, Rule, Set, Table, TableFamily};
use engine::span::Sources;
use serde::Serialize;
use utoipa::ToSchema;

use super::trace::OriginView;

/// A change of what the kernel holds.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct ChangeView {
    /// Nothing changes.
    pub unchanged: bool,
    /// How much changes.
    pub counts: ChangeNumbersView,
    /// Chain by chain and set by set.
    pub objects: Vec<ObjectChangeView>,
    /// Objects that are left out of `objects` because there are too many.
    pub n_left_out: usize,
    /// For people, like a unified diff: `-` what leaves, `+` what comes; the first MiB.
    pub text: String,
}

/// How much changes. What leaves or comes with its chain, set or table counts as well.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct ChangeNumbersView {
    /// Chains that leave.
    pub n_chains_removed: usize,
    /// Chains that come.
    pub n_chains_added: usize,
    /// Rules that leave.
    pub n_rules_removed: usize,
    /// Rules that come.
    pub n_rules_added: usize,
    /// Sets and maps that leave.
    pub n_sets_removed: usize,
    /// Sets and maps that come.
    pub n_sets_added: usize,
    /// Elements that leave.
    pub n_elements_removed: usize,
    /// Elements that come.
    pub n_elements_added: usize,
}

/// What changes in a chain, a set or a map.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ObjectChangeView {
    /// Family of the table.
    pub family: &'static str,
    /// Table.
    pub table: String,
    /// `chain`, `set`, `helper`
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// `added`, `removed`, `changed`
    pub change: &'static str,
    /// Rules or elements that leave.
    pub removed: Vec<LineView>,
    /// Rules or elements that come.
    pub added: Vec<LineView>,
    /// Rules or elements that stay.
    pub n_kept: usize,
}

/// A rule or an element.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LineView {
    /// As nft(8) writes it.
    pub text: String,
    /// A rule's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where it comes from; what leaves comes from files that may have changed since.
    pub origin: Option<OriginView>,
}

/// No more changed objects than this in one answer.
const OBJECTS_MAX: usize = 2000;

/// No more bytes for people than this.
const TEXT_MAX: usize = 1024 * 1024;

/// Positions of what leaves and of what comes.
#[derive(Clone, Copy)]
struct Sides<'a> {
    old: Option<&'a Sources>,
    new: &'a Sources,
}

impl ChangeView {
    /// The wire form; `old` and `new` are the files of the two sides.
    pub fn new(changes: &Changes<'_>, old: Option<&Sources>, new: &Sources) -> ChangeView {
        let sides = Sides { old, new };
        let mut objects = Vec::new();
        for table in &changes.tables {
            match table {
                TableChange::Add(table) => objects.extend(whole(table, "added", Some(new))),
                TableChange::Remove(table) => objects.extend(whole(table, "removed", old)),
                TableChange::Edit(edit) => objects.extend(edited(edit, sides)),
            }
        }
        let n_left_out = objects.len().saturating_sub(OBJECTS_MAX);
        objects.truncate(OBJECTS_MAX);
        let counts = ChangeNumbersView::new(changes.counts());
        let nothing = Sources::default();
        let mut text = diff::text(changes, diff::Sides { old: old.unwrap_or(&nothing), new });
        if text.len() > TEXT_MAX {
            let whole_lines =
                text.as_bytes()[..TEXT_MAX].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            text.truncate(whole_lines);
            text.push_str(" …\n");
        }
        ChangeView { unchanged: changes.is_empty(), counts, objects, n_left_out, text }
    }
}

impl ChangeNumbersView {
    fn new(counts: diff::Counts) -> ChangeNumbersView {
        ChangeNumbersView {
            n_chains_removed: counts.chains.n_removed,
            n_chains_added: counts.chains.n_added,
            n_rules_removed: counts.rules.n_removed,
            n_rules_added: counts.rules.n_added,
            n_sets_removed: counts.sets.n_removed,
            n_sets_added: counts.sets.n_added,
            n_elements_removed: counts.elements.n_removed,
            n_elements_added: counts.elements.n_added,
        }
    }
}

/// A table that leaves or comes with all that it holds.
fn whole(table: &Table, change: &'static str, sources: Option<&Sources>) -> Vec<ObjectChangeView> {
    let sets = table.sets.iter().map(|set| whole_set(table, set, change, sources));
    sets.chain(table.chains.iter().map(|chain| whole_chain(table, chain, change, sources))).collect()
}

fn whole_chain(
    table: &Table,
    chain: &Chain,
    change: &'static str,
    sources: Option<&Sources>,
) -> ObjectChangeView {
    let lines = chain.rules.iter().map(|rule| rule_line(table.family, rule, sources)).collect();
    object(table, "chain", &chain.name).whole(change, lines)
}

fn whole_set(table: &Table, set: &Set, change: &'static str, sources: Option<&Sources>) -> ObjectChangeView {
    let lines = set.elements.iter().map(|element| element_line(set, element, sources)).collect();
    object(table, "set", &set.name).whole(change, lines)
}

fn edited(edit: &TableEdit<'_>, sides: Sides<'_>) -> Vec<ObjectChangeView> {
    let (old, new) = (edit.old, edit.new);
    let mut objects = Vec::new();
    let named = |table, helper: &engine::ruleset::HelperObject| object(table, "helper", &helper.name);
    objects.extend(edit.helpers.removed.iter().map(|helper| named(old, helper).whole("removed", Vec::new())));
    objects.extend(edit.helpers.added.iter().map(|helper| named(new, helper).whole("added", Vec::new())));
    objects.extend(edit.sets.removed.iter().map(|set| whole_set(old, set, "removed", sides.old)));
    objects.extend(edit.sets.added.iter().map(|set| whole_set(new, set, "added", Some(sides.new))));
    objects.extend(edit.set_edits.iter().map(|set| edited_set(new, set, sides)));
    objects.extend(edit.chains.removed.iter().map(|chain| whole_chain(old, chain, "removed", sides.old)));
    objects.extend(edit.chains.added.iter().map(|chain| whole_chain(new, chain, "added", Some(sides.new))));
    for chain in &edit.chain_edits {
        let mut view = object(new, "chain", &chain.new.name);
        for edit in &chain.edits {
            match edit {
                Edit::Keep(range) => view.n_kept += range.len(),
                Edit::Remove(idx) => {
                    view.removed.push(rule_line(new.family, &chain.old.rules[*idx], sides.old));
                }
                Edit::Add(rule) => view.added.push(rule_line(new.family, rule, Some(sides.new))),
            }
        }
        objects.push(view);
    }
    objects
}

fn edited_set(table: &Table, set: &SetEdit<'_>, sides: Sides<'_>) -> ObjectChangeView {
    let line = |sources| move |element: &&Element| element_line(set.new, element, sources);
    ObjectChangeView {
        removed: set.removed.iter().map(line(sides.old)).collect(),
        added: set.added.iter().map(line(Some(sides.new))).collect(),
        n_kept: set.old.elements.len() - set.removed.len(),
        ..object(table, "set", &set.new.name)
    }
}

fn object(table: &Table, kind: &'static str, name: &str) -> ObjectChangeView {
    ObjectChangeView {
        family: table.family.as_str(),
        table: table.name.to_string(),
        kind,
        name: name.to_owned(),
        change: "changed",
        removed: Vec::new(),
        added: Vec::new(),
        n_kept: 0,
    }
}

impl ObjectChangeView {
    fn whole(mut self, change: &'static str, lines: Vec<LineView>) -> ObjectChangeView {
        self.change = change;
        *(if change == "added" { &mut self.added } else { &mut self.removed }) = lines;
        self
    }
}

fn rule_line(family: TableFamily, rule: &Rule, sources: Option<&Sources>) -> LineView {
    LineView {
        text: render::rule(family, rule),
        rule: Some(rule.id.to_string()),
        origin: sources.map(|sources| OriginView::new(rule.origin, sources)),
    }
}

fn element_line(set: &Set, element: &Element, sources: Option<&Sources>) -> LineView {
    LineView {
        text: render::element(set, element),
        rule: None,
        origin: sources.map(|sources| OriginView::new(element.origin, sources)),
    }
}
