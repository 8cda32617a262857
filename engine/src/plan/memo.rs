//! Planning, with what it keeps from one compilation to the next: a guest is planned again when it, or what it sees
//! of the datacenter, has changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::table::{self, Contributions, Owner};
use super::unit::Contribution;
use super::{GUEST_TABLE, HOST_TABLE, Plan, bridge, guest, inet, reject, sysctl, vnet};
use crate::divert::Pair;
use crate::inputs::RejectMode;
use crate::resolve::{Group, Guest, Resolved, Rule, RuleKind, Vnet};
use crate::ruleset::{Chain, Ruleset, Table, TableFamily};

/// Starts empty.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    before: Option<Before>,
    host_table: table::Memo,
    guest_table: table::Memo,
}

#[derive(Debug, Default)]
struct Before {
    resolved: Option<Resolved>,
    /// Of the host's table and of the guests'.
    skeletons: Option<[Arc<Contribution>; 2]>,
    /// Ascending by bridge.
    vnets: Vec<KeptVnet>,
    /// Ascending by VMID.
    guests: Vec<KeptGuest>,
}

#[derive(Debug)]
struct KeptVnet {
    vnet: Arc<Vnet>,
    /// Not planned with the skeleton that holds now.
    stale: bool,
    routed: Arc<Contribution>,
    bridged: Arc<Contribution>,
}

#[derive(Debug)]
struct KeptGuest {
    guest: Arc<Guest>,
    contribution: Arc<Contribution>,
}

/// As [`super::plan`]; what `memo` knows is not planned again.
pub(crate) fn plan_with(resolved: &Resolved, memo: &mut Memo) -> Plan {
    if !resolved.enabled {
        *memo = Memo::default();
        return Plan::default();
    }
    let Before { resolved: seen, skeletons, vnets: known_vnets, guests: known_guests } =
        memo.before.take().unwrap_or_default();
    let guests = guests(resolved, seen.as_ref(), known_guests);
    let same = seen.is_some_and(|seen| same_skeleton(&seen, resolved));
    let skeletons = match skeletons {
        Some(known) if same => known,
        known => {
            let [host, guests] = [0, 1].map(|table| known.as_ref().map(|known| &*known[table]));
            let host = inet::skeleton(resolved).finish(TableFamily::Inet, host);
            let guests = bridge::skeleton(resolved).finish(TableFamily::Bridge, guests);
            [Arc::new(host), Arc::new(guests)]
        }
    };
    let known_vnets = if same { known_vnets } else { known_vnets.into_iter().map(KeptVnet::stale).collect() };
    let vnets = vnets(resolved, known_vnets);
    let of_vnet = |of: fn(&KeptVnet) -> &Arc<Contribution>| {
        vnets.iter().map(move |kept| (Owner::Vnet(kept.vnet.bridge.clone()), of(kept).clone()))
    };
    let of_guests = guests.iter().map(|kept| (Owner::Guest(kept.guest.vmid), kept.contribution.clone()));
    let skeleton = |of: &Arc<Contribution>| std::iter::once((Owner::Skeleton, of.clone()));
    let in_host_table: Contributions = skeleton(&skeletons[0]).chain(of_vnet(|kept| &kept.routed)).collect();
    let in_guest_table: Contributions =
        skeleton(&skeletons[1]).chain(of_vnet(|kept| &kept.bridged)).chain(of_guests).collect();
    let ipsets = &resolved.ipsets;
    let diverts = resolved.reject_mode == RejectMode::Divert;
    let mut tables = vec![
        table::table((TableFamily::Inet, HOST_TABLE), diverts, in_host_table, ipsets, &mut memo.host_table),
        table::table(
            (TableFamily::Bridge, GUEST_TABLE),
            diverts,
            in_guest_table,
            ipsets,
            &mut memo.guest_table,
        ),
    ];
    tables.extend(egress_table(&guests));
    let pairs = guests.iter().flat_map(|kept| &kept.contribution.pairs).cloned().collect::<BTreeSet<Pair>>();
    memo.before =
        Some(Before { resolved: Some(resolved.clone()), skeletons: Some(skeletons), vnets, guests });
    let sysctls = sysctl::sysctls(&resolved.host);
    Plan { ruleset: Ruleset { tables }, sysctls, pairs: pairs.into_iter().collect() }
}

/// The chains at guests' ports; without one there is no table.
fn egress_table(guests: &[KeptGuest]) -> Option<Table> {
    let chains: Vec<Arc<Chain>> = guests.iter().flat_map(|kept| &kept.contribution.egress).cloned().collect();
    let (helpers, sets) = (Vec::new(), Vec::new());
    let table = Table { family: TableFamily::Netdev, name: GUEST_TABLE.into(), helpers, sets, chains };
    (!table.chains.is_empty()).then_some(table)
}

impl KeptVnet {
    fn stale(self) -> KeptVnet {
        KeptVnet { stale: true, ..self }
    }
}

fn guests(resolved: &Resolved, seen: Option<&Resolved>, known: Vec<KeptGuest>) -> Vec<KeptGuest> {
    let same = seen.is_some_and(|seen| same_for_guests(seen, resolved));
    let changed_groups = seen.map_or_else(Vec::new, |seen| changed_groups(&seen.groups, &resolved.groups));
    let mut known = known.into_iter().peekable();
    let plan = |guest: &Arc<Guest>| {
        while known.next_if(|known| known.guest.vmid < guest.vmid).is_some() {}
        let known = known.next_if(|known| known.guest.vmid == guest.vmid);
        let is_same = |known: &KeptGuest| {
            same && Arc::ptr_eq(&known.guest, guest) && !calls(&guest.rules, &changed_groups)
        };
        match known {
            Some(known) if is_same(&known) => known,
            known => {
                let unit = guest::unit(resolved, guest);
                let before = known.as_ref().map(|known| &*known.contribution);
                KeptGuest {
                    guest: guest.clone(),
                    contribution: Arc::new(unit.finish(TableFamily::Bridge, before)),
                }
            }
        }
    };
    resolved.guests.iter().map(plan).collect()
}

fn vnets(resolved: &Resolved, known: Vec<KeptVnet>) -> Vec<KeptVnet> {
    let mut known = known.into_iter().peekable();
    let plan = |vnet: &Arc<Vnet>| {
        while known.next_if(|known| known.vnet.bridge < vnet.bridge).is_some() {}
        let known = known.next_if(|known| known.vnet.bridge == vnet.bridge);
        let walked = resolved.reject_mode.answers_bridged() && reject::vnet_needs_pass(resolved, vnet);
        let is_same = |known: &KeptVnet| !known.stale && Arc::ptr_eq(&known.vnet, vnet);
        match known {
            Some(known) if is_same(&known) => known,
            known => {
                let mut bridged = vnet::bridged(resolved, vnet);
                if walked {
                    vnet::pass(resolved, vnet, &mut bridged);
                }
                let (routed_before, bridged_before) =
                    known.as_ref().map(|known| (&*known.routed, &*known.bridged)).unzip();
                let routed = vnet::routed(resolved, vnet).finish(TableFamily::Inet, routed_before);
                let bridged = bridged.finish(TableFamily::Bridge, bridged_before);
                let (routed, bridged) = (Arc::new(routed), Arc::new(bridged));
                KeptVnet { vnet: vnet.clone(), stale: false, routed, bridged }
            }
        }
    };
    resolved.vnets.iter().map(plan).collect()
}

/// All that a guest sees besides itself and the groups that it calls.
fn same_for_guests(a: &Resolved, b: &Resolved) -> bool {
    a.reject_mode == b.reject_mode
        && a.settings.mark_divert == b.settings.mark_divert
        && a.datacenter.log_ratelimit.value == b.datacenter.log_ratelimit.value
        && a.datacenter.ebtables.value == b.datacenter.ebtables.value
}

/// By index, whether a caller must be planned again. Where a group has other lines than before, its callers' reject
/// pass may need others; its spans are the callers' only where they write its log lines themselves.
fn changed_groups(before: &Arc<[Group]>, now: &Arc<[Group]>) -> Vec<bool> {
    if Arc::ptr_eq(before, now) {
        return Vec::new();
    }
    let kinds = |group: &Group| group.rules.iter().map(|rule| rule.kind.clone()).collect::<Vec<_>>();
    let logs = |rule: &Rule| matches!(&rule.kind, RuleKind::Match(line) if line.log.is_some());
    let changed = |(before, now): (&Group, &Group)| {
        let same = before.name == now.name && kinds(before) == kinds(now);
        !same || now.rules.iter().any(logs) && before != now
    };
    let n_changed = before.len().min(now.len());
    let compared = before.iter().zip(&**now).map(changed);
    compared.chain(std::iter::repeat_n(true, now.len() - n_changed)).collect()
}

fn calls(rules: &[Rule], groups: &[bool]) -> bool {
    let called = |rule: &Rule| match &rule.kind {
        RuleKind::Group { group, .. } => groups.get(*group).copied().unwrap_or(false),
        RuleKind::Match(_) | RuleKind::Lost { .. } => false,
    };
    !groups.is_empty() && rules.iter().any(called)
}

/// All that host, datacenter and VNets see, besides a VNet's own rules. Of sets nothing but names and families
/// matters.
fn same_skeleton(a: &Resolved, b: &Resolved) -> bool {
    let heads = |of: &Resolved| {
        [
            Some(of.management.head()),
            Some(of.local_network.head()),
            of.blacklist.as_ref().map(|set| set.head()),
        ]
    };
    let blacklisted_at = |of: &Resolved| of.blacklist.as_ref().and_then(|set| set.span);
    a.datacenter == b.datacenter
        && a.host == b.host
        && a.reject_mode == b.reject_mode
        && a.settings == b.settings
        && Arc::ptr_eq(&a.host_rules, &b.host_rules)
        && Arc::ptr_eq(&a.datacenter_rules, &b.datacenter_rules)
        && Arc::ptr_eq(&a.groups, &b.groups)
        && heads(a) == heads(b)
        && blacklisted_at(a) == blacklisted_at(b)
        && a.corosync == b.corosync
        && a.guest_bridges == b.guest_bridges
        && a.towards_guests == b.towards_guests
        && a.stacked_ports == b.stacked_ports
        && a.pairs == b.pairs
        && a.isolated_ports == b.isolated_ports
        && a.foreign_ports == b.foreign_ports
        && a.bridge_nf_stuck == b.bridge_nf_stuck
}
