//! Files, what they come to, and what is said about them.

mod codes;
mod devices;
mod files;
mod hostile;
mod lexical;
mod options;
mod sets;

use crate::diagnostic::Place;
use crate::inputs::{FileContent, HostFacts, Inputs};
use crate::model::Config;
use crate::span::Sources;

const CLUSTER: &str = "/etc/pve/firewall/cluster.fw";
const HOST: &str = "/etc/pve/nodes/node1/host.fw";
const VMLIST: &str = r#"{"ids":{"100":{"node":"node1","type":"qemu"},"200":{"node":"node1","type":"lxc"},
    "300":{"node":"node2","type":"qemu"}}}"#;

/// Files of a tree; `.vmlist`, `100.conf` and `200.conf` are there unless given.
fn inputs(files: &[(&str, &[u8])]) -> Inputs {
    let mut inputs = Inputs {
        facts: HostFacts { node: "node1".to_owned(), ..HostFacts::default() }.into(),
        ..Inputs::default()
    };
    let defaults: [(&str, &[u8]); 3] = [
        ("/etc/pve/.vmlist", VMLIST.as_bytes()),
        (
            "/etc/pve/nodes/node1/qemu-server/100.conf",
            b"net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n",
        ),
        ("/etc/pve/nodes/node1/lxc/200.conf", b""),
    ];
    for (path, text) in defaults.iter().chain(files) {
        inputs.files.insert((*path).to_owned(), FileContent::Bytes((*text).into()));
    }
    inputs
}

/// Reads the files; the remarks as `file:line code` with the last part of the path.
fn read(inputs: &Inputs) -> (Config, Vec<String>) {
    let mut sources = Sources::default();
    let (config, diagnostics) = super::config(inputs, &mut sources);
    let shown = diagnostics.iter().map(|diagnostic| {
        assert!(!diagnostic.message.is_empty() && diagnostic.message.len() < 400, "{diagnostic:?}");
        if let Place::Span(span) = diagnostic.place {
            assert!(
                span.start <= span.end && span.end as usize <= sources.text(span.file).len(),
                "{diagnostic:?}"
            );
        }
        assert!(diagnostic.remedy.as_ref().is_none_or(|remedy| remedy.len() < 400), "{diagnostic:?}");
        let line = diagnostic.line(&sources);
        let (place, rest) = line.split_once(": ").expect("a place");
        let mut parts = place.rsplit('/').next().expect("a file name").split(':');
        let (file, line) = (parts.next().unwrap_or_default(), parts.next());
        let id = rest.split(['[', ']']).nth(1).expect("a code");
        line.map_or(format!("{file} {id}"), |line| format!("{file}:{line} {id}"))
    });
    (config, shown.collect())
}

/// Reads one file, expects these remarks, and gives what it comes to.
#[track_caller]
fn check(path: &str, text: &[u8], remarks: &[&str]) -> Config {
    let (config, found) = read(&inputs(&[(path, text)]));
    assert_eq!(found, remarks, "{:?}", String::from_utf8_lossy(&text[..text.len().min(200)]));
    config
}
