//! Conditions and actions of a rule.

use super::{Field, Name};
use crate::model::options::RateUnit;

/// One condition or action. A condition that fails ends the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `<field> [!=] <value>`
    Compare(Compare),
    /// `<field> & <mask> == <value>` or `!=`; for `ct state` and `tcp flags` nft writes flag names.
    Masked {
        /// The field.
        field: Field,
        /// Bits that count.
        mask: u128,
        /// Equal or not.
        op: Op,
        /// What they are compared with.
        value: u128,
    },
    /// `ct state <a,b>`: one of the states holds.
    CtState(u128),
    /// `<key> [!=] @<set>`
    Lookup {
        /// Fields, concatenated.
        key: Box<[Field]>,
        /// Name of the set.
        set: Name,
        /// [`Op::Ne`]: holds if the key is not in the set.
        op: Op,
    },
    /// `<key> vmap @<map>`: the verdict of the element; no element: the rule goes on.
    VerdictMap {
        /// Fields, concatenated.
        key: Box<[Field]>,
        /// Name of the map.
        map: Name,
    },
    /// `limit rate [over] …`: holds while under (or over) the rate.
    Limit {
        /// The token bucket.
        limit: Limit,
        /// Holds when the rate is exceeded.
        over: bool,
    },
    /// `update @<set> { <field>[ & prefix] limit rate over … }`: holds when the rate of this key is exceeded.
    Meter {
        /// The dynamic set.
        set: Name,
        /// Its key.
        field: Field,
        /// Only this many leading bits of the field count.
        prefix: Option<u8>,
        /// The token bucket of each key.
        limit: Limit,
    },
    /// `log prefix "…" group 0`
    Log(Box<str>),
    /// `counter`
    Counter,
    /// `meta mark set meta mark | <bits>`
    MarkSet(u32),
    /// `meta mark set meta mark & ~<bits>`
    MarkClear(u32),
    /// `ct mark set <field> map @<map>`; no element: nothing is set.
    CtMarkSet {
        /// Key of the map.
        field: Field,
        /// Name of the map.
        map: Name,
    },
    /// `ct helper set "<object>"`
    CtHelper(Name),
    /// `notrack`
    Notrack,
    /// `reject with …`: answers and drops.
    Reject(RejectWith),
    /// A verdict.
    Verdict(Verdict),
}

/// `<field> [!=] <value>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The field.
    pub field: Field,
    /// Equal or not.
    pub op: Op,
    /// The value.
    pub value: Value,
}

/// Relational operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `==`
    Eq,
    /// `!=`
    Ne,
}

/// A value of a field: its data type says how to read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// From `first` to `last`, both included; equal for a single value. Big-endian for addresses.
    Number {
        /// Lowest.
        first: u128,
        /// Highest.
        last: u128,
    },
    /// An interface name; a trailing `*` matches any rest.
    Name(Name),
}

impl Value {
    /// A single number.
    pub fn number(number: u128) -> Value {
        Value::Number { first: number, last: number }
    }
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Ends this base chain; the next one of the hook goes on.
    Accept,
    /// Ends the packet.
    Drop,
    /// Calls a chain; its end comes back here.
    Jump(Name),
    /// Continues in a chain; its end comes back to the caller of this one.
    Goto(Name),
    /// Back to the caller.
    Return,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit {
    /// Packets per unit.
    pub rate: u64,
    /// Unit.
    pub unit: RateUnit,
    /// Packets that may come at once.
    pub burst: u32,
}

/// What a rejected packet is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectWith {
    /// TCP RST.
    TcpReset,
    /// ICMP 3/3 or ICMPv6 1/4, by family.
    PortUnreachable,
    /// ICMP 3/10 (host prohibited); IPv4 only.
    HostProhibited,
    /// ICMPv6 1/1 (administratively prohibited); IPv6 only.
    AdminProhibited,
}

impl RejectWith {
    /// The text behind `reject with`.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectWith::TcpReset => "tcp reset",
            RejectWith::PortUnreachable => "icmpx type port-unreachable",
            RejectWith::HostProhibited => "icmp type host-prohibited",
            RejectWith::AdminProhibited => "icmpv6 type admin-prohibited",
        }
    }
}
