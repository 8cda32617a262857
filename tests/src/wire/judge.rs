//! Sends packets, looks where they and their answers turn up, and holds that against the simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use engine::ruleset::{Ruleset, TableFamily};
use engine::simulate::packet::{L3, Packet, Sender};
use engine::simulate::trace::{Assumption, Detail, Step};
use engine::simulate::{Simulator, Trace, Verdict, World};
use engine::span::Sources;
use nix::errno::Errno;
use nix::sys::socket::AddressFamily;

use super::frame::{datagrams, frames};
use super::lab::Lab;
use super::mark::{Answered, Mark, Sight, in_frame, in_packet};
use super::socket::{Receive, Sent};
use crate::Failure;

/// Where something was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    /// At the far end of a port.
    Port(String),
    /// On the node's own device of a bridge, behind the bridge's hooks.
    Bridge(String),
    /// On the node's loopback interface.
    Loopback,
    /// Behind the node's input rules.
    Probe,
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It arrived.
    Accept,
    /// Nobody heard of it again.
    Drop,
    /// The sender received this.
    Reject(Answered),
    /// Several of these, or a part of the packet.
    Odd(String),
}

impl Observed {
    /// Whether the simulation says so.
    pub fn agrees(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Observed::Accept, Verdict::Accept) | (Observed::Drop, Verdict::Drop) => true,
            (Observed::Reject(answered), Verdict::Reject(with)) => *answered == Answered::from(*with),
            _ => false,
        }
    }
}

/// Results of many packets.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many were sent.
    pub n_packets: usize,
    /// How many of them the kernel accepted, dropped, rejected.
    pub n_by_verdict: BTreeMap<String, usize>,
    /// What the simulation had otherwise.
    pub disagreements: Vec<String>,
}

impl Tally {
    /// All disagreements, printed; and how many, as an error.
    pub fn report(&self) -> String {
        for disagreement in &self.disagreements {
            println!("{disagreement}\n");
        }
        self.to_string()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets, {} disagreements {:?}",
            self.n_packets,
            self.disagreements.len(),
            self.n_by_verdict
        )
    }
}

/// A network with a ruleset loaded, and the same simulated.
pub struct Judge<'a> {
    lab: &'a mut Lab,
    world: &'a World,
    ruleset: &'a Ruleset,
    sources: &'a Sources,
    seen: BTreeMap<Mark, BTreeSet<(Spot, Sight)>>,
    /// Prefixes that were logged, by packet.
    logs: BTreeMap<Mark, Vec<String>>,
    buffer: Vec<u8>,
}

/// A packet that is on its way.
struct Flight<'r> {
    packet: Packet,
    mark: Mark,
    trace: Trace<'r>,
    n_pieces: usize,
    sent: Sent,
}

impl<'a> Judge<'a> {
    /// Loads the ruleset into the lab.
    pub fn new(
        lab: &'a mut Lab,
        world: &'a World,
        ruleset: &'a Ruleset,
        sources: &'a Sources,
    ) -> Result<Judge<'a>, Failure> {
        lab.load(ruleset)?;
        let (seen, logs) = (BTreeMap::new(), BTreeMap::new());
        Ok(Judge { lab, world, ruleset, sources, seen, logs, buffer: vec![0; 1 << 17] })
    }

    /// Sends all packets, one after the other, and compares.
    pub fn compare(&mut self, packets: &[Packet], tally: &mut Tally) -> Result<(), Failure> {
        let ruleset = self.ruleset;
        let simulator = Simulator::new(ruleset, self.world);
        self.collect()?;
        self.seen.clear();
        let mut flights = Vec::new();
        for (nth, packet) in packets.iter().enumerate() {
            let mark = Mark(u16::try_from(nth).map_err(|_| "too many packets at once")?);
            let trace = simulator.simulate(packet).map_err(|error| format!("{packet}: {error}"))?;
            if trace.assumptions.contains(&Assumption::RatesKept) {
                self.lab.forget_rates(ruleset)?;
            }
            let (n_pieces, sent) = self.send(packet, mark, &trace)?;
            self.collect()?;
            // Each packet is the first of its connection.
            self.lab.conntrack.flush()?;
            flights.push(Flight { packet: packet.clone(), mark, trace, n_pieces, sent });
        }
        self.settle()?;
        for flight in &flights {
            self.judge(flight, tally);
        }
        Ok(())
    }

    fn judge(&self, flight: &Flight<'_>, tally: &mut Tally) {
        let observed = self.observed(flight);
        tally.n_packets += 1;
        let word = match &observed {
            Observed::Accept => "accept",
            Observed::Drop => "drop",
            Observed::Reject(_) => "reject",
            Observed::Odd(_) => "odd",
        };
        *tally.n_by_verdict.entry(word.to_owned()).or_default() += 1;
        if !self.agrees(&observed, flight) {
            let story = flight.trace.text(Detail::Summary, Some(self.sources));
            let seen = self.seen.get(&flight.mark);
            tally.disagreements.push(format!(
                "{}\n  kernel {observed:?}, simulation {:?}; seen {seen:?}, sent {:?}\n{story}",
                flight.packet, flight.trace.verdict, flight.sent
            ));
        }
    }

    /// An answer of the IP stack to a forged source goes to whoever has that address: the forger hears nothing.
    fn agrees(&self, observed: &Observed, flight: &Flight<'_>) -> bool {
        let packet = &flight.packet;
        let home = packet.l3.source().and_then(|source| self.lab.homes.get(&source));
        let is_forged = self.lab.zones.get(packet.from.as_str()).is_some_and(|from| home != Some(&from.port));
        let by_stack = flight.trace.steps.iter().rev().find_map(|step| match step {
            Step::Hook { pass, .. } => Some(pass.family == TableFamily::Inet),
            _ => None,
        });
        let unheard =
            is_forged && *observed == Observed::Drop && matches!(flight.trace.verdict, Verdict::Reject(_));
        observed.agrees(&flight.trace.verdict) || unheard && by_stack.is_some()
    }

    /// The frames are those that the simulation has at the first hook.
    fn send(&mut self, packet: &Packet, mark: Mark, trace: &Trace<'_>) -> Result<(usize, Sent), Failure> {
        let frame = trace.steps.iter().find_map(|step| match step {
            Step::Hook { pass, .. } => pass.frame,
            _ => None,
        });
        let macs = frame.map_or(([0xff; 6], [2, 0, 0, 0, 0, 1]), |frame| (frame.dest.0, frame.source.0));
        if let Some(from) = self.lab.zones.get(packet.from.as_str()) {
            let frames = frames(packet, macs, mark);
            for bytes in &frames {
                self.lab.ports[&from.port].send(bytes)?;
            }
            return Ok((frames.len(), Sent::Taken));
        }
        let to = self.lab.zones.get(packet.to.as_str()).ok_or_else(|| format!("{packet}: no such zone"))?;
        if packet.sender == Sender::PacketSocket || !matches!(packet.l3, L3::Ipv4(_) | L3::Ipv6(_)) {
            let frames = frames(packet, macs, mark);
            for bytes in &frames {
                self.lab.bridges[&to.bridge].send(bytes)?;
            }
            return Ok((frames.len(), Sent::Taken));
        }
        let dest = packet.l3.dest().unwrap_or(IpAddr::V4(0.into()));
        let family = if dest.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket = self.lab.stack(family, &to.bridge)?;
        let pieces = datagrams(&packet.l3, macs.1, mark);
        let results: Vec<Sent> = pieces.iter().map(|piece| socket.send(piece, dest)).collect();
        let refused = results.iter().copied().find(|sent| *sent != Sent::Taken);
        Ok((pieces.len(), refused.unwrap_or(Sent::Taken)))
    }

    /// Takes what has turned up so far; whether there was anything.
    fn collect(&mut self) -> Result<bool, Failure> {
        let mut any = false;
        let ports = self.lab.ports.iter().map(|(name, end)| (Spot::Port(name.clone()), end as &dyn Receive));
        let bridges = self.lab.bridges.iter();
        let bridges = bridges.map(|(name, socket)| (Spot::Bridge(name.clone()), socket as &dyn Receive));
        let loopback = [(Spot::Loopback, &self.lab.loopback as &dyn Receive)];
        for (spot, socket) in ports.chain(bridges).chain(loopback) {
            while let Some(length) = socket.receive(&mut self.buffer)? {
                any = true;
                if let Some((mark, sight)) = in_frame(&self.buffer[..length]) {
                    self.seen.entry(mark).or_default().insert((spot.clone(), sight));
                }
            }
        }
        for logged in self.lab.probe.take()? {
            any = true;
            if let Some((mark, sight)) = in_packet(&logged.packet) {
                self.seen.entry(mark).or_default().insert((Spot::Probe, sight));
            }
        }
        for logged in self.lab.log.take()? {
            any = true;
            if let Some((mark, _)) = in_packet(&logged.packet) {
                self.logs.entry(mark).or_default().push(logged.prefix);
            }
        }
        Ok(any)
    }

    /// Waits until nothing turns up any more: what is sent passes the node within the call that sends it, but for
    /// what the kernel hands to a thread of its own under load.
    fn settle(&mut self) -> Result<(), Failure> {
        let mut n_quiet = 0;
        while n_quiet < 3 {
            nix::poll::poll(&mut [], 20u8)?;
            n_quiet = if self.collect()? { 0 } else { n_quiet + 1 };
        }
        Ok(())
    }

    fn observed(&self, flight: &Flight<'_>) -> Observed {
        let empty = BTreeSet::new();
        let seen = self.seen.get(&flight.mark).unwrap_or(&empty);
        let to = self.destination(&flight.packet);
        let itself = seen.contains(&(to.clone(), Sight::Itself));
        let later = seen.contains(&(to.clone(), Sight::Later));
        let whole = to == Spot::Probe || flight.n_pieces == 1 || later;
        let sender = match self.lab.zones.get(flight.packet.from.as_str()) {
            Some(zone) => Spot::Port(zone.port.clone()),
            None => Spot::Loopback,
        };
        let answers: Vec<Answered> = seen
            .iter()
            .filter(|(spot, _)| *spot == sender)
            .filter_map(|(_, sight)| match sight {
                Sight::Answer(answered) => Some(*answered),
                Sight::Itself | Sight::Later => None,
            })
            .collect();
        let refused = matches!(flight.sent, Sent::Refused(errno) if errno != Errno::EPERM && errno != Errno::ECONNREFUSED);
        match (itself, answers.as_slice()) {
            _ if refused => Observed::Odd(format!("{:?}", flight.sent)),
            (true, []) if whole => Observed::Accept,
            // Later pieces without the first are nothing that a receiver could use: the in zone lets them pass.
            (false, []) => Observed::Drop,
            (false, [answered]) => Observed::Reject(*answered),
            _ => Observed::Odd(format!("{seen:?}")),
        }
    }

    fn destination(&self, packet: &Packet) -> Spot {
        let is_ip = matches!(packet.l3, L3::Ipv4(_) | L3::Ipv6(_)) && packet.vlans.len() < 2;
        match (self.lab.zones.get(packet.to.as_str()), self.lab.zones.get(packet.from.as_str())) {
            (Some(zone), _) => Spot::Port(zone.port.clone()),
            (None, Some(from)) if !is_ip => Spot::Bridge(from.bridge.clone()),
            (None, _) => Spot::Probe,
        }
    }
}

/// The part of a ruleset that a kernel without connection tracking on bridges can hold.
pub fn inet_only(ruleset: &Ruleset) -> Ruleset {
    let tables = ruleset.tables.iter().filter(|table| table.family == TableFamily::Inet);
    Ruleset { tables: tables.cloned().collect() }
}
