//! One guest: its in zone, its out zone, its part of the reject pass, its elements of the shared maps.

use super::log::Label;
use super::rules::{self, Context, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use super::{divert, filters, ipfilter, policy, reject};
use crate::inputs::RejectMode;
use crate::model::rule::Action;
use crate::resolve::{Guest, Nic, Resolved};
use crate::ruleset::{Origin, Value, Verdict, build};

/// Shared start of the guests' out zones, which their base chain calls.
pub(super) const GUESTS_OUT: &str = "guests-out";

/// Everything that a guest contributes to the bridge table.
pub(super) fn unit(resolved: &Resolved, guest: &Guest) -> Unit {
    let mut unit = Unit::default();
    for nic in guest.nics.iter().filter(|nic| !nic.filtered) {
        let origin = Origin::Line(nic.span);
        let port = || [Value::name(nic.ifname.shared())];
        unit.verdict(Shared::VmMapOut, port(), Verdict::Accept, origin);
        unit.verdict(Shared::VmMapIn, port(), Verdict::Accept, origin);
    }
    if guest.filtered().next().is_none() {
        return unit;
    }
    let context = |zone| Context {
        zone,
        label: Label { vmid: guest.vmid.get(), chain: "" },
        log_rate: resolved.datacenter.log_ratelimit.value,
        groups: &resolved.groups,
        guest: Some(guest),
        mode: resolved.reject_mode,
    };
    zone(context(Zone::GuestIn), guest, &mut unit);
    zone(context(Zone::GuestOut), guest, &mut unit);
    if resolved.reject_mode.answers_bridged() {
        let shown = format!("guest-{}-in", guest.vmid);
        let context = labelled(context(Zone::GuestReject), &shown);
        if let Some(chain) = reject::guest(resolved, guest, context, &mut unit) {
            unit.chains.push(chain);
        }
    }
    if resolved.reject_mode == RejectMode::Divert {
        divert::guest(resolved, guest, &mut unit);
    }
    for nic in guest.filtered() {
        nic_elements(resolved, guest, nic, &mut unit);
    }
    unit
}

fn labelled<'a>(context: Context<'a>, chain: &'a str) -> Context<'a> {
    Context { label: Label { chain, ..context.label }, ..context }
}

fn zone(context: Context<'_>, guest: &Guest, unit: &mut Unit) {
    let options = &guest.options;
    let zone = context.zone;
    let (suffix, policy, level, option) = if zone == Zone::GuestIn {
        ("in", options.policy_in, options.log_level_in, "policy_in")
    } else {
        ("out", options.policy_out, options.log_level_out, "policy_out")
    };
    let name = format!("guest-{}-{suffix}", guest.vmid);
    let context = labelled(context, &name);
    let mut chain = ChainBuilder::regular(name.clone(), Origin::Skeleton("guest zones"));
    if zone == Zone::GuestIn {
        chain.rule(Origin::Skeleton("guest zones"), vec![build::jump(filters::GUESTS_IN)]);
    }
    rules::write(context, &guest.rules, &mut chain, unit);
    let origin = Origin::Option { name: option, at: policy.at };
    // Noise is silent where the policy would log it; otherwise its drop is the policy's own.
    if zone == Zone::GuestIn && policy.value == Action::Reject && context.mode == RejectMode::Divert {
        chain.rule(origin, vec![build::jump(policy::PREAMBLE_DIVERT)]);
    } else if zone == Zone::GuestIn && policy.value != Action::Accept && level.value.is_some() {
        chain.rule(origin, vec![build::jump(policy::PREAMBLE_DROP)]);
    }
    policy::policy(context, level.value, policy.value, origin, &mut chain);
    unit.chains.push(chain.finish());
}

fn nic_elements(resolved: &Resolved, guest: &Guest, nic: &Nic, unit: &mut Unit) {
    let origin = Origin::Line(nic.span);
    let options = &guest.options;
    let name = Value::name(nic.ifname.shared());
    let port = || [name.clone()];
    let zone = |suffix| Verdict::Goto(format!("guest-{}-{suffix}", guest.vmid).into());
    unit.verdict(Shared::VmMapOut, port(), zone("out"), origin);
    unit.verdict(Shared::VmMapIn, port(), zone("in"), origin);
    unit.element(Shared::FilteredPorts, port(), origin);
    unit.mark(Shared::Vmids, port(), guest.vmid.get(), origin);
    if let Some(mac) = nic.mac {
        let pair = || [name.clone(), Value::number(mac.number())];
        unit.element(Shared::Macs, pair(), origin);
        unit.mark(Shared::VmidsByMac, pair(), guest.vmid.get(), origin);
    }
    for (shared, is_exception, name, at) in [
        (Shared::MacfilterOff, !options.macfilter.value, "macfilter", options.macfilter.at),
        (Shared::DhcpOff, !options.dhcp.value, "dhcp", options.dhcp.at),
        (Shared::NdpOff, !options.ndp.value, "ndp", options.ndp.at),
        (Shared::Radv, options.radv.value, "radv", options.radv.at),
    ] {
        if is_exception {
            unit.element(shared, port(), Origin::Option { name, at });
        }
    }
    if let Some(permitted) = &nic.ipfilter {
        let origin = Origin::Option { name: "ipfilter", at: options.ipfilter.at };
        ipfilter::nic(nic, permitted, origin, unit);
    }
    if let (Some(listed), true) = (&options.layer2_protocols.value, resolved.datacenter.ebtables.value) {
        let origin = Origin::Option { name: "layer2_protocols", at: options.layer2_protocols.at };
        unit.element(Shared::Layer2Restricted, port(), origin);
        let always = [rules::ETHERTYPE_IPV4, rules::ETHERTYPE_IPV6];
        for protocol in listed.iter().map(|number| u128::from(*number)).chain(always) {
            let key = [name.clone(), Value::number(protocol)];
            unit.element(Shared::Layer2Protocols, key, origin);
        }
    }
}
