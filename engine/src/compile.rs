//! The pipeline on one screen: files to plan.

mod order;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::{Files, Inputs};
use crate::links::Links;
use crate::lower;
use crate::model::rule::{self, Action, Direction, MatchRule};
use crate::model::{Config, Datacenter};
use crate::plan::{self, Plan, plan_with};
use crate::resolve::{self, Group, Resolved, resolve_with};
use crate::span::{FileId, Sources, Span};

/// What a compilation gives.
#[derive(Debug)]
pub struct Compiled {
    /// What the host shall look like.
    pub plan: Plan,
    /// What the plan was made from.
    pub resolved: Resolved,
    /// What the files mean.
    pub config: Config,
    /// The files, to show positions.
    pub sources: Sources,
    /// Everything there is to say, by file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// A file that everything hangs on could not be read: what is enforced must stay, this plan is not to be
    /// loaded.
    pub hold: bool,
}

/// What compilations of one node keep from one to the next. It changes no result: only what has changed since is
/// read, resolved and planned again, and what has not is shared with the compilation before.
#[derive(Debug, Default)]
pub struct Memo {
    sources: Sources,
    links: Arc<Links>,
    written: Stages,
    /// Of the last error-free versions, where `strict` holds them.
    last_good: Stages,
    plan: plan::Memo,
}

#[derive(Debug, Default)]
struct Stages {
    lower: lower::Memo,
    resolve: resolve::Memo,
}

/// Compiles a node's configuration. Same inputs, same plan; bad input costs its unit and a diagnostic.
pub fn compile(inputs: &Inputs) -> Compiled {
    compile_with(inputs, &mut Memo::default())
}

/// As [`compile`], with what `memo` knows of earlier compilations.
pub fn compile_with(inputs: &Inputs, memo: &mut Memo) -> Compiled {
    run(inputs, memo, None)
}

/// A stage that has ended, with the number of what it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// Guests, VNets and diagnostics of the configuration.
    Lowered {
        /// Guests of this node.
        n_guests: usize,
        /// VNets with a firewall file.
        n_vnets: usize,
        /// What was said about form and values.
        n_diagnostics: usize,
    },
    /// Names are looked up.
    Resolved {
        /// What was said about names.
        n_diagnostics: usize,
    },
    /// The ruleset is there.
    Planned {
        /// Chains of all tables.
        n_chains: usize,
        /// Rules of all chains.
        n_rules: usize,
    },
}

/// As [`compile_with`]; `watch` hears of each stage when it ends. Clocks are the caller's: this crate has none.
pub fn compile_watched(inputs: &Inputs, memo: &mut Memo, watch: &mut dyn FnMut(Milestone)) -> Compiled {
    run(inputs, memo, Some(watch))
}

fn run(inputs: &Inputs, memo: &mut Memo, mut watch: Option<&mut dyn FnMut(Milestone)>) -> Compiled {
    let mut tell = |milestone: &dyn Fn() -> Milestone| {
        if let Some(watch) = &mut watch {
            watch(milestone());
        }
    };
    if !memo.links.are_of(&inputs.facts) {
        memo.links = Arc::new(Links::new(&inputs.facts));
    }
    let Memo { sources, links, written, last_good, plan: planned } = memo;
    let (mut config, mut diagnostics) = lower::config_with(inputs, links, sources, &mut written.lower);
    tell(&|| Milestone::Lowered {
        n_guests: config.guests.len(),
        n_vnets: config.vnets.len(),
        n_diagnostics: diagnostics.len(),
    });
    let (mut resolved, remarks) =
        resolve_with(&config, &inputs.facts, links, inputs.settings, &mut written.resolve);
    tell(&|| Milestone::Resolved { n_diagnostics: remarks.len() });
    diagnostics.extend(remarks);
    if config.settings.strict.as_ref().is_some_and(|strict| strict.value) {
        let opened = to_repair(&diagnostics);
        if !opened.is_empty() {
            diagnostics.extend(opened.iter().map(|file| holds(*file)));
            (config, resolved) = held(inputs, links, &opened, (sources, last_good));
        }
    }
    diagnostics.sort_by_cached_key(|diagnostic| order::of(diagnostic.place, sources));
    let hold = config.unreadable;
    let plan = plan_with(&resolved, planned);
    tell(&|| {
        let chains = || plan.ruleset.tables.iter().flat_map(|table| &table.chains);
        let n_rules = chains().map(|chain| chain.rules.len()).sum();
        Milestone::Planned { n_chains: chains().count(), n_rules }
    });
    Compiled { plan, resolved, config, sources: sources.clone(), diagnostics, hold }
}

/// Files that hold what was lost.
fn to_repair(diagnostics: &[Diagnostic]) -> BTreeSet<FileId> {
    let opens = diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::Opens);
    opens
        .filter_map(|diagnostic| match diagnostic.place {
            Place::Span(span) => Some(span.file),
            Place::File(_) | Place::Host => None,
        })
        .collect()
}

fn holds(file: FileId) -> Diagnostic {
    let message = "a skipped rule or set entry opens something and `strict` is on";
    let consequence = "the last error-free version of this file stays; without one its scope drops";
    Diagnostic::new(Code::StrictHolds, Place::File(file), message, consequence)
}

/// The configuration with the last error-free version of each file that lost something. What is open all the same is
/// closed by its scope: there is no such version, or what it names stands in another file.
fn held(
    inputs: &Inputs,
    links: &Arc<Links>,
    opened: &BTreeSet<FileId>,
    (sources, memo): (&mut Sources, &mut Stages),
) -> (Config, Resolved) {
    let paths: Vec<String> = opened.iter().map(|file| sources.path(*file).to_owned()).collect();
    let mut files: Files = inputs.files.clone();
    let versions = paths.into_iter().filter_map(|path| Some((inputs.last_good.get(&path)?.clone(), path)));
    files.extend(versions.map(|(version, path)| (path, version)));
    let last_good = Inputs { files, ..inputs.clone() };
    let (mut config, _) = lower::config_with(&last_good, links, sources, &mut memo.lower);
    let mut resolve =
        |config: &Config| resolve_with(config, &inputs.facts, links, inputs.settings, &mut memo.resolve).0;
    let mut resolved = resolve(&config);
    let mut closed = BTreeSet::new();
    let mut closing = still_open(&resolved, sources, &closed);
    while !closing.is_empty() {
        for path in &closing {
            close(&mut config, &resolved, path);
        }
        closed.append(&mut closing);
        resolved = resolve(&config);
        closing = still_open(&resolved, sources, &closed);
    }
    (config, resolved)
}

fn still_open(resolved: &Resolved, sources: &Sources, closed: &BTreeSet<String>) -> BTreeSet<String> {
    resolved
        .opened
        .iter()
        .map(|file| sources.path(*file).to_owned())
        .filter(|path| !closed.contains(path))
        .collect()
}

/// Nothing that a scope's rules allow is allowed any more; its policies drop.
fn close(config: &mut Config, resolved: &Resolved, path: &str) {
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".fw");
    let in_firewall_folder = path.starts_with("/etc/pve/firewall/");
    if let (Ok(vmid), true) = (name.parse(), in_firewall_folder) {
        if let Some(guest) = config.guests.get_mut(&vmid).map(Arc::make_mut) {
            guest.rules.clear();
            guest.options.policy_in.value = Action::Drop;
            guest.options.policy_out.value = Action::Drop;
        }
    } else if let (Ok(bridge), true) = (name.parse(), path.starts_with("/etc/pve/sdn/firewall/")) {
        if let Some(vnet) = config.vnets.get_mut(&bridge).map(Arc::make_mut) {
            vnet.rules.clear();
            vnet.options.policy_forward.value = Action::Drop;
        }
    } else {
        // cluster.fw and host.fw share their zones and policies.
        Arc::make_mut(&mut config.host).rules.clear();
        let datacenter = Arc::make_mut(&mut config.datacenter);
        datacenter.rules.clear();
        let options = &mut datacenter.options;
        options.policy_in.value = Action::Drop;
        options.policy_out.value = Action::Drop;
        options.policy_forward.value = Action::Drop;
        if in_firewall_folder {
            close_groups(datacenter, resolved);
        }
    }
}

/// A group that has lost a rule drops whatever is handed to it.
fn close_groups(datacenter: &mut Datacenter, resolved: &Resolved) {
    for Group { name, rules, .. } in resolved.groups.iter().filter(|group| group.loses) {
        let (Some(group), Some(first)) = (datacenter.groups.get_mut(name), rules.first()) else {
            continue;
        };
        group.rules =
            [Direction::In, Direction::Out, Direction::Forward].map(|d| drop_all(d, first.span)).into();
    }
}

fn drop_all(direction: Direction, span: Span) -> rule::Rule {
    let matching = MatchRule::of_all(direction, Action::Drop);
    let canonical = format!("{} {}", direction.as_str(), Action::Drop.as_str());
    rule::Rule { span, enabled: true, kind: rule::RuleKind::Match(matching), comment: None, canonical }
}
