//! Statements out of a listing.

use serde_json::Value as Json;

use super::expression::{Reading, field, fields, mask_len};
use super::{number, only, single, text};
use crate::model::options::RateUnit;
use crate::ruleset::{Bits, Compare, Device, Field, Key, Limit, Op, RejectWith, Statement, Verdict};

/// Burst of a limit that was given none: what nft(8) says, and what older versions do not list.
const BURST_DEFAULT: u32 = 5;

/// `{"match":…}`, `{"limit":…}`, `{"accept":null}`
pub(super) fn statement(json: &Json) -> Result<Statement, String> {
    let unknown = || format!("unknown statement {json}");
    let (kind, inner) = single(json).ok_or_else(unknown)?;
    match kind {
        "match" => comparison(inner),
        "vmap" => {
            let (key, map) = keyed(inner)?;
            Ok(Statement::VerdictMap { key, map })
        }
        "limit" => {
            let over = inner.get("inv").and_then(Json::as_bool).unwrap_or(false);
            Ok(Statement::Limit { limit: limit(inner)?, over })
        }
        "set" => meter(inner),
        "log" => {
            only(inner, &["prefix", "group"])?;
            match inner.get("group").and_then(Json::as_u64) {
                Some(0) => Ok(Statement::Log(text(inner, "prefix")?.into())),
                _ => Err(unknown()),
            }
        }
        "counter" => Ok(Statement::Counter),
        "mangle" => mangle(inner).ok_or_else(unknown),
        "ct helper" => Ok(Statement::CtHelper(inner.as_str().ok_or_else(unknown)?.into())),
        "notrack" => Ok(Statement::Notrack),
        "fwd" => forward(inner).map(Statement::Forward).ok_or_else(unknown),
        "reject" => reject(inner).map(Statement::Reject).ok_or_else(unknown),
        _ => verdict(json).map(Statement::Verdict),
    }
}

/// `{"accept":null}`, `{"jump":{"target":"x"}}`
pub(super) fn verdict(json: &Json) -> Result<Verdict, String> {
    let (kind, inner) = single(json).ok_or_else(|| format!("unknown statement {json}"))?;
    match kind {
        "accept" => Ok(Verdict::Accept),
        "drop" => Ok(Verdict::Drop),
        "return" => Ok(Verdict::Return),
        "jump" => Ok(Verdict::Jump(text(inner, "target")?.into())),
        "goto" => Ok(Verdict::Goto(text(inner, "target")?.into())),
        _ => Err(format!("unknown statement {json}")),
    }
}

fn comparison(json: &Json) -> Result<Statement, String> {
    let unknown = || format!("unknown comparison {json}");
    let (left, right) = json.get("left").zip(json.get("right")).ok_or_else(unknown)?;
    let op = match text(json, "op")? {
        "==" => Op::Eq,
        "!=" => Op::Ne,
        // One of these flags is set; none of them is.
        "in" => return flags(left, Op::Ne, right),
        "!" => return flags(left, Op::Eq, right),
        _ => return Err(unknown()),
    };
    if let Some(set) = right.as_str().and_then(|right| right.strip_prefix('@')) {
        return Ok(Statement::Lookup { key: fields(left)?, set: set.into(), op });
    }
    match single(left) {
        Some(("&", Json::Array(parts))) if parts.len() == 2 => {
            let field = field(&parts[0])?;
            let reading = Reading::of_field(field);
            let bits = Bits::new(reading.number(&parts[1])?, reading.number(right)?);
            Ok(Statement::Masked { field, op, bits })
        }
        _ => {
            let field = field(left)?;
            Ok(Statement::Compare(Compare { field, op, value: Reading::of_field(field).value(right)? }))
        }
    }
}

fn flags(left: &Json, op: Op, right: &Json) -> Result<Statement, String> {
    let field = field(left)?;
    let mask = Reading::of_field(field).number(right)?;
    match (field, op, u32::try_from(mask)) {
        (Field::CtState, Op::Ne, Ok(states)) => Ok(Statement::CtState(states)),
        _ => Ok(Statement::Masked { field, op, bits: Bits::new(mask, 0) }),
    }
}

/// Key and name of `{"key":…,"data":"@map"}`
fn keyed(json: &Json) -> Result<(Key, crate::ruleset::Name), String> {
    let key = fields(json.get("key").ok_or("no key")?)?;
    let map = text(json, "data")?.strip_prefix('@').ok_or("an anonymous map")?;
    Ok((key, map.into()))
}

fn limit(json: &Json) -> Result<Limit, String> {
    only(json, &["rate", "per", "burst", "inv", "rate_unit", "burst_unit"])?;
    if json.get("rate_unit").is_some_and(|unit| unit != "packets") {
        return Err("a limit of bytes".to_owned());
    }
    let unit = match text(json, "per")? {
        "second" => RateUnit::Second,
        "minute" => RateUnit::Minute,
        "hour" => RateUnit::Hour,
        "day" => RateUnit::Day,
        other => return Err(format!("a limit per {other}")),
    };
    let burst = if json.get("burst").is_some() { number(json, "burst")? } else { BURST_DEFAULT };
    Ok(Limit { rate: number(json, "rate")?, unit, burst })
}

fn meter(json: &Json) -> Result<Statement, String> {
    let unknown = || format!("unknown set statement {json}");
    only(json, &["op", "elem", "set", "stmt"])?;
    let inner = match json.get("stmt").and_then(Json::as_array).map(Vec::as_slice) {
        Some([inner]) if text(json, "op")? == "update" => inner,
        _ => return Err(unknown()),
    };
    let Statement::Limit { limit, over: true } = statement(inner)? else { return Err(unknown()) };
    let key = json.get("elem").ok_or_else(unknown)?;
    let (field, prefix) = match single(key) {
        Some(("&", Json::Array(parts))) if parts.len() == 2 => {
            let field = field(&parts[0])?;
            let mask = Reading::of_field(field).number(&parts[1])?;
            (field, Some(mask_len(mask, field.data_type().bits()).ok_or_else(unknown)?))
        }
        _ => (field(key)?, None),
    };
    let set = text(json, "set")?.strip_prefix('@').ok_or_else(unknown)?.into();
    Ok(Statement::Meter { set, field, prefix, limit: limit.into() })
}

/// The mark is set from itself, the connection's mark from a map; we mangle nothing else.
fn mangle(json: &Json) -> Option<Statement> {
    let (target, value) = (field(json.get("key")?).ok()?, json.get("value")?);
    match (target, single(value)?) {
        (Field::CtMark, ("map", map)) => {
            let (key, map) = keyed(map).ok()?;
            Some(Statement::CtMarkSet { key, map })
        }
        (Field::Mark, (operator, Json::Array(parts))) => {
            let [old, bits] = parts.as_slice() else { return None };
            let bits = u32::try_from(bits.as_u64()?).ok()?;
            match (field(old).ok()?, operator) {
                (Field::Mark, "|") => Some(Statement::MarkSet(bits)),
                (Field::Mark, "&") => Some(Statement::MarkClear(!bits)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Listed by its name, or by its number where there is no such device any more.
fn forward(json: &Json) -> Option<Device> {
    match json.get("dev")? {
        Json::String(name) => Some(Device { name: name.as_str().into(), index: 0 }),
        Json::Number(index) => {
            let index = u32::try_from(index.as_u64()?).ok()?;
            Some(Device { name: index.to_string().into(), index })
        }
        _ => None,
    }
}

fn reject(json: &Json) -> Option<RejectWith> {
    match (json.get("type").and_then(Json::as_str), json.get("expr").and_then(Json::as_str)) {
        (Some("tcp reset"), None) => Some(RejectWith::TcpReset),
        (Some("icmpx"), Some("port-unreachable")) => Some(RejectWith::PortUnreachable),
        // Newer versions leave out what is the default.
        (None, None) => Some(RejectWith::PortUnreachable),
        (Some("icmp"), Some("host-prohibited")) => Some(RejectWith::HostProhibited),
        (Some("icmpv6"), Some("admin-prohibited")) => Some(RejectWith::AdminProhibited),
        _ => None,
    }
}
