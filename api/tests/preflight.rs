//! What a change would cut: `preflight/*.case`, each a configuration before and after, connections, and the cuts.
//!
//! Sections begin with `==`. `before NAME` and `after NAME` are files (`cluster.fw`, `host.fw`, `corosync.conf`);
//! without the latter nothing changes but what is said. `flows` are lines `tcp FROM:PORT > TO:PORT`, and `caller FROM`.
//! `cuts` are lines `SERVICE [live] [holds] FROM:PORT > TO:PORT NEW because of ORIGIN`, all there are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use engine::Compiled;
use engine::inputs::{FileContent, Files, HostFacts, Inputs};
use proxmox_firewall::host::flows::Flow;
use proxmox_firewall::report;
use proxmox_firewall::service::preflight::{Change, Cut, Generation, Report, cuts};
use proxmox_firewall::views::facts::FactsView;

/// A node with a management bridge, a VLAN on it, a storage interface by itself, and a guest.
const FACTS: &str = r#"{
  "node": "node1", "now_s": 1700000000,
  "links": [
    {"name": "lo", "addresses": ["127.0.0.1/8", "::1/128"]},
    {"name": "vmbr0", "kind": "bridge", "addresses": ["192.0.2.1/24", "2001:db8:a::1/64"]},
    {"name": "eno1", "master": "vmbr0"},
    {"name": "vmbr0.7", "kind": "vlan", "parent": "vmbr0", "addresses": ["198.51.100.1/24"]},
    {"name": "eno2", "addresses": ["203.0.113.1/24"]},
    {"name": "tap100i0", "master": "vmbr0"}
  ],
  "resolved": {"node1": ["192.0.2.1"]},
  "connected": ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:a::/64"]
}"#;

#[derive(Default)]
struct Case {
    before: Files,
    after: Files,
    flows: Vec<Flow>,
    caller: Option<IpAddr>,
    cuts: Vec<String>,
}

fn path_of(name: &str) -> String {
    match name {
        "cluster.fw" => "/etc/pve/firewall/cluster.fw".to_owned(),
        "host.fw" => "/etc/pve/nodes/node1/host.fw".to_owned(),
        other => format!("/etc/pve/{other}"),
    }
}

fn end(text: &str) -> (IpAddr, u16) {
    let socket: SocketAddr = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    (socket.ip(), socket.port())
}

fn flow(line: &str) -> Flow {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [protocol, from, ">", to] = words[..] else { panic!("{line}") };
    let number = match protocol {
        "tcp" => 6,
        "udp" => 17,
        other => panic!("{other}"),
    };
    Flow::between(number, end(from), end(to))
}

fn case(text: &str) -> Case {
    let mut case = Case::default();
    let mut after = BTreeMap::new();
    for section in text.split("\n== ").skip(1) {
        let (head, body) = section.split_once('\n').unwrap_or((section, ""));
        let lines = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        match head.split_once(' ') {
            Some(("before", name)) => drop(case.before.insert(path_of(name), FileContent::text(body))),
            Some(("after", name)) => drop(after.insert(path_of(name), FileContent::text(body))),
            None if head == "flows" => {
                for line in lines {
                    match line.strip_prefix("caller ") {
                        Some(address) => case.caller = Some(address.parse().expect("an address")),
                        None => case.flows.push(flow(line)),
                    }
                }
            }
            None if head == "cuts" => case.cuts = lines.map(str::to_owned).collect(),
            _ => panic!("section {head}"),
        }
    }
    case.after = case.before.clone();
    case.after.extend(after);
    case
}

fn compiled(files: Files, facts: &HostFacts) -> Compiled {
    engine::compile(&Inputs { files, facts: facts.clone().into(), ..Inputs::default() })
}

fn shown(cut: &Cut, candidate: &Compiled) -> String {
    let end = |address: IpAddr, port: u16| SocketAddr::new(address, port);
    let (from, to) = (end(cut.flow.source, cut.flow.source_port), end(cut.flow.dest, cut.flow.dest_port));
    let live = if cut.live { " live" } else { "" };
    let holds = if cut.holds { " holds" } else { "" };
    let why = cut.origin.map(|origin| report::origin(origin, &candidate.sources));
    let why = why.as_deref().unwrap_or("nothing").rsplit('/').next().unwrap_or_default();
    format!("{}{live}{holds} {from} > {to} {} because of {why}", cut.service.as_str(), cut.new)
}

fn run(case: &Case) -> (Report, Vec<String>) {
    let view: FactsView = serde_json::from_str(FACTS).expect("facts");
    let facts = HostFacts::try_from(view).expect("facts");
    let (old, new) = (compiled(case.before.clone(), &facts), compiled(case.after.clone(), &facts));
    let change = Change {
        old: Generation::of(&old),
        new: Generation::of(&new),
        facts: &facts,
        flows: &case.flows,
        caller: case.caller,
    };
    let report = cuts(&change);
    let lines = report.cuts.iter().map(|cut| shown(cut, &new)).collect();
    (report, lines)
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preflight");
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// `BLESS=1 cargo test` rewrites the cuts.
#[test]
fn changes_cut_what_the_cases_say() {
    let mut wrong = Vec::new();
    for path in cases() {
        let text = std::fs::read_to_string(&path).expect("text");
        let case = case(&text);
        let (_, found) = run(&case);
        if found == case.cuts {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            let (kept, _) = text.split_once("\n== cuts\n").expect("a section of cuts");
            let lines: String = found.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(&path, format!("{kept}\n== cuts\n{lines}")).expect("can be written");
        }
        wrong.push(format!("{}:\n{}", path.display(), found.join("\n")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_does_not_touch_the_host_is_not_tried() {
    let on = "[OPTIONS]\nenable: 1\n";
    let mut same = Case::default();
    same.before.insert(path_of("cluster.fw"), FileContent::text(on));
    same.after.insert(path_of("cluster.fw"), FileContent::text(on));
    same.after.insert("/etc/pve/firewall/100.fw".to_owned(), FileContent::text("[RULES]\nIN DROP\n"));
    same.flows = vec![flow("tcp 192.0.2.50:40000 > 192.0.2.1:8006")];
    assert_eq!(run(&same).0.n_tried, 0);
    let off = Case { after: Files::new(), ..same };
    assert_eq!(run(&off).0.n_tried, 0);
}

#[test]
fn what_is_tried_is_bounded() {
    let mut many = Case::default();
    many.after.insert(path_of("cluster.fw"), FileContent::text("[OPTIONS]\nenable: 1\n[RULES]\nIN DROP\n"));
    many.flows = (0..2000)
        .map(|number| flow(&format!("tcp 10.0.{}.{}:40000 > 192.0.2.1:22", number / 250, number % 250)))
        .collect();
    let (report, _) = run(&many);
    assert!(report.truncated && report.n_tried <= 256, "{}", report.n_tried);
    // What passes through the node, between its guests for one, takes nobody's place.
    many.flows.iter_mut().for_each(|flow| flow.dest = "192.0.2.100".parse().expect("an address"));
    let (report, _) = run(&many);
    assert!(!report.truncated && report.n_tried < 20, "{}", report.n_tried);
    // Ports of one source are one way.
    many.flows = (1000..3000).map(|port| flow(&format!("tcp 10.0.0.9:{port} > 192.0.2.1:22"))).collect();
    let (report, _) = run(&many);
    assert!(!report.truncated && report.n_tried < 20, "{}", report.n_tried);
}
