//! Options and definitions that the classic firewall reads otherwise, or does something else with.

use super::{Effect, Notes};
use crate::diagnostic::Place;
use crate::model::names::ObjectName;
use crate::model::options::{Enable, GuestOptions};
use crate::model::rule::{Action, RuleKind};
use crate::model::{Config, Setting};
use crate::span::Span;

pub(super) fn find(config: &Config, notes: &mut Notes<'_>) {
    datacenter(config, notes);
    host(config, notes);
    for guest in config.guests.values() {
        guest_options(&guest.options, notes);
        definitions(guest.ipsets.iter().filter_map(|(name, set)| Some((name, set.span?))), notes);
    }
    definitions(config.datacenter.ipsets.iter().filter_map(|(name, set)| Some((name, set.span?))), notes);
    definitions(config.datacenter.groups.iter().filter_map(|(name, group)| Some((name, group.span?))), notes);
    let guest_aliases = config.guests.values().flat_map(|guest| &guest.aliases);
    for (name, alias) in config.datacenter.aliases.iter().chain(guest_aliases) {
        if notes.line(alias.span).trim_start().contains("  ") {
            let texts = ["loses the alias, and every rule that names it", "blanks count once"];
            notes.add("D52", Place::Span(alias.span), Effect::Other, texts);
        }
        if name.as_str().len() == 1 {
            let texts = ["cannot find an alias of one character", "found"];
            notes.add("D16", Place::Span(alias.span), Effect::Other, texts);
        }
    }
}

fn datacenter(config: &Config, notes: &mut Notes<'_>) {
    let options = &config.datacenter.options;
    written(&options.enable, notes);
    written(&options.ebtables, notes);
    written(&options.policy_in, notes);
    written(&options.policy_out, notes);
    written(&options.policy_forward, notes);
    if options.policy_forward.value != Action::Accept {
        let texts = ["has no forward policy", "decides about what this node routes"];
        notes.add("S40", place(options.policy_forward.at), Effect::PassesLess, texts);
    }
    if let Some(at) = options.log_ratelimit.at {
        let line = notes.line(at);
        if !line.contains("enable") || (line.contains("rate=") && !line.contains('/')) {
            let texts = ["stops working until the line is mended", "`enable` and the unit have defaults"];
            notes.add("D33", Place::Span(at), Effect::Other, texts);
        }
    }
    if options.enable.value != Enable::Off && config.corosync.is_some() {
        let texts = [
            "opens UDP 5404 and 5405 between cluster nodes",
            "5404 to 5412, for every link that knet can have",
        ];
        notes.add("D138", Place::Host, Effect::PassesMore, texts);
    }
    for vnet in config.vnets.values().filter(|vnet| vnet.options.enable.value) {
        written(&vnet.options.enable, notes);
        let texts =
            ["does not read firewall files of VNets", "filters what passes the VNet, routed traffic too"];
        notes.add("S41", place(vnet.options.enable.at), Effect::PassesLess, texts);
    }
}

fn host(config: &Config, notes: &mut Notes<'_>) {
    let options = &config.host.options;
    for setting in
        [&options.enable, &options.nosmurfs, &options.tcpflags, &options.ndp, &options.protection_synflood]
    {
        written(setting, notes);
    }
    written(&options.nf_conntrack_allow_invalid, notes);
    levels([options.log_level_in.at, options.log_level_out.at, options.smurf_log_level.at], notes);
    levels([options.tcp_flags_log_level.at, options.log_level_forward.at, None], notes);
    if !options.ndp.value {
        let texts =
            ["has no rule for neighbour discovery then: the rules decide", "drops it before the rules"];
        notes.add("S20", place(options.ndp.at), Effect::PassesLess, texts);
    }
    if options.nf_conntrack_allow_invalid.value {
        let texts = ["lets invalid packets meet the rules of guests alone", "those of the host, too"];
        notes.add("D48", place(options.nf_conntrack_allow_invalid.at), Effect::PassesMore, texts);
    }
    if let Some(at) = options.nf_conntrack_tcp_timeout_syn_recv.at {
        let texts = ["does not write the setting", "written to the kernel"];
        notes.add("D43", Place::Span(at), Effect::Other, texts);
    }
    if config.datacenter.options.enable.value != Enable::Off && options.enable.value {
        let texts = [
            "leaves MLD to the rules of the host",
            "accepts MLD to and from the host; IPv6 multicast needs it",
        ];
        notes.add("S23", Place::Host, Effect::PassesMore, texts);
    }
    if rejects(config) {
        let texts = ["drops ICMP queries that a REJECT meets", "answers them; never ICMP errors"];
        notes.add("S5", Place::Host, Effect::Other, texts);
    }
}

/// Some rule or policy is REJECT.
fn rejects(config: &Config) -> bool {
    let policies = [&config.datacenter.options.policy_in, &config.datacenter.options.policy_out].into_iter();
    let guests = config.guests.values();
    let guest_policies = guests.clone().flat_map(|g| [&g.options.policy_in, &g.options.policy_out]);
    let rules = config.datacenter.rules.iter().chain(&config.host.rules);
    let rules = rules.chain(config.datacenter.groups.values().flat_map(|group| &group.rules));
    let mut rules = rules.chain(guests.flat_map(|guest| &guest.rules));
    let is_reject = |kind: &RuleKind| match kind {
        RuleKind::Match(rule) => rule.action == Action::Reject,
        RuleKind::Group(_) | RuleKind::Skipped(_) => false,
    };
    policies.chain(guest_policies).any(|policy| policy.value == Action::Reject)
        || rules.any(|rule| rule.enabled && is_reject(&rule.kind))
}

fn guest_options(options: &GuestOptions, notes: &mut Notes<'_>) {
    for setting in [&options.enable, &options.dhcp, &options.ndp, &options.radv] {
        written(setting, notes);
    }
    written(&options.macfilter, notes);
    written(&options.ipfilter, notes);
    levels([options.log_level_in.at, options.log_level_out.at, None], notes);
    if !options.enable.value {
        return;
    }
    for (setting, classic) in [
        (&options.ndp, "has no rule for neighbour discovery then: the rules decide"),
        (&options.dhcp, "has no rule for DHCP then: the rules decide"),
    ] {
        if !setting.value {
            notes.add("S20", place(setting.at), Effect::PassesLess, [classic, "drops it before the rules"]);
        }
    }
    if options.policy_in.value == Action::Reject {
        let texts = [
            "answers every packet, flooded copies too",
            "answers bridged packets to the guest's own address; drops what the host sends or routes",
        ];
        notes.add("S1", place(options.policy_in.at), Effect::Other, texts);
    }
}

/// Forms of a line that the classic firewall does not take.
fn written<T>(setting: &Setting<T>, notes: &mut Notes<'_>) {
    let Some(at) = setting.at else { return };
    let line = notes.line(at);
    let Some((key, value)) = line.split_once(':') else { return };
    if key.ends_with([' ', '\t']) {
        notes.add(
            "D24",
            Place::Span(at),
            Effect::Other,
            ["loses the option", "a blank before the colon is nothing"],
        );
    }
    let value = value.trim().to_ascii_lowercase();
    if matches!(value.as_str(), "yes" | "no" | "on" | "off" | "true" | "false") {
        notes.add(
            "D22",
            Place::Span(at),
            Effect::Other,
            ["loses the option: it wants 0 or 1", "read as 0 or 1"],
        );
    }
}

fn levels(lines: [Option<Span>; 3], notes: &mut Notes<'_>) {
    for at in lines.into_iter().flatten() {
        let line = notes.line(at);
        if line.split_once(':').is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("warn")) {
            notes.add("D32", Place::Span(at), Effect::Other, ["loses the option", "`warn` is `warning`"]);
        }
    }
}

/// Names of sets and groups that the classic firewall does not take.
fn definitions<'c>(named: impl Iterator<Item = (&'c ObjectName, Span)>, notes: &mut Notes<'_>) {
    for (name, span) in named {
        let is_group = notes.line(span).trim_start().to_ascii_lowercase().starts_with("[group");
        if name.as_str().len() == 1 {
            let texts = ["loses the section: its name is too short", "read as any other"];
            notes.add("D16", Place::Span(span), Effect::Other, texts);
        }
        if is_group && name.as_str().len() > 18 {
            let texts = ["loses the section: its name is too long", "read as any other"];
            notes.add("D17", Place::Span(span), Effect::Other, texts);
        }
    }
}

fn place(at: Option<Span>) -> Place {
    at.map_or(Place::Host, Place::Span)
}
