//! A packet line with what must become of it:
//! `outside host tcp 10.66.0.5:40000 > 192.0.2.1:22 => drop cluster.fw:4 log=":0:6:cluster-in: DROP: "`.

use engine::ruleset::Origin;
use engine::simulate::trace::{Outcome, RuleStep, Step};
use engine::simulate::{Packet, Simulator, Trace, Verdict};
use engine::span::Sources;

use crate::case::line_of;

/// One line of a case.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The line, for messages.
    pub line: String,
    /// The packet.
    pub packet: Packet,
    /// `accept`, `drop`, `reject`.
    pub verdict: String,
    /// `cluster.fw:4` or `option:policy_in`; `None`: not asked.
    pub place: Option<String>,
    /// The log prefixes that must be written, `none` for none; empty: not asked.
    pub logs: Option<Vec<String>>,
}

/// Reads a line.
pub fn parse(line: &str) -> Expectation {
    let (packet, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("no ` => ` in `{line}`"));
    let packet = packet.parse().unwrap_or_else(|e| panic!("`{line}`: {e}"));
    let (head, logs) = match expected.split_once(" log=") {
        Some((head, "none")) => (head, Some(Vec::new())),
        Some((head, prefix)) => (head, Some(vec![prefix.trim_matches('"').to_owned()])),
        None => (expected, None),
    };
    let mut words = head.split_whitespace();
    let verdict = words.next().unwrap_or_else(|| panic!("no verdict in `{line}`")).to_owned();
    let place = words.next().map(str::to_owned);
    assert!(words.next().is_none(), "stray text in `{line}`");
    Expectation { line: line.to_owned(), packet, verdict, place, logs }
}

/// Reads the lines of a `packets` file.
pub fn parse_all(text: &str) -> Vec<Expectation> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(parse).collect()
}

/// Simulates the packet; on disagreement says what was seen.
pub fn check(simulator: &Simulator<'_, '_>, sources: &Sources, expected: &Expectation) -> Result<(), String> {
    let trace = simulator
        .simulate(&expected.packet)
        .map_err(|error| format!("{}\n  has no path: {error}", expected.line))?;
    let verdict = verdict_word(&trace.verdict);
    let places: Vec<String> = causes(&trace).into_iter().map(|origin| place_of(sources, origin)).collect();
    let logs: Vec<&str> = logs(&trace).collect();
    let place_fits = expected.place.as_ref().is_none_or(|place| places.contains(place));
    let logs_fit = expected.logs.as_ref().is_none_or(|wanted| *wanted == logs);
    if verdict == expected.verdict && place_fits && logs_fit {
        return Ok(());
    }
    let story = trace.text(engine::simulate::trace::Detail::Summary, Some(sources));
    Err(format!("{}\n  got {verdict} by {places:?} log={logs:?}\n{story}", expected.line))
}

/// The word of a verdict.
pub fn verdict_word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Drop => "drop",
        Verdict::Reject(_) => "reject",
        Verdict::Indeterminate { .. } => "indeterminate",
    }
}

fn logs<'t>(trace: &'t Trace<'_>) -> impl Iterator<Item = &'t str> {
    trace.steps.iter().filter_map(|step| match step {
        Step::Rule(rule) => rule.log,
        _ => None,
    })
}

/// The line or option behind the decision: for drop and reject one; every zone must accept, so for accept each
/// rule that did.
fn causes(trace: &Trace<'_>) -> Vec<Origin> {
    let decides = |step: &Step<'_>| match (step, &trace.verdict, &trace.deciding) {
        (Step::Rule(rule), Verdict::Accept, _) => matches!(rule.outcome, Outcome::Accepted),
        (Step::Rule(rule), _, Some(deciding)) => std::ptr::eq(rule.place.rule, deciding.rule),
        _ => false,
    };
    let positions = (0..trace.steps.len()).filter(|at| decides(&trace.steps[*at]));
    positions.filter_map(|at| cause(&trace.steps[..=at])).collect()
}

/// Of the last of these rules, or of the nearest caller that a line or option made.
fn cause(steps: &[Step<'_>]) -> Option<Origin> {
    let mut callee: Option<usize> = None;
    for step in steps.iter().rev() {
        match step {
            Step::Rule(RuleStep { place, depth, outcome, .. }) => {
                let leads = match (callee, outcome) {
                    (None, _) => true,
                    (Some(callee), Outcome::Jumped(_)) => *depth + 1 == callee,
                    (Some(callee), Outcome::WentTo(_)) => *depth == callee,
                    (Some(_), _) => false,
                };
                if leads {
                    callee = Some(*depth);
                    if !matches!(place.origin(), Origin::Skeleton(_)) {
                        return Some(place.origin());
                    }
                }
            }
            Step::Chain { .. } => return None,
            Step::Hook { .. } | Step::Policy | Step::Answer { .. } => {}
        }
    }
    None
}

fn place_of(sources: &Sources, origin: Origin) -> String {
    match origin {
        Origin::Line(span) => line_of(sources, span),
        Origin::Option { name, .. } => format!("option:{name}"),
        Origin::Skeleton(paragraph) => format!("skeleton:{paragraph}"),
    }
}
