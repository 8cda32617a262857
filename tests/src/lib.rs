//! Harness of the tests that cross crates: the reference network, cases as files, packet lines with a verdict
//! (`case`, `facts_view`, `fixtures`, `golden`, `network`, `packet`), and a kernel that judges (`namespace`, `nft`).
#![forbid(unsafe_code)]

pub mod case;
pub mod facts_view;
pub mod fixtures;
pub mod golden;
pub mod namespace;
pub mod network;
pub mod nft;
pub mod packet;
pub mod wire;

/// What stops a test before it could judge anything: the machine, not what is tested.
pub type Failure = Box<dyn std::error::Error>;
