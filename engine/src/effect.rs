//! What a guest's rules come to: for each of its devices, which rules are enforced, which can never be met because
//! an earlier rule decides all that they match, and which do nothing at all, and why.
//!
//! Pure, and asked by people alone: nothing here has a part in what is planned. Left out: rules of the host, and what
//! the options of a guest decide before its rules.

mod cover;

use crate::compile::Compiled;
use crate::diagnostic::Place;
use crate::model::guest;
use crate::model::names::{ObjectName, Vmid};
use crate::model::rule::{self, Direction, RuleInterface};
use crate::resolve::{self, Interface, MatchRule, RuleKind};
use crate::ruleset::RuleId;
use crate::span::Span;
use cover::{covers, families};

/// A rule of a guest, seen from one of its devices.
#[derive(Debug, Clone)]
pub struct Effective<'a> {
    /// As it is written.
    pub rule: &'a rule::Rule,
    /// Its id: its comment in the kernel.
    pub id: RuleId,
    /// Its direction; `None`: a group call, or it could not be read.
    pub direction: Option<Direction>,
    /// The security group that it stands in.
    pub group: Option<&'a ObjectName>,
    /// What it comes to.
    pub effect: Effect,
}

/// What a rule comes to on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Packets meet it.
    Enforced,
    /// An earlier rule decides everything that it matches: the id and the line of that rule.
    Shadowed(RuleId, Span),
    /// It does nothing.
    None(Why),
}

/// Why a rule does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The datacenter's firewall is off.
    MasterSwitch,
    /// The guest's firewall is off.
    GuestOff,
    /// The device has no `firewall=1`.
    DeviceOff,
    /// It begins with `|`.
    Disabled,
    /// What a diagnostic says: it has an error, names something that is not there, or contradicts itself.
    Said(String),
    /// It is for another device.
    OtherDevice(u8),
    /// The addresses that it names are none.
    NoAddresses,
    /// It calls a group that has no rules for guests.
    EmptyGroup,
    /// It holds for routed traffic, which a guest's zone never sees.
    Direction,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::MasterSwitch => f.write_str("the datacenter's firewall is off"),
            Why::GuestOff => f.write_str("the guest's firewall is off"),
            Why::DeviceOff => f.write_str("the device has no `firewall=1`"),
            Why::Disabled => f.write_str("the rule is switched off"),
            Why::Said(message) => f.write_str(message),
            Why::OtherDevice(index) => write!(f, "the rule is for `net{index}`"),
            Why::NoAddresses => f.write_str("the set that it names is empty"),
            Why::EmptyGroup => f.write_str("the group has no rules for guests"),
            Why::Direction => f.write_str("rules of direction FORWARD do not concern guests"),
        }
    }
}

/// The rules that a device of a guest meets, in the order of the file; the rules of a group stand behind its call.
/// `None`: there is no such guest or device.
pub fn of_device(compiled: &Compiled, vmid: Vmid, index: u8) -> Option<Vec<Effective<'_>>> {
    let guest = compiled.config.guests.get(&vmid)?;
    let resolved = compiled.resolved.guests.iter().find(|known| known.vmid == vmid)?;
    let device = guest.nics.get(&index)?;
    let position = guest.nics.keys().position(|known| *known == index)?;
    let mut walk =
        Walk { compiled, off: off(compiled, guest, device), position, index, met: [Vec::new(), Vec::new()] };
    let mut all = Vec::with_capacity(guest.rules.len());
    let ids = resolve::ids(&format!("guest/{vmid}"), &guest.rules);
    for (written, id) in guest.rules.iter().zip(ids) {
        // What is lost of a rule stands before it, with the same id.
        let resolved = resolved.rules.iter().rfind(|rule| rule.id == id);
        match (&written.kind, resolved.map(|rule| &rule.kind)) {
            (rule::RuleKind::Group(_), Some(RuleKind::Group { group, iface })) => {
                walk.call(written, id, (*group, iface.as_ref()), &mut all);
            }
            (_, kind) => all.push(walk.rule(written, id, kind, None)),
        }
    }
    Some(all)
}

/// Why nothing at all is enforced on a device.
fn off(compiled: &Compiled, guest: &guest::Guest, device: &guest::Nic) -> Option<Why> {
    if !compiled.resolved.enabled {
        return Some(Why::MasterSwitch);
    }
    if !guest.options.enable.value {
        return Some(Why::GuestOff);
    }
    (!device.firewall).then_some(Why::DeviceOff)
}

/// One device's way through the rules.
struct Walk<'a> {
    compiled: &'a Compiled,
    off: Option<Why>,
    /// Of the device among the guest's.
    position: usize,
    index: u8,
    /// Rules that are enforced, inbound and outbound.
    met: [Vec<(RuleId, Span, &'a MatchRule)>; 2],
}

impl<'a> Walk<'a> {
    fn rule(
        &mut self,
        written: &'a rule::Rule,
        id: RuleId,
        resolved: Option<&'a RuleKind>,
        group: Option<&'a ObjectName>,
    ) -> Effective<'a> {
        let direction = match &written.kind {
            rule::RuleKind::Match(matching) => Some(matching.direction),
            rule::RuleKind::Skipped(skipped) => skipped.direction,
            rule::RuleKind::Group(_) => None,
        };
        let effect = match (&self.off, resolved) {
            (Some(why), _) => Effect::None(why.clone()),
            (None, _) if !written.enabled => Effect::None(Why::Disabled),
            (None, Some(RuleKind::Match(matching))) => self.matching(written, id, matching),
            (None, _) => Effect::None(self.unapplied(written)),
        };
        Effective { rule: written, id, direction, group, effect }
    }

    fn matching(&mut self, written: &rule::Rule, id: RuleId, rule: &'a MatchRule) -> Effect {
        let met = match rule.direction {
            Direction::In => 0,
            Direction::Out => 1,
            Direction::Forward => return Effect::None(Why::Direction),
        };
        if let Some(Interface::Nic(position)) = rule.iface
            && position != self.position
        {
            return Effect::None(Why::OtherDevice(self.named_device(written)));
        }
        if rule.variants.is_empty() {
            return Effect::None(self.unapplied(written));
        }
        if rule.variants.iter().all(|variant| families(rule, variant).next().is_none()) {
            return Effect::None(Why::NoAddresses);
        }
        if let Some((id, span, _)) =
            self.met[met].iter().find(|(_, _, earlier)| covers(earlier, rule, &self.compiled.resolved.ipsets))
        {
            return Effect::Shadowed(*id, *span);
        }
        self.met[met].push((id, written.span, rule));
        Effect::Enforced
    }

    /// A group's call, and its rules behind it.
    fn call(
        &mut self,
        written: &'a rule::Rule,
        id: RuleId,
        (group, iface): (usize, Option<&Interface>),
        all: &mut Vec<Effective<'a>>,
    ) {
        let of = &self.compiled.resolved.groups[group];
        let body = self.compiled.config.datacenter.groups.get(&of.name).map_or(&[][..], |group| &group.rules);
        let elsewhere = match iface {
            Some(Interface::Nic(position)) => *position != self.position,
            Some(Interface::Host(_)) | None => false,
        };
        let at = all.len();
        let call = |effect| Effective { rule: written, id, direction: None, group: None, effect };
        let other = || Why::OtherDevice(self.named_device(written));
        if let Some(why) = self.off.clone().or_else(|| elsewhere.then(other)) {
            all.push(call(Effect::None(why)));
            return;
        }
        for (rule, id) in body.iter().zip(resolve::ids(&format!("group/{}", of.name), body)) {
            let resolved = of.rules.iter().rfind(|known| known.id == id).map(|known| &known.kind);
            all.push(self.rule(rule, id, resolved, Some(&of.name)));
        }
        let effect =
            |wanted: fn(&Effect) -> bool| all[at..].iter().map(|one| &one.effect).find(|e| wanted(e));
        let effect = effect(|effect| *effect == Effect::Enforced)
            .or_else(|| effect(|effect| matches!(effect, Effect::Shadowed(..))))
            .cloned();
        all.insert(at, call(effect.unwrap_or(Effect::None(Why::EmptyGroup))));
    }

    /// What a diagnostic says about a rule that is not planned.
    fn unapplied(&self, written: &rule::Rule) -> Why {
        let concerns = |place: Place| match place {
            Place::Span(span) => {
                let Span { file, start, end } = written.span;
                span.file == file && start <= span.start && span.start <= end
            }
            Place::File(_) | Place::Host => false,
        };
        let said = self.compiled.diagnostics.iter().filter(|said| concerns(said.place));
        // Of a macro that was narrowed and a name that is missing, the worst is the reason.
        let worst = said.max_by_key(|said| said.code.severity());
        Why::Said(worst.map_or_else(|| "the rule does nothing".to_owned(), |said| said.message.clone()))
    }

    fn named_device(&self, written: &rule::Rule) -> u8 {
        let iface = match &written.kind {
            rule::RuleKind::Match(matching) => matching.iface.as_ref(),
            rule::RuleKind::Group(call) => call.iface.as_ref(),
            rule::RuleKind::Skipped(_) => None,
        };
        match iface.map(|iface| &iface.value) {
            Some(RuleInterface::Net(index)) => *index,
            Some(RuleInterface::Host(_)) | None => self.index,
        }
    }
}

#[cfg(test)]
mod tests;
