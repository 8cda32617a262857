//! One form for rulesets that nft treats alike: the order of the unordered, and what listings rewrite.

use crate::render::mask_of;
use crate::ruleset::{
    Compare, DataType, Element, ElementData, Field, Op, RejectWith, Rule, Ruleset, Set, SetKind, Statement,
    Table, Value,
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
    table.sets.iter_mut().for_each(set);
    table.chains.sort_by(|a, b| a.name.cmp(&b.name));
    for chain in &mut table.chains {
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
    elements.dedup_by(|next, element| match (&mut *element.key, &*next.key) {
        ([Value::Number { last, .. }], [Value::Number { first, last: next_last }])
            if last.checked_add(1) == Some(*first) =>
        {
            *last = *next_last;
            true
        }
        _ => false,
    });
    debug_assert!(elements.iter().all(|element| element.data == ElementData::None), "a set has no data");
}

fn rule(rule: &mut Rule) {
    rule.origin = KERNEL;
    let answers_one_family = rule.statements.iter().any(|statement| {
        matches!(statement, Statement::Reject(RejectWith::HostProhibited | RejectWith::AdminProhibited))
    });
    if answers_one_family {
        rule.statements.retain(|statement| !is_family(statement));
    }
    for statement in &mut rule.statements {
        normal_statement(statement);
    }
}

/// `meta protocol ip`, `meta nfproto ipv4`: listings leave them out where the ICMP of a reject implies them.
fn is_family(statement: &Statement) -> bool {
    match statement {
        Statement::Compare(Compare { field: Field::Protocol, op: Op::Eq, value }) => {
            [0x0800, 0x86dd].map(Value::number).contains(value)
        }
        Statement::Compare(Compare { field: Field::Nfproto, op: Op::Eq, value }) => {
            [2, 10].map(Value::number).contains(value)
        }
        _ => false,
    }
}

fn normal_statement(statement: &mut Statement) {
    match statement {
        Statement::Masked { field: Field::CtState, mask, op: Op::Ne, value: 0 } => {
            *statement = Statement::CtState(*mask);
        }
        // All bits count: no mask.
        Statement::Masked { field, mask, op, value } if *mask == all_bits(*field) => {
            *statement = Statement::Compare(Compare { field: *field, op: *op, value: Value::number(*value) });
        }
        Statement::Masked { field, mask, op, value } => {
            if let Some(value) = leading_bits(*field, *mask, *value) {
                *statement = Statement::Compare(Compare { field: *field, op: *op, value });
            }
        }
        Statement::Meter { field, prefix, .. } if *prefix == Some(field.data_type().bits()) => *prefix = None,
        _ => {}
    }
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
    Some(Value::Number { first: value, last: value | (mask ^ all_bits(field)) })
}
