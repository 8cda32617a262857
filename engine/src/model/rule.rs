//! One rule of `[RULES]` or `[group x]`, with macros already expanded to their components.

use super::address::{AddressList, Family};
use super::icmp::IcmpMatch;
use super::names::{IfName, ObjectName};
use super::options::LogLevel;
use super::port::{PortList, PortProtocol};
use crate::span::{Span, Spanned};

/// A line of a rule section.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The whole line without its comment.
    pub span: Span,
    /// No leading `|`.
    pub enabled: bool,
    /// What it is.
    pub kind: RuleKind,
    /// Text behind `#`, lossily decoded.
    pub comment: Option<String>,
    /// Canonical text: one blank between words, direction in upper case; part of the rule's id.
    pub canonical: String,
}

/// What a rule line turned out to be.
#[derive(Debug, Clone)]
pub enum RuleKind {
    /// A rule that matches packets.
    Match(MatchRule),
    /// A call of a security group.
    Group(GroupRule),
    /// A line with an error: listed, never applied. What could be read of it is kept, because a skipped
    /// DROP can open what a later ACCEPT covers.
    Skipped(SkippedRule),
}

/// IN, OUT or FORWARD, seen from the protected object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards it.
    In,
    /// From it.
    Out,
    /// Through it.
    Forward,
}

impl Direction {
    /// The configuration's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "IN",
            Direction::Out => "OUT",
            Direction::Forward => "FORWARD",
        }
    }
}

/// PVE's *action*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let it pass.
    Accept,
    /// Discard silently.
    Drop,
    /// Discard and answer.
    Reject,
}

impl Action {
    /// The configuration's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Accept => "ACCEPT",
            Action::Drop => "DROP",
            Action::Reject => "REJECT",
        }
    }
}

/// `IN ACCEPT …`
#[derive(Debug, Clone)]
pub struct MatchRule {
    /// Direction.
    pub direction: Direction,
    /// What happens to a packet that matches.
    pub action: Action,
    /// `-i`
    pub iface: Option<Spanned<RuleInterface>>,
    /// `-source`
    pub source: Option<Spanned<AddressSpec>>,
    /// `-dest`
    pub dest: Option<Spanned<AddressSpec>>,
    /// What `-p`, ports, ICMP type and macro come to: the rule holds if one of these holds. Never empty for a
    /// rule without macro; a macro none of whose components fits the rule's family leaves it empty (inert).
    pub components: Vec<Component>,
    /// `-log`; `None` for `nolog` or absent.
    pub log: Option<LogLevel>,
    /// Preferred spelling of the macro that gave the components.
    pub macro_name: Option<&'static str>,
}

impl MatchRule {
    /// The rule without any condition.
    pub fn of_all(direction: Direction, action: Action) -> MatchRule {
        MatchRule {
            direction,
            action,
            iface: None,
            source: None,
            dest: None,
            components: vec![Component { family: None, transport: Transport::Any }],
            log: None,
            macro_name: None,
        }
    }
}

/// What a rule asks of family and transport; a macro has one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Family that the protocol or the macro demands.
    pub family: Option<Family>,
    /// Transport.
    pub transport: Transport,
}

/// Transport protocol with what may be asked of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// No `-p`.
    Any,
    /// A protocol with ports.
    Ports {
        /// Which.
        protocol: PortProtocol,
        /// `-sport`
        sport: PortList,
        /// `-dport`
        dport: PortList,
    },
    /// ICMP; family IPv4.
    Icmp(IcmpMatch),
    /// ICMPv6; family IPv6.
    Icmpv6(IcmpMatch),
    /// Any other IP protocol, 1 to 255.
    Other(u8),
}

/// `-i` of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleInterface {
    /// Host and datacenter rules: interface or alternative name.
    Host(IfName),
    /// Guest rules: `net<index>`, 0 to 31.
    Net(u8),
}

/// `-source`, `-dest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressSpec {
    /// Literal addresses of one family.
    List(AddressList),
    /// `+name`, `+guest/name`, `+dc/name`, `+sdn/name`.
    Ipset(IpsetRef),
    /// `name`, `dc/name`, `guest/name`.
    Alias(AliasRef),
}

/// Where a name is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `guest/`
    Guest,
    /// `dc/`
    Datacenter,
    /// `sdn/`, IPSets only.
    Sdn,
}

/// Reference to an IPSet; without scope: guest, datacenter, SDN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpsetRef {
    /// Written scope.
    pub scope: Option<Scope>,
    /// Folded name.
    pub name: ObjectName,
}

/// Reference to an alias; without scope: guest, datacenter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRef {
    /// Written scope, never [`Scope::Sdn`].
    pub scope: Option<Scope>,
    /// Folded name.
    pub name: ObjectName,
}

/// `GROUP name [-i iface]`
#[derive(Debug, Clone)]
pub struct GroupRule {
    /// Folded name of the group.
    pub name: Spanned<ObjectName>,
    /// `-i`
    pub iface: Option<Spanned<RuleInterface>>,
}

/// What is known of a line that is not applied.
#[derive(Debug, Clone, Default)]
pub struct SkippedRule {
    /// Direction, if it could be read.
    pub direction: Option<Direction>,
    /// Action, if it could be read.
    pub action: Option<Action>,
    /// What it asks of the transport at least; empty: not readable, so anything.
    pub transports: Vec<Transport>,
    /// The group that a GROUP line names.
    pub group: Option<ObjectName>,
}
