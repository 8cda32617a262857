//! Text of a rule -> its head, the value of each parameter, and the canonical text. What a value means is not
//! looked at here.

use super::{Called, Errors, shown};
use crate::diagnostic::Code;
use crate::lower::value::Refused;
use crate::model::rule::{Action, Direction};
use crate::parse::cursor::Text;
use crate::parse::nearest::nearest;
use crate::tables::macros;

/// Parameters of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    Iface,
    Protocol,
    Source,
    Dest,
    Sport,
    Dport,
    IcmpType,
    Log,
}

/// Spellings behind one or two dashes; the first one of a parameter is the canonical one.
const SPELLINGS: [(&str, Param); 10] = [
    ("-i", Param::Iface),
    ("-iface", Param::Iface),
    ("-p", Param::Protocol),
    ("-proto", Param::Protocol),
    ("-source", Param::Source),
    ("-dest", Param::Dest),
    ("-sport", Param::Sport),
    ("-dport", Param::Dport),
    ("-icmp-type", Param::IcmpType),
    ("-log", Param::Log),
];

impl Param {
    /// Spelled with one dash or two.
    fn of(word: &str) -> Option<Param> {
        let word = if word.starts_with("--") { &word[1..] } else { word };
        SPELLINGS.iter().find(|(spelling, _)| *spelling == word).map(|(_, param)| *param)
    }

    fn canonical(self) -> &'static str {
        SPELLINGS.iter().find(|(_, param)| *param == self).map_or("", |(spelling, _)| *spelling)
    }

    /// Case means nothing in its value.
    fn folds(self) -> bool {
        match self {
            Param::Protocol | Param::Source | Param::Dest | Param::Log => true,
            Param::Iface | Param::Sport | Param::Dport | Param::IcmpType => false,
        }
    }
}

/// Direction and action, or the group's name.
#[derive(Debug)]
pub(super) enum Head<'a> {
    Match { direction: Option<Direction>, action: Option<Called<'a>> },
    Group(Option<Text<'a>>),
}

/// A rule as it is written.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) head: Head<'a>,
    /// The first word.
    pub(super) direction: Option<Text<'a>>,
    values: [Option<Text<'a>>; 8],
    /// Some word was no parameter: a missing parameter may be the one that was meant.
    pub(super) stray: bool,
    /// The action that a mistyped one is nearest to.
    pub(super) meant: Option<Action>,
    pub(super) canonical: String,
}

impl<'a> Written<'a> {
    /// The last value of a parameter.
    pub(super) fn value(&self, param: Param) -> Option<Text<'a>> {
        self.values[param as usize]
    }

    fn word(&mut self, word: &str) {
        if !self.canonical.is_empty() {
            self.canonical.push(' ');
        }
        self.canonical.push_str(word);
    }
}

/// Reads the text of a rule, without comment and leading `|`.
pub(super) fn read<'a>(mut text: Text<'a>, errors: &mut Errors<'_>) -> Written<'a> {
    let whole = text;
    let mut written = Written {
        head: Head::Match { direction: None, action: None },
        direction: text.next_word(),
        values: [None; 8],
        stray: false,
        meant: None,
        canonical: String::with_capacity(whole.str.len()),
    };
    let Some(first) = written.direction else {
        let message = "rule has neither direction nor action".to_owned();
        errors.refuse(Refused { code: Code::RuleHead, at: whole, message, remedy: None });
        return written;
    };
    if first.is("GROUP") {
        written.word("GROUP");
        let name = text.next_word();
        if name.is_none() {
            errors.refuse(Refused::new(Code::RuleHead, first, "names no security group"));
        }
        written.head = Head::Group(name);
        name.inspect(|name| written.word(&name.str.to_ascii_lowercase()));
        parameters(text, &mut written, errors);
        return written;
    }
    let direction = direction(first.str);
    written.word(direction.map_or(first.str, |direction| direction.as_str()));
    let Some(second) = text.next_word() else {
        errors.refuse(Refused::new(Code::RuleHead, first, "has no action"));
        written.head = Head::Match { direction, action: None };
        return written;
    };
    if direction.is_none() {
        let refused = Refused::new(Code::DirectionUnknown, first, "is no direction");
        let near = nearest(first.str, ["IN", "OUT", "FORWARD", "GROUP"].into_iter());
        errors.refuse(match near {
            Some(near) => refused.help(format!("did you mean `{near}`?")),
            None => refused.help("directions are IN, OUT and FORWARD"),
        });
    }
    let action = action(second, &mut text, &mut written, errors);
    written.head = Head::Match { direction, action };
    if direction.is_some() || action.is_some() {
        parameters(text, &mut written, errors);
    } else {
        let rest = text;
        rest.str.split_ascii_whitespace().for_each(|word| written.word(word));
    }
    written
}

/// The direction of this word.
pub(super) fn direction(word: &str) -> Option<Direction> {
    [Direction::In, Direction::Out, Direction::Forward]
        .into_iter()
        .find(|direction| direction.as_str().eq_ignore_ascii_case(word))
}

fn verdict(word: &str) -> Option<Action> {
    [Action::Accept, Action::Drop, Action::Reject]
        .into_iter()
        .find(|action| action.as_str().eq_ignore_ascii_case(word))
}

/// The verdict of an action word, plain or inside a macro call.
pub(super) fn verdict_of(word: &str) -> Option<Action> {
    verdict(match word.split_once('(') {
        Some((_, rest)) => rest.strip_suffix(')')?,
        None => word,
    })
}

/// The verdict that a mistyped action word is nearest to.
fn meant(word: &str) -> Option<Action> {
    let called = word.split_once('(').map_or(word, |(_, rest)| rest.trim_end_matches(')'));
    nearest(called, ["ACCEPT", "DROP", "REJECT"].into_iter()).and_then(verdict)
}

/// `ACCEPT` or `Name(ACCEPT)`.
fn action<'a>(
    word: Text<'a>,
    text: &mut Text<'a>,
    written: &mut Written<'a>,
    errors: &mut Errors<'_>,
) -> Option<Called<'a>> {
    let name = word.split_once(b'(').map(|(name, _)| name);
    let named = name.is_none_or(|name| !name.str.is_empty());
    if let Some(action) = verdict_of(word.str).filter(|_| named) {
        match name {
            None => written.word(action.as_str()),
            Some(name) => {
                written.word(macros::find(name.str).map_or(name.str, |found| found.name));
                written.canonical.extend(["(", action.as_str(), ")"]);
            }
        }
        return Some(Called { action, macro_name: name });
    }
    written.word(word.str);
    written.meant = meant(word.str);
    let refused = Refused::new(Code::ActionUnknown, word, "is no action");
    // `SSH (ACCEPT)`: the blank is the error, not what stands behind it.
    let mut rest = *text;
    if let Some(call) = rest.next_word().filter(|next| next.str.starts_with('(')) {
        *text = rest;
        written.word(call.str);
        written.meant = meant(call.str);
        errors.refuse(refused.help(format!("write {}{} without the blank", word.str, call.str)));
        return None;
    }
    errors.refuse(match macros::find(word.str) {
        Some(found) => refused.help(format!("write `{}(ACCEPT)`", found.name)),
        None => refused.help("actions are ACCEPT, DROP and REJECT, plain or in a macro: `SSH(ACCEPT)`"),
    });
    None
}

fn parameters<'a>(mut text: Text<'a>, written: &mut Written<'a>, errors: &mut Errors<'_>) {
    let group = matches!(written.head, Head::Group(_));
    while let Some(name) = text.next_word() {
        match Param::of(name.str) {
            Some(param) => {
                let Some(value) = text.next_word() else {
                    written.stray = true;
                    written.word(name.str);
                    errors.refuse(Refused::new(Code::ParameterUnknown, name, "lacks its value"));
                    return;
                };
                written.word(param.canonical());
                if param.folds() && value.str.bytes().any(|b| b.is_ascii_uppercase()) {
                    written.word(&value.str.to_ascii_lowercase());
                } else {
                    written.word(value.str);
                }
                if group && param != Param::Iface {
                    errors.refuse(
                        Refused::new(Code::GroupParameter, name, "restricts a GROUP rule")
                            .help("a GROUP rule takes `-i` alone; write it at the rules of the group"),
                    );
                    continue;
                }
                if written.values[param as usize].replace(value).is_some() {
                    let message = format!("{} is given again", shown(name));
                    let repeated = name.remark(Code::ParameterRepeated, message, "its last value counts");
                    errors.diagnostics.push(repeated);
                }
            }
            None => {
                written.stray = true;
                written.word(name.str);
                errors.refuse(unknown(name, group));
                // What follows belongs to it: one remark is enough.
                let mut rest = text;
                while let Some(word) = rest.next_word().filter(|word| !word.str.starts_with('-')) {
                    written.word(word.str);
                    text = rest;
                }
            }
        }
    }
}

fn unknown(name: Text<'_>, group: bool) -> Refused<'_> {
    if !name.str.starts_with('-') {
        return Refused::new(Code::ParameterUnknown, name, "is no parameter");
    }
    if group {
        return Refused::new(Code::GroupParameter, name, "is no parameter of a GROUP rule");
    }
    let refused = Refused::new(Code::ParameterUnknown, name, "is no parameter");
    if let Some((param, value)) = name.split_once(b'=').filter(|(param, _)| Param::of(param.str).is_some()) {
        return refused.help(format!("write `{} {}`", param.str, value.str));
    }
    match nearest(name.str, SPELLINGS.iter().map(|(spelling, _)| *spelling)) {
        Some(near) => refused.help(format!("did you mean `{near}`?")),
        None => refused,
    }
}
