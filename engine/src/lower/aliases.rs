//! `[ALIASES]` -> named addresses.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::Alias;
use crate::model::address::Cidr;
use crate::model::names::ObjectName;
use crate::parse::cursor::quoted;
use crate::parse::section::Line;

const SKIPPED: &str = "alias is skipped";

/// Lowers the lines of one section into `aliases`. Of two aliases of one name the later one counts.
pub(super) fn lower(
    lines: &[Line<'_>],
    aliases: &mut BTreeMap<ObjectName, Alias>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for line in lines {
        match alias(line) {
            Err(diagnostic) => diagnostics.push(diagnostic),
            Ok((name, alias)) => {
                let place = Place::Span(alias.span);
                if aliases.insert(name.clone(), alias).is_some() {
                    let message = format!("alias `{name}` is defined again");
                    diagnostics.push(Diagnostic::new(
                        Code::AliasRedefined,
                        place,
                        message,
                        "its last address counts",
                    ));
                }
            }
        }
    }
}

/// `name address`
fn alias(line: &Line<'_>) -> Result<(ObjectName, Alias), Diagnostic> {
    let malformed = || {
        let message = format!("{} is no alias", quoted(line.raw.bytes));
        Diagnostic::new(Code::AliasMalformed, Place::Span(line.raw.span()), message, SKIPPED)
            .help("write a name, a blank and one address")
    };
    let mut text = line.raw.text().ok_or_else(malformed)?;
    let (name, address) = (text.next_word(), text.next_word());
    let (Some(name), Some(address), None) = (name, address, text.next_word()) else {
        return Err(malformed());
    };
    let parsed = name.str.parse::<ObjectName>().map_err(|_| {
        let message = format!("{} is no name", quoted(name.str.as_bytes()));
        name.remark(Code::AliasName, message, SKIPPED)
            .help("a name is a letter, then letters, digits, `-` and `_`, at most 64 in all")
    })?;
    let cidr = address.str.parse::<Cidr>().map_err(|_| {
        let message = format!("{} is no address or network", quoted(address.str.as_bytes()));
        address.remark(Code::AliasAddress, message, SKIPPED)
    })?;
    Ok((parsed, Alias { cidr, span: line.raw.span() }))
}
