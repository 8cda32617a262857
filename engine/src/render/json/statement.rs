//! Conditions and actions as libnftables JSON.

use super::super::value::{mask_of, prefix_len, push_decimal};
use super::{push_list, push_member, push_number, push_string, push_value};
use crate::ruleset::{Compare, DataType, Field, Limit, Op, RejectWith, Statement, Value, Verdict};

pub(super) fn push_statement(out: &mut String, statement: &Statement) {
    match statement {
        Statement::Compare(compare) => push_compare(out, compare),
        Statement::Masked { field, op, bits } => {
            let masked = |out: &mut String| push_masked_field(out, *field, bits.mask());
            push_match(out, op_text(*op), masked, |out| push_number(out, field.data_type(), bits.value()));
        }
        Statement::CtState(states) => {
            let state = |out: &mut String| push_field(out, Field::CtState);
            push_match(out, "in", state, |out| push_flag_names(out, u128::from(*states)));
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
        Statement::CtMarkSet { key, map } => {
            out.push_str("{\"mangle\":{\"key\":{\"ct\":{\"key\":\"mark\"}},\"value\":{\"map\":{\"key\":");
            push_fields(out, key);
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
        Statement::Forward(device) => {
            out.push_str("{\"fwd\":{\"dev\":");
            push_string(out, &device.name);
            out.push_str("}}");
        }
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
    if let (DataType::Integer128, Value::Number(numbers)) = (data_type, value)
        && let Some(len) = prefix_len(numbers.first(), numbers.last(), 128)
        && numbers.single().is_none()
    {
        let left = |out: &mut String| push_masked_field(out, *field, mask_of(len, 128));
        return push_match(out, op_text(*op), left, |out| push_number(out, data_type, numbers.first()));
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
    let names = super::super::symbols(DataType::CtState);
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
        (Field::NdOption, _) => &["{\"payload\":{\"base\":\"th\",\"offset\":192,\"len\":8}}"],
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

pub(super) fn push_fields(out: &mut String, fields: &[Field]) {
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

pub(super) fn push_verdict(out: &mut String, verdict: &Verdict) {
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
