//! Wire formats, with conversions from and to the engine's types. Nothing else in the workspace is serialised.

pub mod facts;
pub mod report;
pub mod trace;
pub mod vectors;
