//! The moments of a start: a guest that sends from its first millisecond, and a world that does, while its port is
//! plugged and while the service starts, ends, dies and applies. Nothing that the policy forbids may pass.

use std::time::{Duration, Instant};

use engine::simulate::Packet;
use firewall_tests::Failure;
use firewall_tests::case::CaseFiles;
use firewall_tests::namespace::{Namespace, run};
use firewall_tests::service::Service;
use firewall_tests::wire::frame::frames;
use firewall_tests::wire::mark::{Mark, in_frame};
use firewall_tests::wire::socket::{FarEnd, Receive};

const GUEST: [u8; 6] = [0xbc, 0x24, 0x11, 0, 1, 0];
const OUTSIDE: [u8; 6] = [2, 0, 0, 0, 0, 0x50];
const FORGED: [u8; 6] = [0xbc, 0x24, 0x11, 0x66, 0x66, 0x66];
const PATIENCE: Duration = Duration::from_secs(60);

const CLUSTER: &str = "[OPTIONS]\nenable: 1\n";
const POLICY: &str =
    "[OPTIONS]\nenable: 1\n[RULES]\nOUT DROP -p udp -dport 5001\nIN ACCEPT -p udp -dport 5000\n";
const CONF: &str = "net0: virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1\n";

/// What is sent over and over: from the guest or to it, and whether the policy forbids it.
struct Line {
    frame: Vec<u8>,
    is_outbound: bool,
    is_forbidden: bool,
}

/// A bridge with the world behind `eth0`.
struct World {
    _node: Namespace,
    uplink: FarEnd,
    lines: Vec<Line>,
    /// By line, since the last [`World::count`].
    n_sent: Vec<usize>,
    n_passed: Vec<usize>,
}

impl World {
    fn new() -> Result<World, Failure> {
        if !std::path::Path::new("/dev/net/tun").exists() {
            run("modprobe", &["tun"], "")?;
        }
        let node = Namespace::new()?;
        let uplink = FarEnd::new("eth0")?;
        let links = "link set lo up
            link add vmbr0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
            link set vmbr0 address 02:00:00:00:00:01
            addr add 192.0.2.1/24 dev vmbr0
            link set eth0 master vmbr0
            link set vmbr0 up
            link set eth0 up";
        run("ip", &["-batch", "-"], links)?;
        let line = |nth: u16, text: &str, (dest, source): ([u8; 6], [u8; 6]), is_forbidden| {
            let packet: Packet = text.parse().map_err(|error| format!("{text}: {error}"))?;
            let frame = frames(&packet, (dest, source), Mark(nth)).remove(0);
            Ok::<Line, Failure>(Line { frame, is_outbound: text.starts_with("vm100"), is_forbidden })
        };
        let (out, within) = ((OUTSIDE, GUEST), (GUEST, OUTSIDE));
        let lines = vec![
            line(0, "vm100 outside udp 192.0.2.100:51000 > 192.0.2.50:5001", out, true)?,
            line(1, "vm100 outside udp 192.0.2.100:51000 > 192.0.2.50:5000", out, false)?,
            line(2, "vm100 outside udp 192.0.2.100:51002 > 192.0.2.50:5000", (OUTSIDE, FORGED), true)?,
            line(3, "outside vm100 udp 192.0.2.50:40000 > 192.0.2.100:5001", within, true)?,
            line(4, "outside vm100 udp 192.0.2.50:40000 > 192.0.2.100:5000", within, false)?,
        ];
        let zeros = vec![0; lines.len()];
        Ok(World { _node: node, uplink, lines, n_sent: zeros.clone(), n_passed: zeros })
    }

    /// Everybody says each of the lines once, as far as there is somebody who can.
    fn exchange(&mut self, guest: Option<&FarEnd>) -> Result<(), Failure> {
        for (nth, line) in self.lines.iter().enumerate() {
            let sender = if line.is_outbound { guest } else { Some(&self.uplink) };
            // A device that is down refuses.
            if sender.is_some_and(|sender| sender.send(&line.frame).is_ok()) {
                self.n_sent[nth] += 1;
            }
        }
        let mut buffer = vec![0; 1 << 16];
        for (receiver, is_outbound) in [(Some(&self.uplink), true), (guest, false)] {
            let Some(receiver) = receiver else { continue };
            while let Ok(Some(length)) = receiver.receive(&mut buffer) {
                let Some((mark, _)) = in_frame(&buffer[..length]) else { continue };
                let nth = usize::from(mark.0);
                if self.lines.get(nth).is_some_and(|line| line.is_outbound == is_outbound) {
                    self.n_passed[nth] += 1;
                }
            }
        }
        Ok(())
    }

    /// Many times.
    fn exchange_often(&mut self, guest: Option<&FarEnd>) -> Result<(), Failure> {
        (0..20).try_for_each(|_| self.exchange(guest))
    }

    /// How many forbidden frames have passed, how many permitted ones, and how many of those were lost, since the last call.
    fn count(&mut self) -> Count {
        let mut count = Count::default();
        for (nth, line) in self.lines.iter().enumerate() {
            let (sent, passed) = (self.n_sent[nth], self.n_passed[nth]);
            if line.is_forbidden {
                count.n_forbidden += passed;
            } else {
                count.n_permitted += passed;
                count.n_lost += sent.saturating_sub(passed);
            }
        }
        self.n_sent.fill(0);
        self.n_passed.fill(0);
        count
    }

    /// Exchanges until all permitted lines pass.
    fn until_open(&mut self, guest: &FarEnd) -> Result<(), Failure> {
        let began = Instant::now();
        let open = |world: &World| {
            world.lines.iter().zip(&world.n_passed).all(|(line, n)| line.is_forbidden || *n > 0)
        };
        while !open(self) {
            if began.elapsed() > PATIENCE {
                return Err(
                    format!("the guest stays cut off: {:?} of {:?}", self.n_passed, self.n_sent).into()
                );
            }
            self.exchange(Some(guest))?;
        }
        Ok(())
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    n_forbidden: usize,
    n_permitted: usize,
    n_lost: usize,
}

fn files() -> CaseFiles {
    let files = [
        ("cluster.fw", CLUSTER),
        ("host.fw", "[OPTIONS]\nnftables: 1\n"),
        ("100.fw", POLICY),
        ("100.conf", CONF),
    ];
    files.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

/// Makes the guest's port, which sends while it is still being plugged.
fn plug(world: &mut World) -> Result<FarEnd, Failure> {
    let guest = FarEnd::new("tap100i0")?;
    world.exchange(Some(&guest))?;
    for command in ["link set tap100i0 up promisc on", "link set tap100i0 master vmbr0"] {
        run("ip", &["-batch", "-"], command)?;
        world.exchange_often(Some(&guest))?;
    }
    Ok(guest)
}

#[test]
fn nothing_forbidden_passes_while_a_guest_is_plugged() -> Result<(), Failure> {
    let mut world = World::new()?;
    let mut service = Service::new("plug", &files())?;
    service.start()?;
    service.ready(|| Ok(()))?;
    world.count();
    let mut n_lost = 0;
    for _ in 0..10 {
        let guest = plug(&mut world)?;
        world.until_open(&guest)?;
        let count = world.count();
        assert_eq!(count.n_forbidden, 0, "{count:?}");
        n_lost += count.n_lost;
        drop(guest);
        world.exchange(None)?;
        world.count();
    }
    println!("10 times plugged; {n_lost} permitted frames came too early");
    Ok(())
}

#[test]
fn a_guest_that_nobody_knows_yet_is_closed_both_ways() -> Result<(), Failure> {
    let mut world = World::new()?;
    let mut known = files();
    known.remove("100.conf");
    let other = b"net0: virtio=BC:24:11:00:02:00,bridge=vmbr0,firewall=1\n".to_vec();
    known.insert("101.conf".to_owned(), other);
    let mut service = Service::new("unknown", &known)?;
    service.start()?;
    service.ready(|| Ok(()))?;
    let guest = plug(&mut world)?;
    let count = world.count();
    assert_eq!((count.n_forbidden, count.n_permitted), (0, 0), "{count:?}");
    service.save("100.conf", CONF)?;
    world.until_open(&guest)?;
    let count = world.count();
    assert_eq!(count.n_forbidden, 0, "{count:?}");
    println!("closed until its configuration was there, then open");
    Ok(())
}

#[test]
fn nothing_forbidden_passes_and_nothing_is_lost_while_the_service_ends_and_starts() -> Result<(), Failure> {
    let mut world = World::new()?;
    let mut service = Service::new("restart", &files())?;
    service.start()?;
    service.ready(|| Ok(()))?;
    let guest = plug(&mut world)?;
    world.until_open(&guest)?;
    world.count();
    for signal in ["TERM", "KILL", "TERM", "KILL"] {
        service.end(signal)?;
        for _ in 0..50 {
            world.exchange(Some(&guest))?;
        }
        service.start()?;
        service.ready(|| world.exchange_often(Some(&guest)))?;
        let count = world.count();
        println!("{signal} and start: {count:?}");
        assert_eq!((count.n_forbidden, count.n_lost), (0, 0), "{signal}: {count:?}");
        assert!(count.n_permitted > 0);
    }
    Ok(())
}

#[test]
fn a_guest_plugged_while_no_service_runs_meets_its_policy() -> Result<(), Failure> {
    let mut world = World::new()?;
    let mut service = Service::new("absent", &files())?;
    service.start()?;
    service.ready(|| Ok(()))?;
    service.end("KILL")?;
    let guest = plug(&mut world)?;
    world.until_open(&guest)?;
    let count = world.count();
    println!("{count:?}");
    assert_eq!(count.n_forbidden, 0, "{count:?}");
    Ok(())
}

#[test]
fn nothing_forbidden_passes_and_nothing_is_lost_while_changes_are_applied() -> Result<(), Failure> {
    let mut world = World::new()?;
    let mut service = Service::new("apply", &files())?;
    service.start()?;
    service.ready(|| Ok(()))?;
    let guest = plug(&mut world)?;
    world.until_open(&guest)?;
    world.count();
    for nth in 0..10 {
        // A rule before the others, another policy for another guest, and the way back.
        service.save(
            "100.fw",
            &POLICY.replace("[RULES]\n", &format!("[RULES]\nIN DROP -p tcp -dport {}\n", 6000 + nth)),
        )?;
        service.save("101.fw", &format!("[OPTIONS]\nenable: {}\n", nth % 2))?;
        let is_there = format!("tcp dport {}", 6000 + nth);
        let began = Instant::now();
        loop {
            world.exchange_often(Some(&guest))?;
            let chain = ["list", "chain", "bridge", "proxmox-firewall-guests", "guest-100-in"];
            if run("nft", &chain, "")?.contains(&is_there) {
                break;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{is_there} is not applied: {}",
                service.client(&["status"])?
            );
        }
    }
    let count = world.count();
    println!("10 changes: {count:?}");
    assert_eq!((count.n_forbidden, count.n_lost), (0, 0), "{count:?}");
    assert!(count.n_permitted > 0);
    Ok(())
}

#[test]
fn the_first_start_closes_at_once_and_for_good() -> Result<(), Failure> {
    let mut world = World::new()?;
    let guest = plug(&mut world)?;
    let before = world.count();
    assert!(before.n_forbidden > 0, "without a firewall everything passes: {before:?}");
    let mut service = Service::new("first", &files())?;
    service.start()?;
    // One after the other: as soon as one forbidden frame is stopped, none passes any more.
    let mut n_open = 0;
    let mut is_closed = false;
    service.ready(|| {
        for _ in 0..20 {
            world.exchange(Some(&guest))?;
            let count = world.count();
            assert!(!is_closed || count.n_forbidden == 0, "open again: {count:?}");
            is_closed |= count.n_forbidden == 0 && count.n_permitted > 0;
            n_open += count.n_forbidden;
        }
        Ok(())
    })?;
    world.exchange(Some(&guest))?;
    let count = world.count();
    assert_eq!(count.n_forbidden, 0, "ready and open: {count:?}");
    println!("{n_open} forbidden frames passed before there was any firewall");
    Ok(())
}
