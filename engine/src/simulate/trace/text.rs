//! A trace for people: hooks, chains, rules, each with its reason, indented.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Assumption, Deciding, Found, Mismatch, Outcome, RuleStep, Step, Trace, Verdict};
use crate::model::address::Mac;
use crate::ruleset::{Compare, DataType, Field, Op, Origin, Statement, Value};
use crate::simulate::lookup::Datum;
use crate::simulate::packet::{Fragment, State};
use crate::simulate::path::Pass;
use crate::span::{Sources, Span};

/// How much of a trace is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Rules that did something.
    Summary,
    /// Rules that did not match, too.
    Full,
}

/// A trace being shown.
pub struct TraceText<'t, 'r> {
    pub(super) trace: &'t Trace<'r>,
    pub(super) detail: Detail,
    pub(super) sources: Option<&'t Sources>,
}

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(Detail::Full, None).fmt(f)
    }
}

impl fmt::Display for TraceText<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.trace.steps {
            self.step(f, step)?;
        }
        write!(f, "verdict: {}", self.trace.verdict)?;
        match &self.trace.deciding {
            Some(deciding) => writeln!(f, ", by {}", self.place(deciding))?,
            None => writeln!(f, ", by the base chains' policy")?,
        }
        self.trace.assumptions.iter().try_for_each(|assumption| writeln!(f, "assumed: {assumption}"))
    }
}

impl TraceText<'_, '_> {
    fn step(&self, f: &mut fmt::Formatter<'_>, step: &Step<'_>) -> fmt::Result {
        match step {
            Step::Hook { pass, fragment } => write_hook(f, pass, *fragment),
            Step::Chain { table, chain, priority } => {
                writeln!(f, "  table {} chain {} (priority {priority})", table.name, chain.name)
            }
            Step::Rule(rule) => self.rule(f, rule),
            Step::Policy => writeln!(f, "    policy accept"),
            Step::Answer { with, packet } => writeln!(f, "answer ({}): {packet}", with.as_str()),
        }
    }

    fn rule(&self, f: &mut fmt::Formatter<'_>, step: &RuleStep<'_>) -> fmt::Result {
        if self.detail == Detail::Summary && step.log.is_none() && is_quiet(&step.outcome) {
            return Ok(());
        }
        write!(f, "{:indent$}{}: ", "", self.place(&step.place), indent = 4 + 2 * step.depth)?;
        if let Some(prefix) = step.log {
            write!(f, "logged \"{prefix}\", ")?;
        }
        writeln!(f, "{}", step.outcome)
    }

    fn place(&self, place: &Deciding<'_>) -> String {
        let origin = match place.origin() {
            Origin::Line(span) => self.position(span),
            Origin::Option { name, at } => match at {
                Some(span) => format!("option {name}, {}", self.position(span)),
                None => format!("option {name}, default"),
            },
            Origin::Skeleton(paragraph) => paragraph.to_owned(),
        };
        format!("{} {} [{origin}]", place.chain.name, place.rule.id)
    }

    fn position(&self, span: Span) -> String {
        match self.sources {
            Some(sources) => {
                let position = sources.position(span);
                format!("{}:{}", position.path, position.line)
            }
            None => format!("file {} byte {}", span.file.0, span.start),
        }
    }
}

fn is_quiet(outcome: &Outcome<'_>) -> bool {
    matches!(outcome, Outcome::NotMatched(_) | Outcome::Continued)
}

fn write_hook(f: &mut fmt::Formatter<'_>, pass: &Pass, fragment: Fragment) -> fmt::Result {
    write!(f, "{} {}", pass.family.as_str(), pass.hook.as_str())?;
    let names = [("iif", &pass.iifname), ("oif", &pass.oifname)];
    for (word, name) in names {
        name.as_ref().map_or(Ok(()), |name| write!(f, " {word} {name}"))?;
    }
    if let Some(bridge) = pass.ibrname.as_ref().or(pass.obrname.as_ref()) {
        write!(f, " on {bridge}")?;
    }
    writeln!(
        f,
        "{}",
        match fragment {
            Fragment::None => "",
            Fragment::First => " (first fragment)",
            Fragment::Later => " (later fragment)",
        }
    )
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::NotMatched(mismatch) => write!(f, "not matched: {mismatch}"),
            Outcome::Continued => f.write_str("matched, goes on"),
            Outcome::Jumped(chain) => write!(f, "jump {}", chain.name),
            Outcome::WentTo(chain) => write!(f, "goto {}", chain.name),
            Outcome::Returned => f.write_str("return"),
            Outcome::Accepted => f.write_str("accept"),
            Outcome::Dropped => f.write_str("drop"),
            Outcome::Forwarded(device) => write!(f, "fwd to {}", device.name),
            Outcome::Rejected(with) => write!(f, "reject with {}", with.as_str()),
        }
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = key_of(self.statement);
        let words: Vec<&str> = key.iter().map(|field| field.as_str()).collect();
        match &self.found {
            Found::Absent(field) => write!(f, "wanted {}, packet has no {}", self.wanted(), field.as_str()),
            Found::Rate => write!(f, "wanted {}, assumed otherwise", self.wanted()),
            Found::Values(values) => {
                let texts: Vec<String> = key
                    .iter()
                    .zip(values)
                    .map(|(field, datum)| datum_text(field.data_type(), datum))
                    .collect();
                write!(f, "{}: wanted {}, packet has {}", words.join(" . "), self.wanted(), texts.join(" . "))
            }
        }
    }
}

impl Mismatch<'_> {
    fn wanted(&self) -> String {
        match self.statement {
            Statement::Compare(Compare { field, op, value }) => {
                format!("{}{}", negation(*op), value_text(field.data_type(), value))
            }
            Statement::Masked { field, op, bits } => {
                let [mask, value] =
                    [bits.mask(), bits.value()].map(|number| number_text(field.data_type(), number));
                format!("{}{value} of {mask}", negation(*op))
            }
            Statement::CtState(bits) => number_text(DataType::CtState, u128::from(*bits)),
            Statement::Lookup { set, op, .. } => format!("{}@{set}", negation(*op)),
            Statement::VerdictMap { map, .. } | Statement::CtMarkSet { map, .. } => format!("@{map}"),
            Statement::Limit { over: false, .. } => "a rate below its limit".to_owned(),
            Statement::Limit { over: true, .. } | Statement::Meter { .. } => {
                "a rate above its limit".to_owned()
            }
            Statement::Reject(with) => format!("what `reject with {}` is for", with.as_str()),
            Statement::Log(_)
            | Statement::Counter
            | Statement::MarkSet(_)
            | Statement::MarkClear(_)
            | Statement::CtHelper(_)
            | Statement::Notrack
            | Statement::Forward(_)
            | Statement::Verdict(_) => String::new(),
        }
    }
}

fn negation(op: Op) -> &'static str {
    match op {
        Op::Eq => "",
        Op::Ne => "!= ",
    }
}

fn key_of(statement: &Statement) -> Vec<Field> {
    match statement {
        Statement::CtState(_) => vec![Field::CtState],
        Statement::Reject(_) => vec![Field::L4proto],
        other => other.fields().to_vec(),
    }
}

fn value_text(data_type: DataType, value: &Value) -> String {
    match value {
        Value::Name(name) => name.to_string(),
        Value::Number(numbers) => match numbers.single() {
            Some(number) => number_text(data_type, number),
            None => {
                format!(
                    "{}-{}",
                    number_text(data_type, numbers.first()),
                    number_text(data_type, numbers.last())
                )
            }
        },
    }
}

fn datum_text(data_type: DataType, datum: &Datum) -> String {
    match datum {
        Datum::Name(name) => name.to_string(),
        Datum::Number(number) => number_text(data_type, *number),
    }
}

fn number_text(data_type: DataType, number: u128) -> String {
    match data_type {
        DataType::Ipv4Addr => Ipv4Addr::from_bits(number as u32).to_string(),
        DataType::Ipv6Addr | DataType::Integer128 => Ipv6Addr::from_bits(number).to_string(),
        DataType::EtherAddr => mac_text(number),
        DataType::EtherType => format!("{number:#06x}"),
        DataType::Mark => format!("{number:#x}"),
        DataType::CtState => flags_text(number, &STATE_BITS),
        DataType::TcpFlag => flags_text(number, &TCP_BITS),
        DataType::Ifname
        | DataType::Ifindex
        | DataType::InetService
        | DataType::InetProto
        | DataType::Nfproto
        | DataType::IcmpType
        | DataType::Icmpv6Type
        | DataType::FibAddrType
        | DataType::Integer8
        | DataType::Integer12
        | DataType::Integer13
        | DataType::Integer16 => number.to_string(),
    }
}

const STATE_BITS: [(u128, &str); 5] =
    [(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];
const TCP_BITS: [(u128, &str); 8] =
    [(1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ecn"), (128, "cwr")];

fn flags_text(number: u128, bits: &[(u128, &'static str)]) -> String {
    let set = bits.iter().filter(|(bit, _)| number & bit != 0);
    let words: Vec<&str> = set.map(|(_, word)| *word).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(",") }
}

fn mac_text(number: u128) -> String {
    let [.., a, b, c, d, e, g] = number.to_be_bytes();
    Mac([a, b, c, d, e, g]).to_string()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Accept => f.write_str("accept"),
            Verdict::Drop => f.write_str("drop"),
            Verdict::Reject(with) => write!(f, "reject with {}", with.as_str()),
            Verdict::Indeterminate { under, over } => {
                write!(f, "indeterminate: {under} while rates are kept, {over} while they are exceeded")
            }
        }
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Assumption::State(State::New) => "ct state new",
            Assumption::State(State::Established) => "ct state established",
            Assumption::State(State::Related) => "ct state related",
            Assumption::State(State::Invalid) => "ct state invalid",
            Assumption::State(State::Untracked) => "ct state untracked",
            Assumption::RatesKept => "rates are below their limits",
            Assumption::RatesExceeded => "rates are above their limits",
            Assumption::RatesUnknown => "nothing about rates",
        })
    }
}
