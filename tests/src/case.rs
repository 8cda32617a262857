//! A folder of a case -> what the engine reads. `tests/fixtures/README.md` describes the folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use engine::inputs::{FileContent, Files, HostFacts, Inputs, Settings};

use crate::Failure;
use crate::facts;

/// One case: a configuration and what packets meet under it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// What the engine reads.
    pub inputs: Inputs,
    /// The lines of `packets` without comments, with their line numbers.
    pub packets: Vec<(usize, String)>,
}

/// The folder of this package.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All fixtures, by name.
pub fn fixtures() -> Result<Vec<Case>, Failure> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder().join("fixtures"))? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    folders.iter().map(|folder| read(folder)).collect()
}

/// The reference network with no configuration at all.
pub fn network() -> Result<Inputs, Failure> {
    let network = folder().join("network");
    let files = BTreeMap::new();
    let facts = host_facts(&network)?;
    let mut inputs = Inputs { files, last_good: Files::new(), facts, settings: Settings::default() };
    for entry in fs::read_dir(&network)? {
        let path = entry?.path();
        if let Some(place) = place(&file_name(&path), &inputs.facts.node) {
            inputs.files.insert(place, content(&path)?);
        }
    }
    Ok(inputs)
}

/// Reads one folder.
pub fn read(folder: &Path) -> Result<Case, Failure> {
    let mut inputs = network()?;
    if folder.join("facts.json").exists() {
        inputs.facts = host_facts(folder)?;
    }
    let mut packets = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = file_name(&path);
        match name.as_str() {
            "packets" => packets = packet_lines(&fs::read_to_string(&path)?),
            "last-good" => inputs.last_good = last_good(&path, &inputs.facts.node)?,
            _ => add(&mut inputs, &name, content(&path)?),
        }
    }
    Ok(Case { name: file_name(folder), inputs, packets })
}

/// Adds a file of a case by the name that cases give it; other names are ignored.
pub fn add(inputs: &mut Inputs, name: &str, content: FileContent) {
    let node = inputs.facts.node.clone();
    let Some(place) = place(name, &node) else { return };
    // A guest is a VM or a container.
    for (own, other) in [("qemu-server", "lxc"), ("lxc", "qemu-server")] {
        if place.contains(&format!("/{own}/")) {
            inputs.files.remove(&place.replace(&format!("/{own}/"), &format!("/{other}/")));
        }
    }
    inputs.files.insert(place, content);
}

fn last_good(folder: &Path, node: &str) -> Result<Files, Failure> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(place) = place(&file_name(&path), node) {
            files.insert(place, content(&path)?);
        }
    }
    Ok(files)
}

/// Where a node has the file that cases call `name`.
fn place(name: &str, node: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    Some(match name {
        "cluster.fw" => "/etc/pve/firewall/cluster.fw".to_owned(),
        "host.fw" => format!("/etc/pve/nodes/{node}/host.fw"),
        "node.cfg" => format!("/etc/pve/nodes/{node}/proxmox-firewall.cfg"),
        "running-config" => "/etc/pve/sdn/.running-config".to_owned(),
        "ipam" => "/etc/pve/sdn/pve-ipam-state.json".to_owned(),
        "corosync.conf" => "/etc/pve/corosync.conf".to_owned(),
        "vmlist" => "/etc/pve/.vmlist".to_owned(),
        "services" | "protocols" | "ethertypes" => format!("/etc/{name}"),
        _ => {
            let (stem, kind) = name.split_once('.')?;
            match kind {
                "fw" if is_number(stem) => format!("/etc/pve/firewall/{name}"),
                "fw" => format!("/etc/pve/sdn/firewall/{name}"),
                "conf" if is_number(stem) => format!("/etc/pve/nodes/{node}/qemu-server/{name}"),
                "lxc.conf" => format!("/etc/pve/nodes/{node}/lxc/{stem}.conf"),
                _ => return None,
            }
        }
    })
}

fn host_facts(folder: &Path) -> Result<HostFacts, Failure> {
    let path = folder.join("facts.json");
    let text = fs::read_to_string(&path)?;
    facts::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()).into())
}

fn packet_lines(text: &str) -> Vec<(usize, String)> {
    let numbered = text.lines().zip(1..);
    let lines = numbered.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(line, number)| (number, line.to_owned())).collect()
}

fn content(path: &Path) -> Result<FileContent, Failure> {
    Ok(FileContent::Bytes(fs::read(path)?.into()))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
