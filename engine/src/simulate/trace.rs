//! What a simulation tells: steps in order, the verdict, the rule that decided, what was assumed.

mod text;

pub use text::{Detail, TraceText};

use super::lookup::Datum;
use super::packet::{Fragment, Packet, State};
use super::path::Pass;
use crate::ruleset::{Chain, Device, Element, Field, Origin, RejectWith, Rule, Statement, Table};
use crate::span::Sources;

/// The story of one packet.
#[derive(Debug, Clone)]
pub struct Trace<'r> {
    /// What happened, in order.
    pub steps: Vec<Step<'r>>,
    /// How it ended.
    pub verdict: Verdict,
    /// The rule that made it so; `None`: no rule decided, the base chains' policy accepted.
    pub deciding: Option<Deciding<'r>>,
    /// What the verdict rests on besides the rules.
    pub assumptions: Vec<Assumption>,
}

/// How it ends for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It arrives.
    Accept,
    /// It doesn't, and the sender receives nothing.
    Drop,
    /// It doesn't, and the sender receives this.
    Reject(RejectWith),
    /// That depends on what only the running system knows: a rate, or the content of a set that packets fill.
    Indeterminate {
        /// The verdict while all rates are kept.
        under: Box<Verdict>,
        /// The verdict while all are exceeded.
        over: Box<Verdict>,
    },
}

/// One step.
#[derive(Debug, Clone)]
pub enum Step<'r> {
    /// The packet enters a hook.
    Hook {
        /// The hook and what is known there.
        pass: Box<Pass>,
        /// The piece of the datagram that is seen.
        fragment: Fragment,
    },
    /// A base chain begins.
    Chain {
        /// Its table.
        table: &'r Table,
        /// The chain.
        chain: &'r Chain,
        /// Its priority in the hook.
        priority: i32,
    },
    /// A rule was tried.
    Rule(RuleStep<'r>),
    /// The base chain ends without a verdict: policy accept.
    Policy,
    /// An answer to a rejected packet begins its way; the steps that follow are its.
    Answer {
        /// What kind.
        with: RejectWith,
        /// The answer.
        packet: Box<Packet>,
    },
}

/// A rule that was tried.
#[derive(Debug, Clone)]
pub struct RuleStep<'r> {
    /// The rule, and the element if one decided.
    pub place: Deciding<'r>,
    /// How many callers wait.
    pub depth: usize,
    /// The prefix that it logged with.
    pub log: Option<&'r str>,
    /// What came of it.
    pub outcome: Outcome<'r>,
}

/// What comes of a rule.
#[derive(Debug, Clone)]
pub enum Outcome<'r> {
    /// A condition failed.
    NotMatched(Mismatch<'r>),
    /// All conditions held, and nothing ends here.
    Continued,
    /// A chain is called.
    Jumped(&'r Chain),
    /// Another chain takes over.
    WentTo(&'r Chain),
    /// Back to the caller.
    Returned,
    /// Verdict accept.
    Accepted,
    /// Verdict drop.
    Dropped,
    /// Sent out of another device.
    Forwarded(&'r Device),
    /// Answer and drop.
    Rejected(RejectWith),
}

/// The condition that failed, and what stood against it.
#[derive(Debug, Clone)]
pub struct Mismatch<'r> {
    /// The condition.
    pub statement: &'r Statement,
    /// What the packet has.
    pub found: Found,
}

/// What a failed condition found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The packet has no such field here.
    Absent(Field),
    /// These values, in the order of the key.
    Values(Vec<Datum>),
    /// The rate is assumed to be on the other side.
    Rate,
}

/// A rule in its place.
#[derive(Debug, Clone, Copy)]
pub struct Deciding<'r> {
    /// The table.
    pub table: &'r Table,
    /// The chain.
    pub chain: &'r Chain,
    /// The rule.
    pub rule: &'r Rule,
    /// The element of its map that gave the verdict, or of its set for which it calls a chain.
    pub element: Option<&'r Element>,
}

/// What a verdict rests on besides the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assumption {
    /// Connection tracking says this of the packet where it sees it.
    State(State),
    /// Rates are kept; sets that packets fill are empty.
    RatesKept,
    /// Rates are exceeded; sets that packets fill hold the packet's key.
    RatesExceeded,
    /// Rates are not known.
    RatesUnknown,
}

impl Deciding<'_> {
    /// Why the rule, or the element that decided in it, exists.
    pub fn origin(&self) -> Origin {
        self.element.map_or(self.rule.origin, |element| element.origin)
    }
}

impl<'r> Trace<'r> {
    /// The trace for people; `sources` turns spans into `file:line`.
    pub fn text<'t>(&'t self, detail: Detail, sources: Option<&'t Sources>) -> TraceText<'t, 'r> {
        TraceText { trace: self, detail, sources }
    }

    /// This verdict while rates are kept, that of `over` while they are exceeded.
    pub(super) fn or(self, over: &Trace<'r>) -> Trace<'r> {
        let mut assumptions = self.assumptions;
        assumptions.retain(|assumption| matches!(assumption, Assumption::State(_)));
        assumptions.push(Assumption::RatesUnknown);
        let (under, over) = (Box::new(self.verdict), Box::new(over.verdict.clone()));
        Trace { verdict: Verdict::Indeterminate { under, over }, assumptions, ..self }
    }
}
