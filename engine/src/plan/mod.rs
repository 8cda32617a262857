//! Stage *plan*: from what is configured to what the kernel shall hold. It cannot fail and does not complain.
//!
//! Each guest, each VNet and the host is planned alone, as a `unit::Unit`; a table is the union of its units
//! and of the skeleton that all share. What an option or a NIC needs is an element of a shared map wherever that
//! is possible, so that the number of rules does not grow with it.

mod bridge;
mod divert;
mod filters;
mod groups;
mod guest;
mod host;
mod inet;
mod ipfilter;
mod listed;
mod lists;
mod log;
mod memo;
mod overlap;
mod policy;
mod reject;
mod rules;
mod shared;
mod sysctl;
mod table;
mod unit;
mod vnet;

use crate::divert::Pair;
use crate::resolve::Resolved;
use crate::ruleset::Ruleset;
pub(crate) use memo::{Memo, plan_with};
pub use sysctl::Sysctl;

/// Name of the set of ports whose chain at their egress is there; the first part of a key is the interface's number.
pub const DIVERT_READY: &str = "divert-ready";

/// Name of the table for host and datacenter.
pub const HOST_TABLE: &str = "proxmox-firewall";

/// Name of the bridge table for guests and VNets, and of the netdev table at guests' ports.
pub const GUEST_TABLE: &str = "proxmox-firewall-guests";

/// The wanted state of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What nftables shall hold; empty: none of our tables.
    pub ruleset: Ruleset,
    /// Kernel settings, in order.
    pub sysctls: Vec<Sysctl>,
    /// Pairs to the bridge that answers, ascending; with the first of them that bridge is wanted too.
    pub pairs: Vec<Pair>,
}

/// Plans a host; nothing is wanted while the datacenter's firewall is off.
pub fn plan(resolved: &Resolved) -> Plan {
    plan_with(resolved, &mut Memo::default())
}
