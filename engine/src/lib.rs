//! Proxmox VE firewall configuration in, nftables ruleset and explanation out.
//!
//! Modules in reading order: what comes in (`inputs`, `span`), what was written (`parse`), what it means (`lower`,
//! `model`, `tables`), its names looked up (`resolve`), what the kernel shall hold (`plan`, `ruleset`), and what
//! leaves (`render`, `diff`, `transaction`, `lift`) or explains it (`simulate`, `effect`). `diagnostic` is what every stage
//! may say; `classic` tells what the classic firewall would do otherwise.
#![forbid(unsafe_code)]

pub mod classic;
mod compile;
pub mod diagnostic;
pub mod diff;
pub mod divert;
pub mod effect;
pub mod inputs;
pub mod lift;
mod links;
pub mod lower;
pub mod model;
mod parse;
pub mod plan;
pub mod render;
pub mod resolve;
pub mod ruleset;
pub mod simulate;
pub mod span;
pub mod tables;
pub mod transaction;

pub use compile::{Compiled, Memo, Milestone, compile, compile_watched, compile_with};
