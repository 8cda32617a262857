//! A JSON listing becomes typed heads (family, table, name, handle, comment) with the rest left as JSON.
//!
//! Expressions stay [`Value`]s. The types of the crate `nftables` (0.6.3, MIT or Apache-2.0) were tried on a listing of
//! 81 objects, and do not do for bridge rulesets:
//!
//! - it does not read verdict maps with elements, nor sets of a type outside seven (`integer`, which is what
//!   `typeof @th,64,128` lists as, or `ether_type`), nor `meta ibrname` and `meta obrname` (it has `ibridgename`, which
//!   libnftables refuses);
//! - reading `update @set { ip saddr limit rate … }` it loses the limit without a word;
//! - it writes `notrack` as `"notrack"` and the verdicts of an anonymous verdict map as `"drop"`; libnftables 1.0.6
//!   refuses both and wants `{"notrack": null}` and `{"drop": null}`;
//! - one unreadable object fails the whole listing with an error that does not name it ("data did not match any
//!   variant of untagged enum").
//!
//! All else of that listing it read and wrote back equal, but for `null` fields added to `exthdr`: `ct state`, `ct mark set … map @m`, `ether saddr`,
//! concatenations with intervals, inet `reject`, `log`, `limit`, counters, comments, `ct helper set`, raw payloads.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ListError;

/// A JSON listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// Which libnftables printed it.
    pub metainfo: Metainfo,
    /// In the order of the listing: tables before what they hold, chains before their rules.
    pub objects: Vec<Object>,
}

/// Which libnftables printed a listing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metainfo {
    /// `1.0.6`
    pub version: String,
    /// `Lester Gooch #5`
    pub release_name: String,
    /// 1 so far.
    pub json_schema_version: u32,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// `table`
    Table(Table),
    /// `chain`
    Chain(Chain),
    /// `rule`
    Rule(Rule),
    /// `set`
    Set(Set),
    /// `map`; [`Element::data`] is there.
    Map(Set),
    /// Counters, limits, conntrack helpers, flowtables, and whatever a later libnftables adds.
    Other(Other),
}

/// A table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Table {
    /// `inet`, `bridge`, `netdev`, `ip`, `ip6`, `arp`
    pub family: String,
    /// Unique in its family.
    pub name: String,
    /// The kernel's number.
    pub handle: u64,
    /// libnftables 1.0.6 does not print it as JSON.
    pub comment: Option<String>,
    /// All other fields.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A base chain or a regular chain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Chain {
    /// That of its table.
    pub family: String,
    /// The table's name.
    pub table: String,
    /// Unique in its table.
    pub name: String,
    /// The kernel's number.
    pub handle: u64,
    /// libnftables 1.0.6 does not print it as JSON.
    pub comment: Option<String>,
    /// All other fields; of a base chain `type`, `hook`, `prio` and `policy`.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rule {
    /// That of its table.
    pub family: String,
    /// The table's name.
    pub table: String,
    /// The chain's name.
    pub chain: String,
    /// The kernel's number.
    pub handle: u64,
    /// As loaded.
    pub comment: Option<String>,
    /// Statements in order, as libnftables-json(5) defines them.
    #[serde(default)]
    pub expr: Vec<Value>,
}

/// A set or a map.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Set {
    /// That of its table.
    pub family: String,
    /// The table's name.
    pub table: String,
    /// Unique among its table's sets and maps.
    pub name: String,
    /// The kernel's number.
    pub handle: u64,
    /// libnftables 1.0.6 does not print it as JSON.
    pub comment: Option<String>,
    /// Not in the order in which they were loaded.
    #[serde(default, rename = "elem")]
    pub elements: Vec<Element>,
    /// All other fields: `type`, `flags`, of a map `map`, …
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An element of a set or a map.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub struct Element {
    /// A string or number, `{"concat": […]}`, `{"range": […]}` or `{"prefix": {…}}`.
    pub key: Value,
    /// What a map maps the key to.
    pub data: Option<Value>,
    /// As loaded.
    pub comment: Option<String>,
    /// Timeout, expiry, counter and whatever else is known of the element.
    pub rest: Map<String, Value>,
}

/// An object of another kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// `counter`, `ct helper`, …
    pub kind: String,
    /// Its fields.
    pub body: Value,
}

impl Objects {
    /// Reads `{"nftables": [{"metainfo": …}, …]}`.
    pub(crate) fn from_json(listing: Value) -> Result<Objects, ListError> {
        #[derive(Deserialize)]
        struct Document {
            nftables: Vec<Map<String, Value>>,
        }
        let form = |kind: &str, index| {
            let kind = kind.to_owned();
            move |source| ListError::Form { kind, index, source }
        };

        let document: Document = serde_json::from_value(listing).map_err(form("nftables", 0))?;
        let mut fields = document.nftables.into_iter().flatten().enumerate();
        let metainfo = fields.next().map_or(Value::Null, |(_, (_, body))| body);
        let metainfo = serde_json::from_value(metainfo).map_err(form("metainfo", 0))?;
        let objects = fields
            .map(|(index, (kind, body))| Object::from_field(&kind, body).map_err(form(&kind, index)))
            .collect::<Result<_, _>>()?;
        Ok(Objects { metainfo, objects })
    }
}

impl Object {
    fn from_field(kind: &str, body: Value) -> Result<Object, serde_json::Error> {
        Ok(match kind {
            "table" => Object::Table(serde_json::from_value(body)?),
            "chain" => Object::Chain(serde_json::from_value(body)?),
            "rule" => Object::Rule(serde_json::from_value(body)?),
            "set" => Object::Set(serde_json::from_value(body)?),
            "map" => Object::Map(serde_json::from_value(body)?),
            other => Object::Other(Other { kind: other.to_owned(), body }),
        })
    }
}

impl From<Value> for Element {
    /// `KEY`, `[KEY, DATA]`, and either with `{"elem": {"val": KEY, …}}` as KEY. No key is an array itself.
    fn from(value: Value) -> Element {
        let (key, data) = match value {
            Value::Array(mut pair) if pair.len() == 2 => {
                let data = pair.pop();
                (pair.pop().unwrap_or_default(), data)
            }
            key => (key, None),
        };
        let mut element = Element { key, data, comment: None, rest: Map::new() };
        if let Some(Value::Object(fields)) = element.key.get_mut("elem") {
            element.rest = std::mem::take(fields);
            element.key = element.rest.remove("val").unwrap_or_default();
            element.comment =
                element.rest.remove("comment").and_then(|text| text.as_str().map(str::to_owned));
        }
        element
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Object, Objects};

    fn read(objects: &[Value]) -> Result<Vec<Object>, String> {
        let mut array =
            vec![json!({"metainfo": {"version": "1", "release_name": "x", "json_schema_version": 1}})];
        array.extend_from_slice(objects);
        Objects::from_json(json!({ "nftables": array }))
            .map(|listing| listing.objects)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn reads_elements_of_every_shape() {
        let map = json!({"map": {"family": "inet", "table": "t", "name": "m", "handle": 3, "type": "ifname",
        "elem": [
            ["tap1i0", {"drop": null}],
            [{"elem": {"val": {"concat": ["a", 1]}, "comment": "c", "timeout": 5}}, 7],
            {"prefix": {"addr": "10.0.0.0", "len": 8}}
        ]}});
        let objects = read(&[map]).expect("a map as libnftables prints it");
        let [Object::Map(map)] = objects.as_slice() else { panic!("{objects:?}") };
        let seen: Vec<_> =
            map.elements.iter().map(|e| (e.key.clone(), e.data.clone(), e.comment.as_deref())).collect();
        assert_eq!(
            seen,
            [
                (json!("tap1i0"), Some(json!({"drop": null})), None),
                (json!({"concat": ["a", 1]}), Some(json!(7)), Some("c")),
                (json!({"prefix": {"addr": "10.0.0.0", "len": 8}}), None, None),
            ]
        );
        assert_eq!(map.elements[1].rest.get("timeout"), Some(&json!(5)));
        assert_eq!(map.rest.get("type"), Some(&json!("ifname")));
    }

    #[test]
    fn keeps_unknown_kinds_and_names_what_it_misses() {
        let helper = json!({"ct helper": {"family": "inet", "name": "ftp"}});
        assert!(
            matches!(read(&[helper]).as_deref(), Ok([Object::Other(other)]) if other.kind == "ct helper")
        );
        let broken = json!({"rule": {"family": "inet", "table": "t"}});
        let error = "unexpected form of the rule at index 1 of the listing";
        assert_eq!(read(&[broken]), Err(error.to_owned()));
    }
}
