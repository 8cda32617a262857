//! Rulesets and values against the text, JSON and origins that they must give.

use super::value::{prefix_len, push_decimal, push_value};
use super::{json, mask_of, text};
use crate::ruleset::{
    Base, Chain, Compare, DataType, Element, ElementData, Field, Hook, Op, Origin, Rule, RuleId, Ruleset,
    Set, SetKind, Statement, Table, TableFamily, Value, Verdict,
};
use crate::transaction;

const SET: Origin = Origin::Skeleton("set");
const CHAIN: Origin = Origin::Skeleton("chain");
const RULE: Origin = Origin::Skeleton("rule");
const ELEMENT: Origin = Origin::Skeleton("element");

fn small() -> Ruleset {
    let net = Value::range(0x0a00_0000, 0x0aff_ffff);
    let set = Set {
        name: "admins".into(),
        key: [DataType::Ipv4Addr].into(),
        kind: SetKind::Set,
        interval: true,
        elements: vec![Element { key: [net].into(), data: ElementData::None, origin: ELEMENT }],
        origin: SET,
    };
    let statements = vec![
        Statement::Compare(Compare { field: Field::Iifname, op: Op::Ne, value: Value::name("lo") }),
        Statement::Lookup { key: [Field::IpSaddr].into(), set: "admins".into(), op: Op::Eq },
        Statement::Verdict(Verdict::Accept),
    ];
    let chain = Chain {
        name: "host-in".into(),
        base: Some(Base { hook: Hook::Input, priority: -5, device: None }),
        rules: vec![Rule { id: RuleId(0xab), statements, origin: RULE }],
        origin: CHAIN,
    };
    let table = Table {
        family: TableFamily::Inet,
        name: "x".into(),
        helpers: Vec::new(),
        sets: vec![set.into()],
        chains: vec![chain.into()],
    };
    Ruleset { tables: vec![table] }
}

#[test]
fn text_is_canonical_and_every_line_has_its_origin() {
    let expected = [
        (None, "add table inet x"),
        (None, "delete table inet x"),
        (None, "table inet x {"),
        (Some(SET), "\tset admins {"),
        (Some(SET), "\t\ttype ipv4_addr"),
        (Some(SET), "\t\tflags interval"),
        (Some(SET), "\t\telements = {"),
        (Some(ELEMENT), "\t\t\t10.0.0.0/8,"),
        (Some(SET), "\t\t}"),
        (Some(SET), "\t}"),
        (Some(CHAIN), "\tchain host-in {"),
        (Some(CHAIN), "\t\ttype filter hook input priority -5; policy accept;"),
        (Some(RULE), "\t\tiifname != \"lo\" ip saddr @admins accept comment \"00000000000000ab\""),
        (Some(CHAIN), "\t}"),
        (None, "}"),
    ];
    let script = transaction::full(&small());
    let lines: Vec<&str> = script.text.lines().collect();
    assert_eq!(lines, expected.map(|(_, line)| line));
    assert_eq!(script.origins, expected.map(|(origin, _)| origin));
    assert_eq!(text(&small()), lines[2..].join("\n") + "\n");
}

#[test]
fn pieces_are_the_text_in_lines() {
    let mut large = small();
    let chain = large.tables[0].chains[0].clone();
    large.tables[0].chains.extend(std::iter::repeat_n(chain, 4000));
    let (mut pieces, mut n_pieces) = (String::new(), 0);
    super::text_in_pieces(&large, |piece| {
        assert!(piece.ends_with('\n'));
        pieces.push_str(piece);
        n_pieces += 1;
    });
    assert_eq!(pieces, text(&large));
    assert!(n_pieces > 1, "{n_pieces}");
}

#[test]
fn flush_removes_tables_whether_present_or_not() {
    let script = transaction::flush(&[(TableFamily::Inet, "x"), (TableFamily::Bridge, "y")]);
    let expected = "add table inet x\ndelete table inet x\nadd table bridge y\ndelete table bridge y\n";
    assert_eq!(script.text, expected);
    assert_eq!(script.origins, [None; 4]);
}

#[test]
fn json_is_the_whole_transaction() {
    let document: serde_json::Value = serde_json::from_str(&json(&small())).expect("JSON");
    let commands = document["nftables"].as_array().expect("a list of commands");
    let kinds: Vec<String> = commands[1..].iter().map(kind).collect();
    assert_eq!(kinds, ["add table", "delete table", "add table", "add chain", "add set", "add rule"]);
    let rule = serde_json::json!({
        "family": "inet", "table": "x", "chain": "host-in", "comment": "00000000000000ab",
        "expr": [
            {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "lo"}},
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@admins"}},
            {"accept": null}
        ]
    });
    assert_eq!(commands[6]["add"]["rule"], rule);
}

fn kind(command: &serde_json::Value) -> String {
    let (verb, object) = command.as_object().and_then(|c| c.iter().next()).expect("a command");
    let object = object.as_object().and_then(|o| o.keys().next()).expect("an object");
    format!("{verb} {object}")
}

#[test]
fn values_are_written_by_type() {
    let cases = [
        (DataType::Ipv4Addr, 0x0a00_0001, 0x0a00_0001, "10.0.0.1"),
        (DataType::Ipv4Addr, 0x0a00_0001, 0x0a00_0002, "10.0.0.1-10.0.0.2"),
        (DataType::Ipv4Addr, 0, 0xffff_ffff, "0.0.0.0/0"),
        (DataType::Ipv6Addr, 0xffff_0a00_0001, 0xffff_0a00_0001, "::ffff:a00:1"),
        (DataType::Ipv6Addr, 0, u128::MAX, "::/0"),
        (DataType::EtherAddr, 0x0011_2233_4455, 0x0011_2233_4455, "00:11:22:33:44:55"),
        (DataType::EtherType, 0x0800, 0x0800, "ip"),
        (DataType::EtherType, 0x0800, 0x0801, "0x0800-0x0801"),
        (DataType::InetProto, 17, 17, "udp"),
        (DataType::InetProto, 89, 89, "89"),
        (DataType::InetService, 22, 25, "22-25"),
        (DataType::Mark, 0x40, 0x40, "0x00000040"),
        (DataType::Icmpv6Type, 135, 136, "135-136"),
        (DataType::Icmpv6Type, 135, 135, "nd-neighbor-solicit"),
    ];
    for (data_type, first, last, expected) in cases {
        let mut out = String::new();
        push_value(&mut out, data_type, &Value::range(first, last));
        assert_eq!(out, expected);
    }
}

#[test]
fn decimal_numbers_of_any_size() {
    for number in [0, 9, 10, u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX] {
        let mut out = String::new();
        push_decimal(&mut out, number);
        assert_eq!(out, number.to_string());
    }
}

#[test]
fn prefixes_and_masks() {
    assert_eq!(prefix_len(0, 0xffff_ffff, 32), Some(0));
    assert_eq!(prefix_len(4, 7, 32), Some(30));
    assert_eq!(prefix_len(5, 8, 32), None);
    assert_eq!(prefix_len(2, 5, 32), None);
    assert_eq!(prefix_len(0, u128::MAX, 128), Some(0));
    assert_eq!(mask_of(0, 32), 0);
    assert_eq!(mask_of(8, 32), 0xff00_0000);
    assert_eq!(mask_of(128, 128), u128::MAX);
    assert_eq!(mask_of(0, 128), 0);
}
