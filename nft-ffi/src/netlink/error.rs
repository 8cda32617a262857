//! What can go wrong on the socket, and what the kernel says of a refused batch.

use nix::errno::Errno;

/// The socket failed, or the kernel did not answer as its interface says.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// A system call.
    #[error("netlink: {call}")]
    Call {
        /// Its name.
        call: &'static str,
        /// Why it failed.
        #[source]
        errno: Errno,
    },
    /// The kernel refused a request.
    #[error("nf_tables: {request}")]
    Request {
        /// What was asked.
        request: &'static str,
        /// Why it was refused.
        #[source]
        errno: Errno,
    },
    /// An answer that breaks off, or none.
    #[error("nf_tables: {request}: the kernel's answer cannot be read")]
    Answer {
        /// What was asked.
        request: &'static str,
    },
}

/// A batch was not committed: the kernel's ruleset is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The kernel's ruleset is not of the expected generation any more.
    #[error("the kernel's ruleset has changed since it was read")]
    Stale,
    /// Messages were refused; at least one.
    #[error("nf_tables refuses the change: {}", list(.0))]
    Refused(Vec<Refusal>),
    /// Whether the kernel has done it is not known, unless nothing was sent.
    #[error(transparent)]
    Socket(#[from] NetlinkError),
}

/// One refused message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Place of the message among those that were sent; `None`: the batch as a whole.
    pub message: Option<usize>,
    /// Why.
    pub errno: Errno,
    /// What the kernel says about it; most refusals come without.
    pub text: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.message {
            Some(message) => write!(f, "message {message}: {}", self.errno.desc())?,
            None => write!(f, "{}", self.errno.desc())?,
        }
        match &self.text {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        }
    }
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(Refusal::to_string).collect::<Vec<_>>().join("; ")
}
