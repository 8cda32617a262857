//! Reject mode `divert` as the service makes it: its devices come, follow what happens to guests' ports, and go. The
//! host's own sockets are the senders; guests are far ends that answer nothing.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use engine::simulate::Packet;
use engine::simulate::packet::Rate;
use firewall_tests::fixtures::{self, Fixture};
use firewall_tests::namespace::{Namespace, run};
use firewall_tests::network;
use firewall_tests::service::Service;
use firewall_tests::wire::frame::frames;
use firewall_tests::wire::mark::Mark;
use firewall_tests::wire::reject::Node;
use firewall_tests::wire::socket::{FarEnd, FrameSocket, Receive};
use firewall_tests::wire::{Judge, Lab, Tally, random};
use firewall_tests::{Failure, packet};
use nix::sys::socket::{setsockopt, sockopt};

const GUEST: &str = "bc:24:11:00:01:00";
const GUEST_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
const GUEST_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100));
/// Nobody waits longer for an answer that is made at once; emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(3);
/// Long enough to know that none comes.
const SILENCE: Duration = Duration::from_millis(400);

const CLUSTER: &str = "[OPTIONS]\nenable: 1\npolicy_in: ACCEPT\n";
const RULES: &str = "[OPTIONS]\nenable: 1\n[RULES]\nIN ACCEPT -p tcp -dport 80\nIN REJECT -p tcp -dport 81\n\
    IN REJECT -p udp -dport 81\n";
const NIC: &str = "net0: virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1\n";
const DIVERT: &str = "reject_mode: divert\n";

fn files<'t>(more: &[(&'t str, &'t str)]) -> Vec<(&'t str, &'t str)> {
    let all = [("cluster.fw", CLUSTER), ("100.fw", RULES), ("100.conf", NIC), ("node.cfg", DIVERT)];
    let is_replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    all.into_iter().filter(|(name, _)| !is_replaced(name)).chain(more.iter().copied()).collect()
}

fn ip(batch: &str) -> Result<(), Failure> {
    run("ip", &["-batch", "-"], batch).map(drop)
}

/// A bridge with the host's addresses, which knows where the guest is.
fn bridge(options: &str) -> Result<Namespace, Failure> {
    if !Path::new("/dev/net/tun").exists() {
        run("modprobe", &["tun"], "")?;
    }
    let namespace = Namespace::new()?;
    ip(&format!(
        "link set lo up\nlink add vmbr0 address 02:00:00:00:00:01 type bridge mcast_snooping 0 {options}\n\
         link set vmbr0 up\n"
    ))?;
    Ok(namespace)
}

fn at_home(device: &str) -> Result<(), Failure> {
    ip(&format!(
        "addr add 192.0.2.1/24 dev {device}\naddr add 2001:db8:a::1/64 dev {device} nodad\n\
         neigh replace {GUEST_V4} lladdr {GUEST} dev {device} nud permanent\n\
         neigh replace {GUEST_V6} lladdr {GUEST} dev {device} nud permanent\n"
    ))
}

/// A port of a bridge, of which we hold the other end.
fn port(name: &str, bridge: &str) -> Result<FarEnd, Failure> {
    let far_end = FarEnd::new(name)?;
    ip(&format!("link set {name} addrgenmode none\nlink set {name} master {bridge}\nlink set {name} up\n"))?;
    Ok(far_end)
}

/// Frames for this TCP or UDP port that have come out there.
fn n_arrived(end: &impl Receive, port: u16) -> Result<usize, Failure> {
    let mut buffer = vec![0; 1 << 17];
    let mut n_arrived = 0;
    while let Some(length) = end.receive(&mut buffer)? {
        let frame = &buffer[..length];
        let transport = match frame.get(12..14) {
            Some([0x08, 0x00]) => 34,
            Some([0x86, 0xdd]) => 54,
            _ => continue,
        };
        n_arrived += usize::from(frame.get(transport + 2..transport + 4) == Some(&port.to_be_bytes()));
    }
    Ok(n_arrived)
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Refused,
    Silence,
}

fn connect(to: IpAddr, port: u16, patience: Duration) -> Result<Heard, Failure> {
    match TcpStream::connect_timeout(&SocketAddr::new(to, port), patience) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Heard::Refused),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            Ok(Heard::Silence)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("somebody answered".into()),
    }
}

fn datagram_socket(to: IpAddr, port: u16, patience: Duration) -> Result<UdpSocket, Failure> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(SocketAddr::new(to, port))?;
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

fn heard(socket: &UdpSocket) -> Result<Heard, Failure> {
    match socket.recv(&mut [0; 16]) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Heard::Refused),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            Ok(Heard::Silence)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("somebody answered".into()),
    }
}

fn datagram(to: IpAddr, length: usize, patience: Duration) -> Result<Heard, Failure> {
    let socket = datagram_socket(to, 81, patience)?;
    socket.send(&vec![0; length])?;
    heard(&socket)
}

/// Names of devices of ours, or like ours.
fn devices() -> Result<Vec<String>, Failure> {
    let listed = run("ip", &["-o", "link"], "")?;
    let of_line = |line: &str| Some(line.split(": ").nth(1)?.split('@').next()?.to_owned());
    Ok(listed
        .lines()
        .filter_map(of_line)
        .filter(|name| name.starts_with("fwrj") || name == "fwrej")
        .collect())
}

fn tables() -> Result<String, Failure> {
    run("nft", &["list", "tables"], "")
}

#[test]
fn the_host_is_answered_and_nothing_stays_behind() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let guest = port("tap100i0", "vmbr0")?;
    let mut node = Node::new(&files(&[]))?;
    node.settle()?;
    assert_eq!(node.problems, Vec::<String>::new());
    assert_eq!(devices()?.len(), 3, "{:?}", devices()?);
    assert_eq!(node.drift()?, Vec::<String>::new());
    for address in [GUEST_V4, GUEST_V6] {
        assert_eq!(connect(address, 81, PATIENCE)?, Heard::Refused, "{address}");
        assert_eq!(datagram(address, 20, PATIENCE)?, Heard::Refused, "{address}");
        assert_eq!(connect(address, 80, SILENCE)?, Heard::Silence);
        assert_eq!(connect(address, 82, SILENCE)?, Heard::Silence);
    }
    assert_eq!(n_arrived(&guest, 81)?, 0);
    // No bridge has seen the guest where it is not.
    let known = run("bridge", &["fdb", "show"], "")?;
    let at_pair = |line: &&str| line.contains("fwrj") && line.contains(GUEST);
    assert_eq!(known.lines().find(at_pair), None);
    let mac = run("ip", &["-o", "link", "show", "vmbr0"], "")?;
    assert!(mac.contains("02:00:00:00:00:01") && mac.contains("mtu 1500"), "{mac}");
    node.write("node.cfg", "reject_mode: prerouting\n");
    node.settle()?;
    assert_eq!(devices()?, Vec::<String>::new());
    assert!(!tables()?.contains("netdev"), "{}", tables()?);
    assert_eq!(connect(GUEST_V4, 81, SILENCE)?, Heard::Silence);
    node.write("node.cfg", DIVERT);
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    node.write("cluster.fw", "[OPTIONS]\nenable: 0\n");
    node.settle()?;
    assert_eq!((devices()?, tables()?.as_str()), (Vec::new(), ""));
    Ok(())
}

#[test]
fn a_port_that_took_the_place_of_another_drops_until_it_is_armed() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let guest = port("tap100i0", "vmbr0")?;
    let mut node = Node::new(&files(&[]))?;
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    drop(guest);
    let guest = port("tap100i0", "vmbr0")?;
    assert_eq!(connect(GUEST_V4, 81, SILENCE)?, Heard::Silence);
    assert_eq!(datagram(GUEST_V6, 20, SILENCE)?, Heard::Silence);
    assert_eq!(n_arrived(&guest, 81)?, 0, "let through");
    node.settle()?;
    assert_eq!(node.problems, Vec::<String>::new());
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    assert_eq!(n_arrived(&guest, 81)?, 0);
    // A pair that somebody takes away is made again.
    let outer = devices()?.into_iter().find(|name| name.starts_with("fwrjo")).ok_or("no pair")?;
    ip(&format!("link del {outer}\n"))?;
    assert_eq!(connect(GUEST_V4, 81, SILENCE)?, Heard::Silence);
    assert_eq!(n_arrived(&guest, 81)?, 0, "let through");
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    Ok(())
}

#[test]
fn a_guest_that_moves_to_another_bridge_drops_until_it_is_armed_there() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    ip("link add vmbr1 address 02:00:00:00:00:02 type bridge mcast_snooping 0\nlink set vmbr1 up\n")?;
    let (guest, left_behind) = (port("tap100i0", "vmbr0")?, port("tap101i0", "vmbr0")?);
    let mut node = Node::new(&files(&[]))?;
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    ip("addr flush dev vmbr0\nlink set tap100i0 master vmbr1\n")?;
    at_home("vmbr1")?;
    assert_eq!(connect(GUEST_V4, 81, SILENCE)?, Heard::Silence);
    assert_eq!((n_arrived(&guest, 81)?, n_arrived(&left_behind, 81)?), (0, 0));
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    assert_eq!(devices()?.len(), 3, "the old pair is gone");
    Ok(())
}

#[test]
fn in_a_vlan_the_answer_comes_back_in_that_vlan() -> Result<(), Failure> {
    let _namespace = bridge("vlan_filtering 1")?;
    ip("link add link vmbr0 name vmbr0.7 type vlan id 7\nlink set vmbr0.7 up\n")?;
    run("bridge", &["vlan", "add", "dev", "vmbr0", "vid", "7", "self"], "")?;
    at_home("vmbr0.7")?;
    let (guest, neighbour) = (port("tap100i0", "vmbr0")?, port("tap199i0", "vmbr0")?);
    run("bridge", &["vlan", "del", "dev", "tap100i0", "vid", "1"], "")?;
    run("bridge", &["vlan", "add", "dev", "tap100i0", "vid", "7", "pvid", "untagged"], "")?;
    let nic = format!("{},tag=7\n", NIC.trim());
    let mut node = Node::new(&files(&[("100.conf", &nic)]))?;
    node.settle()?;
    assert_eq!(node.problems, Vec::<String>::new());
    let in_vlan = FrameSocket::on("vmbr0.7")?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    assert_eq!(datagram(GUEST_V6, 20, PATIENCE)?, Heard::Refused);
    let mut buffer = vec![0; 1 << 16];
    let mut n_resets = 0;
    while let Some(length) = in_vlan.receive(&mut buffer)? {
        let frame = &buffer[..length];
        n_resets +=
            usize::from(frame.get(12..14) == Some(&[8, 0]) && frame.get(47).is_some_and(|f| f & 4 != 0));
    }
    assert_eq!(n_resets, 1, "a reset in VLAN 7");
    assert_eq!((n_arrived(&guest, 81)?, n_arrived(&neighbour, 81)?), (0, 0));
    let vlans = run("bridge", &["vlan", "show"], "")?;
    let outer = devices()?.into_iter().find(|name| name.starts_with("fwrjo")).ok_or("no pair")?;
    let of_pair = vlans.split(&outer).nth(1).ok_or("the pair is in no VLAN")?;
    assert!(of_pair.split_whitespace().take(3).eq(["7", "PVID", "Egress"]), "{vlans}");
    Ok(())
}

#[test]
fn a_foreign_device_of_our_name_is_left_alone() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let guest = port("tap100i0", "vmbr0")?;
    ip("link add fwrej type bridge\n")?;
    let mut node = Node::new(&files(&[]))?;
    node.settle()?;
    assert!(node.problems.iter().any(|problem| problem.contains("fwrej")), "{:?}", node.problems);
    assert_eq!(connect(GUEST_V4, 81, SILENCE)?, Heard::Silence);
    assert_eq!(n_arrived(&guest, 81)?, 0);
    node.write("node.cfg", "reject_mode: drop\n");
    node.settle()?;
    assert_eq!(devices()?, ["fwrej"]);
    ip("link del fwrej\n")?;
    node.write("node.cfg", DIVERT);
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    Ok(())
}

/// A frame of a stranger to the guest's rejected port.
fn bridged_syn(from: &FarEnd, nth: u16) -> Result<(), Failure> {
    syn_to([0xbc, 0x24, 0x11, 0, 1, 0], from, nth)
}

fn syn_to(mac: [u8; 6], from: &FarEnd, nth: u16) -> Result<(), Failure> {
    let line = "outside vm100 tcp 192.0.2.50:51000 > 192.0.2.100:81";
    let syn: Packet = line.parse().map_err(|error| format!("{line}: {error}"))?;
    let macs = (mac, [2, 0, 0, 0, 0, 0x50]);
    for frame in frames(&syn, macs, Mark(nth)) {
        from.send(&frame)?;
    }
    Ok(())
}

#[test]
fn a_bridged_frame_has_one_answer_and_no_connection() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    let (guest, outside, third) =
        (port("tap100i0", "vmbr0")?, port("eth0", "vmbr0")?, port("tap200i0", "vmbr0")?);
    let rejects_all = "[OPTIONS]\nenable: 1\npolicy_in: REJECT\n";
    let third_nic = "net0: virtio=BC:24:11:00:02:00,bridge=vmbr0,firewall=1\n";
    let mut node = Node::new(&files(&[("200.fw", rejects_all), ("200.conf", third_nic)]))?;
    for (nth, mode) in (0..).zip(["prerouting", "divert", "fwbr", "drop"]) {
        node.write("node.cfg", &format!("reject_mode: {mode}\n"));
        node.settle()?;
        bridged_syn(&outside, nth)?;
        std::thread::sleep(SILENCE);
        let n_expected = usize::from(mode != "drop");
        assert_eq!(n_arrived(&outside, 51000)?, n_expected, "{mode}");
        assert_eq!((n_arrived(&guest, 81)?, n_arrived(&third, 51000)?), (0, 0), "{mode}");
        let n_connections = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count")?;
        assert_eq!(n_connections.trim(), "0", "{mode}");
    }
    Ok(())
}

/// Two NICs with one address on a bridge: whose frame it is cannot be told.
#[test]
fn a_cloned_address_is_not_answered_for() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let (guest, clone) = (port("tap100i0", "vmbr0")?, port("tap101i0", "vmbr0")?);
    let mut node = Node::new(&files(&[("101.fw", RULES), ("101.conf", NIC)]))?;
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, SILENCE)?, Heard::Silence);
    assert_eq!((n_arrived(&guest, 81)?, n_arrived(&clone, 81)?), (0, 0));
    // The clone ends, and its port lingers without a carrier.
    ip("link set tap101i0 nomaster\n")?;
    node.settle()?;
    assert_eq!(connect(GUEST_V4, 81, PATIENCE)?, Heard::Refused);
    Ok(())
}

#[test]
fn answers_in_the_name_of_a_guest_have_a_rate() -> Result<(), Failure> {
    const N_SENT: usize = 500;
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let _guest = port("tap100i0", "vmbr0")?;
    let mut node = Node::new(&files(&[]))?;
    node.settle()?;
    let answers = FrameSocket::on("vmbr0")?;
    let socket = datagram_socket(GUEST_V4, 81, PATIENCE)?;
    let began = std::time::Instant::now();
    let mut n_sent = 0;
    while n_sent < N_SENT {
        // An answer that has come is what the next call returns.
        n_sent += usize::from(socket.send(b"?").is_ok());
    }
    let elapsed_s = usize::try_from(began.elapsed().as_secs())? + 1;
    std::thread::sleep(SILENCE);
    let mut buffer = vec![0; 1 << 16];
    let mut n_answers = 0;
    while let Some(length) = answers.receive(&mut buffer)? {
        let frame = &buffer[..length];
        // ICMP destination unreachable.
        n_answers += usize::from(frame.get(23) == Some(&1) && frame.get(34) == Some(&3));
    }
    assert!((150..=200 + 100 * elapsed_s).contains(&n_answers), "{n_answers} in {elapsed_s} s");
    Ok(())
}

#[test]
fn what_fits_a_guests_port_is_answered_whatever_its_size() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    let guest = port("tap100i0", "vmbr0")?;
    ip("link set tap100i0 mtu 9000\nlink set vmbr0 mtu 9000\n")?;
    at_home("vmbr0")?;
    let mut node = Node::new(&files(&[]))?;
    node.settle()?;
    for address in [GUEST_V4, GUEST_V6] {
        assert_eq!(datagram(address, 8000, PATIENCE)?, Heard::Refused, "{address}");
        // One frame of many datagrams, with their checksums left to the device.
        let socket = datagram_socket(address, 81, PATIENCE)?;
        setsockopt(&socket, sockopt::UdpGsoSegment, &1000)?;
        socket.send(&[0; 30_000])?;
        assert_eq!(heard(&socket)?, Heard::Refused, "{address}");
    }
    assert_eq!(n_arrived(&guest, 81)?, 0);
    Ok(())
}

/// What the simulator says of the fixtures' packets, the kernel does: each mode on each path, in both families.
#[test]
fn every_mode_answers_on_every_path() -> Result<(), Failure> {
    let mut tally = Tally::default();
    let mut n_fixtures = 0;
    let of_modes = fixtures::all().into_iter().filter(|fixture| fixture.name.starts_with("reject-mode-"));
    for Fixture { name, inputs, compiled, packets } in of_modes {
        let lines = packet::parse_all(&packets);
        let guests = &compiled.config.guests;
        let mut lab = Lab::new(&inputs.facts, guests)?;
        lab.neighbours(&random::homes())?;
        let world = network::world(&inputs.facts, guests);
        let ruleset = &compiled.plan.ruleset;
        let mut judge = Judge::new(&mut lab, &world, ruleset, &compiled.sources)?;
        // Exceeded rates, and marks that a packet brings along, are not for a wire to send.
        let is_sent = |packet: &&Packet| packet.rate == Rate::Under && packet.mark == 0;
        let packets: Vec<Packet> = lines.iter().map(|line| &line.packet).filter(is_sent).cloned().collect();
        judge.compare(&packets, &mut tally).map_err(|error| format!("{name}: {error}"))?;
        n_fixtures += 1;
    }
    println!("{n_fixtures} fixtures, {tally}");
    if !tally.disagreements.is_empty() {
        return Err(tally.report().into());
    }
    assert!(n_fixtures >= 6 && tally.n_packets >= 40);
    Ok(())
}

/// Asks over and over, until it is as it should be.
fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let began = Instant::now();
    while !is_so()? {
        if began.elapsed() > Duration::from_secs(60) {
            return Err(format!("never: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn is_answered() -> Result<bool, Failure> {
    Ok(connect(GUEST_V4, 81, SILENCE)? == Heard::Refused)
}

/// A service in mode `divert` that has armed the guest's port.
fn answering_service(name: &str) -> Result<Service, Failure> {
    let all = files(&[("host.fw", "[OPTIONS]\nnftables: 1\n")]);
    let all = all.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect();
    let mut service = Service::new(name, &all)?;
    service.start()?;
    service.ready(|| Ok(()))?;
    until("the host is answered", is_answered)?;
    Ok(service)
}

#[test]
fn the_service_follows_ports_and_modes() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let guest = port("tap100i0", "vmbr0")?;
    let mut service = answering_service("divert")?;
    assert_eq!(n_arrived(&guest, 81)?, 0);
    drop(guest);
    let guest = port("tap100i0", "vmbr0")?;
    until("a new port is armed", is_answered)?;
    assert_eq!(n_arrived(&guest, 81)?, 0, "let through");
    let said = service.client(&["reject-mode", "prerouting"])?;
    until("no device is left", || Ok(devices()?.is_empty()))?;
    assert!(said.contains("prerouting") && !is_answered()?, "{said}");
    service.client(&["reject-mode", "divert"])?;
    until("the host is answered again", is_answered)?;
    // What enforces dies, what is enforced stays; the next one takes it over.
    service.end("KILL")?;
    assert!(is_answered()?);
    service.start()?;
    service.ready(|| Ok(()))?;
    until("another service answers", is_answered)?;
    assert_eq!(n_arrived(&guest, 81)?, 0, "let through");
    service.end("TERM")?;
    let said = run("proxmox-firewall", &["flush"], "")?;
    assert!(said.contains("removed device fwrej") && said.contains("removed table netdev"), "{said}");
    assert_eq!((devices()?, tables()?.as_str()), (Vec::new(), ""));
    Ok(())
}

/// A frame with the guest's address as its source, as a guest sends it that has just moved (RARP, RFC 903).
const ANNOUNCEMENT: [u8; 60] = {
    let mut frame = [0; 60];
    let head = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0x24, 0x11, 0x00, 0x01, 0x00, 0x80, 0x35];
    let mut at = 0;
    while at < head.len() {
        frame[at] = head[at];
        at += 1;
    }
    frame
};

#[test]
fn a_guest_that_sends_from_elsewhere_is_not_answered_for() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let (guest, uplink) = (port("tap100i0", "vmbr0")?, port("eth0", "vmbr0")?);
    let mut service = answering_service("moved")?;
    let is_named = || -> Result<bool, Failure> {
        let map = run("nft", &["list", "map", "bridge", "proxmox-firewall-guests", "reject-map"], "")?;
        Ok(map.contains(GUEST))
    };
    assert!(is_named()?);
    // It has migrated, and its port lingers.
    uplink.send(&ANNOUNCEMENT)?;
    until("its address is left out", || Ok(!is_named()?))?;
    assert!(!is_answered()?);
    let said = service.client(&["status", "--json"])?;
    assert!(said.contains("sends from port eth0"), "{said}");
    // It is back.
    guest.send(&ANNOUNCEMENT)?;
    until("the host is answered again", is_answered)?;
    service.end("TERM")?;
    run("proxmox-firewall", &["flush"], "").map(drop)
}

/// As a reload of the network does with ports that its configuration does not name.
#[test]
fn a_pair_that_leaves_its_bridge_is_put_back() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    at_home("vmbr0")?;
    let guest = port("tap100i0", "vmbr0")?;
    let mut service = answering_service("reload")?;
    let pair: Vec<String> = devices()?.into_iter().filter(|name| name.starts_with("fwrjo")).collect();
    let [outer] = &pair[..] else { return Err(format!("one pair is wanted: {pair:?}").into()) };
    let is_port = || Ok(run("ip", &["-o", "link", "show", outer], "")?.contains("master vmbr0"));
    assert!(is_port()?);
    ip(&format!("link set {outer} nomaster\n"))?;
    until("the pair is put back", is_port)?;
    until("the host is answered again", is_answered)?;
    assert_eq!(n_arrived(&guest, 81)?, 0, "let through");
    service.end("TERM")?;
    run("proxmox-firewall", &["flush"], "").map(drop)
}

/// The spanning tree protocol (IEEE 802.1D) lets a new port listen and learn first: until then answers are lost, and
/// nothing is let through instead.
#[test]
fn a_bridge_with_a_spanning_tree_answers_once_its_ports_forward() -> Result<(), Failure> {
    let _namespace = bridge("stp_state 1 forward_delay 200")?;
    at_home("vmbr0")?;
    let guest = port("tap100i0", "vmbr0")?;
    let mut service = answering_service("tree")?;
    assert_eq!(n_arrived(&guest, 81)?, 0, "let through");
    let states = run("bridge", &["link", "show"], "")?;
    let pair = states.lines().find(|line| line.contains("fwrjo") && line.contains("master vmbr0"));
    assert!(pair.is_some_and(|line| line.contains("state forwarding")), "{states}");
    service.end("TERM")?;
    run("proxmox-firewall", &["flush"], "").map(drop)
}

/// What VRRP (RFC 9568) and its likes put behind a device: who else is there is nobody's word but the guest's.
#[test]
fn another_address_behind_a_device_is_dropped_unanswered() -> Result<(), Failure> {
    let _namespace = bridge("")?;
    let (guest, outside) = (port("tap100i0", "vmbr0")?, port("eth0", "vmbr0")?);
    let mut node = Node::new(&files(&[]))?;
    node.settle()?;
    for (nth, (mac, n_answers)) in (0..).zip([([0, 0, 0x5e, 0, 1, 1], 0), ([0xbc, 0x24, 0x11, 0, 1, 0], 1)]) {
        syn_to(mac, &outside, nth)?;
        std::thread::sleep(SILENCE);
        assert_eq!((n_arrived(&outside, 51000)?, n_arrived(&guest, 81)?), (n_answers, 0), "{mac:?}");
    }
    Ok(())
}
