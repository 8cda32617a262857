//! Rules in the mix that administrators write, and the values in them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::cluster::{N_ALIASES, N_GROUPS, N_SETS};
use crate::generate::Draw;

/// Common services first; the further back, the rarer.
const SERVICES: &[&str] = &[
    "SSH",
    "HTTPS",
    "HTTP",
    "Ping",
    "Web",
    "DNS",
    "NTP",
    "Mail",
    "SMTP",
    "IMAPS",
    "MySQL",
    "PostgreSQL",
    "LDAPS",
    "Syslog",
    "SNMP",
    "Rsync",
    "RDP",
    "SMB",
    "Git",
    "FTP",
    "Squid",
    "POP3S",
    "Submission",
    "VNC",
    "Ceph",
];

const PORTS: &[u16] = &[
    22, 25, 53, 80, 123, 143, 161, 389, 443, 465, 514, 587, 636, 853, 993, 995, 1194, 2049, 3000, 3306, 3389,
    5000, 5432, 5601, 5672, 5900, 6379, 6443, 8000, 8006, 8080, 8443, 9000, 9090, 9100, 9200, 10050, 27017,
];

/// What most port lists are.
const PORT_LISTS: &[&str] = &[
    "80,443",
    "80,443,8080",
    "25,465,587",
    "143,993",
    "110,995,143,993",
    "137:139,445",
    "5432,6432",
    "9090,9093,9100",
    "2379:2380,6443",
    "20:21,50000:50100",
    "3000,3100,9090",
    "8000:8080",
    "53,853",
    "389,636",
    "5900:5999,6080",
    "1514,1515,55000",
];

const ICMP_TYPES: &[&str] =
    &["echo-request", "echo-request", "echo-reply", "destination-unreachable", "time-exceeded"];
const LEVELS: &[&str] = &["info", "warning", "notice", "debug", "err"];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Service,
    Group,
    Port,
    PortList,
    Set,
    Alias,
    Addresses,
    Icmp,
    LoggedDrop,
    Egress,
    Disabled,
}

const MIX: &[(usize, Kind)] = &[
    (26, Kind::Service),
    (9, Kind::Group),
    (14, Kind::Port),
    (10, Kind::PortList),
    (8, Kind::Set),
    (6, Kind::Alias),
    (5, Kind::Addresses),
    (5, Kind::Icmp),
    (5, Kind::LoggedDrop),
    (10, Kind::Egress),
    (2, Kind::Disabled),
];

/// What rules of one file may name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Group rules are allowed.
    groups: bool,
    /// Number of devices that `-i` may name.
    n_nics: usize,
    /// Number of own sets, `own0` and so on.
    n_own_sets: usize,
}

impl Names {
    /// In a group.
    pub(super) fn group() -> Names {
        Names::default()
    }

    /// In `cluster.fw` or `host.fw`.
    pub(super) fn node() -> Names {
        Names { groups: true, ..Names::default() }
    }

    /// In a guest's file.
    pub(super) fn guest(n_nics: usize, n_own_sets: usize) -> Names {
        Names { groups: true, n_nics, n_own_sets }
    }

    /// So many lines.
    pub(super) fn rules(&self, draw: &mut Draw, n_rules: usize) -> String {
        (0..n_rules).map(|_| self.rule(draw) + "\n").collect()
    }

    fn rule(&self, draw: &mut Draw) -> String {
        let kind = draw.weighted(MIX);
        let on = self.interface(draw);
        let log = if draw.chance(8) { format!(" -log {}", draw.pick(LEVELS)) } else { String::new() };
        let protocol = draw.pick(&["tcp", "tcp", "tcp", "udp"]);
        let port = draw.pick(PORTS);
        match kind {
            Kind::Group if self.groups => format!("GROUP group{}{on}", draw.below(N_GROUPS)),
            Kind::Service | Kind::Group => {
                let verdict = draw.weighted(&[(18, "ACCEPT"), (1, "DROP"), (1, "REJECT")]);
                let index = draw
                    .below(SERVICES.len())
                    .min(draw.below(SERVICES.len()))
                    .min(draw.below(SERVICES.len()));
                format!("IN {}({verdict}){on}{}{log}", SERVICES[index], self.peer(draw, "source"))
            }
            Kind::Port => {
                format!("IN ACCEPT{on}{} -p {protocol} -dport {port}{log}", self.peer(draw, "source"))
            }
            Kind::PortList => {
                let (peer, ports) = (self.peer(draw, "source"), port_list(draw));
                format!("IN ACCEPT{on}{peer} -p {protocol} -dport {ports}{log}")
            }
            Kind::Set if draw.chance(50) => format!("IN ACCEPT{on} -source {}{log}", self.set(draw)),
            Kind::Set => format!("IN ACCEPT{on} -source {} -p {protocol} -dport {port}{log}", self.set(draw)),
            Kind::Alias => {
                let (alias, ports) = (alias(draw), port_list(draw));
                format!("IN ACCEPT{on} -source {alias} -p {protocol} -dport {ports}{log}")
            }
            Kind::Addresses => {
                format!("IN ACCEPT{on} -source {} -p {protocol} -dport {port}{log}", address_list(draw))
            }
            Kind::Icmp => {
                let source =
                    if draw.chance(50) { format!(" -source {}", v4_network(draw)) } else { String::new() };
                format!("IN ACCEPT{source} -p icmp -icmp-type {}{log}", draw.pick(ICMP_TYPES))
            }
            Kind::LoggedDrop => {
                let verdict = draw.pick(&["DROP", "REJECT"]);
                format!("IN {verdict} -source {} -log {}", address(draw), draw.pick(LEVELS))
            }
            Kind::Egress => {
                let verdict = draw.weighted(&[(3, "ACCEPT"), (1, "DROP"), (1, "REJECT")]);
                let (peer, ports) = (self.peer(draw, "dest"), port_list(draw));
                format!("OUT {verdict}{on}{peer} -p {protocol} -dport {ports}{log}")
            }
            Kind::Disabled => format!("|IN ACCEPT -p tcp -dport {port} # disabled for now"),
        }
    }

    fn interface(&self, draw: &mut Draw) -> String {
        if self.n_nics > 0 && draw.chance(10) {
            format!(" -i net{}", draw.below(self.n_nics))
        } else {
            String::new()
        }
    }

    /// Who is meant: often anybody.
    fn peer(&self, draw: &mut Draw, side: &str) -> String {
        match draw.below(20) {
            0..=5 => String::new(),
            6..=10 => format!(" -{side} {}", self.set(draw)),
            11..=14 => format!(" -{side} {}", alias(draw)),
            _ => format!(" -{side} {}", address(draw)),
        }
    }

    fn set(&self, draw: &mut Draw) -> String {
        if self.n_own_sets > 0 && draw.chance(40) {
            return format!("+guest/own{}", draw.below(self.n_own_sets));
        }
        format!("+dc/set{:02}", draw.below(N_SETS))
    }
}

fn alias(draw: &mut Draw) -> String {
    format!("dc/alias{:02}", draw.below(N_ALIASES))
}

/// A list of ports: one in five is like no other.
pub(super) fn port_list(draw: &mut Draw) -> String {
    if !draw.chance(20) {
        return draw.pick(PORT_LISTS).to_owned();
    }
    let mut ports: Vec<u16> = (0..draw.between(2, 6)).map(|_| draw.pick(PORTS)).collect();
    ports.sort_unstable();
    ports.dedup();
    let mut elements: Vec<String> = ports.iter().map(u16::to_string).collect();
    if draw.chance(40) {
        let first = draw.between(20_000, 50_000);
        elements.push(format!("{first}:{}", first + draw.between(1, 500)));
    }
    elements.join(",")
}

/// One address or network: one in ten is IPv6, one in three a single IPv4 address.
pub(super) fn address(draw: &mut Draw) -> String {
    match draw.below(10) {
        0 => v6_network(draw),
        1..=3 => v4_host(draw).to_string(),
        _ => v4_network(draw),
    }
}

/// Two to six addresses, networks and ranges of IPv4.
fn address_list(draw: &mut Draw) -> String {
    let element = |draw: &mut Draw| match draw.below(4) {
        0 => {
            let first = v4_host(draw);
            let last = first.to_bits() + u32::try_from(draw.between(2, 40)).expect("small");
            format!("{first}-{}", Ipv4Addr::from_bits(last))
        }
        1 => v4_host(draw).to_string(),
        _ => v4_network(draw),
    };
    let elements: Vec<String> = (0..draw.between(2, 6)).map(|_| element(draw)).collect();
    elements.join(",")
}

fn v4_host(draw: &mut Draw) -> Ipv4Addr {
    let [a, b, c, ..] = draw.bits().to_le_bytes();
    Ipv4Addr::new(10, a, b, c.clamp(1, 254))
}

/// A network of 10.0.0.0/8, most often a /24.
pub(super) fn v4_network(draw: &mut Draw) -> String {
    let prefix: u32 = draw.pick(&[16, 20, 22, 24, 24, 24, 26, 28, 29, 30]);
    let mask = u32::MAX << (32 - prefix);
    format!("{}/{prefix}", Ipv4Addr::from_bits(v4_host(draw).to_bits() & mask))
}

fn v6_network(draw: &mut Draw) -> String {
    let prefix: u32 = draw.pick(&[48, 56, 64, 64, 128]);
    let random = u128::from(draw.bits()) << 64 | u128::from(draw.bits());
    let address = 0xfd << 120 | random >> 8;
    format!("{}/{prefix}", Ipv6Addr::from_bits(address & u128::MAX << (128 - prefix)))
}
