//! Short builders for rulesets in tests, rulesets that use all of the IR, and `nft` in a namespace of its own.

pub(crate) mod kitchen;
pub(crate) mod nft;

use engine::model::options::RateUnit;
use engine::ruleset::{
    Base, Bits, Chain, Compare, DataType, Element, ElementData, Field, Hook, Limit, Op, Origin, Rule, RuleId,
    Ruleset, Set, SetKind, Statement, Value, Verdict,
};

/// Origin of everything here.
pub(crate) const ORIGIN: Origin = Origin::Skeleton("kernel");

/// A chain whose rules have one element of `rules` each; ids count up from `first_id`.
pub(crate) fn chain(
    name: &str,
    base: Option<(Hook, i32)>,
    first_id: u64,
    rules: Vec<Vec<Statement>>,
) -> Chain {
    let rules = (first_id..)
        .zip(rules)
        .map(|(id, statements)| Rule { id: RuleId(id), statements, origin: ORIGIN })
        .collect();
    let base = base.map(|(hook, priority)| Base { hook, priority, device: None });
    Chain { name: name.into(), base, rules, origin: ORIGIN }
}

/// A set or map without elements.
pub(crate) fn set(name: &str, key: &[DataType], kind: SetKind) -> Set {
    Set { name: name.into(), key: key.into(), kind, interval: false, elements: Vec::new(), origin: ORIGIN }
}

/// What a listing says, with the number of the one device that every namespace has.
pub(crate) fn held(listing: &serde_json::Value) -> Ruleset {
    let mut held = engine::lift::ruleset(listing).expect("the kernel holds what the IR can say");
    engine::lift::with_indexes(&mut held, |name| (name == "lo").then_some(1));
    held
}

/// An element without data.
pub(crate) fn element<const N: usize>(key: [Value; N]) -> Element {
    Element { key: key.into(), data: ElementData::None, origin: ORIGIN }
}

/// An element of a map.
pub(crate) fn entry<const N: usize>(key: [Value; N], data: ElementData) -> Element {
    Element { key: key.into(), data, origin: ORIGIN }
}

/// A number.
pub(crate) fn n(number: u128) -> Value {
    Value::number(number)
}

/// An interval.
pub(crate) fn range(first: u128, last: u128) -> Value {
    Value::range(first, last)
}

/// An interface.
pub(crate) fn name(text: &str) -> Value {
    Value::name(text)
}

/// `<field> <value>`
pub(crate) fn eq(field: Field, value: Value) -> Statement {
    Statement::Compare(Compare { field, op: Op::Eq, value })
}

/// `<field> != <value>`
pub(crate) fn ne(field: Field, value: Value) -> Statement {
    Statement::Compare(Compare { field, op: Op::Ne, value })
}

/// `<field> & <mask> == <value>`
pub(crate) fn masked(field: Field, mask: u128, op: Op, value: u128) -> Statement {
    Statement::Masked { field, op, bits: Bits::new(mask, value) }
}

/// `<key> @<set>`
pub(crate) fn lookup<const N: usize>(key: &[Field; N], set: &str, op: Op) -> Statement {
    Statement::Lookup { key: key.into(), set: set.into(), op }
}

/// `<key> vmap @<map>`
pub(crate) fn vmap<const N: usize>(key: &[Field; N], map: &str) -> Statement {
    Statement::VerdictMap { key: key.into(), map: map.into() }
}

/// `accept`
pub(crate) fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

/// `drop`
pub(crate) fn drop() -> Statement {
    Statement::Verdict(Verdict::Drop)
}

/// Packets per second.
pub(crate) fn per_second(rate: u64, burst: u32) -> Limit {
    Limit { rate, unit: RateUnit::Second, burst }
}

/// `10.1.2.3` as a number.
pub(crate) fn v4(text: &str) -> u128 {
    u128::from(u32::from(text.parse::<std::net::Ipv4Addr>().expect("an IPv4 address")))
}

/// `fe80::1` as a number.
pub(crate) fn v6(text: &str) -> u128 {
    u128::from(text.parse::<std::net::Ipv6Addr>().expect("an IPv6 address"))
}
