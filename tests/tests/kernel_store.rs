//! The store on a disk that is full (a file system of a few pages, mounted where no other process sees it), and in a
//! process that is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engine::inputs::{FileContent, Files, RejectMode};
use firewall_tests::Failure;
use firewall_tests::generate::Draw;
use firewall_tests::namespace::run;
use nix::sched::{CloneFlags, unshare};
use proxmox_firewall::host::paths::Paths;
use proxmox_firewall::service::state::Committed;
use proxmox_firewall::service::store::{Head, Snapshot, State, Store, StoreError};

/// A folder with a file system of its own, gone with the thread and this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(size: &str) -> Result<SmallDisk, Failure> {
        let folder = std::env::temp_dir().join(format!("firewall-disk-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        run("mount", &["--make-rprivate", "/"], "")?;
        let path = folder.to_str().ok_or("not UTF-8")?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", path], "")?;
        Ok(SmallDisk(folder))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = run("umount", &[&self.0.to_string_lossy()], "");
        let _ = fs::remove_dir(&self.0);
    }
}

fn snapshot(store: &mut Store, content: Vec<u8>) -> Snapshot {
    let files: Files =
        [("/etc/pve/firewall/cluster.fw".to_owned(), FileContent::Bytes(content.into()))].into();
    let head = Head {
        number: store.next_number(),
        digest: store.digests().all(&files),
        written: store.digests().written(&files),
        committed: Committed::default(),
        committed_at_s: 1_700_000_000,
        cause: "test".to_owned(),
        node: "node1".to_owned(),
        enabled: true,
        reject_mode: RejectMode::Prerouting,
    };
    Snapshot { head, files }
}

fn is_full(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Disk { source, .. }) if source.kind() == std::io::ErrorKind::StorageFull)
}

#[test]
fn a_full_disk_is_an_error_and_what_was_there_stays() -> Result<(), Failure> {
    let disk = SmallDisk::new("64k")?;
    let paths = Paths::below(disk.path());
    let mut store = Store::open(&paths)?;
    let first = snapshot(&mut store, vec![1; 4000]);
    store.save(&first)?;
    store.set_state(State { enforced: Some(first.head.number), ..State::default() })?;

    let large = snapshot(&mut store, vec![2; 200_000]);
    let result = store.save(&large);
    assert!(is_full(&result), "{result:?}");
    fs::write(disk.path().join("filler"), vec![0; 60_000]).expect_err("less than that is left");
    let result = store.set_state(State { enforced: Some(9), hold: true, ..State::default() });
    assert!(is_full(&result), "{result:?}");
    assert_eq!((store.state().enforced, store.state().hold), (Some(1), false));

    let mut again = Store::open(&paths)?;
    assert_eq!(again.damage(), []);
    assert_eq!(again.load_enforced().ok_or("nothing is there")?.head, first.head);
    fs::remove_file(disk.path().join("filler"))?;
    let second = snapshot(&mut store, vec![3; 4000]);
    store.save(&second)?;
    store.set_state(State { enforced: Some(second.head.number), ..State::default() })?;
    assert_eq!(Store::open(&paths)?.load_enforced().ok_or("nothing is there")?.head, second.head);
    Ok(())
}

/// Names the root for the process that is killed.
const ROOT: &str = "FIREWALL_TEST_STORE";

/// Not a test by itself: commits without end, one line each, if it is started as the process to kill.
#[test]
fn commits_until_it_is_killed() -> Result<(), Failure> {
    let Some(root) = std::env::var_os(ROOT) else { return Ok(()) };
    let mut store = Store::open(&Paths::below(PathBuf::from(root)))?;
    loop {
        let number = store.next_number();
        let snapshot = snapshot(&mut store, number.to_string().into_bytes());
        store.save(&snapshot)?;
        store.set_state(State { enforced: Some(number), ..store.state().clone() })?;
        println!("\ncommitted {number}");
    }
}

#[test]
fn a_killed_process_leaves_what_it_committed() -> Result<(), Failure> {
    let root = std::env::temp_dir().join(format!("firewall-killed-{}", std::process::id()));
    let mut draw = Draw::new(1, "kill", 0);
    let mut last = 0;
    for _ in 0..15 {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", "commits_until_it_is_killed", "--nocapture"])
            .env(ROOT, &root)
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("piped above")?).lines();
        let committed =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("committed ").map(str::to_owned));
        let seen: u64 = committed.take(draw.between(1, 60)).last().ok_or("it did not begin")?.parse()?;
        child.kill()?;
        child.wait()?;
        let mut store = Store::open(&Paths::below(&root))?;
        assert_eq!(store.damage(), []);
        let found = store.load_enforced().ok_or("nothing is there")?;
        assert!(found.head.number >= seen && found.head.number > last);
        last = found.head.number;
        let content = &found.files["/etc/pve/firewall/cluster.fw"];
        let FileContent::Bytes(bytes) = content else { return Err("was written as bytes".into()) };
        assert_eq!(bytes[..], *last.to_string().as_bytes());
    }
    fs::remove_dir_all(root)?;
    Ok(())
}
