//! `facts.json` -> [`HostFacts`]. Only the node and the links' names must be there.

use engine::inputs::{HostFacts, Link, LinkKind};
use serde_json::Value;

/// Reads the JSON of a `facts.json`.
pub fn parse(text: &str) -> Result<HostFacts, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut facts = HostFacts {
        node: string(&json, "node")?.ok_or("no node")?,
        now_s: json["now_s"].as_u64().unwrap_or(0),
        bridge_nf_stuck: json["bridge_nf_stuck"].as_bool().unwrap_or(false),
        connected: list(&json, "connected")?,
        ..HostFacts::default()
    };
    for link_json in json["links"].as_array().into_iter().flatten() {
        facts.links.push(link(link_json)?);
    }
    for (name, _) in json["resolved"].as_object().into_iter().flatten() {
        facts.resolved.insert(name.clone(), list(&json["resolved"], name)?);
    }
    Ok(facts)
}

fn link(json: &Value) -> Result<Link, String> {
    let name = string(json, "name")?.ok_or("a link without name")?;
    let kind = match string(json, "kind")?.as_deref() {
        Some("bridge") => {
            LinkKind::Bridge { vlan_aware: json["vlan_aware"].as_bool().unwrap_or(false) }
        }
        Some("vlan") => LinkKind::Vlan,
        Some("other") | None => LinkKind::Other,
        Some(other) => return Err(format!("{name}: no kind `{other}`")),
    };
    Ok(Link {
        kind,
        mac: parsed(json, "mac")?,
        master: string(json, "master")?,
        parent: string(json, "parent")?,
        up: json["up"].as_bool().unwrap_or(true),
        addresses: list(json, "addresses")?,
        altnames: list(json, "altnames")?,
        name,
    })
}

fn string(json: &Value, key: &str) -> Result<Option<String>, String> {
    match &json[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(format!("{key}: {other} is no text")),
    }
}

fn parsed<T: std::str::FromStr>(json: &Value, key: &str) -> Result<Option<T>, String> {
    let text = string(json, key)?;
    text.map(|text| text.parse().map_err(|_| format!("{key}: cannot read `{text}`"))).transpose()
}

fn list<T: std::str::FromStr>(json: &Value, key: &str) -> Result<Vec<T>, String> {
    let texts = json[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(|text| text.parse().map_err(|_| format!("{key}: cannot read `{text}`"))).collect()
}
