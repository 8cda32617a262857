//! Notices of changes: which generation is there now, who made it, and which tables it touched.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{MsgFlags, SockFlag, setsockopt};

use super::socket::{call, open, receive, set};
use super::wire::{Attributes, Message, Messages, NEWGEN, SUBSYS_NFTABLES, string, u32_of};
use super::{Family, NetlinkError};

/// `NFNLGRP_NFTABLES`, and the same as a bit.
const GROUP: libc::c_int = 7;
const GROUP_BIT: u32 = 1 << 6;
/// A notice comes for every object of a transaction.
const RECEIVE_BUFFER: usize = 32 << 20;
const DATAGRAM_MAX: usize = 64 << 10;
/// The first attribute of all objects' messages names the table.
const TABLE: u16 = 1;
// NFTA_GEN_
const GEN_ID: u16 = 1;
const GEN_PROCESS: u16 = 2;
const GEN_PROCESS_NAME: u16 = 3;

/// A second socket, which changes nothing and hears of all changes. Its descriptor does not block.
#[derive(Debug)]
pub struct Monitor {
    fd: OwnedFd,
    buffer: Vec<u8>,
    /// Tables of the transaction whose end has not been heard of.
    tables: BTreeMap<(Family, String), Edits>,
    /// Changes that one datagram brought, the next one last.
    heard: Vec<Event>,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A transaction was committed.
    Change(Change),
    /// Notices were lost: more came than the socket holds. What is there now must be asked.
    Lost,
}

/// A committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The generation that it made.
    pub generation: u32,
    /// The socket that asked for it: [`Socket::port`](super::Socket::port), if it was ours.
    pub port: u32,
    /// The process behind it, where the kernel says.
    pub process: Option<Process>,
    /// Tables in which something was made or removed.
    pub tables: BTreeMap<(Family, String), Edits>,
}

/// What a transaction made and removed in a table: how many of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    n_made: [u32; OBJECTS.len()],
    n_removed: [u32; OBJECTS.len()],
}

/// Kinds of objects, and the low byte of the messages that make and remove one (`NFT_MSG_` in nf_tables.h).
const OBJECTS: [(&str, u16, u16); 7] = [
    ("table", 0, 2),
    ("chain", 3, 5),
    ("rule", 6, 8),
    ("set", 9, 11),
    ("element", 12, 14),
    ("object", 18, 20),
    ("flowtable", 22, 24),
];

impl Edits {
    fn count(&mut self, kind: u16) {
        for (at, (_, made, removed)) in OBJECTS.iter().enumerate() {
            self.n_made[at] += u32::from(kind & 0xff == *made);
            self.n_removed[at] += u32::from(kind & 0xff == *removed);
        }
    }
}

/// `removed 1 table, 2 chains; made 1 rule`
impl fmt::Display for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (verb, counts) in [("removed", &self.n_removed), ("made", &self.n_made)] {
            let counted = OBJECTS.iter().zip(counts).filter(|(_, n)| **n > 0);
            let text: Vec<String> = counted
                .map(|((name, ..), n)| format!("{n} {name}{}", if *n == 1 { "" } else { "s" }))
                .collect();
            if !text.is_empty() {
                parts.push(format!("{verb} {}", text.join(", ")));
            }
        }
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
}

impl Monitor {
    /// Listens in the network namespace that the thread is in.
    pub fn new() -> Result<Monitor, NetlinkError> {
        let fd = open(GROUP_BIT, SockFlag::SOCK_NONBLOCK)?;
        setsockopt(&fd, RcvBufForce, &RECEIVE_BUFFER).map_err(call("setsockopt"))?;
        Ok(Monitor { fd, buffer: vec![0; DATAGRAM_MAX], tables: BTreeMap::new(), heard: Vec::new() })
    }

    /// Hears nothing until [`Monitor::resume`]. The kernel writes a notice for every object of a transaction if anybody
    /// listens, which for a whole ruleset takes as long as to load it.
    pub fn pause(&mut self) -> Result<(), NetlinkError> {
        set(&self.fd, libc::NETLINK_DROP_MEMBERSHIP, GROUP)
    }

    /// Listens again. What happened meanwhile shows in the generation alone.
    pub fn resume(&mut self) -> Result<(), NetlinkError> {
        set(&self.fd, libc::NETLINK_ADD_MEMBERSHIP, GROUP)
    }

    /// The next event; `None`: nothing has happened, wait until the descriptor is readable.
    pub fn next_event(&mut self) -> Result<Option<Event>, NetlinkError> {
        loop {
            if let Some(event) = self.heard.pop() {
                return Ok(Some(event));
            }
            match receive(&self.fd, &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(Some(length)) => self.read(length),
                Ok(None) => return Ok(None),
                Err(NetlinkError::Call { errno: Errno::ENOBUFS, .. }) => {
                    self.tables.clear();
                    return Ok(Some(Event::Lost));
                }
                Err(other) => return Err(other),
            }
        }
    }

    fn read(&mut self, length: usize) {
        for message in Messages(&self.buffer[..length]) {
            if message.kind >> 8 != SUBSYS_NFTABLES {
                continue;
            }
            let Some((family, mut attributes)) = message.payload() else { continue };
            if message.kind == NEWGEN {
                let tables = std::mem::take(&mut self.tables);
                self.heard.extend(change(&message, attributes, tables).map(Event::Change));
            } else if let Some((_, name)) = attributes.find(|(kind, _)| *kind == TABLE) {
                self.tables.entry((Family(family), string(name))).or_default().count(message.kind);
            }
        }
        self.heard.reverse();
    }
}

fn change(
    message: &Message<'_>,
    attributes: Attributes<'_>,
    tables: BTreeMap<(Family, String), Edits>,
) -> Option<Change> {
    let find = |wanted| attributes.into_iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let process = find(GEN_PROCESS).and_then(u32_of).zip(find(GEN_PROCESS_NAME).map(string));
    Some(Change {
        generation: find(GEN_ID).and_then(u32_of)?,
        port: message.port,
        process: process.map(|(pid, name)| Process { pid, name }),
        tables,
    })
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
