//! Connections that were opened while nobody judged them are taken out of tracking: the next packet of each is new, and
//! meets the rules.
//!
//! Tracking tells when an entry was made once `net.netfilter.nf_conntrack_timestamp` is on, which the service sees to;
//! entries that do not tell are older than that.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netlink_packet_core::{NLA_ALIGNTO, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, NetlinkBuffer};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::dump::{Budget, HEADER, Request, attribute, attributes, dump};
use super::tracked::{CTA_TUPLE_ORIG, GET, NFGENMSG};

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`
const DELETE: u16 = 1 << 8 | 2;
/// linux/netfilter/nfnetlink_conntrack.h
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_TIMESTAMP: u16 = 20;
const CTA_TIMESTAMP_START: u16 = 1;

/// Entries that are looked at, and for how long: a full table of a large node.
const N_READ_MAX: usize = 1 << 20;
const TIME_MAX: Duration = Duration::from_secs(2);
/// No entry, which is what was wanted.
const ENOENT: i32 = 2;

/// What became of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Entries that are gone.
    pub n_gone: usize,
    /// There were more than could be looked at.
    pub truncated: bool,
}

/// Removes the entries that were made at `since` or later.
pub fn forget_since(since: SystemTime) -> io::Result<Forgotten> {
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    let deadline = Instant::now() + TIME_MAX;
    let mut budget = Budget { n_left: N_READ_MAX, deadline, exceeded: false };
    let request = Request { protocol: NETLINK_NETFILTER, kind: GET, body: &NFGENMSG };
    let mut names = Vec::new();
    dump(&request, &mut budget, &mut |body| {
        if started_ns(body).is_some_and(|started| started >= since_ns) {
            names.extend(name(body));
        }
    })?;
    let mut forgotten = Forgotten { n_gone: 0, truncated: budget.exceeded };
    if names.is_empty() {
        return Ok(forgotten);
    }
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    for name in &names {
        forgotten.n_gone += usize::from(delete(&socket, name)?);
    }
    Ok(forgotten)
}

fn started_ns(body: &[u8]) -> Option<u64> {
    let times = attribute(body.get(NFGENMSG.len()..)?, CTA_TIMESTAMP)?;
    Some(u64::from_be_bytes(attribute(times, CTA_TIMESTAMP_START)?.try_into().ok()?))
}

/// What names an entry in a request: its family, and some of its attributes as they are.
fn name(body: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = body.split_at_checked(NFGENMSG.len())?;
    let mut name = vec![head[0], 0, 0, 0];
    for (kind, whole) in attributes(rest) {
        if [CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE].contains(&kind) {
            name.extend_from_slice(whole);
            name.resize(name.len().next_multiple_of(NLA_ALIGNTO), 0);
        }
    }
    Some(name)
}

/// `false`: it has gone by itself.
fn delete(socket: &Socket, name: &[u8]) -> io::Result<bool> {
    let length = HEADER + name.len();
    let mut bytes = vec![0; length];
    let mut header = NetlinkBuffer::new(&mut bytes);
    header.set_length(u32::try_from(length).map_err(io::Error::other)?);
    header.set_message_type(DELETE);
    header.set_flags(NLM_F_REQUEST | NLM_F_ACK);
    bytes[HEADER..].copy_from_slice(name);
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkBuffer::new_checked(&answer[..]).map_err(io::Error::other)?;
    let code = answer.payload().first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
    match (answer.message_type(), -code) {
        (NLMSG_ERROR, 0) => Ok(true),
        (NLMSG_ERROR, ENOENT) => Ok(false),
        (NLMSG_ERROR, errno) => Err(io::Error::from_raw_os_error(errno)),
        _ => Err(io::Error::other("no answer to a request")),
    }
}
