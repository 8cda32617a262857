//! The reference network with people in it: every place is a namespace with an IP stack of its own. Containers hang on a
//! veth pair, VMs on a TAP device whose frames somebody carries to theirs, as the hypervisor does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use engine::ruleset::Ruleset;
use engine::transaction;
use nix::poll::{PollFd, PollFlags, poll};

use crate::Failure;
use crate::namespace::{Namespace, run};
use crate::nft::{Language, Loader};
use crate::wire::socket::{FarEnd, Receive};

/// A place of the network.
struct Place {
    name: &'static str,
    bridge: &'static str,
    port: &'static str,
    mac: &'static str,
    addresses: &'static [&'static str],
    gateways: [&'static str; 2],
}

const ON_VMBR0: [&str; 2] = ["192.0.2.1", "2001:db8:a::1"];
const ON_VMBR1: [&str; 2] = ["198.51.100.1", "2001:db8:b::1"];
const ON_VNET1: [&str; 2] = ["203.0.113.1", "2001:db8:c::1"];

const fn place(
    name: &'static str,
    (bridge, port): (&'static str, &'static str),
    mac: &'static str,
    addresses: &'static [&'static str],
) -> Place {
    let gateways = match bridge.as_bytes() {
        b"vmbr0" => ON_VMBR0,
        b"vmbr1" => ON_VMBR1,
        _ => ON_VNET1,
    };
    Place { name, bridge, port, mac, addresses, gateways }
}

const PLACES: [Place; 8] = [
    place("outside", ("vmbr0", "eth0"), "02:00:00:00:00:50", &["192.0.2.50/24", "2001:db8:a::50/64"]),
    place("router", ("vmbr1", "eth1"), "02:00:00:00:01:50", &["198.51.100.254/24", "2001:db8:b::254/64"]),
    place("vm100", ("vmbr0", "tap100i0"), "bc:24:11:00:01:00", &["192.0.2.100/24", "2001:db8:a::100/64"]),
    place("vm199", ("vmbr0", "tap199i0"), "bc:24:11:00:01:99", &["192.0.2.199/24", "2001:db8:a::199/64"]),
    place("ct200", ("vmbr0", "veth200i0"), "bc:24:11:00:02:00", &["192.0.2.200/24", "2001:db8:a::200/64"]),
    place("vm110", ("vmbr1", "tap110i0"), "bc:24:11:00:01:10", &["198.51.100.110/24", "2001:db8:b::110/64"]),
    place("vm400", ("vnet1", "tap400i0"), "bc:24:11:00:04:00", &["203.0.113.40/24", "2001:db8:c::40/64"]),
    place("vm401", ("vnet1", "tap401i0"), "bc:24:11:00:04:01", &["203.0.113.41/24", "2001:db8:c::41/64"]),
];

/// The running network.
pub struct Stage {
    node: Namespace,
    places: BTreeMap<&'static str, Namespace>,
    nft: Loader,
    carriers: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Stage {
    /// Builds it; the calling thread is in the node's namespace then. `vlan_aware` says what the bridges are.
    pub fn new(vlan_aware: bool) -> Result<Stage, Failure> {
        if !std::path::Path::new("/dev/net/tun").exists() {
            run("modprobe", &["tun"], "")?;
        }
        let node = Namespace::new()?;
        let nft = Loader::library()?;
        let is_over = Arc::new(AtomicBool::new(false));
        run("ip", &["-batch", "-"], &bridges(vlan_aware))?;
        for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{path}"), "1")?;
        }
        let (mut places, mut carriers) = (BTreeMap::new(), Vec::new());
        for place in &PLACES {
            let namespace = Namespace::new()?;
            if place.port.starts_with("tap") {
                let inner = FarEnd::new("net0")?;
                node.enter()?;
                carriers.push(carry(FarEnd::new(place.port)?, inner, is_over.clone()));
            } else {
                node.enter()?;
                let pair = ["link", "add", place.port, "type", "veth", "peer", "name", "net0"];
                run("ip", &[&pair[..], &["netns", &namespace.path()]].concat(), "")?;
            }
            run("ip", &["-batch", "-"], &plug(place))?;
            namespace.enter()?;
            run("ip", &["-batch", "-"], &settle(place))?;
            places.insert(place.name, namespace);
            node.enter()?;
        }
        Ok(Stage { node, places, nft, carriers, is_over })
    }

    /// Replaces the firewall; connections stay.
    pub fn load(&mut self, ruleset: &Ruleset) -> Result<(), Failure> {
        self.nft.load(&transaction::full(ruleset).text, Language::Text)
    }

    /// Does something where somebody lives; then the thread is in the node again.
    pub fn at<T>(&self, place: &str, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.places.get(place).ok_or_else(|| format!("nobody is called {place}"))?.enter()?;
        let done = act();
        self.node.enter()?;
        done
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for carrier in self.carriers.drain(..) {
            let _ = carrier.join();
        }
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage in {}", self.node.path())
    }
}

fn bridges(vlan_aware: bool) -> String {
    let filtering = u8::from(vlan_aware);
    let mut batch = "link set lo up\n".to_owned();
    for (nth, (bridge, gateways)) in
        [("vmbr0", ON_VMBR0), ("vmbr1", ON_VMBR1), ("vnet1", ON_VNET1)].iter().enumerate()
    {
        let _ = writeln!(
            batch,
            "link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 vlan_filtering {filtering}
            link set {bridge} address 02:00:00:00:00:0{}
            addr add {}/24 dev {bridge}
            addr add {}/64 dev {bridge} nodad
            link set {bridge} up",
            nth + 1,
            gateways[0],
            gateways[1]
        );
    }
    batch
}

/// On the node's side.
fn plug(place: &Place) -> String {
    format!(
        "link set {0} addrgenmode none\nlink set {0} master {1}\nlink set {0} up\n",
        place.port, place.bridge
    )
}

/// On the other side.
fn settle(place: &Place) -> String {
    let mut batch = format!("link set lo up\nlink set net0 address {}\nlink set net0 up\n", place.mac);
    for address in place.addresses {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        let _ = writeln!(batch, "addr add {address} dev net0{nodad}");
    }
    for gateway in place.gateways {
        let _ = writeln!(batch, "route add default via {gateway}");
    }
    batch
}

/// Carries frames between two devices, both ways.
fn carry(one: FarEnd, other: FarEnd, is_over: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while !is_over.load(Ordering::Relaxed) {
            let mut both =
                [PollFd::new(one.as_fd(), PollFlags::POLLIN), PollFd::new(other.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut both, 50u8);
            for (from, to) in [(&one, &other), (&other, &one)] {
                while let Ok(Some(length)) = from.receive(&mut buffer) {
                    // A device that is down loses frames, as a cable does.
                    let _ = to.send(&buffer[..length]);
                }
            }
        }
    })
}
