//! Text of a `.fw` file -> its sections with their lines. Knows which sections a kind of file may have and where
//! a comment may stand, and nothing of what an entry means.

use std::borrow::Cow;

use super::cursor::{RawLine, lines, quoted};
use super::nearest::nearest;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::names::ObjectName;
use crate::span::{FileId, Span};

/// Kinds of `.fw` files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// `cluster.fw`
    Datacenter,
    /// `host.fw`
    Host,
    /// `<vmid>.fw`
    Guest,
    /// `<vnet>.fw`
    Vnet,
}

/// What a section header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heading {
    /// `[OPTIONS]`
    Options,
    /// `[ALIASES]`
    Aliases,
    /// `[RULES]`
    Rules,
    /// `[IPSET name]`
    Ipset(ObjectName),
    /// `[group name]`
    Group(ObjectName),
}

/// A section; `[OPTIONS]`, `[ALIASES]` and `[RULES]` may come several times.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// What it is.
    pub(crate) heading: Heading,
    /// Its header.
    pub(crate) span: Span,
    /// Its entries, without blank lines and comment lines.
    pub(crate) lines: Vec<Line<'a>>,
}

/// An entry of a section.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// The entry without blanks around it and without its comment.
    pub(crate) raw: RawLine<'a>,
    /// What stands behind `#`, if anything. Options have no comments.
    pub(crate) comment: Option<Cow<'a, str>>,
}

const SKIPPED: &str = "lines up to the next section are skipped";

/// Reads the sections of a file. Lines that belong to none are reported here.
pub(crate) fn sections<'a>(
    text: &'a [u8],
    file: FileId,
    kind: FileKind,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Section<'a>> {
    let mut sections = Vec::new();
    let mut state = State::Outside;
    for (number, mut line) in lines(text, file).enumerate() {
        if number == 0 && line.bytes.starts_with(b"\xef\xbb\xbf") {
            let bom = Span { end: 3, ..line.span() };
            let message = "file begins with a byte order mark";
            diagnostics.push(Diagnostic::new(
                Code::ByteOrderMark,
                Place::Span(bom),
                message,
                "it is left out",
            ));
            line = line.skip(3);
        }
        let line = line.trimmed();
        match line.bytes.first() {
            None | Some(b'#') => {}
            Some(b'[') => {
                state.close(&mut sections, diagnostics);
                state = match heading(line, kind, diagnostics) {
                    Ok(heading) => State::In(Section { heading, span: line.span(), lines: Vec::new() }),
                    Err(diagnostic) => State::Skipping(diagnostic, 0),
                };
            }
            Some(_) => state.entry(line, diagnostics),
        }
    }
    state.close(&mut sections, diagnostics);
    sections
}

enum State<'a> {
    Outside,
    In(Section<'a>),
    /// Behind a bad header: what is wrong with it, and how many entries fell with it.
    Skipping(Diagnostic, usize),
}

impl<'a> State<'a> {
    fn entry(&mut self, line: RawLine<'a>, diagnostics: &mut Vec<Diagnostic>) {
        match self {
            State::Outside => diagnostics.push(Diagnostic::new(
                Code::EntryOutsideSection,
                Place::Span(line.span()),
                format!("{} stands before the first section", quoted(line.bytes)),
                "line is skipped",
            )),
            State::In(section) => {
                let comments = section.heading != Heading::Options;
                section.lines.push(split_comment(line, comments, diagnostics));
            }
            State::Skipping(_, skipped) => *skipped += 1,
        }
    }

    fn close(&mut self, sections: &mut Vec<Section<'a>>, diagnostics: &mut Vec<Diagnostic>) {
        match std::mem::replace(self, State::Outside) {
            State::Outside => {}
            State::In(section) => sections.push(section),
            State::Skipping(mut diagnostic, skipped) => {
                match skipped {
                    0 => {}
                    1 => diagnostic.message.push_str(", with 1 line below it"),
                    n => diagnostic.message.push_str(&format!(", with {n} lines below it")),
                }
                diagnostics.push(diagnostic);
            }
        }
    }
}

fn split_comment<'a>(line: RawLine<'a>, comments: bool, diagnostics: &mut Vec<Diagnostic>) -> Line<'a> {
    let (raw, comment) = if comments { line.split_at(b'#') } else { (line, None) };
    let raw = raw.trimmed();
    let comment = comment.and_then(|comment| decoded(comment, diagnostics));
    Line { raw, comment }
}

fn decoded<'a>(comment: RawLine<'a>, diagnostics: &mut Vec<Diagnostic>) -> Option<Cow<'a, str>> {
    let comment = comment.trimmed();
    let text = String::from_utf8_lossy(comment.bytes);
    if let Cow::Owned(_) = text {
        let place = Place::Span(comment.span());
        let message = "comment is not valid UTF-8";
        diagnostics.push(Diagnostic::new(
            Code::CommentEncoding,
            place,
            message,
            "bad bytes are shown as U+FFFD",
        ));
    }
    (!text.is_empty()).then_some(text)
}

/// A line that begins with `[` is a header and nothing else.
fn heading(
    line: RawLine<'_>,
    kind: FileKind,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Heading, Diagnostic> {
    let bad = |code, at: RawLine<'_>, message: String| {
        Diagnostic::new(code, Place::Span(at.span()), message, SKIPPED)
    };
    let (inside, Some(after)) = line.skip(1).split_at(b']') else {
        return Err(bad(Code::BadHeader, line, format!("{} lacks its `]`", quoted(line.bytes)))
            .help("write `[RULES]`"));
    };
    let malformed = |why: &str| bad(Code::BadHeader, line, format!("{} {why}", quoted(line.bytes)));
    let keyword_len = inside.bytes.iter().position(|b| b" \t".contains(b)).unwrap_or(inside.bytes.len());
    let keyword = &inside.bytes[..keyword_len];
    let name = inside.skip(keyword_len);
    let Some(word) = WORDS.iter().find(|word| word.as_bytes().eq_ignore_ascii_case(keyword)) else {
        let unknown = malformed("is no section header");
        let near =
            std::str::from_utf8(keyword).ok().and_then(|keyword| nearest(keyword, WORDS.iter().copied()));
        return Err(match near {
            Some(near) => unknown.help(format!("did you mean `[{near}]`?")),
            None => unknown,
        });
    };
    let named = matches!(*word, "IPSET" | "GROUP");
    let after = after.trimmed();
    if !named {
        if !name.bytes.is_empty() {
            return Err(malformed("takes no name"));
        }
        if !after.bytes.is_empty() {
            let unwanted = malformed("is followed by other text");
            return Err(unwanted.help(format!("nothing, not even a comment, may follow `[{word}]`")));
        }
    } else if !matches!(after.bytes.first(), None | Some(b'#')) {
        return Err(malformed("is followed by text that is no comment"));
    } else if name.trimmed().bytes.is_empty() || name.bytes.ends_with(b" ") || name.bytes.ends_with(b"\t") {
        return Err(malformed("has no name, or a blank before `]`"));
    }
    if !allowed(word, kind) {
        let message = format!("a section {} cannot stand in this file", quoted(line.bytes));
        return Err(bad(Code::SectionNotAllowed, line, message));
    }
    if named && after.bytes.len() > 1 {
        decoded(after.skip(1), diagnostics);
    }
    named_heading(word, name.trimmed(), diagnostics)
}

const WORDS: [&str; 5] = ["OPTIONS", "ALIASES", "RULES", "IPSET", "GROUP"];

fn allowed(word: &str, kind: FileKind) -> bool {
    match kind {
        FileKind::Datacenter => true,
        FileKind::Guest => word != "GROUP",
        FileKind::Host | FileKind::Vnet => matches!(word, "OPTIONS" | "RULES"),
    }
}

fn named_heading(
    word: &str,
    name: RawLine<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Heading, Diagnostic> {
    /// Longest group name that the classic firewall takes.
    const CLASSIC_GROUP_LEN: usize = 18;
    let parsed = || -> Result<ObjectName, Diagnostic> {
        let parsed = name.text().and_then(|text| text.str.parse().ok());
        parsed.ok_or_else(|| {
            let message = format!("{} is no name", quoted(name.bytes));
            Diagnostic::new(Code::BadSectionName, Place::Span(name.span()), message, SKIPPED)
                .help("a name is a letter, then letters, digits, `-` and `_`, at most 64 in all")
        })
    };
    Ok(match word {
        "OPTIONS" => Heading::Options,
        "ALIASES" => Heading::Aliases,
        "RULES" => Heading::Rules,
        "IPSET" => Heading::Ipset(parsed()?),
        _ => {
            let group = parsed()?;
            if name.bytes.len() > CLASSIC_GROUP_LEN {
                let message = format!("group name {} has more than 18 characters", quoted(name.bytes));
                diagnostics.push(Diagnostic::new(
                    Code::SectionNameLong,
                    Place::Span(name.span()),
                    message,
                    "the classic firewall skips this group",
                ));
            }
            Heading::Group(group)
        }
    })
}
