//! All side effects: what is read from the world, and what is written to it.

pub mod aside;
pub mod batch;
mod concern;
mod egress;
pub mod enforce;
pub mod events;
pub mod facts;
pub mod fault;
pub mod features;
pub mod files;
pub mod flows;
pub mod judge;
pub mod kernel;
pub mod links;
pub mod mirror;
pub mod others;
pub mod paths;
pub mod resolver;
pub mod settings;
