//! The service over a real kernel: a network namespace of its own, a tree of its own, no socket in between.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::inputs::RejectMode;
use nix::sched::{CloneFlags, unshare};
use proxmox_firewall::host::facts::Wanted;
use proxmox_firewall::host::paths::Paths;
use proxmox_firewall::service::gate::Waits;
use proxmox_firewall::service::handle::{Apply, ApplyError, Event, GuestEvent, GuestEventKind, Overlay};
use proxmox_firewall::service::state::{Obstacle, Published, State, Summary};
use proxmox_firewall::service::{self, Handle, Options};

const CLUSTER: &str = "[OPTIONS]\nenable: 1\n\n[IPSET management]\n192.0.2.0/24\n";
const HOST: &str = "[OPTIONS]\nnftables: 1\n";

const FACTS: &str = r#"{"node": "n1", "links": [
    {"name": "eno1", "mac": "02:00:00:00:0e:01", "master": "vmbr0"},
    {"name": "vmbr0", "kind": "bridge", "mac": "02:00:00:00:0b:00", "addresses": ["192.0.2.1/24"]}
], "resolved": {"n1": ["192.0.2.1"]}}"#;

/// `host.fw` with a rule.
fn host(rule: &str) -> String {
    format!("{HOST}[RULES]\n{rule}\n")
}

/// A node: its files, its network namespace, its service.
struct Node {
    root: tempfile::TempDir,
}

impl Node {
    /// Of the calling thread, which leaves its network namespace for it.
    fn new() -> Node {
        unshare(CloneFlags::CLONE_NEWNET).expect("tests run as root");
        let node = Node { root: tempfile::tempdir().expect("there is a temporary folder") };
        std::fs::create_dir_all(node.path("/etc/pve/nodes/n1/qemu-server")).expect("writable");
        node.write("/etc/pve/.version", "{}");
        node.write("/facts.json", FACTS);
        node.write("/etc/pve/firewall/cluster.fw", CLUSTER);
        node.write("/etc/pve/nodes/n1/host.fw", HOST);
        node
    }

    fn path(&self, absolute: &str) -> std::path::PathBuf {
        self.root.path().join(absolute.trim_start_matches('/'))
    }

    fn write(&self, absolute: &str, text: &str) {
        let path = self.path(absolute);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("writable");
        std::fs::write(path, text).expect("writable");
    }

    fn wanted(&self) -> Wanted {
        let (paths, facts) = (Paths::below(self.root.path()), Some(self.path("/facts.json")));
        Wanted { paths, node: None, facts }
    }

    fn start(&self) -> Service {
        let (handle, thread) = service::start(Options { wanted: self.wanted() }).expect("starts");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
        runtime.block_on(handle.ready());
        Service { handle, thread: Some(thread), runtime }
    }

    fn nft(&self, arguments: &[&str]) -> String {
        let ran = std::process::Command::new("/usr/sbin/nft").args(arguments).output().expect("nft is there");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    fn holds(&self, text: &str) -> bool {
        self.nft(&["list", "ruleset"]).contains(text)
    }
}

struct Service {
    handle: Handle,
    thread: Option<std::thread::JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
}

impl Service {
    fn published(&self) -> Arc<Published> {
        self.handle.published()
    }

    fn apply(&self, apply: Apply) -> Result<bool, ApplyError> {
        self.runtime.block_on(self.handle.apply(apply)).map(|applied| applied.changed)
    }

    /// Waits for something to be published.
    fn until(&self, what: &str, mut is_there: impl FnMut(&Published) -> bool) -> Arc<Published> {
        let began = Instant::now();
        loop {
            let published = self.published();
            if is_there(&published) {
                return published;
            }
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{what}: {:?} {}",
                published.state,
                published.cause
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}

fn number(published: &Published) -> u64 {
    published.generation.as_ref().map_or(0, |generation| generation.number)
}

#[test]
fn a_saved_rule_is_in_the_kernel_and_goes_again() {
    let node = Node::new();
    let service = node.start();
    assert!(node.holds("table inet proxmox-firewall"));
    let before = number(&service.published());

    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    let published = service.until("a new generation", |published| number(published) > before);
    assert!(node.holds("tcp dport 4711"));
    assert_eq!(published.generation.as_ref().map(|generation| generation.changes.n_rules_added), Some(1));

    node.write("/etc/pve/nodes/n1/host.fw", HOST);
    service.until("the next one", |published| number(published) > before + 1);
    assert!(!node.holds("tcp dport 4711"));
    service.stop();
    assert!(node.holds("table inet proxmox-firewall"), "stopping leaves the tables");
}

#[test]
fn what_others_do_to_our_tables_is_undone() {
    let node = Node::new();
    let service = node.start();
    let before = node.nft(&["list", "ruleset"]);
    node.nft(&["add", "table", "inet", "theirs"]);
    for change in [&["flush", "table", "inet", "proxmox-firewall"][..], &["flush", "ruleset"]] {
        let n_repairs = service.published().drift.as_ref().map_or(0, |drift| drift.n_repairs);
        node.nft(change);
        let is_more = |p: &Published| p.drift.as_ref().is_some_and(|drift| drift.n_repairs > n_repairs);
        service.until("repaired", is_more);
        assert!(node.nft(&["list", "ruleset"]).contains(&before), "{change:?}");
    }
    node.nft(&["add", "table", "inet", "theirs"]);
    let published = service.published();
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    let published = service.until("applied", |p| number(p) > number(&published));
    assert_eq!(published.drift.as_ref().map(|drift| drift.n_repairs), Some(2), "tables of others are theirs");
    assert!(node.holds("table inet theirs") && node.holds("tcp dport 4711"));
    service.stop();
}

#[test]
fn what_cuts_the_way_in_waits_for_force() {
    let node = Node::new();
    let service = node.start();
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN DROP -p tcp -dport 8006"));
    let published = service.until("held", |published| published.state == State::Held);
    let Some(Obstacle::Waits(Waits::WayIn, cuts)) = published.candidate.as_ref().map(|c| &c.obstacle) else {
        panic!("{:?}", published.candidate.as_ref().map(|c| &c.obstacle));
    };
    assert!(cuts.iter().any(|cut| cut.contains("8006") && cut.contains("host.fw:4")), "{cuts:?}");
    assert!(!node.holds("tcp dport 8006 drop"));
    assert!(matches!(service.apply(Apply::default()), Err(ApplyError::Held(Waits::WayIn, _))));
    service.apply(Apply { force: true, ..Apply::default() }).expect("forced");
    assert!(node.holds("tcp dport 8006"));
    service.stop();
}

#[test]
fn neighbours_of_a_changed_rule_are_not_touched() {
    let node = Node::new();
    let (a, b) = ("IN ACCEPT -p tcp -dport 4711", "IN ACCEPT -p tcp -dport 4712");
    node.write("/etc/pve/nodes/n1/host.fw", &host(a));
    let service = node.start();
    let handle = |port: &str| {
        let listing = node.nft(&["-a", "list", "chain", "inet", "proxmox-firewall", "host-in"]);
        listing.lines().find(|line| line.contains(port)).map(str::to_owned)
    };
    let before = handle("4711");
    assert!(before.is_some());
    node.write("/etc/pve/nodes/n1/host.fw", &host(&format!("{b}\n{a}")));
    service.until("applied", |_| node.holds("4712"));
    assert_eq!(handle("4711"), before);
    service.stop();
}

#[test]
fn what_is_switched_off_is_removed() {
    let node = Node::new();
    let service = node.start();
    node.write("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 0\n");
    service.until("disabled", |published| published.state == State::Disabled);
    assert!(!node.holds("proxmox-firewall"));
    node.write("/etc/pve/firewall/cluster.fw", CLUSTER);
    service.until("on again", |published| published.state != State::Disabled);
    assert!(node.holds("table inet proxmox-firewall"));

    node.write("/run/proxmox-nftables-firewall-force-disable", "");
    service.until("handed over", |published| published.state == State::Disabled);
    assert!(!node.holds("proxmox-firewall"));
    service.stop();
}

#[test]
fn a_firewall_that_is_on_for_a_time_goes_when_that_is_over() {
    let node = Node::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    // A time stamp holds for 60 s.
    node.write("/etc/pve/firewall/cluster.fw", &format!("[OPTIONS]\nenable: {}\n", now - 56));
    let service = node.start();
    assert!(node.holds("table inet proxmox-firewall"));
    service.until("over", |published| published.state == State::Disabled);
    assert!(!node.holds("proxmox-firewall"));
    service.stop();
}

#[test]
fn a_restart_takes_over_with_counters() {
    let node = Node::new();
    node.start().stop();
    node.nft(&["add", "rule", "inet", "unrelated", "x"]);
    let before = node.nft(&["-a", "list", "ruleset"]);
    let service = node.start();
    assert_eq!(node.nft(&["-a", "list", "ruleset"]), before, "not even a handle changed");
    service.stop();
}

#[test]
fn without_the_cluster_file_system_what_was_enforced_is_enforced() {
    let node = Node::new();
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    node.start().stop();
    node.nft(&["flush", "ruleset"]);
    std::fs::rename(node.path("/etc/pve"), node.path("/etc/away")).expect("renamed");
    let service = node.start();
    assert!(node.holds("tcp dport 4711"));
    std::fs::rename(node.path("/etc/away"), node.path("/etc/pve")).expect("renamed");
    node.write("/etc/pve/nodes/n1/host.fw", HOST);
    service.until("the file system is back", |_| !node.holds("tcp dport 4711"));
    service.stop();
}

#[test]
fn at_boot_what_was_enforced_is_restored_unless_the_firewall_was_off() {
    let node = Node::new();
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    assert_eq!(service::restore(node.wanted()).expect("works"), None, "nothing was enforced");
    let service = node.start();
    let number = number(&service.published());
    service.stop();
    std::fs::rename(node.path("/etc/pve"), node.path("/etc/away")).expect("renamed");
    node.nft(&["flush", "ruleset"]);
    let restored = service::restore(node.wanted()).expect("works").expect("something was enforced");
    assert_eq!(restored.generation, number);
    assert!(node.holds("tcp dport 4711"));
    // What the service finds is what it would have loaded.
    let before = node.nft(&["-a", "list", "ruleset"]);
    let service = node.start();
    assert_eq!(node.nft(&["-a", "list", "ruleset"]), before);
    std::fs::rename(node.path("/etc/away"), node.path("/etc/pve")).expect("renamed");
    node.write("/etc/pve/nodes/n1/host.fw", "[OPTIONS]\nnftables: 0\n");
    service.until("the classic firewall has the node", |published| published.state == State::Disabled);
    service.stop();
    assert_eq!(service::restore(node.wanted()).expect("works"), None, "the firewall was off");
    assert!(!node.holds("proxmox-firewall"));
}

#[test]
fn an_unconfirmed_change_goes_even_if_the_service_was_killed() {
    let node = Node::new();
    let service = node.start();
    let before = number(&service.published());
    let confirm_within = Some(Duration::from_secs(2));
    let overlay = [(
        "/etc/pve/nodes/n1/host.fw".to_owned(),
        Some(Arc::from(host("IN ACCEPT -p tcp -dport 4712").as_bytes())),
    )];
    assert!(
        service
            .apply(Apply { confirm_within, overlay: overlay.into(), ..Apply::default() })
            .expect("applies")
    );
    assert!(node.holds("tcp dport 4712"));
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    service.stop();

    let service = node.start();
    service.until("rolled back", |_| !node.holds("tcp dport 4712"));
    let published = service.until("held as rolled back", |published| {
        let obstacle = published.candidate.as_ref().map(|candidate| &candidate.obstacle);
        matches!(obstacle, Some(Obstacle::Waits(Waits::RolledBack, _))) && published.state == State::Held
    });
    assert!(!node.holds("tcp dport 4711"), "what was saved meanwhile waits");
    assert!(number(&published) > before);
    assert!(service.apply(Apply::default()).expect("somebody asks for it"));
    assert!(node.holds("tcp dport 4711"));
    service.stop();
}

#[test]
fn hold_keeps_what_is_saved_until_release() {
    let node = Node::new();
    let service = node.start();
    service.runtime.block_on(service.handle.hold(true)).expect("holds");
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    service.until("held", |published| published.state == State::Held);
    assert!(!node.holds("tcp dport 4711"));
    let automatic = || Apply { automatic: true, ..Apply::default() };
    let held = service.apply(automatic());
    assert!(matches!(held, Err(ApplyError::Held(Waits::Hold, _))), "{held:?}");
    assert!(!node.holds("tcp dport 4711"));
    service.runtime.block_on(service.handle.hold(false)).expect("releases");
    service.until("released", |published| published.state != State::Held);
    assert!(node.holds("tcp dport 4711"));
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4712"));
    service.apply(automatic()).expect("nothing keeps it");
    assert!(node.holds("tcp dport 4712"), "it is enforced when the answer comes");
    assert_eq!(service.apply(automatic()).ok(), Some(false), "it is already");
    service.stop();
}

#[test]
fn a_guest_that_starts_is_known_before_it_sends() {
    let node = Node::new();
    let service = node.start();
    node.write(
        "/etc/pve/nodes/n1/qemu-server/100.conf",
        "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n",
    );
    node.write("/etc/pve/firewall/100.fw", "[OPTIONS]\nenable: 1\n");
    let event = GuestEvent {
        vmid: 100,
        kind: GuestEventKind::Plug,
        iface: Some("tap100i0".to_owned()),
        bridge: Some("vmbr0".to_owned()),
        vlan: None,
        mac: None,
        source_node: None,
    };
    let outcome = service.runtime.block_on(service.handle.guest(event.clone())).expect("answers");
    // A kernel that cannot filter bridges protects no guest, and nobody says it does.
    let has_guests = node.holds("table bridge proxmox-firewall-guests");
    assert_eq!((outcome.enforced, outcome.quarantined), (has_guests, false));
    let stranger = GuestEvent { vmid: 999, iface: Some("tap999i0".to_owned()), ..event.clone() };
    let outcome = service.runtime.block_on(service.handle.guest(stranger)).expect("answers");
    assert_eq!((outcome.enforced, outcome.quarantined), (false, has_guests));
    // Nor does a configuration name the bridge that it joins, which is ours all the same.
    let ours = |published: &Published| {
        let compiled = &published.generation.as_ref().expect("something is enforced").compiled;
        compiled.resolved.guest_bridges.iter().any(|bridge| bridge.as_str() == "vmbr7")
    };
    assert!(!ours(&service.published()));
    let elsewhere = GuestEvent {
        vmid: 998,
        iface: Some("veth998i0".to_owned()),
        bridge: Some("vmbr7".to_owned()),
        ..event
    };
    service.runtime.block_on(service.handle.guest(elsewhere.clone())).expect("answers");
    assert!(ours(&service.published()));
    let gone = GuestEvent { kind: GuestEventKind::Stop, ..elsewhere };
    service.runtime.block_on(service.handle.guest(gone)).expect("answers");
    assert!(!ours(&service.published()));
    service.stop();
}

/// An overlay of `host.fw` with a rule.
fn unsaved(rule: &str) -> Overlay {
    [("/etc/pve/nodes/n1/host.fw".to_owned(), Some(Arc::from(host(rule).as_bytes())))].into()
}

fn waits(published: &Published) -> Option<Waits> {
    match published.candidate.as_ref().map(|candidate| &candidate.obstacle) {
        Some(Obstacle::Waits(waits, _)) => Some(*waits),
        Some(_) | None => None,
    }
}

#[test]
fn a_rollback_to_nowhere_leaves_the_deadline() {
    let node = Node::new();
    let service = node.start();
    let confirm_within = Some(Duration::from_secs(3600));
    let overlay = unsaved("IN ACCEPT -p tcp -dport 4712");
    service.apply(Apply { confirm_within, overlay, ..Apply::default() }).expect("applies");
    let nowhere = service.runtime.block_on(service.handle.rollback(Some(99)));
    assert!(matches!(nowhere, Err(ApplyError::Nothing(_))), "{nowhere:?}");
    assert!(service.published().confirm.is_some() && node.holds("tcp dport 4712"));
    service.runtime.block_on(service.handle.rollback(None)).expect("it still waits");
    assert!(service.published().confirm.is_none() && !node.holds("tcp dport 4712"));
    service.stop();
}

#[test]
fn what_was_rolled_back_without_the_cluster_file_system_does_not_come_back_with_it() {
    let node = Node::new();
    let service = node.start();
    service.runtime.block_on(service.handle.hold(true)).expect("holds");
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    let confirm_within = Some(Duration::from_secs(3));
    service.apply(Apply { confirm_within, ..Apply::default() }).expect("applies");
    service.runtime.block_on(service.handle.hold(false)).expect("releases");
    assert!(node.holds("tcp dport 4711"));
    service.stop();

    std::fs::rename(node.path("/etc/pve"), node.path("/etc/away")).expect("renamed");
    let service = node.start();
    service.until("rolled back", |published| published.confirm.is_none() && !node.holds("tcp dport 4711"));
    std::fs::rename(node.path("/etc/away"), node.path("/etc/pve")).expect("renamed");
    service.until("held", |published| waits(published) == Some(Waits::RolledBack));
    assert!(!node.holds("tcp dport 4711"));
    service.stop();
}

#[test]
fn a_firewall_that_is_off_can_be_tried() {
    let node = Node::new();
    let service = node.start();
    node.write("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 0\n");
    service.until("disabled", |published| published.state == State::Disabled);
    let overlay = [("/etc/pve/firewall/cluster.fw".to_owned(), Some(Arc::from(CLUSTER.as_bytes())))];
    let confirm_within = Some(Duration::from_secs(3));
    let apply = Apply { confirm_within, overlay: overlay.into(), ..Apply::default() };
    service.apply(apply).expect("there is something to go back to");
    assert!(node.holds("table inet proxmox-firewall"));
    service.until("off again", |published| published.state == State::Disabled);
    assert!(!node.holds("proxmox-firewall"));
    service.stop();
}

#[test]
fn a_firewall_that_cuts_the_way_in_is_not_switched_on() {
    let node = Node::new();
    node.write("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 0\n");
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN DROP -p tcp -dport 8006"));
    let service = node.start();
    node.write("/etc/pve/firewall/cluster.fw", CLUSTER);
    service.until("held", |published| waits(published) == Some(Waits::WayIn));
    assert!(!node.holds("proxmox-firewall"));
    service.apply(Apply { force: true, ..Apply::default() }).expect("forced");
    assert!(node.holds("tcp dport 8006"));
    service.stop();
}

#[test]
fn the_reject_mode_takes_nothing_along_that_waits() {
    let node = Node::new();
    let service = node.start();
    let asked = |published: &Published| {
        published.generation.as_ref().map(|generation| generation.compiled.resolved.reject_asked)
    };
    service.runtime.block_on(service.handle.hold(true)).expect("holds");
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    service.until("held", |published| waits(published) == Some(Waits::Hold));
    assert_ne!(asked(&service.published()), Some(RejectMode::Drop));
    service.runtime.block_on(service.handle.reject_mode(RejectMode::Drop)).expect("every kernel can");
    assert_eq!(asked(&service.published()), Some(RejectMode::Drop));
    assert!(!node.holds("tcp dport 4711") && waits(&service.published()) == Some(Waits::Hold));

    // Nor what was rolled back, which still is.
    service.runtime.block_on(service.handle.hold(false)).expect("releases");
    let confirm_within = Some(Duration::from_secs(3600));
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4712"));
    service.until("applied", |_| node.holds("tcp dport 4712"));
    let overlay = unsaved("IN ACCEPT -p tcp -dport 4713");
    service.apply(Apply { confirm_within, overlay, ..Apply::default() }).expect("applies");
    service.runtime.block_on(service.handle.rollback(None)).expect("it waits for a confirmation");
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4714"));
    service.until("applied", |_| node.holds("tcp dport 4714"));
    service.runtime.block_on(service.handle.rollback(Some(1))).expect("is on disk");
    assert_eq!(waits(&service.published()), Some(Waits::RolledBack));
    service.runtime.block_on(service.handle.reject_mode(RejectMode::Drop)).expect("every kernel can");
    assert_eq!(waits(&service.published()), Some(Waits::RolledBack));
    assert!(!node.holds("tcp dport 4714"));
    service.stop();
}

#[test]
fn at_boot_an_unconfirmed_change_whose_time_is_over_is_not_restored() {
    let node = Node::new();
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    let service = node.start();
    let confirm_within = Some(Duration::from_secs(3));
    let overlay = unsaved("IN ACCEPT -p tcp -dport 4712");
    service.apply(Apply { confirm_within, overlay, ..Apply::default() }).expect("applies");
    service.stop();
    node.nft(&["flush", "ruleset"]);
    let restored = service::restore(node.wanted()).expect("works").expect("something was enforced");
    assert!(node.holds("tcp dport 4712"), "there is time left: {restored:?}");
    std::thread::sleep(Duration::from_millis(4200));
    node.nft(&["flush", "ruleset"]);
    service::restore(node.wanted()).expect("works").expect("something was enforced before");
    assert!(node.holds("tcp dport 4711") && !node.holds("tcp dport 4712"));
    let service = node.start();
    service.until("given up", |published| published.confirm.is_none());
    assert!(node.holds("tcp dport 4711") && !node.holds("tcp dport 4712"));
    service.stop();
}

#[test]
fn a_guest_that_comes_while_changes_wait_has_its_rules() {
    let node = Node::new();
    let service = node.start();
    service.runtime.block_on(service.handle.hold(true)).expect("holds");
    node.write("/etc/pve/firewall/100.fw", "[OPTIONS]\nenable: 1\n");
    let conf = "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n";
    node.write("/etc/pve/nodes/n1/qemu-server/100.conf", conf);
    let plan = |published: &Published, wanted: &str| {
        let compiled = &published.generation.as_ref().expect("something is enforced").compiled;
        compiled
            .plan
            .ruleset
            .tables
            .iter()
            .any(|table| table.chains.iter().any(|chain| *chain.name == *wanted))
    };
    service.until("filtered", |published| plan(published, "guest-100-in"));
    assert_eq!(waits(&service.published()), None);
    // So has one whose configuration is there before its rules, as long as it has no port.
    node.write("/etc/pve/nodes/n1/qemu-server/101.conf", &conf.replace(":01", ":02"));
    service.until("seen", |published| {
        let compiled = &published.generation.as_ref().expect("something is enforced").compiled;
        compiled.config.guests.len() == 2
    });
    node.write("/etc/pve/firewall/101.fw", "[OPTIONS]\nenable: 1\n");
    service.until("filtered", |published| plan(published, "guest-101-in"));
    assert_eq!(waits(&service.published()), None);
    // From now on a change of them waits as any other.
    node.write("/etc/pve/firewall/100.fw", "[OPTIONS]\nenable: 0\n");
    service.until("held", |published| waits(published) == Some(Waits::Hold));
    assert!(plan(&service.published(), "guest-100-in"));
    service.stop();
}

#[test]
fn a_restart_forgets_no_generation() {
    let node = Node::new();
    let service = node.start();
    for port in [4711, 4712] {
        node.write("/etc/pve/nodes/n1/host.fw", &host(&format!("IN ACCEPT -p tcp -dport {port}")));
        service.until("applied", |_| node.holds(&format!("tcp dport {port}")));
    }
    let recent = service.published().recent.clone();
    assert_eq!(recent.len(), 3);
    assert!(recent[0].committed.difference.contains("4712"), "{:?}", recent[0]);
    service.stop();
    let service = node.start();
    let again = service.until("read", |published| published.recent.len() == 3).recent.clone();
    let told = |one: &Summary| (one.number, one.digest, one.committed.clone());
    // The one that is enforced is what this process has found.
    assert_eq!(
        again.iter().skip(1).map(|one| told(one)).collect::<Vec<_>>(),
        recent.iter().skip(1).map(|one| told(one)).collect::<Vec<_>>()
    );
    let first = recent[2].number;
    service.runtime.block_on(service.handle.rollback(Some(first))).expect("it is listed");
    assert!(!node.holds("tcp dport 471"));
    service.stop();
}

#[test]
fn whoever_listens_hears_what_waits() {
    let node = Node::new();
    let service = node.start();
    service.runtime.block_on(service.handle.hold(true)).expect("holds");
    let mut events = service.handle.events();
    let mut heard = Vec::new();
    for port in [4711, 4712] {
        node.write("/etc/pve/nodes/n1/host.fw", &host(&format!("IN ACCEPT -p tcp -dport {port}")));
        service.until("held", |published| {
            published.candidate.as_ref().is_some_and(|candidate| !heard.contains(&Some(candidate.digest)))
        });
        while let Ok(Event::Published(published, _)) = events.try_recv() {
            heard.push(published.candidate.as_ref().map(|candidate| candidate.digest));
        }
    }
    heard.dedup();
    assert_eq!(heard.iter().flatten().count(), 2, "{heard:?}");
    service.stop();
}

#[test]
fn a_guest_that_comes_does_not_release_what_was_rolled_back() {
    let node = Node::new();
    let service = node.start();
    let first = number(&service.published());
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4711"));
    service.until("applied", |_| node.holds("tcp dport 4711"));
    service.runtime.block_on(service.handle.rollback(Some(first))).expect("is on disk");
    assert_eq!(waits(&service.published()), Some(Waits::RolledBack));
    node.write("/etc/pve/firewall/100.fw", "[OPTIONS]\nenable: 1\n");
    let conf = "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n";
    node.write("/etc/pve/nodes/n1/qemu-server/100.conf", conf);
    service.until("seen", |published| {
        let compiled = &published.generation.as_ref().expect("something is enforced").compiled;
        !compiled.config.guests.is_empty()
    });
    assert_eq!(waits(&service.published()), Some(Waits::RolledBack));
    assert!(!node.holds("tcp dport 4711"));
    // Whoever changes what was rolled back wants it.
    node.write("/etc/pve/nodes/n1/host.fw", &host("IN ACCEPT -p tcp -dport 4712"));
    service.until("applied", |_| node.holds("tcp dport 4712"));
    service.stop();
}
