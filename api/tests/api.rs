//! The binary as a service and as its own client, over a socket, in a network namespace of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const FILES: [(&str, &str); 6] = [
    ("/etc/pve/.version", "{}"),
    ("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n\n[IPSET management]\n192.0.2.0/24\n"),
    ("/etc/pve/nodes/n1/host.fw", "[OPTIONS]\nnftables: 1\n"),
    ("/etc/pve/nodes/n1/qemu-server/100.conf", "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n"),
    ("/etc/pve/firewall/100.fw", "[OPTIONS]\nenable: 1\n\n[RULES]\nIN DROP\nIN ACCEPT -p tcp\n"),
    (
        "/facts.json",
        r#"{"node": "n1", "links": [{"name": "eno1", "mac": "02:00:00:00:0e:01", "master": "vmbr0"},
        {"name": "vmbr0", "kind": "bridge", "mac": "02:00:00:00:0b:00", "addresses": ["192.0.2.1/24"]}],
        "resolved": {"n1": ["192.0.2.1"]}}"#,
    ),
];

/// A service that runs, or does not yet.
struct Node {
    root: tempfile::TempDir,
    service: Option<Child>,
}

impl Node {
    fn new() -> Node {
        let node = Node { root: tempfile::tempdir().expect("there is a temporary folder"), service: None };
        FILES.iter().for_each(|(path, text)| node.write(path, text));
        node
    }

    fn path(&self, absolute: &str) -> PathBuf {
        self.root.path().join(absolute.trim_start_matches('/'))
    }

    fn write(&self, absolute: &str, text: &str) {
        let path = self.path(absolute);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("writable");
        std::fs::write(path, text).expect("writable");
    }

    fn start(&mut self) {
        let mut service = Command::new("unshare");
        service.args(["--net", env!("CARGO_BIN_EXE_proxmox-firewall"), "serve"]);
        service.arg("--root").arg(self.root.path()).arg("--facts").arg(self.path("/facts.json"));
        service.arg("--socket").arg(self.path("/run/api.sock")).stderr(Stdio::null());
        self.service = Some(service.spawn().expect("tests run as root"));
        let is_ready = |output: &Output| String::from_utf8_lossy(&output.stdout).contains("generation  1");
        self.until("status --color never", is_ready);
    }

    fn run(&self, line: &str) -> Output {
        let mut client = Command::new(env!("CARGO_BIN_EXE_proxmox-firewall"));
        client.arg("--socket").arg(self.path("/run/api.sock")).args(line.split(' ')).env_remove("RUST_LOG");
        client.output().expect("the binary was built")
    }

    /// What a command prints, once its exit code has been found right.
    fn printed(&self, line: &str, codes: &[i32]) -> String {
        let output = self.run(line);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{line}: {output:?}");
        text
    }

    /// Repeats a command until what it gives is right.
    fn until(&self, line: &str, is_right: impl Fn(&Output) -> bool) -> Output {
        let began = Instant::now();
        loop {
            let output = self.run(line);
            if is_right(&output) {
                return output;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{line}: {output:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGTERM; the exit code.
    fn stop(&mut self) -> Option<i32> {
        let mut service = self.service.take()?;
        Command::new("kill").arg(service.id().to_string()).status().expect("kill is there");
        service.wait().expect("it is our child").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Kernels without the bridge family's features leave the guests' table out, and that is a finding.
const GOOD: &[i32] = &[0, 1];

#[test]
fn without_a_service_clients_say_how_to_start_it() {
    let node = Node::new();
    for line in ["status", "apply --force", "guests 100", "events"] {
        let text = node.printed(line, &[2]);
        assert!(text.contains("systemctl start proxmox-firewall"), "{text}");
    }
}

#[test]
fn a_change_is_held_seen_applied_confirmed_and_taken_back() {
    let mut node = Node::new();
    node.start();
    let status = node.printed("status", GOOD);
    assert!(status.contains("generation  1 (start)"), "{status}");
    assert!(node.printed("guests", &[0]).contains("100  qemu  on"));
    let guest: Value = serde_json::from_str(&node.printed("guests 100 --json", &[0])).expect("JSON");
    assert_eq!(guest["devices"][0]["rules"][1]["line"], 6);
    assert_ne!(guest["devices"][0]["rules"][1]["effect"], "enforced");
    assert_eq!(guest["hits_missing"], Value::Null);
    assert!(node.printed("guests 999", &[2]).contains("guest 999 is not on this node"));

    assert!(node.printed("hold", &[0]).contains("automatic applying is switched off"));
    node.write(
        "/etc/pve/nodes/n1/host.fw",
        "[OPTIONS]\nnftables: 1\n[RULES]\nIN ACCEPT -p tcp -dport 4242\n",
    );
    node.until("diff", |output| output.status.code() == Some(1));
    let diff = node.printed("diff", &[1]);
    assert!(diff.lines().any(|line| line.starts_with('+') && line.contains("4242")), "{diff}");
    let applied = node.printed("apply --confirm-within 60", GOOD);
    assert!(applied.contains("generation 2 is enforced") && applied.contains("confirm within"), "{applied}");
    assert_eq!(node.printed("diff", &[0]), "nothing would change\n");
    node.printed("confirm", &[0]);
    assert!(node.printed("confirm", &[2]).contains("nothing"));
    let back = node.printed("rollback 1", GOOD);
    assert!(back.contains("generation 3 is enforced"), "{back}");
    node.printed("diff", &[1]);
    assert!(
        node.printed("reject-mode drop", GOOD).contains("drop") || !status.contains("reject mode prerouting")
    );
    assert_eq!(node.stop(), Some(0));
    assert!(node.printed("status", &[2]).contains("is not running"));
}

#[test]
fn metrics_and_events_come_from_the_running_service() {
    let mut node = Node::new();
    node.start();
    let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
        print $s \"GET $ARGV[1] HTTP/1.0\\r\\n\\r\\n\"; while (<$s>) { print; last if /^data:/ }";
    let get = |path: &str| {
        let perl =
            Command::new("perl").arg("-e").arg(script).arg(node.path("/run/api.sock")).arg(path).output();
        String::from_utf8(perl.expect("perl is essential on Debian").stdout).expect("UTF-8")
    };
    let metrics = get("/metrics");
    assert!(
        metrics.contains("\nproxmox_firewall_generation 1\n") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    assert!(get("/v1/events").contains("event: state"), "HTTP/1.0 clients get events as well");
}
