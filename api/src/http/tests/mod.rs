//! The API over real sockets, on top of a reconciler that keeps everything in memory.

mod endpoints;
mod events;
mod limits;
mod openapi;
mod peers;
mod problems;
mod rpc;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::inputs::{FileContent, Files, HostFacts, Link, LinkKind};
use engine::ruleset::{Ruleset, Table};
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::listener::bind;
use super::{Limits, Listeners, serve_within};
use crate::cli::client::{Answer, call, request};
use crate::host::judge::{AllHits, Hits, Judge};
use crate::host::kernel::Fault;
use crate::service::double;

/// The firewall file of the example's guest: each rule comes to something else.
const GUEST: &str = "[OPTIONS]\nenable: 1\n[RULES]\nIN ACCEPT -p tcp -dport 80\n|IN ACCEPT -p tcp -dport 81\n\
    IN ACCEPT -source nobody\nIN DROP\nIN ACCEPT -p tcp -dport 22\n";

fn files() -> Files {
    let files = [
        ("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n[IPSET trusted]\n10.0.0.0/8\n"),
        ("/etc/pve/firewall/100.fw", GUEST),
        ("/etc/pve/nodes/n/host.fw", "[OPTIONS]\nnftables: 1\n"),
        (
            "/etc/pve/nodes/n/qemu-server/100.conf",
            "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\nnet1: virtio=BC:24:11:00:00:02,bridge=vmbr0\n",
        ),
    ];
    files.map(|(path, text)| (path.to_owned(), FileContent::text(text))).into()
}

fn facts() -> HostFacts {
    let bridge = Link {
        name: "vmbr0".to_owned(),
        kind: LinkKind::Bridge { vlan_aware: false },
        up: true,
        addresses: vec!["192.0.2.1/24".parse().expect("an address")],
        ..Link::default()
    };
    let port = |name: &str| Link {
        name: name.to_owned(),
        up: true,
        master: Some("vmbr0".to_owned()),
        ..Link::default()
    };
    let links = vec![bridge, port("eno1"), port("tap100i0")];
    HostFacts { node: "n".to_owned(), links, ..HostFacts::default() }
}

/// A kernel that takes everything, and whose rules were met seven times.
struct Agreeable;

impl Judge for Agreeable {
    fn judge(&self, _ruleset: &Ruleset) -> Result<Vec<Fault>, String> {
        Ok(Vec::new())
    }

    fn hits(&self) -> Result<Arc<AllHits>, String> {
        let of = engine::compile(&engine::inputs::Inputs {
            files: files(),
            facts: facts().into(),
            ..engine::inputs::Inputs::default()
        });
        let met = Hits { packets: 7, bytes: 700 };
        let mut hits = AllHits::new();
        for Table { family, chains, .. } in &of.plan.ruleset.tables {
            let rules = chains.iter().flat_map(|chain| &chain.rules);
            hits.extend(rules.map(|rule| ((*family, rule.id), met)));
        }
        Ok(Arc::new(hits))
    }

    fn connections(&self) -> Option<(u64, u64)> {
        Some((12, 65_536))
    }
}

/// A service that runs for a test.
struct Running {
    folder: PathBuf,
    socket: PathBuf,
    read: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
}

fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("proxmox-firewall-http-{}-{number}", std::process::id()))
}

impl Running {
    fn new() -> Running {
        Running::within(Limits::default(), Some(files()))
    }

    fn within(limits: Limits, files: Option<Files>) -> Running {
        Running::owned(limits, files, nix::unistd::geteuid().as_raw())
    }

    fn owned(limits: Limits, files: Option<Files>, owner: u32) -> Running {
        let folder = folder();
        let (socket, read) = (folder.join("api.sock"), folder.join("read.sock"));
        let listeners = Listeners {
            api: bind(&socket, 0o600, None).expect("the folder is ours"),
            read: Some(bind(&read, 0o660, Some(nix::unistd::getegid())).expect("the folder is ours")),
            owner,
        };
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _dropped = stopped.await;
        };
        let handle = double::start(files, facts());
        let served = tokio::spawn(serve_within(limits, handle, listeners, Arc::new(Agreeable), stopped));
        Running { folder, socket, read, stop: Some(stop), served: Some(served) }
    }

    async fn get(&self, path: &str) -> Answer {
        ask(&self.socket, Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        ask(&self.socket, Method::POST, path, Some(body)).await
    }

    /// Stops the service, and waits for it.
    async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.await.expect("does not panic").expect("sockets can be watched");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

async fn ask(socket: &Path, method: Method, path: &str, body: Option<&Value>) -> Answer {
    call(socket, request(method, path, body)).await.expect("the service answers")
}

/// The body of an answer that went well.
fn good(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// The problem document of an answer that did not.
fn problem(answer: &Answer, status: u16) -> Value {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status.as_u16(), status, "{text}");
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{text}");
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{text}");
    assert!(problem["title"].is_string() && problem["type"].is_string(), "{text}");
    problem
}
