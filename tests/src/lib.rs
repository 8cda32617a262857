//! Harness of the tests that cross crates.
//!
//! `case` and `facts` read cases; `namespace` and `nft` ask a kernel about rulesets.
#![forbid(unsafe_code)]

pub mod case;
pub mod facts;
pub mod namespace;
pub mod nft;

/// What stops a test before it could judge anything: the machine, not what is tested.
pub type Failure = Box<dyn std::error::Error>;
