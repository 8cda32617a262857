//! Booleans and numbers that may come as strings, for form-encoded clients send everything so; files by their paths.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// `true`, `1`, `"1"`; `false`, `0`, `"0"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Flag(pub bool);

/// `100`, `"100"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Count(pub u32);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean (true, false, 1, 0, \"1\", \"0\")")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
        Ok(Flag(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Flag, E> {
        match value {
            0 => Ok(Flag(false)),
            1 => Ok(Flag(true)),
            _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
        }
    }

    /// A whole number may be written with a point (JSON Schema, 4.2.3).
    fn visit_f64<E: Error>(self, value: f64) -> Result<Flag, E> {
        match value {
            0.0 => Ok(Flag(false)),
            1.0 => Ok(Flag(true)),
            _ => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Flag, E> {
        match value {
            "0" | "false" => Ok(Flag(false)),
            "1" | "true" => Ok(Flag(true)),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 4294967295, or its digits as a string")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
        let number =
            u32::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))?;
        Ok(Count(number))
    }

    /// A whole number may be written with a point (JSON Schema, 4.2.3).
    fn visit_f64<E: Error>(self, value: f64) -> Result<Count, E> {
        let whole = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
        // Exact: it is whole and within bounds.
        if whole { Ok(Count(value as u32)) } else { Err(E::invalid_value(Unexpected::Float(value), &self)) }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Count, E> {
        // Nine digits always fit.
        let is_number = matches!(value.len(), 1..=9) && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|_| is_number);
        number.map(Count).ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
    }
}

impl PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
        OneOfBuilder::new()
            .item(of(Type::Boolean))
            .item(of(Type::Integer).enum_values(Some([0, 1])))
            .item(of(Type::String).enum_values(Some(["0", "1", "false", "true"])))
            .into()
    }
}

impl ToSchema for Flag {}

impl PartialSchema for Count {
    fn schema() -> RefOr<Schema> {
        number((0, u32::MAX), "^[0-9]{1,9}$").into()
    }
}

fn number((lowest, highest): (u32, u32), digits: &str) -> OneOfBuilder {
    let of = |kind| ObjectBuilder::new().schema_type(SchemaType::Type(kind));
    OneOfBuilder::new()
        .item(of(Type::Integer).minimum(Some(lowest)).maximum(Some(highest)))
        .item(of(Type::String).pattern(Some(digits)))
}

fn or_null(of: OneOfBuilder) -> RefOr<Schema> {
    of.item(ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null))).into()
}

/// A [`Count`] of seconds, at least 1; or none.
pub fn seconds() -> RefOr<Schema> {
    or_null(number((1, u32::MAX), "^[1-9][0-9]{0,8}$"))
}

/// An address of either family; or none.
pub fn address() -> RefOr<Schema> {
    let of = |format: &str| {
        let format = SchemaFormat::Custom(format.to_owned());
        ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).format(Some(format))
    };
    or_null(OneOfBuilder::new().item(of("ipv4")).item(of("ipv6")))
}

/// A [`Count`] from 1 to 4094; or none.
pub fn vlan() -> RefOr<Schema> {
    or_null(number((1, 4094), "^([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4])$"))
}

/// Files by path, `null` for one that is taken to be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct FilesView(pub BTreeMap<String, Option<String>>);

impl FilesView {
    /// A path below /etc without parts that lead elsewhere; in the description, `PATHS` says the same.
    pub fn is_path(path: &str) -> bool {
        let is_part = |part: &str| {
            let name = part.strip_prefix('.').unwrap_or(part);
            !name.is_empty() && !name.starts_with('.')
        };
        path.strip_prefix("/etc/").is_some_and(|rest| rest.split('/').all(is_part))
    }
}

/// The paths of [`FilesView`].
const PATHS: &str = r"^/etc(/\.?[^/.][^/]*)+$";

impl PartialSchema for FilesView {
    fn schema() -> RefOr<Schema> {
        let text = |kind| ObjectBuilder::new().schema_type(kind);
        let path = text(SchemaType::Type(Type::String)).pattern(Some(PATHS)).build();
        let content = text(SchemaType::from_iter([Type::String, Type::Null])).build();
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Object))
            .property_names(Some(Schema::Object(path)))
            .additional_properties(Some(Schema::Object(content)))
            .into()
    }
}

impl ToSchema for FilesView {}

impl ToSchema for Count {}

#[cfg(test)]
mod tests {
    use super::{Count, FilesView, Flag};

    #[test]
    fn strings_are_taken_for_what_they_say() {
        let flag = |text| serde_json::from_str::<Flag>(text).ok().map(|flag| flag.0);
        assert_eq!([flag("true"), flag("1"), flag("1.0"), flag("\"1\"")], [Some(true); 4]);
        assert_eq!([flag("false"), flag("0"), flag("\"0\"")], [Some(false); 3]);
        assert_eq!([flag("2"), flag("\"yes\""), flag("null"), flag("-1")], [None; 4]);
        let count = |text| serde_json::from_str::<Count>(text).ok().map(|count| count.0);
        assert_eq!([count("100"), count("100.0"), count("\"100\"")], [Some(100); 3]);
        assert_eq!(
            [count("\"\""), count("\"+1\""), count("-1"), count("4294967296"), count("1.5")],
            [None; 5]
        );
    }

    #[test]
    fn paths_stay_below_etc() {
        for good in ["/etc/pve/firewall/100.fw", "/etc/pve/.vmlist", "/etc/hosts"] {
            assert!(FilesView::is_path(good), "{good}");
        }
        for bad in
            ["", "/etc", "/etc/", "etc/hosts", "/root/x", "/etc/../root/x", "/etc/./x", "/etc//x", "/etc/..x"]
        {
            assert!(!FilesView::is_path(bad), "{bad}");
        }
    }
}
