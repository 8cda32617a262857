//! The simulator against a kernel: packets as frames (`frame`, `mark`), a network to send them through (`lab`, `wiring`,
//! `socket`, `netlink`), what must be there before (`prepare`), and what became of them (`judge`, `count`, `logger`).

pub mod cases;
pub mod contest;
pub mod count;
pub mod frame;
pub mod judge;
pub mod lab;
pub mod logger;
pub mod mark;
pub mod netlink;
pub mod prepare;
pub mod random;
pub mod reject;
pub mod socket;
pub mod wiring;

pub use judge::{Judge, Tally};
pub use lab::Lab;
