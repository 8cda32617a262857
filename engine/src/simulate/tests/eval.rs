//! Statements, verdicts, marks, tracking, limits, sets.

use super::{
    ACCEPT, DROP, base, bridge, chain, is, is_name, is_not, packet, set, table, trace, verdict, world,
};
use crate::model::options::RateUnit;
use crate::ruleset::field::{Side, ct_state};
use crate::ruleset::{
    ElementData, Field, Hook, Limit, Op, Ruleset, SetKind, Statement as S, TableFamily, Value,
    Verdict as RuleVerdict, build,
};
use crate::simulate::{Simulator, Verdict};

const UDP: &str = "outside vm100 udp 192.0.2.50:1 > 192.0.2.100:2";
const DPORT: Field = Field::Port(crate::model::port::PortProtocol::Udp, Side::Dest);

fn jump(name: &str) -> S {
    S::Verdict(RuleVerdict::Jump(name.into()))
}

fn goto(name: &str) -> S {
    S::Verdict(RuleVerdict::Goto(name.into()))
}

const RETURN: S = S::Verdict(RuleVerdict::Return);

#[test]
fn accept_ends_one_base_chain_drop_ends_the_packet() {
    let late = |rules| base("late", Hook::Prerouting, 1, rules);
    let early = |rules| base("early", Hook::Prerouting, -1, rules);
    let of = |chains| verdict(&bridge(chains), UDP);
    assert_eq!(of(vec![late(vec![vec![DROP]]), early(vec![vec![ACCEPT]])]), Verdict::Drop);
    assert_eq!(of(vec![late(vec![vec![ACCEPT]]), early(vec![vec![DROP]])]), Verdict::Drop);
    assert_eq!(of(vec![late(vec![vec![ACCEPT], vec![DROP]])]), Verdict::Accept);
}

#[test]
fn base_chains_run_by_priority_over_all_tables() {
    let set_mark = base("set", Hook::Prerouting, -10, vec![vec![S::MarkSet(4)]]);
    let test_mark = base("test", Hook::Prerouting, 10, vec![vec![is(Field::Mark, 4), DROP]]);
    let tables = vec![
        table(TableFamily::Bridge, Vec::new(), vec![test_mark]),
        table(TableFamily::Bridge, Vec::new(), vec![set_mark]),
    ];
    assert_eq!(verdict(&Ruleset { tables }, UDP), Verdict::Drop);
}

#[test]
fn jump_comes_back_goto_does_not() {
    let of = |first: Vec<S>, sub: Vec<Vec<S>>| {
        let base = base("b", Hook::Forward, 0, vec![first, vec![DROP]]);
        verdict(&bridge(vec![base, chain("sub", sub)]), UDP)
    };
    assert_eq!(of(vec![jump("sub")], vec![]), Verdict::Drop);
    assert_eq!(of(vec![jump("sub")], vec![vec![RETURN], vec![ACCEPT]]), Verdict::Drop);
    assert_eq!(of(vec![jump("sub")], vec![vec![ACCEPT]]), Verdict::Accept);
    assert_eq!(of(vec![goto("sub")], vec![]), Verdict::Accept);
    assert_eq!(of(vec![goto("sub")], vec![vec![RETURN]]), Verdict::Accept);
    assert_eq!(of(vec![RETURN], vec![]), Verdict::Accept);
}

#[test]
fn goto_inside_a_called_chain_comes_back_to_the_caller() {
    let chains = vec![
        base("b", Hook::Forward, 0, vec![vec![jump("one")], vec![DROP]]),
        chain("one", vec![vec![goto("two")], vec![ACCEPT]]),
        chain("two", vec![]),
    ];
    assert_eq!(verdict(&bridge(chains), UDP), Verdict::Drop);
}

#[test]
fn an_absent_field_fails_both_ways() {
    let of =
        |condition| verdict(&bridge(vec![base("b", Hook::Forward, 0, vec![vec![condition, DROP]])]), UDP);
    assert_eq!(of(is(DPORT, 2)), Verdict::Drop);
    assert_eq!(of(is_not(DPORT, 3)), Verdict::Drop);
    assert_eq!(of(is_not(DPORT, 2)), Verdict::Accept);
    assert_eq!(of(is_not(Field::Ip6Saddr, 1)), Verdict::Accept);
    assert_eq!(of(is_not(Field::TcpFlags, 1)), Verdict::Accept);
    assert_eq!(of(build::not_masked(Field::TcpFlags, 2, 2)), Verdict::Accept);
}

fn with_set(sets: Vec<crate::ruleset::Set>, rules: Vec<Vec<S>>) -> Ruleset {
    let chains = vec![base("b", Hook::Forward, 0, rules)];
    Ruleset { tables: vec![table(TableFamily::Bridge, sets, chains)] }
}

fn lookup<const N: usize>(key: &[Field; N], op: Op) -> S {
    S::Lookup { key: key.into(), set: "s".into(), op }
}

#[test]
fn lookups_need_the_whole_key() {
    let two = || vec![Value::number(2), Value::name("tap*")];
    let ports = || set("s", SetKind::Set, vec![(two(), ElementData::None)]);
    let of = |key: &[Field; 2], op| verdict(&with_set(vec![ports()], vec![vec![lookup(key, op), DROP]]), UDP);
    assert_eq!(of(&[DPORT, Field::Oifname], Op::Eq), Verdict::Drop);
    assert_eq!(of(&[DPORT, Field::Oifname], Op::Ne), Verdict::Accept);
    assert_eq!(of(&[DPORT, Field::Iifname], Op::Eq), Verdict::Accept);
    assert_eq!(of(&[DPORT, Field::Iifname], Op::Ne), Verdict::Drop);
    assert_eq!(of(&[Field::Ip6Length, Field::Oifname], Op::Ne), Verdict::Accept);
}

#[test]
fn a_verdict_map_without_the_key_lets_the_rule_go_on() {
    let map = |port| {
        let drop = ElementData::Verdict(RuleVerdict::Drop);
        set("m", SetKind::VerdictMap, vec![(vec![Value::number(port)], drop)])
    };
    let vmap = |field: Field| S::VerdictMap { key: [field].into(), map: "m".into() };
    let of = |port, field| verdict(&with_set(vec![map(port)], vec![vec![vmap(field), DROP]]), UDP);
    assert_eq!(of(2, DPORT), Verdict::Drop);
    assert_eq!(of(3, DPORT), Verdict::Drop);
    assert_eq!(of(3, Field::Ip6Saddr), Verdict::Accept);
    let ruleset = with_set(vec![map(2)], vec![vec![vmap(DPORT)]]);
    let deciding = trace(&ruleset, UDP).deciding.expect("a rule decides");
    assert!(deciding.element.is_some());
}

#[test]
fn large_sets_are_found_by_their_index() {
    let interval = |nth: u128| {
        let first = 0x0a00_0000 + nth * 16;
        (vec![Value::range(first, first + 7)], ElementData::None)
    };
    let ruleset = with_set(
        vec![set("s", SetKind::Set, (0..100_000).map(interval).collect())],
        vec![vec![lookup(&[Field::IpSaddr], Op::Eq), DROP]],
    );
    let world = world();
    let simulator = Simulator::new(&ruleset, &world);
    for nth in 0..20_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + nth * 77);
        let trace = simulator.simulate(&packet(&format!("outside vm100 igmp {address} > 192.0.2.100")));
        let expected = if nth * 77 % 16 < 8 { Verdict::Drop } else { Verdict::Accept };
        assert_eq!(trace.expect("a way").verdict, expected, "{address}");
    }
}

#[test]
fn overlapping_concatenations_are_all_tried() {
    let range = Value::range;
    let elements = vec![
        (vec![range(0, 100), range(10, 20)], ElementData::None),
        (vec![range(2, 3), range(30, 40)], ElementData::None),
        (vec![range(90, 99), range(0, 1)], ElementData::None),
    ];
    let ruleset = |dport: u16| {
        let rules = vec![vec![lookup(&[DPORT, Field::Mark], Op::Eq), DROP]];
        (with_set(vec![set("s", SetKind::Set, elements.clone())], rules), dport)
    };
    for (dport, mark, found) in [(95, 15, true), (2, 35, true), (2, 15, true), (95, 1, true), (50, 30, false)]
    {
        let (ruleset, dport) = ruleset(dport);
        let line = format!("outside vm100 udp 192.0.2.50:1 > 192.0.2.100:{dport} mark={mark}");
        let expected = if found { Verdict::Drop } else { Verdict::Accept };
        assert_eq!(verdict(&ruleset, &line), expected, "{line}");
    }
}

const TEN: Limit = Limit { rate: 10, unit: RateUnit::Second, burst: 5 };

#[test]
fn limits_follow_the_assumed_rate() {
    let keep = with_set(vec![], vec![vec![S::Limit { limit: TEN, over: false }, ACCEPT], vec![DROP]]);
    let shed = with_set(vec![], vec![vec![S::Limit { limit: TEN, over: true }, DROP]]);
    let meter = S::Meter { set: "d".into(), field: Field::IpSaddr, prefix: None, limit: TEN.into() };
    let dynamic = || set("d", SetKind::Dynamic { size: 9, timeout_s: 60 }, vec![]);
    let meter = with_set(vec![dynamic()], vec![vec![meter, DROP]]);
    let held = S::Lookup { key: [Field::IpSaddr].into(), set: "d".into(), op: Op::Eq };
    let held = with_set(vec![dynamic()], vec![vec![held, DROP]]);
    for ruleset in [keep, shed, meter, held] {
        assert_eq!(verdict(&ruleset, UDP), Verdict::Accept);
        assert_eq!(verdict(&ruleset, &format!("{UDP} rate=over")), Verdict::Drop);
        let unknown = verdict(&ruleset, &format!("{UDP} rate=unknown"));
        assert!(matches!(unknown, Verdict::Indeterminate { .. }), "{unknown}");
    }
}

#[test]
fn the_limit_of_a_log_decides_nothing() {
    let log = vec![S::Limit { limit: TEN, over: false }, S::Log("x: ".into())];
    let ruleset = with_set(vec![], vec![log, vec![DROP]]);
    assert_eq!(verdict(&ruleset, &format!("{UDP} rate=unknown")), Verdict::Drop);
}

#[test]
fn marks_travel_with_the_packet() {
    let chains = vec![
        base("pre", Hook::Prerouting, 0, vec![vec![S::MarkSet(0b110)]]),
        base("fwd", Hook::Forward, 0, vec![vec![S::MarkClear(0b100)]]),
        base("post", Hook::Postrouting, 0, vec![vec![is(Field::Mark, 0b011), DROP]]),
    ];
    let ruleset = bridge(chains);
    assert_eq!(verdict(&ruleset, &format!("{UDP} mark=1")), Verdict::Drop);
    assert_eq!(verdict(&ruleset, UDP), Verdict::Accept);
}

#[test]
fn a_mark_set_in_inet_output_is_seen_below() {
    let inet = base("o", Hook::Output, 0, vec![vec![S::MarkSet(8)]]);
    let below = base("b", Hook::Output, 0, vec![vec![is(Field::Mark, 8), DROP]]);
    let tables =
        vec![table(TableFamily::Inet, vec![], vec![inet]), table(TableFamily::Bridge, vec![], vec![below])];
    let ruleset = Ruleset { tables };
    assert_eq!(verdict(&ruleset, "host vm100 udp 192.0.2.1:1 > 192.0.2.100:2"), Verdict::Drop);
    let socket = "host vm100 udp 192.0.2.1:1 > 192.0.2.100:2 origin=packet-socket";
    assert_eq!(verdict(&ruleset, socket), Verdict::Accept);
}

#[test]
fn ct_marks_belong_to_entries() {
    let marks = |data| set("m", SetKind::MarkMap, vec![(vec![Value::name("eth0")], data)]);
    let set_mark = S::CtMarkSet { key: [Field::Iifname].into(), map: "m".into() };
    let chains = vec![
        base("pre", Hook::Prerouting, 0, vec![vec![is(Field::CtMark, 0), set_mark]]),
        base("post", Hook::Postrouting, 0, vec![vec![is(Field::CtMark, 100), DROP]]),
    ];
    let sets = vec![marks(ElementData::Mark(100))];
    let ruleset = Ruleset { tables: vec![table(TableFamily::Bridge, sets, chains)] };
    assert_eq!(verdict(&ruleset, UDP), Verdict::Drop);
    assert_eq!(verdict(&ruleset, &format!("{UDP} ctmark=7")), Verdict::Accept);
    assert_eq!(verdict(&ruleset, &format!("{UDP} state=invalid")), Verdict::Accept);
    assert_eq!(verdict(&ruleset, "vm101 vm100 udp 192.0.2.101:1 > 192.0.2.100:2"), Verdict::Accept);
}

fn notrack_at(priority: i32) -> Ruleset {
    bridge(vec![
        base("n", Hook::Prerouting, priority, vec![vec![S::Notrack]]),
        base("f", Hook::Forward, 0, vec![vec![S::CtState(ct_state::UNTRACKED), DROP]]),
    ])
}

#[test]
fn notrack_works_before_tracking_and_on_what_has_no_entry() {
    assert_eq!(verdict(&notrack_at(-300), UDP), Verdict::Drop);
    assert_eq!(verdict(&notrack_at(0), UDP), Verdict::Accept);
    assert_eq!(verdict(&notrack_at(0), &format!("{UDP} state=invalid")), Verdict::Drop);
}

#[test]
fn before_tracking_every_packet_is_invalid() {
    let ruleset = |priority| {
        let rule = vec![S::CtState(ct_state::INVALID), DROP];
        bridge(vec![base("p", Hook::Prerouting, priority, vec![rule])])
    };
    assert_eq!(verdict(&ruleset(-300), UDP), Verdict::Drop);
    assert_eq!(verdict(&ruleset(0), UDP), Verdict::Accept);
}

#[test]
fn a_veth_detaches_what_notrack_did() {
    let at = |bridge: &str, state| {
        let pre = is_name(Field::Ibrname, bridge);
        super::bridge(vec![
            base("n", Hook::Prerouting, -300, vec![vec![is_name(Field::Iifname, "eth0"), S::Notrack]]),
            base("f", Hook::Forward, 0, vec![vec![pre, S::CtState(state), DROP]]),
        ])
    };
    let line = "outside vm130 udp 192.0.2.50:1 > 192.0.2.130:2";
    assert_eq!(verdict(&at("vmbr0", ct_state::UNTRACKED), line), Verdict::Drop);
    assert_eq!(verdict(&at("fwbr130i0", ct_state::NEW), line), Verdict::Drop);
}

#[test]
fn datagrams_in_pieces_need_all_of_them() {
    let later = build::not_masked(Field::IpFragOff, 0x1fff, 0);
    let open = |field, rules: Vec<Vec<S>>| {
        let mut all = rules;
        all.extend([vec![is(field, 7777), ACCEPT], vec![DROP]]);
        bridge(vec![base("p", Hook::Postrouting, 0, all)])
    };
    let routed = "vm110 vm100 udp 198.51.100.110:1 > 192.0.2.100:7777 payload=3000";
    let bridged = "outside vm100 udp 192.0.2.50:1 > 192.0.2.100:7777 payload=3000";
    let small = "vm110 vm100 udp 198.51.100.110:1 > 192.0.2.100:7777 payload=1472";
    let sent = "host vm100 udp 192.0.2.1:1 > 192.0.2.100:7777 payload=1473";
    let strict = open(DPORT, vec![]);
    assert_eq!(verdict(&strict, routed), Verdict::Drop);
    assert_eq!(verdict(&strict, sent), Verdict::Drop);
    assert_eq!(verdict(&strict, bridged), Verdict::Accept);
    assert_eq!(verdict(&strict, small), Verdict::Accept);
    let lenient = open(DPORT, vec![vec![later, ACCEPT]]);
    assert_eq!(verdict(&lenient, routed), Verdict::Accept);
    assert_eq!(verdict(&lenient, sent), Verdict::Accept);
}

#[test]
fn routing_counts_the_hop_limit_down() {
    let fresh = vec![vec![is(Field::Ip6Hoplimit, 255), ACCEPT], vec![DROP]];
    let routed = "vm110 vm100 icmpv6 2001:db8:b::110 > 2001:db8:a::100 type=135 target=2001:db8:a::100";
    let at = |hook| bridge(vec![base("h", hook, 0, fresh.clone())]);
    assert_eq!(verdict(&at(Hook::Prerouting), routed), Verdict::Accept);
    assert_eq!(verdict(&at(Hook::Postrouting), routed), Verdict::Drop);
}
