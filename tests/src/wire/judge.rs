//! Sends packets, looks where they and their answers turn up, and holds that against the simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use engine::ruleset::{Ruleset, TableFamily};
use engine::simulate::packet::{L3, Packet, Rate, Sender};
use engine::simulate::trace::{Assumption, Detail, Step};
use engine::simulate::{Simulator, Trace, Verdict, World};
use engine::span::Sources;
use nix::errno::Errno;
use nix::sys::socket::AddressFamily;

use super::count::{Counters, RuleAt, deciding, expected};
use super::frame::{datagrams, frames};
use super::lab::Lab;
use super::mark::{Answered, Mark, Sight, in_frame, in_packet, in_payload};
use super::netlink::Logged;
use super::prepare::{Unplayable, establish, playable};
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
    /// Packets whose deciding rule has a counter, which then had counted them.
    pub n_decided: usize,
    /// Log messages that had the prefix of the simulation.
    pub n_logged: usize,
    /// Packets that could not be sent, by the reason.
    pub n_unplayed: BTreeMap<Unplayable, usize>,
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
            "{} packets {:?}, {} deciding rules seen to count, {} log messages, {} disagreements",
            self.n_packets,
            self.n_by_verdict,
            self.n_decided,
            self.n_logged,
            self.disagreements.len(),
        )?;
        for (reason, count) in &self.n_unplayed {
            write!(f, "\n  not sent: {count}, which {reason}")?;
        }
        Ok(())
    }
}

/// A network with a ruleset loaded, and the same simulated.
pub struct Judge<'a> {
    lab: &'a mut Lab,
    world: &'a World,
    ruleset: &'a Ruleset,
    sources: &'a Sources,
    seen: BTreeMap<Mark, BTreeSet<(Spot, Sight)>>,
    /// What was logged, by packet.
    logs: BTreeMap<Mark, Vec<Logged>>,
    buffer: Vec<u8>,
    /// Packets follow each other: what tracking knows stays.
    remembers: bool,
}

/// A packet that is on its way.
struct Flight<'r> {
    packet: Packet,
    mark: Mark,
    trace: Trace<'r>,
    n_pieces: usize,
    sent: Sent,
    /// Rules that counted meanwhile.
    hits: BTreeSet<RuleAt<'r>>,
}

/// Packets that are sent before one that shall meet exceeded rates: more than any burst.
const FLOOD: usize = 3000;
/// Floods of which one must succeed.
const FLOODS_MAX: usize = 5;
/// Room in a port's queue.
const QUEUE: usize = 250;
/// Looks without anything new, after which nothing more is expected.
const QUIET: usize = 3;
/// The mark of packets that nobody looks for.
const NOBODY: Mark = Mark(u16::MAX);
/// As many messages of one rule pass its limit at once: the default of `log_ratelimit`.
const LOG_BURST: usize = 5;

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
        Ok(Judge { lab, world, ruleset, sources, seen, logs, buffer: vec![0; 1 << 17], remembers: false })
    }

    /// What the packets of the last [`Judge::compare`] made rules log, packet by packet.
    pub fn messages(&self) -> impl Iterator<Item = &Logged> {
        self.logs.values().flatten()
    }

    /// From now on each packet meets the connections that those before it have made.
    pub fn remember(&mut self) {
        self.remembers = true;
    }

    /// Sends all packets, one after the other, and compares.
    pub fn compare(&mut self, packets: &[Packet], tally: &mut Tally) -> Result<(), Failure> {
        let ruleset = self.ruleset;
        let simulator = Simulator::new(ruleset, self.world);
        self.lab.accommodate(packets)?;
        self.collect()?;
        self.seen.clear();
        self.logs.clear();
        let mut counters = Counters::new(ruleset)?;
        let mut flights = Vec::new();
        // An IPv4 header with identification 0 gets another one.
        let mut marks = (1..NOBODY.0).map(Mark);
        for packet in packets {
            let trace = simulator.simulate(packet).map_err(|error| format!("{packet}: {error}"))?;
            let playable = playable(&simulator, packet).map_err(|error| error.to_string())?;
            let playable = if self.remembers { Ok(()) } else { playable };
            if let Err(reason) = playable.and_then(|()| self.has_place(packet)) {
                *tally.n_unplayed.entry(reason).or_default() += 1;
                continue;
            }
            if trace.assumptions.contains(&Assumption::RatesKept) {
                self.lab.forget_rates(ruleset)?;
            }
            let n_attempts = if packet.rate == Rate::Over { FLOODS_MAX } else { 1 };
            for nth in 1..=n_attempts {
                let mark = marks.next().ok_or("too many packets at once")?;
                let flight = self.fly(packet, mark, trace.clone(), &mut counters)?;
                // A machine that is too slow for a flood tells nothing.
                if nth == n_attempts || self.is_settled(&flight) {
                    flights.push(flight);
                    break;
                }
            }
        }
        let any_late = |judge: &Judge<'_>| flights.iter().any(|flight| !judge.is_settled(flight));
        let mut n_quiet = 0;
        while n_quiet < QUIET && any_late(self) {
            // What the kernel hands to a thread of its own under load.
            nix::poll::poll(&mut [], 20u8)?;
            n_quiet = if self.collect()? { 0 } else { n_quiet + 1 };
        }
        for flight in &flights {
            self.judge(flight, tally);
        }
        Ok(())
    }

    /// Sends one packet.
    fn fly(
        &mut self,
        packet: &Packet,
        mark: Mark,
        trace: Trace<'a>,
        counters: &mut Counters<'a>,
    ) -> Result<Flight<'a>, Failure> {
        if !self.remembers {
            establish(packet, mark)?;
        }
        if packet.rate == Rate::Over {
            self.flood(packet, &trace)?;
        }
        let (n_pieces, sent) = self.send(packet, mark, &trace)?;
        self.collect()?;
        let hits = counters.take()?;
        if !self.remembers {
            // Each packet is the first of its connection.
            self.lab.conntrack.flush()?;
        }
        Ok(Flight { packet: packet.clone(), mark, trace, n_pieces, sent, hits })
    }

    /// Whether what was sent has turned up as the simulation says: it passes the node within the call that sends it.
    fn is_settled(&self, flight: &Flight<'_>) -> bool {
        self.agrees(&self.observed(flight), flight)
    }

    /// Whether the network has both ends of a packet's way.
    fn has_place(&self, packet: &Packet) -> Result<(), Unplayable> {
        let has = |zone: &str| zone == "host" || self.lab.zones.contains_key(zone);
        if !has(packet.from.as_str()) || !has(packet.to.as_str()) {
            return Err("ends where this network has nobody");
        }
        if self
            .lab
            .zones
            .get(packet.from.as_str())
            .is_some_and(|zone| !self.lab.ports.contains_key(&zone.port))
        {
            return Err("comes from a port that nobody is behind");
        }
        let by_stack = packet.from.as_str() == "host" && packet.sender == Sender::Socket;
        if by_stack && (packet.ether_dest.is_some() || packet.ether_source.is_some()) {
            return Err("bears Ethernet addresses that the host's IP stack would not choose");
        }
        if packet.ether_source.is_some_and(|source| !source.is_unicast()) {
            return Err("bears a group address as its Ethernet source, which bridges refuse");
        }
        let is_routed = |packet: &Packet| {
            let (from, to) =
                (self.lab.zones.get(packet.from.as_str()), self.lab.zones.get(packet.to.as_str()));
            from.is_some_and(|from| to.is_none_or(|to| to.bridge != from.bridge))
        };
        let to_group = packet.l3.dest().is_some_and(|dest| self.lab.is_group(dest));
        let is_martian = |source: IpAddr| {
            let is_unsaid = matches!(source, IpAddr::V4(source) if source.is_unspecified());
            source.is_multicast() || is_unsaid && !to_group
        };
        if is_routed(packet) && packet.vlans.len() < 2 && packet.l3.source().is_some_and(is_martian) {
            return Err("has a source that the host's IP stack refuses before its input hook");
        }
        let dest = packet.l3.dest().filter(|_| packet.to.as_str() == "host" && packet.vlans.len() < 2);
        if dest.is_some_and(|dest| !self.lab.is_own(dest)) {
            return Err("goes to an address that the host does not have");
        }
        let leaves_twice = |packet: &Packet| {
            let (from, to) =
                (self.lab.zones.get(packet.from.as_str()), self.lab.zones.get(packet.to.as_str()));
            from.zip(to).is_some_and(|(from, to)| from.bridge != to.bridge && packet.ether_dest.is_some())
        };
        if leaves_twice(packet) && self.lab.cable.is_none() {
            Err("leaves the node and comes back")
        } else {
            Ok(())
        }
    }

    /// Exceeds every rate that the packet meets; the last ones of its predecessors come right before it.
    fn flood(&mut self, packet: &Packet, trace: &Trace<'_>) -> Result<(), Failure> {
        for nth in 0..FLOOD {
            if nth % QUEUE == 0 {
                self.collect()?;
            }
            self.send(packet, NOBODY, trace)?;
        }
        Ok(())
    }

    fn judge(&self, flight: &Flight<'a>, tally: &mut Tally) {
        let observed = self.observed(flight);
        tally.n_packets += 1;
        let word = match &observed {
            Observed::Accept => "accept",
            Observed::Drop => "drop",
            Observed::Reject(_) => "reject",
            Observed::Odd(_) => "odd",
        };
        *tally.n_by_verdict.entry(word.to_owned()).or_default() += 1;
        let counted = self.counted(flight);
        let logged = self.logged(flight);
        if counted.is_ok() && deciding(&flight.trace).is_some() {
            tally.n_decided += 1;
        }
        tally.n_logged += logged.as_ref().copied().unwrap_or(0);
        let verdict =
            if self.agrees(&observed, flight) { Ok(()) } else { Err(format!("kernel {observed:?}")) };
        let wrong: Vec<String> = [verdict.err(), counted.err(), logged.err()].into_iter().flatten().collect();
        if !wrong.is_empty() {
            let story = flight.trace.text(Detail::Summary, Some(self.sources));
            let seen = self.seen.get(&flight.mark);
            tally.disagreements.push(format!(
                "{}\n  {}; simulation {:?}; seen {seen:?}, sent {:?}\n{story}",
                flight.packet,
                wrong.join("; "),
                flight.trace.verdict,
                flight.sent
            ));
        }
    }

    /// Whether rules may meet more than the packet that is looked for: copies of a flooded frame meet the rules of
    /// those who get them, and what went before a packet above the rate is not told from it.
    fn has_copies(&self, flight: &Flight<'_>) -> bool {
        let is_group = flight.trace.steps.iter().any(|step| match step {
            Step::Hook { pass, .. } => pass.frame.is_some_and(|frame| !frame.dest.is_unicast()),
            _ => false,
        });
        is_group || self.lab.floods || flight.packet.ether_dest.is_some() || flight.packet.rate == Rate::Over
    }

    /// Whether the rules counted that count by the simulation, and no other. Where a port gets no frames at all the
    /// bridge decides before the rules.
    fn counted(&self, flight: &Flight<'a>) -> Result<(), String> {
        let wanted = expected(&flight.trace);
        let missing: Vec<_> = wanted.difference(&flight.hits).collect();
        let more: Vec<_> = flight.hits.difference(&wanted).collect();
        let is_cut_off = self.lab.is_cut_off(flight.packet.from.as_str(), flight.packet.to.as_str());
        if missing.is_empty() && (more.is_empty() || self.has_copies(flight)) || is_cut_off {
            return Ok(());
        }
        Err(format!("did not count {missing:?}, counted {more:?}"))
    }

    /// Whether the messages are those of the simulation; how many. One may be missing where as many as a rule may log
    /// at once went before it.
    fn logged(&self, flight: &Flight<'a>) -> Result<usize, String> {
        let logs = self.logs.get(&flight.mark).map_or(&[][..], Vec::as_slice);
        let found: Vec<&str> = logs.iter().map(|logged| logged.prefix.as_str()).collect();
        let wanted: Vec<&str> = flight.trace.steps.iter().filter_map(log_of).collect();
        let is_spent = |prefix: &str| {
            let before = self.logs.range(..=flight.mark).chain(self.logs.get_key_value(&NOBODY));
            before.flat_map(|(_, logs)| logs).filter(|logged| logged.prefix == prefix).count() >= LOG_BURST
        };
        let missing = wanted.iter().any(|prefix| !found.contains(prefix) && !is_spent(prefix));
        let more = found.iter().any(|other| !wanted.contains(other));
        let is_over = flight.packet.rate == Rate::Over;
        if missing && !is_over || more && !self.has_copies(flight) {
            return Err(format!("logged {found:?}, wanted {wanted:?}"));
        }
        Ok(found.len())
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
                if let Spot::Port(port) = &spot {
                    self.lab.carry(port, &self.buffer[..length])?;
                }
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
            if let Some((mark, _)) = in_payload(logged.protocol, &logged.packet) {
                self.logs.entry(mark).or_default().push(logged);
            }
        }
        Ok(any)
    }

    fn observed(&self, flight: &Flight<'_>) -> Observed {
        let empty = BTreeSet::new();
        let seen = self.seen.get(&flight.mark).unwrap_or(&empty);
        let to = self.destination(&flight.packet);
        let itself = seen.contains(&(to.clone(), Sight::Itself));
        let later = seen.contains(&(to.clone(), Sight::Later));
        let whole = to == Spot::Probe || flight.n_pieces == 1 || later;
        // The host hears of its own hooks at once, of a bridge as of any other answer.
        let is_sender = |spot: &Spot| match self.lab.zones.get(flight.packet.from.as_str()) {
            Some(zone) => *spot == Spot::Port(zone.port.clone()),
            None => matches!(spot, Spot::Loopback | Spot::Probe),
        };
        let answers: Vec<Answered> = seen
            .iter()
            .filter(|(spot, _)| is_sender(spot))
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

/// The prefix with which a step logs.
fn log_of<'r>(step: &Step<'r>) -> Option<&'r str> {
    match step {
        Step::Rule(rule) => rule.log,
        Step::Hook { .. } | Step::Chain { .. } | Step::Policy | Step::Answer { .. } => None,
    }
}

/// The part of a ruleset that a kernel without connection tracking on bridges can hold.
pub fn inet_only(ruleset: &Ruleset) -> Ruleset {
    let tables = ruleset.tables.iter().filter(|table| table.family == TableFamily::Inet);
    Ruleset { tables: tables.cloned().collect() }
}
