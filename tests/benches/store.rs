//! What a commit costs besides the kernel's part, on a node of 1,000 guests: digest, store, preflight.

use std::hint::black_box;
use std::net::IpAddr;

use criterion::{BatchSize, Criterion};
use engine::inputs::{FileContent, Files, Inputs, RejectMode};
use firewall_tests::generate::{Size, tree};
use proxmox_firewall::host::flows::Flow;
use proxmox_firewall::host::paths::Paths;
use proxmox_firewall::service::preflight::{Change, Generation, cuts};
use proxmox_firewall::service::state::Committed;
use proxmox_firewall::service::store::{Digests, Head, Snapshot, State, Store};

const N_GUESTS: u32 = 1000;

fn inputs() -> Inputs {
    tree(&Size::guests(N_GUESTS)).inputs()
}

fn change(files: &mut Files, count: u64) {
    let text = format!("[OPTIONS]\nenable: 1\n[RULES]\nIN ACCEPT -p tcp -dport {}\n", count % 60_000);
    files.insert("/etc/pve/firewall/100.fw".to_owned(), FileContent::text(&text));
}

fn snapshot(store: &mut Store, files: &Files) -> Snapshot {
    let head = Head {
        number: store.next_number(),
        digest: store.digests().all(files),
        written: store.digests().written(files),
        committed: Committed::default(),
        committed_at_s: 1_700_000_000,
        cause: "change of /etc/pve/firewall/100.fw".to_owned(),
        node: "node1".to_owned(),
        enabled: true,
        reject_mode: RejectMode::Prerouting,
    };
    Snapshot { head, files: files.clone() }
}

fn digests(c: &mut Criterion) {
    let mut files = inputs().files;
    println!("{} files", files.len());
    c.bench_function("digest/cold", |b| b.iter(|| Digests::default().all(black_box(&files))));
    let mut kept = Digests::default();
    let mut count = 0;
    c.bench_function("digest/one file changed", |b| {
        b.iter(|| {
            count += 1;
            change(&mut files, count);
            kept.all(black_box(&files))
        });
    });
}

fn store(c: &mut Criterion) {
    let root = std::env::temp_dir().join(format!("firewall-bench-{}", std::process::id()));
    let paths = Paths::below(&root);
    let mut store = Store::open(&paths).expect("a folder that can be written");
    let mut files = inputs().files;
    let mut count = 0;
    let mut commit = |store: &mut Store| {
        count += 1;
        change(&mut files, count);
        let snapshot = snapshot(store, &files);
        store.save(&snapshot).expect("there is space");
        let enforced = Some(snapshot.head.number);
        store.set_state(State { enforced, ..store.state().clone() }).expect("there is space");
    };
    commit(&mut store);
    store.flush().expect("there is a disk");
    c.bench_function("store/one file changed", |b| b.iter(|| commit(&mut store)));
    store.flush().expect("there is a disk");
    c.bench_function("store/the same, flushed", |b| {
        b.iter(|| {
            commit(&mut store);
            store.flush().expect("there is a disk");
        });
    });
    c.bench_function("store/load what is enforced", |b| {
        b.iter(|| Store::open(&paths).expect("is there").load_enforced().expect("is there"));
    });
    c.bench_function("store/first change of a process", |b| {
        b.iter_batched(
            || Store::open(&paths).expect("is there"),
            |mut store| commit(&mut store),
            BatchSize::PerIteration,
        );
    });
    drop(std::fs::remove_dir_all(&root));
}

fn preflight(c: &mut Criterion) {
    let before = inputs();
    let mut after = before.clone();
    let path = format!("/etc/pve/nodes/{}/host.fw", before.facts.node);
    after.files.insert(path, FileContent::text("[RULES]\nIN ACCEPT -p tcp -dport 9100\n"));
    let [old, new] = [&before, &after].map(engine::compile);
    let own = before.facts.resolved[&before.facts.node][0];
    let peer = |number: u8| IpAddr::from([192, 0, 2, number]);
    let flows: Vec<Flow> =
        (50..100).map(|number| Flow::between(6, (peer(number), 40_000), (own, 8006))).collect();
    let change = Change {
        old: Generation::of(&old),
        new: Generation::of(&new),
        facts: &before.facts,
        flows: &flows,
        caller: None,
    };
    println!("{:?} ways", cuts(&change).n_tried);
    c.bench_function("preflight/50 flows, a rule of the host", |b| b.iter(|| cuts(black_box(&change))));
    let same = Change { new: change.old, ..change };
    c.bench_function("preflight/the host is the same", |b| b.iter(|| cuts(black_box(&same))));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    digests(&mut criterion);
    store(&mut criterion);
    preflight(&mut criterion);
    criterion.final_summary();
}
