//! The service as it runs on a node: the real program over a file tree, a network and a disk of its own, its socket, and
//! a probe that sees every packet that is lost or let through wrongly.

mod client;
mod mounted;
mod node;
mod probe;

pub use client::{Answer, Client, get};
pub use mounted::Service;
pub use node::{Node, Running, generation};
pub use probe::{Counts, Probe, Route};
