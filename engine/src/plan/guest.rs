//! One guest: its in zone, its out zone, its part of the reject pass, its elements of the shared maps.

use super::log::Label;
use super::rules::{self, Context, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use super::{filters, ipfilter, reject};
use crate::inputs::RejectMode;
use crate::model::rule::Action;
use crate::resolve::{Guest, Nic, Resolved};
use crate::ruleset::{Origin, Value, Verdict, build};

/// Shared start of a guest's out zone.
pub(super) const GUESTS_OUT: &str = "guests-out";

/// Everything that a guest contributes to the bridge table.
pub(super) fn unit(resolved: &Resolved, guest: &Guest) -> Unit {
    let mut unit = Unit::default();
    for nic in guest.nics.iter().filter(|nic| !nic.filtered) {
        let origin = Origin::Line(nic.span);
        let port = || [Value::Name(nic.ifname.shared())];
        unit.verdict(Shared::VmMapOut, port(), Verdict::Accept, origin);
        unit.verdict(Shared::VmMapIn, port(), Verdict::Accept, origin);
    }
    if guest.filtered().next().is_none() {
        return unit;
    }
    zone(resolved, guest, Zone::GuestIn, &mut unit);
    zone(resolved, guest, Zone::GuestOut, &mut unit);
    if resolved.reject_mode == RejectMode::Prerouting {
        let shown = format!("guest-{}-in", guest.vmid);
        let context = context(resolved, guest, Zone::GuestReject, &shown);
        if let Some(chain) = reject::guest(resolved, guest, context, &mut unit) {
            unit.chains.push(chain);
        }
    }
    for nic in guest.filtered() {
        nic_elements(resolved, guest, nic, &mut unit);
    }
    unit
}

fn context<'a>(resolved: &'a Resolved, guest: &'a Guest, zone: Zone, chain: &'a str) -> Context<'a> {
    Context {
        zone,
        label: Label { vmid: guest.vmid.get(), chain },
        log_rate: resolved.datacenter.log_ratelimit.value,
        groups: &resolved.groups,
        guest: Some(guest),
    }
}

fn zone(resolved: &Resolved, guest: &Guest, zone: Zone, unit: &mut Unit) {
    let options = &guest.options;
    let (suffix, prelude, policy, level, option) = if zone == Zone::GuestIn {
        ("in", filters::GUESTS_IN, options.policy_in, options.log_level_in, "policy_in")
    } else {
        ("out", GUESTS_OUT, options.policy_out, options.log_level_out, "policy_out")
    };
    let name = format!("guest-{}-{suffix}", guest.vmid);
    let context = context(resolved, guest, zone, &name);
    let mut chain = ChainBuilder::regular(name.clone(), Origin::Skeleton("guest zones"));
    chain.rule(Origin::Skeleton("guest zones"), vec![build::jump(prelude)]);
    rules::write(context, &guest.rules, &mut chain, unit);
    let origin = Origin::Option { name: option, at: policy.at };
    // Noise is silent where the policy would log it; otherwise its drop is the policy's own.
    if zone == Zone::GuestIn && policy.value != Action::Accept && level.value.is_some() {
        chain.rule(origin, vec![build::jump(filters::PREAMBLE_DROP)]);
    }
    filters::policy(context, level.value, policy.value, origin, &mut chain);
    unit.chains.push(chain.finish());
}

fn nic_elements(resolved: &Resolved, guest: &Guest, nic: &Nic, unit: &mut Unit) {
    let origin = Origin::Line(nic.span);
    let options = &guest.options;
    let port = || [Value::Name(nic.ifname.shared())];
    let zone = |suffix| Verdict::Goto(format!("guest-{}-{suffix}", guest.vmid).into());
    unit.verdict(Shared::VmMapOut, port(), zone("out"), origin);
    unit.verdict(Shared::VmMapIn, port(), zone("in"), origin);
    unit.mark(Shared::Vmids, port(), guest.vmid.get(), origin);
    if let Some(mac) = nic.mac {
        let pair = [Value::Name(nic.ifname.shared()), Value::number(mac.number())];
        unit.element(Shared::Macs, pair, origin);
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
            let key = [Value::Name(nic.ifname.shared()), Value::number(protocol)];
            unit.element(Shared::Layer2Protocols, key, origin);
        }
    }
}
