//! What the targets share: a file alone is read as it would be among others, and what comes out is looked at.
#![forbid(unsafe_code)]

use std::sync::{Arc, LazyLock};

use engine::diagnostic::{Diagnostic, Place};
use engine::inputs::{FileContent, Inputs};
use engine::lower::names::Names;
use engine::simulate::{Packet, World};
use engine::span::{FileId, Sources};
use engine::{render, ruleset, simulate, transaction};
use firewall_tests::network;

/// Between the files of one input of the target `compile`.
const SEPARATOR: u8 = 0x1e;

/// The files of one input, in their order; packets come first.
const PATHS: [&str; 13] = [
    "/etc/pve/firewall/cluster.fw",
    "/etc/pve/firewall/100.fw",
    "/etc/pve/nodes/node1/host.fw",
    "/etc/pve/firewall/200.fw",
    "/etc/pve/sdn/firewall/vnet1.fw",
    "/etc/pve/nodes/node1/qemu-server/100.conf",
    "/etc/pve/nodes/node1/lxc/200.conf",
    "/etc/pve/sdn/.running-config",
    "/etc/pve/sdn/pve-ipam-state.json",
    "/etc/pve/corosync.conf",
    "/etc/pve/.vmlist",
    "/etc/pve/nodes/node1/proxmox-firewall.cfg",
    "/etc/services",
];

/// The guests' configurations and the registries of names, without firewall files.
static REFERENCE: LazyLock<Inputs> = LazyLock::new(network::inputs);

/// The names of `/etc/services` and its likes, sorted once.
static NAMES: LazyLock<Names<'static>> = LazyLock::new(|| Names::new(&REFERENCE.files));

/// Reads one file; its remarks must lie in it.
pub fn read<T>(text: &[u8], of: impl FnOnce(&[u8], FileId, &Names<'_>) -> (T, Vec<Diagnostic>)) {
    let mut sources = Sources::default();
    let file = sources.add("/etc/pve/file", Arc::from(text));
    let (_, diagnostics) = of(text, file, &NAMES);
    can_be_shown(&sources, &diagnostics);
}

/// Compiles the files of one input, renders the result, and sends the packets.
pub fn compile(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == SEPARATOR);
    let packets = parts.next().unwrap_or_default();
    let mut files = REFERENCE.files.clone();
    for (path, text) in PATHS.iter().zip(parts) {
        files.insert((*path).to_owned(), FileContent::Bytes(Arc::from(text)));
    }
    let inputs = Inputs { files, ..REFERENCE.clone() };
    let compiled = engine::compile(&inputs);
    can_be_shown(&compiled.sources, &compiled.diagnostics);
    let wanted = &compiled.plan.ruleset;
    ruleset::check::check(wanted).expect("a plan is legal");
    let script = transaction::full(wanted);
    assert_eq!(script.text.lines().count(), script.origins.len(), "one origin for each line");
    assert!(!render::json(wanted).is_empty());
    let world = World::from_facts(&inputs.facts, &compiled.config.guests);
    for line in String::from_utf8_lossy(packets).lines().take(8) {
        if let Ok(packet) = line.parse::<Packet>() {
            let _ = simulate::simulate(wanted, &world, &packet);
        }
    }
}

fn can_be_shown(sources: &Sources, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        if let Place::Span(span) = diagnostic.place {
            let text = sources.text(span.file);
            assert!(span.start <= span.end && span.end as usize <= text.len(), "{diagnostic:?}");
            sources.position(span);
            sources.line_text(span);
        }
    }
}
