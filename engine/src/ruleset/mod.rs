//! The IR: nftables as types. What `plan` builds, `render` prints, `simulate` walks and the kernel holds.
//!
//! Words and meaning are those of nft(8). Two things cannot be written on purpose: an anonymous set (the kernel's
//! cost is quadratic in their number) and an object without an [`Origin`].

pub mod build;
pub mod check;
mod content;
pub mod field;
pub mod implied;
mod number;
mod origin;
pub mod set;
pub mod statement;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

pub use field::{DataType, Field, Header};
pub use number::{Bits, Interval};
pub use origin::Origin;
pub use set::{Element, ElementData, Set, SetKind};
pub use statement::{Compare, Device, Key, Limit, Op, RejectWith, Statement, Value, Verdict};

/// Name of a chain, set, map or conntrack helper inside its table.
pub type Name = Arc<str>;

/// Everything that one generation loads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// The tables, in the order in which they are loaded.
    pub tables: Vec<Table>,
}

/// Family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableFamily {
    /// IPv4 and IPv6 of the host.
    Inet,
    /// Frames on bridges.
    Bridge,
    /// Frames at one device.
    Netdev,
}

impl TableFamily {
    /// The word of nft(8).
    pub fn as_str(self) -> &'static str {
        match self {
            TableFamily::Inet => "inet",
            TableFamily::Bridge => "bridge",
            TableFamily::Netdev => "netdev",
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: TableFamily,
    /// Its name.
    pub name: Name,
    /// Conntrack helper objects.
    pub helpers: Vec<HelperObject>,
    /// Sets and maps, by name. What did not change is shared with the generation before.
    pub sets: Vec<Arc<Set>>,
    /// Chains; base chains first, then regular ones, each in the order a reader wants. Shared as sets are.
    pub chains: Vec<Arc<Chain>>,
}

/// A `ct helper` object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperObject {
    /// Name of the object, `ftp` or `ftp-v6`.
    pub name: Name,
    /// Name of the kernel's helper, `ftp`.
    pub helper: &'static str,
    /// Transport protocol.
    pub protocol: crate::model::port::PortProtocol,
    /// Network protocol.
    pub family: crate::model::address::Family,
    /// Why it is there.
    pub origin: Origin,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: Name,
    /// Its hook; `None` for a regular chain.
    pub base: Option<Base>,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Why it is there.
    pub origin: Origin,
}

/// What makes a chain a base chain. The policy is always accept: what must not pass is dropped by a rule, which
/// has an id, a counter and an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Where in the stack.
    pub hook: Hook,
    /// Order among the base chains of a hook, lower first.
    pub priority: i32,
    /// The device whose frames it sees; family netdev only.
    pub device: Option<Device>,
}

/// Hooks: those of the families `inet` and `bridge`, then that of `netdev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Before the routing or forwarding decision.
    Prerouting,
    /// To the local stack.
    Input,
    /// Through.
    Forward,
    /// From the local stack.
    Output,
    /// Before leaving.
    Postrouting,
    /// Out of a device, behind everything else.
    Egress,
}

impl Hook {
    /// The word of nft(8).
    pub fn as_str(self) -> &'static str {
        match self {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Egress => "egress",
        }
    }
}

/// A rule: conditions, then actions, in evaluation order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Stable id, the comment in the kernel.
    pub id: RuleId,
    /// Conditions and actions.
    pub statements: Vec<Statement>,
    /// Why it is there.
    pub origin: Origin,
}

/// Hash of scope, canonical text and ordinal among identical rules; rules that came from one line share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u64);

impl RuleId {
    /// The id of the `ordinal`-th rule of this text in this scope: its neighbours do not matter.
    pub fn of(scope: &str, canonical: &str, ordinal: u32) -> RuleId {
        RuleScope::new(scope).id(canonical, ordinal)
    }
}

/// What the ids of one scope begin with.
#[derive(Debug, Clone)]
pub struct RuleScope(SipHasher13);

impl RuleScope {
    /// Of this name.
    pub fn new(name: &str) -> RuleScope {
        let mut hasher = SipHasher13::new();
        name.hash(&mut hasher);
        RuleScope(hasher)
    }

    /// As [`RuleId::of`].
    pub fn id(&self, canonical: &str, ordinal: u32) -> RuleId {
        let mut hasher = self.0;
        (canonical, ordinal).hash(&mut hasher);
        RuleId(hasher.finish())
    }
}

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Table {
    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().map(|chain| &**chain).find(|chain| &*chain.name == name)
    }

    /// The set or map of this name.
    pub fn set(&self, name: &str) -> Option<&Set> {
        self.sets.iter().map(|set| &**set).find(|set| &*set.name == name)
    }
}

impl Ruleset {
    /// The table of this family and name.
    pub fn table(&self, family: TableFamily, name: &str) -> Option<&Table> {
        self.tables.iter().find(|t| t.family == family && &*t.name == name)
    }
}
