//! Stage *resolve*: every name becomes what it stands for; after it, nothing is named that is not there.
//!
//! Takes the configuration and the facts about the host; complains about names and families. What cannot be
//! resolved costs its rule, entry or reference, never more.

mod cluster;
mod guest;
mod lookup;
mod opens;
mod rule;

use std::net::IpAddr;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::inputs::{HostFacts, RejectMode, Settings};
use crate::model::address::{Family, IpInterval, Mac};
use crate::model::names::{IfName, ObjectName, Vmid};
use crate::model::options::{DatacenterOptions, Enable, GuestOptions, HostOptions, LogLevel, VnetOptions};
use crate::model::rule::{Action, Direction, Transport};
use crate::model::{Config, Setting};
use crate::ruleset::RuleId;
use crate::span::Span;

/// What a plan is made from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The master switch, at the time of the facts.
    pub enabled: bool,
    /// Datacenter options.
    pub datacenter: DatacenterOptions,
    /// Host options.
    pub host: HostOptions,
    /// How REJECT towards guests is answered.
    pub reject_mode: RejectMode,
    /// Mark bits and the like.
    pub settings: Settings,
    /// `host.fw` rules.
    pub host_rules: Vec<Rule>,
    /// `cluster.fw` rules.
    pub datacenter_rules: Vec<Rule>,
    /// Security groups by folded name.
    pub groups: Vec<Group>,
    /// Who may manage this node: set `management` and the local network, both families.
    pub management: Arc<Ipset>,
    /// The local network alone.
    pub local_network: Arc<Ipset>,
    /// Set `blacklist`, if the datacenter defines it.
    pub blacklist: Option<Arc<Ipset>>,
    /// Corosync links to other nodes.
    pub corosync: Option<Corosync>,
    /// Guests of this node, ascending.
    pub guests: Vec<Guest>,
    /// VNets with an enabled firewall, by bridge name.
    pub vnets: Vec<Vnet>,
    /// Bridges that guests or VNets name: where unknown guest ports are ours to judge.
    pub guest_bridges: Vec<IfName>,
    /// Interfaces of the host that lead to bridges: the bridges and VLAN sub-interfaces on them.
    pub towards_guests: Vec<IfName>,
    /// Bridge ports that are VLAN sub-interfaces of another bridge.
    pub stacked_ports: Vec<IfName>,
    /// Ports on those bridges that look like a guest's by prefix but are not.
    pub foreign_ports: Vec<IfName>,
    /// Bridges with their MAC, if bridged frames run the inet hooks and that could not be switched off.
    pub bridge_nf_stuck: Vec<(IfName, Mac)>,
}

/// A rule that can be applied.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its line.
    pub span: Span,
    /// Its stable id.
    pub id: RuleId,
    /// What it does.
    pub kind: RuleKind,
}

/// A rule's kind.
#[derive(Debug, Clone)]
pub enum RuleKind {
    /// Matches packets.
    Match(MatchRule),
    /// Calls a group.
    Group {
        /// Index in [`Resolved::groups`].
        group: usize,
        /// Only on this interface.
        iface: Option<Interface>,
    },
    /// An enabled DROP or REJECT that had to be skipped: nothing is planned for it, but what it would have denied
    /// may now be open.
    Lost {
        /// Direction, as far as known.
        direction: Option<Direction>,
        /// What it would have matched; empty: unknown, so anything.
        transports: Vec<Transport>,
    },
}

/// A rule whose conditions are all known.
#[derive(Debug, Clone)]
pub struct MatchRule {
    /// Direction.
    pub direction: Direction,
    /// What happens.
    pub action: Action,
    /// `-i`
    pub iface: Option<Interface>,
    /// `-source`
    pub source: Addresses,
    /// `-dest`
    pub dest: Addresses,
    /// One of these holds; empty: the rule is inert.
    pub variants: Vec<Variant>,
    /// `-log`
    pub log: Option<LogLevel>,
}

/// Families and transport that a rule holds for.
#[derive(Debug, Clone)]
pub struct Variant {
    /// `None`: both, and no condition needs a family.
    pub family: Option<Family>,
    /// Transport.
    pub transport: Transport,
}

/// An interface condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// Kernel name of a host interface.
    Host(IfName),
    /// Index in [`Guest::nics`].
    Nic(usize),
}

/// An address condition.
#[derive(Debug, Clone)]
pub enum Addresses {
    /// None.
    Any,
    /// Literals or an alias: disjoint intervals of one family, which the rule then has.
    Literal(Arc<[IpInterval]>),
    /// A guest's own set: disjoint intervals of both families.
    Own(Arc<[IpInterval]>),
    /// A set that the whole cluster shares.
    Shared(Arc<Ipset>),
}

impl Addresses {
    /// The intervals of one family; `None`: any address.
    pub fn of(&self, family: Family) -> Option<&[IpInterval]> {
        match self {
            Addresses::Any => None,
            Addresses::Literal(intervals) | Addresses::Own(intervals) => Some(split(intervals, family)),
            Addresses::Shared(ipset) => Some(ipset.of(family)),
        }
    }
}

/// A set of the datacenter or of SDN, by its name in the kernel.
#[derive(Debug, Clone)]
pub struct Ipset {
    /// `dc/<name>`, `sdn/<name>`.
    pub name: String,
    /// Disjoint intervals, IPv4 before IPv6.
    pub intervals: Vec<IpInterval>,
    /// Where it was defined.
    pub span: Option<Span>,
}

impl Ipset {
    /// Its intervals of one family.
    pub fn of(&self, family: Family) -> &[IpInterval] {
        split(&self.intervals, family)
    }
}

fn split(intervals: &[IpInterval], family: Family) -> &[IpInterval] {
    let n_v4 = intervals.partition_point(|i| i.family == Family::V4);
    match family {
        Family::V4 => &intervals[..n_v4],
        Family::V6 => &intervals[n_v4..],
    }
}

/// A security group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Folded name.
    pub name: ObjectName,
    /// Its body.
    pub rules: Vec<Rule>,
}

impl Group {
    /// Whether it has rules of this direction.
    pub fn has(&self, direction: Direction) -> bool {
        self.rules.iter().any(|r| r.direction() == Some(direction))
    }

    /// Whether a rule of this direction rejects.
    pub fn rejects(&self, direction: Direction) -> bool {
        self.matches(direction).any(|r| r.action == Action::Reject)
    }

    /// Its rules of this direction.
    pub fn matches(&self, direction: Direction) -> impl Iterator<Item = &MatchRule> {
        self.rules.iter().filter_map(move |rule| match &rule.kind {
            RuleKind::Match(m) if m.direction == direction => Some(m),
            RuleKind::Match(_) | RuleKind::Group { .. } | RuleKind::Lost { .. } => None,
        })
    }
}

impl Rule {
    /// Its direction; `None` for a group call, which has that of its caller.
    pub fn direction(&self) -> Option<Direction> {
        match &self.kind {
            RuleKind::Match(rule) => Some(rule.direction),
            RuleKind::Group { .. } => None,
            RuleKind::Lost { direction, .. } => *direction,
        }
    }
}

/// Corosync traffic of this node.
#[derive(Debug, Clone, Default)]
pub struct Corosync {
    /// Pairs of a peer's and the own address of the same link.
    pub pairs: Vec<(IpAddr, IpAddr)>,
    /// Transport `udp` multicasts.
    pub multicast: bool,
    /// A peer's address is unknown: the management set stands in for it.
    pub unresolved: bool,
}

/// A guest.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Number.
    pub vmid: Vmid,
    /// Options.
    pub options: GuestOptions,
    /// All its NICs.
    pub nics: Vec<Nic>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl Guest {
    /// Its NICs that are filtered, with their index.
    pub fn filtered(&self) -> impl Iterator<Item = &Nic> {
        self.nics.iter().filter(|nic| nic.filtered)
    }
}

/// A guest's NIC.
#[derive(Debug, Clone)]
pub struct Nic {
    /// `tap<vmid>i<n>`, `veth<vmid>i<n>`.
    pub ifname: IfName,
    /// Index of `net<n>`.
    pub index: u8,
    /// Its MAC.
    pub mac: Option<Mac>,
    /// Its line.
    pub span: Span,
    /// `firewall=1` and the guest's firewall is on.
    pub filtered: bool,
    /// The port of a running guest: what answers for it needs.
    pub running: Option<RunningPort>,
    /// Which source addresses it may use; `None`: any.
    pub ipfilter: Option<Vec<IpInterval>>,
}

/// A port that exists and is up, on a bridge.
#[derive(Debug, Clone)]
pub struct RunningPort {
    /// The bridge it is a port of right now.
    pub bridge: IfName,
    /// VLANs in which frames reach it.
    pub vlans: PortVlans,
    /// Bridge and MAC belong to this NIC alone.
    pub unique: bool,
}

/// VLANs of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortVlans {
    /// The bridge does not filter VLANs, or the port is in all of them.
    All,
    /// Access port of this VLAN on a VLAN-aware bridge.
    Access(u16),
    /// Trunk with a list: only untagged frames are certain to be delivered.
    Trunk,
}

/// A VNet.
#[derive(Debug, Clone)]
pub struct Vnet {
    /// Its bridge.
    pub bridge: IfName,
    /// MAC of the bridge: frames to it go to the host.
    pub mac: Option<Mac>,
    /// Options.
    pub options: VnetOptions,
    /// Rules.
    pub rules: Vec<Rule>,
}

/// Resolves all names of a configuration.
pub fn resolve(config: &Config, facts: &HostFacts, settings: Settings) -> (Resolved, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let local_network = Arc::new(cluster::local_network(config, facts));
    let sets = lookup::SharedSets::new(config, &local_network, &mut diagnostics);
    let links = lookup::links(facts);
    let groups = rule::groups(config, &links, &sets, &mut diagnostics);
    let scope = lookup::Scope { config, links: &links, sets: &sets, groups: &groups, guest: None };
    let datacenter_rules = rule::resolve_rules(&scope, "cluster", &config.datacenter.rules, &mut diagnostics);
    let host_rules = rule::resolve_rules(&scope, "host", &config.host.rules, &mut diagnostics);
    let guests: Vec<Guest> =
        config.guests.values().map(|guest| guest::resolve(&scope, guest, &mut diagnostics)).collect();
    let guests = guest::mark_duplicates(guests, &mut diagnostics);
    let vnets = guest::vnets(&scope, &mut diagnostics);
    let bridges = guest::bridges(config, facts);
    let enabled = is_enabled(&config.datacenter.options.enable, facts.now_s);
    let written = config.settings.reject_mode.as_ref().map(|mode| mode.value);
    let resolved = Resolved {
        enabled,
        reject_mode: settings.reject_mode.or(written).unwrap_or_default(),
        settings,
        datacenter: config.datacenter.options.clone(),
        host: config.host.options.clone(),
        host_rules,
        datacenter_rules,
        management: sets.management(),
        blacklist: sets.blacklist(),
        corosync: cluster::corosync(config, facts, &mut diagnostics),
        towards_guests: guest::towards(&bridges, facts),
        stacked_ports: guest::stacked_ports(facts),
        foreign_ports: guest::foreign_ports(&bridges, facts),
        bridge_nf_stuck: cluster::stuck_bridges(facts),
        guest_bridges: bridges,
        local_network,
        groups,
        guests,
        vnets,
    };
    opens::report(&resolved, &mut diagnostics);
    (resolved, diagnostics)
}

/// A time stamp holds until 60 s after it.
fn is_enabled(enable: &Setting<Enable>, now_s: u64) -> bool {
    match enable.value {
        Enable::Off => false,
        Enable::On => true,
        Enable::Until(time_s) => now_s <= time_s.saturating_add(60),
    }
}
