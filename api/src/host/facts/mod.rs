//! What the host looks like: from the running system, from a file, or derived from a copy of a node's files.

pub mod derived;
pub mod live;
pub(super) mod names;
pub(super) mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use engine::inputs::{HostFacts, Inputs};

use super::files::{self, GatherError};
use super::paths::Paths;
use crate::views::facts::{FactsView, InvalidFacts};

/// Where a compilation's view of the host comes from.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What stands for `/`.
    pub paths: Paths,
    /// Node name, where the caller knows better.
    pub node: Option<String>,
    /// A facts file.
    pub facts: Option<PathBuf>,
}

/// All that a compilation may know, and what the reader should know about it.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// For [`engine::compile`].
    pub inputs: Inputs,
    /// Remarks for people: what was assumed.
    pub remarks: Vec<String>,
}

/// The host's facts could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The facts file cannot be read.
    #[error("could not read the facts file {path}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The facts file is not the JSON that it should be.
    #[error("could not read the facts file {path}")]
    Form {
        /// Its path.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: serde_json::Error,
    },
    /// The facts file says something impossible.
    #[error("could not use the facts file {path}")]
    Value {
        /// Its path.
        path: PathBuf,
        /// What.
        #[source]
        source: InvalidFacts,
    },
    /// The kernel did not answer.
    #[error("could not ask the kernel for {what}")]
    Netlink {
        /// Interfaces, addresses or routes.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No name for this node.
    #[error("which node is this? {0}; say --node NAME")]
    NoNode(String),
    /// The files could not be gathered.
    #[error("could not gather the configuration")]
    Files(#[from] GatherError),
}

/// Looks at the world once.
pub fn gather(wanted: &Wanted) -> Result<Gathered, FactsError> {
    let facts = host(wanted)?;
    let mut remarks = Vec::new();
    if wanted.facts.is_none() && !wanted.paths.is_live() {
        remarks.push(format!(
            "no --facts: assuming that all guests of {} run, on the bridges of their configuration",
            facts.node
        ));
    }
    let files = files::gather(&wanted.paths, &facts.node, &facts.links)?;
    Ok(Gathered { inputs: Inputs { files, facts: facts.into(), ..Inputs::default() }, remarks })
}

/// Looks at the host alone.
pub fn host(wanted: &Wanted) -> Result<HostFacts, FactsError> {
    if let Some(path) = &wanted.facts {
        let facts = from_file(path)?;
        return Ok(HostFacts { node: wanted.node.clone().unwrap_or(facts.node.clone()), ..facts });
    }
    if wanted.paths.is_live() {
        return live::facts(&wanted.paths, wanted.node.as_deref());
    }
    let node = match &wanted.node {
        Some(node) => node.clone(),
        None => node_of_root(&wanted.paths)?,
    };
    Ok(derived::facts(&wanted.paths, node)?)
}

/// Reads a facts file.
pub fn from_file(path: &Path) -> Result<HostFacts, FactsError> {
    let owned = || path.to_owned();
    let text = std::fs::read_to_string(path).map_err(|source| FactsError::Read { path: owned(), source })?;
    let view: FactsView =
        serde_json::from_str(&text).map_err(|source| FactsError::Form { path: owned(), source })?;
    HostFacts::try_from(view).map_err(|source| FactsError::Value { path: owned(), source })
}

/// A copy of a node's files: the only node there, or the one that `etc/hostname` names.
fn node_of_root(paths: &Paths) -> Result<String, FactsError> {
    let nodes = files::nodes(paths)?;
    if let [node] = nodes.as_slice() {
        return Ok(node.clone());
    }
    match files::text(paths, "/etc/hostname").as_deref().and_then(short_name) {
        Some(name) => Ok(name),
        None => Err(FactsError::NoNode(format!("there are {}, and no etc/hostname", known(&nodes)))),
    }
}

fn known(nodes: &[String]) -> String {
    if nodes.is_empty() { "no folders in etc/pve/nodes".to_owned() } else { nodes.join(", ") }
}

/// `node1` of `node1.example.org`
fn short_name(text: &str) -> Option<String> {
    let name = text.trim().split('.').next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}

/// An interface that is there for a guest: its port, or a part of its firewall bridge.
pub(crate) fn is_guest_link(name: &str) -> bool {
    crate::host::concern::vmid_of_port(name).is_some()
        || ["fwbr", "fwln", "fwpr"].iter().any(|kind| {
            name.strip_prefix(kind).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        })
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
