//! Harness of the tests that cross crates: the reference network, cases as files, packet lines with a verdict,
//! goldens, generated configurations, and a kernel that judges (`namespace`, `nft`, `succession`, `wire`).
#![forbid(unsafe_code)]

pub mod case;
pub mod conformance;
pub mod fixtures;
pub mod generate;
pub mod golden;
pub mod namespace;
pub mod netlink;
pub mod network;
pub mod nft;
pub mod packet;
pub mod service;
pub mod stage;
pub mod succession;
pub mod wire;

/// What stops a test before it could judge anything: the machine, not what is tested.
pub type Failure = Box<dyn std::error::Error>;
