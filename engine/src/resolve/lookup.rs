//! The one place where names of aliases and IPSets are looked up, by scope: guest, datacenter, SDN.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Group, Ipset, Ipsets, SharedSet};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::links::Links;
use crate::model::address::{Cidr, IpInterval, join, longest_prefix};
use crate::model::guest::Guest;
use crate::model::names::ObjectName;
use crate::model::rule::{AliasRef, IpsetRef, Scope as NameScope};
use crate::model::{self, Alias, Config, IpsetAddress, LostEntries};
use crate::span::Span;

/// What a rule may refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) config: &'a Config,
    pub(super) links: &'a Links,
    pub(super) sets: &'a SharedSets,
    pub(super) groups: &'a [Group],
    /// Set inside a guest's file.
    pub(super) guest: Option<GuestScope<'a>>,
}

/// A guest's own names.
#[derive(Clone, Copy)]
pub(super) struct GuestScope<'a> {
    pub(super) guest: &'a Guest,
    pub(super) sets: &'a OwnSets,
}

/// A guest's own sets, with what they lack.
pub(super) type OwnSets = BTreeMap<ObjectName, (Arc<[IpInterval]>, LostEntries)>;

/// What an IPSet reference stands for.
pub(super) enum Found {
    Own(Arc<[IpInterval]>, LostEntries),
    Shared(SharedSet, LostEntries),
}

impl Scope<'_> {
    /// The alias that a reference names.
    pub(super) fn alias(&self, reference: &AliasRef) -> Option<Alias> {
        let guest = self.guest.map(|g| &g.guest.aliases);
        alias(guest, &self.config.datacenter.aliases, reference).cloned()
    }

    /// The set that a reference names.
    pub(super) fn ipset(&self, reference: &IpsetRef) -> Option<Found> {
        let own = || {
            let (intervals, lost) = self.guest?.sets.get(&reference.name)?;
            Some(Found::Own(intervals.clone(), *lost))
        };
        let shared = |sets: &BTreeMap<ObjectName, Arc<Ipset>>| {
            let set = sets.get(&reference.name)?;
            Some(Found::Shared(set.head(), set.lost))
        };
        let dc = || shared(&self.sets.datacenter);
        let sdn = || shared(&self.sets.sdn);
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
#[derive(Debug)]
pub(super) struct SharedSets {
    datacenter: BTreeMap<ObjectName, Arc<Ipset>>,
    sdn: BTreeMap<ObjectName, Arc<Ipset>>,
    management: Arc<Ipset>,
    /// All of them, and the local network.
    pub(super) by_name: Arc<Ipsets>,
}

impl SharedSets {
    /// Sets that are as they were are those of `before`.
    pub(super) fn new(
        config: &Config,
        local: &Arc<Ipset>,
        before: &Ipsets,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> SharedSets {
        let aliases = &config.datacenter.aliases;
        let mut datacenter = BTreeMap::new();
        for (name, ipset) in &config.datacenter.ipsets {
            let (intervals, lost) = members(None, aliases, ipset, diagnostics);
            let kernel_name = format!("dc/{name}").into();
            datacenter.insert(name.clone(), Ipset { name: kernel_name, intervals, span: ipset.span, lost });
        }
        let management = merge_management(&mut datacenter, local);
        let sdn = |(name, intervals): (&ObjectName, &Vec<IpInterval>)| {
            let (intervals, lost) = (intervals.clone(), LostEntries::default());
            let ipset = Ipset { name: format!("sdn/{name}").into(), intervals, span: None, lost };
            (name.clone(), kept(before, ipset))
        };
        let sdn: BTreeMap<ObjectName, Arc<Ipset>> = config.sdn.ipsets.iter().map(sdn).collect();
        let datacenter: BTreeMap<ObjectName, Arc<Ipset>> =
            datacenter.into_iter().map(|(name, set)| (name, kept(before, set))).collect();
        let own = datacenter.get(&known("management")).cloned();
        let management = own.unwrap_or_else(|| kept(before, management));
        let all = [&management, local].into_iter().chain(sdn.values()).chain(datacenter.values());
        let by_name = Arc::new(all.map(|set| (set.name.clone(), set.clone())).collect());
        SharedSets { datacenter, sdn, management, by_name }
    }

    pub(super) fn management(&self) -> Arc<Ipset> {
        self.management.clone()
    }

    pub(super) fn blacklist(&self) -> Option<Arc<Ipset>> {
        self.datacenter.get(&known("blacklist")).cloned()
    }

    /// The entry that the blacklist lacks.
    pub(super) fn blacklist_lost(&self) -> Option<Span> {
        self.datacenter.get(&known("blacklist"))?.lost.included
    }

    /// What rules can know of them: names with the families that each has.
    pub(super) fn heads(&self) -> [Heads; 2] {
        [&self.datacenter, &self.sdn]
            .map(|sets| sets.iter().map(|(n, set)| (n.clone(), (set.head(), set.lost))).collect())
    }
}

/// Sets as rules know them.
pub(super) type Heads = BTreeMap<ObjectName, (SharedSet, LostEntries)>;

/// The set that was there before, if it is equal.
pub(super) fn kept(before: &Ipsets, ipset: Ipset) -> Arc<Ipset> {
    let known = before.get(&ipset.name).filter(|known| ***known == ipset);
    known.cloned().unwrap_or_else(|| Arc::new(ipset))
}

/// The user's set is extended by the local network, never replaced, never emptied: that would lock people out.
fn merge_management(datacenter: &mut BTreeMap<ObjectName, Ipset>, local: &Ipset) -> Ipset {
    let own = datacenter.get_mut(&known("management"));
    let mut intervals = own.as_ref().map_or_else(Vec::new, |set| set.intervals.clone());
    intervals.extend(&local.intervals);
    let intervals = join(intervals);
    let span = own.as_ref().and_then(|set| set.span);
    let lost = own.as_ref().map_or_else(LostEntries::default, |set| set.lost);
    if let Some(set) = own {
        set.intervals.clone_from(&intervals);
    }
    Ipset { name: "dc/management".into(), intervals, span, lost }
}

fn known(name: &str) -> ObjectName {
    name.parse().expect("a built-in name follows the grammar")
}

/// The intervals of a guest's sets.
pub(super) fn guest_sets(guest: &Guest, config: &Config, diagnostics: &mut Vec<Diagnostic>) -> OwnSets {
    let own = Some(&guest.aliases);
    let aliases = &config.datacenter.aliases;
    let resolve = |(name, ipset): (&ObjectName, &model::Ipset)| {
        let (intervals, lost) = members(own, aliases, ipset, diagnostics);
        (name.clone(), (intervals.into(), lost))
    };
    guest.ipsets.iter().map(resolve).collect()
}

/// The members of a set: entries resolved, the first of equal networks kept, longest prefix deciding.
fn members(
    guest: Option<&BTreeMap<ObjectName, Alias>>,
    datacenter: &BTreeMap<ObjectName, Alias>,
    ipset: &model::Ipset,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<IpInterval>, LostEntries) {
    let (networks, lost) = entries(guest, datacenter, ipset, diagnostics);
    (longest_prefix(&networks), lost)
}

/// The entries of a set as networks, and what it lacks; `true`: excluded.
pub(super) fn entries(
    guest: Option<&BTreeMap<ObjectName, Alias>>,
    datacenter: &BTreeMap<ObjectName, Alias>,
    ipset: &model::Ipset,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<(Cidr, bool)>, LostEntries) {
    let mut lost = ipset.lost;
    let mut seen = std::collections::BTreeSet::new();
    let mut networks = Vec::with_capacity(ipset.entries.len());
    for entry in &ipset.entries {
        let cidr = match &entry.address {
            IpsetAddress::Cidr(cidr) => *cidr,
            IpsetAddress::Alias(reference) => match alias(guest, datacenter, reference) {
                Some(alias) => alias.cidr,
                None => {
                    lost.add(entry.nomatch, entry.span);
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
            lost.add(entry.nomatch, entry.span);
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
    (networks, lost)
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
