//! Rules: references become addresses, families are settled, each rule gets its id.

use std::collections::BTreeMap;

use super::lookup::{Found, Links, Scope, SharedSets, scoped, written};
use super::{Addresses, Group, Interface, MatchRule, Rule, RuleKind, Variant};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::Config;
use crate::model::address::Family;
use crate::model::names::ObjectName;
use crate::model::rule::{self, Action, AddressSpec, RuleInterface};
use crate::ruleset::RuleId;
use crate::span::{Span, Spanned};

/// Resolves the groups of the datacenter; bodies see datacenter and SDN names alone.
pub(super) fn groups(
    config: &Config,
    links: &Links<'_>,
    sets: &SharedSets,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Group> {
    let scope = Scope { config, links, sets, groups: &[], guest: None };
    let resolve = |(name, group): (&ObjectName, &crate::model::Group)| Group {
        name: name.clone(),
        rules: resolve_rules(&scope, &format!("group/{name}"), &group.rules, diagnostics),
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
    let mut ordinals: BTreeMap<&str, u32> = BTreeMap::new();
    let mut resolved = Vec::with_capacity(rules.len());
    for written in rules {
        let ordinal = ordinals.entry(&written.canonical).or_default();
        let id = RuleId::of(scope_name, &written.canonical, *ordinal);
        *ordinal += 1;
        let kind = match resolve_kind(scope, written, diagnostics) {
            Ok(kind) => Some(kind),
            Err(Unapplied::Inert) => None,
            Err(Unapplied::Skipped) => lost(&written.kind),
        };
        if let (true, Some(kind)) = (written.enabled, kind) {
            resolved.push(Rule { span: written.span, id, kind });
        }
    }
    resolved
}

/// What is left of a rule that is not applied: only a lost DROP or REJECT matters to the rules behind it.
fn lost(kind: &rule::RuleKind) -> Option<RuleKind> {
    let (direction, action, transports) = match kind {
        rule::RuleKind::Skipped(rule) => (rule.direction, rule.action?, Vec::new()),
        rule::RuleKind::Match(rule) => {
            let transports = rule.components.iter().map(|c| c.transport.clone()).collect();
            (Some(rule.direction), rule.action, transports)
        }
        rule::RuleKind::Group(_) => return None,
    };
    (action != Action::Accept).then_some(RuleKind::Lost { direction, transports })
}

/// Why a rule is not planned.
enum Unapplied {
    /// It has an error.
    Skipped,
    /// It is right, and can match nothing.
    Inert,
}

fn resolve_kind(
    scope: &Scope<'_>,
    written: &rule::Rule,
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
        rule::RuleKind::Match(rule) => resolve_match(scope, written.span, rule, diagnostics),
    }
}

fn resolve_match(
    scope: &Scope<'_>,
    span: Span,
    rule: &rule::MatchRule,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<RuleKind, Unapplied> {
    let source = addresses(scope, rule.source.as_ref(), diagnostics);
    let dest = addresses(scope, rule.dest.as_ref(), diagnostics);
    let (Some(source), Some(dest)) = (source, dest) else { return Err(Unapplied::Skipped) };
    let families = [fixed_family(&source), fixed_family(&dest)];
    let family = families[0].or(families[1]);
    let apart = families[0].is_some() && families[1].is_some() && families[0] != families[1];
    let variants: Vec<Variant> = rule.components.iter().filter_map(|c| variant(c, family)).collect();
    // A macro's component of the other family is left out; without a macro that is the rule's own contradiction.
    let contradicts = apart || (variants.is_empty() && rule.macro_name.is_none());
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
    let iface = interface(scope, rule.iface.as_ref(), diagnostics).ok_or(Unapplied::Inert)?;
    let (direction, action, log) = (rule.direction, rule.action, rule.log);
    Ok(RuleKind::Match(MatchRule { direction, action, iface, source, dest, variants, log }))
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

/// The outer `None`: unresolved, said so.
fn addresses(
    scope: &Scope<'_>,
    spec: Option<&Spanned<AddressSpec>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Addresses> {
    let Some(spec) = spec else { return Some(Addresses::Any) };
    let place = Place::Span(spec.span);
    match &spec.value {
        AddressSpec::List(list) => Some(Addresses::Literal(list.intervals().into())),
        AddressSpec::Alias(reference) => {
            let Some(alias) = scope.alias(reference) else {
                let message = format!("no alias `{}`", written(reference));
                let missing = Diagnostic::new(Code::AliasUnresolved, place, message, "rule is skipped");
                diagnostics.push(hint(missing, reference.name.as_str()));
                return None;
            };
            Some(Addresses::Literal([alias.cidr.interval()].into()))
        }
        AddressSpec::Ipset(reference) => match scope.ipset(reference) {
            Some(Found::Own(intervals)) => Some(Addresses::Own(intervals)),
            Some(Found::Shared(ipset)) => Some(Addresses::Shared(ipset)),
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
