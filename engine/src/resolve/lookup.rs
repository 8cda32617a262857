//! The one place where names of aliases and IPSets are looked up, by scope: guest, datacenter, SDN.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Group, Ipset};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::{HostFacts, Link};
use crate::model::address::{Cidr, IpInterval, join, longest_prefix};
use crate::model::guest::Guest;
use crate::model::names::ObjectName;
use crate::model::rule::{AliasRef, IpsetRef, Scope as NameScope};
use crate::model::{self, Alias, Config, IpsetAddress};

/// What a rule may refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) config: &'a Config,
    pub(super) links: &'a Links<'a>,
    pub(super) sets: &'a SharedSets,
    pub(super) groups: &'a [Group],
    /// Set inside a guest's file.
    pub(super) guest: Option<GuestScope<'a>>,
}

/// Interfaces by name and alternative name.
pub(super) type Links<'a> = BTreeMap<&'a str, &'a Link>;

/// Indexes the interfaces of the host; real names win over alternative ones.
pub(super) fn links(facts: &HostFacts) -> Links<'_> {
    let alternative = facts.links.iter().flat_map(|l| l.altnames.iter().map(move |name| (name.as_str(), l)));
    alternative.chain(facts.links.iter().map(|l| (l.name.as_str(), l))).collect()
}

/// A guest's own names.
#[derive(Clone, Copy)]
pub(super) struct GuestScope<'a> {
    pub(super) guest: &'a Guest,
    pub(super) sets: &'a BTreeMap<ObjectName, Arc<[IpInterval]>>,
}

/// What an IPSet reference stands for.
pub(super) enum Found {
    Own(Arc<[IpInterval]>),
    Shared(Arc<Ipset>),
}

impl Scope<'_> {
    /// The alias that a reference names.
    pub(super) fn alias(&self, reference: &AliasRef) -> Option<Alias> {
        let guest = self.guest.map(|g| &g.guest.aliases);
        alias(guest, &self.config.datacenter.aliases, reference).cloned()
    }

    /// The set that a reference names.
    pub(super) fn ipset(&self, reference: &IpsetRef) -> Option<Found> {
        let own = || Some(Found::Own(self.guest?.sets.get(&reference.name)?.clone()));
        let dc = || Some(Found::Shared(self.sets.datacenter.get(&reference.name)?.clone()));
        let sdn = || Some(Found::Shared(self.sets.sdn.get(&reference.name)?.clone()));
        match reference.scope {
            Some(NameScope::Guest) => own(),
            Some(NameScope::Datacenter) => dc(),
            Some(NameScope::Sdn) => sdn(),
            None => own().or_else(dc).or_else(sdn),
        }
    }
}

fn alias<'a>(
    guest: Option<&'a BTreeMap<ObjectName, Alias>>,
    datacenter: &'a BTreeMap<ObjectName, Alias>,
    reference: &AliasRef,
) -> Option<&'a Alias> {
    let own = || guest.and_then(|aliases| aliases.get(&reference.name));
    let dc = || datacenter.get(&reference.name);
    match reference.scope {
        Some(NameScope::Guest) => own(),
        Some(NameScope::Datacenter) => dc(),
        Some(NameScope::Sdn) => None,
        None => own().or_else(dc),
    }
}

/// Sets of the datacenter and of SDN.
pub(super) struct SharedSets {
    datacenter: BTreeMap<ObjectName, Arc<Ipset>>,
    sdn: BTreeMap<ObjectName, Arc<Ipset>>,
    management: Arc<Ipset>,
}

impl SharedSets {
    pub(super) fn new(config: &Config, local: &Ipset, diagnostics: &mut Vec<Diagnostic>) -> SharedSets {
        let aliases = &config.datacenter.aliases;
        let mut datacenter = BTreeMap::new();
        for (name, ipset) in &config.datacenter.ipsets {
            let intervals = members(None, aliases, ipset, diagnostics);
            let kernel_name = format!("dc/{name}");
            datacenter.insert(name.clone(), Ipset { name: kernel_name, intervals, span: ipset.span });
        }
        let management = merge_management(&mut datacenter, local);
        let sdn = |(name, intervals): (&ObjectName, &Vec<IpInterval>)| {
            let ipset = Ipset { name: format!("sdn/{name}"), intervals: intervals.clone(), span: None };
            (name.clone(), Arc::new(ipset))
        };
        SharedSets {
            sdn: config.sdn.ipsets.iter().map(sdn).collect(),
            datacenter: datacenter.into_iter().map(|(name, set)| (name, Arc::new(set))).collect(),
            management: Arc::new(management),
        }
    }

    pub(super) fn management(&self) -> Arc<Ipset> {
        self.management.clone()
    }

    pub(super) fn blacklist(&self) -> Option<Arc<Ipset>> {
        self.datacenter.get(&known("blacklist")).cloned()
    }
}

/// The user's set is extended by the local network, never replaced, never emptied: that would lock people out.
fn merge_management(datacenter: &mut BTreeMap<ObjectName, Ipset>, local: &Ipset) -> Ipset {
    let own = datacenter.get_mut(&known("management"));
    let mut intervals = own.as_ref().map_or_else(Vec::new, |set| set.intervals.clone());
    intervals.extend(&local.intervals);
    let intervals = join(intervals);
    let span = own.as_ref().and_then(|set| set.span);
    if let Some(set) = own {
        set.intervals.clone_from(&intervals);
    }
    Ipset { name: "dc/management".to_owned(), intervals, span }
}

fn known(name: &str) -> ObjectName {
    name.parse().expect("a built-in name follows the grammar")
}

/// The intervals of a guest's sets.
pub(super) fn guest_sets(
    guest: &Guest,
    config: &Config,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<ObjectName, Arc<[IpInterval]>> {
    let own = Some(&guest.aliases);
    let aliases = &config.datacenter.aliases;
    let resolve = |(name, ipset): (&ObjectName, &model::Ipset)| {
        (name.clone(), members(own, aliases, ipset, diagnostics).into())
    };
    guest.ipsets.iter().map(resolve).collect()
}

/// The members of a set: entries resolved, the first of equal networks kept, longest prefix deciding.
fn members(
    guest: Option<&BTreeMap<ObjectName, Alias>>,
    datacenter: &BTreeMap<ObjectName, Alias>,
    ipset: &model::Ipset,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<IpInterval> {
    longest_prefix(&entries(guest, datacenter, ipset, diagnostics))
}

/// The entries of a set as networks; `true`: excluded.
pub(super) fn entries(
    guest: Option<&BTreeMap<ObjectName, Alias>>,
    datacenter: &BTreeMap<ObjectName, Alias>,
    ipset: &model::Ipset,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Cidr, bool)> {
    let mut seen = std::collections::BTreeSet::new();
    let mut networks = Vec::with_capacity(ipset.entries.len());
    for entry in &ipset.entries {
        let cidr = match &entry.address {
            IpsetAddress::Cidr(cidr) => *cidr,
            IpsetAddress::Alias(reference) => match alias(guest, datacenter, reference) {
                Some(alias) => alias.cidr,
                None => {
                    let message = format!("no alias `{}`", written(reference));
                    let place = Place::Span(entry.span);
                    diagnostics.push(Diagnostic::new(
                        Code::EntryUnresolved,
                        place,
                        message,
                        "set entry is skipped",
                    ));
                    continue;
                }
            },
        };
        // As a literal it was refused when it was read.
        if cidr.prefix() == 0 {
            let message = format!("`{cidr}` is every address");
            let place = Place::Span(entry.span);
            diagnostics.push(Diagnostic::new(Code::EntryZeroPrefix, place, message, "set entry is skipped"));
            continue;
        }
        // Literals were compared when they were read; an alias can repeat one of them.
        if seen.insert(cidr) {
            networks.push((cidr, entry.nomatch));
        } else if matches!(entry.address, IpsetAddress::Alias(_)) {
            let message = format!("`{cidr}` is in the set already");
            let place = Place::Span(entry.span);
            diagnostics.push(Diagnostic::new(Code::EntryRepeated, place, message, "the first entry counts"));
        }
    }
    networks
}

/// A reference as people write it.
pub(super) fn written(reference: &AliasRef) -> String {
    scoped(reference.scope, &reference.name)
}

/// `dc/name`
pub(super) fn scoped(scope: Option<NameScope>, name: &ObjectName) -> String {
    match scope {
        Some(NameScope::Guest) => format!("guest/{name}"),
        Some(NameScope::Datacenter) => format!("dc/{name}"),
        Some(NameScope::Sdn) => format!("sdn/{name}"),
        None => name.to_string(),
    }
}
