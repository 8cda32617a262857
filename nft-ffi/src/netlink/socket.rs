//! The kept socket: requests, batches, and their answers.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, recv, sendmsg,
    setsockopt, socket,
};

use super::wire::{
    ACK, BATCH_BEGIN, BATCH_END, BATCH_GENID, DONE, DUMP, DUMP_INTR, ERROR, GETGEN, Head, Message, Messages,
    NEWGEN, REQUEST, SUBSYS_NFTABLES, message, u32_of,
};
use super::{CommitError, NetlinkError, Refusal};

/// Receive buffer: refusals of thousands of messages, or a chain's rules, without a loss.
const RECEIVE_BUFFER: usize = 8 << 20;
/// The kernel's largest datagram of a dump is half of it.
const DATAGRAM_MAX: usize = 64 << 10;
/// Of the send buffer, what the kernel needs besides the messages.
const SEND_OVERHEAD: usize = 4096;
/// A dump that others change meanwhile is asked for again this often.
const DUMPS_MAX: usize = 16;

/// A netlink socket for nf_tables, opened once and kept.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    port: u32,
    /// Bytes that can be sent at once.
    sendable: usize,
    buffer: Vec<u8>,
}

impl Socket {
    /// A socket into the network namespace that the thread is in.
    pub fn new() -> Result<Socket, NetlinkError> {
        let fd = open(0, SockFlag::empty())?;
        setsockopt(&fd, RcvBufForce, &RECEIVE_BUFFER).map_err(call("setsockopt"))?;
        let address: NetlinkAddr = getsockname(fd.as_raw_fd()).map_err(call("getsockname"))?;
        Ok(Socket { fd, port: address.pid(), sendable: 0, buffer: vec![0; DATAGRAM_MAX] })
    }

    /// The number by which the kernel names this socket in notices of changes.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Number of the kernel's ruleset: another one after each transaction of anybody in this namespace.
    pub fn generation(&mut self) -> Result<u32, NetlinkError> {
        const REQUEST_NAME: &str = "asking for the generation";
        let head = Head { kind: GETGEN, flags: REQUEST, sequence: 1, family: 0, resource: 0 };
        self.drain()?;
        self.send(&[&message(head, &[])])?;
        let length = self.receive(MsgFlags::empty())?.unwrap_or(0);
        let answer = Messages(&self.buffer[..length]).next();
        let answer = answer.ok_or(NetlinkError::Answer { request: REQUEST_NAME })?;
        if answer.kind == ERROR {
            return Err(refused(REQUEST_NAME, &answer));
        }
        let id = answer.payload().and_then(|(_, mut attributes)| attributes.find(|(kind, _)| *kind == 1));
        let id = id.filter(|_| answer.kind == NEWGEN).and_then(|(_, id)| u32_of(id));
        id.ok_or(NetlinkError::Answer { request: REQUEST_NAME })
    }

    /// Commits messages as one transaction: all of it happens, or nothing.
    ///
    /// `messages` are whole messages of nf_tables whose sequence numbers count from 1. With `expected`, the kernel
    /// refuses the batch if its generation is another by then; what is committed then has the generation behind
    /// `expected`.
    pub fn commit(&mut self, messages: &[u8], expected: Option<u32>) -> Result<(), CommitError> {
        self.drain()?;
        let generation = expected.map(u32::to_be_bytes);
        let attributes: &[(u16, &[u8])] = match &generation {
            Some(generation) => &[(BATCH_GENID, generation)],
            None => &[],
        };
        let frame = |kind| Head { kind, flags: REQUEST, sequence: 0, family: 0, resource: SUBSYS_NFTABLES };
        self.send(&[&message(frame(BATCH_BEGIN), attributes), messages, &message(frame(BATCH_END), &[])])?;
        // The kernel has answered before the call returned: refusals, or nothing.
        let mut refusals = Vec::new();
        while let Some(length) = self.receive(MsgFlags::MSG_DONTWAIT)? {
            refusals.extend(Messages(&self.buffer[..length]).filter_map(|answer| refusal(&answer)));
        }
        let is_stale = |refusal: &Refusal| refusal.message.is_none() && refusal.errno == Errno::ERESTART;
        if refusals.is_empty() {
            Ok(())
        } else if refusals.iter().any(is_stale) {
            Err(CommitError::Stale)
        } else {
            Err(CommitError::Refused(refusals))
        }
    }

    /// Asks for a dump and gives each of its messages to `read`. Where the kernel says that what it dumped has changed
    /// meanwhile, everything is asked again: `start` begins anew.
    pub(super) fn dump<T>(
        &mut self,
        (request, bytes): (&'static str, &[u8]),
        start: impl Fn() -> T,
        read: impl Fn(&mut T, &Message<'_>),
    ) -> Result<T, NetlinkError> {
        for _ in 0..DUMPS_MAX {
            self.drain()?;
            self.send(&[bytes])?;
            let mut gathered = start();
            if self.dump_once(request, |message| read(&mut gathered, message))? {
                return Ok(gathered);
            }
        }
        Err(NetlinkError::Request { request, errno: Errno::EINTR })
    }

    /// `false`: the dump is of no use, because something has changed.
    fn dump_once(
        &mut self,
        request: &'static str,
        mut read: impl FnMut(&Message<'_>),
    ) -> Result<bool, NetlinkError> {
        let mut whole = true;
        loop {
            let length = self.receive(MsgFlags::empty())?.unwrap_or(0);
            let mut n_messages = 0;
            for message in Messages(&self.buffer[..length]) {
                n_messages += 1;
                whole &= message.flags & DUMP_INTR == 0;
                match message.kind {
                    DONE | ERROR => match message.error() {
                        Some((0, _)) => return Ok(whole),
                        Some((code, _)) if Errno::from_raw(code) == Errno::EINTR => return Ok(false),
                        _ => return Err(refused(request, &message)),
                    },
                    _ => read(&message),
                }
            }
            if n_messages == 0 {
                return Err(NetlinkError::Answer { request });
            }
        }
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<(), NetlinkError> {
        let needed = parts.iter().map(|part| part.len()).sum::<usize>() + SEND_OVERHEAD;
        if needed > self.sendable {
            setsockopt(&self.fd, SndBufForce, &needed).map_err(call("setsockopt"))?;
            self.sendable = needed;
        }
        let parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let kernel = NetlinkAddr::new(0, 0);
        sendmsg(self.fd.as_raw_fd(), &parts, &[], MsgFlags::empty(), Some(&kernel))
            .map_err(call("sendmsg"))?;
        Ok(())
    }

    /// The next datagram into the buffer; `None`: there is none now.
    fn receive(&mut self, flags: MsgFlags) -> Result<Option<usize>, NetlinkError> {
        receive(&self.fd, &mut self.buffer, flags)
    }

    /// Answers to a request that was given up.
    fn drain(&mut self) -> Result<(), NetlinkError> {
        loop {
            match self.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(None) => return Ok(()),
                // The loss was of what nobody waits for.
                Ok(Some(_)) | Err(NetlinkError::Call { errno: Errno::ENOBUFS, .. }) => {}
                Err(other) => return Err(other),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// A netlink socket that is bound, in these multicast groups.
pub(super) fn open(groups: u32, flags: SockFlag) -> Result<OwnedFd, NetlinkError> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)
        .map_err(call("socket"))?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).map_err(call("bind"))?;
    // Refusals with words, and without what was refused.
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        set(&fd, option, 1)?;
    }
    Ok(fd)
}

/// Sets an option of netlink(7).
pub(super) fn set(fd: &OwnedFd, option: libc::c_int, value: libc::c_int) -> Result<(), NetlinkError> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).expect("four bytes");
    // SAFETY: the descriptor is open as long as `fd` is borrowed; the kernel reads `length` bytes from `value`, which
    // lives on this stack frame, and keeps no pointer.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const value).cast(), length)
    };
    Errno::result(result).map(drop).map_err(call("setsockopt"))
}

/// The next datagram into the buffer; `None`: there is none now.
pub(super) fn receive(
    fd: &OwnedFd,
    buffer: &mut [u8],
    flags: MsgFlags,
) -> Result<Option<usize>, NetlinkError> {
    loop {
        return match recv(fd.as_raw_fd(), buffer, flags) {
            Ok(length) => Ok(Some(length)),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(call("recv")(errno)),
        };
    }
}

pub(super) fn call(call: &'static str) -> impl Fn(Errno) -> NetlinkError {
    move |errno| NetlinkError::Call { call, errno }
}

/// What a request with answers is.
pub(super) fn dump_head(kind: u16, family: u8) -> Head {
    Head { kind, flags: REQUEST | ACK | DUMP, sequence: 1, family, resource: 0 }
}

fn refused(request: &'static str, answer: &Message<'_>) -> NetlinkError {
    match answer.error() {
        Some((code, _)) => NetlinkError::Request { request, errno: Errno::from_raw(code) },
        None => NetlinkError::Answer { request },
    }
}

/// The refusal that an answer to a batch is.
fn refusal(answer: &Message<'_>) -> Option<Refusal> {
    if answer.kind != ERROR {
        return None;
    }
    let (code, text) = answer.error()?;
    // Numbers of messages count from 1; the frame has 0.
    let message = answer.sequence.checked_sub(1).and_then(|idx| usize::try_from(idx).ok());
    (code != 0).then(|| Refusal { message, errno: Errno::from_raw(code), text })
}
