//! `[IPSET name]` -> the entries of a set. Aliases are kept as names; they are looked up later.

use std::collections::BTreeSet;

use super::value;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::address::Cidr;
use crate::model::rule::Scope;
use crate::model::{Ipset, IpsetAddress, IpsetEntry, LostEntries};
use crate::parse::cursor::quoted;
use crate::parse::section::Section;

const SKIPPED: &str = "entry is skipped";

/// Lowers one section. Of two entries for one network the first counts, also if only one has `!`.
pub(super) fn lower(section: &Section<'_>, diagnostics: &mut Vec<Diagnostic>) -> Ipset {
    let mut seen = Seen::default();
    let mut entries = Vec::with_capacity(section.lines.len());
    let mut lost = LostEntries::default();
    for line in &section.lines {
        let malformed = || {
            let message = format!("{} is no entry of an IPSet", quoted(line.raw.bytes));
            Diagnostic::new(Code::EntryMalformed, Place::Span(line.raw.span()), message, SKIPPED)
                .help("write one address, network or alias, with `!` in front to exclude it")
        };
        let entry = line.raw.text().ok_or_else(malformed).and_then(|mut text| {
            let nomatch = text.str.starts_with('!');
            text = text.skip(usize::from(nomatch));
            let (Some(word), None) = (text.next_word(), text.next_word()) else {
                return Err(malformed());
            };
            let address = address(word)?;
            if !seen.insert(&address) {
                let message = format!("{} stands in this IPSet already", quoted(word.str.as_bytes()));
                return Err(word.remark(Code::EntryRepeated, message, "the first of both counts"));
            }
            Ok(IpsetEntry { nomatch, address, span: line.raw.span() })
        });
        match entry {
            Ok(entry) => entries.push(entry),
            Err(diagnostic) => {
                if diagnostic.code != Code::EntryRepeated {
                    lost.add(line.raw.bytes.starts_with(b"!"), line.raw.span());
                }
                diagnostics.push(diagnostic);
            }
        }
    }
    Ipset { entries, span: Some(section.span), lost }
}

/// What a set holds so far.
#[derive(Default)]
struct Seen {
    networks: BTreeSet<Cidr>,
    aliases: BTreeSet<(Option<Scope>, String)>,
}

impl Seen {
    fn insert(&mut self, address: &IpsetAddress) -> bool {
        match address {
            IpsetAddress::Cidr(cidr) => self.networks.insert(*cidr),
            IpsetAddress::Alias(alias) => self.aliases.insert((alias.scope, alias.name.as_str().to_owned())),
        }
    }
}

fn address(word: crate::parse::cursor::Text<'_>) -> Result<IpsetAddress, Diagnostic> {
    let shown = || quoted(word.str.as_bytes());
    if let Ok(cidr) = word.str.parse::<Cidr>() {
        if cidr.prefix() == 0 {
            let message = format!("{} is every address", shown());
            return Err(word
                .remark(Code::EntryZeroPrefix, message, SKIPPED)
                .help("write its two halves, such as `0.0.0.0/1` and `128.0.0.0/1`"));
        }
        return Ok(IpsetAddress::Cidr(cidr));
    }
    if let Some(Ok(alias)) = value::alias_ref(word) {
        return Ok(IpsetAddress::Alias(alias));
    }
    let message = format!("{} is neither an address or network nor an alias", shown());
    let bad = word.remark(Code::EntryAddress, message, SKIPPED);
    Err(if word.str.contains(',') {
        bad.help("write each address on a line of its own")
    } else if word.str.contains('-') && value::address_spec(word).is_ok() {
        bad.help("sets have no ranges: write the networks that the range is made of")
    } else if word.str.starts_with('+') {
        bad.help("sets cannot be nested: copy the entries")
    } else {
        bad
    })
}
