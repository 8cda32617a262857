//! The table `bridge proxmox-firewall-guests`: base chains, dispatch by port, guests, VNets.

use super::filters;
use super::guest::GUESTS_OUT;
use super::log::Label;
use super::rules::{Context, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use super::{divert, groups, policy, reject};
use crate::inputs::RejectMode;
use crate::resolve::Resolved;
use crate::ruleset::{Chain, Field, Hook, Origin, TableFamily, Value, build};

const DISPATCH: Origin = Origin::Skeleton("dispatch");

/// All of the table but VNets and guests.
pub(super) fn skeleton(resolved: &Resolved) -> Unit {
    let mut table = Unit::default();
    let answers = resolved.reject_mode.answers_bridged();
    base_chains(resolved, answers, &mut table);
    around_rules(resolved, answers, &mut table);
    shared_groups(resolved, answers, &mut table);
    bridges(resolved, &mut table);
    table
}

fn base_chains(resolved: &Resolved, answers: bool, table: &mut Unit) {
    table.chains.extend(filters::synflood(resolved, [Shared::BridgeSynV4, Shared::BridgeSynV6]));
    let helpers = super::inet::helpers(resolved, TableFamily::Bridge, table);
    table.chains.extend(helpers);
    if resolved.reject_mode == RejectMode::Divert {
        table.chains.push(divert::answering(resolved));
    }
    table.chains.push(from_guests(resolved));
    if answers {
        table.chains.push(reject::vnets_base());
        table.chains.push(reject::guests_base());
    }
    let mut forward = ChainBuilder::base("forward", Hook::Forward, 0, Origin::Skeleton("vnet zones"));
    reject::crossing(resolved, &mut forward);
    let by_bridge = build::vmap(&[Field::Ibrname], &Shared::BridgeMap.name());
    forward.rule(Origin::Skeleton("vnet zones"), vec![by_bridge]);
    table.chains.push(forward.finish());
    table.chains.push(reject::outgoing(resolved));
    if resolved.reject_mode == RejectMode::Divert {
        table.chains.push(divert::unmarked(resolved));
    }
    table.chains.push(to_guests(resolved));
    table.chains.push(reject::leaving(resolved));
    table.chains.extend([reject::clearing(resolved), reject::arriving(resolved)]);
    for (name, port, bridge) in
        [("unknown-out", Field::Iifname, Field::Ibrname), ("unknown-in", Field::Oifname, Field::Obrname)]
    {
        unknown(name, port, bridge, table);
    }
}

/// From guests' ports to their zones.
fn from_guests(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::base("vm-out", Hook::Prerouting, 0, DISPATCH);
    chain.rule(Origin::Skeleton("mark bits"), reject::entering(resolved));
    only_guests_ports(Field::Iifname, &mut chain);
    // Not from each guest's chain: whenever a rule is added the kernel walks all ways through the table, and from here
    // it is one to the chains with the permitted targets of all of them.
    let filtered = build::in_set(&[Field::Iifname], &Shared::FilteredPorts.name());
    chain.rule(Origin::Skeleton("guest zones"), vec![filtered, build::jump(GUESTS_OUT)]);
    dispatch(Field::Iifname, Shared::VmMapOut, "unknown-out", chain)
}

/// By guests' ports to their zones.
fn to_guests(resolved: &Resolved) -> Chain {
    let mut chain = ChainBuilder::base("vm-in", Hook::Postrouting, 0, DISPATCH);
    // No guest's policy says otherwise: most frames need not know whose port they leave by.
    chain.rule(Origin::Skeleton("connection state"), reject::known_and_unmarked(resolved));
    only_guests_ports(Field::Oifname, &mut chain);
    chain.rule(Origin::Skeleton("mark bits"), reject::arrives_marked(resolved));
    dispatch(Field::Oifname, Shared::VmMapIn, "unknown-in", chain)
}

/// Frames of other ports have nothing to look up. They leave here, for two rules that go on with guests' ports would be
/// two ways to all guests' chains, and the kernel walks each.
fn only_guests_ports(port: Field, chain: &mut ChainBuilder) {
    let [tap, veth] = ["tap*", "veth*"].map(|prefix| build::not_named(port, prefix));
    chain.rule(DISPATCH, vec![tap, veth, build::accept()]);
}

/// By port to the guest's zone; a guest's port that no policy knows is not open.
fn dispatch(port: Field, map: Shared, unknown: &str, mut chain: ChainBuilder) -> Chain {
    chain.rule(DISPATCH, vec![build::vmap(&[port], &map.name())]);
    chain.rule(Origin::Skeleton("unknown ports"), vec![build::goto(unknown)]);
    chain.finish()
}

/// Ports that are named like a guest's, on bridges that are ours to judge. nftables compares prefixes alone: a
/// VMID begins with 1 to 9, and other programs' ports that are there already are listed.
fn unknown(name: &str, port: Field, bridge: Field, table: &mut Unit) {
    let origin = Origin::Skeleton("unknown ports");
    let names = format!("{name}-names");
    let mut chain = ChainBuilder::regular(name.to_owned(), origin);
    let foreign = build::in_set(&[port], &Shared::ForeignPorts.name());
    chain.rule(origin, vec![foreign, build::accept()]);
    let ours = build::in_set(&[bridge], &Shared::GuestBridges.name());
    chain.rule(origin, vec![ours, build::goto(&names)]);
    chain.rule(origin, vec![build::named(bridge, "fwbr*"), build::goto(&names)]);
    table.chains.push(chain.finish());
    let mut chain = ChainBuilder::regular(names, origin);
    for prefix in ["tap", "veth"] {
        for digit in 1..=9 {
            let like = build::named(port, &format!("{prefix}{digit}*"));
            chain.rule(origin, vec![like, build::counter(), build::drop()]);
        }
    }
    table.chains.push(chain.finish());
}

fn around_rules(resolved: &Resolved, answers: bool, table: &mut Unit) {
    filters::refusals(resolved, resolved.host.log_level_out.value, table);
    filters::guests_in(resolved, table);
    filters::guests_out(resolved, table);
    policy::preambles(TableFamily::Bridge, resolved.reject_mode, table);
    if answers {
        reject::prelude(resolved, table);
    }
    if resolved.reject_mode == RejectMode::Divert {
        table.chains.push(divert::chain(resolved));
    }
    table.chains.push(reject::limited());
    table.chains.push(reject::answers(TableFamily::Bridge));
}

fn shared_groups(resolved: &Resolved, answers: bool, table: &mut Unit) {
    let mut zones = vec![Zone::GuestIn, Zone::GuestOut, Zone::VnetForward];
    if answers {
        zones.extend([Zone::GuestReject, Zone::VnetReject]);
    }
    for zone in zones {
        groups::shared(group_context(resolved, zone), table);
    }
}

/// The context in which groups are written that have no caller of their own.
pub(super) fn group_context(resolved: &Resolved, zone: Zone) -> Context<'_> {
    Context {
        zone,
        label: Label { vmid: 0, chain: "" },
        log_rate: resolved.datacenter.log_ratelimit.value,
        groups: &resolved.groups,
        guest: None,
        mode: resolved.reject_mode,
    }
}

fn bridges(resolved: &Resolved, table: &mut Unit) {
    for bridge in &resolved.guest_bridges {
        let key = [Value::name(bridge.shared())];
        table.element(Shared::GuestBridges, key, Origin::Skeleton("unknown ports"));
    }
    for port in &resolved.stacked_ports {
        let key = [Value::name(port.shared())];
        table.element(Shared::StackedPorts, key, Origin::Skeleton("mark bits"));
    }
    for port in &resolved.isolated_ports {
        let key = [Value::name(port.shared())];
        table.element(Shared::IsolatedPorts, key, Origin::Skeleton("isolated ports"));
    }
    for port in &resolved.foreign_ports {
        let key = [Value::name(port.shared())];
        table.element(Shared::ForeignPorts, key, Origin::Skeleton("unknown ports"));
    }
}
