//! The table `bridge proxmox-firewall-guests`: base chains, dispatch by port, guests, VNets.

use super::filters;
use super::log::Label;
use super::rules::{self, Context, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use super::{GUEST_TABLE, guest, reject, vnet};
use crate::inputs::RejectMode;
use crate::resolve::Resolved;
use crate::ruleset::{Chain, Field, Hook, Origin, Table, TableFamily, Value, build};

/// The whole table.
pub(super) fn table(resolved: &Resolved) -> Table {
    let mut table = Unit::default();
    let answers = resolved.reject_mode == RejectMode::Prerouting;
    base_chains(resolved, answers, &mut table);
    skeleton(resolved, answers, &mut table);
    shared_groups(resolved, answers, &mut table);
    bridges(resolved, &mut table);
    for vnet in &resolved.vnets {
        table.absorb(vnet::bridged(resolved, vnet, answers));
    }
    for guest in &resolved.guests {
        table.absorb(guest::unit(resolved, guest));
    }
    table.into_table(TableFamily::Bridge, GUEST_TABLE)
}

fn base_chains(resolved: &Resolved, answers: bool, table: &mut Unit) {
    table.chains.push(reject::entering(resolved));
    table.chains.extend(filters::synflood(resolved, [Shared::BridgeSynV4, Shared::BridgeSynV6]));
    let helpers = super::inet::helpers(resolved, TableFamily::Bridge, table);
    table.chains.extend(helpers);
    table.chains.push(dispatch("vm-out", Hook::Prerouting, Field::Iifname, Shared::VmMapOut));
    if answers {
        table.chains.push(reject::vnets_base());
        table.chains.push(reject::guests_base());
    }
    let mut forward = ChainBuilder::base("forward", Hook::Forward, 0, Origin::Skeleton("vnet zones"));
    let by_bridge = build::vmap(&[Field::Ibrname], &Shared::BridgeMap.name());
    forward.rule(Origin::Skeleton("vnet zones"), vec![by_bridge]);
    table.chains.push(forward.finish());
    table.chains.push(reject::crossing(resolved));
    table.chains.push(reject::outgoing(resolved));
    table.chains.push(dispatch("vm-in", Hook::Postrouting, Field::Oifname, Shared::VmMapIn));
    table.chains.push(reject::leaving(resolved));
    for (name, port, bridge) in
        [("unknown-out", Field::Iifname, Field::Ibrname), ("unknown-in", Field::Oifname, Field::Obrname)]
    {
        unknown(name, port, bridge, table);
    }
}

/// By port to the guest's zone; a guest's port that no policy knows is not open.
fn dispatch(name: &str, hook: Hook, port: Field, map: Shared) -> Chain {
    let mut chain = ChainBuilder::base(name, hook, 0, Origin::Skeleton("dispatch"));
    chain.rule(Origin::Skeleton("dispatch"), vec![build::vmap(&[port], &map.name())]);
    let unknown = if port == Field::Iifname { "unknown-out" } else { "unknown-in" };
    for prefix in ["tap*", "veth*"] {
        let origin = Origin::Skeleton("unknown ports");
        chain.rule(origin, vec![build::named(port, prefix), build::goto(unknown)]);
    }
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

fn skeleton(resolved: &Resolved, answers: bool, table: &mut Unit) {
    filters::refusals(resolved, resolved.host.log_level_out.value, table);
    table.chains.push(filters::guests_in(resolved));
    filters::guests_out(resolved, table);
    filters::preambles(TableFamily::Bridge, table);
    if answers {
        table.chains.push(reject::prelude(resolved));
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
        rules::shared_groups(group_context(resolved, zone), table);
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
    }
}

fn bridges(resolved: &Resolved, table: &mut Unit) {
    for bridge in &resolved.guest_bridges {
        let key = [Value::Name(bridge.shared())];
        table.element(Shared::GuestBridges, key, Origin::Skeleton("unknown ports"));
    }
    for port in &resolved.stacked_ports {
        let key = [Value::Name(port.shared())];
        table.element(Shared::StackedPorts, key, Origin::Skeleton("mark bits"));
    }
    for port in &resolved.foreign_ports {
        let key = [Value::Name(port.shared())];
        table.element(Shared::ForeignPorts, key, Origin::Skeleton("unknown ports"));
    }
}
