//! Rulesets in a kernel: loaded by libnftables or by an `nft` program, and what is then held.

use std::sync::Arc;

use engine::lift;
use engine::plan::DIVERT_READY;
use engine::ruleset::{Ruleset, TableFamily};
use nft_ffi::{Listing, Nft};
use serde_json::Value;

use crate::Failure;
use crate::namespace::run;

/// A ruleset without what names interfaces by number, for a namespace that has none of them: chains at ports, and which of
/// them are ready. Kitchen sinks have both, and `wire::reject` has them for real.
pub fn without_ports(ruleset: &Ruleset) -> Ruleset {
    let mut ruleset = ruleset.clone();
    ruleset.tables.retain(|table| table.family != TableFamily::Netdev);
    for set in ruleset.tables.iter_mut().flat_map(|table| &mut table.sets) {
        if &*set.name == DIVERT_READY {
            Arc::make_mut(set).elements.clear();
        }
    }
    ruleset
}

/// In which language a script is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// nft(8)
    Text,
    /// libnftables-json(5)
    Json,
}

/// Who loads and lists.
#[derive(Debug)]
pub enum Loader {
    /// libnftables of this machine, in this process.
    Library(Nft),
    /// An `nft` by its path.
    Program(String),
}

impl Loader {
    /// libnftables, for the namespace that the thread is in now.
    pub fn library() -> Result<Loader, Failure> {
        Ok(Loader::Library(Nft::new()?))
    }

    /// Loads a script as one transaction.
    pub fn load(&mut self, script: &str, language: Language) -> Result<(), Failure> {
        match (self, language) {
            (Loader::Library(nft), Language::Text) => nft.commit(script)?,
            (Loader::Library(nft), Language::Json) => nft.commit_json(script)?,
            (Loader::Program(nft), Language::Text) => drop(run(nft, &["-f", "-"], script)?),
            (Loader::Program(nft), Language::Json) => drop(run(nft, &["-j", "-f", "-"], script)?),
        }
        Ok(())
    }

    /// What the kernel holds, as JSON.
    pub fn list(&mut self) -> Result<Value, Failure> {
        match self {
            Loader::Library(nft) => Ok(nft.list_json("list ruleset", Listing::default())?),
            Loader::Program(nft) => Ok(serde_json::from_str(&run(nft, &["-j", "list", "ruleset"], "")?)?),
        }
    }

    /// What one table holds, as text.
    pub fn list_table(&mut self, family: TableFamily, name: &str) -> Result<String, Failure> {
        let words = ["list", "table", family.as_str(), name];
        match self {
            Loader::Library(nft) => Ok(nft.list(&words.join(" "), Listing::default())?),
            Loader::Program(nft) => run(nft, &words, ""),
        }
    }

    /// Where the tables of `wanted` and what the kernel holds of them differ; nothing else may be held.
    pub fn differences(&mut self, wanted: &Ruleset) -> Result<Vec<String>, Failure> {
        Ok(lift::differences(wanted, &lift::ruleset(&self.list()?)?))
    }
}
