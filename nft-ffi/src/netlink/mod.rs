//! nf_tables over one kept netlink socket: a batch of messages goes in, and is done or refused; what changed, and who
//! changed it, comes out.
//!
//! Next to libnftables, which spawns nothing either, this saves what it does around each change: it reads definitions
//! and elements back before it writes, and closes its socket afterwards, which waits for the kernel's grace period. A
//! commit here is one system call. What the messages say is the caller's; this module adds the frame of the batch and
//! reads the answers.
//!
//! ```no_run
//! use nft_ffi::netlink::{CommitError, Socket};
//!
//! # let messages = Vec::new();
//! let mut socket = Socket::new()?;
//! let generation = socket.generation()?;
//! match socket.commit(&messages, Some(generation)) {
//!     Ok(()) => {}
//!     // Somebody else was faster: read again what is there.
//!     Err(CommitError::Stale) => {}
//!     Err(other) => return Err(other.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A socket speaks to the network namespace in which its thread was when it was opened.

mod chains;
mod error;
mod monitor;
mod rules;
mod socket;
mod wire;

pub use chains::BaseChain;
pub use error::{CommitError, NetlinkError, Refusal};
pub use monitor::{Change, Edits, Event, Monitor, Process};
pub use rules::{Counter, Rule};
pub use socket::Socket;

/// Family of a table, as the kernel numbers it (`NFPROTO_`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family(pub u8);

impl Family {
    /// `inet`
    pub const INET: Family = Family(1);
    /// `netdev`
    pub const NETDEV: Family = Family(5);
    /// `bridge`
    pub const BRIDGE: Family = Family(7);
}
