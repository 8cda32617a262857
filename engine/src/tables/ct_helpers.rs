//! Conntrack helpers that `nf_conntrack_helpers` may name (manual, chapter *Firewall*; kernel modules
//! `nf_conntrack_<name>`).

use crate::model::address::Family;
use crate::model::port::PortProtocol;

/// A helper: what it listens to.
#[derive(Debug, PartialEq, Eq)]
pub struct CtHelper {
    /// Name in the configuration and in the kernel.
    pub name: &'static str,
    /// Transport protocol.
    pub protocol: PortProtocol,
    /// Server port.
    pub port: u16,
    /// Families that the kernel's helper knows.
    pub families: &'static [Family],
}

const V4: &[Family] = &[Family::V4];
const BOTH: &[Family] = &Family::BOTH;

/// All helpers.
pub const CT_HELPERS: &[CtHelper] = &[
    CtHelper { name: "amanda", protocol: PortProtocol::Udp, port: 10080, families: BOTH },
    CtHelper { name: "ftp", protocol: PortProtocol::Tcp, port: 21, families: BOTH },
    CtHelper { name: "irc", protocol: PortProtocol::Tcp, port: 6667, families: V4 },
    CtHelper { name: "netbios-ns", protocol: PortProtocol::Udp, port: 137, families: V4 },
    CtHelper { name: "pptp", protocol: PortProtocol::Tcp, port: 1723, families: V4 },
    CtHelper { name: "sane", protocol: PortProtocol::Tcp, port: 6566, families: BOTH },
    CtHelper { name: "sip", protocol: PortProtocol::Udp, port: 5060, families: BOTH },
    CtHelper { name: "snmp", protocol: PortProtocol::Udp, port: 161, families: V4 },
    CtHelper { name: "tftp", protocol: PortProtocol::Udp, port: 69, families: BOTH },
];
