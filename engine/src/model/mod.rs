//! What the configuration means: typed, every default filled in, names not yet looked up.

pub mod address;
pub mod guest;
pub mod icmp;
pub mod names;
pub mod options;
pub mod port;
pub mod rule;
pub mod sdn;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::span::{Span, Spanned};
use address::Cidr;
use guest::Guest;
use names::{ObjectName, Vmid, VnetName};
use options::{DatacenterOptions, HostOptions, NodeSettings, VnetOptions};
use rule::Rule;
use sdn::{Corosync, Sdn};

/// The whole configuration as this node sees it. What did not change is shared with the compilation before.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `cluster.fw`.
    pub datacenter: Arc<Datacenter>,
    /// `host.fw` of this node.
    pub host: Arc<Host>,
    /// Guests on this node (or with an interface here), by VMID.
    pub guests: BTreeMap<Vmid, Arc<Guest>>,
    /// SDN VNets with a firewall file.
    pub vnets: BTreeMap<VnetName, Arc<Vnet>>,
    /// SDN running configuration and IPAM state.
    pub sdn: Arc<Sdn>,
    /// Cluster links; `None`: there is no `corosync.conf`.
    pub corosync: Option<Arc<Corosync>>,
    /// The node's own settings file.
    pub settings: NodeSettings,
    /// A file that everything hangs on exists but could not be read: what is enforced must stay.
    pub unreadable: bool,
}

/// Scope *datacenter*.
#[derive(Debug, Clone, Default)]
pub struct Datacenter {
    /// `[OPTIONS]`
    pub options: DatacenterOptions,
    /// `[ALIASES]`, by folded name.
    pub aliases: BTreeMap<ObjectName, Alias>,
    /// `[IPSET name]`, by folded name.
    pub ipsets: BTreeMap<ObjectName, Ipset>,
    /// `[group name]`, by folded name.
    pub groups: BTreeMap<ObjectName, Group>,
    /// `[RULES]`, in order, disabled and invalid ones included.
    pub rules: Vec<Rule>,
}

/// Scope *host*.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// `[OPTIONS]`
    pub options: HostOptions,
    /// `[RULES]`
    pub rules: Vec<Rule>,
}

/// Scope *vnet*: forward rules of one SDN virtual network.
#[derive(Debug, Clone, Default)]
pub struct Vnet {
    /// `[OPTIONS]`
    pub options: VnetOptions,
    /// `[RULES]`, all of direction FORWARD (or GROUP).
    pub rules: Vec<Rule>,
}

/// A named address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// One address or network, host bits masked off.
    pub cidr: Cidr,
    /// Where it was written.
    pub span: Span,
}

/// A named set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ipset {
    /// Entries in the order of the file.
    pub entries: Vec<IpsetEntry>,
    /// Where its section begins; `None` for sets that no file defines.
    pub span: Option<Span>,
    /// Lines that are no entry.
    pub lost: LostEntries,
}

/// Entries of a set that had to be skipped, the first of each kind: what they would have included or excluded may
/// now be open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LostEntries {
    /// The set holds fewer addresses than was meant.
    pub included: Option<Span>,
    /// `!`: the set holds more addresses than was meant.
    pub excluded: Option<Span>,
}

impl LostEntries {
    /// Notes one more.
    pub fn add(&mut self, nomatch: bool, span: Span) {
        let first = if nomatch { &mut self.excluded } else { &mut self.included };
        first.get_or_insert(span);
    }
}

/// One entry of an IPSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpsetEntry {
    /// `!`: the addresses are excluded, unless a longer prefix includes them again.
    pub nomatch: bool,
    /// What it names.
    pub address: IpsetAddress,
    /// Where it was written.
    pub span: Span,
}

/// What an entry of an IPSet may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IpsetAddress {
    /// An address or network, host bits masked off; never `/0`.
    Cidr(Cidr),
    /// An alias.
    Alias(rule::AliasRef),
}

/// A security group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Its body.
    pub rules: Vec<Rule>,
    /// Where its section begins.
    pub span: Option<Span>,
}

/// An option's value, and where the file says so; `None`: the default decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting<T> {
    /// The effective value.
    pub value: T,
    /// The line that set it.
    pub at: Option<Span>,
}

impl<T> Setting<T> {
    /// A default: no line set it.
    pub const fn default_of(value: T) -> Self {
        Setting { value, at: None }
    }
}

impl<T> From<Spanned<T>> for Setting<T> {
    fn from(spanned: Spanned<T>) -> Self {
        Setting { value: spanned.value, at: Some(spanned.span) }
    }
}
