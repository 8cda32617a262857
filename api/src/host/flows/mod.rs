//! The kernel's live connections become a list: who opened what towards whom.
//!
//! TCP sockets (`sock_diag`) tell which ports of the node are listened to, so which end of a connection was opened;
//! connection tracking (`ctnetlink`) adds what has no connected socket, corosync's UDP for one. Left out: what only
//! passes through the node, by whoever asks.

mod dump;
mod forget;
mod sockets;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use dump::Budget;
pub use forget::{Forgotten, forget_since};
use sockets::{Ends, State};

/// A connection, in the direction in which it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Protocol number: 6 TCP, 17 UDP.
    pub protocol: u8,
    /// Who opened it.
    pub source: IpAddr,
    /// Its port.
    pub source_port: u16,
    /// Who answers.
    pub dest: IpAddr,
    /// Its port.
    pub dest_port: u16,
    /// Connection mark.
    pub mark: u32,
    /// Packets were seen in both directions, and the entry outlives a full table.
    pub assured: bool,
}

/// Bounds of a look.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries and sockets that are read, whether they are wanted or not.
    pub n_read: usize,
    /// Time for all of it.
    pub time: Duration,
}

/// What a look gave.
#[derive(Debug, Default)]
pub struct Flows {
    /// Ascending, each once.
    pub flows: Vec<Flow>,
    /// A limit was met: there are more.
    pub truncated: bool,
    /// What could not be asked; the rest is there all the same.
    pub failed: Vec<FlowsError>,
}

/// A part of the kernel did not answer.
#[derive(Debug, thiserror::Error)]
#[error("could not ask the kernel for {what}")]
pub struct FlowsError {
    /// Sockets or tracked connections.
    pub what: &'static str,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Looks at the kernel's sockets and tracked connections; only what `wanted` says is kept.
pub fn live(limits: Limits, wanted: &dyn Fn(&Flow) -> bool) -> Flows {
    let deadline = Instant::now() + limits.time;
    let mut budget = Budget { n_left: limits.n_read, deadline, exceeded: false };
    let mut known = Known::default();
    let mut failed = Vec::new();
    let mut note = |what, result: io::Result<()>| {
        failed.extend(result.err().map(|source| FlowsError { what, source }));
    };
    // Listeners first: they tell the direction of everything else.
    let listeners = sockets::read(State::Listen, &mut budget, &mut |ends| known.add_listener(ends));
    note("listening sockets", listeners);
    let connected =
        sockets::read(State::Established, &mut budget, &mut |ends| known.add_socket(ends, wanted));
    note("connected sockets", connected);
    note("tracked connections", tracked::read(&mut budget, &mut |flow| known.add_tracked(flow, wanted)));
    Flows { flows: known.flows.into_values().collect(), truncated: budget.exceeded, failed }
}

/// What was read so far.
#[derive(Default)]
struct Known {
    /// Ports that the node listens to.
    listened: BTreeSet<u16>,
    flows: BTreeMap<Key, Flow>,
}

/// What tells connections apart.
type Key = (u8, IpAddr, u16, IpAddr, u16);

const TCP: u8 = 6;

impl Known {
    fn add_listener(&mut self, ends: Ends) {
        self.listened.insert(ends.local.1);
    }

    /// Whoever talks to a port that is listened to has opened the connection.
    fn add_socket(&mut self, ends: Ends, wanted: &dyn Fn(&Flow) -> bool) {
        let is_asked = self.listened.contains(&ends.local.1);
        let (opener, other) = if is_asked { (ends.remote, ends.local) } else { (ends.local, ends.remote) };
        self.add(Flow::between(TCP, opener, other), wanted);
    }

    /// An entry that tracking picked up in mid-stream may begin with an answer: sockets know better.
    fn add_tracked(&mut self, flow: Flow, wanted: &dyn Fn(&Flow) -> bool) {
        let is_answer = flow.protocol == TCP
            && self.listened.contains(&flow.source_port)
            && !self.listened.contains(&flow.dest_port);
        self.add(if is_answer { flow.reversed() } else { flow }, wanted);
    }

    fn add(&mut self, flow: Flow, wanted: &dyn Fn(&Flow) -> bool) {
        if self.flows.contains_key(&flow.reversed().key()) || !wanted(&flow) {
            return;
        }
        let known = self.flows.entry(flow.key()).or_insert(flow);
        known.mark |= flow.mark;
        known.assured |= flow.assured;
    }
}

impl Flow {
    /// A connection that nothing more is known about.
    pub fn between(protocol: u8, opener: (IpAddr, u16), other: (IpAddr, u16)) -> Flow {
        Flow {
            protocol,
            source: opener.0,
            source_port: opener.1,
            dest: other.0,
            dest_port: other.1,
            mark: 0,
            assured: false,
        }
    }

    fn reversed(self) -> Flow {
        let Flow { source, source_port, dest, dest_port, .. } = self;
        Flow { source: dest, source_port: dest_port, dest: source, dest_port: source_port, ..self }
    }

    fn key(&self) -> Key {
        (self.protocol, self.source, self.source_port, self.dest, self.dest_port)
    }
}

#[cfg(test)]
mod tests {
    use super::sockets::Ends;
    use super::{Flow, Known, TCP};

    fn end(text: &str) -> (std::net::IpAddr, u16) {
        let socket: std::net::SocketAddr = text.parse().expect("an address and a port");
        (socket.ip(), socket.port())
    }

    fn known(sockets: &[[&str; 2]], tracked: &[[&str; 2]]) -> Vec<String> {
        let mut known = Known::default();
        known.add_listener(Ends { local: end("0.0.0.0:8006"), remote: end("0.0.0.0:0") });
        for [local, remote] in sockets {
            known.add_socket(Ends { local: end(local), remote: end(remote) }, &|_| true);
        }
        for [from, to] in tracked {
            known.add_tracked(Flow::between(TCP, end(from), end(to)), &|_| true);
        }
        let shown =
            |flow: &Flow| format!("{}:{} > {}:{}", flow.source, flow.source_port, flow.dest, flow.dest_port);
        known.flows.values().map(shown).collect()
    }

    #[test]
    fn who_listens_was_asked() {
        let inbound = ["10.0.0.1:8006", "10.0.0.9:40000"];
        let outbound = ["10.0.0.1:40000", "10.0.0.2:8006"];
        assert_eq!(known(&[inbound], &[]), ["10.0.0.9:40000 > 10.0.0.1:8006"]);
        assert_eq!(known(&[outbound], &[]), ["10.0.0.1:40000 > 10.0.0.2:8006"]);
    }

    #[test]
    fn an_entry_from_mid_stream_is_turned_round() {
        let answer = ["10.0.0.1:8006", "10.0.0.9:40000"];
        assert_eq!(known(&[], &[answer]), ["10.0.0.9:40000 > 10.0.0.1:8006"]);
        assert_eq!(known(&[answer], &[answer]).len(), 1);
        let between_nodes = ["10.0.0.2:8006", "10.0.0.1:8006"];
        assert_eq!(known(&[], &[between_nodes]), ["10.0.0.2:8006 > 10.0.0.1:8006"]);
    }
}
