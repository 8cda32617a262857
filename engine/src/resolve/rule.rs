//! Rules: references become addresses, families are settled, each rule gets its id.

use std::collections::BTreeMap;

use super::lookup::{Found, Scope, SharedSets, scoped, written};
use super::{Addresses, Group, Interface, Loss, MatchRule, Rule, RuleKind, Variant};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::links::Links;
use crate::model::address::Family;
use crate::model::names::ObjectName;
use crate::model::rule::{self, Action, AddressSpec, Direction, RuleInterface, Transport};
use crate::model::{Config, LostEntries};
use crate::ruleset::{RuleId, RuleScope};
use crate::span::{Span, Spanned};

/// Resolves the groups of the datacenter; bodies see datacenter and SDN names alone.
pub(super) fn groups(
    config: &Config,
    links: &Links,
    sets: &SharedSets,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Group> {
    let scope = Scope { config, links, sets, groups: &[], guest: None };
    let resolve = |(name, group): (&ObjectName, &crate::model::Group)| {
        let rules = resolve_rules(&scope, &format!("group/{name}"), &group.rules, diagnostics);
        let loses = rules.iter().any(|rule| matches!(rule.kind, RuleKind::Lost { .. }));
        Group { name: name.clone(), rules, loses }
    };
    config.datacenter.groups.iter().map(resolve).collect()
}

/// Resolves the rules of one scope; disabled ones are checked and left out.
pub(super) fn resolve_rules(
    scope: &Scope<'_>,
    scope_name: &str,
    rules: &[rule::Rule],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Rule> {
    let mut resolved = Vec::with_capacity(rules.len());
    for (written, id) in rules.iter().zip(ids(scope_name, rules)) {
        let mut widened = Vec::new();
        let kind = match resolve_kind(scope, written, &mut widened, diagnostics) {
            Ok(kind) => Some(kind),
            Err(Unapplied::Inert) => None,
            Err(Unapplied::Skipped) => lost(scope, &written.kind),
        };
        if let (true, Some(kind)) = (written.enabled, kind) {
            let rule = |kind| Rule { span: written.span, id, kind };
            resolved.extend(widened.into_iter().map(rule));
            resolved.push(rule(kind));
        }
    }
    resolved
}

/// The ids of the rules of one scope, disabled and skipped ones included.
pub(crate) fn ids(scope_name: &str, rules: &[rule::Rule]) -> Vec<RuleId> {
    let scope = RuleScope::new(scope_name);
    // Equal texts have equal first ids.
    let mut ordinals: BTreeMap<RuleId, u32> = BTreeMap::new();
    let mut ids = Vec::with_capacity(rules.len());
    for rule in rules {
        let first = scope.id(&rule.canonical, 0);
        let ordinal = ordinals.entry(first).or_default();
        ids.push(if *ordinal == 0 { first } else { scope.id(&rule.canonical, *ordinal) });
        *ordinal += 1;
    }
    ids
}

/// What is left of a rule that is not applied: only a lost DROP or REJECT matters to the rules behind it.
fn lost(scope: &Scope<'_>, kind: &rule::RuleKind) -> Option<RuleKind> {
    let (direction, action, transports) = match kind {
        rule::RuleKind::Skipped(rule) => {
            let is_harmless = rule.group.as_ref().is_some_and(|name| denies_nothing(scope, name));
            if is_harmless {
                return None;
            }
            (rule.direction, rule.action, rule.transports.clone())
        }
        rule::RuleKind::Match(rule) => {
            let transports = rule.components.iter().map(|c| c.transport.clone()).collect();
            (Some(rule.direction), Some(rule.action), transports)
        }
        rule::RuleKind::Group(_) => (None, None, Vec::new()),
    };
    let loss = match action {
        None => Loss::Perhaps,
        Some(Action::Drop | Action::Reject) => Loss::Denial,
        Some(Action::Accept) => return None,
    };
    Some(RuleKind::Lost { direction, transports, loss })
}

/// Whether a group is there and none of its rules denies.
fn denies_nothing(scope: &Scope<'_>, name: &ObjectName) -> bool {
    let accepts = |rule: &Rule| matches!(&rule.kind, RuleKind::Match(rule) if rule.action == Action::Accept);
    let group = scope.groups.binary_search_by(|known| known.name.cmp(name));
    group.is_ok_and(|index| scope.groups[index].rules.iter().all(accepts))
}

/// The loss of an entry of the scope's own set, which held something back before all rules of a direction.
pub(super) fn lost_entry(entry: Span, direction: Direction) -> Rule {
    let kind =
        RuleKind::Lost { direction: Some(direction), transports: Vec::new(), loss: Loss::Entry(entry) };
    Rule { span: entry, id: RuleId::of("lost", "entry", 0), kind }
}

/// Why a rule is not planned.
enum Unapplied {
    /// It has an error.
    Skipped,
    /// It is right, and can match nothing.
    Inert,
}

/// What a set lost that the rule needs goes to `widened`, to stand before the rule.
fn resolve_kind(
    scope: &Scope<'_>,
    written: &rule::Rule,
    widened: &mut Vec<RuleKind>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<RuleKind, Unapplied> {
    match &written.kind {
        rule::RuleKind::Skipped(_) => Err(Unapplied::Skipped),
        rule::RuleKind::Group(group) => {
            // Groups come from a map by name: they are sorted.
            let index = scope.groups.binary_search_by(|known| known.name.cmp(&group.name.value));
            let Ok(index) = index else {
                let message = format!("no security group `{}`", group.name.value);
                let consequence = "rule does nothing";
                let place = Place::Span(group.name.span);
                diagnostics.push(Diagnostic::new(Code::GroupMissing, place, message, consequence));
                return Err(Unapplied::Skipped);
            };
            let iface = interface(scope, group.iface.as_ref(), diagnostics).ok_or(Unapplied::Inert)?;
            Ok(RuleKind::Group { group: index, iface })
        }
        rule::RuleKind::Match(rule) => {
            let (matching, lost) = resolve_match(scope, written.span, rule, diagnostics)?;
            widened.extend(lost.into_iter().filter_map(|lost| widening(&matching, lost)));
            Ok(RuleKind::Match(matching))
        }
    }
}

/// The entry of a rule's set without which the rule accepts more, or denies less, than was meant: as if a rule that
/// denied it had been lost before it.
fn widening(rule: &MatchRule, lost: LostEntries) -> Option<RuleKind> {
    let entry = match rule.action {
        Action::Accept => lost.excluded,
        Action::Drop | Action::Reject => lost.included,
    };
    let transports: Vec<Transport> = rule.variants.iter().map(|variant| variant.transport.clone()).collect();
    let loss = Loss::Entry(entry?);
    (!transports.is_empty()).then_some(RuleKind::Lost { direction: Some(rule.direction), transports, loss })
}

/// The rule, and what the sets lack that it names.
fn resolve_match(
    scope: &Scope<'_>,
    span: Span,
    rule: &rule::MatchRule,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(MatchRule, [LostEntries; 2]), Unapplied> {
    // Each condition by its name: none can be forgotten here.
    let rule::MatchRule { direction, action, iface, source, dest, components, log, macro_name } = rule;
    let source = addresses(scope, source.as_ref(), diagnostics);
    let dest = addresses(scope, dest.as_ref(), diagnostics);
    let (Some((source, of_source)), Some((dest, of_dest))) = (source, dest) else {
        return Err(Unapplied::Skipped);
    };
    let families = [fixed_family(&source), fixed_family(&dest)];
    let family = families[0].or(families[1]);
    let apart = families[0].is_some() && families[1].is_some() && families[0] != families[1];
    let variants: Vec<Variant> = components.iter().filter_map(|c| variant(c, family)).collect();
    // A macro's component of the other family is left out; without a macro that is the rule's own contradiction.
    let contradicts = apart || (variants.is_empty() && macro_name.is_none());
    if contradicts {
        let message = "the rule asks for IPv4 and IPv6 at once";
        let place = Place::Span(span);
        diagnostics.push(
            Diagnostic::new(Code::FamilyContradiction, place, message, "rule is skipped")
                .help("write one rule for each family"),
        );
        return Err(Unapplied::Skipped);
    }
    if variants.is_empty() {
        let message = "no part of the macro has the address family of the rule";
        let place = Place::Span(span);
        diagnostics.push(Diagnostic::new(Code::RuleInert, place, message, "rule does nothing"));
    }
    let iface = interface(scope, iface.as_ref(), diagnostics).ok_or(Unapplied::Inert)?;
    let (direction, action, log) = (*direction, *action, *log);
    let rule = MatchRule { direction, action, iface, source, dest, variants, log };
    Ok((rule, [of_source, of_dest]))
}

fn variant(component: &rule::Component, family: Option<Family>) -> Option<Variant> {
    if component.family.is_some() && family.is_some() && component.family != family {
        return None;
    }
    Some(Variant { family: component.family.or(family), transport: component.transport.clone() })
}

/// Literals and aliases fix the family, sets do not.
fn fixed_family(addresses: &Addresses) -> Option<Family> {
    match addresses {
        Addresses::Literal(intervals) => intervals.first().map(|interval| interval.family),
        Addresses::Any | Addresses::Own(_) | Addresses::Shared(_) => None,
    }
}

/// With what the set lacks. `None`: unresolved, said so.
fn addresses(
    scope: &Scope<'_>,
    spec: Option<&Spanned<AddressSpec>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Addresses, LostEntries)> {
    let whole = |addresses| Some((addresses, LostEntries::default()));
    let Some(spec) = spec else { return whole(Addresses::Any) };
    let place = Place::Span(spec.span);
    match &spec.value {
        AddressSpec::List(list) => whole(Addresses::Literal(list.intervals().clone())),
        AddressSpec::Alias(reference) => {
            let Some(alias) = scope.alias(reference) else {
                let message = format!("no alias `{}`", written(reference));
                let missing = Diagnostic::new(Code::AliasUnresolved, place, message, "rule is skipped");
                diagnostics.push(hint(missing, reference.name.as_str()));
                return None;
            };
            whole(Addresses::Literal([alias.cidr.interval()].into()))
        }
        AddressSpec::Ipset(reference) => match scope.ipset(reference) {
            Some(Found::Own(intervals, lost)) => Some((Addresses::Own(intervals), lost)),
            Some(Found::Shared(set, lost)) => Some((Addresses::Shared(set), lost)),
            None => {
                let message = format!("no IPSet `+{}`", scoped(reference.scope, &reference.name));
                let missing = Diagnostic::new(Code::IpsetUnresolved, place, message, "rule is skipped");
                diagnostics.push(hint(missing, reference.name.as_str()));
                None
            }
        },
    }
}

fn hint(missing: Diagnostic, name: &str) -> Diagnostic {
    match name {
        "local_network" => missing
            .help("the built-in `local_network` must be defined under [ALIASES] of cluster.fw to be named"),
        "management" => missing.help(
            "the built-in `management` must be defined as [IPSET management] in cluster.fw to be named",
        ),
        _ => missing,
    }
}

/// The outer `None`: the rule is inert (a NIC that the guest does not have, or that is not filtered), said so.
fn interface(
    scope: &Scope<'_>,
    iface: Option<&Spanned<RuleInterface>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Option<Interface>> {
    let Some(iface) = iface else { return Some(None) };
    match &iface.value {
        RuleInterface::Host(name) => {
            let kernel = scope.links.get(name.as_str()).and_then(|link| link.name.parse().ok());
            Some(Some(Interface::Host(kernel.unwrap_or_else(|| name.clone()))))
        }
        RuleInterface::Net(index) => {
            let guest = scope.guest?.guest;
            let position = guest.nics.keys().position(|n| n == index);
            let filtered = guest.nics.get(index).is_some_and(|nic| nic.firewall);
            if filtered {
                return Some(Some(Interface::Nic(position?)));
            }
            if guest.options.enable.value {
                let (message, remedy) = match position {
                    None => (format!("the guest has no `net{index}`"), None),
                    Some(_) => {
                        let message = format!("`net{index}` of the guest is not filtered");
                        (message, Some("set `firewall=1` on the network device"))
                    }
                };
                let place = Place::Span(iface.span);
                let inert = Diagnostic::new(Code::RuleInert, place, message, "rule does nothing");
                diagnostics.push(Diagnostic { remedy: remedy.map(str::to_owned), ..inert });
            }
            None
        }
    }
}
