//! Proxmox VE firewall configuration in, nftables ruleset and explanation out.
//!
//! Modules in reading order: what comes in, what it means, what leaves.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod inputs;
pub mod lower;
pub mod model;
mod parse;
pub mod ruleset;
pub mod span;
pub mod tables;
