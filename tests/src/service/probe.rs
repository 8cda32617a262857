//! Packets all the time, each a new connection: some that must arrive, some that must not. Whoever looks at a change
//! sees what it cost.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use crate::Failure;
use crate::namespace::run;

/// Between two packets of a kind.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a packet may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(200);
/// Room for what a busy machine does not read at once.
const BUFFER: usize = 16 << 20;

/// Ends that send and receive, in two network namespaces.
#[derive(Debug)]
pub struct Probe {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    arrived: AtomicU64,
    forbidden: AtomicU64,
    resting: AtomicBool,
    at_rest: AtomicBool,
}

/// Packets since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Allowed ones that were sent.
    pub sent: u64,
    /// Allowed ones that did not arrive.
    pub lost: u64,
    /// Forbidden ones that did.
    pub forbidden: u64,
}

/// Where packets go: from the address of a host beyond `wire`, to an address of the node.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// The interface of the node; its other end becomes the sender's.
    pub wire: &'a str,
    /// The sender's address with its prefix.
    pub from: &'a str,
    /// The node's address.
    pub to: &'a str,
}

impl Probe {
    /// Sends from beyond an interface to the node itself: to `allowed` and to `forbidden`, UDP ports both.
    pub fn start(route: Route<'_>, allowed: u16, forbidden: u16) -> Result<Probe, Failure> {
        let shared = Arc::new(Shared::default());
        let receivers = [allowed, forbidden].map(|port| UdpSocket::bind((route.to, port)));
        let [allowed_in, forbidden_in] = receivers;
        let mut threads = vec![receive(allowed_in?, shared.clone(), |shared| &shared.arrived)?];
        threads.push(receive(forbidden_in?, shared.clone(), |shared| &shared.forbidden)?);
        let (told, heard) = channel();
        let target = |port| format!("{}:{port}", route.to).parse::<SocketAddr>();
        let targets = [target(allowed)?, target(forbidden)?];
        let (from, beyond) = (route.from.to_owned(), shared.clone());
        threads.push(std::thread::spawn(move || {
            // Nobody else is in this thread's namespace.
            let moved = unshare(CloneFlags::CLONE_NEWNET);
            let _gone = told.send(moved.map(|()| nix::unistd::gettid().as_raw()).map_err(|e| e.to_string()));
            send(&beyond, &from, targets);
        }));
        let thread = thread_of(&heard)?;
        run("ip", &["link", "add", route.wire, "type", "veth", "peer", "name", "far", "netns", &thread], "")?;
        Ok(Probe { shared, threads })
    }

    /// What has happened since the last look: nothing is on its way when this is counted.
    pub fn look(&self) -> Counts {
        self.shared.resting.store(true, Ordering::SeqCst);
        while !self.shared.at_rest.load(Ordering::SeqCst) {
            std::thread::sleep(PAUSE);
        }
        std::thread::sleep(ON_ITS_WAY);
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::SeqCst);
        let (sent, arrived) = (take(&self.shared.sent), take(&self.shared.arrived));
        let counts = Counts { sent, lost: sent - arrived.min(sent), forbidden: take(&self.shared.forbidden) };
        self.shared.resting.store(false, Ordering::SeqCst);
        while self.shared.at_rest.load(Ordering::SeqCst) {
            std::thread::sleep(PAUSE);
        }
        counts
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

fn thread_of(heard: &Receiver<Result<i32, String>>) -> Result<String, Failure> {
    Ok(heard.recv()??.to_string())
}

fn receive(
    socket: UdpSocket,
    shared: Arc<Shared>,
    counter: fn(&Shared) -> &AtomicU64,
) -> Result<JoinHandle<()>, Failure> {
    setsockopt(&socket, RcvBufForce, &BUFFER)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(std::thread::spawn(move || {
        while !shared.stop.load(Ordering::SeqCst) {
            if socket.recv(&mut [0; 64]).is_ok() {
                counter(&shared).fetch_add(1, Ordering::SeqCst);
            }
        }
    }))
}

/// Sends until it is told to stop; waits for the interface first.
fn send(shared: &Shared, from: &str, [allowed, forbidden]: [SocketAddr; 2]) {
    let up = |_| {
        let told = format!("link set far up\naddress add {from} dev far\n");
        run("ip", &["-batch", "-"], &told).is_ok()
    };
    while !shared.stop.load(Ordering::SeqCst) && !(0..1).all(up) {
        std::thread::sleep(PAUSE);
    }
    while !shared.stop.load(Ordering::SeqCst) {
        let is_resting = shared.resting.load(Ordering::SeqCst);
        shared.at_rest.store(is_resting, Ordering::SeqCst);
        if !is_resting {
            // A new socket has a new port: each packet is the first one of its connection.
            if one(allowed) {
                shared.sent.fetch_add(1, Ordering::SeqCst);
            }
            one(forbidden);
        }
        std::thread::sleep(PAUSE);
    }
}

fn one(target: SocketAddr) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0");
    socket.is_ok_and(|socket| socket.send_to(b"probe", target).is_ok())
}
