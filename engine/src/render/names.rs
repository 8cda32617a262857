//! Names of numbers, as nft(8) reads and lists them.
//!
//! Names are written only where every nft version has them built in; protocols beyond these come from
//! `/etc/protocols`, which a machine may lack, so they stay numbers.

use crate::ruleset::{DataType, Field};

/// A number and its name.
pub(crate) type Symbol = (u128, &'static str);

/// Names that are written, by type; the first name of a number is the one to write.
pub(crate) fn symbols(data_type: DataType) -> &'static [Symbol] {
    match data_type {
        DataType::EtherType => ETHER_TYPES,
        DataType::InetProto => PROTOCOLS,
        DataType::Nfproto => NFPROTOS,
        DataType::IcmpType => ICMP_TYPES,
        DataType::Icmpv6Type => ICMPV6_TYPES,
        DataType::CtState => CT_STATES,
        DataType::TcpFlag => TCP_FLAGS,
        DataType::FibAddrType => FIB_TYPES,
        DataType::Ifname
        | DataType::Ifindex
        | DataType::Ipv4Addr
        | DataType::Ipv6Addr
        | DataType::EtherAddr
        | DataType::InetService
        | DataType::Mark
        | DataType::Integer8
        | DataType::Integer12
        | DataType::Integer13
        | DataType::Integer16
        | DataType::Integer128 => &[],
    }
}

/// The number behind a name that a listing shows for a field.
pub(crate) fn numbers_of(field: Option<Field>, data_type: DataType, name: &str) -> Option<u128> {
    let listed: &[Symbol] = match (field, data_type) {
        (Some(Field::IcmpCode), _) => ICMP_CODES,
        (Some(Field::Icmpv6Code), _) => ICMPV6_CODES,
        (Some(Field::ArpPtype), _) | (_, DataType::EtherType) => LISTED_ETHER_TYPES,
        (_, DataType::InetProto) => LISTED_PROTOCOLS,
        (_, DataType::Icmpv6Type) => LISTED_ICMPV6_TYPES,
        _ => &[],
    };
    let known = symbols(data_type).iter().chain(listed).find(|(_, text)| *text == name);
    known.map(|(number, _)| *number)
}

const ETHER_TYPES: &[Symbol] = &[(0x0800, "ip"), (0x0806, "arp"), (0x86dd, "ip6")];

const LISTED_ETHER_TYPES: &[Symbol] = &[(0x8100, "8021q"), (0x88a8, "8021ad"), (0x8100, "vlan")];

const PROTOCOLS: &[Symbol] = &[
    (1, "icmp"),
    (2, "igmp"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "icmpv6"),
    (132, "sctp"),
    (136, "udplite"),
];

/// What `/etc/protocols` of Debian adds.
const LISTED_PROTOCOLS: &[Symbol] = &[
    (0, "ip"),
    (3, "ggp"),
    (4, "ipencap"),
    (5, "st"),
    (8, "egp"),
    (9, "igp"),
    (12, "pup"),
    (20, "hmp"),
    (22, "xns-idp"),
    (27, "rdp"),
    (29, "iso-tp4"),
    (36, "xtp"),
    (37, "ddp"),
    (38, "idpr-cmtp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (45, "idrp"),
    (46, "rsvp"),
    (57, "skip"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (73, "rspf"),
    (81, "vmtp"),
    (88, "eigrp"),
    (89, "ospf"),
    (93, "ax.25"),
    (94, "ipip"),
    (97, "etherip"),
    (98, "encap"),
    (99, "99"),
    (103, "pim"),
    (108, "ipcomp"),
    (108, "comp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (133, "fc"),
    (135, "mobility-header"),
    (137, "mpls-in-ip"),
    (138, "manet"),
    (139, "hip"),
    (140, "shim6"),
    (141, "wesp"),
    (142, "rohc"),
    (143, "ethernet"),
    (262, "mptcp"),
];

const NFPROTOS: &[Symbol] = &[(2, "ipv4"), (10, "ipv6")];

const ICMP_TYPES: &[Symbol] = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];

const ICMPV6_TYPES: &[Symbol] = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
];

const LISTED_ICMPV6_TYPES: &[Symbol] = &[(132, "mld-listener-reduction")];

const ICMP_CODES: &[Symbol] = &[
    (0, "net-unreachable"),
    (1, "host-unreachable"),
    (2, "prot-unreachable"),
    (3, "port-unreachable"),
    (4, "frag-needed"),
    (9, "net-prohibited"),
    (10, "host-prohibited"),
    (13, "admin-prohibited"),
];

const ICMPV6_CODES: &[Symbol] = &[
    (0, "no-route"),
    (1, "admin-prohibited"),
    (3, "addr-unreachable"),
    (4, "port-unreachable"),
    (5, "policy-fail"),
    (6, "reject-route"),
];

const CT_STATES: &[Symbol] =
    &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];

const TCP_FLAGS: &[Symbol] = &[
    (0x01, "fin"),
    (0x02, "syn"),
    (0x04, "rst"),
    (0x08, "psh"),
    (0x10, "ack"),
    (0x20, "urg"),
    (0x40, "ecn"),
    (0x80, "cwr"),
];

const FIB_TYPES: &[Symbol] = &[
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];
