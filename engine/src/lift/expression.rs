//! Fields and values out of a listing.

use serde_json::Value as Json;

use super::{single, text};
use crate::model::port::PortProtocol;
use crate::render::{mask_of, numbers_of};
use crate::ruleset::field::Side;
use crate::ruleset::{DataType, Field, Key, Value};

/// `{"payload":{"protocol":"ip","field":"saddr"}}`
pub(super) fn field(json: &Json) -> Result<Field, String> {
    let unknown = || format!("unknown expression {json}");
    let (kind, inner) = single(json).ok_or_else(unknown)?;
    let written = match kind {
        "meta" => match text(inner, "key")? {
            key @ ("iifname" | "oifname") => key.to_owned(),
            key => format!("meta {key}"),
        },
        "ct" if inner.get("dir").is_none() => format!("ct {}", text(inner, "key")?),
        "exthdr" => format!("{} {}", text(inner, "name")?, text(inner, "field")?),
        "fib" => match (text(inner, "result")?, inner.get("flags").and_then(flag_of)) {
            ("type", Some(flag)) => format!("fib {flag} type"),
            _ => return Err(unknown()),
        },
        "payload" if inner.get("base").is_some() => {
            let member = |name| inner.get(name).and_then(Json::as_u64).unwrap_or(0);
            format!("@{},{},{}", text(inner, "base")?, member("offset"), member("len"))
        }
        "payload" => format!("{} {}", text(inner, "protocol")?, text(inner, "field")?),
        _ => return Err(unknown()),
    };
    named_field(&written).ok_or_else(unknown)
}

/// One flag, alone or in a list.
fn flag_of(flags: &Json) -> Option<&str> {
    match flags {
        Json::Array(list) if list.len() == 1 => list[0].as_str(),
        _ => flags.as_str(),
    }
}

fn named_field(written: &str) -> Option<Field> {
    // Newer versions see through the raw payload, where an ICMPv6 type before it says what it is.
    if written == "icmpv6 taddr" {
        return Some(Field::NdTarget);
    }
    let ports = PortProtocol::ALL
        .into_iter()
        .flat_map(|protocol| [Side::Source, Side::Dest].map(|side| Field::Port(protocol, side)));
    Field::FIXED.iter().copied().chain(ports).find(|field| field.as_str() == written)
}

/// A field, or several in a concatenation.
pub(super) fn fields(json: &Json) -> Result<Key, String> {
    match single(json) {
        Some(("concat", Json::Array(parts))) => {
            let fields: Vec<Field> = parts.iter().map(field).collect::<Result<_, _>>()?;
            Key::new(&fields).ok_or_else(|| "a key of many fields".to_owned())
        }
        _ => Ok([field(json)?].into()),
    }
}

/// What values are read by: their type, and where it matters the field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The type.
    pub(super) data_type: DataType,
    /// The field, if it is known; some of them have names for integers.
    pub(super) field: Option<Field>,
}

impl Reading {
    /// Values that a field is compared with.
    pub(super) fn of_field(field: Field) -> Reading {
        Reading { data_type: field.data_type(), field: Some(field) }
    }

    /// Elements of a set.
    pub(super) fn of_type(data_type: DataType) -> Reading {
        Reading { data_type, field: None }
    }

    /// A value: single, `{"prefix":…}` or `{"range":[…]}`.
    pub(super) fn value(self, json: &Json) -> Result<Value, String> {
        match (single(json), json) {
            (_, Json::String(name)) if matches!(self.data_type, DataType::Ifname | DataType::Ifindex) => {
                Ok(Value::name(name.as_str()))
            }
            (Some(("range", Json::Array(ends))), _) if ends.len() == 2 => {
                Ok(Value::range(self.number(&ends[0])?, self.number(&ends[1])?))
            }
            (Some(("prefix", prefix)), _) => self.prefix(prefix),
            _ => Ok(Value::number(self.number(json)?)),
        }
    }

    fn prefix(self, prefix: &Json) -> Result<Value, String> {
        let bits = self.data_type.bits();
        let len = super::number::<u8>(prefix, "len")?;
        let address = self.number(prefix.get("addr").ok_or("a prefix without address")?)?;
        if len > bits {
            return Err(format!("a prefix of {len} bits"));
        }
        let mask = mask_of(len, bits);
        Ok(Value::range(address & mask, address | (mask ^ mask_of(bits, bits))))
    }

    /// A number in any notation, or flags joined in a list or by `|`.
    pub(super) fn number(self, json: &Json) -> Result<u128, String> {
        let joined = match json {
            Json::Number(number) => {
                return number.as_u64().map(u128::from).ok_or_else(|| format!("number {number}"));
            }
            Json::String(written) => return self.written_number(written),
            Json::Array(flags) => flags,
            _ => match single(json) {
                Some(("|", Json::Array(flags))) => flags,
                _ => return Err(format!("unknown value {json}")),
            },
        };
        joined.iter().try_fold(0, |all, flag| Ok(all | self.number(flag)?))
    }

    fn written_number(self, written: &str) -> Result<u128, String> {
        let by_type = match self.data_type {
            DataType::Ipv4Addr => {
                written.parse::<std::net::Ipv4Addr>().ok().map(|a| u128::from(u32::from(a)))
            }
            // A raw payload that a newer version recognised is listed as an address.
            DataType::Ipv6Addr | DataType::Integer128 => {
                written.parse::<std::net::Ipv6Addr>().ok().map(u128::from)
            }
            DataType::EtherAddr => mac(written),
            _ => numbers_of(self.field, self.data_type, written),
        };
        let plain = || match written.strip_prefix("0x") {
            Some(digits) => u128::from_str_radix(digits, 16).ok(),
            None => written.parse().ok(),
        };
        by_type.or_else(plain).ok_or_else(|| format!("unknown value `{written}`"))
    }
}

fn mac(written: &str) -> Option<u128> {
    let octets = written.split(':').map(|octet| u8::from_str_radix(octet, 16).ok());
    let octets: Vec<u8> = octets.collect::<Option<_>>()?;
    (octets.len() == 6).then(|| octets.iter().fold(0, |all, octet| all << 8 | u128::from(*octet)))
}

/// Length of a mask that consists of leading bits.
pub(super) fn mask_len(mask: u128, bits: u8) -> Option<u8> {
    (0..=bits).find(|len| mask_of(*len, bits) == mask)
}
