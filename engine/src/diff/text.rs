//! Changes for people, like a unified diff: `-` what leaves, `+` what comes, a blank what stays, with the line of the
//! configuration that each thing comes from.
//!
//! ```text
//!  table inet proxmox-firewall
//!    set v4-dc/web
//! -    192.0.2.7  # /etc/pve/firewall/cluster.fw:9
//!    chain host-in
//!      … 3 rules
//!      tcp dport 22 accept comment "…"
//! +    tcp dport 443 accept comment "…"  # /etc/pve/nodes/node1/host.fw:4
//! ```

use super::{ChainEdit, Changes, Edit, SetEdit, TableChange, TableEdit};
use crate::lift::KERNEL;
use crate::render::{element_text, rule_line};
use crate::ruleset::{Chain, HelperObject, Origin, Rule, Set, Table, TableFamily};
use crate::span::Sources;

/// The files that the rulesets were made from: positions in one mean nothing in the other.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'s> {
    /// Of the old ruleset.
    pub old: &'s Sources,
    /// Of the new ruleset.
    pub new: &'s Sources,
}

/// Rules that stay and are shown beside those that do not.
const N_CONTEXT: usize = 1;

/// The changes, one rule or element on each line; empty if there are none.
pub fn text(changes: &Changes<'_>, sides: Sides<'_>) -> String {
    let mut lines = Lines { text: String::new(), sides };
    for change in &changes.tables {
        match change {
            TableChange::Remove(table) => lines.whole_table(Mark::Remove, table),
            TableChange::Add(table) => lines.whole_table(Mark::Add, table),
            TableChange::Edit(edit) => lines.table(edit),
        }
    }
    lines.text
}

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Stay,
    Remove,
    Add,
}

struct Lines<'s> {
    text: String,
    sides: Sides<'s>,
}

impl Lines<'_> {
    fn line(&mut self, mark: Mark, text: &str, origin: Option<Origin>) {
        let (sign, sources) = match mark {
            Mark::Stay => (' ', self.sides.new),
            Mark::Remove => ('-', self.sides.old),
            Mark::Add => ('+', self.sides.new),
        };
        self.text.push(sign);
        self.text.push_str(text);
        // Of what the kernel listed nobody knows why it is there.
        if let Some(origin) = origin.filter(|origin| *origin != KERNEL && mark != Mark::Stay) {
            self.text.push_str("  # ");
            self.text.push_str(&origin.text(sources));
        }
        self.text.push('\n');
    }

    fn table_head(&mut self, mark: Mark, table: &Table) {
        self.line(mark, &format!("table {} {}", table.family.as_str(), table.name), None);
    }

    fn whole_table(&mut self, mark: Mark, table: &Table) {
        self.table_head(mark, table);
        table.helpers.iter().for_each(|helper| self.helper(mark, helper));
        table.sets.iter().for_each(|set| self.whole_set(mark, set));
        table.chains.iter().for_each(|chain| self.whole_chain(mark, table.family, chain));
    }

    fn table(&mut self, edit: &TableEdit<'_>) {
        self.table_head(Mark::Stay, edit.new);
        let family = edit.new.family;
        edit.helpers.removed.iter().for_each(|helper| self.helper(Mark::Remove, helper));
        edit.helpers.added.iter().for_each(|helper| self.helper(Mark::Add, helper));
        edit.sets.removed.iter().for_each(|set| self.whole_set(Mark::Remove, set));
        edit.set_edits.iter().for_each(|edit| self.set(edit));
        edit.sets.added.iter().for_each(|set| self.whole_set(Mark::Add, set));
        edit.chains.removed.iter().for_each(|chain| self.whole_chain(Mark::Remove, family, chain));
        edit.chain_edits.iter().for_each(|edit| self.chain(family, edit));
        edit.chains.added.iter().for_each(|chain| self.whole_chain(Mark::Add, family, chain));
    }

    fn helper(&mut self, mark: Mark, helper: &HelperObject) {
        let HelperObject { name, helper: kind, protocol, origin, .. } = helper;
        let text = format!("  ct helper {name} (\"{kind}\" protocol {})", protocol.as_str());
        self.line(mark, &text, Some(*origin));
    }

    fn whole_set(&mut self, mark: Mark, set: &Set) {
        self.line(mark, &format!("  set {}", set.name), Some(set.origin));
        for element in &set.elements {
            self.line(mark, &format!("    {}", element_text(&set.key, element)), Some(element.origin));
        }
    }

    fn set(&mut self, edit: &SetEdit<'_>) {
        self.line(Mark::Stay, &format!("  set {}", edit.new.name), None);
        for (mark, elements) in [(Mark::Remove, &edit.removed), (Mark::Add, &edit.added)] {
            for element in elements {
                let text = format!("    {}", element_text(&edit.new.key, element));
                self.line(mark, &text, Some(element.origin));
            }
        }
    }

    fn whole_chain(&mut self, mark: Mark, family: TableFamily, chain: &Chain) {
        let hook = chain.base.as_ref().map_or_else(String::new, |base| {
            let device =
                base.device.as_ref().map_or_else(String::new, |device| format!(" of {}", device.name));
            format!(" (hook {}{device}, priority {})", base.hook.as_str(), base.priority)
        });
        self.line(mark, &format!("  chain {}{hook}", chain.name), Some(chain.origin));
        chain.rules.iter().for_each(|rule| self.rule(mark, family, rule));
    }

    fn chain(&mut self, family: TableFamily, edit: &ChainEdit<'_>) {
        self.line(Mark::Stay, &format!("  chain {}", edit.new.name), None);
        let last = edit.edits.len() - 1;
        for (nth, change) in edit.edits.iter().enumerate() {
            match change {
                Edit::Keep(kept) => {
                    let n_shown =
                        (if nth > 0 { N_CONTEXT } else { 0 }, if nth < last { N_CONTEXT } else { 0 });
                    self.context(family, &edit.old.rules[kept.clone()], n_shown);
                }
                Edit::Remove(idx) => self.rule(Mark::Remove, family, &edit.old.rules[*idx]),
                Edit::Add(rule) => self.rule(Mark::Add, family, rule),
            }
        }
    }

    /// The first and the last few of the rules that stay.
    fn context(&mut self, family: TableFamily, kept: &[Rule], (n_first, n_last): (usize, usize)) {
        let n_hidden = kept.len().saturating_sub(n_first + n_last);
        // A line that says "one rule" is as long as the rule.
        let (first, rest) = kept.split_at(if n_hidden > 1 { n_first } else { kept.len() });
        first.iter().for_each(|rule| self.rule(Mark::Stay, family, rule));
        if n_hidden > 1 {
            self.line(Mark::Stay, &format!("    … {n_hidden} rules"), None);
            rest[n_hidden..].iter().for_each(|rule| self.rule(Mark::Stay, family, rule));
        }
    }

    fn rule(&mut self, mark: Mark, family: TableFamily, rule: &Rule) {
        self.line(mark, &format!("    {}", rule_line(family, rule)), Some(rule.origin));
    }
}
