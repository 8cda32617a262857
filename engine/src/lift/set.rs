//! Sets and maps out of a listing.

use std::sync::Arc;

use serde_json::Value as Json;

use super::expression::{Reading, fields};
use super::{KERNEL, number, only, single, statement, text};
use crate::ruleset::{DataType, Element, ElementData, Set, SetKind, Value};

/// Types that a set can be declared with. nft calls all integers `integer`; the widest common one stands for them.
const TYPES: &[DataType] = &[
    DataType::Ifname,
    DataType::Ifindex,
    DataType::Ipv4Addr,
    DataType::Ipv6Addr,
    DataType::EtherAddr,
    DataType::EtherType,
    DataType::InetService,
    DataType::InetProto,
    DataType::Nfproto,
    DataType::Mark,
    DataType::IcmpType,
    DataType::Icmpv6Type,
    DataType::CtState,
    DataType::TcpFlag,
    DataType::FibAddrType,
    DataType::Integer16,
];

const MEMBERS: &[&str] =
    &["family", "table", "name", "handle", "type", "map", "flags", "elem", "size", "timeout"];

/// `{"family":…,"name":…,"type":…,"elem":[…]}`
pub(super) fn set(object: &Json) -> Result<Set, String> {
    only(object, MEMBERS)?;
    let key = key_types(object.get("type").ok_or("no type")?)?;
    let flags = flags(object.get("flags"))?;
    let has = |flag: &str| flags.contains(&flag);
    let kind = match object.get("map") {
        Some(data) => map_kind(data)?,
        // Older versions do not list the flag `dynamic`.
        None if has("dynamic") || has("timeout") => {
            SetKind::Dynamic { size: number(object, "size")?, timeout_s: number(object, "timeout")? }
        }
        None => SetKind::Set,
    };
    let elements = match kind {
        SetKind::Dynamic { .. } => Vec::new(),
        SetKind::Set | SetKind::VerdictMap | SetKind::MarkMap => {
            let listed = object.get("elem").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            listed.iter().map(|json| element(&key, kind, json)).collect::<Result<_, _>>()?
        }
    };
    Ok(Set {
        name: text(object, "name")?.into(),
        key,
        kind,
        interval: has("interval"),
        elements,
        origin: KERNEL,
    })
}

/// `"ipv4_addr"`, `["ifname","ipv4_addr"]` or `{"typeof":…}`
fn key_types(json: &Json) -> Result<Box<[DataType]>, String> {
    match (single(json), json) {
        (Some(("typeof", expression)), _) => {
            Ok(fields(expression)?.iter().map(|field| field.data_type()).collect())
        }
        (_, Json::Array(names)) => names.iter().map(type_named).collect(),
        _ => Ok([type_named(json)?].into()),
    }
}

fn type_named(json: &Json) -> Result<DataType, String> {
    let found = TYPES.iter().copied().find(|data_type| Some(data_type.as_str()) == json.as_str());
    found.ok_or_else(|| format!("unknown type {json}"))
}

fn map_kind(data: &Json) -> Result<SetKind, String> {
    match (data.as_str(), single(data)) {
        (Some("verdict"), _) => Ok(SetKind::VerdictMap),
        (Some("mark"), _) => Ok(SetKind::MarkMap),
        (_, Some(("typeof", expression))) if *key_types(data)? == [DataType::Mark] => {
            fields(expression).map(|_| SetKind::MarkMap)
        }
        _ => Err(format!("a map to {data}")),
    }
}

fn flags(json: Option<&Json>) -> Result<Vec<&str>, String> {
    let flags = match json {
        None => Vec::new(),
        Some(Json::Array(flags)) => flags.iter().filter_map(Json::as_str).collect(),
        Some(flag) => flag.as_str().into_iter().collect(),
    };
    match flags.iter().find(|flag| !["interval", "timeout", "dynamic"].contains(flag)) {
        Some(flag) => Err(format!("flag {flag}")),
        None => Ok(flags),
    }
}

fn element(key: &[DataType], kind: SetKind, json: &Json) -> Result<Element, String> {
    let (key_json, data_json) = match (kind, json) {
        (SetKind::Set | SetKind::Dynamic { .. }, _) => (json, None),
        (SetKind::VerdictMap | SetKind::MarkMap, Json::Array(pair)) if pair.len() == 2 => {
            (&pair[0], Some(&pair[1]))
        }
        _ => return Err(format!("element {json} of a map")),
    };
    let data = match (kind, data_json) {
        (SetKind::VerdictMap, Some(data)) => ElementData::Verdict(statement::verdict(data)?),
        (SetKind::MarkMap, Some(data)) => {
            let mark = Reading::of_type(DataType::Mark).number(data)?;
            ElementData::Mark(u32::try_from(mark).map_err(|_| format!("mark {mark}"))?)
        }
        _ => ElementData::None,
    };
    Ok(Element { key: element_key(key, key_json)?, data, origin: KERNEL })
}

fn element_key(key: &[DataType], json: &Json) -> Result<Arc<[Value]>, String> {
    match (key, single(json)) {
        ([data_type], _) => Ok([Reading::of_type(*data_type).value(json)?].into()),
        (_, Some(("concat", Json::Array(parts)))) if parts.len() == key.len() => {
            key.iter().zip(parts).map(|(data_type, part)| Reading::of_type(*data_type).value(part)).collect()
        }
        _ => Err(format!("element {json}")),
    }
}
