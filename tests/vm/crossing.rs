//! A flow that leaves the node by one uplink and comes back by another: two bridges see it, tracking once.

use std::sync::Arc;

use engine::compile;
use engine::inputs::Link;
use engine::simulate::{Packet, Simulator};
use firewall_tests::Failure;
use firewall_tests::case::{CaseFiles, inputs};
use firewall_tests::namespace::run;
use firewall_tests::network;
use firewall_tests::packet::{check, parse};
use firewall_tests::wire::{Judge, Lab, Tally, random};

const FILES: [(&str, &str); 3] = [
    ("cluster.fw", "[OPTIONS]\nenable: 1\npolicy_forward: DROP\n"),
    ("100.fw", "[OPTIONS]\nenable: 1\n[RULES]\nOUT DROP -p udp -dport 5002\n"),
    ("110.fw", "[OPTIONS]\nenable: 1\n[RULES]\nIN ACCEPT -p udp -dport 5000\nIN ACCEPT -p tcp -dport 80\n"),
];

/// From one guest to the other's own hardware address; `state` is what the simulator is told.
const LINES: [&str; 11] = [
    "vm100 vm110 udp 192.0.2.100:51000 > 198.51.100.110:5002 dmac=bc:24:11:00:01:10 => drop 100.fw:4",
    "vm100 vm110 udp 192.0.2.100:51000 > 198.51.100.110:5001 dmac=bc:24:11:00:01:10 => drop option:policy_in",
    // New for both guests, and again as long as nobody has answered.
    "vm100 vm110 udp 192.0.2.100:51000 > 198.51.100.110:5000 dmac=bc:24:11:00:01:10 => accept 110.fw:4",
    "vm100 vm110 udp 192.0.2.100:51000 > 198.51.100.110:5000 dmac=bc:24:11:00:01:10 => accept 110.fw:4",
    "vm110 vm100 udp 198.51.100.110:5000 > 192.0.2.100:51000 dmac=bc:24:11:00:01:00 state=established => accept",
    "vm100 vm110 udp 192.0.2.100:51000 > 198.51.100.110:5000 dmac=bc:24:11:00:01:10 state=established => accept",
    "vm110 vm100 udp 198.51.100.110:5000 > 192.0.2.100:51001 dmac=bc:24:11:00:01:00 => drop option:policy_in",
    "vm100 vm110 tcp 192.0.2.100:51000 > 198.51.100.110:80 dmac=bc:24:11:00:01:10 => accept 110.fw:5",
    "vm110 vm100 tcp 198.51.100.110:80 > 192.0.2.100:51000 dmac=bc:24:11:00:01:00 flags=syn,ack state=established => accept",
    "vm100 vm110 tcp 192.0.2.100:51000 > 198.51.100.110:80 dmac=bc:24:11:00:01:10 flags=ack state=established => accept",
    // Routed, the same flow would be the forward zone's.
    "vm100 vm110 tcp 192.0.2.100:51009 > 198.51.100.110:80 => drop option:policy_forward",
];

#[test]
fn a_flow_over_two_bridges_has_one_entry() -> Result<(), Failure> {
    let files: CaseFiles =
        FILES.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let mut inputs = inputs(&files);
    let uplink =
        Link { name: "eth1".to_owned(), master: Some("vmbr1".to_owned()), up: true, ..Link::default() };
    Arc::make_mut(&mut inputs.facts).links.push(uplink);
    let compiled = compile(&inputs);
    let world = network::world(&inputs.facts, &compiled.config.guests);
    let simulator = Simulator::new(&compiled.plan.ruleset, &world);
    for line in LINES {
        check(&simulator, &compiled.sources, &parse(line))?;
    }
    let mut lab = Lab::new(&inputs.facts, &compiled.config.guests)?;
    lab.neighbours(&random::homes())?;
    lab.join_outside("eth0", "eth1");
    let packets: Vec<Packet> = LINES.iter().map(|line| parse(line).packet).collect();
    let mut tally = Tally::default();
    let mut judge = Judge::new(&mut lab, &world, &compiled.plan.ruleset, &compiled.sources)?;
    judge.remember();
    judge.compare(&packets, &mut tally)?;
    println!("{tally}");
    assert!(tally.disagreements.is_empty(), "{}", tally.report());
    let entries = run("conntrack", &["-L", "-s", "192.0.2.100", "-d", "198.51.100.110"], "")?;
    // One for each flow, however many bridges it crosses.
    let mut ports: Vec<&str> = entries
        .lines()
        .filter_map(|line| line.split_whitespace().find_map(|word| word.strip_prefix("dport=")))
        .collect();
    ports.sort_unstable();
    println!("{entries}");
    assert!(ports.iter().filter(|port| **port == "5000").count() == 1, "{entries}");
    assert!(ports.iter().filter(|port| **port == "80").count() == 1, "{entries}");
    Ok(())
}
