//! Resolving, with what it keeps from one compilation to the next. A guest is resolved again when its own
//! configuration, its ports, or names that it may use have changed; and if it comes out as before, it *is* the one
//! from before, so that nothing behind it is planned again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::lookup::{Heads, Scope, SharedSets};
use super::opens::{self, Around, Opened};
use super::wiring::Wiring;
use super::{Corosync, Group, Guest, Ipset, Ipsets, Resolved, Rule, Vnet, cluster, guest, lookup, rule};
use crate::diagnostic::Diagnostic;
use crate::inputs::{HostFacts, RejectMode, Settings};
use crate::links::Links;
use crate::model::address::{Cidr, Mac};
use crate::model::names::{IfName, ObjectName, Vmid, VnetName};
use crate::model::options::Enable;
use crate::model::{self, Config, Setting};

/// Starts empty.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    common: Option<Common>,
    wiring: Option<Wiring>,
    /// Ascending by VMID.
    guests: Vec<Kept<Vmid, model::guest::Guest, Arc<Guest>>>,
    /// Ascending by bridge; without `resolved` its firewall is off.
    vnets: Vec<Kept<VnetName, model::Vnet, Option<Arc<Vnet>>>>,
}

/// A guest or VNet: what was written, what it came to, what was said.
#[derive(Debug)]
struct Kept<K, W, R> {
    key: K,
    written: Arc<W>,
    resolved: R,
    opened: Vec<Opened>,
    diagnostics: Vec<Diagnostic>,
}

/// What datacenter, host and SDN come to.
#[derive(Debug)]
struct Common {
    from: From,
    sets: SharedSets,
    local_network: Arc<Ipset>,
    names: Names,
    groups: Arc<[Group]>,
    datacenter_rules: Arc<[Rule]>,
    host_rules: Arc<[Rule]>,
    corosync: Option<Corosync>,
    stuck_bridges: Vec<(IfName, Mac)>,
    diagnostics: Vec<Diagnostic>,
    diagnostics_of_corosync: Vec<Diagnostic>,
}

/// What [`Common`] was made from.
#[derive(Debug)]
struct From {
    datacenter: Arc<model::Datacenter>,
    host: Arc<model::Host>,
    sdn: Arc<model::sdn::Sdn>,
    corosync: Option<Arc<model::sdn::Corosync>>,
    links: Arc<Links>,
    node: String,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    connected: Vec<Cidr>,
    bridge_nf_stuck: bool,
}

/// What guests and VNets can see of the datacenter and of SDN: names, and no more about them than decides.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    aliases: BTreeMap<ObjectName, Cidr>,
    sets: [Heads; 2],
    groups: Vec<ObjectName>,
}

/// What has changed for all guests.
#[derive(Clone, Copy, Default)]
struct Fresh {
    names: bool,
    groups: bool,
    /// What the blacklist lacks.
    blacklist: bool,
    wiring: bool,
    links: bool,
}

/// As [`super::resolve`]; what `memo` knows is not resolved again.
pub(crate) fn resolve_with(
    config: &Config,
    facts: &HostFacts,
    links: &Arc<Links>,
    settings: Settings,
    memo: &mut Memo,
) -> (Resolved, Vec<Diagnostic>) {
    let Memo { common, wiring, guests, vnets } = memo;
    let mut fresh = Fresh::default();
    let common = match common.take() {
        Some(known) if known.from.is(config, facts, links) => common.insert(known),
        before => {
            let now = Common::new(config, facts, links, before.as_ref());
            fresh.names = before.as_ref().is_none_or(|before| before.names != now.names);
            fresh.groups = before.as_ref().is_none_or(|before| !Arc::ptr_eq(&before.groups, &now.groups));
            fresh.blacklist = before
                .as_ref()
                .is_none_or(|before| before.sets.blacklist_lost() != now.sets.blacklist_lost());
            fresh.links = before.is_none_or(|before| !Arc::ptr_eq(&before.from.links, links));
            common.insert(now)
        }
    };
    let wiring = match wiring.take() {
        Some(known) if known.is_of(config, facts, links) => wiring.insert(known),
        _ => {
            fresh.wiring = true;
            wiring.insert(Wiring::new(config, facts, links))
        }
    };
    let scope = Scope { config, links, sets: &common.sets, groups: &common.groups, guest: None };
    resolve_guests(&scope, wiring, fresh, guests);
    resolve_vnets(&scope, fresh, vnets);
    let mut resolved = Resolved {
        guests: guests.iter().map(|kept| kept.resolved.clone()).collect(),
        vnets: vnets.iter().filter_map(|kept| kept.resolved.clone()).collect(),
        ..common.resolved(config, facts, settings, wiring)
    };
    let mut diagnostics = common.diagnostics.clone();
    diagnostics.extend(guests.iter().flat_map(|kept| &kept.diagnostics).cloned());
    diagnostics.extend(vnets.iter().flat_map(|kept| &kept.diagnostics).cloned());
    diagnostics.extend_from_slice(&common.diagnostics_of_corosync);
    if resolved.reject_mode == RejectMode::Fwbr {
        guest::without_firewall_bridge(&resolved, &mut diagnostics);
    }
    let of_host = opens::of_host(&resolved);
    let of_guests = guests.iter().flat_map(|kept| &kept.opened);
    let of_vnets = vnets.iter().flat_map(|kept| &kept.opened);
    resolved.opened = opens::report(of_host.iter().chain(of_guests).chain(of_vnets), &mut diagnostics);
    (resolved, diagnostics)
}

fn resolve_guests(
    scope: &Scope<'_>,
    wiring: &Wiring,
    fresh: Fresh,
    kept: &mut Vec<Kept<Vmid, model::guest::Guest, Arc<Guest>>>,
) {
    let around = Around { groups: scope.groups, blacklist: scope.sets.blacklist_lost() };
    let n_guests = scope.config.guests.len();
    let mut before = std::mem::replace(kept, Vec::with_capacity(n_guests)).into_iter().peekable();
    for ((vmid, written), ports) in scope.config.guests.iter().zip(&wiring.ports) {
        while before.next_if(|known| known.key < *vmid).is_some() {}
        let known = before.next_if(|known| known.key == *vmid);
        let is_same = |known: &Kept<Vmid, model::guest::Guest, Arc<Guest>>| {
            let nics = known.resolved.nics.iter();
            !fresh.names
                && Arc::ptr_eq(&known.written, written)
                && (!fresh.wiring || nics.map(|nic| &nic.running).eq(ports))
        };
        kept.push(match known {
            Some(known) if is_same(&known) && !fresh.groups && !fresh.blacklist => known,
            Some(known) if is_same(&known) => {
                Kept { opened: opens::of_guest(&known.resolved, around), ..known }
            }
            known => {
                let mut diagnostics = Vec::new();
                let now = guest::resolve(scope, written, ports, &mut diagnostics);
                let resolved = same_or_new(known.map(|known| known.resolved), now);
                let opened = opens::of_guest(&resolved, around);
                Kept { key: *vmid, written: written.clone(), resolved, opened, diagnostics }
            }
        });
    }
}

fn resolve_vnets(
    scope: &Scope<'_>,
    fresh: Fresh,
    kept: &mut Vec<Kept<VnetName, model::Vnet, Option<Arc<Vnet>>>>,
) {
    let around = Around { groups: scope.groups, blacklist: scope.sets.blacklist_lost() };
    let mut before = std::mem::take(kept).into_iter().peekable();
    for (bridge, written) in &scope.config.vnets {
        while before.next_if(|known| known.key < *bridge).is_some() {}
        let known = before.next_if(|known| known.key == *bridge);
        // The MAC of its bridge is the host's to say.
        let is_same = |known: &Kept<VnetName, model::Vnet, Option<Arc<Vnet>>>| {
            !(fresh.names || fresh.groups || fresh.blacklist || fresh.links)
                && Arc::ptr_eq(&known.written, written)
        };
        kept.push(match known {
            Some(known) if is_same(&known) => known,
            known => {
                let mut diagnostics = Vec::new();
                let now = guest::vnet(scope, bridge, written, &mut diagnostics);
                let resolved = now.map(|now| same_or_new(known.and_then(|known| known.resolved), now));
                let opened = resolved.as_ref().map_or_else(Vec::new, |vnet| opens::of_vnet(vnet, around));
                Kept { key: bridge.clone(), written: written.clone(), resolved, opened, diagnostics }
            }
        });
    }
}

/// What was there before, if it is equal.
fn same_or_new<T: PartialEq>(before: Option<Arc<T>>, now: T) -> Arc<T> {
    before.filter(|before| **before == now).unwrap_or_else(|| Arc::new(now))
}

impl Common {
    fn new(config: &Config, facts: &HostFacts, links: &Arc<Links>, before: Option<&Common>) -> Common {
        let mut diagnostics = Vec::new();
        let none = Ipsets::new();
        let sets_before = before.map_or(&none, |before| &*before.sets.by_name);
        let local_network = lookup::kept(sets_before, cluster::local_network(config, facts));
        let sets = SharedSets::new(config, &local_network, sets_before, &mut diagnostics);
        let groups = rule::groups(config, links, &sets, &mut diagnostics);
        let scope = Scope { config, links, sets: &sets, groups: &groups, guest: None };
        let datacenter_rules =
            rule::resolve_rules(&scope, "cluster", &config.datacenter.rules, &mut diagnostics);
        let host_rules = rule::resolve_rules(&scope, "host", &config.host.rules, &mut diagnostics);
        let names = Names {
            aliases: config
                .datacenter
                .aliases
                .iter()
                .map(|(name, alias)| (name.clone(), alias.cidr))
                .collect(),
            sets: sets.heads(),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
        };
        let mut diagnostics_of_corosync = Vec::new();
        let corosync = cluster::corosync(config, facts, &mut diagnostics_of_corosync);
        Common {
            groups: same_or_new_slice(before.map(|before| &before.groups), groups),
            datacenter_rules: same_or_new_slice(before.map(|b| &b.datacenter_rules), datacenter_rules),
            host_rules: same_or_new_slice(before.map(|before| &before.host_rules), host_rules),
            stuck_bridges: cluster::stuck_bridges(facts),
            from: From::new(config, facts, links),
            sets,
            local_network,
            names,
            corosync,
            diagnostics,
            diagnostics_of_corosync,
        }
    }

    /// All but guests and VNets.
    fn resolved(&self, config: &Config, facts: &HostFacts, settings: Settings, wiring: &Wiring) -> Resolved {
        let written = config.settings.reject_mode.as_ref().map(|mode| mode.value);
        let asked = settings.reject_mode.or(written).unwrap_or_default();
        Resolved {
            enabled: is_enabled(&config.datacenter.options.enable, facts.now_s),
            reject_mode: settings.reject_can.map_or(asked, |can| asked.on(can)),
            reject_asked: asked,
            settings,
            datacenter: config.datacenter.options.clone(),
            host: config.host.options.clone(),
            host_rules: self.host_rules.clone(),
            datacenter_rules: self.datacenter_rules.clone(),
            groups: self.groups.clone(),
            ipsets: self.sets.by_name.clone(),
            management: self.sets.management(),
            local_network: self.local_network.clone(),
            blacklist: self.sets.blacklist(),
            corosync: self.corosync.clone(),
            guests: Vec::new(),
            vnets: Vec::new(),
            guest_bridges: wiring.bridges.clone(),
            towards_guests: wiring.towards.clone(),
            stacked_ports: wiring.stacked_ports.clone(),
            pairs: wiring.pairs.clone(),
            isolated_ports: wiring.isolated_ports.clone(),
            opened: BTreeSet::new(),
            foreign_ports: wiring.foreign_ports.clone(),
            bridge_nf_stuck: self.stuck_bridges.clone(),
        }
    }
}

fn same_or_new_slice<T: PartialEq>(before: Option<&Arc<[T]>>, now: Vec<T>) -> Arc<[T]> {
    before.filter(|before| ***before == *now).cloned().unwrap_or_else(|| now.into())
}

impl From {
    fn new(config: &Config, facts: &HostFacts, links: &Arc<Links>) -> From {
        From {
            datacenter: config.datacenter.clone(),
            host: config.host.clone(),
            sdn: config.sdn.clone(),
            corosync: config.corosync.clone(),
            links: links.clone(),
            node: facts.node.clone(),
            addresses: facts.resolved.clone(),
            connected: facts.connected.clone(),
            bridge_nf_stuck: facts.bridge_nf_stuck,
        }
    }

    fn is(&self, config: &Config, facts: &HostFacts, links: &Arc<Links>) -> bool {
        let same_corosync = match (&self.corosync, &config.corosync) {
            (Some(known), Some(now)) => Arc::ptr_eq(known, now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_corosync
            && Arc::ptr_eq(&self.datacenter, &config.datacenter)
            && Arc::ptr_eq(&self.host, &config.host)
            && Arc::ptr_eq(&self.sdn, &config.sdn)
            && Arc::ptr_eq(&self.links, links)
            && self.node == facts.node
            && self.addresses == facts.resolved
            && self.connected == facts.connected
            && self.bridge_nf_stuck == facts.bridge_nf_stuck
    }
}

fn is_enabled(enable: &Setting<Enable>, now_s: u64) -> bool {
    match enable.value {
        Enable::Off => false,
        Enable::On => true,
        timed @ Enable::Until(_) => timed.until().is_some_and(|until| now_s <= until),
    }
}
