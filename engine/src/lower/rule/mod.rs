//! A line of `[RULES]` or `[group x]` -> [`Rule`]. Every error of a line is reported, in the order head,
//! direction, interface, macro, protocol, ports and ICMP type, addresses, log, and last the macro's combination
//! with the rest. A rule with an error is kept as skipped: it is never applied with a criterion less.

mod transport;
mod written;

use super::firewall::Lowering;
use super::names::Names;
use super::value::{self, Refused};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::address::Family;
use crate::model::names::{IfName, InvalidName};
use crate::model::rule::{
    Action, AddressSpec, Direction, GroupRule, MatchRule, Rule, RuleInterface, RuleKind, SkippedRule,
};
use crate::parse::cursor::{RawLine, Text, quoted};
use crate::parse::section::Line;
use crate::span::Spanned;
use crate::tables::macros::{self, Macro};
use written::{Head, Param, Written};

/// Where a rule stands; decides about directions and interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// `[RULES]` of `cluster.fw`
    Datacenter,
    /// `[RULES]` of `host.fw`
    Host,
    /// `[RULES]` of `<vmid>.fw`
    Guest,
    /// `[RULES]` of `<vnet>.fw`
    Vnet,
    /// `[group name]`
    Group,
}

impl Context {
    fn allows(self, direction: Direction) -> bool {
        match self {
            Context::Datacenter | Context::Host | Context::Group => true,
            Context::Guest => direction != Direction::Forward,
            Context::Vnet => direction == Direction::Forward,
        }
    }
}

/// Lowers one line.
pub(crate) fn rule(line: &Line<'_>, context: Context, lowering: &mut Lowering<'_>) -> Rule {
    let Lowering { names, diagnostics } = lowering;
    let mut errors = Errors { names, context, diagnostics, skipped: false };
    let bar = line.raw.bytes.starts_with(b"|");
    let (kind, canonical) = match line.raw.text() {
        Some(text) => lowered(text.skip(usize::from(bar)), &mut errors),
        None => undecodable(line.raw.skip(usize::from(bar)), &mut errors),
    };
    Rule {
        span: line.raw.span(),
        enabled: !bar,
        kind,
        comment: line.comment.as_deref().map(str::to_owned),
        canonical,
    }
}

/// Collects what is wrong with one rule.
struct Errors<'d> {
    names: &'d Names<'d>,
    context: Context,
    diagnostics: &'d mut Vec<Diagnostic>,
    skipped: bool,
}

impl Errors<'_> {
    fn refuse(&mut self, refused: Refused<'_>) {
        self.skipped = true;
        let diagnostic = refused.at.remark(refused.code, refused.message, "rule is skipped");
        self.diagnostics.push(Diagnostic { remedy: refused.remedy, ..diagnostic });
    }

    /// The value, or its refusal among the errors.
    fn accept<T>(&mut self, result: Result<T, Refused<'_>>) -> Option<T> {
        result.map_err(|refused| self.refuse(refused)).ok()
    }
}

fn lowered(text: Text<'_>, errors: &mut Errors<'_>) -> (RuleKind, String) {
    let written = written::read(text, errors);
    let mut known = SkippedRule::default();
    let kind = match &written.head {
        Head::Group(name) => {
            known.group = name.and_then(|name| name.str.parse().ok());
            group_rule(*name, &written, errors).map(RuleKind::Group)
        }
        Head::Match { direction, action } => {
            known.direction = *direction;
            known.action = action.map(|called| called.action).or(written.meant);
            match_rule(&mut known, &written, errors).map(RuleKind::Match)
        }
    };
    let kind = kind.filter(|_| !errors.skipped).unwrap_or(RuleKind::Skipped(known));
    (kind, written.canonical)
}

/// A line with bytes that no rule has: nothing of it is applied, but its head may still be readable.
fn undecodable(raw: RawLine<'_>, errors: &mut Errors<'_>) -> (RuleKind, String) {
    errors.skipped = true;
    let bad = raw.bytes.iter().position(|&b| !(b == b'\t' || (b' '..0x7f).contains(&b))).unwrap_or(0);
    let mut place = raw.skip(bad).span();
    place.end = place.end.min(place.start + 1);
    let message = format!("byte 0x{:02x} in a rule", raw.bytes.get(bad).copied().unwrap_or_default());
    errors.diagnostics.push(Diagnostic::new(
        Code::RuleEncoding,
        Place::Span(place),
        message,
        "rule is skipped",
    ));
    let lossy = String::from_utf8_lossy(raw.bytes);
    let lossy = lossy.replace(|char: char| char.is_control() && char != '\t', "\u{fffd}");
    let mut words = lossy.split_ascii_whitespace();
    let direction = words.next().and_then(written::direction);
    let action = words.next().and_then(written::verdict_of);
    let canonical = lossy.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    (RuleKind::Skipped(SkippedRule { direction, action, ..SkippedRule::default() }), canonical)
}

fn group_rule(name: Option<Text<'_>>, written: &Written<'_>, errors: &mut Errors<'_>) -> Option<GroupRule> {
    let name = name?;
    if errors.context == Context::Group {
        errors.refuse(
            Refused::new(Code::GroupNested, name, "is called inside a security group")
                .help("groups cannot be nested: copy the rules"),
        );
    }
    let parsed = errors.accept(name.str.parse().map_err(|invalid| match invalid {
        InvalidName::Grammar => Refused::new(Code::GroupName, name, "is no name of a security group"),
        InvalidName::TooLong => Refused::new(Code::NameTooLong, name, "has more than 64 characters"),
    }));
    let iface = interface(written.value(Param::Iface), None, errors);
    Some(GroupRule { name: Spanned { value: parsed?, span: name.span() }, iface })
}

/// What can be read of a rule with errors goes to `known`.
fn match_rule(known: &mut SkippedRule, written: &Written<'_>, errors: &mut Errors<'_>) -> Option<MatchRule> {
    let forbidden = known.direction.is_some_and(|direction| !errors.context.allows(direction));
    if let Some(at) = written.direction.filter(|_| forbidden) {
        let refused = Refused::new(Code::DirectionNotAllowed, at, "is no direction of this file's rules");
        errors.refuse(match errors.context {
            Context::Vnet => refused.help("rules of a VNet are FORWARD"),
            _ => refused.help("rules of a guest are IN or OUT"),
        });
    }
    let iface = interface(written.value(Param::Iface), known.direction, errors);
    let called = macro_called(written, errors);
    let refused_before = std::mem::take(&mut errors.skipped);
    let asked = transport::asked(written, errors);
    // A stray word may have been meant for one of these parameters.
    let is_readable = !errors.skipped && !written.stray;
    errors.skipped |= refused_before;
    let source = address(written.value(Param::Source), errors);
    let dest = address(written.value(Param::Dest), errors);
    let family = family(asked.family(), [&source, &dest], written, errors);
    let log = written.value(Param::Log).and_then(|at| {
        let level = value::log_level(at.str).ok_or_else(|| bad_log_level(at));
        errors.accept(level).flatten()
    });
    let components = match called {
        None => Ok(vec![asked.component()]),
        Some(called) => asked.combined(called, family),
    };
    if let (true, Ok(components)) = (errors.skipped && is_readable, &components) {
        known.transports = components.iter().map(|component| component.transport.clone()).collect();
    }
    if errors.skipped {
        return None;
    }
    let components = errors.accept(components)?;
    let (direction, action) = (known.direction?, known.action?);
    let macro_name = called.map(|called| called.name);
    Some(MatchRule { direction, action, iface, source, dest, components, log, macro_name })
}

fn bad_log_level(at: Text<'_>) -> Refused<'_> {
    let refused = Refused::new(Code::LogLevelInvalid, at, "is no log level");
    if at.is("error") {
        return refused.help("write `err`");
    }
    refused.help("levels are emerg, alert, crit, err, warning, notice, info, debug and nolog")
}

fn interface(
    at: Option<Text<'_>>,
    direction: Option<Direction>,
    errors: &mut Errors<'_>,
) -> Option<Spanned<RuleInterface>> {
    let at = at?;
    let forbidden = |why| Refused::new(Code::InterfaceNotAllowed, at, why);
    let result = match errors.context {
        Context::Group => Err(forbidden("restricts a rule of a group to an interface")
            .help("write `-i` at the rule that calls the group")),
        Context::Vnet => Err(forbidden("restricts a VNet's rule to an interface").help("leave `-i` out")),
        _ if direction == Some(Direction::Forward) => {
            Err(forbidden("restricts a FORWARD rule to one interface, but it has two").help("leave `-i` out"))
        }
        Context::Guest => guest_interface(at),
        Context::Datacenter | Context::Host => host_interface(at),
    };
    let value = errors.accept(result)?;
    Some(Spanned { value, span: at.span() })
}

/// `net<index>`, 0 to 31.
fn guest_interface(at: Text<'_>) -> Result<RuleInterface, Refused<'_>> {
    let index = at.str.strip_prefix("net").and_then(super::guest_conf::nic_index);
    index.map(RuleInterface::Net).ok_or_else(|| {
        Refused::new(Code::InterfaceInvalid, at, "is no network device of a guest")
            .help("devices are `net0` to `net31`")
    })
}

fn host_interface(at: Text<'_>) -> Result<RuleInterface, Refused<'_>> {
    let name = at.str.parse::<IfName>().map_err(|invalid| match invalid {
        InvalidName::Grammar => {
            let refused = Refused::new(Code::InterfaceInvalid, at, "is no name of an interface");
            if at.str.contains('*') {
                refused.help("there are no wildcards: write a rule for each")
            } else {
                refused
            }
        }
        InvalidName::TooLong => {
            Refused::new(Code::InterfaceInvalid, at, "is longer than an interface's 15 characters")
        }
    })?;
    Ok(RuleInterface::Host(name))
}

fn macro_called(written: &Written<'_>, errors: &mut Errors<'_>) -> Option<&'static Macro> {
    let Head::Match { action: Some(called), .. } = &written.head else { return None };
    let name = called.macro_name?;
    let found = macros::find(name.str).ok_or_else(|| {
        let refused = Refused::new(Code::MacroUnknown, name, "is no macro");
        match crate::parse::nearest::nearest(name.str, macros::MACROS.iter().map(|m| m.name)) {
            Some(near) => refused.help(format!("did you mean `{near}`?")),
            None => refused,
        }
    });
    errors.accept(found)
}

fn address(at: Option<Text<'_>>, errors: &mut Errors<'_>) -> Option<Spanned<AddressSpec>> {
    let at = at?;
    let value = errors.accept(value::address_spec(at))?;
    Some(Spanned { value, span: at.span() })
}

/// The family that protocol and literal addresses fix. An alias fixes it too, but only once it is looked up.
fn family(
    of_protocol: Option<Family>,
    specs: [&Option<Spanned<AddressSpec>>; 2],
    written: &Written<'_>,
    errors: &mut Errors<'_>,
) -> Option<Family> {
    let mut fixed = of_protocol;
    for (spec, param) in specs.into_iter().zip([Param::Source, Param::Dest]) {
        let Some(Spanned { value: AddressSpec::List(list), .. }) = spec else { continue };
        match (fixed, written.value(param)) {
            (Some(family), Some(at)) if family != list.family() => {
                let why = match list.family() {
                    Family::V4 => "is IPv4, but the rule is about IPv6 already",
                    Family::V6 => "is IPv6, but the rule is about IPv4 already",
                };
                errors.refuse(
                    Refused::new(Code::FamilyContradiction, at, why).help("write a rule for each family"),
                );
                break;
            }
            _ => fixed = Some(list.family()),
        }
    }
    fixed
}

/// PVE's action and the macro around it, as far as both can be read.
#[derive(Debug, Clone, Copy)]
struct Called<'a> {
    action: Action,
    macro_name: Option<Text<'a>>,
}

/// What to say about a word that cannot be read: its text in quotes.
fn shown(text: Text<'_>) -> String {
    quoted(text.str.as_bytes())
}

#[cfg(test)]
mod tests;
