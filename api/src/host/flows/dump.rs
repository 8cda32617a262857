//! A dump request to the kernel becomes its answers, one by one, as long as the limits allow.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::time::Instant;

use netlink_packet_core::{
    NLA_ALIGNTO, NLA_HEADER_SIZE, NLA_TYPE_MASK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NetlinkBuffer,
};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

/// Bytes of a netlink header.
pub(super) const HEADER: usize = 16;
/// The kernel fills at most 32 KiB in one go.
const DATAGRAM_MAX: usize = 64 << 10;

/// What may still be read.
pub(super) struct Budget {
    /// Answers.
    pub(super) n_left: usize,
    /// Until when.
    pub(super) deadline: Instant,
    /// It did not suffice.
    pub(super) exceeded: bool,
}

impl Budget {
    /// One more answer; `Break`: no more of them.
    fn take(&mut self) -> ControlFlow<()> {
        match self.n_left.checked_sub(1) {
            Some(left) => {
                self.n_left = left;
                ControlFlow::Continue(())
            }
            None => {
                self.exceeded = true;
                ControlFlow::Break(())
            }
        }
    }
}

/// A question: netlink protocol, message type, what stands behind the netlink header.
pub(super) struct Request<'a> {
    pub(super) protocol: isize,
    pub(super) kind: u16,
    pub(super) body: &'a [u8],
}

/// Asks, and hands each answer's body on.
pub(super) fn dump(
    request: &Request<'_>,
    budget: &mut Budget,
    answer: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let mut socket = Socket::new(request.protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message(request)?, 0)?;
    let mut datagram = Vec::with_capacity(DATAGRAM_MAX);
    loop {
        let left = budget.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            budget.exceeded = true;
            return Ok(());
        }
        // A timeout of zero would be none at all.
        let left_us = i64::try_from(left.as_micros()).unwrap_or(i64::MAX).max(1);
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::microseconds(left_us))?;
        datagram.clear();
        match socket.recv(&mut datagram, 0) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(error) => return Err(error),
        }
        if messages(&datagram, budget, answer)?.is_break() {
            return Ok(());
        }
    }
}

fn message(request: &Request<'_>) -> io::Result<Vec<u8>> {
    let length = HEADER + request.body.len();
    let mut bytes = vec![0; length];
    let mut header = NetlinkBuffer::new(&mut bytes);
    header.set_length(u32::try_from(length).map_err(io::Error::other)?);
    header.set_message_type(request.kind);
    header.set_flags(NLM_F_REQUEST | NLM_F_DUMP);
    bytes[HEADER..].copy_from_slice(request.body);
    Ok(bytes)
}

/// The messages of one datagram; `Break`: it was the last one, or no more are wanted.
fn messages(
    datagram: &[u8],
    budget: &mut Budget,
    answer: &mut dyn FnMut(&[u8]),
) -> io::Result<ControlFlow<()>> {
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
        match message.message_type() {
            NLMSG_DONE => return Ok(ControlFlow::Break(())),
            NLMSG_ERROR => {
                let code = message.payload().first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => {
                if budget.take().is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                answer(message.payload());
            }
        }
        let length = usize::try_from(message.length()).map_err(io::Error::other)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(ControlFlow::Continue(()))
}

/// The value of the first attribute of this kind. An attribute that is longer than what is left ends the list.
pub(super) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let (_, whole) = attributes(bytes).find(|(kind, _)| *kind == wanted)?;
    whole.get(NLA_HEADER_SIZE..)
}

/// Attributes: the kind of each, and all of it with its head.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (kind, _) = after.split_first_chunk()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let whole = rest.get(..length).filter(|whole| whole.len() >= NLA_HEADER_SIZE)?;
        rest = rest.get(length.next_multiple_of(NLA_ALIGNTO)..).unwrap_or_default();
        Some((u16::from_ne_bytes(*kind) & NLA_TYPE_MASK, whole))
    })
}
