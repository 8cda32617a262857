//! What meets another verdict than with the classic (iptables) firewall, and why: for an administrator who is about
//! to switch.
//!
//! Notes are found in the configuration as it was read, and in the text of its lines where the classic firewall is
//! stricter about form than we are. Nothing is said about what nobody uses.

mod guests;
mod names;
mod options;
mod rules;

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place};
use crate::inputs::Files;
use crate::model::Config;
use crate::model::rule::Action;
use crate::span::{FileId, Sources, Span};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What kind of difference; stable. `D…` are differences of reading, `S…` of what is done with packets.
    pub id: &'static str,
    /// Where.
    pub place: Place,
    /// Who gets more, who gets less.
    pub effect: Effect,
    /// What the classic firewall does.
    pub classic: &'static str,
    /// What we do.
    pub ours: &'static str,
}

/// What changes for packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// More passes than with the classic firewall.
    PassesMore,
    /// Less passes.
    PassesLess,
    /// Neither: another answer, another log line, or it depends.
    Other,
}

impl Effect {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::PassesMore => "passes more",
            Effect::PassesLess => "passes less",
            Effect::Other => "differs",
        }
    }

    /// What applying a rule does that the classic firewall loses.
    fn of_gained(action: Action) -> Effect {
        match action {
            Action::Accept => Effect::PassesMore,
            Action::Drop | Action::Reject => Effect::PassesLess,
        }
    }
}

/// All differences that this configuration has, by place; what belongs to no line comes last. Of `files` only the
/// names of services and protocols are read.
pub fn notes(config: &Config, diagnostics: &[Diagnostic], sources: &Sources, files: &Files) -> Vec<Note> {
    let mut all = Notes { sources, notes: Vec::new() };
    rules::find(config, &names::FirstColumns::new(files), &mut all);
    options::find(config, &mut all);
    guests::find(config, diagnostics, &mut all);
    line_ends(config, &mut all);
    let mut notes = all.notes;
    notes.sort_by_key(|note| match note.place {
        Place::Span(span) => (span.file, span.start, note.id),
        Place::File(file) => (file, 0, note.id),
        Place::Host => (FileId(u32::MAX), 0, note.id),
    });
    notes.dedup();
    notes
}

/// Notes being collected.
struct Notes<'s> {
    sources: &'s Sources,
    notes: Vec<Note>,
}

impl Notes<'_> {
    fn add(&mut self, id: &'static str, place: Place, effect: Effect, [classic, ours]: [&'static str; 2]) {
        self.notes.push(Note { id, place, effect, classic, ours });
    }

    /// The text of a span, lossily decoded.
    fn text(&self, span: Span) -> String {
        let bytes = self.sources.text(span.file);
        let end = (span.end as usize).min(bytes.len());
        String::from_utf8_lossy(&bytes[(span.start as usize).min(end)..end]).into_owned()
    }

    /// The whole line in which a span begins.
    fn line(&self, span: Span) -> String {
        self.sources.line_text(span)
    }
}

/// Line ends and byte order marks, of every file in which something was found.
fn line_ends(config: &Config, notes: &mut Notes<'_>) {
    let rules = config.datacenter.rules.iter().chain(&config.host.rules);
    let rules = rules.chain(config.guests.values().flat_map(|guest| &guest.rules));
    let rules = rules.chain(config.vnets.values().flat_map(|vnet| &vnet.rules));
    let groups = config.datacenter.groups.values().filter_map(|group| group.span);
    let guests = config.guests.values().filter_map(|guest| guest.options.enable.at);
    let options = [config.datacenter.options.enable.at, config.host.options.enable.at];
    let spans = rules.map(|rule| rule.span).chain(groups).chain(guests).chain(options.into_iter().flatten());
    let files: BTreeSet<FileId> = spans.map(|span| span.file).collect();
    for file in files {
        let text = notes.sources.text(file);
        let has_mark = text.starts_with(b"\xef\xbb\xbf");
        if text.windows(2).any(|pair| pair == b"\r\n") {
            let texts = [
                "does not see plain headers that end in CRLF: options and rules are lost",
                "read as any other",
            ];
            notes.add("D02", Place::File(file), Effect::Other, texts);
        }
        if has_mark {
            let texts =
                ["loses the first line, normally `[OPTIONS]`: the firewall is off", "read as any other"];
            notes.add("D03", Place::File(file), Effect::PassesLess, texts);
        }
    }
}

#[cfg(test)]
mod tests;
