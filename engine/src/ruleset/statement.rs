//! Conditions and actions of a rule.

use std::sync::Arc;

use super::{Bits, Field, Interval, Name};
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
        /// Equal or not.
        op: Op,
        /// Mask and value.
        bits: Bits,
    },
    /// `ct state <a,b>`: one of the states holds.
    CtState(u32),
    /// `<key> [!=] @<set>`
    Lookup {
        /// Fields, concatenated.
        key: Key,
        /// Name of the set.
        set: Name,
        /// [`Op::Ne`]: holds if the key is not in the set.
        op: Op,
    },
    /// `<key> vmap @<map>`: the verdict of the element; no element: the rule goes on.
    VerdictMap {
        /// Fields, concatenated.
        key: Key,
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
        limit: Box<Limit>,
    },
    /// `log prefix "…" group 0`
    Log(Arc<str>),
    /// `counter`
    Counter,
    /// `meta mark set meta mark | <bits>`
    MarkSet(u32),
    /// `meta mark set meta mark & ~<bits>`
    MarkClear(u32),
    /// `ct mark set <key> map @<map>`; no element: nothing is set.
    CtMarkSet {
        /// Key of the map.
        key: Key,
        /// Name of the map.
        map: Name,
    },
    /// `ct helper set "<object>"`
    CtHelper(Name),
    /// `notrack`
    Notrack,
    /// `fwd to "<device>"`: the frame leaves through another device, and is never seen here again.
    Forward(Device),
    /// `reject with …`: answers and drops.
    Reject(RejectWith),
    /// A verdict.
    Verdict(Verdict),
}

impl Statement {
    /// The fields that it asks for by name.
    pub fn fields(&self) -> &[Field] {
        match self {
            Statement::Compare(Compare { field, .. })
            | Statement::Masked { field, .. }
            | Statement::Meter { field, .. } => std::slice::from_ref(field),
            Statement::Lookup { key, .. }
            | Statement::VerdictMap { key, .. }
            | Statement::CtMarkSet { key, .. } => key,
            Statement::CtState(_)
            | Statement::Limit { .. }
            | Statement::Log(_)
            | Statement::Counter
            | Statement::MarkSet(_)
            | Statement::MarkClear(_)
            | Statement::CtHelper(_)
            | Statement::Notrack
            | Statement::Forward(_)
            | Statement::Reject(_)
            | Statement::Verdict(_) => &[],
        }
    }
}

/// Fields of a key, concatenated. In place: every third rule has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Those behind `len` are all the same one.
    fields: [Field; Key::LEN_MAX],
    len: u8,
}

impl Key {
    /// No key of ours has more fields.
    pub const LEN_MAX: usize = 4;

    /// `None`: more fields than a key of ours has.
    pub fn new(fields: &[Field]) -> Option<Key> {
        let mut key = Key { fields: [Field::Iifname; Key::LEN_MAX], len: u8::try_from(fields.len()).ok()? };
        key.fields.get_mut(..fields.len())?.copy_from_slice(fields);
        Some(key)
    }
}

impl std::ops::Deref for Key {
    type Target = [Field];

    fn deref(&self) -> &[Field] {
        &self.fields[..usize::from(self.len)]
    }
}

impl<const N: usize> From<[Field; N]> for Key {
    fn from(fields: [Field; N]) -> Key {
        const { assert!(N <= Key::LEN_MAX) };
        Key::new(&fields).expect("asserted when compiled")
    }
}

impl<const N: usize> From<&[Field; N]> for Key {
    fn from(fields: &[Field; N]) -> Key {
        Key::from(*fields)
    }
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
    /// One or several consecutive ones. Big-endian for addresses.
    Number(Interval),
    /// An interface name; a trailing `*` matches any rest. Shared once more, or all values would have twice the size.
    Name(Arc<Name>),
}

impl Value {
    /// A single number.
    pub fn number(number: u128) -> Value {
        Value::range(number, number)
    }

    /// The numbers from `first` to `last`.
    pub fn range(first: u128, last: u128) -> Value {
        Value::Number(Interval::new(first, last))
    }

    /// An interface name.
    pub fn name(name: impl Into<Name>) -> Value {
        Value::Name(Arc::new(name.into()))
    }
}

/// A device by its name, and by the number that the kernel has given it: a device that takes its place has another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Its name.
    pub name: Name,
    /// Its interface index.
    pub index: u32,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A ruleset of a thousand guests has some 330,000 statements.
    #[test]
    fn statements_are_small() {
        assert!(size_of::<Statement>() <= 32);
        assert!(size_of::<Value>() <= 16);
    }
}
