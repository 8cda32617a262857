//! Connection tracking as rules see it: whether a packet has an entry, and what `ct state` reads.

use super::packet::{Icmp, L3, Packet, State, TcpFlags, Transport};
use crate::ruleset::field::ct_state;

/// What is attached to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracking {
    /// Nothing (yet): not seen by tracking, refused by it, or made below it. Reads as `invalid`.
    Nothing,
    /// An entry.
    Entry(EntryState),
    /// Exempt.
    Untracked,
}

/// State of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryState {
    New,
    Established,
    Related,
}

impl Tracking {
    /// What `ct state` reads.
    pub(super) fn bits(self) -> u32 {
        match self {
            Tracking::Nothing => ct_state::INVALID,
            Tracking::Entry(EntryState::New) => ct_state::NEW,
            Tracking::Entry(EntryState::Established) => ct_state::ESTABLISHED,
            Tracking::Entry(EntryState::Related) => ct_state::RELATED,
            Tracking::Untracked => ct_state::UNTRACKED,
        }
    }

    /// Whether there is a connection whose mark can be read or set.
    pub(super) fn has_entry(self) -> bool {
        matches!(self, Tracking::Entry(_))
    }

    /// `notrack` leaves alone what has an entry already.
    pub(super) fn notrack(self) -> Tracking {
        match self {
            Tracking::Nothing | Tracking::Untracked => Tracking::Untracked,
            Tracking::Entry(_) => self,
        }
    }

    /// What tracking attaches to a packet that it meets in this state.
    pub(super) fn track(self, packet: &Packet) -> Tracking {
        match self {
            Tracking::Nothing => attached(state(packet)),
            Tracking::Entry(_) | Tracking::Untracked => self,
        }
    }
}

fn attached(state: State) -> Tracking {
    match state {
        State::New => Tracking::Entry(EntryState::New),
        State::Established => Tracking::Entry(EntryState::Established),
        State::Related => Tracking::Entry(EntryState::Related),
        State::Invalid => Tracking::Nothing,
        State::Untracked => Tracking::Untracked,
    }
}

/// The state of a packet that goes through tracking: what can't be tracked is untracked whatever the packet says.
pub(super) fn state(packet: &Packet) -> State {
    if !packet.is_ip() {
        return State::Untracked;
    }
    match (&packet.l3, packet.l3.transport()) {
        // nf_conntrack_proto_icmpv6.c: MLD, neighbour discovery but redirects, multicast router discovery.
        (L3::Ipv6(_), Some(Transport::Icmp(Icmp { kind: 130..=136 | 143 | 151..=152, .. }))) => {
            State::Untracked
        }
        (L3::Ipv6(_), Some(Transport::Icmp(Icmp { kind: 137, .. }))) => State::Invalid,
        (l3, Some(transport)) => packet.state.unwrap_or_else(|| lone_state(l3, transport)),
        (_, None) => State::Untracked,
    }
}

/// The state of a packet that meets an empty table.
fn lone_state(l3: &L3, transport: &Transport) -> State {
    let opens = match transport {
        Transport::Tcp(_, flags) => tcp_opens(*flags),
        // Queries of nf_conntrack_proto_icmp(v6): everything else needs an entry.
        Transport::Icmp(icmp) if matches!(l3, L3::Ipv4(_)) => matches!(icmp.kind, 8 | 13 | 15 | 17),
        Transport::Icmp(icmp) => matches!(icmp.kind, 128 | 139),
        Transport::Udp(_)
        | Transport::Udplite(_)
        | Transport::Dccp(_)
        | Transport::Sctp(_)
        | Transport::Igmp
        | Transport::Other(_) => true,
    };
    if opens { State::New } else { State::Invalid }
}

/// SYN, and ACK in mid-stream (`nf_conntrack_tcp_loose`), each with or without PSH, URG, ECN, CWR; the others are
/// replies, or no valid combination (nf_conntrack_proto_tcp.c).
fn tcp_opens(flags: TcpFlags) -> bool {
    let kind = flags.0 & (TcpFlags::FIN.0 | TcpFlags::SYN.0 | TcpFlags::RST.0 | TcpFlags::ACK.0);
    kind == TcpFlags::SYN.0 || kind == TcpFlags::ACK.0
}
