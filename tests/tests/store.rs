//! The store against a model, and against a disk that loses things.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use engine::inputs::{FileContent, Files, RejectMode};
use firewall_tests::generate::Draw;
use proxmox_firewall::host::paths::Paths;
use proxmox_firewall::service::gate::Confirm;
use proxmox_firewall::service::state::Committed;
use proxmox_firewall::service::store::{
    Digests, Head, N_KEPT, Snapshot, State, Store, StoreError, is_written, with_written_of,
};

/// A root of its own, gone with this value.
struct Root(PathBuf);

impl Root {
    fn new() -> Root {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Memory, where there is some: flushing is not what is tried here.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = place.join(format!("firewall-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        Root(path)
    }

    fn open(&self) -> Store {
        Store::open(&Paths::below(&self.0)).expect("a folder that can be written")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join("var/lib/proxmox-firewall").join(name)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).expect("is there").flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn draw_files(draw: &mut Draw) -> Files {
    let mut files = Files::new();
    for number in 0..draw.between(1, 12) {
        let content = if draw.chance(10) {
            FileContent::Unreadable("Input/output error (os error 5)".to_owned())
        } else {
            let length = draw.between(0, 40);
            let bytes: Vec<u8> = (0..length).map(|_| draw.bits().to_le_bytes()[0]).collect();
            FileContent::Bytes(bytes.into())
        };
        files.insert(format!("/etc/pve/firewall/{}.fw", 100 + number), content);
    }
    files
}

fn snapshot(store: &mut Store, files: Files) -> Snapshot {
    let head = Head {
        number: store.next_number(),
        digest: store.digests().all(&files),
        written: store.digests().written(&files),
        committed: Committed::default(),
        committed_at_s: 1_700_000_000,
        cause: "change of \"cluster.fw\"\n".to_owned(),
        node: "node1".to_owned(),
        enabled: true,
        reject_mode: RejectMode::Prerouting,
    };
    Snapshot { head, files }
}

/// Saves and enforces.
fn commit(store: &mut Store, files: Files) -> Snapshot {
    let snapshot = snapshot(store, files);
    store.save(&snapshot).expect("there is space");
    let state = State { enforced: Some(snapshot.head.number), ..store.state().clone() };
    store.set_state(state).expect("there is space");
    snapshot
}

fn text(files: &Files) -> BTreeMap<&str, Result<&[u8], &str>> {
    let shown = files.iter().map(|(path, content)| match content {
        FileContent::Bytes(bytes) => (path.as_str(), Ok(&bytes[..])),
        FileContent::Unreadable(why) => (path.as_str(), Err(why.as_str())),
    });
    shown.collect()
}

#[track_caller]
fn assert_same(found: &Snapshot, wanted: &Snapshot) {
    assert_eq!(found.head, wanted.head);
    assert_eq!(text(&found.files), text(&wanted.files));
}

fn one(path: &str, content: &str) -> Files {
    [(path.to_owned(), FileContent::text(content))].into()
}

#[test]
fn what_is_saved_is_loaded() {
    let mut draw = Draw::new(1, "store", 0);
    for _ in 0..40 {
        let root = Root::new();
        let wanted = commit(&mut root.open(), draw_files(&mut draw));
        let mut store = root.open();
        assert_same(&store.load_enforced().expect("was enforced"), &wanted);
        assert_eq!(store.generations().first(), Some(&wanted.head));
        assert_eq!(store.next_number(), 2);
        assert_eq!(store.damage(), []);
    }
}

#[test]
fn the_state_is_loaded() {
    let root = Root::new();
    let mut store = root.open();
    let snapshot = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n"));
    let state = State {
        enforced: Some(1),
        hold: true,
        refused: Some(snapshot.head.digest),
        confirm: Some(Confirm { deadline_s: 1_700_000_060, within_s: 60, back_to: 1 }),
        last_good: one("/etc/pve/firewall/100.fw", "[RULES]\nIN DROP\n"),
        left: Some("boot 1 2 abc".to_owned()),
    };
    store.set_state(state.clone()).expect("there is space");
    let found = root.open().state().clone();
    assert_eq!((found.enforced, found.hold), (Some(1), true));
    assert_eq!((found.refused, found.confirm), (state.refused, state.confirm));
    assert_eq!(text(&found.last_good), text(&state.last_good));
    assert_eq!(found.left, state.left);
}

#[test]
fn nothing_is_taken_back_to_what_is_not_there() {
    let mut store = Root::new().open();
    let confirm = Some(Confirm { deadline_s: 1, within_s: 60, back_to: 7 });
    let refused = store.set_state(State { confirm, ..State::default() });
    assert!(matches!(refused, Err(StoreError::NoGeneration(7))), "{refused:?}");
    assert_eq!(store.state().confirm, None);
}

/// Cut off at each byte, and with each byte changed: that of before stands in.
#[test]
fn a_torn_state_is_known() {
    let root = Root::new();
    let mut store = root.open();
    let first = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "1"));
    store.flush().expect("there is a disk");
    let second = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "2"));
    let whole = fs::read(root.at("state.json")).expect("was written");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        for torn in [&whole[..at], &changed[..]] {
            fs::write(root.at("state.json"), torn).expect("there is space");
            let mut store = root.open();
            assert_eq!(store.damage().len(), 1, "byte {at}");
            assert_same(&store.load_enforced().expect("the state of before"), &first);
        }
    }
    // Without that either, it is the newest generation.
    fs::write(root.at("state.before.json"), "{}").expect("there is space");
    assert_same(&root.open().load_enforced().expect("the newest"), &second);
    // And what is written next is whole again.
    let mut store = root.open();
    let third = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "3"));
    assert_same(&root.open().load_enforced().expect("was enforced"), &third);
}

#[test]
fn a_damaged_generation_gives_way_to_an_older_one() {
    let root = Root::new();
    let mut store = root.open();
    let first = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "1"));
    let second = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "2"));
    let manifest = root.at("generations/2.json");
    assert!(store.needs_flush());
    let whole = fs::read(&manifest).expect("was written");
    for torn in [&whole[..0], &whole[..60], &whole[..whole.len() - 1], b"not ours"] {
        fs::write(&manifest, torn).expect("there is space");
        let mut store = root.open();
        assert_same(&store.load_enforced().expect("the older one"), &first);
        assert_eq!(store.damage()[0].path, manifest);
        assert_eq!(store.generations().len(), 1);
    }
    fs::write(&manifest, &whole).expect("there is space");
    let object = root
        .names("objects")
        .into_iter()
        .map(|name| root.at("objects").join(name))
        .find(|path| fs::read(path).is_ok_and(|bytes| bytes == b"2"))
        .expect("was written");
    for lose in [|path: &Path| fs::write(path, ""), |path: &Path| fs::remove_file(path)] {
        lose(&object).expect("can be done");
        let mut store = root.open();
        assert_same(&store.load_enforced().expect("the older one"), &first);
        // Saved again, the content is written again.
        store.save(&second).expect("there is space");
        assert_same(&store.generation(2).expect("is whole again"), &second);
    }
}

#[test]
fn foreign_files_are_left_alone() {
    let root = Root::new();
    let wanted = commit(&mut root.open(), one("/etc/pve/firewall/cluster.fw", "1"));
    for name in ["generations/notes.txt", "generations/01.json", "objects/README", "notes"] {
        fs::write(root.at(name), "mine").expect("there is space");
    }
    fs::write(root.at("state.json.new"), "never finished").expect("there is space");
    let mut store = root.open();
    assert_same(&store.load_enforced().expect("was enforced"), &wanted);
    commit(&mut store, one("/etc/pve/firewall/cluster.fw", "2"));
    for name in ["generations/notes.txt", "generations/01.json", "objects/README", "notes"] {
        assert!(root.at(name).exists(), "{name} is gone");
    }
    assert!(!root.at("state.json.new").exists());
    assert_eq!(store.damage().len(), 2);
}

#[test]
fn only_the_newest_are_kept_and_what_a_confirmation_needs() {
    let root = Root::new();
    let mut store = root.open();
    let content = |number: u32| one("/etc/pve/firewall/cluster.fw", &number.to_string());
    let first = commit(&mut store, content(0));
    let confirm = Some(Confirm { deadline_s: 9, within_s: 60, back_to: 1 });
    store.set_state(State { confirm, ..store.state().clone() }).expect("there is space");
    for number in 1..60 {
        if number == 30 {
            store = root.open();
        }
        commit(&mut store, content(number));
    }
    assert_eq!(store.generations().len(), N_KEPT + 1);
    assert_same(&store.generation(1).expect("is kept"), &first);
    store.set_state(State { confirm: None, ..store.state().clone() }).expect("there is space");
    commit(&mut store, content(60));
    assert_eq!(root.names("generations").len(), N_KEPT);
    assert_eq!(root.names("objects").len(), N_KEPT);
    // What a stopped process left is found by the next.
    let stray = "0".repeat(64);
    fs::write(root.at("objects").join(&stray), "stray").expect("there is space");
    root.open().prepare();
    assert!(!root.names("objects").contains(&stray));
}

#[test]
fn what_only_follows_guests_does_not_push_out_what_people_wrote() {
    let root = Root::new();
    let mut store = root.open();
    let mut files = one("/etc/pve/firewall/cluster.fw", "# first\n");
    let first = commit(&mut store, files.clone());
    for n in 0..2 * N_KEPT {
        files
            .insert(format!("/etc/pve/nodes/n/qemu-server/{}.conf", 100 + n), FileContent::text("name: a\n"));
        files.insert("/etc/pve/.vmlist".to_owned(), FileContent::text(&format!("{n}")));
        commit(&mut store, files.clone());
    }
    let numbers = |store: &mut Store| store.generations().iter().map(|head| head.number).collect::<Vec<_>>();
    let newest = 2 * N_KEPT as u64 + 1;
    // When it was stored, the one before it was enforced.
    assert_eq!(numbers(&mut store), [newest, newest - 1, first.head.number]);
    // cluster.fw, the guests' files, and the lists of those two: the others went with what had them.
    assert_eq!(root.names("objects").len(), 4);
    let second = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "# second\n"));
    assert_eq!(numbers(&mut store), [second.head.number, newest, first.head.number][..]);
    store.flush().expect("can be done");
    let third = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "# third\n"));
    assert_eq!(numbers(&mut store), [third.head.number, second.head.number, first.head.number][..]);
    assert_same(&root.open().generation(1).expect("is kept"), &first);
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let root = Root::new();
    let mut store = root.open();
    commit(&mut store, one("/etc/pve/firewall/cluster.fw", "1"));
    let last_good = one("/etc/pve/firewall/100.fw", "x");
    store.set_state(State { last_good, hold: true, ..store.state().clone() }).expect("there is space");
    store.forget().expect("can be done");
    assert!(store.load_enforced().is_none());
    let mut store = root.open();
    assert!(store.load_enforced().is_none());
    assert!(store.generations().is_empty() && store.state().hold);
    assert!(root.names("objects").is_empty() && root.names("generations").is_empty());
    // Numbers go on, and a new model is stored as ever.
    assert_eq!(store.next_number(), 2);
    let wanted = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "2"));
    assert_same(&root.open().load_enforced().expect("was enforced"), &wanted);
}

/// The change that waits for its confirmation may be the one that switches the firewall off.
#[test]
fn what_is_forgotten_can_be_taken_back() {
    let root = Root::new();
    let mut store = root.open();
    let first = commit(&mut store, one("/etc/pve/firewall/cluster.fw", "1"));
    commit(&mut store, one("/etc/pve/firewall/cluster.fw", "2"));
    let confirm = Some(Confirm { deadline_s: 9, within_s: 60, back_to: 1 });
    store.set_state(State { confirm, ..store.state().clone() }).expect("there is space");
    store.forget().expect("can be done");
    let mut store = root.open();
    assert!(store.load_enforced().is_none());
    assert_same(&store.generation(1).expect("is kept"), &first);
    assert_eq!(root.names("generations"), ["1.json"]);
}

#[test]
fn a_generation_without_firewall_is_not_enforced() {
    let root = Root::new();
    let mut store = root.open();
    commit(&mut store, one("/etc/pve/firewall/cluster.fw", "1"));
    let mut off = snapshot(&mut store, one("/etc/pve/firewall/cluster.fw", "enable: 0"));
    off.head.enabled = false;
    store.save(&off).expect("there is space");
    store.set_state(State { enforced: Some(2), ..State::default() }).expect("there is space");
    assert!(root.open().load_enforced().is_none());
}

#[test]
fn a_large_generation_is_stored_in_pieces() {
    let root = Root::new();
    let mut store = root.open();
    let file = |n: usize| (format!("/etc/pve/firewall/{n}.fw"), FileContent::text(&format!("# {n}\n")));
    let first = snapshot(&mut store, (100..130).map(file).collect());
    let piece = |store: &mut Store, snapshot| {
        store.save_until(snapshot, Some(Instant::now())).expect("there is space")
    };
    for n_objects in 1..=10 {
        assert!(!piece(&mut store, &first));
        assert_eq!(root.names("objects").len(), n_objects);
        assert!(root.names("generations").is_empty(), "a part is no generation");
    }
    // What changes meanwhile takes its place; what is there already is not written again.
    let second = snapshot(&mut store, (105..135).map(file).collect());
    let n_pieces = 1 + (0..).take_while(|_| !piece(&mut store, &second)).count();
    assert_eq!(n_pieces, 25);
    let state = State { enforced: Some(second.head.number), ..store.state().clone() };
    store.set_state(state).expect("there is space");
    assert_same(&root.open().load_enforced().expect("was stored"), &second);
    // What only the first one had goes when generations of its time do.
    for n in 0..=N_KEPT {
        commit(&mut store, one("/etc/pve/firewall/100.fw", &format!("# later {n}\n")));
    }
    assert_eq!(root.names("objects").len(), N_KEPT);
}

#[test]
fn what_is_switched_off_is_stored_in_pieces_too() {
    let root = Root::new();
    let mut store = root.open();
    let file = |n: usize| (format!("/etc/pve/firewall/{n}.fw"), FileContent::text(&format!("# {n}\n")));
    commit(&mut store, (100..130).map(file).collect());
    assert!(store.has_enabled());
    let mut off = snapshot(&mut store, (110..140).map(file).collect());
    off.head.enabled = false;
    store.forget().expect("can be done");
    assert!(!store.has_enabled() && root.names("objects").is_empty(), "there is nothing to forget any more");
    let n_pieces = 1
        + (0..100)
            .take_while(|_| !store.save_until(&off, Some(Instant::now())).expect("there is space"))
            .count();
    assert_eq!(n_pieces, 30);
    assert!(store.has(off.head.number) && !store.has_enabled());
    assert_same(&store.generation(off.head.number).expect("is stored"), &off);
    assert!(store.load_enforced().is_none());
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let root = Root::new();
    commit(&mut root.open(), one("/etc/pve/firewall/cluster.fw", "1"));
    let mode = |path: PathBuf| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    for folder in ["", "objects", "generations"] {
        assert_eq!(mode(root.at(folder)), 0o700, "{folder}");
    }
    for file in ["state.json", "generations/1.json", &format!("objects/{}", root.names("objects")[0])] {
        assert_eq!(mode(root.at(file)), 0o600, "{file}");
    }
}

#[test]
fn digests_follow_contents_and_nothing_else() {
    let mut draw = Draw::new(5, "digests", 0);
    let mut kept = Digests::default();
    let mut seen = BTreeMap::new();
    for _ in 0..300 {
        let files = draw_files(&mut draw);
        let digest = kept.all(&files);
        assert_eq!(digest, Digests::default().all(&files), "what was known before changed it");
        let copies = files.iter().map(|(path, content)| match content {
            FileContent::Bytes(bytes) => (path.clone(), FileContent::Bytes(Arc::from(bytes.to_vec()))),
            FileContent::Unreadable(_) => (path.clone(), FileContent::Unreadable("else".to_owned())),
        });
        assert_eq!(digest, kept.all(&copies.collect()));
        let of = format!("{:?}", text(&files));
        assert_eq!(*seen.entry(digest).or_insert(of.clone()), of, "one digest for two contents");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
}

#[test]
fn guests_that_come_and_go_do_not_undo_a_refusal() {
    let written = ["/etc/pve/firewall/cluster.fw", "/etc/pve/firewall/100.fw", "/etc/pve/corosync.conf"];
    let given = ["/etc/pve/.vmlist", "/etc/pve/nodes/node1/qemu-server/100.conf", "/etc/services"];
    let files = |text: &str| -> Files {
        written.iter().chain(&given).map(|path| ((*path).to_owned(), FileContent::text(text))).collect()
    };
    assert!(written.into_iter().all(is_written) && !given.into_iter().any(is_written));
    let (then, today) = (files("then"), files("today"));
    let back = with_written_of(&then, &today);
    let mut digests = Digests::default();
    assert_eq!(digests.written(&back), digests.written(&then));
    assert_ne!(digests.written(&back), digests.written(&today));
    assert_ne!(digests.all(&back), digests.all(&then));
    assert_eq!(text(&back)["/etc/pve/.vmlist"], Ok(&b"today"[..]));
}

/// Any order of steps, with stops and losses between them: what is loaded was enforced once, unchanged, and is not
/// newer than what is enforced.
#[test]
fn any_order_of_steps_leaves_something_right() {
    for seed in 0..30 {
        let mut draw = Draw::new(seed, "steps", 0);
        let root = Root::new();
        let mut store = root.open();
        let mut saved: BTreeMap<u64, Snapshot> = BTreeMap::new();
        for _ in 0..40 {
            match draw.below(9) {
                8 => {
                    let snapshot = snapshot(&mut store, draw_files(&mut draw));
                    let piece = Some(Instant::now());
                    if store.save_until(&snapshot, piece).expect("there is space") {
                        saved.insert(snapshot.head.number, snapshot);
                    }
                }
                0..=3 => {
                    let snapshot = commit(&mut store, draw_files(&mut draw));
                    saved.insert(snapshot.head.number, snapshot);
                }
                4 => store = root.open(),
                5 => lose(&root, &mut draw),
                6 => {
                    let back: Vec<u64> = store.generations().iter().map(|head| head.number).collect();
                    if let Some(number) = (!back.is_empty()).then(|| draw.pick(&back)) {
                        let state = State { enforced: Some(number), ..store.state().clone() };
                        store.set_state(state).expect("there is space");
                    }
                }
                _ => {
                    if draw.chance(20) {
                        store.forget().expect("can be done");
                        assert!(root.open().load_enforced().is_none(), "seed {seed}");
                    }
                }
            }
            let enforced = store.state().enforced;
            if let Some(found) = store.load_enforced() {
                assert!(Some(found.head.number) <= enforced, "seed {seed}");
                assert_same(&found, &saved[&found.head.number]);
            }
        }
    }
}

/// Any file but the state is cut off or gone.
fn lose(root: &Root, draw: &mut Draw) {
    let folder = draw.pick(&["objects", "generations"]);
    let names = root.names(folder);
    if names.is_empty() {
        return;
    }
    let path = root.at(folder).join(&names[draw.below(names.len())]);
    let bytes = fs::read(&path).expect("is there");
    if draw.chance(50) {
        fs::remove_file(path).expect("can be done");
    } else {
        fs::write(path, &bytes[..draw.below(bytes.len() + 1)]).expect("there is space");
    }
}
