//! Harness of the tests that cross crates: the reference network, cases as files, packet lines with a verdict,
//! goldens, generated configurations.
#![forbid(unsafe_code)]

pub mod case;
pub mod generate;
pub mod golden;
pub mod network;
pub mod packet;
