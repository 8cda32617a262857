//! The macros of the manual, chapter *Firewall*, appendix: name, description, and what each stands for.

use crate::model::address::Family;
use crate::model::icmp::IcmpMatch;
use crate::model::port::PortProtocol::{self, Tcp, Udp};
use crate::model::port::PortRange;

/// A macro.
#[derive(Debug, PartialEq, Eq)]
pub struct Macro {
    /// Preferred spelling; a rule may write it in any case.
    pub name: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// What it stands for, in the order of evaluation.
    pub components: &'static [MacroComponent],
}

/// One of the things that a macro stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct MacroComponent {
    /// The family it is meant for; `None`: both.
    pub family: Option<Family>,
    /// Protocol and what is asked of it.
    pub transport: MacroTransport,
}

/// Protocol of a component.
#[derive(Debug, PartialEq, Eq)]
pub enum MacroTransport {
    /// A protocol with ports; an empty list means "any port".
    Ports {
        /// Which.
        protocol: PortProtocol,
        /// Destination ports.
        dport: &'static [PortRange],
        /// Source ports.
        sport: &'static [PortRange],
    },
    /// ICMP.
    Icmp(IcmpMatch),
    /// ICMPv6.
    Icmpv6(IcmpMatch),
    /// Another IP protocol.
    Other(u8),
}

/// The macro of this name, in any case.
pub fn find(name: &str) -> Option<&'static Macro> {
    MACROS.iter().find(|m| m.name.eq_ignore_ascii_case(name))
}

const fn one(port: u16) -> PortRange {
    PortRange { first: port, last: port }
}

const fn range(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

const fn ports(protocol: PortProtocol, dport: &'static [PortRange]) -> MacroComponent {
    both_ports(protocol, dport, &[])
}

const fn both_ports(
    protocol: PortProtocol,
    dport: &'static [PortRange],
    sport: &'static [PortRange],
) -> MacroComponent {
    MacroComponent { family: None, transport: MacroTransport::Ports { protocol, dport, sport } }
}

const fn other(protocol: u8) -> MacroComponent {
    MacroComponent { family: None, transport: MacroTransport::Other(protocol) }
}

const fn icmp(kind: u8) -> MacroComponent {
    MacroComponent { family: Some(Family::V4), transport: MacroTransport::Icmp(IcmpMatch::Type(kind)) }
}

const fn icmpv6(kind: u8) -> MacroComponent {
    MacroComponent { family: Some(Family::V6), transport: MacroTransport::Icmpv6(IcmpMatch::Type(kind)) }
}

const DHCPV6_PORTS: MacroTransport =
    MacroTransport::Ports { protocol: Udp, dport: &[range(546, 547)], sport: &[range(546, 547)] };

/// All macros, by name.
pub const MACROS: &[Macro] = &[
    Macro {
        name: "Amanda",
        description: "Amanda network backup, control port",
        components: &[ports(Udp, &[one(10080)]), ports(Tcp, &[one(10080)])],
    },
    Macro {
        name: "Auth",
        description: "Ident / authentication service lookups",
        components: &[ports(Tcp, &[one(113)])],
    },
    Macro { name: "BGP", description: "BGP routing peers", components: &[ports(Tcp, &[one(179)])] },
    Macro {
        name: "BitTorrent",
        description: "BitTorrent peers, classic (up to 3.1) port range",
        components: &[ports(Tcp, &[range(6881, 6889)]), ports(Udp, &[one(6881)])],
    },
    Macro {
        name: "BitTorrent32",
        description: "BitTorrent peers, wide (3.2 and newer) port range",
        components: &[ports(Tcp, &[range(6881, 6999)]), ports(Udp, &[one(6881)])],
    },
    Macro {
        name: "Ceph",
        description: "Ceph cluster daemons: monitors (v1 and v2), OSD and MDS range",
        components: &[ports(Tcp, &[one(6789)]), ports(Tcp, &[one(3300)]), ports(Tcp, &[range(6800, 7300)])],
    },
    Macro {
        name: "Citrix",
        description: "Citrix ICA, ICA browser and common gateway ports",
        components: &[ports(Tcp, &[one(1494)]), ports(Udp, &[one(1604)]), ports(Tcp, &[one(2598)])],
    },
    Macro { name: "CVS", description: "CVS password server", components: &[ports(Tcp, &[one(2401)])] },
    Macro {
        name: "DAAP",
        description: "DAAP media sharing",
        components: &[ports(Tcp, &[one(3689)]), ports(Udp, &[one(3689)])],
    },
    Macro { name: "DCC", description: "DCC spam checksum exchange", components: &[ports(Tcp, &[one(6277)])] },
    Macro {
        name: "DHCPfwd",
        description: "DHCPv4 as seen by a relay (both directions)",
        components: &[both_ports(Udp, &[range(67, 68)], &[range(67, 68)])],
    },
    Macro {
        name: "DHCPv6",
        description: "DHCPv6 client and server ports",
        components: &[MacroComponent { family: Some(Family::V6), transport: DHCPV6_PORTS }],
    },
    Macro {
        name: "Distcc",
        description: "Distributed compilation service",
        components: &[ports(Tcp, &[one(3632)])],
    },
    Macro {
        name: "DNS",
        description: "Name resolution over UDP and TCP",
        components: &[ports(Udp, &[one(53)]), ports(Tcp, &[one(53)])],
    },
    Macro { name: "Finger", description: "Finger user lookup", components: &[ports(Tcp, &[one(79)])] },
    Macro {
        name: "FTP",
        description: "FTP control connection (data needs the conntrack helper)",
        components: &[ports(Tcp, &[one(21)])],
    },
    Macro { name: "Git", description: "Native git protocol", components: &[ports(Tcp, &[one(9418)])] },
    Macro {
        name: "GNUnet",
        description: "GNUnet peer-to-peer overlay",
        components: &[
            ports(Tcp, &[one(2086)]),
            ports(Udp, &[one(2086)]),
            ports(Tcp, &[one(1080)]),
            ports(Udp, &[one(1080)]),
        ],
    },
    Macro { name: "GRE", description: "GRE tunnels", components: &[other(47)] },
    Macro {
        name: "HKP",
        description: "OpenPGP key server over HTTP",
        components: &[ports(Tcp, &[one(11371)])],
    },
    Macro { name: "HTTP", description: "Plain web traffic", components: &[ports(Tcp, &[one(80)])] },
    Macro { name: "HTTP/3", description: "HTTP over QUIC", components: &[ports(Udp, &[one(443)])] },
    Macro { name: "HTTPS", description: "TLS web traffic", components: &[ports(Tcp, &[one(443)])] },
    Macro {
        name: "ICPV2",
        description: "Squid inter-cache queries",
        components: &[ports(Udp, &[one(3130)])],
    },
    Macro { name: "ICQ", description: "ICQ / AIM messaging", components: &[ports(Tcp, &[one(5190)])] },
    Macro { name: "IMAP", description: "Mailbox access by IMAP", components: &[ports(Tcp, &[one(143)])] },
    Macro {
        name: "IMAPS",
        description: "Mailbox access by IMAP over TLS",
        components: &[ports(Tcp, &[one(993)])],
    },
    Macro { name: "IPIP", description: "IP encapsulated in IP (protocol 94)", components: &[other(94)] },
    Macro {
        name: "IPsec",
        description: "IPsec with ESP and IKE on port 500 both ends",
        components: &[both_ports(Udp, &[one(500)], &[one(500)]), other(50)],
    },
    Macro {
        name: "IPsecah",
        description: "IPsec with AH and IKE on port 500 both ends",
        components: &[both_ports(Udp, &[one(500)], &[one(500)]), other(51)],
    },
    Macro {
        name: "IPsecnat",
        description: "IPsec with ESP, IKE and NAT traversal",
        components: &[ports(Udp, &[one(500)]), ports(Udp, &[one(4500)]), other(50)],
    },
    Macro {
        name: "IRC",
        description: "Internet chat relay, default port",
        components: &[ports(Tcp, &[one(6667)])],
    },
    Macro {
        name: "Jetdirect",
        description: "Raw network printing port",
        components: &[ports(Tcp, &[one(9100)])],
    },
    Macro { name: "L2TP", description: "L2TP tunnels", components: &[ports(Udp, &[one(1701)])] },
    Macro { name: "LDAP", description: "Directory access", components: &[ports(Tcp, &[one(389)])] },
    Macro { name: "LDAPS", description: "Directory access over TLS", components: &[ports(Tcp, &[one(636)])] },
    Macro {
        name: "Mail",
        description: "Mail transfer and submission ports together",
        components: &[ports(Tcp, &[one(25)]), ports(Tcp, &[one(465)]), ports(Tcp, &[one(587)])],
    },
    Macro { name: "MDNS", description: "Multicast name discovery", components: &[ports(Udp, &[one(5353)])] },
    Macro {
        name: "MSNP",
        description: "Microsoft messenger service",
        components: &[ports(Tcp, &[one(1863)])],
    },
    Macro { name: "MSSQL", description: "Microsoft SQL database", components: &[ports(Tcp, &[one(1433)])] },
    Macro { name: "Munin", description: "Munin monitoring node", components: &[ports(Tcp, &[one(4949)])] },
    Macro {
        name: "MySQL",
        description: "MySQL or MariaDB database",
        components: &[ports(Tcp, &[one(3306)])],
    },
    Macro {
        name: "NeighborDiscovery",
        description: "IPv6 router and neighbour discovery messages",
        components: &[icmpv6(133), icmpv6(134), icmpv6(135), icmpv6(136)],
    },
    Macro { name: "NNTP", description: "News transfer", components: &[ports(Tcp, &[one(119)])] },
    Macro { name: "NNTPS", description: "News transfer over TLS", components: &[ports(Tcp, &[one(563)])] },
    Macro { name: "NTP", description: "Clock synchronisation", components: &[ports(Udp, &[one(123)])] },
    Macro {
        name: "OpenVPN",
        description: "OpenVPN default UDP port",
        components: &[ports(Udp, &[one(1194)])],
    },
    Macro { name: "OSPF", description: "OSPF routing (protocol 89)", components: &[other(89)] },
    Macro {
        name: "PBS",
        description: "Proxmox Backup Server API and web port",
        components: &[ports(Tcp, &[one(8007)])],
    },
    Macro {
        name: "PCA",
        description: "pcAnywhere remote control",
        components: &[ports(Udp, &[one(5632)]), ports(Tcp, &[one(5631)])],
    },
    Macro {
        name: "Ping",
        description: "Echo requests (ICMP for IPv4, ICMPv6 for IPv6)",
        components: &[icmp(8), icmpv6(128)],
    },
    Macro {
        name: "PMG",
        description: "Proxmox Mail Gateway admin port",
        components: &[ports(Tcp, &[one(8006)])],
    },
    Macro { name: "POP3", description: "Mailbox retrieval by POP3", components: &[ports(Tcp, &[one(110)])] },
    Macro {
        name: "POP3S",
        description: "Mailbox retrieval by POP3 over TLS",
        components: &[ports(Tcp, &[one(995)])],
    },
    Macro { name: "PostgreSQL", description: "PostgreSQL database", components: &[ports(Tcp, &[one(5432)])] },
    Macro {
        name: "PPtP",
        description: "PPTP control channel plus its GRE tunnel",
        components: &[other(47), ports(Tcp, &[one(1723)])],
    },
    Macro { name: "Printer", description: "LPD printing", components: &[ports(Tcp, &[one(515)])] },
    Macro {
        name: "Razor",
        description: "Razor spam signature service",
        components: &[ports(Tcp, &[one(2703)])],
    },
    Macro { name: "Rdate", description: "Legacy remote clock query", components: &[ports(Tcp, &[one(37)])] },
    Macro { name: "RDP", description: "Windows remote desktop", components: &[ports(Tcp, &[one(3389)])] },
    Macro { name: "RIP", description: "RIP routing updates", components: &[ports(Udp, &[one(520)])] },
    Macro { name: "RNDC", description: "BIND control channel", components: &[ports(Tcp, &[one(953)])] },
    Macro { name: "Rsync", description: "Rsync daemon", components: &[ports(Tcp, &[one(873)])] },
    Macro { name: "SANE", description: "Scanner sharing daemon", components: &[ports(Tcp, &[one(6566)])] },
    Macro {
        name: "SixXS",
        description: "SixXS IPv6 tunnel broker services",
        components: &[
            ports(Tcp, &[one(3874)]),
            ports(Udp, &[one(3740)]),
            other(41),
            ports(Udp, &[one(5072), one(8374)]),
        ],
    },
    Macro {
        name: "SMB",
        description: "Windows file sharing and NetBIOS",
        components: &[
            ports(Udp, &[one(135), one(445)]),
            ports(Udp, &[range(137, 139)]),
            both_ports(Udp, &[range(1024, 65535)], &[one(137)]),
            ports(Tcp, &[one(135), one(139), one(445)]),
        ],
    },
    Macro { name: "SMBswat", description: "Samba SWAT admin page", components: &[ports(Tcp, &[one(901)])] },
    Macro { name: "SMTP", description: "Mail transfer", components: &[ports(Tcp, &[one(25)])] },
    Macro {
        name: "SMTPS",
        description: "Mail transfer with implicit TLS",
        components: &[ports(Tcp, &[one(465)])],
    },
    Macro {
        name: "SNMP",
        description: "Network management queries and traps",
        components: &[ports(Udp, &[range(161, 162)]), ports(Tcp, &[one(161)])],
    },
    Macro { name: "SPAMD", description: "SpamAssassin daemon", components: &[ports(Tcp, &[one(783)])] },
    Macro {
        name: "SPICEproxy",
        description: "SPICE console proxy of the hypervisor",
        components: &[ports(Tcp, &[one(3128)])],
    },
    Macro { name: "Squid", description: "Squid web proxy", components: &[ports(Tcp, &[one(3128)])] },
    Macro { name: "SSH", description: "Secure shell", components: &[ports(Tcp, &[one(22)])] },
    Macro {
        name: "Submission",
        description: "Mail submission by clients",
        components: &[ports(Tcp, &[one(587)])],
    },
    Macro { name: "SVN", description: "Subversion server", components: &[ports(Tcp, &[one(3690)])] },
    Macro {
        name: "Syslog",
        description: "Remote logging over UDP and TCP",
        components: &[ports(Udp, &[one(514)]), ports(Tcp, &[one(514)])],
    },
    Macro {
        name: "Telnet",
        description: "Clear-text remote terminal",
        components: &[ports(Tcp, &[one(23)])],
    },
    Macro {
        name: "Telnets",
        description: "Remote terminal over TLS",
        components: &[ports(Tcp, &[one(992)])],
    },
    Macro { name: "TFTP", description: "Trivial file transfer", components: &[ports(Udp, &[one(69)])] },
    Macro { name: "Time", description: "RFC 868 time service", components: &[ports(Tcp, &[one(37)])] },
    Macro {
        name: "Trcrt",
        description: "Traceroute probes (UDP range and echo requests)",
        components: &[ports(Udp, &[range(33434, 33524)]), icmp(8), icmpv6(128)],
    },
    Macro {
        name: "VNC",
        description: "VNC displays 0 to 99",
        components: &[ports(Tcp, &[range(5900, 5999)])],
    },
    Macro {
        name: "VNCL",
        description: "VNC viewers in listening mode",
        components: &[ports(Tcp, &[one(5500)])],
    },
    Macro {
        name: "Web",
        description: "HTTP and HTTPS together",
        components: &[ports(Tcp, &[one(80)]), ports(Tcp, &[one(443)])],
    },
    Macro {
        name: "Webcache",
        description: "Web proxy on port 8080",
        components: &[ports(Tcp, &[one(8080)])],
    },
    Macro { name: "Webmin", description: "Webmin admin page", components: &[ports(Tcp, &[one(10000)])] },
    Macro { name: "Whois", description: "Registry lookups", components: &[ports(Tcp, &[one(43)])] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_components_counted() {
        for (index, one) in MACROS.iter().enumerate() {
            let first = MACROS.iter().position(|m| m.name.eq_ignore_ascii_case(one.name));
            assert_eq!(first, Some(index), "{}", one.name);
            assert!(!one.components.is_empty() && !one.description.is_empty(), "{}", one.name);
        }
        assert_eq!(MACROS.len(), 88);
        assert_eq!(MACROS.iter().map(|m| m.components.len()).sum::<usize>(), 123);
    }
}
