//! The firewall of a Proxmox VE node: the world outside of the engine, and the command line.
//!
//! Reading order: `host` (what is read from the world and written to it), `features` (what a kernel may lack),
//! `report` (diagnostics for people), `views` (the same as JSON, and files in JSON), `vectors` (packets
//! with their verdicts), `service` (what keeps the kernel equal to the configuration), `http` (its API), `cli`
//! (one command a file).
#![forbid(unsafe_code)]

pub mod cli;
pub mod features;
pub mod host;
pub mod http;
pub mod report;
pub mod service;
pub mod vectors;
pub mod views;
