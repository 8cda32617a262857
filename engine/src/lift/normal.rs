//! One form for rulesets that nft treats alike: the order of the unordered, and what listings rewrite.

use std::sync::Arc;

use crate::render::{mask_of, numbers_of};
use crate::ruleset::check::{Implied, implied_by, rejected};
use crate::ruleset::{
    Bits, Compare, DataType, Element, ElementData, Field, Interval, Op, Rule, Ruleset, Set, SetKind,
    Statement, Table, Value,
};

use super::KERNEL;
use super::expression::mask_len;

/// The ruleset without origins, with sets and elements sorted, adjacent intervals joined, contents of dynamic sets
/// left out, and statements as a listing shows them. Rules keep their order.
pub fn normal(ruleset: &Ruleset) -> Ruleset {
    let mut ruleset = ruleset.clone();
    ruleset.tables.sort_by(|a, b| (a.family, &a.name).cmp(&(b.family, &b.name)));
    ruleset.tables.iter_mut().for_each(table);
    ruleset
}

fn table(table: &mut Table) {
    table.helpers.sort_by(|a, b| a.name.cmp(&b.name));
    table.helpers.iter_mut().for_each(|helper| helper.origin = KERNEL);
    table.sets.sort_by(|a, b| a.name.cmp(&b.name));
    table.sets.iter_mut().map(Arc::make_mut).for_each(set);
    table.chains.sort_by(|a, b| a.name.cmp(&b.name));
    for chain in table.chains.iter_mut().map(Arc::make_mut) {
        chain.origin = KERNEL;
        chain.rules.iter_mut().for_each(rule);
    }
}

fn set(set: &mut Set) {
    set.origin = KERNEL;
    for data_type in &mut set.key {
        if data_type.is_integer() {
            *data_type = DataType::Integer16;
        }
    }
    set.elements.iter_mut().for_each(|element| element.origin = KERNEL);
    set.elements.sort_by(|a, b| a.key.cmp(&b.key));
    match set.kind {
        SetKind::Dynamic { .. } => set.elements.clear(),
        SetKind::Set if set.interval && set.key.len() == 1 => join_adjacent(&mut set.elements),
        SetKind::Set | SetKind::VerdictMap | SetKind::MarkMap => {}
    }
}

fn join_adjacent(elements: &mut Vec<Element>) {
    elements.dedup_by(|next, element| match (Arc::make_mut(&mut element.key), &*next.key) {
        ([Value::Number(numbers)], [Value::Number(next)])
            if numbers.last().checked_add(1) == Some(next.first()) =>
        {
            *numbers = Interval::new(numbers.first(), next.last());
            true
        }
        _ => false,
    });
    debug_assert!(elements.iter().all(|element| element.data == ElementData::None), "a set has no data");
}

fn rule(rule: &mut Rule) {
    rule.origin = KERNEL;
    let implied: Vec<Implied> = rule.statements.iter().flat_map(implied).collect();
    rule.statements.retain(|statement| !is_implied(statement, &implied));
    for statement in &mut rule.statements {
        normal_statement(statement);
    }
}

fn implied(statement: &Statement) -> impl Iterator<Item = Implied> {
    // `reject with tcp reset` implies TCP, but listings show what says so.
    let answer = rejected(statement).map(|(network, _)| (network, None));
    statement.fields().iter().map(|field| implied_by(*field)).chain(answer).chain(family_of_icmp(statement))
}

/// `meta l4proto icmp` belongs to one family: listings leave the family out.
fn family_of_icmp(statement: &Statement) -> Option<Implied> {
    let Statement::Compare(Compare { field: Field::L4proto, op: Op::Eq, value }) = statement else {
        return None;
    };
    let Value::Number(numbers) = value else { return None };
    match numbers.single()? {
        1 => Some((Some("ip"), None)),
        58 => Some((Some("ip6"), None)),
        _ => None,
    }
}

/// `meta l4proto tcp` beside `tcp dport 22`: listings leave out what goes without saying.
fn is_implied(statement: &Statement, implied: &[Implied]) -> bool {
    let Statement::Compare(Compare { field, op: Op::Eq, value: Value::Number(numbers) }) = statement else {
        return false;
    };
    numbers.single().is_some_and(|number| {
        implied.iter().any(|(network, transport)| {
            let (name, names) = match field {
                Field::L4proto => (*transport, DataType::InetProto),
                Field::Protocol | Field::EtherType => (*network, DataType::EtherType),
                Field::Nfproto if *network == Some("ip") => (Some("ipv4"), DataType::Nfproto),
                Field::Nfproto if *network == Some("ip6") => (Some("ipv6"), DataType::Nfproto),
                _ => return false,
            };
            name.and_then(|name| numbers_of(None, names, name)) == Some(number)
        })
    })
}

fn normal_statement(statement: &mut Statement) {
    match statement {
        Statement::Masked { field, op, bits } => {
            if let Some(plain) = without_mask(*field, *op, bits) {
                *statement = plain;
            }
        }
        Statement::Meter { field, prefix, .. } if *prefix == Some(field.data_type().bits()) => *prefix = None,
        _ => {}
    }
}

fn without_mask(field: Field, op: Op, bits: &Bits) -> Option<Statement> {
    let (mask, value) = (bits.mask(), bits.value());
    if let (Field::CtState, Op::Ne, Ok(states), 0) = (field, op, u32::try_from(mask), value) {
        return Some(Statement::CtState(states));
    }
    // All bits count: no mask.
    let value = match mask == all_bits(field) {
        true => Value::number(value),
        false => leading_bits(field, mask, value)?,
    };
    Some(Statement::Compare(Compare { field, op, value }))
}

fn all_bits(field: Field) -> u128 {
    let bits = field.data_type().bits();
    mask_of(bits, bits)
}

/// The interval that a mask of leading bits means: `ip saddr & 255.0.0.0 == 10.0.0.0` is `ip saddr 10.0.0.0/8`.
fn leading_bits(field: Field, mask: u128, value: u128) -> Option<Value> {
    let data_type = field.data_type();
    if matches!(data_type, DataType::CtState | DataType::TcpFlag) || mask == 0 || value & !mask != 0 {
        return None;
    }
    mask_len(mask, data_type.bits())?;
    Some(Value::range(value, value | (mask ^ all_bits(field))))
}
