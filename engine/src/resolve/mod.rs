//! Stage *resolve*: every name becomes what it stands for; after it, nothing is named that is not there.
//!
//! Takes the configuration and the facts about the host; complains about names and families. What cannot be
//! resolved costs its rule, entry or reference, never more.

mod cluster;
mod guest;
mod lookup;
mod memo;
mod opens;
mod rule;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::divert::Pair;
use crate::inputs::{HostFacts, RejectMode, Settings};
use crate::links::Links;
use crate::model::address::{Family, IpInterval, Mac};
use crate::model::names::{IfName, ObjectName, Vmid};
use crate::model::options::{DatacenterOptions, GuestOptions, HostOptions, LogLevel, VnetOptions};
use crate::model::rule::{Action, Direction, Transport};
use crate::model::{Config, LostEntries};
use crate::ruleset::RuleId;
use crate::span::{FileId, Span};
pub(crate) use memo::{Memo, resolve_with};
pub(crate) use rule::ids;

/// What a plan is made from. What did not change is shared with the compilation before.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The master switch, at the time of the facts.
    pub enabled: bool,
    /// Datacenter options.
    pub datacenter: DatacenterOptions,
    /// Host options.
    pub host: HostOptions,
    /// How REJECT towards guests is answered: what is asked for, as far as the kernel can.
    pub reject_mode: RejectMode,
    /// How it was asked to be answered.
    pub reject_asked: RejectMode,
    /// Mark bits and the like.
    pub settings: Settings,
    /// `host.fw` rules.
    pub host_rules: Arc<[Rule]>,
    /// `cluster.fw` rules.
    pub datacenter_rules: Arc<[Rule]>,
    /// Security groups by folded name.
    pub groups: Arc<[Group]>,
    /// All sets that the cluster shares, by their names.
    pub ipsets: Arc<Ipsets>,
    /// Who may manage this node: set `management` and the local network, both families.
    pub management: Arc<Ipset>,
    /// The local network alone.
    pub local_network: Arc<Ipset>,
    /// Set `blacklist`, if the datacenter defines it.
    pub blacklist: Option<Arc<Ipset>>,
    /// Corosync links to other nodes.
    pub corosync: Option<Corosync>,
    /// Guests of this node, ascending.
    pub guests: Vec<Arc<Guest>>,
    /// VNets with an enabled firewall, by bridge name.
    pub vnets: Vec<Arc<Vnet>>,
    /// Bridges that guests or VNets name: where unknown guest ports are ours to judge.
    pub guest_bridges: Vec<IfName>,
    /// Interfaces of the host that lead to bridges: the bridges and VLAN sub-interfaces on them.
    pub towards_guests: Vec<IfName>,
    /// Bridge ports that are VLAN sub-interfaces of another bridge.
    pub stacked_ports: Vec<IfName>,
    /// What names of veth pairs that join bridges of this host begin with, as far as there are any.
    pub pairs: Vec<&'static str>,
    /// Files whose scope is open because of something lost.
    pub opened: BTreeSet<FileId>,
    /// Isolated bridge ports.
    pub isolated_ports: Vec<IfName>,
    /// Ports on those bridges that look like a guest's by prefix but are not.
    pub foreign_ports: Vec<IfName>,
    /// Bridges with their MAC, if bridged frames run the inet hooks and that could not be switched off.
    pub bridge_nf_stuck: Vec<(IfName, Mac)>,
}

impl Resolved {
    /// Whether a rule, or one of the group that it calls, rejects in this direction.
    pub(crate) fn rejects(&self, rule: &Rule, direction: Direction) -> bool {
        match &rule.kind {
            RuleKind::Match(line) => line.direction == direction && line.action == Action::Reject,
            RuleKind::Group { group, .. } => self.groups[*group].rejects(direction),
            RuleKind::Lost { .. } => false,
        }
    }

    /// Whether rules or policy reject what is sent to a guest.
    fn rejects_towards(&self, guest: &Guest) -> bool {
        guest.options.policy_in.value == Action::Reject
            || guest.rules.iter().any(|rule| self.rejects(rule, Direction::In))
    }
}

/// A rule that can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its line.
    pub span: Span,
    /// Its stable id.
    pub id: RuleId,
    /// What it does.
    pub kind: RuleKind,
}

/// A rule's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Something that denied has been lost here: nothing is planned for it, but what it would have denied may now
    /// be open.
    Lost {
        /// Direction, as far as known.
        direction: Option<Direction>,
        /// What it would have matched; empty: unknown, so anything.
        transports: Vec<Transport>,
        /// What it was.
        loss: Loss,
    },
}

/// What has been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// An enabled DROP or REJECT that had to be skipped.
    Denial,
    /// A line that may have been one: its action or its group is not known.
    Perhaps,
    /// An entry of a set, written there, that the rule at this place needs.
    Entry(Span),
}

/// A rule whose conditions are all known.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// None.
    Any,
    /// Literals or an alias: disjoint intervals of one family, which the rule then has.
    Literal(Arc<[IpInterval]>),
    /// A guest's own set: disjoint intervals of both families.
    Own(Arc<[IpInterval]>),
    /// A set that the whole cluster shares.
    Shared(SharedSet),
}

impl Addresses {
    /// The intervals of one family, where the rule itself knows them: not those of a shared set.
    pub fn listed(&self, family: Family) -> Option<&[IpInterval]> {
        match self {
            Addresses::Literal(intervals) | Addresses::Own(intervals) => Some(split(intervals, family)),
            Addresses::Any | Addresses::Shared(_) => None,
        }
    }

    /// Whether an address of this family can be meant.
    pub fn has(&self, family: Family) -> bool {
        match self {
            Addresses::Any => true,
            Addresses::Literal(intervals) | Addresses::Own(intervals) => !split(intervals, family).is_empty(),
            Addresses::Shared(set) => set.families.contains(&family),
        }
    }
}

/// The intervals of one family, of intervals with IPv4 before IPv6.
fn split(intervals: &[IpInterval], family: Family) -> &[IpInterval] {
    let n_v4 = intervals.partition_point(|i| i.family == Family::V4);
    match family {
        Family::V4 => &intervals[..n_v4],
        Family::V6 => &intervals[n_v4..],
    }
}

/// What a rule knows of a shared set: not its members, which may change without the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSet {
    /// Its name, in [`Resolved::ipsets`].
    pub name: Arc<str>,
    /// The families that it has members of.
    pub families: &'static [Family],
}

/// Sets by name.
pub type Ipsets = BTreeMap<Arc<str>, Arc<Ipset>>;

/// A set of the datacenter or of SDN, by its name in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipset {
    /// `dc/<name>`, `sdn/<name>`.
    pub name: Arc<str>,
    /// Disjoint intervals, IPv4 before IPv6.
    pub intervals: Vec<IpInterval>,
    /// Where it was defined.
    pub span: Option<Span>,
    /// Entries that it lacks.
    pub lost: LostEntries,
}

impl Ipset {
    /// What rules know of it.
    pub fn head(&self) -> SharedSet {
        let families = match Family::BOTH.map(|family| self.of(family).is_empty()) {
            [false, false] => &[Family::V4, Family::V6][..],
            [false, true] => &[Family::V4],
            [true, false] => &[Family::V6],
            [true, true] => &[],
        };
        SharedSet { name: self.name.clone(), families }
    }

    /// Its intervals of one family.
    pub fn of(&self, family: Family) -> &[IpInterval] {
        split(&self.intervals, family)
    }
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Folded name.
    pub name: ObjectName,
    /// Its body.
    pub rules: Vec<Rule>,
    /// Something that a rule of its body denied is lost.
    pub loses: bool,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corosync {
    /// Pairs of a peer's and the own address of the same link.
    pub pairs: Vec<(IpAddr, IpAddr)>,
    /// Transport `udp` multicasts.
    pub multicast: bool,
    /// A peer's address is unknown: the management set stands in for it.
    pub unresolved: bool,
}

/// A guest.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A port that exists, is up and has a carrier, on a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningPort {
    /// The bridge it is a port of right now.
    pub bridge: IfName,
    /// VLANs in which frames reach it.
    pub vlans: PortVlans,
    /// Frames from isolated ports do not reach it.
    pub isolated: bool,
    /// Why the MAC does not tell this port on its bridge; `None`: it does.
    pub doubt: Option<Doubt>,
    /// Its interface index; 0: not known.
    pub index: u32,
    /// How rejected frames get from here to the bridge that answers them, in mode `divert`. `None`: it is a port of a
    /// firewall bridge, where every frame is a bridged one, or of no Linux bridge.
    pub diversion: Option<Diversion>,
}

/// Somebody else has the MAC of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Another NIC on the same bridge.
    Twice,
    /// The bridge has learned it at this port: the guest is there now, or somebody forges.
    LearnedAt(String),
}

/// A way to the bridge that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// The pair that it takes.
    pub pair: Pair,
    /// Interface index of the pair's outer end, as soon as it is there.
    pub index: Option<u32>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    let links = Arc::new(Links::new(&Arc::new(facts.clone())));
    resolve_with(config, facts, &links, settings, &mut Memo::default())
}
