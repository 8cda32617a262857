//! Kitchen sinks: rulesets that use every statement, field and kind of set of the IR.

use std::sync::Arc;

use engine::model::address::Family;
use engine::model::options::RateUnit;
use engine::model::port::PortProtocol;
use engine::ruleset::field::{Side, ct_state};
use engine::ruleset::{
    Chain, DataType, Device, ElementData, Field, HelperObject, Hook, Limit, Op, RejectWith, Ruleset, Set,
    SetKind, Statement, Table, TableFamily, Verdict,
};

use super::{
    ORIGIN, accept, chain, drop, element, entry, eq, lookup, masked, n, name, ne, per_second, range, set, v4,
    v6, vmap,
};

const TCP_DPORT: Field = Field::Port(PortProtocol::Tcp, Side::Dest);

/// All that does not need the bridge family's conntrack, reject and meta modules.
pub(crate) fn everywhere() -> Ruleset {
    Ruleset { tables: vec![inet(), bridge(Vec::new())] }
}

/// What a kernel with these modules loads as well.
pub(crate) fn with_bridge_modules() -> Ruleset {
    Ruleset { tables: vec![inet(), bridge(bridge_module_chains()), netdev()] }
}

/// At the one device that every namespace has.
fn netdev() -> Table {
    let marked = masked(Field::Mark, 0x1000_0000, Op::Eq, 0x1000_0000);
    let device = Device { name: "lo".into(), index: 1 };
    let rules = vec![
        vec![marked, Statement::Counter, Statement::Forward(device.clone())],
        vec![Statement::MarkClear(0x1000_0000), accept()],
    ];
    let mut egress = chain("lo", Some((Hook::Egress, 0)), 0xd00, rules);
    egress.base.iter_mut().for_each(|base| base.device = Some(device.clone()));
    let (helpers, sets) = (Vec::new(), Vec::new());
    Table { family: TableFamily::Netdev, name: "kitchen".into(), helpers, sets, chains: shared(vec![egress]) }
}

/// Sets whose key has an integer, which has no type name.
pub(crate) fn integer_keys() -> Ruleset {
    let by_port = vec![element([name("tap100i0"), n(5)]), element([name("tap100i0"), n(7)])];
    let by_vlan = vec![entry([n(5)], ElementData::Verdict(Verdict::Accept))];
    let hops = vec![entry([n(255)], ElementData::Mark(3))];
    let by_port_and_vlan = [DataType::Ifname, DataType::Integer12];
    let rules = vec![
        vec![lookup(&[Field::Iifname, Field::VlanId], "by-port-and-vlan", Op::Eq), accept()],
        vec![vmap(&[Field::VlanId], "by-vlan")],
    ];
    let mark = vec![vec![Statement::CtMarkSet { key: [Field::Ip6Hoplimit].into(), map: "hops".into() }]];
    let table = |family, sets: Vec<Set>, chain: Chain| Table {
        family,
        name: "integers".into(),
        helpers: Vec::new(),
        sets: shared(sets),
        chains: vec![chain.into()],
    };
    let tables = vec![
        table(
            TableFamily::Bridge,
            vec![
                with(set("by-port-and-vlan", &by_port_and_vlan, SetKind::Set), false, by_port),
                with(set("by-vlan", &[DataType::Integer12], SetKind::VerdictMap), false, by_vlan),
            ],
            chain("frames", None, 1, rules),
        ),
        table(
            TableFamily::Inet,
            vec![with(set("hops", &[DataType::Integer8], SetKind::MarkMap), false, hops)],
            chain("marks", None, 9, mark),
        ),
    ];
    Ruleset { tables }
}

fn shared<T>(objects: Vec<T>) -> Vec<Arc<T>> {
    objects.into_iter().map(Arc::new).collect()
}

fn inet() -> Table {
    let helper = |object: &str, family| HelperObject {
        name: object.into(),
        helper: "ftp",
        protocol: PortProtocol::Tcp,
        family,
        origin: ORIGIN,
    };
    Table {
        family: TableFamily::Inet,
        name: "kitchen".into(),
        helpers: vec![helper("ftp", Family::V4), helper("ftp-v6", Family::V6)],
        sets: shared([sets_of_addresses(), sets_of_types(), maps()].concat()),
        chains: shared(vec![
            chain("prerouting", Some((Hook::Prerouting, -300)), 0x100, prerouting()),
            chain("input", Some((Hook::Input, 0)), 0x200, [states(), transport(), actions()].concat()),
            chain("forward", Some((Hook::Forward, 7)), 0x300, addresses()),
            chain("output", Some((Hook::Output, i32::MIN + 1000)), 0x400, lookups()),
            chain("postrouting", Some((Hook::Postrouting, i32::MAX)), 0x500, vec![vec![Statement::Counter]]),
            chain("guest-100-in", None, 0x600, vec![vec![Statement::Verdict(Verdict::Goto("deep".into()))]]),
            chain("deep", None, 0xffff_ffff_ffff_ff00, vec![vec![Statement::Verdict(Verdict::Return)]]),
            chain("empty", None, 0, Vec::new()),
        ]),
    }
}

fn with(mut set: Set, interval: bool, elements: Vec<engine::ruleset::Element>) -> Set {
    set.interval = interval;
    set.elements = elements;
    set
}

fn sets_of_addresses() -> Vec<Set> {
    let v4_set = vec![
        element([n(v4("1.2.3.4"))]),
        element([range(v4("10.0.0.0"), v4("10.255.255.255"))]),
        element([range(v4("192.168.1.1"), v4("192.168.1.7"))]),
        element([range(v4("192.168.1.8"), v4("192.168.1.9"))]),
    ];
    let v6_set = vec![
        element([range(v6("::"), v6("::5"))]),
        element([n(v6("::ffff:10.0.0.1"))]),
        element([range(v6("fe80::"), v6("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))]),
    ];
    let mac = 0x0011_2233_4455;
    let macs = vec![element([n(mac)]), element([range(0x0100_0000_0000, 0x0100_0000_00ff)])];
    let nets = vec![
        element([name("tap100i0"), range(v4("10.0.0.0"), v4("10.0.0.255"))]),
        element([name("tap100i1"), range(v4("10.0.1.5"), v4("10.0.1.9"))]),
        element([name("tap100i1"), n(v4("10.0.2.1"))]),
    ];
    let wild = vec![element([name("eth0")]), element([name("tap1*")])];
    let dynamic = SetKind::Dynamic { size: 65535, timeout_s: 90 };
    vec![
        with(set("v4-dc/admins", &[DataType::Ipv4Addr], SetKind::Set), true, v4_set),
        with(set("v6", &[DataType::Ipv6Addr], SetKind::Set), true, v6_set),
        with(set("v4-single", &[DataType::Ipv4Addr], SetKind::Set), false, vec![element([n(v4("9.9.9.9"))])]),
        with(set("macs", &[DataType::EtherAddr], SetKind::Set), true, macs),
        with(set("nets", &[DataType::Ifname, DataType::Ipv4Addr], SetKind::Set), true, nets),
        with(set("wild", &[DataType::Ifname], SetKind::Set), true, wild),
        set("syn6", &[DataType::Ipv6Addr], dynamic),
        set("syn4", &[DataType::Ipv4Addr], dynamic),
        set("none", &[DataType::Ipv4Addr], SetKind::Set),
    ]
}

fn sets_of_types() -> Vec<Set> {
    let one = |name: &str, data_type, numbers: &[u128]| {
        let elements = numbers.iter().map(|number| element([n(*number)])).collect();
        with(set(name, &[data_type], SetKind::Set), false, elements)
    };
    let ranges = |name: &str, data_type, ranges: &[(u128, u128)]| {
        let elements = ranges.iter().map(|(first, last)| element([range(*first, *last)])).collect();
        with(set(name, &[data_type], SetKind::Set), true, elements)
    };
    vec![
        one("ether-types", DataType::EtherType, &[0x0800, 0x0806, 0x8100, 0x86dd, 0x9000]),
        one("l4protos", DataType::InetProto, &[1, 6, 17, 58, 89, 253]),
        one("nfprotos", DataType::Nfproto, &[2, 10]),
        one("icmp-types", DataType::IcmpType, &[0, 8, 200]),
        ranges("icmpv6-types", DataType::Icmpv6Type, &[(1, 4), (133, 136), (200, 200)]),
        ranges("marks", DataType::Mark, &[(1, 1), (5, 9)]),
        ranges("ports", DataType::InetService, &[(22, 22), (80, 81), (1024, 65535)]),
        one("ct-states", DataType::CtState, &[2, 4]),
        one("tcp-flags", DataType::TcpFlag, &[2, 0x12]),
        one("fib-types", DataType::FibAddrType, &[2, 3, 5]),
    ]
}

fn maps() -> Vec<Set> {
    let to = |verdict| ElementData::Verdict(verdict);
    let by_name = vec![
        entry([name("tap100i0")], to(Verdict::Jump("guest-100-in".into()))),
        entry([name("tap100i1")], to(Verdict::Goto("guest-100-in".into()))),
        entry([name("tap100i2")], to(Verdict::Accept)),
        entry([name("tap100i3")], to(Verdict::Drop)),
        entry([name("tap100i4")], to(Verdict::Return)),
    ];
    let by_net =
        vec![entry([range(v4("10.0.0.0"), v4("10.255.255.255")), range(22, 25)], to(Verdict::Accept))];
    let marks = vec![
        entry([name("tap100i0")], ElementData::Mark(0x10)),
        entry([name("veth1")], ElementData::Mark(7)),
    ];
    let net_key = [DataType::Ipv4Addr, DataType::InetService];
    vec![
        with(set("guests", &[DataType::Ifname], SetKind::VerdictMap), false, by_name),
        with(set("simple", &net_key, SetKind::VerdictMap), true, by_net),
        with(set("zones", &[DataType::Ifname], SetKind::MarkMap), false, marks),
        set("zones-by-mac", &[DataType::Ifname, DataType::EtherAddr], SetKind::MarkMap),
        set("device-ports", &[DataType::Ifname, DataType::InetService], SetKind::Set),
    ]
}

fn prerouting() -> Vec<Vec<Statement>> {
    vec![
        vec![eq(Field::Iifname, name("eth0")), Statement::Notrack],
        vec![ne(Field::Iifname, name("tap1*")), eq(Field::Protocol, n(0x0800)), accept()],
        vec![eq(Field::Protocol, n(0x86dd)), accept()],
        vec![eq(Field::Protocol, n(0x0806)), accept()],
        vec![eq(Field::Protocol, n(0x8100)), accept()],
        vec![eq(Field::Protocol, n(0x1234)), accept()],
        vec![Statement::CtHelper("ftp-v6".into())],
        vec![eq(Field::FibSaddrType, n(3)), drop()],
        vec![ne(Field::FibDaddrType, n(2)), drop()],
        vec![eq(Field::FibDaddrType, n(5)), drop()],
    ]
}

fn states() -> Vec<Vec<Statement>> {
    let open = u128::from(ct_state::ESTABLISHED | ct_state::RELATED);
    vec![
        vec![Statement::CtState(ct_state::ESTABLISHED | ct_state::RELATED), Statement::Counter, accept()],
        vec![Statement::CtState(ct_state::INVALID), drop()],
        vec![Statement::CtState(ct_state::UNTRACKED), drop()],
        vec![masked(Field::CtState, open, Op::Eq, 0), drop()],
        vec![masked(Field::CtState, open, Op::Ne, 0), drop()],
        vec![masked(Field::CtState, open, Op::Eq, open), drop()],
        vec![masked(Field::CtState, open | 8, Op::Ne, 8), drop()],
        vec![eq(Field::CtState, n(ct_state::NEW.into())), drop()],
        vec![ne(Field::CtState, n(ct_state::NEW.into())), drop()],
        vec![eq(Field::CtMark, n(5)), drop()],
        vec![masked(Field::CtMark, 0xff00, Op::Eq, 0x100), drop()],
        vec![eq(Field::Mark, range(5, 9)), drop()],
        vec![masked(Field::Mark, 0x40, Op::Ne, 0), drop()],
        vec![masked(Field::Mark, 0x40, Op::Eq, 0x40), drop()],
    ]
}

fn transport() -> Vec<Vec<Statement>> {
    let flags = |mask, op, value| vec![masked(Field::TcpFlags, mask, op, value), drop()];
    let mut rules = vec![
        flags(0x17, Op::Eq, 0x02),
        flags(0x17, Op::Ne, 0x02),
        flags(0x04, Op::Eq, 0x04),
        flags(0x3f, Op::Eq, 0x00),
        flags(0x3f, Op::Ne, 0x00),
        flags(0x3f, Op::Eq, 0x29),
        flags(0x03, Op::Eq, 0x03),
        flags(0x04, Op::Ne, 0x00),
        flags(0xff, Op::Eq, 0x02),
        vec![eq(Field::TcpFlags, n(2)), drop()],
        vec![ne(Field::TcpFlags, n(0x12)), drop()],
        vec![eq(TCP_DPORT, range(22, 25)), accept()],
        vec![ne(TCP_DPORT, range(22, 25)), accept()],
        vec![eq(Field::Nfproto, n(2)), accept()],
        vec![ne(Field::Nfproto, n(10)), accept()],
        vec![eq(Field::L4proto, n(6)), accept()],
        vec![eq(Field::L4proto, n(58)), accept()],
        vec![ne(Field::L4proto, n(253)), accept()],
        vec![eq(Field::L4proto, range(1, 5)), accept()],
        vec![eq(Field::IcmpType, n(8)), eq(Field::IcmpCode, n(0)), accept()],
        vec![eq(Field::IcmpType, n(3)), eq(Field::IcmpCode, n(4)), accept()],
        vec![eq(Field::IcmpType, range(8, 11)), eq(Field::IcmpCode, n(77)), accept()],
        vec![eq(Field::Icmpv6Type, n(135)), eq(Field::Icmpv6Code, n(0)), accept()],
        vec![eq(Field::Icmpv6Type, n(132)), accept()],
        vec![eq(Field::Icmpv6Type, n(1)), eq(Field::Icmpv6Code, n(4)), accept()],
        vec![eq(Field::NdTarget, n(v6("fe80::1"))), accept()],
        vec![eq(Field::NdOption, n(14)), accept()],
        vec![ne(Field::NdOption, range(1, 13)), accept()],
        vec![ne(Field::NdTarget, n(v6("fe80::1"))), accept()],
        vec![eq(Field::NdTarget, range(v6("fe80::"), v6("fe80::ffff:ffff:ffff:ffff"))), accept()],
        vec![ne(Field::NdTarget, range(v6("2001:db8::"), v6("2001:db8::ff"))), accept()],
        vec![eq(Field::NdTarget, range(v6("fe80::1"), v6("fe80::9"))), accept()],
    ];
    for protocol in PortProtocol::ALL {
        rules.push(vec![eq(Field::Port(protocol, Side::Source), n(53)), accept()]);
        rules.push(vec![ne(Field::Port(protocol, Side::Dest), n(53)), accept()]);
    }
    rules
}

fn addresses() -> Vec<Vec<Statement>> {
    vec![
        vec![eq(Field::IpSaddr, range(v4("10.0.0.0"), v4("10.255.255.255"))), accept()],
        vec![ne(Field::IpDaddr, range(v4("10.0.0.0"), v4("10.0.255.255"))), accept()],
        vec![eq(Field::IpDaddr, range(v4("10.0.0.1"), v4("10.0.0.3"))), accept()],
        vec![eq(Field::IpDaddr, n(v4("255.255.255.255"))), accept()],
        vec![masked(Field::IpSaddr, 0xff, Op::Eq, 1), accept()],
        vec![
            eq(Field::Ip6Saddr, range(v6("fe80::"), v6("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))),
            accept(),
        ],
        vec![eq(Field::Ip6Daddr, range(v6("ff02::1:ff00:0"), v6("ff02::1:ffff:ffff"))), accept()],
        vec![ne(Field::Ip6Daddr, n(v6("::ffff:10.0.0.1"))), accept()],
        vec![masked(Field::Ip6Daddr, 0xffff, Op::Eq, 1), accept()],
        vec![masked(Field::IpFragOff, 0x1fff, Op::Ne, 0), drop()],
        vec![masked(Field::IpFragOff, 0x2000, Op::Eq, 0x2000), drop()],
        vec![ne(Field::FragOff, n(0)), drop()],
        vec![ne(Field::Ip6Hoplimit, n(255)), drop()],
        vec![eq(Field::Ip6Length, range(1000, 65535)), drop()],
        vec![eq(Field::EtherSaddr, n(0x0011_2233_4455)), accept()],
        vec![eq(Field::Oifname, name("vmbr0")), accept()],
        vec![eq(Field::Nfproto, n(2)), eq(Field::IpSaddr, n(1)), accept()],
        vec![eq(Field::Nfproto, n(10)), eq(Field::Icmpv6Type, n(1)), accept()],
        vec![eq(Field::Nfproto, n(2)), eq(TCP_DPORT, n(22)), accept()],
        vec![eq(Field::Protocol, n(0x0800)), eq(Field::IpDaddr, n(1)), accept()],
    ]
}

fn lookups() -> Vec<Vec<Statement>> {
    let one = |field, set| vec![lookup(&[field], set, Op::Eq), accept()];
    vec![
        one(Field::IpSaddr, "v4-dc/admins"),
        one(Field::Ip6Daddr, "v6"),
        one(Field::Mark, "marks"),
        one(TCP_DPORT, "ports"),
        one(Field::Protocol, "ether-types"),
        one(Field::L4proto, "l4protos"),
        one(Field::Nfproto, "nfprotos"),
        one(Field::IcmpType, "icmp-types"),
        one(Field::Icmpv6Type, "icmpv6-types"),
        one(Field::CtState, "ct-states"),
        one(Field::TcpFlags, "tcp-flags"),
        one(Field::FibDaddrType, "fib-types"),
        one(Field::Oifname, "wild"),
        vec![lookup(&[Field::IpDaddr], "none", Op::Ne), drop()],
        vec![lookup(&[Field::Oifname, Field::IpSaddr], "nets", Op::Ne), drop()],
        vec![vmap(&[Field::Oifname], "guests")],
        vec![vmap(&[Field::IpDaddr, TCP_DPORT], "simple")],
        vec![Statement::CtMarkSet { key: [Field::Oifname].into(), map: "zones".into() }],
        vec![Statement::CtMarkSet {
            key: [Field::Oifname, Field::EtherDaddr].into(),
            map: "zones-by-mac".into(),
        }],
        vec![lookup(&[Field::Oifname, TCP_DPORT], "device-ports", Op::Eq), drop()],
        vec![
            lookup(&[Field::Oifname, TCP_DPORT], "device-ports", Op::Eq),
            eq(Field::IpSaddr, n(v4("10.0.0.1"))),
            drop(),
        ],
        vec![
            eq(Field::IpSaddr, n(v4("10.0.0.1"))),
            lookup(&[Field::Oifname, TCP_DPORT], "device-ports", Op::Eq),
            drop(),
        ],
    ]
}

fn actions() -> Vec<Vec<Statement>> {
    let meter = |set: &str, field, prefix, limit| Statement::Meter {
        set: set.into(),
        field,
        prefix,
        limit: Box::new(limit),
    };
    let slow = Limit { rate: 7, unit: RateUnit::Minute, burst: 50 };
    vec![
        vec![meter("syn6", Field::Ip6Saddr, Some(64), per_second(200, 1000)), drop()],
        vec![meter("syn6", Field::Ip6Saddr, None, per_second(200, 5)), drop()],
        vec![
            meter("syn4", Field::IpSaddr, Some(24), Limit { rate: 3, unit: RateUnit::Day, burst: 1 }),
            drop(),
        ],
        vec![meter("syn4", Field::IpSaddr, None, Limit { rate: 3, unit: RateUnit::Hour, burst: 9 }), drop()],
        vec![
            Statement::Limit { limit: per_second(1, 5), over: false },
            Statement::Log(":0:6:PVEFW-HOST-IN: DROP: ".into()),
        ],
        vec![Statement::Limit { limit: slow, over: true }, drop()],
        vec![Statement::MarkSet(0x40)],
        vec![Statement::MarkClear(0x40)],
        vec![eq(Field::Nfproto, n(2)), Statement::CtHelper("ftp".into())],
        vec![Statement::Reject(RejectWith::PortUnreachable)],
        vec![eq(TCP_DPORT, n(23)), Statement::Reject(RejectWith::TcpReset)],
        vec![eq(Field::L4proto, n(6)), Statement::Reject(RejectWith::TcpReset)],
        vec![Statement::Reject(RejectWith::HostProhibited)],
        vec![Statement::Reject(RejectWith::AdminProhibited)],
        vec![Statement::Counter, drop()],
    ]
}

fn bridge(mut more: Vec<Chain>) -> Table {
    let mac = 0x0011_2233_4455;
    let macs = vec![element([name("tap100i0"), n(mac)])];
    // The loopback device, and a number that no interface has.
    let ready = [DataType::Ifindex, DataType::Ifname, DataType::EtherAddr];
    let ports = vec![element([n(1), name("vmbr0"), n(mac)]), element([n(4000), name("vmbr0"), n(mac)])];
    let own = vec![entry([n(mac)], ElementData::Verdict(Verdict::Jump("guest".into())))];
    let mut chains = vec![
        chain("pre", Some((Hook::Prerouting, -300)), 0x700, frames()),
        chain("in", Some((Hook::Input, -200)), 0x800, vec![vec![Statement::MarkClear(0xc000_0000)]]),
        chain("out", Some((Hook::Output, 0)), 0x900, vec![vec![masked(Field::Mark, 0x8000_0000, Op::Eq, 0)]]),
        chain("guest", None, 0xa00, inside_frames()),
    ];
    chains.append(&mut more);
    Table {
        family: TableFamily::Bridge,
        name: "kitchen".into(),
        helpers: Vec::new(),
        sets: shared(vec![
            with(set("macs", &[DataType::Ifname, DataType::EtherAddr], SetKind::Set), false, macs),
            with(set("ready", &ready, SetKind::Set), false, ports),
            with(set("indexes", &[DataType::Ifindex], SetKind::Set), false, vec![element([n(1)])]),
            with(set("own", &[DataType::EtherAddr], SetKind::VerdictMap), false, own),
        ]),
        chains: shared(chains),
    }
}

fn frames() -> Vec<Vec<Statement>> {
    let group = 0x0100_0000_0000;
    vec![
        vec![eq(Field::EtherType, n(0x8100)), drop()],
        vec![eq(Field::EtherType, n(0x0806)), drop()],
        vec![eq(Field::EtherType, n(0x88cc)), drop()],
        vec![eq(Field::Protocol, n(0x0800)), accept()],
        vec![eq(Field::VlanId, n(5)), accept()],
        vec![eq(Field::VlanId, range(5, 9)), eq(Field::IpSaddr, n(v4("10.0.0.1"))), accept()],
        vec![masked(Field::EtherDaddr, group, Op::Ne, 0), accept()],
        vec![masked(Field::EtherSaddr, group, Op::Eq, group), drop()],
        vec![ne(Field::EtherDaddr, n(0xffff_ffff_ffff)), accept()],
        vec![vmap(&[Field::EtherDaddr], "own")],
        vec![lookup(&[Field::Oif], "indexes", Op::Eq), accept()],
        vec![lookup(&[Field::Iifname, Field::EtherSaddr], "macs", Op::Ne), drop()],
        vec![lookup(&[Field::Iifname, Field::ArpSaddrEther], "macs", Op::Ne), drop()],
        vec![
            eq(Field::ArpHtype, n(1)),
            eq(Field::ArpPtype, n(0x0800)),
            eq(Field::ArpHlen, n(6)),
            eq(Field::ArpPlen, n(4)),
            accept(),
        ],
        vec![eq(Field::ArpSaddrEther, n(0x0011_2233_4455)), accept()],
        vec![eq(Field::ArpSaddrIp, range(v4("10.0.0.0"), v4("10.255.255.255"))), accept()],
        vec![ne(Field::ArpDaddrIp, n(v4("10.0.0.1"))), drop()],
    ]
}

fn inside_frames() -> Vec<Vec<Statement>> {
    vec![
        vec![eq(Field::IpSaddr, n(v4("10.0.0.1"))), eq(TCP_DPORT, n(22)), accept()],
        vec![eq(TCP_DPORT, n(22)), accept()],
        vec![eq(Field::IcmpType, n(8)), accept()],
        vec![eq(Field::Icmpv6Type, n(135)), eq(Field::NdTarget, n(v6("fe80::1"))), accept()],
        vec![eq(Field::Icmpv6Type, n(135)), eq(Field::NdOption, n(14)), accept()],
        vec![eq(Field::Ip6Saddr, n(v6("fe80::1"))), accept()],
        vec![masked(Field::IpFragOff, 0x1fff, Op::Ne, 0), accept()],
        vec![eq(Field::L4proto, n(17)), accept()],
        // Listings leave out the first condition of these.
        vec![eq(Field::Protocol, n(0x0800)), eq(Field::IpSaddr, n(1)), accept()],
        vec![eq(Field::Protocol, n(0x86dd)), eq(Field::Icmpv6Type, n(135)), accept()],
        vec![eq(Field::Protocol, n(0x0806)), eq(Field::ArpPlen, n(4)), accept()],
        vec![eq(Field::L4proto, n(6)), eq(TCP_DPORT, n(22)), accept()],
        vec![eq(Field::EtherType, n(0x0800)), eq(Field::IpSaddr, n(1)), accept()],
        // Here they do not.
        vec![ne(Field::L4proto, n(6)), eq(Field::IpSaddr, n(1)), accept()],
        vec![eq(Field::L4proto, n(6)), eq(Field::IpSaddr, n(1)), accept()],
        vec![Statement::Verdict(Verdict::Return)],
    ]
}

fn bridge_module_chains() -> Vec<Chain> {
    let rejects = vec![
        vec![eq(TCP_DPORT, n(23)), Statement::Reject(RejectWith::TcpReset)],
        vec![eq(Field::L4proto, n(6)), Statement::Reject(RejectWith::TcpReset)],
        vec![eq(Field::L4proto, n(17)), Statement::Reject(RejectWith::PortUnreachable)],
        vec![eq(Field::Protocol, n(0x0800)), Statement::Reject(RejectWith::HostProhibited)],
        vec![Statement::Reject(RejectWith::HostProhibited)],
        vec![Statement::Reject(RejectWith::AdminProhibited)],
        vec![Statement::Reject(RejectWith::PortUnreachable)],
    ];
    let metas = vec![
        vec![eq(Field::Ibrname, name("vmbr0")), accept()],
        vec![ne(Field::Obrname, name("vmbr*")), accept()],
        vec![lookup(&[Field::Oif, Field::Obrname, Field::EtherDaddr], "ready", Op::Ne), drop()],
        vec![eq(Field::Ibrpvid, n(5)), accept()],
        vec![Statement::CtState(ct_state::ESTABLISHED | ct_state::RELATED), accept()],
        vec![masked(Field::CtMark, 0xff, Op::Eq, 1), accept()],
        vec![Statement::Notrack],
    ];
    vec![
        chain("rejects", Some((Hook::Prerouting, -100)), 0xb00, rejects),
        chain("metas", Some((Hook::Prerouting, -150)), 0xc00, metas),
    ]
}
