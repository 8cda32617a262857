//! Notifications of a network namespace: what counts, what does not, and what it costs to follow. Needs root.

use std::fmt::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use engine::inputs::{HostFacts, LinkKind};
use firewall_tests::namespace::{self, Namespace};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proxmox_firewall::host::events::LinkEvents;

fn ip(commands: &str) {
    namespace::run("ip", &["-batch", "-"], commands).expect("ip");
}

fn updated(events: &mut LinkEvents) -> HostFacts {
    let mut facts = HostFacts::default();
    events.update(&mut facts).expect("an answer of the kernel");
    facts
}

/// More is told within a while.
fn waits(events: &LinkEvents, wait_ms: u16) -> bool {
    let mut polled = [PollFd::new(events.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::from(wait_ms)) == Ok(1)
}

/// What is followed is what a new look finds. An IPv6 address is there before the kernel tells of it.
fn assert_current(events: &mut LinkEvents) {
    loop {
        let (followed, looked) = (updated(events), updated(&mut LinkEvents::new().expect("a socket")));
        if followed.links == looked.links && followed.connected == looked.connected {
            return;
        }
        assert!(waits(events, 2_000), "{:?} is followed, {:?} is there", followed.links, looked.links);
        events.drain();
    }
}

#[test]
fn what_the_facts_hold_is_told_and_nothing_else() {
    let _namespace = Namespace::new().expect("a network namespace: run as root");
    let mut events = LinkEvents::new().expect("a socket");
    assert!(!events.drain());
    let told = [
        "link add vmbr0 type bridge\nlink set vmbr0 addrgenmode none",
        "link set vmbr0 up",
        "tuntap add dev tap100i0 mode tap\nlink set tap100i0 addrgenmode none",
        "link set tap100i0 master vmbr0",
        "link set tap100i0 up",
        "link property add dev tap100i0 altname other",
        "address add 192.0.2.1/24 dev vmbr0",
        "route add 198.51.100.0/24 dev vmbr0",
        "address add 2001:db8::1/64 dev vmbr0 nodad",
        "link set tap100i0 address 02:00:00:00:00:01",
        "link set tap100i0 nomaster",
        "address del 192.0.2.1/24 dev vmbr0",
        "link set vmbr0 down",
        "link del tap100i0",
    ];
    for command in told {
        ip(command);
        assert!(events.drain(), "{command}");
        assert_current(&mut events);
    }
    while waits(&events, 200) {
        events.drain();
    }
    let facts = updated(&mut events);
    assert!(matches!(facts.link("vmbr0").expect("there").kind, LinkKind::Bridge { .. }));
    for command in [
        "link set vmbr0 mtu 1400",
        "link set vmbr0 txqueuelen 7",
        "link set vmbr0 type bridge ageing_time 500",
    ] {
        ip(command);
        assert!(!events.drain(), "{command}");
    }
}

/// A command for the interface of each of a thousand guests.
fn taps(command: impl Fn(&str) -> String) -> String {
    let mut commands = String::new();
    for vmid in 100..1_100 {
        writeln!(commands, "{}", command(&format!("tap{vmid}i0"))).expect("a string takes everything");
    }
    commands
}

#[test]
fn a_thousand_interfaces_are_followed_at_little_cost() {
    let _namespace = Namespace::new().expect("a network namespace: run as root");
    ip("link add vmbr0 type bridge");
    ip(&taps(|tap| format!("tuntap add dev {tap} mode tap")));
    ip(&taps(|tap| format!("link set {tap} master vmbr0")));
    let begun = Instant::now();
    let mut events = LinkEvents::new().expect("a socket");
    println!("1,000 interfaces looked at: {:?}", begun.elapsed());

    let (mut draining, mut updating) = (Duration::ZERO, Duration::ZERO);
    for round in 0..20 {
        ip(&format!("tuntap add dev tap{}i1 mode tap", 5_000 + round));
        let begun = Instant::now();
        assert!(events.drain());
        draining += begun.elapsed();
        let begun = Instant::now();
        assert_eq!(updated(&mut events).links.len(), 1_003 + round);
        updating += begun.elapsed();
    }
    println!("one more, drained: {:?}; facts brought up to date: {:?}", draining / 20, updating / 20);

    // More at once than the socket's queue holds: lost notifications are news too.
    ip(&taps(|tap| format!("link set {tap} up")));
    ip(&taps(|tap| format!("link set {tap} down")));
    ip(&taps(|tap| format!("link del {tap}")));
    assert!(events.drain());
    assert_current(&mut events);
    assert!(!events.drain());
}
