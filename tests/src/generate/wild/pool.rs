//! Few values, so that rules overlap: packets that are drawn from the same pools meet them.

/// IPv4 addresses of the reference network and of strangers.
pub const V4: &[&str] = &[
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.50",
    "192.0.2.100",
    "192.0.2.199",
    "192.0.2.200",
    "198.51.100.1",
    "198.51.100.110",
    "203.0.113.1",
    "203.0.113.4",
    "203.0.113.40",
    "203.0.113.41",
    "10.66.0.5",
    "10.66.0.77",
    "192.0.2.255",
    "255.255.255.255",
    "224.0.0.251",
    "127.0.0.1",
];

/// IPv6 addresses of the same.
pub const V6: &[&str] = &[
    "2001:db8:a::1",
    "2001:db8:a::50",
    "2001:db8:a::100",
    "2001:db8:a::200",
    "2001:db8:b::110",
    "2001:db8:c::4",
    "2001:db8:c::41",
    "2001:db8:66::5",
    "fe80::be24:11ff:fe00:100",
    "ff02::1",
    "ff02::fb",
    "::1",
];

/// IPv4 networks.
pub const V4_NETWORKS: &[&str] = &[
    "192.0.2.0/24",
    "192.0.2.64/26",
    "192.0.2.96/29",
    "198.51.100.0/24",
    "203.0.113.0/25",
    "10.66.0.0/16",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "0.0.0.0/1",
    "224.0.0.0/4",
    "192.0.2.100/24",
    "192.0.2.200/32",
];

/// IPv6 networks.
pub const V6_NETWORKS: &[&str] = &[
    "2001:db8:a::/64",
    "2001:db8:a::100/120",
    "2001:db8::/32",
    "2001:db8:66::/48",
    "::/0",
    "fe80::/10",
    "ff00::/8",
    "2001:DB8:C::/64",
    "2001:db8:b::110/128",
    "::ffff:192.0.2.0/120",
];

/// IPv4 ranges.
pub const V4_RANGES: &[&str] = &[
    "192.0.2.40-192.0.2.110",
    "10.66.0.5-10.66.0.5",
    "198.51.100.100-203.0.113.9",
    "0.0.0.0-255.255.255.255",
];

/// IPv6 ranges.
pub const V6_RANGES: &[&str] = &["2001:db8:a::40-2001:db8:a::110", "2001:db8:b::-2001:db8:c::ffff"];

/// Lists that a rule or a set cannot hold.
pub const BAD_ADDRESSES: &[&str] = &[
    "10/8",
    "300.1.1.1",
    "1.2.3.4/33",
    "192.0.2.1,2001:db8::1",
    "10.0.0.9-10.0.0.1",
    "fe80::1%eth0",
    "!10.0.0.1",
    "010.0.0.1",
    "2001:db8::/129",
    ",10.0.0.1",
    "10.0.0.1,",
    "10.0.0.1,,10.0.0.2",
    "www.example",
    "+",
    "+dc/",
    "dc/",
    "+guest/9",
    "0",
    "10.0.0.1-2001:db8::1",
    "10.0.0.0/8-10.9.0.0",
    "\u{661}.2.3.4",
    "-",
    "+sdn",
    "1.2.3.4/",
];

/// Ports that packets should use, too.
pub const PORTS: &[&str] =
    &["22", "53", "80", "443", "8006", "8080", "5900", "1500", "0", "65535", "67", "546"];

/// Lists of ports.
pub const PORT_LISTS: &[&str] = &[
    "80,443",
    "22,80,443,8080",
    "1000:2000",
    "22,1000:2000",
    "0:65535",
    "http",
    "ssh,http",
    "http:443",
    "1:1023,8080",
    "1,2,3,5,7,11,13,17,19,23,29,31",
    "22,22:80,53,8006",
    "080",
    "1:1",
    "0:0",
    "echo",
];

/// Lists that a rule cannot hold.
pub const BAD_PORTS: &[&str] = &[
    ":80", "80:", "80-90", "65536", "443:80", "80,,81", ",", "+80", "nope", "http:ssh", "-1", "1:2:3", "1e3",
];

/// Protocols with ports.
pub const PORT_PROTOCOLS: &[&str] = &["tcp", "udp", "TCP", "6", "17", "sctp", "udplite", "dccp"];

/// ICMP protocols.
pub const ICMP_PROTOCOLS: &[&str] = &["icmp", "icmpv6", "ipv6-icmp", "1", "58", "ICMP"];

/// Other protocols.
pub const PROTOCOLS: &[&str] = &["gre", "esp", "ah", "47", "2", "255"];

/// What is no protocol.
pub const BAD_PROTOCOLS: &[&str] = &["0", "ip", "all", "256", "xyz", "-dport", "tcp,udp"];

/// ICMP types of either family.
pub const ICMP_TYPES: &[&str] = &[
    "echo-request",
    "echo-reply",
    "destination-unreachable",
    "port-unreachable",
    "time-exceeded",
    "any",
    "redirect",
    "router-advertisement",
    "neighbour-solicitation",
    "parameter-problem",
    "packet-too-big",
    "8",
    "128",
    "3",
    "255",
];

/// What is no type.
pub const BAD_ICMP_TYPES: &[&str] = &["3/1", "256", "Echo-Request", "echo-request,echo-reply", "nope", ""];

/// Names of aliases.
pub const ALIASES: &[&str] = &["web", "db", "lan6", "local_network", "x", "Mixed-Case_1"];

/// Names of sets.
pub const SETS: &[&str] =
    &["web", "hosts", "mixed", "empty", "blacklist", "management", "ipfilter-net0", "ipfilter-net1", "big"];

/// Names of groups; one is longer than names of the classic firewall can be.
pub const GROUPS: &[&str] = &["base", "Log-All", "reject", "a-group-name-of-more-than-eighteen"];

/// Names that are defined nowhere, or cannot be.
pub const BAD_NAMES: &[&str] = &[
    "missing",
    "9lives",
    "with space",
    "a.b",
    "",
    "a-name-of-more-than-sixty-four-characters-which-is-what-they-may-have-at-most",
];

/// Log levels.
pub const LEVELS: &[&str] = &["info", "debug", "err", "warning", "warn", "emerg", "nolog", "INFO"];
