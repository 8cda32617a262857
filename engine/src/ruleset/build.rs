//! Statements that read like nft(8): `[tcp_dport(22), ip_saddr(net), accept()]`.

use super::field::{Field, Side, ct_state};
use super::statement::{Compare, Device, Limit, Op, RejectWith, Statement, Value, Verdict};
use super::{Bits, DataType, Name};
use crate::model::address::{Cidr, IpInterval, Mac};
use crate::model::options::{Rate, RateUnit};
use crate::model::port::{PortProtocol, PortRange};

/// `<field> <value>`
pub fn is(field: Field, number: u128) -> Statement {
    compare(field, Op::Eq, Value::number(number))
}

/// `<field> != <value>`
pub fn is_not(field: Field, number: u128) -> Statement {
    compare(field, Op::Ne, Value::number(number))
}

/// `<field> <first>-<last>`
pub fn within(field: Field, first: u128, last: u128) -> Statement {
    compare(field, Op::Eq, Value::range(first, last))
}

/// `<field> "<name>"`; a trailing `*` matches any rest.
pub fn named(field: Field, name: &str) -> Statement {
    debug_assert_eq!(field.data_type(), DataType::Ifname);
    compare(field, Op::Eq, Value::name(name))
}

/// `<field> != "<name>"`
pub fn not_named(field: Field, name: &str) -> Statement {
    debug_assert_eq!(field.data_type(), DataType::Ifname);
    compare(field, Op::Ne, Value::name(name))
}

fn compare(field: Field, op: Op, value: Value) -> Statement {
    Statement::Compare(Compare { field, op, value })
}

/// `ip saddr <interval>` and its likes.
pub fn address(field: Field, interval: IpInterval) -> Statement {
    within(field, interval.first, interval.last)
}

/// `ip saddr <network>` and its likes; panics never: the text is a constant of the skeleton.
pub fn network(field: Field, cidr: Cidr) -> Statement {
    address(field, cidr.interval())
}

/// `ether daddr <mac>`
pub fn ether(field: Field, mac: Mac) -> Statement {
    is(field, mac.number())
}

/// `<field> & <mask> == <value>`
pub fn masked(field: Field, mask: u128, value: u128) -> Statement {
    Statement::Masked { field, op: Op::Eq, bits: Bits::new(mask, value) }
}

/// `<field> & <mask> != <value>`
pub fn not_masked(field: Field, mask: u128, value: u128) -> Statement {
    Statement::Masked { field, op: Op::Ne, bits: Bits::new(mask, value) }
}

/// `<proto> sport|dport <range>`
pub fn port(protocol: PortProtocol, side: Side, range: PortRange) -> Statement {
    within(Field::Port(protocol, side), u128::from(range.first), u128::from(range.last))
}

/// `tcp dport <port>`
pub fn tcp_dport(port: u16) -> Statement {
    is(Field::Port(PortProtocol::Tcp, Side::Dest), u128::from(port))
}

/// `udp dport <port>`
pub fn udp_dport(port: u16) -> Statement {
    is(Field::Port(PortProtocol::Udp, Side::Dest), u128::from(port))
}

/// `udp sport <port>`
pub fn udp_sport(port: u16) -> Statement {
    is(Field::Port(PortProtocol::Udp, Side::Source), u128::from(port))
}

/// `meta l4proto <number>`
pub fn l4proto(number: u8) -> Statement {
    is(Field::L4proto, u128::from(number))
}

/// `<key> @<set>`
pub fn in_set<const N: usize>(key: &[Field; N], set: &Name) -> Statement {
    Statement::Lookup { key: key.into(), set: set.clone(), op: Op::Eq }
}

/// `<key> != @<set>`
pub fn not_in_set<const N: usize>(key: &[Field; N], set: &Name) -> Statement {
    Statement::Lookup { key: key.into(), set: set.clone(), op: Op::Ne }
}

/// `<key> vmap @<map>`
pub fn vmap<const N: usize>(key: &[Field; N], map: &Name) -> Statement {
    Statement::VerdictMap { key: key.into(), map: map.clone() }
}

/// `ct state established,related`
pub fn ct_known() -> Statement {
    Statement::CtState(ct_state::ESTABLISHED | ct_state::RELATED)
}

/// `ct state invalid`
pub fn ct_invalid() -> Statement {
    Statement::CtState(ct_state::INVALID)
}

/// `counter`
pub fn counter() -> Statement {
    Statement::Counter
}

/// `accept`
pub fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

/// `drop`
pub fn drop() -> Statement {
    Statement::Verdict(Verdict::Drop)
}

/// `return`
pub fn return_() -> Statement {
    Statement::Verdict(Verdict::Return)
}

/// `jump <chain>`
pub fn jump(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(chain.into()))
}

/// `goto <chain>`
pub fn goto(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Goto(chain.into()))
}

/// `reject with …`
pub fn reject(with: RejectWith) -> Statement {
    Statement::Reject(with)
}

/// `fwd to "<device>"`
pub fn forward(name: &str, index: u32) -> Statement {
    Statement::Forward(Device { name: name.into(), index })
}

/// `limit rate …`: holds while under the rate.
pub fn limit(rate: Rate) -> Statement {
    Statement::Limit { limit: rate.into(), over: false }
}

/// `limit rate N/second burst M packets` as a value.
pub fn per_second(rate: u64, burst: u32) -> Limit {
    Limit { rate, unit: RateUnit::Second, burst }
}

impl From<Rate> for Limit {
    fn from(rate: Rate) -> Limit {
        Limit { rate: rate.rate, unit: rate.unit, burst: rate.burst }
    }
}
