//! The mirror beside a folder that stands for a node's file system: real inotify, real times.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use engine::inputs::FileContent;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proxmox_firewall::host::mirror::{Changed, Mirror};
use proxmox_firewall::host::paths::Paths;

/// A folder that goes with the test.
struct Root(PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        let _already_gone = fs::remove_dir_all(&self.0);
    }
}

impl Root {
    fn new() -> Root {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = Root(std::env::temp_dir().join(format!("mirror-{}-{number}", std::process::id())));
        for folder in
            ["firewall", "sdn/firewall", "priv", "nodes/a/qemu-server", "nodes/a/lxc", "nodes/b/qemu-server"]
        {
            fs::create_dir_all(root.at(&format!("/etc/pve/{folder}"))).expect("a folder");
        }
        root.write("/etc/pve/.version", "{\"starttime\": 1,\n\"firewall/cluster.fw\": 1,\n\"vmlist\": 1}");
        root.write("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n");
        root.write("/etc/pve/firewall/100.fw", "[RULES]\n");
        root.write("/etc/pve/nodes/a/qemu-server/100.conf", "net0: virtio\n");
        root.write("/etc/pve/nodes/b/qemu-server/200.conf", "net0: virtio\n");
        root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).expect("a written file");
    }

    /// As PVE writes.
    fn replace(&self, path: &str, text: &str) {
        let temporary = self.at(&format!("{path}.tmp.77"));
        fs::write(&temporary, text).expect("a written file");
        fs::rename(temporary, self.at(path)).expect("a renamed file");
    }

    fn mirror(&self) -> Mirror {
        Mirror::new(Paths::below(&self.0), "a").expect("a mirror")
    }
}

fn text<'m>(mirror: &'m Mirror, path: &str) -> Option<&'m [u8]> {
    match mirror.files().get(path)? {
        FileContent::Bytes(bytes) => Some(bytes),
        FileContent::Unreadable(_) => Some(b"(unreadable)"),
    }
}

fn paths(changed: &Changed) -> Vec<&str> {
    changed.paths.iter().map(String::as_str).collect()
}

/// The descriptor becomes readable, and then there is something.
fn wait(mirror: &mut Mirror) -> Changed {
    let mut changed = Changed::default();
    while changed.is_empty() {
        let mut polled = [PollFd::new(std::os::fd::AsFd::as_fd(mirror), PollFlags::POLLIN)];
        assert_eq!(poll(&mut polled, PollTimeout::from(2_000u16)), Ok(1), "an event");
        changed = mirror.drain();
    }
    changed
}

/// Ticks until something changes.
fn tick(mirror: &mut Mirror, within: Duration) -> Changed {
    let begun = Instant::now();
    loop {
        let changed = mirror.tick(Duration::from_millis(5));
        if !changed.is_empty() || begun.elapsed() > within {
            return changed;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn set_times(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = fs::File::options().write(true).open(path).expect("the file");
    file.set_times(fs::FileTimes::new().set_modified(time)).expect("times");
}

#[test]
fn writes_of_this_node_come_at_once_and_alone() {
    let root = Root::new();
    let mut mirror = root.mirror();
    assert!(mirror.available());
    let cluster = "/etc/pve/firewall/cluster.fw";
    let before = mirror.files().get(cluster).cloned();

    root.replace("/etc/pve/firewall/100.fw", "[RULES]\nIN ACCEPT\n");
    assert_eq!(paths(&wait(&mut mirror)), ["/etc/pve/firewall/100.fw"]);
    root.write("/etc/pve/firewall/101.fw", "[RULES]\n");
    assert_eq!(paths(&wait(&mut mirror)), ["/etc/pve/firewall/101.fw"]);
    fs::remove_file(root.at("/etc/pve/firewall/101.fw")).expect("removed");
    assert_eq!(paths(&wait(&mut mirror)), ["/etc/pve/firewall/101.fw"]);
    assert_eq!(text(&mirror, "/etc/pve/firewall/101.fw"), None);
    assert_eq!(text(&mirror, "/etc/pve/firewall/100.fw"), Some(&b"[RULES]\nIN ACCEPT\n"[..]));

    let (Some(FileContent::Bytes(old)), Some(FileContent::Bytes(new))) =
        (before, mirror.files().get(cluster))
    else {
        panic!("cluster.fw is readable");
    };
    assert!(Arc::ptr_eq(&old, new), "what did not change keeps its allocation");
}

#[test]
fn the_same_content_is_no_change() {
    let root = Root::new();
    let mut mirror = root.mirror();
    root.replace("/etc/pve/firewall/100.fw", "[RULES]\n");
    root.write("/etc/pve/firewall/100.fw", "[RULES]\n");
    root.write("/etc/pve/firewall/nonsense.txt", "x");
    assert!(mirror.drain().is_empty());
    assert!(mirror.reload().is_empty());
}

#[test]
fn a_file_that_is_being_written_is_not_read() {
    use std::io::Write;
    let root = Root::new();
    let mut mirror = root.mirror();
    let mut file = fs::File::create(root.at("/etc/pve/firewall/100.fw")).expect("opened");
    file.write_all(b"[RUL").expect("written");
    assert!(mirror.drain().is_empty());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        assert!(mirror.tick(Duration::from_millis(5)).is_empty());
    }
    file.write_all(b"ES]\nIN DROP\n").expect("written");
    drop(file);
    assert_eq!(paths(&mirror.drain()), ["/etc/pve/firewall/100.fw"]);
    assert_eq!(text(&mirror, "/etc/pve/firewall/100.fw"), Some(&b"[RULES]\nIN DROP\n"[..]));
}

#[test]
fn guests_move_between_nodes_and_visit() {
    let root = Root::new();
    let mut mirror = root.mirror();
    let (there, here) = ("/etc/pve/nodes/b/qemu-server/200.conf", "/etc/pve/nodes/a/qemu-server/200.conf");
    assert_eq!(text(&mirror, there), None);
    assert_eq!(paths(&mirror.set_ports(&["tap200i0".to_owned()])), [there]);
    fs::rename(root.at(there), root.at(here)).expect("moved");
    assert_eq!(paths(&wait(&mut mirror)), [here, there]);
    assert!(mirror.set_ports(&[]).is_empty());
    fs::rename(root.at(here), root.at(there)).expect("moved");
    assert_eq!(paths(&wait(&mut mirror)), [here]);
    assert_eq!(paths(&mirror.set_ports(&["veth200i0".to_owned()])), [there]);
    assert_eq!(paths(&mirror.set_ports(&[])), [there]);
}

#[test]
fn folders_come_and_go() {
    let root = Root::new();
    let mut mirror = root.mirror();
    mirror.set_ports(&["tap300i0".to_owned()]);
    let conf = "/etc/pve/nodes/c/lxc/300.conf";
    fs::create_dir_all(root.at("/etc/pve/nodes/c/lxc")).expect("a folder");
    root.write(conf, "net0: name=eth0\n");
    assert_eq!(paths(&wait(&mut mirror)), [conf]);
    fs::remove_dir_all(root.at("/etc/pve/nodes/c")).expect("removed");
    assert_eq!(paths(&wait(&mut mirror)), [conf]);
    fs::remove_dir_all(root.at("/etc/pve/firewall")).expect("removed");
    assert_eq!(wait(&mut mirror).paths.len(), 2);
    fs::create_dir(root.at("/etc/pve/firewall")).expect("a folder");
    mirror.drain();
    root.write("/etc/pve/firewall/100.fw", "back\n");
    assert_eq!(paths(&wait(&mut mirror)), ["/etc/pve/firewall/100.fw"]);
}

#[test]
fn the_nodes_own_host_fw_comes_before_the_local_one() {
    let root = Root::new();
    fs::create_dir(root.at("/etc/pve/local")).expect("a folder");
    root.write("/etc/pve/local/host.fw", "local\n");
    let mut mirror = root.mirror();
    let (own, local) = ("/etc/pve/nodes/a/host.fw", "/etc/pve/local/host.fw");
    assert!(text(&mirror, local).is_some());
    root.write(own, "own\n");
    assert_eq!(paths(&wait(&mut mirror)), [local, own]);
    assert_eq!(text(&mirror, local), None);
    fs::remove_file(root.at(own)).expect("removed");
    assert_eq!(paths(&wait(&mut mirror)), [local, own]);
    assert!(text(&mirror, local).is_some());
}

#[test]
fn a_file_system_that_goes_takes_nothing_with_it() {
    let root = Root::new();
    let mut mirror = root.mirror();
    let n_files = mirror.files().len();
    fs::rename(root.at("/etc/pve"), root.at("/etc/elsewhere")).expect("moved");
    fs::create_dir(root.at("/etc/pve")).expect("a folder");
    assert!(mirror.drain().is_empty());
    assert!(mirror.tick(Duration::from_millis(5)).is_empty());
    assert!(mirror.reload().is_empty());
    assert!(!mirror.available());
    assert_eq!(mirror.files().len(), n_files);

    fs::remove_dir(root.at("/etc/pve")).expect("removed");
    fs::rename(root.at("/etc/elsewhere"), root.at("/etc/pve")).expect("moved");
    root.write("/etc/pve/firewall/100.fw", "changed meanwhile\n");
    assert_eq!(paths(&mirror.tick(Duration::from_millis(5))), ["/etc/pve/firewall/100.fw"]);
    assert!(mirror.available());
    root.write("/etc/pve/firewall/100.fw", "watched again\n");
    assert_eq!(paths(&wait(&mut mirror)), ["/etc/pve/firewall/100.fw"]);
}

#[test]
fn the_mirror_waits_for_a_file_system() {
    let root = Root::new();
    fs::rename(root.at("/etc/pve"), root.at("/etc/elsewhere")).expect("moved");
    let mut mirror = root.mirror();
    assert!(!mirror.available());
    assert!(mirror.tick(Duration::from_millis(5)).is_empty());
    fs::rename(root.at("/etc/elsewhere"), root.at("/etc/pve")).expect("moved");
    assert!(mirror.tick(Duration::from_millis(5)).paths.contains("/etc/pve/firewall/100.fw"));
    assert!(mirror.available());
}

#[test]
fn too_many_events_mean_to_read_everything() {
    let root = Root::new();
    let mut mirror = root.mirror();
    root.write("/etc/pve/firewall/100.fw", "lost among others\n");
    for round in 0..5_000 {
        root.write(&format!("/etc/pve/firewall/{}.txt", round % 2), "noise\n");
        root.write(&format!("/etc/pve/firewall/{}.txt", 2 + round % 2), "noise\n");
    }
    root.write("/etc/pve/firewall/101.fw", "lost behind them\n");
    let mut all = BTreeSet::new();
    for _ in 0..10 {
        all.extend(mirror.drain().paths);
    }
    assert_eq!(all, ["/etc/pve/firewall/100.fw", "/etc/pve/firewall/101.fw"].map(str::to_owned).into());
}

#[test]
fn the_rotation_finds_what_no_event_told() {
    let root = Root::new();
    let path = "/etc/pve/firewall/100.fw";
    let link = root.at("/another-way-to-the-file");
    fs::hard_link(root.at(path), &link).expect("a second name");
    let mut mirror = root.mirror();
    // Events go to the folder through which a file was opened.
    fs::write(&link, "[RULES]\nIN DROP\n").expect("written");
    set_times(&link, 1_000_000_000);
    assert!(mirror.drain().is_empty());
    assert_eq!(paths(&tick(&mut mirror, Duration::from_secs(5))), [path]);
}

#[test]
fn a_quiet_database_makes_the_rotation_slow_until_it_is_written() {
    let root = Root::new();
    fs::create_dir_all(root.at("/var/lib/pve-cluster")).expect("a folder");
    root.write("/var/lib/pve-cluster/config.db-wal", "");
    let path = "/etc/pve/firewall/100.fw";
    let link = root.at("/another-way-to-the-file");
    fs::hard_link(root.at(path), &link).expect("a second name");
    let mut mirror = root.mirror();
    assert!(tick(&mut mirror, Duration::from_secs(6)).is_empty());
    fs::write(&link, "[RULES]\nIN DROP\n").expect("written");
    root.write("/var/lib/pve-cluster/config.db-wal", "something");
    assert_eq!(paths(&wait_or_tick(&mut mirror)), [path]);
}

/// A write to the database is no change, but the next tick looks at everything.
fn wait_or_tick(mirror: &mut Mirror) -> Changed {
    let mut polled = [PollFd::new(std::os::fd::AsFd::as_fd(mirror), PollFlags::POLLIN)];
    assert_eq!(poll(&mut polled, PollTimeout::from(1_000u16)), Ok(1), "an event");
    let mut changed = mirror.drain();
    changed.extend(mirror.tick(Duration::from_millis(50)));
    changed
}
