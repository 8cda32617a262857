//! Wire formats, with conversions from and to the engine's types. Nothing else in the workspace is serialised.

pub mod apply;
pub mod catalog;
pub mod change;
pub mod compile;
pub mod event;
pub mod facts;
pub mod generation;
pub mod guest;
pub mod problem;
pub mod report;
pub mod ruleset;
pub mod scalar;
pub mod status;
pub mod trace;
pub mod vectors;
