//! Safe bindings to libnftables: a script goes in, a ruleset in the kernel or the list of its errors comes out;
//! a `list` command goes in, text or JSON comes out.
//!
//! This crate knows nothing of firewalls. It is the only one of the workspace that contains `unsafe`, all of it in
//! [`context`](Nft), and it links to the few C functions that `sys` lists.
//!
//! ```no_run
//! use nft_ffi::{CommitError, Listing, Nft};
//!
//! let mut nft = Nft::new()?;
//! match nft.commit("add table inet demo\nadd rule inet demo nowhere accept\n") {
//!     Ok(()) => println!("{}", nft.list("list ruleset", Listing::default())?),
//!     // line 2, columns 20 to 26: the chain is missing; the kernel's ruleset is as it was.
//!     Err(CommitError::Rejected(rejected)) => eprintln!("{rejected}"),
//!     Err(other) => return Err(other.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Scripts are files
//!
//! libnftables 1.0.6 loses the line number of every error in a script that it gets as a buffer. [`Nft::check`] and
//! [`Nft::commit`] therefore write the script to a memfd and name it as a file, and [`NftError`] has line and columns.
//!
//! What a scanner sees is its own: one *token* of a megabyte (as many blanks in a row) keeps libnftables 1.0.6 busy for
//! longer than ten minutes. Long lines of short tokens are harmless.
//!
//! # Memory
//!
//! libnftables keeps what the last commit fetched until the next run, and the buffer of the largest listing until
//! the context is dropped; a commit of 50,000 rules takes 150 MB, and reading them back as JSON 450 MB, which malloc
//! rarely gives back by itself: [`Nft::renew`] does.
//!
//! # Threads and network namespaces
//!
//! [`Nft`] is `Send`, not `Sync`. Contexts of several threads may be used at once, but only one works at a time:
//! libnftables keeps its cache of interface names, its ruleset generation, its JSON input and the numbers of anonymous
//! sets and chains in variables of the process, so a process-wide lock surrounds every run. (Without it, contexts that
//! work at once meet half-filled caches: `iif lo` fails with "Interface does not exist".)
//! The lock covers this crate's calls alone: a program must not call libnftables past it.
//!
//! A context speaks to the network namespace in which its thread was when [`Nft::new`] was called. Interface *indexes*
//! are looked up in the namespace of the thread that runs a script. Keep a context on a thread that stays where it is.
//!
//! # Where libnftables ends the process
//!
//! It calls `exit` when memory runs out or when a netlink socket cannot be opened. [`Nft::new`] opens one on trial
//! and reports the failure, so that the usual reason (file descriptors, a seccomp filter) arrives as an error. Who
//! cannot accept the remainder runs this crate in a child process.

mod context;
mod error;
pub mod netlink;
mod object;
mod sys;

pub use context::{Listing, Nft};
pub use error::{CheckError, CommitError, ListError, NewError, NftError, Rejected};
pub use object::{Chain, Element, Metainfo, Object, Objects, Other, Rule, Set, Table};
