//! The mirror on a file system that behaves as pmxcfs does: what other nodes write, a file system that dies and
//! comes back, and what it costs to look. Needs root, `/dev/fuse` and mount namespaces.

mod cluster;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cluster::Cluster;
use engine::inputs::FileContent;
use fuser::BackgroundSession;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use proxmox_firewall::host::mirror::{Changed, Mirror, PERIOD};
use proxmox_firewall::host::paths::Paths;

/// How often the service looks.
const TICK: Duration = Duration::from_millis(200);
/// Reads in a second: of contents that the mirror compares, and of `.version` with each tick; each to its end, which is
/// another read.
const READS_PER_S: f64 = 2.0 * (16.0 + 5.0);
/// More than a look needs: what is tested is how many looks a change takes, on a machine that is not idle.
const BUDGET: Duration = Duration::from_secs(2);

struct Node {
    cluster: Cluster,
    root: PathBuf,
    session: Option<BackgroundSession>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.unmount();
        let _already_gone = fs::remove_dir_all(&self.root);
    }
}

impl Node {
    /// A node `a` of a cluster with `n_guests`, in a mount namespace of the calling thread.
    fn new(name: &str, n_guests: u32) -> Node {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace: run as root");
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).expect("a private tree");
        let root = std::env::temp_dir().join(format!("kernel-mirror-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("etc/pve")).expect("a mount point");
        let cluster = Cluster::default();
        let past = now() - 1_000;
        cluster.write("/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n", past);
        cluster.write("/nodes/b/qemu-server/9.conf", "net0: virtio\n", past);
        for vmid in 100..100 + n_guests {
            cluster.write(&fw(vmid), "[OPTIONS]\nenable: 1\n\n[RULES]\nIN SSH(ACCEPT) -log nolog\n", past);
            cluster.write(&format!("/nodes/a/qemu-server/{vmid}.conf"), "net0: virtio,bridge=vmbr0\n", past);
        }
        let mut node = Node { cluster, root, session: None };
        node.mount();
        node
    }

    fn mount(&mut self) {
        self.session = Some(self.cluster.mount(&self.root.join("etc/pve")).expect("a mounted file system"));
    }

    fn unmount(&mut self) {
        if let Some(session) = self.session.take() {
            session.umount_and_join().expect("unmounted");
        }
    }

    fn mirror(&self) -> Mirror {
        let mirror = Mirror::new(Paths::below(&self.root), "a").expect("a mirror");
        assert!(mirror.available());
        mirror
    }
}

fn fw(vmid: u32) -> String {
    format!("/firewall/{vmid}.fw")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Ticks until something changes, as the service does, for as many ticks as fit in `within`; and how long that took.
fn tick(mirror: &mut Mirror, within: Duration) -> (Changed, Duration) {
    let begun = Instant::now();
    for _ in 0..within.as_millis().div_ceil(TICK.as_millis()) {
        std::thread::sleep(TICK);
        let changed = mirror.tick(BUDGET);
        if !changed.is_empty() {
            return (changed, begun.elapsed());
        }
    }
    (Changed::default(), begun.elapsed())
}

#[track_caller]
fn expect(mirror: &mut Mirror, path: &str, text: Option<&str>, within: Duration) -> Duration {
    let (changed, elapsed) = tick(mirror, within);
    let path = format!("/etc/pve{path}");
    assert_eq!(changed.paths.iter().collect::<Vec<_>>(), [&path], "within {within:?}");
    let content = mirror.files().get(&path).map(|content| match content {
        FileContent::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        FileContent::Unreadable(why) => why.clone(),
    });
    assert_eq!(content.as_deref(), text);
    elapsed
}

#[test]
fn what_other_nodes_write_is_seen_in_time() {
    let node = Node::new("remote", 20);
    let mut mirror = node.mirror();
    let cluster = &node.cluster;

    for round in 0..5 {
        let text = format!("[OPTIONS]\nenable: {round}\n");
        cluster.write("/firewall/cluster.fw", &text, now());
        let elapsed = expect(&mut mirror, "/firewall/cluster.fw", Some(&text), TICK);
        println!("counted file, written elsewhere: {elapsed:?}");
    }
    let second = now();
    cluster.write(&fw(100), "one\n", second);
    println!("guest's rules: {:?}", expect(&mut mirror, &fw(100), Some("one\n"), PERIOD + TICK));
    // The same second, the same size.
    cluster.write(&fw(100), "two\n", second);
    println!(
        "… same stamp: {:?}",
        expect(&mut mirror, &fw(100), Some("two\n"), Duration::from_millis(1_100) + TICK)
    );
    cluster.write(&fw(500), "new\n", now());
    println!("… new: {:?}", expect(&mut mirror, &fw(500), Some("new\n"), PERIOD + TICK));
    cluster.remove(&fw(500));
    println!("… removed: {:?}", expect(&mut mirror, &fw(500), None, PERIOD + TICK));
    let conf = "/nodes/a/qemu-server/600.conf";
    cluster.write(conf, "net0: virtio\n", now());
    println!("new guest: {:?}", expect(&mut mirror, conf, Some("net0: virtio\n"), TICK));
    cluster.remove(conf);
    println!("… removed: {:?}", expect(&mut mirror, conf, None, TICK));

    // Long after, with the same stamp: nothing but content tells.
    while !tick(&mut mirror, Duration::from_secs(3)).0.is_empty() {}
    cluster.write(&fw(100), "six\n", second);
    println!(
        "same stamp, later: {:?}",
        expect(&mut mirror, &fw(100), Some("six\n"), Duration::from_secs(10))
    );
}

#[test]
fn what_this_node_writes_is_seen_at_once() {
    let node = Node::new("local", 20);
    let mut mirror = node.mirror();
    let folder = node.root.join("etc/pve/firewall");
    let mut times = Vec::new();
    for round in 0..50 {
        let (temporary, path) = (folder.join("100.fw.tmp.77"), folder.join("100.fw"));
        fs::write(&temporary, format!("[RULES]\n# {round:02}\n")).expect("written");
        fs::rename(&temporary, &path).expect("renamed");
        let begun = Instant::now();
        let changed = mirror.drain();
        times.push(begun.elapsed());
        assert_eq!(changed.paths.iter().collect::<Vec<_>>(), ["/etc/pve/firewall/100.fw"], "round {round}");
    }
    times.sort_unstable();
    println!("rename to drained: median {:?}, slowest of 50 {:?}", times[25], times[49]);
    fs::remove_file(folder.join("100.fw")).expect("removed");
    assert!(mirror.drain().paths.contains("/etc/pve/firewall/100.fw"));
}

#[test]
fn a_file_system_that_dies_takes_nothing_with_it() {
    let mut node = Node::new("dies", 20);
    let mut mirror = node.mirror();
    let n_files = mirror.files().len();
    let look = |mirror: &mut Mirror| {
        let mut changed = mirror.drain();
        changed.extend(mirror.tick(BUDGET));
        changed
    };

    node.unmount();
    assert!(look(&mut mirror).is_empty());
    assert!(!mirror.available());
    assert!(mirror.reload().is_empty());
    assert_eq!(mirror.files().len(), n_files);

    node.cluster.write(&fw(100), "while away\n", now());
    node.mount();
    assert_eq!(look(&mut mirror).paths.iter().collect::<Vec<_>>(), ["/etc/pve/firewall/100.fw"]);
    assert!(mirror.available());

    // Between two looks: the old watches are gone, the new ones must be there.
    node.unmount();
    node.mount();
    assert!(look(&mut mirror).is_empty());
    fs::write(node.root.join("etc/pve/firewall/101.fw"), "local\n").expect("written");
    assert_eq!(mirror.drain().paths.iter().collect::<Vec<_>>(), ["/etc/pve/firewall/101.fw"]);
}

/// Time that the calling thread had a processor; threads of the file system not included.
fn on_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(first.expect("a number"))
}

/// What ticks cost each second, over five seconds: looks at files, reads of them.
fn cost(node: &Node, mirror: &mut Mirror, what: &str) -> (f64, f64) {
    let (begun, cpu, asked) = (Instant::now(), on_cpu(), node.cluster.asked());
    while begun.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(TICK);
        assert!(mirror.tick(BUDGET).is_empty());
    }
    let (seconds, now) = (begun.elapsed().as_secs_f64(), node.cluster.asked());
    let share = (on_cpu() - cpu).as_secs_f64() / seconds * 100.0;
    let per_s = |now: u64, before: u64| (now - before) as f64 / seconds;
    let (looks, reads) = (per_s(now.looks, asked.looks), per_s(now.reads, asked.reads));
    println!("{what}: {looks:.0} looks and {reads:.1} reads a second, {share:.3} % of a core (unoptimised)");
    (looks, reads)
}

#[test]
fn looking_costs_little() {
    for n_guests in [1_000, 5_000] {
        let node = Node::new(&format!("cost-{n_guests}"), n_guests);
        let mut mirror = node.mirror();
        let n_files = mirror.files().len() as f64;
        let (looks, reads) = cost(&node, &mut mirror, &format!("{n_guests} guests, rotation"));
        // A look asks for a name and for attributes, sooner or later for those of the folders above too.
        assert!(looks > n_files / 4.0, "{looks} of {n_files} files: the rotation stands still");
        assert!(looks < n_files * 2.0, "{looks} of {n_files} files");
        assert!(reads < 1.5 * READS_PER_S, "{reads}");

        fs::create_dir_all(node.root.join("var/lib/pve-cluster")).expect("a folder");
        mirror.reload();
        while !tick(&mut mirror, Duration::from_secs(u64::from(n_guests / 400) + 5)).0.is_empty() {}
        let (looks, reads) = cost(&node, &mut mirror, &format!("{n_guests} guests, quiet database"));
        assert!(looks < n_files / 20.0, "{looks} of {n_files} files");
        assert!(reads < READS_PER_S / 2.0, "{reads}");
    }
}
