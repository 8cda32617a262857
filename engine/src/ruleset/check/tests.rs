//! Rulesets with one fault each against what the check says of them.

use std::sync::Arc;

use super::{check, check_since};
use crate::ruleset::{
    Base, Chain, Compare, DataType, Element, ElementData, Field, Hook, Name, Op, Origin, RejectWith, Rule,
    RuleId, Ruleset, Set, SetKind, Statement, Table, TableFamily, Value, Verdict,
};

const ORIGIN: Origin = Origin::Skeleton("test");

fn chain(name: &str, hook: Option<Hook>, rules: Vec<Vec<Statement>>) -> Chain {
    let rule = |(id, statements)| Rule { id: RuleId(id), statements, origin: ORIGIN };
    let base = hook.map(|hook| Base { hook, priority: 0, device: None });
    Chain { name: name.into(), base, rules: (1..).zip(rules).map(rule).collect(), origin: ORIGIN }
}

fn set(name: &str, key: &[DataType], kind: SetKind, elements: Vec<Element>) -> Set {
    Set { name: name.into(), key: key.into(), kind, interval: true, elements, origin: ORIGIN }
}

fn element<const N: usize>(key: [Value; N], data: ElementData) -> Element {
    Element { key: key.into(), data, origin: ORIGIN }
}

fn range(first: u128, last: u128) -> Value {
    Value::range(first, last)
}

fn jump(chain: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(chain.into()))
}

fn eq(field: Field, value: Value) -> Statement {
    Statement::Compare(Compare { field, op: Op::Eq, value })
}

/// Problems of a table, without the part of the place that is the same for all.
fn problems(family: TableFamily, sets: Vec<Set>, chains: Vec<Chain>) -> Vec<String> {
    let (sets, chains) =
        (sets.into_iter().map(Arc::new).collect(), chains.into_iter().map(Arc::new).collect());
    let table = Table { family, name: "x".into(), helpers: Vec::new(), sets, chains };
    let found = check(&Ruleset { tables: vec![table] }).err().unwrap_or_default();
    let prefix = format!("{} table x, ", family.as_str());
    found.iter().map(|illegal| illegal.to_string().replace(&prefix, "")).collect()
}

/// Problems of one rule in a chain without a hook.
fn rule_problems(family: TableFamily, statements: Vec<Statement>) -> Vec<String> {
    let found = problems(family, Vec::new(), vec![chain("c", None, vec![statements])]);
    found.iter().map(|problem| problem.replace("chain c, rule 0000000000000001: ", "")).collect()
}

#[test]
fn everything_named_is_there() {
    let lookup = Statement::Lookup { key: [Field::IpSaddr].into(), set: "s".into(), op: Op::Eq };
    let rule = vec![lookup, Statement::CtHelper("ftp".into()), jump("nowhere")];
    let expected = ["there is no set or map s", "there is no ct helper ftp", "there is no chain nowhere"];
    assert_eq!(rule_problems(TableFamily::Inet, rule), expected);
}

#[test]
fn keys_and_kinds_fit() {
    let lookup = |field, set: &str| Statement::Lookup { key: [field].into(), set: set.into(), op: Op::Eq };
    let sets = vec![
        set("v4", &[DataType::Ipv4Addr], SetKind::Set, Vec::new()),
        set("marks", &[DataType::Ifname], SetKind::MarkMap, Vec::new()),
    ];
    let rules = vec![vec![lookup(Field::Ip6Saddr, "v4")], vec![lookup(Field::Iifname, "marks")]];
    let expected = [
        "chain c, rule 0000000000000001: the key of v4 has other types",
        "chain c, rule 0000000000000002: marks is of another kind than the statement needs",
    ];
    assert_eq!(problems(TableFamily::Inet, sets, vec![chain("c", None, rules)]), expected);
}

#[test]
fn elements_fit_and_exclude_each_other() {
    let ports = |elements| {
        problems(
            TableFamily::Inet,
            vec![set("s", &[DataType::InetService], SetKind::Set, elements)],
            Vec::new(),
        )
    };
    let plain = |value| element([value], ElementData::None);
    assert_eq!(ports(vec![plain(range(1, 5)), plain(range(6, 9))]), Vec::<String>::new());
    assert_eq!(ports(vec![plain(range(1, 5)), plain(range(5, 9))]), ["set s: an element overlaps another"]);
    assert_eq!(ports(vec![plain(range(7, 7)), plain(range(7, 7))]), ["set s: an element overlaps another"]);
    assert_eq!(ports(vec![plain(range(1, 0x1_0000))]), ["set s: 0x10000 does not fit 16 bits"]);
    assert_eq!(ports(vec![plain(Value::name("eth0"))]), ["set s: a value of another type"]);
    let marked = element([range(1, 1)], ElementData::Mark(1));
    assert_eq!(ports(vec![marked]), ["set s: an element with data of another kind than the set's"]);
}

#[test]
fn overlaps_in_concatenations_and_of_wildcards() {
    let key = [DataType::Ifname, DataType::Ipv4Addr];
    let at = |name: &str, value| element([Value::name(name), value], ElementData::None);
    let nets =
        |elements| problems(TableFamily::Inet, vec![set("s", &key, SetKind::Set, elements)], Vec::new());
    let apart = vec![at("tap1", range(0, 9)), at("tap2", range(0, 9)), at("tap1", range(10, 12))];
    assert_eq!(nets(apart), Vec::<String>::new());
    let same = vec![at("tap1", range(0, 9)), at("tap2", range(0, 9)), at("tap1", range(9, 12))];
    assert_eq!(nets(same), ["set s: an element overlaps another"]);
    let wild = vec![at("tap*", range(0, 9)), at("tap2", range(0, 9))];
    assert_eq!(nets(wild), ["set s: an element overlaps another"]);
}

#[test]
fn jumps_end_and_are_few() {
    let circle = vec![
        chain("a", Some(Hook::Input), vec![vec![jump("b")]]),
        chain("b", None, vec![vec![jump("c")]]),
        chain("c", None, vec![vec![jump("b")]]),
    ];
    assert_eq!(problems(TableFamily::Inet, Vec::new(), circle), ["chain b: jumps lead back to it"]);
    let name = |depth: usize| format!("c{depth}");
    let deep = |n: usize| {
        let regular = (1..=n)
            .map(|d| chain(&name(d), None, if d < n { vec![vec![jump(&name(d + 1))]] } else { vec![] }));
        std::iter::once(chain("c0", Some(Hook::Input), vec![vec![jump("c1")]])).chain(regular).collect()
    };
    assert_eq!(problems(TableFamily::Inet, Vec::new(), deep(15)), Vec::<String>::new());
    let expected = ["chain c16: more than 15 jumps away from a base chain"];
    assert_eq!(problems(TableFamily::Inet, Vec::new(), deep(16)), expected);
    let to_base = vec![chain("a", Some(Hook::Input), vec![]), chain("b", None, vec![vec![jump("a")]])];
    let expected = ["chain b, rule 0000000000000001: a is a base chain: no jump leads there"];
    assert_eq!(problems(TableFamily::Inet, Vec::new(), to_base), expected);
}

/// The way leads through a verdict map.
#[test]
fn statements_are_reached_from_hooks_that_have_them() {
    let to = ElementData::Verdict(Verdict::Goto("guest".into()));
    let by_name = vec![element([Value::name("tap1")], to)];
    let guests = || vec![set("guests", &[DataType::Ifname], SetKind::VerdictMap, by_name.clone())];
    let chains = |hook| {
        let map: Name = "guests".into();
        let dispatch = Statement::VerdictMap { key: [Field::Iifname].into(), map };
        let reject = Statement::Reject(RejectWith::PortUnreachable);
        vec![chain("base", Some(hook), vec![vec![dispatch]]), chain("guest", None, vec![vec![reject]])]
    };
    let legal = |family, hook| problems(family, guests(), chains(hook)).is_empty();
    assert!(legal(TableFamily::Bridge, Hook::Prerouting) && legal(TableFamily::Bridge, Hook::Input));
    assert!(!legal(TableFamily::Bridge, Hook::Forward) && !legal(TableFamily::Bridge, Hook::Postrouting));
    assert!(legal(TableFamily::Inet, Hook::Forward) && !legal(TableFamily::Inet, Hook::Postrouting));
    let expected = ["chain guest, rule 0000000000000001: reject is reached from hook output"];
    assert_eq!(problems(TableFamily::Bridge, guests(), chains(Hook::Output)), expected);
}

#[test]
fn fields_belong_to_families_and_protocols() {
    let fib = eq(Field::FibDaddrType, Value::number(2));
    assert_eq!(rule_problems(TableFamily::Bridge, vec![fib]), ["fib daddr type in family bridge"]);
    let arp = eq(Field::ArpHtype, Value::number(1));
    assert_eq!(rule_problems(TableFamily::Inet, vec![arp]), ["arp htype in family inet"]);
    let ip = eq(Field::IpSaddr, Value::number(1));
    let ip6 = eq(Field::Ip6Daddr, Value::number(1));
    assert_eq!(rule_problems(TableFamily::Inet, vec![ip.clone(), ip6]), ["ip and ip6 in one rule"]);
    let answer = Statement::Reject(RejectWith::AdminProhibited);
    assert_eq!(rule_problems(TableFamily::Inet, vec![ip, answer]), ["ip and ip6 in one rule"]);
}

#[test]
fn names_prefixes_and_interfaces_have_limits() {
    let of_chain = |name: &str| problems(TableFamily::Inet, Vec::new(), vec![chain(name, None, Vec::new())]);
    assert_eq!(of_chain(&"x".repeat(128)), Vec::<String>::new());
    assert_eq!(of_chain("reject"), ["chain reject: `reject` is a word of nft"]);
    assert_eq!(of_chain("1st"), ["chain 1st: a name that nft cannot read"]);
    assert_eq!(of_chain(&"x".repeat(129)).len(), 1);
    let log = |prefix: &str| rule_problems(TableFamily::Inet, vec![Statement::Log(prefix.into())]);
    assert_eq!(log(&"x".repeat(127)), Vec::<String>::new());
    assert_eq!(log(&"x".repeat(128)), ["a log prefix of 128 bytes, not 1 to 127"]);
    assert_eq!(log("$x"), ["a log prefix with a character that nft cannot quote"]);
    let named = |name: &str| rule_problems(TableFamily::Inet, vec![eq(Field::Iifname, Value::name(name))]);
    assert_eq!(named("tap100i0"), Vec::<String>::new());
    assert_eq!(named("tap1*"), Vec::<String>::new());
    assert_eq!([named("*").len(), named("sixteen-letters.").len(), named("a\"b").len()], [1, 1, 1]);
}

#[test]
fn nothing_follows_a_verdict() {
    let rule = vec![Statement::Verdict(Verdict::Drop), Statement::Counter];
    assert_eq!(rule_problems(TableFamily::Inet, rule), ["a statement behind the verdict"]);
}

/// A fault in what changed is found, and one that a new way leads to.
#[test]
fn what_changed_is_checked() {
    let chains = |second: Vec<Statement>| {
        let first = chain("a", Some(Hook::Input), vec![vec![jump("b")]]);
        let chains =
            [first, chain("b", None, vec![second]), chain("c", None, vec![vec![Statement::Notrack]])];
        let chains = chains.map(Arc::new).to_vec();
        Table { family: TableFamily::Inet, name: "x".into(), helpers: Vec::new(), sets: Vec::new(), chains }
    };
    let drops = || Statement::Verdict(Verdict::Drop);
    let legal = Ruleset { tables: vec![chains(vec![drops()])] };
    assert_eq!(check(&legal), Ok(()));
    let changed = |statements| {
        let mut table = chains(statements);
        // All but the second chain is the same.
        for at in [0, 2] {
            table.chains[at] = legal.tables[0].chains[at].clone();
        }
        check_since(&Ruleset { tables: vec![table] }, &legal).err().map_or(0, |found| found.len())
    };
    assert_eq!(changed(vec![Statement::Counter, drops()]), 0);
    assert_eq!(changed(vec![drops(), Statement::Counter]), 1);
    assert_eq!(changed(vec![jump("nowhere")]), 1);
    assert_eq!(changed(vec![jump("c")]), 1);
}
