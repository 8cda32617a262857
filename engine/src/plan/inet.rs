//! The table `inet proxmox-firewall`: base chains of host, forward and VNet zones, helpers, mark bits.

use super::groups;
use super::rules::{self, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use super::{bridge, filters, host, policy, reject};
use crate::model::address::Family;
use crate::resolve::Resolved;
use crate::ruleset::field::Side;
use crate::ruleset::{Chain, Field, HelperObject, Hook, Name, Origin, Statement, TableFamily, Value, build};

/// All of the table but VNets.
pub(super) fn skeleton(resolved: &Resolved) -> Unit {
    let mut table = Unit::default();
    base_chains(resolved, &mut table);
    filters::refusals(resolved, resolved.host.log_level_in.value, &mut table);
    policy::preambles(TableFamily::Inet, resolved.reject_mode, &mut table);
    table.chains.push(reject::answers(TableFamily::Inet));
    host::zones(resolved, &mut table);
    for zone in [Zone::HostIn, Zone::HostOut, Zone::HostForward] {
        groups::shared(bridge::group_context(resolved, zone), &mut table);
    }
    for interface in &resolved.towards_guests {
        let key = [Value::name(interface.shared())];
        table.element(Shared::TowardsGuests, key, Origin::Skeleton("mark bits"));
    }
    table
}

fn base_chains(resolved: &Resolved, table: &mut Unit) {
    let marks = Origin::Skeleton("mark bits");
    let bits = resolved.settings;
    let mut entering = ChainBuilder::base("mark-entering", Hook::Prerouting, -300, marks);
    entering.rule(marks, reject::clear(bits.mark_routed | bits.mark_answer));
    table.chains.push(entering.finish());
    table.chains.extend(filters::synflood(resolved, [Shared::HostSynV4, Shared::HostSynV6]));
    let helpers = helpers(resolved, TableFamily::Inet, table);
    table.chains.extend(helpers);
    // A VNet's zone is met where its bridge is the incoming and where it is the outgoing interface; each has a
    // base chain of its own, for ACCEPT in one zone must not skip the other.
    for (name, hook, priority, field) in [
        ("host-bridge-input", Hook::Input, -1, Field::Iifname),
        ("host-bridge-forward-in", Hook::Forward, -2, Field::Iifname),
        ("host-bridge-forward-out", Hook::Forward, -1, Field::Oifname),
        ("host-bridge-output", Hook::Output, 1, Field::Oifname),
    ] {
        let origin = Origin::Skeleton("vnet zones");
        let mut chain = ChainBuilder::base(name, hook, priority, origin);
        chain.rule(origin, vec![build::vmap(&[field], &Shared::HostBridgeMap.name())]);
        table.chains.push(chain.finish());
    }
    for (name, hook) in [("mark-output", Hook::Output), ("mark-forward", Hook::Forward)] {
        let mut chain = ChainBuilder::base(name, hook, 300, marks);
        let towards = build::in_set(&[Field::Oifname], &Shared::TowardsGuests.name());
        chain.rule(marks, vec![towards, Statement::MarkSet(bits.mark_routed)]);
        table.chains.push(chain.finish());
    }
}

/// Assigns conntrack helpers to new connections, between tracking and confirmation.
pub(super) fn helpers(resolved: &Resolved, family: TableFamily, table: &mut Unit) -> Vec<Chain> {
    let setting = &resolved.host.nf_conntrack_helpers;
    if setting.value.is_empty() {
        return Vec::new();
    }
    let origin = Origin::Option { name: "nf_conntrack_helpers", at: setting.at };
    let mut rules = Vec::new();
    for helper in &setting.value {
        for l3 in helper.families {
            let suffix = if *l3 == Family::V6 { "-v6" } else { "" };
            let name: Name = format!("{}{suffix}", helper.name).into();
            let port = Field::Port(helper.protocol, Side::Dest);
            let bridge = family == TableFamily::Bridge;
            rules.push(vec![
                rules::family_is(*l3, bridge),
                build::is(port, helper.port.into()),
                Statement::CtHelper(name.clone()),
            ]);
            let (helper, protocol) = (helper.name, helper.protocol);
            table.helpers.push(HelperObject { name, helper, protocol, family: *l3, origin });
        }
    }
    let hooks: &[(&str, Hook)] = match family {
        TableFamily::Inet => &[("helpers", Hook::Prerouting), ("helpers-output", Hook::Output)],
        TableFamily::Bridge | TableFamily::Netdev => &[("helpers", Hook::Prerouting)],
    };
    let chain = |(name, hook): &(&str, Hook)| {
        let mut chain = ChainBuilder::base(name, *hook, -150, origin);
        for statements in &rules {
            chain.rule(origin, statements.clone());
        }
        chain.finish()
    };
    hooks.iter().map(chain).collect()
}
