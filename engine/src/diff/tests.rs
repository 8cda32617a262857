//! Pairs of small rulesets against what must change between them.

use std::sync::Arc;

use super::{Count, Edit, Sides, TableChange, TableEdit, diff, replay, text};
use crate::ruleset::build::{accept, drop, goto, in_set, jump, tcp_dport, vmap};
use crate::ruleset::{
    Base, Chain, DataType, Element, ElementData, Field, Hook, Origin, Rule, RuleId, Ruleset, Set, SetKind,
    Statement, Table, TableFamily, Value, Verdict,
};
use crate::span::{FileId, Sources, Span};
use crate::transaction;

const ORIGIN: Origin = Origin::Skeleton("test");

fn rule(id: u64, statements: Vec<Statement>) -> Rule {
    Rule { id: RuleId(id), statements, origin: ORIGIN }
}

/// Rules of these ids that accept.
fn rules(ids: &[u64]) -> Vec<Rule> {
    ids.iter().map(|id| rule(*id, vec![accept()])).collect()
}

fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain { name: name.into(), base: None, rules, origin: ORIGIN }
}

fn base(name: &str, priority: i32, rules: Vec<Rule>) -> Chain {
    Chain { base: Some(Base { hook: Hook::Input, priority, device: None }), ..chain(name, rules) }
}

fn set(name: &str, kind: SetKind, elements: &[(u128, ElementData)]) -> Set {
    let element = |(key, data): &(u128, ElementData)| Element {
        key: [Value::number(*key)].into(),
        data: data.clone(),
        origin: ORIGIN,
    };
    Set {
        name: name.into(),
        key: [DataType::Ipv4Addr].into(),
        kind,
        interval: false,
        elements: elements.iter().map(element).collect(),
        origin: ORIGIN,
    }
}

fn to(chain: &str) -> ElementData {
    ElementData::Verdict(Verdict::Jump(chain.into()))
}

fn table(sets: Vec<Set>, chains: Vec<Chain>) -> Table {
    let (sets, chains) =
        (sets.into_iter().map(Arc::new).collect(), chains.into_iter().map(Arc::new).collect());
    Table { family: TableFamily::Inet, name: "t".into(), helpers: Vec::new(), sets, chains }
}

fn ruleset(sets: Vec<Set>, chains: Vec<Chain>) -> Ruleset {
    Ruleset { tables: vec![table(sets, chains)] }
}

/// Runs `look` on the edit of the only table, after the law was checked.
#[track_caller]
fn with_edit(old: &Ruleset, new: &Ruleset, look: impl FnOnce(&TableEdit<'_>)) {
    let changes = diff(old, new);
    let replayed = replay(old, &changes);
    assert!(replayed.is_same(new), "{replayed:?}\n{new:?}");
    assert!(diff(&replayed, new).is_empty());
    let [TableChange::Edit(edit)] = &*changes.tables else { panic!("{:?}", changes.tables) };
    look(edit);
}

/// What happens to the rules of one chain: `=` and how many stay, `-` and `+` and the id.
#[track_caller]
fn edits_of(old: &[u64], new: &[u64]) -> String {
    let (old, new) =
        (ruleset(vec![], vec![chain("c", rules(old))]), ruleset(vec![], vec![chain("c", rules(new))]));
    let mut text = String::new();
    with_edit(&old, &new, |edit| {
        let [chain] = &*edit.chain_edits else { panic!("{edit:?}") };
        let words = chain.edits.iter().map(|edit| match edit {
            Edit::Keep(kept) => format!("={}", kept.len()),
            Edit::Remove(idx) => format!("-{}", chain.old.rules[*idx].id.0),
            Edit::Add(rule) => format!("+{}", rule.id.0),
        });
        text = words.collect::<Vec<_>>().join(" ");
    });
    text
}

#[test]
fn rules_that_stay_are_kept() {
    assert_eq!(edits_of(&[1, 2, 3], &[1, 9, 2, 3]), "=1 +9 =2");
    assert_eq!(edits_of(&[1, 2, 3], &[1, 3]), "=1 -2 =1");
    assert_eq!(edits_of(&[1, 2, 3], &[1, 2, 3, 4]), "=3 +4");
    assert_eq!(edits_of(&[1, 2, 3], &[0, 1, 2, 3]), "+0 =3");
    assert_eq!(edits_of(&[1, 2, 3], &[1, 4, 3]), "=1 -2 +4 =1");
    assert_eq!(edits_of(&[], &[1]), "+1");
    assert_eq!(edits_of(&[1], &[]), "-1");
    // Moved: one of two goes the other way.
    assert_eq!(edits_of(&[1, 2, 3, 4, 5], &[1, 5, 2, 3, 4]), "=1 +5 =3 -5");
    assert_eq!(edits_of(&[1, 2, 3, 4, 5, 6], &[1, 3, 2, 4, 6, 5]), "=1 +3 =1 -3 =1 +6 =1 -6");
    assert_eq!(edits_of(&[1, 2, 3, 4, 5, 6, 7], &[2, 1, 5, 4, 7, 3, 6]).matches('=').count(), 3);
    // Rules that one line became share its id.
    assert_eq!(edits_of(&[7, 7, 7], &[7, 7]), "=2 -7");
    assert_eq!(edits_of(&[7, 8, 7, 8], &[8, 7, 8, 7]), "+8 =3 -8");
}

#[test]
fn long_chains_cost_no_square() {
    let many: Vec<u64> = (0..30_000).collect();
    let reversed: Vec<u64> = (0..30_000).rev().collect();
    assert!(edits_of(&many, &reversed).contains("=1"));
    // Equal ends are off, so all that is between them is matched.
    let same = [vec![1], vec![7; 30_000], vec![2]].concat();
    let other = [vec![3], vec![7; 29_999], vec![4]].concat();
    assert_eq!(edits_of(&same, &other), "-1 +3 =29999 -7 -2 +4");
}

#[test]
fn same_id_with_other_statements_is_another_rule() {
    let old = ruleset(vec![], vec![chain("c", vec![rule(1, vec![accept()]), rule(1, vec![drop()])])]);
    let new = ruleset(
        vec![],
        vec![chain("c", vec![rule(1, vec![tcp_dport(22), accept()]), rule(1, vec![drop()])])],
    );
    with_edit(&old, &new, |edit| {
        let added = &new.tables[0].chains[0].rules[0];
        assert_eq!(edit.chain_edits[0].edits, [Edit::Remove(0), Edit::Add(added), Edit::Keep(1..2)]);
    });
}

/// A line that moved down in its file.
#[test]
fn an_origin_is_no_difference() {
    let old =
        ruleset(vec![set("s", SetKind::Set, &[(1, ElementData::None)])], vec![chain("c", rules(&[1, 2]))]);
    let mut new = old.clone();
    let origin = Origin::Line(Span { file: FileId(3), start: 4, end: 5 });
    let table = &mut new.tables[0];
    let (set, chain) = (Arc::make_mut(&mut table.sets[0]), Arc::make_mut(&mut table.chains[0]));
    (set.origin, set.elements[0].origin, chain.origin) = (origin, origin, origin);
    chain.rules.iter_mut().for_each(|rule| rule.origin = origin);
    assert!(old != new && old.is_same(&new));
    assert!(diff(&old, &new).is_empty());
}

#[test]
fn order_of_names_is_no_difference() {
    let chains = || ["a", "b", "c", "d"].map(|name| chain(name, rules(&[1])));
    let old = ruleset(vec![], chains().into());
    let mut turned: Vec<Chain> = chains().into();
    turned.rotate_left(1);
    assert!(diff(&old, &ruleset(vec![], turned)).is_empty());
}

#[test]
fn elements_by_key_and_data() {
    let map = |elements: &[(u128, ElementData)]| {
        let chains = vec![chain("a", vec![]), chain("b", vec![])];
        ruleset(vec![set("m", SetKind::VerdictMap, elements)], chains)
    };
    let (old, new) =
        (map(&[(1, to("a")), (2, to("a")), (4, to("a"))]), map(&[(1, to("a")), (2, to("b")), (3, to("a"))]));
    with_edit(&old, &new, |edit| {
        let keys = |elements: &[&Element]| elements.iter().map(|e| e.key[0].clone()).collect::<Vec<_>>();
        assert!(edit.chains.is_empty() && edit.chain_edits.is_empty() && edit.sets.is_empty());
        assert_eq!(keys(&edit.set_edits[0].removed), [2, 4].map(Value::number));
        assert_eq!(keys(&edit.set_edits[0].added), [2, 3].map(Value::number));
    });
}

#[test]
fn what_packets_fill_stays() {
    let dynamic = |timeout_s| SetKind::Dynamic { size: 10, timeout_s };
    let old = ruleset(vec![set("d", dynamic(60), &[(1, ElementData::None)])], vec![]);
    assert!(diff(&old, &ruleset(vec![set("d", dynamic(60), &[])], vec![])).is_empty());
    with_edit(&old, &ruleset(vec![set("d", dynamic(30), &[])], vec![]), |edit| {
        assert_eq!((edit.sets.removed.len(), edit.sets.added.len()), (1, 1));
    });
}

/// A regular chain becomes a base chain, a set another type: all that names them comes anew, the rest stays.
#[test]
fn what_names_a_replaced_object_is_replaced() {
    let by_set = |id| rule(id, vec![in_set(&[Field::IpSaddr], &"s".into()), accept()]);
    let by_map = |id| rule(id, vec![vmap(&[Field::IpSaddr], &"m".into())]);
    let make = |interval: bool, turning: Chain| {
        let sets = vec![
            set("m", SetKind::VerdictMap, &[(1, to("deep")), (2, ElementData::Verdict(Verdict::Drop))]),
            Set { interval, ..set("s", SetKind::Set, &[(1, ElementData::None)]) },
        ];
        let calls = vec![rule(1, vec![accept()]), by_set(2), by_map(3), rule(4, vec![goto("deep")])];
        ruleset(sets, vec![base("in", 0, calls), turning, chain("deep", rules(&[5]))])
    };
    let old = make(false, base("other", 1, rules(&[6])));
    let new = make(true, base("other", 2, rules(&[6])));
    with_edit(&old, &new, |edit| {
        assert_eq!(edit.replaced_chains(), ["other"]);
        assert_eq!(edit.chain_edits.len(), 1);
        let edits = &edit.chain_edits[0].edits;
        let added = &new.tables[0].chains[0].rules[1];
        assert_eq!(*edits, [Edit::Keep(0..1), Edit::Remove(1), Edit::Add(added), Edit::Keep(2..4)]);
        assert!(edit.set_edits.is_empty(), "no element leads to what is replaced");
    });
    // Of one memory, too: what is shared refers to what is replaced.
    let mut new = old.clone();
    Arc::make_mut(&mut new.tables[0].chains[2]).base =
        Some(Base { hook: Hook::Input, priority: 7, device: None });
    with_edit(&old, &new, |edit| {
        assert_eq!(edit.replaced_chains(), ["deep"]);
        let (set, chain) = (&edit.set_edits[0], &edit.chain_edits[0]);
        assert_eq!((set.removed.len(), set.added.len()), (1, 1));
        assert_eq!(chain.edits[..2], [Edit::Keep(0..3), Edit::Remove(3)]);
    });
}

impl TableEdit<'_> {
    /// Names of chains that leave; the same ones come.
    fn replaced_chains(&self) -> Vec<&str> {
        let names = |chains: &[&Chain]| chains.iter().map(|chain| chain.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&self.chains.removed), names(&self.chains.added));
        self.chains.removed.iter().map(|chain| &*chain.name).collect()
    }
}

#[test]
fn tables_come_and_go() {
    let old =
        ruleset(vec![set("s", SetKind::Set, &[(1, ElementData::None)])], vec![chain("c", rules(&[1, 2]))]);
    let mut new = old.clone();
    new.tables[0].name = "u".into();
    let changes = diff(&old, &new);
    assert!(matches!(&*changes.tables, [TableChange::Remove(_), TableChange::Add(_)]));
    assert!(replay(&old, &changes).is_same(&new));
    let counts = changes.counts();
    assert_eq!(counts.rules, Count { n_removed: 2, n_added: 2 });
    assert_eq!(counts.elements, Count { n_removed: 1, n_added: 1 });
    assert_eq!(counts.chains, Count { n_removed: 1, n_added: 1 });
    assert_eq!(counts.sets, counts.chains);
}

#[test]
fn counts_of_an_edit() {
    let old = ruleset(vec![], vec![chain("c", rules(&[1, 2])), chain("d", rules(&[3]))]);
    let new = ruleset(
        vec![],
        vec![chain("c", vec![rule(1, vec![accept()]), rule(9, vec![jump("e")])]), chain("e", rules(&[3, 4]))],
    );
    let counts = diff(&old, &new).counts();
    assert_eq!(counts.rules, Count { n_removed: 2, n_added: 3 });
    assert_eq!(counts.chains, Count { n_removed: 1, n_added: 1 });
}

#[test]
fn people_read_a_diff() {
    let lines = |text: &str| {
        let mut sources = Sources::default();
        let file = sources.add("/etc/pve/firewall/100.fw", text.as_bytes().into());
        let line = move |start| Origin::Line(Span { file, start, end: start + 1 });
        (sources, line)
    };
    let ((old_sources, old_line), (new_sources, new_line)) =
        (lines("[RULES]\nA\nB\n"), lines("[RULES]\n\nA\nC\n"));
    let with = |rule: Rule, origin| Rule { origin, ..rule };
    let accepts = |id| rule(id, vec![accept()]);
    let set_of = |address| {
        set("v4-dc/web", SetKind::Set, &[(0x0a00_0001, ElementData::None), (address, ElementData::None)])
    };
    let old_rules = [rules(&[1, 2, 3, 4]), vec![with(accepts(5), old_line(10))], rules(&[6, 7])].concat();
    let new_rules = [
        rules(&[1, 2, 3, 4]),
        vec![with(rule(8, vec![tcp_dport(22), drop()]), new_line(11))],
        rules(&[6, 7]),
    ];
    let old = ruleset(vec![set_of(0xc000_0207)], vec![base("in", 0, old_rules), chain("gone", rules(&[9]))]);
    let new = ruleset(
        vec![set_of(0xc000_0208)],
        vec![base("in", 0, new_rules.concat()), base("more", -5, rules(&[10]))],
    );
    let sides = Sides { old: &old_sources, new: &new_sources };
    let expected = r#" table inet t
   set v4-dc/web
-    192.0.2.7  # built in: test
+    192.0.2.8  # built in: test
-  chain gone  # built in: test
-    accept comment "0000000000000009"  # built in: test
   chain in
     … 3 rules
     accept comment "0000000000000004"
-    accept comment "0000000000000005"  # /etc/pve/firewall/100.fw:3
+    tcp dport 22 drop comment "0000000000000008"  # /etc/pve/firewall/100.fw:4
     accept comment "0000000000000006"
     accept comment "0000000000000007"
+  chain more (hook input, priority -5)  # built in: test
+    accept comment "000000000000000a"  # built in: test
"#;
    assert_eq!(text(&diff(&old, &new), sides), expected);
    assert_eq!(text(&diff(&old, &old), sides), "");
    let absent = Ruleset::default();
    let one_side = Sides { old: &new_sources, new: &new_sources };
    let removed = text(&diff(&new, &absent), one_side);
    assert!(removed.lines().all(|line| line.starts_with('-')), "{removed}");
    assert_eq!(removed.replace("\n-", "\n+").replacen('-', "+", 1), text(&diff(&absent, &new), one_side));
}

#[test]
fn a_script_loosens_removes_creates_and_fills() {
    let port = |elements: &[(u128, ElementData)]| set("m", SetKind::VerdictMap, elements);
    let old = ruleset(
        vec![port(&[(1, to("gone")), (2, to("stays"))]), set("s", SetKind::Set, &[])],
        vec![chain("stays", rules(&[1, 2])), chain("gone", rules(&[3]))],
    );
    let new = ruleset(
        vec![port(&[(2, to("stays")), (3, to("comes"))])],
        vec![chain("stays", rules(&[1, 4])), chain("comes", vec![])],
    );
    let script = transaction::changes(&diff(&old, &new));
    let expected = r#"flush chain inet t stays
flush chain inet t gone
delete element inet t m {
	0.0.0.1,
}
delete set inet t s
delete chain inet t gone
table inet t {
	map m {
		type ipv4_addr : verdict
		elements = {
			0.0.0.3 : jump comes,
		}
	}
	chain stays {
		accept comment "0000000000000001"
		accept comment "0000000000000004"
	}
	chain comes {
	}
}
"#;
    assert_eq!(script.text, expected);
    assert_eq!(script.origins.len(), expected.lines().count());
    assert_eq!(transaction::changes(&diff(&new, &new)), transaction::Script::default());
}
