//! Ports that keep a node manageable and its cluster together, open behind the rules.

use crate::model::port::PortRange;

const fn ports(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

/// TCP ports of a node: SSH, SPICE proxy, VNC console, web and API, live migration.
pub const MANAGEMENT_IN: [PortRange; 5] =
    [ports(22, 22), ports(3128, 3128), ports(5900, 5999), ports(8006, 8006), ports(60000, 60050)];
/// The same towards other nodes; migration goes out under the policy.
pub const MANAGEMENT_OUT: [PortRange; 4] =
    [ports(22, 22), ports(3128, 3128), ports(5900, 5999), ports(8006, 8006)];
/// UDP ports of corosync: knet link n uses 5405 + n, 5404 is the old transport's second port.
pub const COROSYNC: PortRange = ports(5404, 5412);
