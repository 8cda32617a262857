//! The IR as libnftables JSON (libnftables-json(5)): the commands of a whole transaction.
//!
//! Numbers are written as numbers: names differ between versions. Inside a table the order is chains, helper objects,
//! sets, rules, since commands take effect one by one: a map's verdict names a chain that must exist. No `dynamic`
//! flag: nft 1.0.6 refuses it here and sets it itself for a set that a rule updates.

mod statement;

use super::value::{address_prefix_len, push_decimal, push_plain};
use crate::model::address::Family;
use crate::ruleset::{
    Chain, DataType, Element, ElementData, Field, HelperObject, Rule, Ruleset, Set, SetKind, Table, Value,
    implied,
};
use statement::{push_fields, push_statement, push_verdict};

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
    push_list(out, key.iter().zip(&*element.key), |out, (data_type, value)| {
        push_value(out, *data_type, value)
    });
    out.push_str("]}");
}

fn push_value(out: &mut String, data_type: DataType, value: &Value) {
    match value {
        Value::Name(name) => push_string(out, name),
        Value::Number(numbers) => push_numbers(out, data_type, numbers.ends()),
    }
}

fn push_numbers(out: &mut String, data_type: DataType, (first, last): (u128, u128)) {
    if first == last {
        return push_number(out, data_type, first);
    }
    match address_prefix_len(data_type, first, last) {
        Some(len) => {
            out.push_str("{\"prefix\":{\"addr\":");
            push_number(out, data_type, first);
            out.push_str(",\"len\":");
            push_decimal(out, u128::from(len));
            out.push_str("}}");
        }
        None => {
            out.push_str("{\"range\":[");
            push_list(out, [first, last], |out, number| push_number(out, data_type, number));
            out.push_str("]}");
        }
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
    if let Some(base) = &chain.base {
        push_member(out, "type", "filter");
        push_member(out, "hook", base.hook.as_str());
        if let Some(device) = &base.device {
            push_member(out, "dev", &device.name);
        }
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
    let (before, after) = match implied::condition(table.family, &rule.statements) {
        Some((at, condition)) => (&rule.statements[..at], Some((condition, &rule.statements[at..]))),
        None => (rule.statements.as_slice(), None),
    };
    let implied = after.iter().flat_map(|(condition, rest)| [condition].into_iter().chain(rest.iter()));
    push_list(out, before.iter().chain(implied), push_statement);
    out.push_str("],\"comment\":\"");
    super::value::push_hex_digits(out, u128::from(rule.id.0), 16);
    out.push('"');
    close(out);
}
