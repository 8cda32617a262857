//! The zone of a VNet: between ports of its bridge, to and from the host, and routed through the host.

use super::filters::{self, Ends};
use super::log::Label;
use super::policy;
use super::reject;
use super::rules::{self, Context, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use crate::resolve::{Resolved, Vnet};
use crate::ruleset::{Chain, Field, Origin, TableFamily, Value, Verdict, build};

/// Between ports: the chain of the bridge's forward hook.
pub(super) fn bridged(resolved: &Resolved, vnet: &Vnet) -> Unit {
    let mut unit = Unit::default();
    dispatch(vnet, Shared::BridgeMap, "", &mut unit);
    let chain = chain(resolved, vnet, Zone::VnetForward, "", &mut unit);
    unit.chains.push(chain);
    unit
}

/// The reject pass before it.
pub(super) fn pass(resolved: &Resolved, vnet: &Vnet, unit: &mut Unit) {
    dispatch(vnet, Shared::BridgeRejectMap, "/reject", unit);
    let chain = chain_of_pass(resolved, vnet, unit);
    unit.chains.push(chain);
}

/// Where the host is an end or routes: there every packet meets the inet hooks, and REJECT is legal.
pub(super) fn routed(resolved: &Resolved, vnet: &Vnet) -> Unit {
    let mut unit = Unit::default();
    dispatch(vnet, Shared::HostBridgeMap, "", &mut unit);
    let chain = chain(resolved, vnet, Zone::HostForward, "", &mut unit);
    unit.chains.push(chain);
    unit
}

fn dispatch(vnet: &Vnet, map: Shared, suffix: &str, unit: &mut Unit) {
    let origin = Origin::Option { name: "enable", at: vnet.options.enable.at };
    let target = format!("bridge-{}{suffix}", vnet.bridge);
    unit.verdict(map, [Value::name(vnet.bridge.shared())], Verdict::Goto(target.into()), origin);
}

fn chain(resolved: &Resolved, vnet: &Vnet, zone: Zone, suffix: &str, unit: &mut Unit) -> Chain {
    let name = format!("bridge-{}{suffix}", vnet.bridge);
    let mut chain = ChainBuilder::regular(name, Origin::Skeleton("vnet zones"));
    if zone.family() == TableFamily::Bridge {
        filters::answers(resolved, &mut chain);
        let arp = build::is(Field::Protocol, rules::ETHERTYPE_ARP);
        chain.rule(Origin::Skeleton("arp"), vec![arp, build::accept()]);
    }
    filters::known(&mut chain);
    filters::invalid(resolved, &mut chain);
    resolution(&mut chain);
    filters::blacklist(resolved, Ends::Dropped, &mut chain);
    body(resolved, vnet, zone, &mut chain, unit);
    chain.finish()
}

/// Frames to the bridge itself, and those to many, are decided elsewhere and never answered here.
fn chain_of_pass(resolved: &Resolved, vnet: &Vnet, unit: &mut Unit) -> Chain {
    let origin = Origin::Skeleton("reject pass");
    let name = format!("bridge-{}/reject", vnet.bridge);
    let mut chain = ChainBuilder::regular(name, origin);
    let group = build::masked(Field::EtherDaddr, reject::GROUP_BIT, reject::GROUP_BIT);
    chain.rule(origin, vec![group, build::accept()]);
    if let Some(mac) = vnet.mac {
        chain.rule(origin, vec![build::ether(Field::EtherDaddr, mac), build::accept()]);
    }
    let arp = build::is(Field::Protocol, rules::ETHERTYPE_ARP);
    for passes in [arp, build::ct_known(), build::ct_invalid()] {
        chain.rule(origin, vec![passes, build::accept()]);
    }
    resolution(&mut chain);
    filters::blacklist(resolved, Ends::Pass, &mut chain);
    body(resolved, vnet, Zone::VnetReject, &mut chain, unit);
    chain.finish()
}

/// Without neighbour discovery a policy DROP would leave IPv4 working (ARP passes) and IPv6 not.
fn resolution(chain: &mut ChainBuilder) {
    let types = build::within(Field::Icmpv6Type, 135, 136);
    let origin = Origin::Skeleton("neighbour discovery");
    chain.rule(origin, vec![types, build::is(Field::Ip6Hoplimit, 255), build::accept()]);
}

fn body(resolved: &Resolved, vnet: &Vnet, zone: Zone, chain: &mut ChainBuilder, unit: &mut Unit) {
    let shown = format!("bridge-{}", vnet.bridge);
    let context = Context {
        zone,
        label: Label { vmid: 0, chain: &shown },
        log_rate: resolved.datacenter.log_ratelimit.value,
        groups: &resolved.groups,
        guest: None,
        mode: resolved.reject_mode,
    };
    rules::write(context, &vnet.rules, chain, unit);
    let policy = vnet.options.policy_forward;
    let origin = Origin::Option { name: "policy_forward", at: policy.at };
    policy::policy(context, vnet.options.log_level_forward.value, policy.value, origin, chain);
}
