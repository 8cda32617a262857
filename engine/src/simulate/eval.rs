//! One base chain, statement by statement, as nf_tables walks it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::lookup::{Datum, Index, covers};
use super::packet::Packet;
use super::path::Pass;
use super::trace::{Deciding, Found, Mismatch, Outcome, RuleStep, Step};
use super::view::{Meta, View};
use super::world::World;
use crate::ruleset::{
    Base, Chain, Compare, Device, Element, ElementData, Field, Hook, Name, Op, RejectWith, Rule, Ruleset,
    Set, SetKind, Statement, Table, TableFamily, Verdict,
};

/// A ruleset, indexed: chains and sets by name, base chains by hook.
pub(super) struct Rules<'r> {
    tables: Vec<TableIndex<'r>>,
    /// By family, hook, and device in the family netdev.
    hooks: BTreeMap<(TableFamily, Hook, Option<Name>), Vec<BaseChain<'r>>>,
}

struct TableIndex<'r> {
    table: &'r Table,
    chains: BTreeMap<&'r str, &'r Chain>,
    sets: BTreeMap<&'r str, (&'r Set, OnceLock<Index>)>,
}

/// A base chain in its hook.
#[derive(Clone, Copy)]
pub(super) struct BaseChain<'r> {
    table_idx: usize,
    chain: &'r Chain,
    pub(super) priority: i32,
}

impl<'r> Rules<'r> {
    pub(super) fn new(ruleset: &'r Ruleset) -> Rules<'r> {
        let mut hooks: BTreeMap<_, Vec<BaseChain<'r>>> = BTreeMap::new();
        for (table_idx, table) in ruleset.tables.iter().enumerate() {
            for chain in &table.chains {
                let Some(Base { hook, priority, device }) = &chain.base else { continue };
                let base = BaseChain { table_idx, chain, priority: *priority };
                let device = device.as_ref().map(|device| device.name.clone());
                hooks.entry((table.family, *hook, device)).or_default().push(base);
            }
        }
        for chains in hooks.values_mut() {
            chains.sort_by_key(|base| base.priority);
        }
        let tables = ruleset.tables.iter().map(TableIndex::new).collect();
        Rules { tables, hooks }
    }

    /// The base chains of a hook, by priority.
    pub(super) fn base_chains(&self, family: TableFamily, hook: Hook) -> &[BaseChain<'r>] {
        self.hooks.get(&(family, hook, None)).map_or(&[], Vec::as_slice)
    }

    /// The base chains of what leaves a device, by priority.
    pub(super) fn egress_chains(&self, device: &Name) -> &[BaseChain<'r>] {
        let key = (TableFamily::Netdev, Hook::Egress, Some(device.clone()));
        self.hooks.get(&key).map_or(&[], Vec::as_slice)
    }
}

impl<'r> TableIndex<'r> {
    fn new(table: &'r Table) -> TableIndex<'r> {
        TableIndex {
            table,
            chains: table.chains.iter().map(|chain| (&*chain.name, &**chain)).collect(),
            sets: table.sets.iter().map(|set| (&*set.name, (&**set, OnceLock::new()))).collect(),
        }
    }

    fn chain(&self, name: &str) -> &'r Chain {
        self.chains.get(name).expect("a ruleset is closed: chains that rules name are in their table")
    }

    fn set(&self, name: &str) -> &(&'r Set, OnceLock<Index>) {
        self.sets.get(name).expect("a ruleset is closed: sets that rules name are in their table")
    }

    fn find(&self, name: &str, key: &[Datum]) -> Option<&'r Element> {
        let (set, index) = self.set(name);
        let set: &'r Set = set;
        index.get_or_init(|| Index::new(set)).find(set, key).map(|idx| &set.elements[idx])
    }
}

/// How a base chain ends.
pub(super) enum End<'r> {
    /// A rule accepts: this base chain is done.
    Accept(Deciding<'r>),
    /// No rule decides: the policy, always accept.
    Policy,
    /// A rule drops the packet.
    Drop(Deciding<'r>),
    /// A rule sends the frame out of another device.
    Forward(Deciding<'r>, &'r Device),
    /// A rule drops the packet and wants it answered.
    Reject(Deciding<'r>, RejectWith),
}

/// A packet under evaluation: what it carries along, and what has been seen.
pub(super) struct Walk<'s, 'r> {
    pub(super) rules: &'s Rules<'r>,
    pub(super) world: &'s World,
    pub(super) packet: &'s Packet,
    /// Rate limits are exceeded.
    pub(super) exceeded: bool,
    /// A limit other than a log's, or a set that packets fill, was asked.
    pub(super) met_limit: bool,
    pub(super) meta: Meta,
    pub(super) steps: Vec<Step<'r>>,
}

/// What a statement does to the walk.
enum Effect<'r> {
    Next,
    Log(&'r str),
    Fail(Mismatch<'r>),
    Verdict(&'r Verdict, Option<&'r Element>),
    Forward(&'r Device),
    Reject(RejectWith),
    /// A set has this element.
    Found(&'r Element),
}

impl<'r> Walk<'_, 'r> {
    /// Runs one base chain at one hook.
    pub(super) fn base_chain(&mut self, pass: &Pass, base: BaseChain<'r>) -> End<'r> {
        let rules = self.rules;
        let index = &rules.tables[base.table_idx];
        self.steps.push(Step::Chain { table: index.table, chain: base.chain, priority: base.priority });
        let mut callers: Vec<(&'r Chain, usize)> = Vec::new();
        let (mut chain, mut rule_idx) = (base.chain, 0);
        loop {
            let Some(rule) = chain.rules.get(rule_idx) else {
                let Some(caller) = callers.pop() else {
                    self.steps.push(Step::Policy);
                    return End::Policy;
                };
                (chain, rule_idx) = caller;
                continue;
            };
            rule_idx += 1;
            let place = Deciding { table: index.table, chain, rule, element: None };
            let (outcome, element) = self.rule(pass, index, place, callers.len());
            let decided = Deciding { element, ..place };
            match outcome {
                Outcome::NotMatched(_) | Outcome::Continued => {}
                Outcome::Returned => rule_idx = chain.rules.len(),
                Outcome::Jumped(target) => {
                    callers.push((chain, rule_idx));
                    (chain, rule_idx) = (target, 0);
                }
                Outcome::WentTo(target) => (chain, rule_idx) = (target, 0),
                Outcome::Accepted => return End::Accept(decided),
                Outcome::Dropped => return End::Drop(decided),
                Outcome::Forwarded(device) => return End::Forward(decided, device),
                Outcome::Rejected(with) => return End::Reject(decided, with),
            }
        }
    }

    /// Runs one rule and notes what came of it.
    fn rule(
        &mut self,
        pass: &Pass,
        index: &TableIndex<'r>,
        place: Deciding<'r>,
        depth: usize,
    ) -> (Outcome<'r>, Option<&'r Element>) {
        let rule: &'r Rule = place.rule;
        let (mut log, mut outcome, mut element) = (None, Outcome::Continued, None);
        // Of a set: it is why another chain is called, if one is.
        let mut found = None;
        for statement in &rule.statements {
            match self.statement(pass, index, statement) {
                Effect::Next => continue,
                Effect::Found(of) => {
                    found = Some(of);
                    continue;
                }
                Effect::Log(prefix) => {
                    log = Some(prefix);
                    continue;
                }
                Effect::Fail(mismatch) => outcome = Outcome::NotMatched(mismatch),
                Effect::Forward(device) => outcome = Outcome::Forwarded(device),
                Effect::Reject(with) => outcome = Outcome::Rejected(with),
                Effect::Verdict(verdict, of) => {
                    outcome = ended(index, verdict);
                    element = of.or(found.filter(|_| matches!(outcome, Outcome::Jumped(_))));
                }
            }
            break;
        }
        let place = Deciding { element, ..place };
        self.steps.push(Step::Rule(RuleStep { place, depth, log, outcome: outcome.clone() }));
        (outcome, element)
    }

    fn statement(&mut self, pass: &Pass, index: &TableIndex<'r>, statement: &'r Statement) -> Effect<'r> {
        let meta = self.meta;
        let view = View { packet: self.packet, pass, meta: &meta, world: self.world };
        let unless = |found: Found| Effect::Fail(Mismatch { statement, found });
        let asked = match statement {
            Statement::Compare(condition) => compare(view, condition),
            Statement::Masked { field, op, bits } => {
                test(view, *field, |datum| holds(*op, number(datum) & bits.mask() == bits.value()))
            }
            Statement::CtState(bits) => {
                test(view, Field::CtState, |datum| number(datum) & u128::from(*bits) != 0)
            }
            Statement::Lookup { key, set, op } => match self.lookup(view, index, (key, set), *op) {
                Ok(Some(element)) => return Effect::Found(element),
                Ok(None) => Ok(()),
                Err(found) => Err(found),
            },
            Statement::VerdictMap { key, map } => match verdict_of(view, index, (key, map)) {
                Ok((verdict, element)) => return Effect::Verdict(verdict, Some(element)),
                // A map without the key lets the rule go on.
                Err(Found::Values(_)) => Ok(()),
                Err(absent) => Err(absent),
            },
            Statement::Limit { limit: _, over } => self.limit(*over),
            Statement::Meter { set: _, field, prefix: _, limit: _ } => {
                values(view, &[*field]).and_then(|_| self.limit(true))
            }
            Statement::Log(prefix) => return Effect::Log(prefix),
            Statement::Counter | Statement::CtHelper(_) => Ok(()),
            Statement::MarkSet(bits) => {
                self.meta.mark |= bits;
                Ok(())
            }
            Statement::MarkClear(bits) => {
                self.meta.mark &= !bits;
                Ok(())
            }
            Statement::CtMarkSet { key, map } => self.set_ct_mark(view, index, (key, map)),
            Statement::Notrack => {
                self.meta.tracking = meta.tracking.notrack();
                Ok(())
            }
            Statement::Forward(device) => return Effect::Forward(device),
            Statement::Reject(with) => match reject_applies(view, *with) {
                Ok(()) => return Effect::Reject(*with),
                Err(found) => Err(found),
            },
            Statement::Verdict(verdict) => return Effect::Verdict(verdict, None),
        };
        asked.map_or_else(unless, |()| Effect::Next)
    }

    fn lookup(
        &mut self,
        view: View<'_>,
        index: &TableIndex<'r>,
        (key, name): (&[Field], &str),
        op: Op,
    ) -> Result<Option<&'r Element>, Found> {
        let values = values(view, key)?;
        let (is_element, element) = match index.set(name).0.kind {
            SetKind::Dynamic { .. } => {
                self.met_limit = true;
                (self.exceeded, None)
            }
            SetKind::Set | SetKind::VerdictMap | SetKind::MarkMap => {
                let element = index.find(name, &values);
                (element.is_some(), element)
            }
        };
        if holds(op, is_element) { Ok(element) } else { Err(Found::Values(values)) }
    }

    fn limit(&mut self, over: bool) -> Result<(), Found> {
        self.met_limit = true;
        if over == self.exceeded { Ok(()) } else { Err(Found::Rate) }
    }

    /// Without an element the kernel's lookup ends the rule; without an entry there is nothing to set.
    fn set_ct_mark(
        &mut self,
        view: View<'_>,
        index: &TableIndex<'r>,
        (key, map): (&[Field], &str),
    ) -> Result<(), Found> {
        let key = values(view, key)?;
        let Some(element) = index.find(map, &key) else { return Err(Found::Values(key)) };
        match element.data {
            ElementData::Mark(mark) if self.meta.tracking.has_entry() => self.meta.ct_mark = mark,
            ElementData::Mark(_) | ElementData::None | ElementData::Verdict(_) => {}
        }
        Ok(())
    }
}

fn ended<'r>(index: &TableIndex<'r>, verdict: &'r Verdict) -> Outcome<'r> {
    match verdict {
        Verdict::Accept => Outcome::Accepted,
        Verdict::Drop => Outcome::Dropped,
        Verdict::Jump(target) => Outcome::Jumped(index.chain(target)),
        Verdict::Goto(target) => Outcome::WentTo(index.chain(target)),
        Verdict::Return => Outcome::Returned,
    }
}

fn holds(op: Op, equal: bool) -> bool {
    match op {
        Op::Eq => equal,
        Op::Ne => !equal,
    }
}

fn compare(view: View<'_>, condition: &Compare) -> Result<(), Found> {
    test(view, condition.field, |datum| holds(condition.op, covers(&condition.value, datum)))
}

/// A field that is absent fails whatever is asked of it, "not equal" too.
fn test(view: View<'_>, field: Field, condition: impl Fn(&Datum) -> bool) -> Result<(), Found> {
    let datum = view.field(field).ok_or(Found::Absent(field))?;
    if condition(&datum) { Ok(()) } else { Err(Found::Values(vec![datum])) }
}

fn values(view: View<'_>, key: &[Field]) -> Result<Vec<Datum>, Found> {
    key.iter().map(|&field| view.field(field).ok_or(Found::Absent(field))).collect()
}

fn verdict_of<'r>(
    view: View<'_>,
    index: &TableIndex<'r>,
    (key, map): (&[Field], &str),
) -> Result<(&'r Verdict, &'r Element), Found> {
    let values = values(view, key)?;
    match index.find(map, &values) {
        Some(element) => match &element.data {
            ElementData::Verdict(verdict) => Ok((verdict, element)),
            ElementData::None | ElementData::Mark(_) => Err(Found::Values(values)),
        },
        None => Err(Found::Values(values)),
    }
}

/// What `reject` implies of the packet (nft(8), REJECT STATEMENT); `icmpx` implies nothing.
fn reject_applies(view: View<'_>, with: RejectWith) -> Result<(), Found> {
    const TCP: u128 = 6;
    match with {
        RejectWith::TcpReset => test(view, Field::L4proto, |datum| number(datum) == TCP),
        RejectWith::HostProhibited => test(view, Field::IpSaddr, |_| true),
        RejectWith::AdminProhibited => test(view, Field::Ip6Saddr, |_| true),
        RejectWith::PortUnreachable => Ok(()),
    }
}

fn number(datum: &Datum) -> u128 {
    match datum {
        Datum::Number(number) => *number,
        Datum::Name(_) => 0,
    }
}
