//! Stage *plan*: from what is configured to what the kernel shall hold. It cannot fail and does not complain.
//!
//! Each guest, each VNet and the host is planned alone, as a `unit::Unit`; a table is the union of its units
//! and of the skeleton that all share. What an option or a NIC needs is an element of a shared map wherever that
//! is possible, so that the number of rules does not grow with it.

mod bridge;
mod filters;
mod guest;
mod host;
mod inet;
mod ipfilter;
mod log;
mod reject;
mod rules;
mod shared;
mod sysctl;
mod unit;
mod vnet;

use crate::resolve::Resolved;
use crate::ruleset::Ruleset;
pub use sysctl::Sysctl;

/// Name of the table for host and datacenter.
pub const HOST_TABLE: &str = "proxmox-firewall";

/// Name of the bridge table for guests and VNets.
pub const GUEST_TABLE: &str = "proxmox-firewall-guests";

/// The wanted state of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What nftables shall hold; empty: none of our tables.
    pub ruleset: Ruleset,
    /// Kernel settings, in order.
    pub sysctls: Vec<Sysctl>,
}

/// Plans a host; nothing is wanted while the datacenter's firewall is off.
pub fn plan(resolved: &Resolved) -> Plan {
    if !resolved.enabled {
        return Plan::default();
    }
    let tables = vec![inet::table(resolved), bridge::table(resolved)];
    Plan { ruleset: Ruleset { tables }, sysctls: sysctl::sysctls(&resolved.host) }
}
