//! A simulation, as JSON.

use engine::ruleset::Origin;
use engine::simulate::trace::{Assumption, Deciding, Outcome, Step, Trace};
use engine::simulate::{Packet, Verdict};
use engine::span::Sources;
use serde::Serialize;
use utoipa::ToSchema;

/// The answer of `simulate --json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TraceView {
    /// The packet, as it was understood.
    pub packet: String,
    /// `accept`, `drop`, `reject`, `indeterminate`
    pub verdict: &'static str,
    /// With `reject`, what the sender receives; with `indeterminate`, what it depends on.
    pub detail: Option<String>,
    /// What decided; `null`: the policy of the base chains, accept.
    pub decided_by: Option<PlaceView>,
    /// What the verdict rests on besides the rules.
    pub assumptions: Vec<String>,
    /// What happened, in order.
    pub steps: Vec<StepView>,
}

/// A rule in its place.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlaceView {
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// Id of the rule: its comment in the kernel.
    pub rule: String,
    /// Where it comes from.
    pub origin: OriginView,
}

/// Why something exists.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum OriginView {
    /// A line of a file.
    Line {
        /// Path.
        file: String,
        /// Line, from 1.
        line: u32,
    },
    /// An option.
    Option {
        /// Its name.
        name: &'static str,
        /// Path of the file that sets it; `null`: the default.
        file: Option<String>,
        /// Line, from 1.
        line: Option<u32>,
    },
    /// Always there.
    Builtin {
        /// What it is for.
        what: &'static str,
    },
}

/// One step.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "step", rename_all = "lowercase")]
pub enum StepView {
    /// The packet enters a hook.
    Hook {
        /// Family of the hook.
        family: &'static str,
        /// Hook.
        hook: &'static str,
        /// Incoming interface or port.
        iif: Option<String>,
        /// Outgoing interface or port.
        oif: Option<String>,
    },
    /// A base chain begins.
    Chain {
        /// Table.
        table: String,
        /// Chain.
        chain: String,
        /// Priority.
        priority: i32,
    },
    /// A rule was tried.
    Rule {
        /// Which.
        #[serde(flatten)]
        place: PlaceView,
        /// All its conditions held.
        matched: bool,
        /// What came of it.
        outcome: String,
        /// What it logged.
        log: Option<String>,
    },
    /// A base chain ends with its policy.
    Policy,
    /// An answer begins its way.
    Answer {
        /// What kind.
        with: &'static str,
        /// The answer as a packet.
        packet: String,
    },
}

/// A verdict's word.
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Drop => "drop",
        Verdict::Reject(_) => "reject",
        Verdict::Indeterminate { .. } => "indeterminate",
    }
}

impl OriginView {
    /// The wire form of an origin.
    pub fn new(origin: Origin, sources: &Sources) -> OriginView {
        match origin {
            Origin::Line(span) => {
                let position = sources.position(span);
                OriginView::Line { file: position.path, line: position.line }
            }
            Origin::Option { name, at } => {
                let position = at.map(|span| sources.position(span));
                OriginView::Option {
                    name,
                    line: position.as_ref().map(|position| position.line),
                    file: position.map(|position| position.path),
                }
            }
            Origin::Skeleton(what) => OriginView::Builtin { what },
        }
    }
}

impl PlaceView {
    fn new(place: &Deciding<'_>, sources: &Sources) -> PlaceView {
        PlaceView {
            table: place.table.name.to_string(),
            chain: place.chain.name.to_string(),
            rule: place.rule.id.to_string(),
            origin: OriginView::new(place.origin(), sources),
        }
    }
}

impl TraceView {
    /// The wire form of a trace; rules that did not match are left out unless `all`.
    pub fn new(packet: &Packet, trace: &Trace<'_>, sources: &Sources, all: bool) -> TraceView {
        let detail = match &trace.verdict {
            Verdict::Accept | Verdict::Drop => None,
            Verdict::Reject(with) => Some(with.as_str().to_owned()),
            verdict @ Verdict::Indeterminate { .. } => Some(verdict.to_string()),
        };
        let is_shown = |step: &&Step<'_>| match step {
            Step::Rule(rule) => all || !matches!(rule.outcome, Outcome::NotMatched(_)),
            Step::Hook { .. } | Step::Chain { .. } | Step::Policy | Step::Answer { .. } => true,
        };
        TraceView {
            packet: packet.to_string(),
            verdict: word(&trace.verdict),
            detail,
            decided_by: trace.deciding.as_ref().map(|place| PlaceView::new(place, sources)),
            assumptions: trace.assumptions.iter().map(Assumption::to_string).collect(),
            steps: trace.steps.iter().filter(is_shown).map(|step| step_view(step, sources)).collect(),
        }
    }
}

fn step_view(step: &Step<'_>, sources: &Sources) -> StepView {
    match step {
        Step::Hook { pass, .. } => StepView::Hook {
            family: pass.family.as_str(),
            hook: pass.hook.as_str(),
            iif: pass.iifname.as_deref().map(str::to_owned),
            oif: pass.oifname.as_deref().map(str::to_owned),
        },
        Step::Chain { table, chain, priority } => StepView::Chain {
            table: table.name.to_string(),
            chain: chain.name.to_string(),
            priority: *priority,
        },
        Step::Rule(rule) => StepView::Rule {
            place: PlaceView::new(&rule.place, sources),
            matched: !matches!(rule.outcome, Outcome::NotMatched(_)),
            outcome: rule.outcome.to_string(),
            log: rule.log.map(str::to_owned),
        },
        Step::Policy => StepView::Policy,
        Step::Answer { with, packet } => StepView::Answer { with: with.as_str(), packet: packet.to_string() },
    }
}
