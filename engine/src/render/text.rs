//! The IR as nft(8) text, in blocks.
//!
//! Inside a table: helper objects, sets, chains, each in the order of the IR. nft creates chains before it fills maps
//! and before it adds rules, so references may point forward.

use super::Lines;
use super::value::prefix_len;
use super::value::{
    push_bits, push_decimal, push_flags, push_hex, push_hex_digits, push_number, push_quoted, push_value,
};
use crate::ruleset::{
    Chain, Compare, DataType, Element, ElementData, Field, HelperObject, Limit, Op, Rule, Ruleset, Set,
    SetKind, Statement, Table, TableFamily, Value, Verdict, implied,
};

/// Writes every table as a block.
pub(crate) fn tables(out: &mut Lines, ruleset: &Ruleset) {
    for table in &ruleset.tables {
        self::table(out, table);
    }
}

/// Takes elements out of a set, by their keys; `place` is its family and table. What leaves has no origin any more.
pub(crate) fn delete_elements(out: &mut Lines, place: &str, set: &Set, elements: &[&Element]) {
    out.line(&["delete element ", place, &set.name, " {"], None);
    for element in elements {
        out.text.push('\t');
        push_key_of(&mut out.text, &set.key, element);
        out.line(&[","], None);
    }
    out.line(&["}"], None);
}

/// A rule in one line.
pub(crate) fn rule_text(rule: &Rule) -> String {
    let mut out = String::new();
    push_rule(&mut out, None, rule);
    out
}

/// A rule in one line, as a table of this family has it.
pub(crate) fn rule_line(family: TableFamily, rule: &Rule) -> String {
    let mut out = String::new();
    push_rule(&mut out, implied::condition(family, &rule.statements), rule);
    out
}

/// An element of a set with this key.
pub(crate) fn element_text(key: &[DataType], element: &Element) -> String {
    let mut out = String::new();
    push_element(&mut out, key, element);
    out
}

/// Writes a table as a block.
pub(crate) fn table(out: &mut Lines, table: &Table) {
    table_in_pieces(out, table, &mut |_| {});
}

/// As [`table`]; `piece` may take what has been written so far, again and again.
pub(super) fn table_in_pieces(out: &mut Lines, table: &Table, piece: &mut dyn FnMut(&mut Lines)) {
    out.line(&["table ", table.family.as_str(), " ", &table.name, " {"], None);
    for helper in &table.helpers {
        push_helper(out, helper);
    }
    for set in &table.sets {
        push_set(out, set);
        piece(out);
    }
    for chain in &table.chains {
        push_chain(out, table.family, chain);
        piece(out);
    }
    out.line(&["}"], None);
}

fn push_helper(out: &mut Lines, helper: &HelperObject) {
    let origin = Some(helper.origin);
    let family = super::json::helper_family(helper.family);
    out.line(&["\tct helper ", &helper.name, " {"], origin);
    out.line(&["\t\ttype \"", helper.helper, "\" protocol ", helper.protocol.as_str()], origin);
    out.line(&["\t\tl3proto ", family], origin);
    out.line(&["\t}"], origin);
}

fn push_set(out: &mut Lines, set: &Set) {
    let origin = Some(set.origin);
    let (word, data) = match set.kind {
        SetKind::Set | SetKind::Dynamic { .. } => ("set", ""),
        SetKind::VerdictMap => ("map", " : verdict"),
        SetKind::MarkMap => ("map", " : mark"),
    };
    out.line(&["\t", word, " ", &set.name, " {"], origin);
    push_key(&mut out.text, &set.key);
    // `typeof` wants an expression on both sides.
    let data = if set.kind == SetKind::MarkMap && has_integer(&set.key) { " : meta mark" } else { data };
    out.line(&[data], origin);
    if set.interval {
        out.line(&["\t\tflags interval"], origin);
    }
    if let SetKind::Dynamic { size, timeout_s } = set.kind {
        push_dynamic(out, size, timeout_s);
        out.end(origin);
    }
    if !set.elements.is_empty() {
        out.line(&["\t\telements = {"], origin);
        for element in &set.elements {
            out.text.push_str("\t\t\t");
            push_element(&mut out.text, &set.key, element);
            out.text.push(',');
            out.end(Some(element.origin));
        }
        out.line(&["\t\t}"], origin);
    }
    out.line(&["\t}"], origin);
}

fn push_dynamic(out: &mut Lines, size: u32, timeout_s: u32) {
    out.text.push_str("\t\tsize ");
    push_decimal(&mut out.text, u128::from(size));
    out.text.push_str("; flags dynamic,timeout; timeout ");
    push_decimal(&mut out.text, u128::from(timeout_s));
    out.text.push('s');
}

/// `type ipv4_addr . inet_service`; integers have no type name, so a key with one is given by fields:
/// `typeof iifname . vlan id`.
fn push_key(out: &mut String, key: &[DataType]) {
    let by_field = has_integer(key);
    out.push_str(if by_field { "\t\ttypeof " } else { "\t\ttype " });
    for (idx, data_type) in key.iter().enumerate() {
        if idx > 0 {
            out.push_str(" . ");
        }
        out.push_str(if by_field { data_type.typical_field().as_str() } else { data_type.as_str() });
    }
}

fn has_integer(key: &[DataType]) -> bool {
    key.iter().any(|data_type| data_type.is_integer())
}

fn push_element(out: &mut String, key: &[DataType], element: &Element) {
    push_key_of(out, key, element);
    match &element.data {
        ElementData::None => {}
        ElementData::Verdict(verdict) => {
            out.push_str(" : ");
            push_verdict(out, verdict);
        }
        ElementData::Mark(mark) => {
            out.push_str(" : ");
            push_number(out, DataType::Mark, u128::from(*mark));
        }
    }
}

fn push_key_of(out: &mut String, key: &[DataType], element: &Element) {
    for (idx, (value, data_type)) in element.key.iter().zip(key).enumerate() {
        if idx > 0 {
            out.push_str(" . ");
        }
        push_value(out, *data_type, value);
    }
}

fn push_chain(out: &mut Lines, family: TableFamily, chain: &Chain) {
    let origin = Some(chain.origin);
    out.line(&["\tchain ", &chain.name, " {"], origin);
    if let Some(base) = &chain.base {
        let priority = base.priority.to_string();
        let device = base.device.as_ref();
        let device = device.map_or_else(String::new, |device| format!(" device \"{}\"", device.name));
        let hook = base.hook.as_str();
        let parts = ["\t\ttype filter hook ", hook, &device, " priority ", &priority, "; policy accept;"];
        out.line(&parts, origin);
    }
    for rule in &chain.rules {
        out.text.push_str("\t\t");
        push_rule(&mut out.text, implied::condition(family, &rule.statements), rule);
        out.end(Some(rule.origin));
    }
    out.line(&["\t}"], origin);
}

/// `implied`: a condition that must be written out, and where.
fn push_rule(out: &mut String, implied: Option<(usize, Statement)>, rule: &Rule) {
    for (idx, statement) in rule.statements.iter().enumerate() {
        if let Some((at, condition)) = &implied
            && *at == idx
        {
            push_statement(out, condition);
            out.push(' ');
        }
        push_statement(out, statement);
        out.push(' ');
    }
    out.push_str("comment \"");
    push_hex_digits(out, u128::from(rule.id.0), 16);
    out.push('"');
}

fn push_statement(out: &mut String, statement: &Statement) {
    match statement {
        Statement::Compare(compare) => push_compare(out, compare),
        Statement::Masked { field, op, bits } => push_masked(out, *field, (bits.mask(), *op, bits.value())),
        Statement::CtState(states) => {
            out.push_str("ct state ");
            push_flags(out, DataType::CtState, u128::from(*states), ',');
        }
        Statement::Lookup { key, set, op } => {
            push_fields(out, key);
            out.push_str(if *op == Op::Ne { " != @" } else { " @" });
            out.push_str(set);
        }
        Statement::VerdictMap { key, map } => {
            push_fields(out, key);
            out.push_str(" vmap @");
            out.push_str(map);
        }
        Statement::Limit { limit, over } => push_limit(out, limit, *over),
        Statement::Meter { set, field, prefix, limit } => {
            out.push_str("update @");
            out.push_str(set);
            out.push_str(" { ");
            push_meter_key(out, *field, *prefix);
            push_limit(out, limit, true);
            out.push_str(" }");
        }
        Statement::Log(prefix) => {
            out.push_str("log prefix ");
            push_quoted(out, prefix);
            out.push_str(" group 0");
        }
        Statement::Counter => out.push_str("counter"),
        Statement::MarkSet(bits) => {
            out.push_str("meta mark set meta mark | ");
            push_hex(out, u128::from(*bits), 8);
        }
        Statement::MarkClear(bits) => {
            out.push_str("meta mark set meta mark & ");
            push_hex(out, u128::from(!*bits), 8);
        }
        Statement::CtMarkSet { key, map } => {
            out.push_str("ct mark set ");
            push_fields(out, key);
            out.push_str(" map @");
            out.push_str(map);
        }
        Statement::CtHelper(name) => {
            out.push_str("ct helper set ");
            push_quoted(out, name);
        }
        Statement::Notrack => out.push_str("notrack"),
        Statement::Forward(device) => {
            out.push_str("fwd to ");
            push_quoted(out, &device.name);
        }
        Statement::Reject(with) => {
            out.push_str("reject with ");
            out.push_str(with.as_str());
        }
        Statement::Verdict(verdict) => push_verdict(out, verdict),
    }
}

fn push_compare(out: &mut String, compare: &Compare) {
    let data_type = compare.field.data_type();
    // A raw payload takes no prefix: `@th,64,128 & 0xff… == 0xfe80…`
    if let (DataType::Integer128, Value::Number(numbers)) = (data_type, &compare.value)
        && let Some(len) = prefix_len(numbers.first(), numbers.last(), 128)
        && numbers.single().is_none()
    {
        return push_masked(out, compare.field, (super::mask_of(len, 128), compare.op, numbers.first()));
    }
    out.push_str(compare.field.as_str());
    out.push_str(match compare.op {
        Op::Ne => " != ",
        // Without an operator a flag type means "one of these bits".
        Op::Eq if matches!(data_type, DataType::CtState | DataType::TcpFlag) => " == ",
        Op::Eq => " ",
    });
    if let Value::Number(numbers) = &compare.value
        && let Some(flags) = numbers.single()
        && is_flags(data_type)
    {
        return push_flag_group(out, data_type, flags);
    }
    push_value(out, data_type, &compare.value);
}

/// `tcp flags & (syn|rst) == syn`, `ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00`
fn push_masked(out: &mut String, field: Field, (mask, op, value): (u128, Op, u128)) {
    let data_type = field.data_type();
    let push = if is_flags(data_type) { push_flag_group } else { push_bits };
    out.push_str(field.as_str());
    out.push_str(" & ");
    push(out, data_type, mask);
    out.push_str(if op == Op::Ne { " != " } else { " == " });
    push(out, data_type, value);
}

fn is_flags(data_type: DataType) -> bool {
    matches!(data_type, DataType::CtState | DataType::TcpFlag)
}

fn push_flag_group(out: &mut String, data_type: DataType, bits: u128) {
    if bits.count_ones() > 1 {
        out.push('(');
        push_flags(out, data_type, bits, '|');
        out.push(')');
    } else {
        push_flags(out, data_type, bits, '|');
    }
}

fn push_fields(out: &mut String, fields: &[Field]) {
    for (idx, field) in fields.iter().enumerate() {
        if idx > 0 {
            out.push_str(" . ");
        }
        out.push_str(field.as_str());
    }
}

fn push_meter_key(out: &mut String, field: Field, prefix: Option<u8>) {
    let data_type = field.data_type();
    out.push_str(field.as_str());
    if let Some(len) = prefix.filter(|len| *len < data_type.bits()) {
        out.push_str(" & ");
        push_bits(out, data_type, super::mask_of(len, data_type.bits()));
    }
    out.push(' ');
}

fn push_limit(out: &mut String, limit: &Limit, over: bool) {
    out.push_str(if over { "limit rate over " } else { "limit rate " });
    push_decimal(out, u128::from(limit.rate));
    out.push('/');
    out.push_str(limit.unit.as_str());
    out.push_str(" burst ");
    push_decimal(out, u128::from(limit.burst));
    out.push_str(" packets");
}

fn push_verdict(out: &mut String, verdict: &Verdict) {
    match verdict {
        Verdict::Accept => out.push_str("accept"),
        Verdict::Drop => out.push_str("drop"),
        Verdict::Return => out.push_str("return"),
        Verdict::Jump(chain) => {
            out.push_str("jump ");
            out.push_str(chain);
        }
        Verdict::Goto(chain) => {
            out.push_str("goto ");
            out.push_str(chain);
        }
    }
}
