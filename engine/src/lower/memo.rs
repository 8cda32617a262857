//! What lowering keeps from one compilation to the next: files as they were, and what they came to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::vmlist::Listed;
use crate::diagnostic::Diagnostic;
use crate::inputs::{Files, Inputs};
use crate::links::Links;
use crate::model::guest::Guest;
use crate::model::names::{Vmid, VnetName};
use crate::model::options::NodeSettings;
use crate::model::sdn::{Corosync, Sdn};
use crate::model::{Datacenter, Host, Vnet};
use crate::span::FileId;

/// Files whose names every other file may use.
const REGISTRIES: [&str; 3] = ["/etc/services", "/etc/protocols", "/etc/ethertypes"];

/// Starts empty; belongs to one [`crate::span::Sources`], whose ids the kept values hold.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    files: Files,
    node: String,
    /// Every file that was ever opened: its id never changes.
    pub(super) ids: BTreeMap<String, FileId>,
    pub(super) kept: Kept,
}

/// What files came to.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) datacenter: Option<Part<Option<Arc<Datacenter>>>>,
    pub(super) host: Option<Part<Option<Arc<Host>>>>,
    pub(super) settings: Option<Part<NodeSettings>>,
    pub(super) list: Option<Part<List>>,
    pub(super) local: Option<Local>,
    /// Ascending by VMID.
    pub(super) guests: Vec<KeptGuest>,
    pub(super) vnets: BTreeMap<String, Part<NamedVnet>>,
    pub(super) sdn: Option<Part<Arc<Sdn>>>,
    pub(super) corosync: Option<Part<Option<Arc<Corosync>>>>,
}

/// `None`: the file's name is none of a VNet.
pub(super) type NamedVnet = Option<(VnetName, Arc<Vnet>)>;

/// A value with what was said on the way to it.
#[derive(Debug, Clone)]
pub(super) struct Part<T> {
    pub(super) value: T,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// The list of guests, those of all nodes.
#[derive(Debug, Clone)]
pub(super) enum List {
    /// There is none.
    Absent,
    /// It says nothing.
    Unreadable,
    Guests(Arc<BTreeMap<Vmid, Listed>>),
}

/// The guests of this node, and what they were picked from.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) list: Arc<BTreeMap<Vmid, Listed>>,
    pub(super) links: Arc<Links>,
    pub(super) guests: Arc<BTreeMap<Vmid, Listed>>,
}

/// A guest of this node; without `guest` it is left out.
#[derive(Debug)]
pub(super) struct KeptGuest {
    pub(super) vmid: Vmid,
    pub(super) listed: Listed,
    pub(super) guest: Option<Arc<Guest>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// What is not as it was.
pub(super) struct Changed<'a> {
    paths: BTreeSet<&'a str>,
    /// Guests with a file among them.
    pub(super) guests: BTreeSet<Vmid>,
}

impl Changed<'_> {
    /// Whether a file has changed, come or gone.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }
}

impl Memo {
    /// Takes note of the files and tells which are new, gone or other than before. What depends on no file of its
    /// own (names of services, the node's name) takes everything with it.
    pub(super) fn changed(&mut self, inputs: &Inputs) -> Vec<String> {
        let changed = inputs.files.changed_since(&self.files);
        self.files = inputs.files.clone();
        let names_changed = changed.iter().any(|path| REGISTRIES.contains(&path.as_str()));
        if names_changed || self.node != inputs.facts.node {
            self.node.clone_from(&inputs.facts.node);
            self.kept = Kept::default();
        }
        changed
    }
}

impl<'a> Changed<'a> {
    pub(super) fn new(paths: &'a [String]) -> Changed<'a> {
        let vmid = |path: &String| {
            let name = path.rsplit('/').next()?;
            name.strip_suffix(".fw").or_else(|| name.strip_suffix(".conf"))?.parse().ok()
        };
        Changed {
            paths: paths.iter().map(String::as_str).collect(),
            guests: paths.iter().filter_map(vmid).collect(),
        }
    }
}
