//! What must be there before a packet is sent: the connection that it belongs to. And what cannot be played at all.

use std::net::IpAddr;

use engine::simulate::packet::{Icmp, L3, Packet, Ports, State, Transport};
use engine::simulate::trace::Assumption;
use engine::simulate::{PathError, Simulator};

use super::mark::Mark;
use crate::Failure;
use crate::namespace::run;

/// Why the kernel cannot be shown a packet.
pub type Unplayable = &'static str;

/// A connection, as the first packet of it has it.
struct Tuple {
    source: IpAddr,
    dest: IpAddr,
    protocol: Protocol,
}

enum Protocol {
    Tcp(Ports),
    Udp(Ports),
    /// Type and identifier of an echo request.
    Echo(u8, u16),
}

/// Whether tracking would say of the packet what it says of itself, the table being as [`establish`] leaves it.
pub fn playable(simulator: &Simulator<'_, '_>, packet: &Packet) -> Result<Result<(), Unplayable>, PathError> {
    if packet.mark != 0 || packet.ct_mark != 0 {
        return Ok(Err("has a mark from elsewhere"));
    }
    if packet.from.as_str() == "host" && packet.to.as_str() == "host" {
        return Ok(Err("never leaves the host"));
    }
    let Some(wanted) = packet.state else { return Ok(Ok(())) };
    if let State::Established | State::Related = wanted {
        let known = tuple(packet, Mark(0)).is_some();
        return Ok(if known {
            Ok(())
        } else {
            Err("belongs to a connection that only its endpoints can make")
        });
    }
    let natural = simulator.simulate(&Packet { state: None, ..packet.clone() })?;
    let says = natural.assumptions.contains(&Assumption::State(wanted));
    let untracked = matches!(packet.l3, L3::Arp(_) | L3::Other(_));
    Ok(if says || untracked { Ok(()) } else { Err("is in a state that tracking does not say of it") })
}

/// Makes the connection that an established or related packet belongs to.
pub fn establish(packet: &Packet, mark: Mark) -> Result<(), Failure> {
    let Some(State::Established | State::Related) = packet.state else { return Ok(()) };
    let Some(tuple) = tuple(packet, mark) else { return Ok(()) };
    let protocol: Vec<String> = match tuple.protocol {
        Protocol::Tcp(ports) => {
            let (source, dest) = (ports.source, ports.dest);
            words(&format!("tcp --sport {source} --dport {dest} --state ESTABLISHED -u SEEN_REPLY,ASSURED"))
        }
        Protocol::Udp(Ports { source, dest }) => {
            words(&format!("udp --sport {source} --dport {dest} -u SEEN_REPLY"))
        }
        Protocol::Echo(kind, id) => {
            let icmp = if tuple.source.is_ipv4() { "icmp" } else { "icmpv6" };
            words(&format!("{icmp} --{icmp}-type {kind} --{icmp}-code 0 --{icmp}-id {id}"))
        }
    };
    let mut all = words(&format!("-I -s {} -d {} -t 100 -p", tuple.source, tuple.dest));
    all.extend(protocol);
    let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
    run("conntrack", &arguments, "").map(drop)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// The connection of an established packet; of a related one the connection of what it quotes.
fn tuple(packet: &Packet, mark: Mark) -> Option<Tuple> {
    let (source, dest) = (packet.l3.source()?, packet.l3.dest()?);
    match (packet.state?, packet.l3.transport()?) {
        (State::Related, Transport::Icmp(Icmp { inner: Some(inner), .. })) => {
            let ports = inner.ports?;
            let protocol = match inner.protocol {
                6 => Protocol::Tcp(ports),
                17 => Protocol::Udp(ports),
                _ => return None,
            };
            Some(Tuple { source: inner.source, dest: inner.dest, protocol })
        }
        (State::Established, Transport::Tcp(ports, _)) => {
            Some(Tuple { source, dest, protocol: Protocol::Tcp(*ports) })
        }
        (State::Established, Transport::Udp(ports)) => {
            Some(Tuple { source, dest, protocol: Protocol::Udp(*ports) })
        }
        (State::Established, Transport::Icmp(icmp)) => {
            let echo = |kind| Protocol::Echo(kind, mark.short());
            match (icmp.kind, source.is_ipv4()) {
                (8, true) | (128, false) => Some(Tuple { source, dest, protocol: echo(icmp.kind) }),
                // A reply: the request went the other way.
                (0, true) => Some(Tuple { source: dest, dest: source, protocol: echo(8) }),
                (129, false) => Some(Tuple { source: dest, dest: source, protocol: echo(128) }),
                _ => None,
            }
        }
        _ => None,
    }
}
