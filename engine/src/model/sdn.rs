//! What SDN and the cluster contribute: generated IPSets, VNets, corosync links.

use std::collections::BTreeMap;

use super::address::IpInterval;
use super::names::{IfName, ObjectName};

/// SDN running configuration and IPAM state, reduced to what a firewall needs.
#[derive(Debug, Clone, Default)]
pub struct Sdn {
    /// Generated IPSets of scope `sdn` by folded name: `<vnet>-all`, `-gateway`, `-no-gateway`, `-dhcp`,
    /// `guest-ipam-<vmid>`; exclusions already subtracted.
    pub ipsets: BTreeMap<ObjectName, Vec<IpInterval>>,
    /// Bridge names of the VNets of the running configuration.
    pub vnets: Vec<IfName>,
}

/// `corosync.conf`, as far as the firewall reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corosync {
    /// `totem.transport`; `knet` where absent.
    pub transport: String,
    /// `totem.ip_version`, as written.
    pub ip_version: Option<String>,
    /// The nodes.
    pub nodes: Vec<CorosyncNode>,
}

/// A member of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorosyncNode {
    /// `name`
    pub name: String,
    /// `ring<n>_addr` by link number: an address or a host name.
    pub links: BTreeMap<u8, String>,
}
