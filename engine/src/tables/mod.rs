//! Data that the manual prints as tables.

pub mod cluster_ports;
pub mod ct_helpers;
pub mod icmp;
pub mod macros;
pub mod well_known;
