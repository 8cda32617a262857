//! The IR as libnftables JSON (libnftables-json(5)): the commands of a whole transaction.
//!
//! Numbers are written as numbers: names differ between versions. Inside a table the order is chains, helper objects,
//! sets, rules, since commands take effect one by one: a map's verdict names a chain that must exist. No `dynamic`
//! flag: nft 1.0.6 refuses it here and sets it itself for a set that a rule updates.

use super::value::{address_prefix_len, mask_of, prefix_len, push_decimal, push_plain};
use crate::model::address::Family;
use crate::ruleset::{
    Chain, Compare, DataType, Element, ElementData, Field, HelperObject, Limit, Op, RejectWith, Rule,
    Ruleset, Set, SetKind, Statement, Table, Value, Verdict,
};

/// One transaction that replaces the tables of `ruleset`, as a JSON document.
pub fn json(ruleset: &Ruleset) -> String {
    let mut out = String::from("{\"nftables\":[{\"metainfo\":{\"json_schema_version\":1}}");
    for table in &ruleset.tables {
        for command in ["add", "delete", "add"] {
            open(&mut out, command, "table", table);
            push_member(&mut out, "name", &table.name);
            close(&mut out);
        }
        push_table(&mut out, table);
    }
    out.push_str("]}\n");
    out
}

/// The word of `l3proto`.
pub(super) fn helper_family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

fn push_table(out: &mut String, table: &Table) {
    for chain in &table.chains {
        push_chain(out, table, chain);
    }
    for helper in &table.helpers {
        push_helper(out, table, helper);
    }
    for set in &table.sets {
        push_set(out, table, set);
    }
    for chain in &table.chains {
        for rule in &chain.rules {
            push_rule(out, table, chain, rule);
        }
    }
}

/// `,{"add":{"chain":{"family":"inet"`
fn open(out: &mut String, command: &str, object: &str, table: &Table) {
    for part in [",{\"", command, "\":{\"", object, "\":{\"family\":\"", table.family.as_str(), "\""] {
        out.push_str(part);
    }
}

fn close(out: &mut String) {
    out.push_str("}}}");
}

/// `,"name":"text"`
fn push_member(out: &mut String, name: &str, text: &str) {
    for part in [",\"", name, "\":"] {
        out.push_str(part);
    }
    push_string(out, text);
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\x1f' => {
                out.push_str("\\u");
                super::value::push_hex_digits(out, u128::from(u32::from(character)), 4);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// Writes `items` with commas between them.
fn push_list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut push: impl FnMut(&mut String, T)) {
    for (idx, item) in items.into_iter().enumerate() {
        if idx > 0 {
            out.push(',');
        }
        push(out, item);
    }
}

fn push_helper(out: &mut String, table: &Table, helper: &HelperObject) {
    open(out, "add", "ct helper", table);
    push_member(out, "table", &table.name);
    push_member(out, "name", &helper.name);
    push_member(out, "type", helper.helper);
    push_member(out, "protocol", helper.protocol.as_str());
    push_member(out, "l3proto", helper_family(helper.family));
    close(out);
}

fn push_set(out: &mut String, table: &Table, set: &Set) {
    let (object, data) = match set.kind {
        SetKind::Set | SetKind::Dynamic { .. } => ("set", None),
        SetKind::VerdictMap => ("map", Some("verdict")),
        SetKind::MarkMap => ("map", Some("mark")),
    };
    open(out, "add", object, table);
    push_member(out, "table", &table.name);
    push_member(out, "name", &set.name);
    push_key_type(out, &set.key);
    if let Some(data) = data {
        push_member(out, "map", data);
    }
    if set.interval {
        out.push_str(",\"flags\":[\"interval\"]");
    }
    if let SetKind::Dynamic { size, timeout_s } = set.kind {
        out.push_str(",\"flags\":[\"timeout\"],\"size\":");
        push_decimal(out, u128::from(size));
        out.push_str(",\"timeout\":");
        push_decimal(out, u128::from(timeout_s));
    }
    if !set.elements.is_empty() {
        out.push_str(",\"elem\":[");
        push_list(out, &set.elements, |out, element| push_element(out, &set.key, element));
        out.push(']');
    }
    close(out);
}

/// Integers have no type name; nft 1.0.6 has no JSON for a key with one, later versions take fields.
fn push_key_type(out: &mut String, key: &[DataType]) {
    if key.iter().any(|data_type| data_type.is_integer()) {
        let fields: Vec<Field> = key.iter().map(|data_type| data_type.typical_field()).collect();
        out.push_str(",\"type\":{\"typeof\":");
        push_fields(out, &fields);
        return out.push('}');
    }
    if let [data_type] = key {
        return push_member(out, "type", data_type.as_str());
    }
    out.push_str(",\"type\":[");
    push_list(out, key, |out, data_type| push_string(out, data_type.as_str()));
    out.push(']');
}

fn push_element(out: &mut String, key: &[DataType], element: &Element) {
    match &element.data {
        ElementData::None => push_element_key(out, key, element),
        ElementData::Verdict(verdict) => {
            out.push('[');
            push_element_key(out, key, element);
            out.push(',');
            push_verdict(out, verdict);
            out.push(']');
        }
        ElementData::Mark(mark) => {
            out.push('[');
            push_element_key(out, key, element);
            out.push(',');
            push_decimal(out, u128::from(*mark));
            out.push(']');
        }
    }
}

fn push_element_key(out: &mut String, key: &[DataType], element: &Element) {
    if let ([data_type], [value]) = (key, &*element.key) {
        return push_value(out, *data_type, value);
    }
    out.push_str("{\"concat\":[");
    push_list(out, key.iter().zip(&element.key), |out, (data_type, value)| {
        push_value(out, *data_type, value)
    });
    out.push_str("]}");
}

fn push_value(out: &mut String, data_type: DataType, value: &Value) {
    match value {
        Value::Name(name) => push_string(out, name),
        Value::Number { first, last } if first == last => push_number(out, data_type, *first),
        Value::Number { first, last } => match address_prefix_len(data_type, *first, *last) {
            Some(len) => {
                out.push_str("{\"prefix\":{\"addr\":");
                push_number(out, data_type, *first);
                out.push_str(",\"len\":");
                push_decimal(out, u128::from(len));
                out.push_str("}}");
            }
            None => {
                out.push_str("{\"range\":[");
                push_list(out, [first, last], |out, number| push_number(out, data_type, *number));
                out.push_str("]}");
            }
        },
    }
}

fn push_number(out: &mut String, data_type: DataType, number: u128) {
    match data_type {
        // Beyond what a JSON integer holds, or not an integer at all.
        DataType::Ipv4Addr | DataType::Ipv6Addr | DataType::EtherAddr | DataType::Integer128 => {
            out.push('"');
            push_plain(out, data_type, number);
            out.push('"');
        }
        _ => push_decimal(out, number),
    }
}

fn push_chain(out: &mut String, table: &Table, chain: &Chain) {
    open(out, "add", "chain", table);
    push_member(out, "table", &table.name);
    push_member(out, "name", &chain.name);
    if let Some(base) = chain.base {
        push_member(out, "type", "filter");
        push_member(out, "hook", base.hook.as_str());
        out.push_str(",\"prio\":");
        out.push_str(&base.priority.to_string());
        push_member(out, "policy", "accept");
    }
    close(out);
}

fn push_rule(out: &mut String, table: &Table, chain: &Chain, rule: &Rule) {
    open(out, "add", "rule", table);
    push_member(out, "table", &table.name);
    push_member(out, "chain", &chain.name);
    out.push_str(",\"expr\":[");
    push_list(out, &rule.statements, push_statement);
    out.push_str("],\"comment\":\"");
    super::value::push_hex_digits(out, u128::from(rule.id.0), 16);
    out.push('"');
    close(out);
}

fn push_statement(out: &mut String, statement: &Statement) {
    match statement {
        Statement::Compare(compare) => push_compare(out, compare),
        Statement::Masked { field, mask, op, value } => {
            push_match(
                out,
                op_text(*op),
                |out| push_masked_field(out, *field, *mask),
                |out| {
                    push_number(out, field.data_type(), *value);
                },
            );
        }
        Statement::CtState(states) => {
            push_match(
                out,
                "in",
                |out| push_field(out, Field::CtState),
                |out| {
                    push_flag_names(out, *states);
                },
            );
        }
        Statement::Lookup { key, set, op } => {
            push_match(out, op_text(*op), |out| push_fields(out, key), |out| push_reference(out, set));
        }
        Statement::VerdictMap { key, map } => {
            out.push_str("{\"vmap\":{\"key\":");
            push_fields(out, key);
            out.push_str(",\"data\":");
            push_reference(out, map);
            out.push_str("}}");
        }
        Statement::Limit { limit, over } => push_limit(out, limit, *over),
        Statement::Meter { set, field, prefix, limit } => {
            out.push_str("{\"set\":{\"op\":\"update\",\"elem\":");
            push_meter_key(out, *field, *prefix);
            out.push_str(",\"set\":");
            push_reference(out, set);
            out.push_str(",\"stmt\":[");
            push_limit(out, limit, true);
            out.push_str("]}}");
        }
        Statement::Log(prefix) => {
            out.push_str("{\"log\":{\"prefix\":");
            push_string(out, prefix);
            out.push_str(",\"group\":0}}");
        }
        Statement::Counter => out.push_str("{\"counter\":null}"),
        Statement::MarkSet(bits) => push_mark(out, "|", *bits),
        Statement::MarkClear(bits) => push_mark(out, "&", !*bits),
        Statement::CtMarkSet { field, map } => {
            out.push_str("{\"mangle\":{\"key\":{\"ct\":{\"key\":\"mark\"}},\"value\":{\"map\":{\"key\":");
            push_field(out, *field);
            out.push_str(",\"data\":");
            push_reference(out, map);
            out.push_str("}}}}");
        }
        Statement::CtHelper(name) => {
            out.push_str("{\"ct helper\":");
            push_string(out, name);
            out.push('}');
        }
        Statement::Notrack => out.push_str("{\"notrack\":null}"),
        Statement::Reject(with) => out.push_str(reject(*with)),
        Statement::Verdict(verdict) => push_verdict(out, verdict),
    }
}

fn op_text(op: Op) -> &'static str {
    match op {
        Op::Eq => "==",
        Op::Ne => "!=",
    }
}

fn push_match(out: &mut String, op: &str, left: impl FnOnce(&mut String), right: impl FnOnce(&mut String)) {
    for part in ["{\"match\":{\"op\":\"", op, "\",\"left\":"] {
        out.push_str(part);
    }
    left(out);
    out.push_str(",\"right\":");
    right(out);
    out.push_str("}}");
}

fn push_compare(out: &mut String, compare: &Compare) {
    let Compare { field, op, value } = compare;
    let data_type = field.data_type();
    // A raw payload takes no prefix.
    if let (DataType::Integer128, Value::Number { first, last }) = (data_type, value)
        && let Some(len) = prefix_len(*first, *last, 128)
        && first != last
    {
        let left = |out: &mut String| push_masked_field(out, *field, mask_of(len, 128));
        return push_match(out, op_text(*op), left, |out| push_number(out, data_type, *first));
    }
    push_match(out, op_text(*op), |out| push_field(out, *field), |out| push_value(out, data_type, value));
}

fn push_masked_field(out: &mut String, field: Field, mask: u128) {
    out.push_str("{\"&\":[");
    push_field(out, field);
    out.push(',');
    push_number(out, field.data_type(), mask);
    out.push_str("]}");
}

fn push_flag_names(out: &mut String, bits: u128) {
    let names = super::symbols(DataType::CtState);
    out.push('[');
    push_list(out, names.iter().filter(|(bit, _)| bits & bit != 0), |out, (_, name)| push_string(out, name));
    out.push(']');
}

/// `{"payload":{"protocol":"ip","field":"saddr"}}`
fn push_field(out: &mut String, field: Field) {
    let text = field.as_str();
    let (first, rest) = text.split_once(' ').unwrap_or(("meta", text));
    let parts: &[&str] = match (field, first) {
        (Field::NdTarget, _) => &["{\"payload\":{\"base\":\"th\",\"offset\":64,\"len\":128}}"],
        (Field::FibSaddrType, _) => &["{\"fib\":{\"result\":\"type\",\"flags\":[\"saddr\"]}}"],
        (Field::FibDaddrType, _) => &["{\"fib\":{\"result\":\"type\",\"flags\":[\"daddr\"]}}"],
        (_, "meta" | "ct") => &["{\"", first, "\":{\"key\":\"", rest, "\"}}"],
        (_, "frag") => &["{\"exthdr\":{\"name\":\"frag\",\"field\":\"", rest, "\"}}"],
        _ => &["{\"payload\":{\"protocol\":\"", first, "\",\"field\":\"", rest, "\"}}"],
    };
    for part in parts {
        out.push_str(part);
    }
}

fn push_fields(out: &mut String, fields: &[Field]) {
    if let [field] = fields {
        return push_field(out, *field);
    }
    out.push_str("{\"concat\":[");
    push_list(out, fields, |out, field| push_field(out, *field));
    out.push_str("]}");
}

/// `"@name"`
fn push_reference(out: &mut String, name: &str) {
    for part in ["\"@", name, "\""] {
        out.push_str(part);
    }
}

fn push_meter_key(out: &mut String, field: Field, prefix: Option<u8>) {
    let bits = field.data_type().bits();
    match prefix.filter(|len| *len < bits) {
        Some(len) => push_masked_field(out, field, mask_of(len, bits)),
        None => push_field(out, field),
    }
}

fn push_limit(out: &mut String, limit: &Limit, over: bool) {
    out.push_str("{\"limit\":{\"rate\":");
    push_decimal(out, u128::from(limit.rate));
    out.push_str(",\"burst\":");
    push_decimal(out, u128::from(limit.burst));
    push_member(out, "per", limit.unit.as_str());
    out.push_str(if over { ",\"inv\":true}}" } else { "}}" });
}

fn push_mark(out: &mut String, operator: &str, bits: u32) {
    let mark = "{\"meta\":{\"key\":\"mark\"}}";
    for part in ["{\"mangle\":{\"key\":", mark, ",\"value\":{\"", operator, "\":[", mark, ","] {
        out.push_str(part);
    }
    push_decimal(out, u128::from(bits));
    out.push_str("]}}}");
}

fn reject(with: RejectWith) -> &'static str {
    match with {
        RejectWith::TcpReset => r#"{"reject":{"type":"tcp reset"}}"#,
        RejectWith::PortUnreachable => r#"{"reject":{"type":"icmpx","expr":"port-unreachable"}}"#,
        RejectWith::HostProhibited => r#"{"reject":{"type":"icmp","expr":"host-prohibited"}}"#,
        RejectWith::AdminProhibited => r#"{"reject":{"type":"icmpv6","expr":"admin-prohibited"}}"#,
    }
}

fn push_verdict(out: &mut String, verdict: &Verdict) {
    let (word, target) = match verdict {
        Verdict::Accept => return out.push_str("{\"accept\":null}"),
        Verdict::Drop => return out.push_str("{\"drop\":null}"),
        Verdict::Return => return out.push_str("{\"return\":null}"),
        Verdict::Jump(chain) => ("jump", chain),
        Verdict::Goto(chain) => ("goto", chain),
    };
    for part in ["{\"", word, "\":{\"target\":\"", target, "\"}}"] {
        out.push_str(part);
    }
}
