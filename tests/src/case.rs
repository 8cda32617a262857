//! A case: files by their short name, compiled on the reference network, with what they say and where.

use std::collections::BTreeMap;
use std::path::Path;

use engine::diagnostic::{Diagnostic, Place};
use engine::inputs::{FileContent, Files, Inputs};
use engine::span::{Sources, Span};
use engine::{Compiled, compile};

use crate::network;

/// Files of a case by their short name: `cluster.fw`, `host.fw`, `100.fw`, `vnet1.fw`, `100.conf`,
/// `200.lxc.conf`, `running-config`, `ipam`, `corosync.conf`, `vmlist`, `node.cfg`, `last-good/cluster.fw`.
pub type CaseFiles = BTreeMap<String, Vec<u8>>;

/// Compiles files on the reference network, or on the host of `facts.json` among them.
pub fn compile_case(files: &CaseFiles) -> (Inputs, Compiled) {
    let inputs = inputs(files);
    let compiled = compile(&inputs);
    (inputs, compiled)
}

/// What a case's files come to.
pub fn inputs(files: &CaseFiles) -> Inputs {
    let mut inputs = network::inputs();
    if let Some(facts) = files.get("facts.json") {
        inputs.facts = network::facts(std::str::from_utf8(facts).expect("facts.json is text")).into();
    }
    for (name, bytes) in files {
        let content = FileContent::Bytes(bytes.as_slice().into());
        if let Some(name) = name.strip_prefix("last-good/") {
            inputs.last_good.insert(path_of(name), content);
        } else if name != "facts.json" {
            put(&mut inputs.files, name, content);
        }
    }
    settle_guests(&mut inputs.files);
    inputs
}

/// With a `.vmlist` only the listed guests have a configuration, each in its node's folder.
fn settle_guests(files: &mut Files) {
    let Some(FileContent::Bytes(text)) = files.get("/etc/pve/.vmlist") else { return };
    let Ok(list) = serde_json::from_slice::<serde_json::Value>(text) else { return };
    let here: Vec<String> = files.keys().filter(|path| path.ends_with(".conf")).cloned().collect();
    for path in here.into_iter().filter(|path| path.contains("/nodes/node1/")) {
        let content = files.remove(&path).expect("just listed");
        let vmid = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".conf");
        if let Some(node) = list["ids"][vmid]["node"].as_str() {
            files.insert(path.replace("/node1/", &format!("/{node}/")), content);
        }
    }
}

fn put(files: &mut Files, name: &str, content: FileContent) {
    files.insert(path_of(name), content);
}

/// The path of a file on a node.
pub fn path_of(name: &str) -> String {
    const NODE: &str = "/etc/pve/nodes/node1";
    let is_vmid = |stem: &str| stem.bytes().all(|b| b.is_ascii_digit());
    match name {
        "cluster.fw" => "/etc/pve/firewall/cluster.fw".to_owned(),
        "host.fw" => format!("{NODE}/host.fw"),
        "node.cfg" => format!("{NODE}/proxmox-firewall.cfg"),
        "running-config" => "/etc/pve/sdn/.running-config".to_owned(),
        "ipam" => "/etc/pve/sdn/pve-ipam-state.json".to_owned(),
        "corosync.conf" => "/etc/pve/corosync.conf".to_owned(),
        "vmlist" => "/etc/pve/.vmlist".to_owned(),
        _ => match name.split_once('.') {
            Some((stem, "fw")) if is_vmid(stem) => format!("/etc/pve/firewall/{name}"),
            Some((stem, "fw")) => format!("/etc/pve/sdn/firewall/{stem}.fw"),
            Some((stem, "conf")) => format!("{NODE}/qemu-server/{stem}.conf"),
            Some((stem, "lxc.conf")) => format!("{NODE}/lxc/{stem}.conf"),
            _ => panic!("no place for a file `{name}`"),
        },
    }
}

/// The short name of a path.
pub fn short_name(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    match last {
        ".running-config" => "running-config".to_owned(),
        "pve-ipam-state.json" => "ipam".to_owned(),
        ".vmlist" => "vmlist".to_owned(),
        "proxmox-firewall.cfg" => "node.cfg".to_owned(),
        _ if path.contains("/lxc/") => last.replace(".conf", ".lxc.conf"),
        _ => last.to_owned(),
    }
}

/// `cluster.fw:5`
pub fn line_of(sources: &Sources, span: Span) -> String {
    let at = sources.position(span);
    format!("{}:{}", short_name(&at.path), at.line)
}

/// `cluster.fw:5 L002`; a remark about a whole file has no line, one about the host no file.
pub fn brief(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let code = diagnostic.code.id();
    match diagnostic.place {
        Place::Span(span) => format!("{} {code}", line_of(sources, span)),
        Place::File(file) => format!("{} {code}", short_name(sources.path(file))),
        Place::Host => format!("host {code}"),
    }
}

/// Reads the files of a folder.
pub fn read_folder(folder: &Path) -> CaseFiles {
    let mut files = CaseFiles::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder entry");
        let name = entry.file_name().into_string().expect("file names are text");
        if entry.file_type().expect("a file type").is_dir() {
            for (inner, bytes) in read_folder(&entry.path()) {
                files.insert(format!("{name}/{inner}"), bytes);
            }
        } else {
            let bytes = std::fs::read(entry.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
            files.insert(name, bytes);
        }
    }
    files
}
