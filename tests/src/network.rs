//! The reference network that all cases use: `tests/network`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::inputs::{FileContent, HostFacts, Inputs};
use engine::model::guest::Guest;
use engine::model::names::Vmid;
use engine::simulate::World;
use proxmox_firewall::views::facts::FactsView;

use crate::case::path_of;

/// The folder of this package.
pub fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn folder() -> PathBuf {
    tests_folder().join("network")
}

/// Reads a facts file.
pub fn facts(text: &str) -> HostFacts {
    let view: FactsView = serde_json::from_str(text).unwrap_or_else(|e| panic!("facts.json: {e}"));
    HostFacts::try_from(view).unwrap_or_else(|e| panic!("facts.json: {e}"))
}

/// Node, guests and registries of the reference network, without any firewall file.
pub fn inputs() -> Inputs {
    let mut inputs = Inputs::default();
    for (name, bytes) in crate::case::read_folder(&folder()) {
        let path = match name.as_str() {
            "facts.json" => {
                inputs.facts = facts(std::str::from_utf8(&bytes).expect("text")).into();
                continue;
            }
            "services" | "protocols" | "ethertypes" => format!("/etc/{name}"),
            guest => path_of(guest),
        };
        inputs.files.insert(path, FileContent::Bytes(bytes.into()));
    }
    inputs
}

/// The network around the rules, with the zone names of the cases.
pub fn world(facts: &HostFacts, guests: &std::collections::BTreeMap<Vmid, Arc<Guest>>) -> World {
    let mut world = World::from_facts(facts, guests);
    world.add_zone("outside", "eth0");
    world.add_zone("nfvm", "tap199i0");
    world
}
