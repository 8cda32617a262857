//! The service as it runs on a node, while things go wrong: what it does then, and what packets meet meanwhile. Needs
//! root. Each test prints what it cost.

mod crash;
mod disk;
mod drift;
mod files;
mod lifecycle;
mod model;
mod peers;

use firewall_tests::Failure;
use firewall_tests::namespace::run;
use firewall_tests::service::{Counts, Node, Probe, Route};

const CLUSTER: &str = "[OPTIONS]\nenable: 1\n\n[IPSET management]\n192.0.2.0/24\n";
const CLUSTER_FW: &str = "/etc/pve/firewall/cluster.fw";
const HOST_FW: &str = "/etc/pve/nodes/n1/host.fw";

/// What a probe sends to and may, and may not.
const ALLOWED: u16 = 7000;
const FORBIDDEN: u16 = 7001;

/// `host.fw` that lets the probe's allowed packets pass, and more rules.
fn host(rules: &str) -> String {
    format!("[OPTIONS]\nnftables: 1\n\n[RULES]\nIN ACCEPT -p udp -dport {ALLOWED}\n{rules}\n")
}

/// A rule that can be told from others in a listing.
fn rule(port: u16) -> String {
    host(&format!("IN ACCEPT -p tcp -dport {port}"))
}

/// A node whose firewall is on, with a bridge that the outside is at.
pub(crate) fn node() -> Result<Node, Failure> {
    let node = Node::new()?;
    std::fs::write("/etc/hosts", "127.0.0.1 localhost\n192.0.2.1 n1\n")?;
    // A bridge without a port is a way that nobody can come by.
    let links = "link add vmbr0 type bridge\naddress add 192.0.2.1/24 dev vmbr0\nlink set vmbr0 up\n\
        link add eno0 type veth peer name beyond\nlink set eno0 master vmbr0\nlink set eno0 up\n";
    run("ip", &["-batch", "-"], links)?;
    node.write(CLUSTER_FW, CLUSTER)?;
    node.write(HOST_FW, &host(""))?;
    Ok(node)
}

/// Starts to send; the rules of a service that runs already decide.
fn probe() -> Result<Probe, Failure> {
    let route = Route { wire: "eno1", from: "192.0.2.9/24", to: "192.0.2.1" };
    let probe = Probe::start(route, ALLOWED, FORBIDDEN)?;
    run("ip", &["-batch", "-"], "link set eno1 master vmbr0\nlink set eno1 up\n")?;
    // Until the wire is up and addresses are known, packets are lost that no firewall has seen.
    while probe.look().lost > 0 || probe.look().sent == 0 {}
    Ok(probe)
}

/// Fails if a packet was lost or let through; tells how many there were.
#[track_caller]
fn clean(counts: Counts, what: &str) {
    println!(
        "{what}: {} new connections allowed, {} lost, {} forbidden ones passed",
        counts.sent, counts.lost, counts.forbidden
    );
    assert!(counts.sent > 0 && counts.lost == 0 && counts.forbidden == 0, "{what}: {counts:?}");
}

/// Prints how long something took.
fn times(what: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("{what}: p50 {} µs, p99 {} µs of {}", at(0.5), at(0.99), times.len());
}
