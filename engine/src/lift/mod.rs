//! From a JSON listing of nft 1.0.6 or later back to the IR: what does the kernel hold?
//!
//! For comparing what was committed with what is there, right after a commit and later. Handles, counters' values and
//! the contents of sets that packets fill are left out; an origin is not in the kernel, so all of it says "kernel".

mod differences;
mod expression;
mod interfaces;
mod normal;
mod set;
mod statement;

use std::sync::Arc;

use serde_json::Value as Json;

use crate::model::address::Family;
use crate::model::port::PortProtocol;
use crate::ruleset::{
    Base, Chain, Device, HelperObject, Hook, Origin, Rule, RuleId, Ruleset, Table, TableFamily,
};
use crate::tables::ct_helpers::CT_HELPERS;
pub use differences::differences;
pub use interfaces::with_indexes;
pub use normal::normal;

/// Origin of everything that a listing told.
pub(crate) const KERNEL: Origin = Origin::Skeleton("kernel");

/// A listing holds something that the IR cannot say: it is not ours, or somebody changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiftError {
    /// The object: `bridge table x, chain y, rule handle 7`.
    pub place: String,
    /// What is the matter with it.
    pub problem: String,
}

impl std::fmt::Display for LiftError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for LiftError {}

/// Reads `nft -j list ruleset` or `nft -j list table …`; tables of other families than ours are passed over.
pub fn ruleset(listing: &Json) -> Result<Ruleset, LiftError> {
    lift(listing, |_, _| true)
}

/// Reads only the named tables out of a listing.
pub fn tables(listing: &Json, wanted: &[(TableFamily, &str)]) -> Result<Ruleset, LiftError> {
    lift(listing, |family, name| wanted.contains(&(family, name)))
}

fn lift(listing: &Json, is_wanted: impl Fn(TableFamily, &str) -> bool) -> Result<Ruleset, LiftError> {
    let objects = listing.get("nftables").and_then(Json::as_array);
    let objects = objects
        .ok_or_else(|| LiftError { place: "listing".to_owned(), problem: "no list `nftables`".to_owned() })?;
    let mut ruleset = Ruleset::default();
    for (kind, object) in objects.iter().filter_map(single) {
        let Some(family) = table_family(object) else { continue };
        let table = if kind == "table" { text(object, "name") } else { text(object, "table") };
        let table = table.map_err(|problem| LiftError { place: kind.to_owned(), problem })?;
        if is_wanted(family, table) {
            let lifted = lift_object(&mut ruleset, (family, table), kind, object);
            lifted.map_err(|problem| LiftError { place: place(family, table, kind, object), problem })?;
        }
    }
    Ok(ruleset)
}

fn lift_object(
    ruleset: &mut Ruleset,
    (family, table_name): (TableFamily, &str),
    kind: &str,
    object: &Json,
) -> Result<(), String> {
    if kind == "table" {
        let name = table_name.into();
        ruleset.tables.push(Table {
            family,
            name,
            helpers: Vec::new(),
            sets: Vec::new(),
            chains: Vec::new(),
        });
        return Ok(());
    }
    let table = ruleset.tables.iter_mut().find(|table| table.family == family && &*table.name == table_name);
    let table = table.ok_or("its table is not listed before it")?;
    match kind {
        "ct helper" => table.helpers.push(helper(object)?),
        "set" | "map" => table.sets.push(Arc::new(set::set(object)?)),
        "chain" => table.chains.push(Arc::new(chain(object)?)),
        "rule" => {
            let name = text(object, "chain")?;
            let chain = table.chains.iter_mut().find(|chain| &*chain.name == name);
            let chain = chain.ok_or("its chain is not listed before it")?;
            Arc::make_mut(chain).rules.push(rule(object)?);
        }
        _ => return Err("we never make such an object".to_owned()),
    }
    Ok(())
}

fn table_family(object: &Json) -> Option<TableFamily> {
    match object.get("family")?.as_str()? {
        "inet" => Some(TableFamily::Inet),
        "bridge" => Some(TableFamily::Bridge),
        "netdev" => Some(TableFamily::Netdev),
        _ => None,
    }
}

/// `bridge table x, chain y, rule handle 7`
fn place(family: TableFamily, table: &str, kind: &str, object: &Json) -> String {
    let table = format!("{} table {table}", family.as_str());
    let handle = object.get("handle").map_or_else(|| "?".to_owned(), Json::to_string);
    match (kind, text(object, "chain"), text(object, "name")) {
        ("rule", Ok(chain), _) => format!("{table}, chain {chain}, rule handle {handle}"),
        (_, _, Ok(name)) => format!("{table}, {kind} {name}"),
        _ => format!("{table}, {kind} handle {handle}"),
    }
}

fn helper(object: &Json) -> Result<HelperObject, String> {
    let helper = text(object, "type")?;
    // A number where /etc/protocols has no name for it.
    let protocol = object.get("protocol").unwrap_or(&Json::Null);
    let is_protocol = |known: &PortProtocol| {
        protocol.as_str() == Some(known.as_str()) || protocol.as_u64() == Some(u64::from(known.number()))
    };
    let known = CT_HELPERS.iter().find(|known| known.name == helper);
    let protocol_known = PortProtocol::ALL.into_iter().find(is_protocol);
    let family = match object.get("l3proto").and_then(Json::as_str) {
        Some("ip") => Family::V4,
        Some("ip6") => Family::V6,
        other => return Err(format!("network protocol {other:?}")),
    };
    Ok(HelperObject {
        name: text(object, "name")?.into(),
        helper: known.ok_or_else(|| format!("helper `{helper}`"))?.name,
        protocol: protocol_known.ok_or_else(|| format!("protocol `{protocol}`"))?,
        family,
        origin: KERNEL,
    })
}

fn chain(object: &Json) -> Result<Chain, String> {
    let base = match object.get("hook") {
        None => None,
        Some(_) => Some(base(object)?),
    };
    Ok(Chain { name: text(object, "name")?.into(), base, rules: Vec::new(), origin: KERNEL })
}

fn base(object: &Json) -> Result<Base, String> {
    let hook = match text(object, "hook")? {
        "prerouting" => Hook::Prerouting,
        "input" => Hook::Input,
        "forward" => Hook::Forward,
        "output" => Hook::Output,
        "postrouting" => Hook::Postrouting,
        "egress" => Hook::Egress,
        other => return Err(format!("hook {other}")),
    };
    if text(object, "type")? != "filter" || text(object, "policy")? != "accept" {
        return Err("our base chains are of type filter and end in policy accept".to_owned());
    }
    let priority =
        object.get("prio").and_then(Json::as_i64).and_then(|priority| i32::try_from(priority).ok());
    // nft 1.0.6 leaves the device out; later versions tell a single one as text or in a list.
    let device = match object.get("dev") {
        Some(Json::Array(names)) if names.len() == 1 => names[0].as_str(),
        Some(name) => Some(name.as_str().ok_or("several devices")?),
        None => None,
    };
    let device = device.map(|name| Device { name: name.into(), index: 0 });
    Ok(Base { hook, priority: priority.ok_or("no priority")?, device })
}

fn rule(object: &Json) -> Result<Rule, String> {
    let comment = text(object, "comment").map_err(|_| "no comment, so it is not ours")?;
    let is_id = comment.len() == 16 && comment.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u64::from_str_radix(comment, 16).ok().filter(|_| is_id);
    let id = id.ok_or_else(|| format!("comment `{comment}` is not a rule id"))?;
    let expressions = object.get("expr").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let statements = expressions.iter().map(statement::statement).collect::<Result<_, _>>()?;
    Ok(Rule { id: RuleId(id), statements, origin: KERNEL })
}

/// The only member of an object.
fn single(json: &Json) -> Option<(&str, &Json)> {
    let object = json.as_object().filter(|object| object.len() == 1)?;
    object.iter().next().map(|(name, value)| (name.as_str(), value))
}

/// A member that is text.
fn text<'json>(object: &'json Json, name: &str) -> Result<&'json str, String> {
    object.get(name).and_then(Json::as_str).ok_or_else(|| format!("no text `{name}`"))
}

/// A member that is a whole number.
fn number<N: TryFrom<u64>>(object: &Json, name: &str) -> Result<N, String> {
    let number = object.get(name).and_then(Json::as_u64).and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| format!("no number `{name}`"))
}

/// Refuses members that would say more than the IR can.
fn only(object: &Json, known: &[&str]) -> Result<(), String> {
    let names = object.as_object().into_iter().flat_map(|members| members.keys());
    match names.into_iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("unknown `{name}` in {object}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
