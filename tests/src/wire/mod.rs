//! The simulator against a kernel: packets as frames (`frame`, `mark`), a network to send them through (`lab`, `socket`,
//! `netlink`), and what became of them (`judge`).

pub mod contest;
pub mod frame;
pub mod judge;
pub mod lab;
pub mod mark;
pub mod netlink;
pub mod random;
pub mod socket;

pub use judge::{Judge, Tally};
pub use lab::Lab;
