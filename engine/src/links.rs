//! The host's interfaces by name: what stages look up, built once for all compilations that see the same host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::inputs::{HostFacts, Link};
use crate::lower::guest_conf;
use crate::model::address::Mac;
use crate::model::names::Vmid;

/// Interfaces by name and alternative name.
#[derive(Debug, Default)]
pub(crate) struct Links {
    facts: Arc<HostFacts>,
    by_name: BTreeMap<String, usize>,
    guests: BTreeSet<Vmid>,
    /// Places of ports where addresses were learned.
    learned: BTreeMap<Mac, Vec<usize>>,
}

impl Links {
    /// Indexes the interfaces of the host; real names win over alternative ones.
    pub(crate) fn new(facts: &Arc<HostFacts>) -> Links {
        let links = &facts.links;
        let alternative = (0..).zip(links).flat_map(|(at, link)| link.altnames.iter().map(move |n| (n, at)));
        let real = (0..).zip(links).map(|(at, link)| (&link.name, at));
        let mut learned: BTreeMap<Mac, Vec<usize>> = BTreeMap::new();
        for (at, link) in (0..).zip(links) {
            link.learned.iter().for_each(|mac| learned.entry(*mac).or_default().push(at));
        }
        Links {
            learned,
            by_name: alternative.chain(real).map(|(name, at)| (name.clone(), at)).collect(),
            guests: links.iter().filter_map(|link| vmid(&link.name)).collect(),
            facts: facts.clone(),
        }
    }

    /// Whether these are the interfaces of that host.
    pub(crate) fn are_of(&self, facts: &Arc<HostFacts>) -> bool {
        let known = &self.facts;
        Arc::ptr_eq(known, facts)
            || known.links == facts.links && known.divert_assumed == facts.divert_assumed
    }

    /// The interface of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Link> {
        self.by_name.get(name).map(|at| &self.facts.links[*at])
    }

    /// The ports of a bridge where it has learned an address.
    pub(crate) fn learned_at<'l>(&'l self, mac: Mac, bridge: &'l str) -> impl Iterator<Item = &'l str> {
        let ports = self.learned.get(&mac).into_iter().flatten().map(|at| &self.facts.links[*at]);
        ports.filter(move |port| port.master.as_deref() == Some(bridge)).map(|port| port.name.as_str())
    }

    /// Whether all pairs of mode `divert` are taken to be there.
    pub(crate) fn has_pairs(&self) -> bool {
        self.facts.divert_assumed
    }

    /// Guests with an interface on this host.
    pub(crate) fn guests(&self) -> &BTreeSet<Vmid> {
        &self.guests
    }
}

/// Of `tap<vmid>i<n>` or `veth<vmid>i<n>`.
fn vmid(name: &str) -> Option<Vmid> {
    let rest = name.strip_prefix("tap").or_else(|| name.strip_prefix("veth"))?;
    let (vmid, index) = rest.split_once('i')?;
    guest_conf::nic_index(index)?;
    vmid.parse().ok()
}
