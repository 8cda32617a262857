//! All side effects: what is read from the world, and what is written to it.

pub mod facts;
pub mod features;
pub mod files;
pub mod kernel;
pub mod paths;
