//! From the IR to what nft(8) reads: text for people and files, JSON for programs.
//!
//! Both say the same and load on nft 1.0.6 and later. No option of the configuration is looked at here, and nothing
//! is decided: what a rule means was settled when it was planned.

mod json;
mod names;
pub mod netlink;
mod text;
mod value;

use crate::ruleset::{Element, Origin, Rule, Ruleset, Set, TableFamily};
pub(crate) use names::{numbers_of, symbols};
pub(crate) use text::{delete_elements, element_text, rule_line, rule_text, table, tables};
pub(crate) use value::mask_of;

pub use json::json;

/// The tables as nft(8) text: one rule, one element on each line.
pub fn text(ruleset: &Ruleset) -> String {
    let mut lines = Lines { text: String::new(), origins: None };
    text::tables(&mut lines, ruleset);
    lines.text
}

/// As [`text`], in pieces of whole lines: a large ruleset needs no memory for all of its text.
pub fn text_in_pieces(ruleset: &Ruleset, mut print: impl FnMut(&str)) {
    const PIECE: usize = 1 << 17;
    let mut lines = Lines { text: String::with_capacity(PIECE + PIECE / 4), origins: None };
    let mut print_from = |length: usize, lines: &mut Lines| {
        if lines.text.len() >= length {
            print(&lines.text);
            lines.text.clear();
        }
    };
    for table in &ruleset.tables {
        text::table_in_pieces(&mut lines, table, &mut |lines| print_from(PIECE, lines));
    }
    print_from(1, &mut lines);
}

/// As [`text`], with the reason for each line.
pub fn text_with_origins(ruleset: &Ruleset) -> (String, Vec<Option<Origin>>) {
    let mut lines = Lines::with_origins();
    text::tables(&mut lines, ruleset);
    lines.finish()
}

/// A rule of a table of this family, in one line.
pub fn rule(family: TableFamily, rule: &Rule) -> String {
    rule_line(family, rule)
}

/// An element of a set, in one line.
pub fn element(set: &Set, element: &Element) -> String {
    element_text(&set.key, element)
}

/// Text, and for each of its lines the reason why it is there.
#[derive(Debug)]
pub(crate) struct Lines {
    text: String,
    /// One for each line that has ended; `None`: nobody asks.
    origins: Option<Vec<Option<Origin>>>,
}

impl Lines {
    /// No text yet, its origins wanted.
    pub(crate) fn with_origins() -> Lines {
        Lines { text: String::new(), origins: Some(Vec::new()) }
    }

    /// The text, and one origin for each of its lines.
    pub(crate) fn finish(self) -> (String, Vec<Option<Origin>>) {
        (self.text, self.origins.unwrap_or_default())
    }

    /// Ends the line.
    pub(crate) fn end(&mut self, origin: Option<Origin>) {
        self.text.push('\n');
        self.origins.iter_mut().for_each(|origins| origins.push(origin));
    }

    /// Writes a whole line.
    pub(crate) fn line(&mut self, parts: &[&str], origin: Option<Origin>) {
        for part in parts {
            self.text.push_str(part);
        }
        self.end(origin);
    }
}

#[cfg(test)]
mod tests;
