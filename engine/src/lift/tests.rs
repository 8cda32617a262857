//! Pieces of listings, in the forms of several versions, against the IR.

use serde_json::{Value as Json, json};

use super::{differences, normal, ruleset, statement, tables};
use crate::ruleset::{Compare, Field, Op, Statement, TableFamily, Value, build};

fn lifted(json: &Json) -> Statement {
    statement::statement(json).expect("a statement of ours")
}

fn ct_state(op: &str, right: &Json) -> Json {
    json!({"match": {"op": op, "left": {"ct": {"key": "state"}}, "right": right}})
}

#[test]
fn flags_in_every_form_that_versions_list() {
    assert_eq!(lifted(&ct_state("in", &json!("invalid"))), Statement::CtState(1));
    assert_eq!(lifted(&ct_state("in", &json!(["established", "related"]))), Statement::CtState(6));
    let none = build::masked(Field::CtState, 6, 0);
    assert_eq!(lifted(&ct_state("!", &json!(["established", "related"]))), none);
    let tcp = build::masked(Field::TcpFlags, 0x17, 2);
    let flags = json!({"payload": {"protocol": "tcp", "field": "flags"}});
    for mask in [json!(["fin", "syn", "rst", "ack"]), json!({"|": ["fin", "syn", "rst", "ack"]})] {
        let comparison = json!({"match": {"op": "==", "left": {"&": [flags, mask]}, "right": "syn"}});
        assert_eq!(lifted(&comparison), tcp);
    }
}

#[test]
fn numbers_by_name_and_in_every_notation() {
    let cases = [
        (json!({"meta": {"key": "protocol"}}), json!("arp"), Field::Protocol, 0x0806),
        (json!({"meta": {"key": "protocol"}}), json!("8021q"), Field::Protocol, 0x8100),
        (json!({"meta": {"key": "protocol"}}), json!(34525), Field::Protocol, 0x86dd),
        (json!({"meta": {"key": "l4proto"}}), json!("ipv6-icmp"), Field::L4proto, 58),
        (
            json!({"payload": {"protocol": "icmp", "field": "code"}}),
            json!("host-prohibited"),
            Field::IcmpCode,
            10,
        ),
        (
            json!({"payload": {"protocol": "icmpv6", "field": "code"}}),
            json!("no-route"),
            Field::Icmpv6Code,
            0,
        ),
        (json!({"payload": {"base": "th", "offset": 64, "len": 128}}), json!("0x1f"), Field::NdTarget, 0x1f),
        (json!({"payload": {"base": "th", "offset": 192, "len": 8}}), json!(14), Field::NdOption, 14),
        (json!({"payload": {"protocol": "icmpv6", "field": "taddr"}}), json!("::1f"), Field::NdTarget, 0x1f),
        (json!({"fib": {"result": "type", "flags": ["daddr"]}}), json!("local"), Field::FibDaddrType, 2),
        (json!({"fib": {"result": "type", "flags": "saddr"}}), json!("multicast"), Field::FibSaddrType, 5),
    ];
    for (left, right, field, number) in cases {
        let comparison = json!({"match": {"op": "==", "left": left, "right": right}});
        let expected = Statement::Compare(Compare { field, op: Op::Eq, value: Value::number(number) });
        assert_eq!(lifted(&comparison), expected);
    }
}

#[test]
fn a_limit_without_burst_has_five() {
    let short = json!({"limit": {"rate": 1, "per": "second"}});
    let long = json!({"limit": {"rate": 1, "per": "second", "burst": 5}});
    assert_eq!(lifted(&short), lifted(&long));
}

fn listing(extra: &[Json]) -> Json {
    let mut objects = vec![
        json!({"metainfo": {"version": "1.0.6"}}),
        json!({"table": {"family": "ip", "name": "foreign", "handle": 1}}),
        json!({"chain": {"family": "ip", "table": "foreign", "name": "c", "type": "nat", "hook": "input"}}),
        json!({"table": {"family": "inet", "name": "x", "handle": 2}}),
        json!({"chain": {"family": "inet", "table": "x", "name": "c", "handle": 1}}),
    ];
    objects.extend_from_slice(extra);
    json!({"nftables": objects})
}

#[test]
fn what_is_not_ours_is_named() {
    let rule = |comment: &Json, expr: &Json| json!({"rule": {"family": "inet", "table": "x", "chain": "c", "handle": 7, "comment": comment, "expr": expr}});
    let cases = [
        (
            rule(&json!("00000000000000ff"), &json!([{"masquerade": null}])),
            "unknown statement {\"masquerade\":null}",
        ),
        (rule(&Json::Null, &json!([])), "no comment, so it is not ours"),
        (rule(&json!("mine"), &json!([])), "comment `mine` is not a rule id"),
    ];
    for (object, problem) in cases {
        let error = ruleset(&listing(&[object])).expect_err("not ours");
        assert_eq!(error.to_string(), format!("inet table x, chain c, rule handle 7: {problem}"));
    }
    let flowtable = json!({"flowtable": {"family": "inet", "table": "x", "name": "f"}});
    let error = ruleset(&listing(&[flowtable])).expect_err("not ours");
    assert_eq!(error.to_string(), "inet table x, flowtable f: we never make such an object");
}

#[test]
fn other_tables_are_passed_over() {
    let held = tables(&listing(&[]), &[(TableFamily::Bridge, "x")]).expect("nothing to read");
    assert!(held.tables.is_empty());
    let held = ruleset(&listing(&[])).expect("one table of ours");
    assert_eq!(held.tables.len(), 1);
}

#[test]
fn order_and_adjacency_make_no_difference() {
    let set = |elements: Json| {
        let set = json!({"set": {"family": "inet", "table": "x", "name": "s", "type": "inet_service",
            "flags": ["interval"], "elem": elements}});
        ruleset(&listing(&[set])).expect("a set of ours")
    };
    let (wanted, held) =
        (set(json!([{"range": [1, 9]}, 22])), set(json!([22, {"range": [4, 9]}, {"range": [1, 3]}])));
    assert_eq!(differences(&wanted, &held), Vec::<String>::new());
    assert_eq!(normal(&wanted), normal(&held));
    let other = set(json!([{"range": [1, 9]}, 23]));
    let found = ["element `22` is missing", "element `23` is not ours"];
    assert_eq!(differences(&wanted, &other), found.map(|what| format!("table inet x: set s: {what}")));
}
