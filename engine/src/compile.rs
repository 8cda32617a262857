//! The pipeline on one screen: files to plan.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::{Files, Inputs};
use crate::lower;
use crate::model::Config;
use crate::model::rule::{self, Action, Component, Direction, MatchRule, Transport};
use crate::plan::{Plan, plan};
use crate::resolve::{Group, Resolved, RuleKind, resolve};
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

/// Compiles a node's configuration. Same inputs, same plan; bad input costs its unit and a diagnostic.
pub fn compile(inputs: &Inputs) -> Compiled {
    compile_watched(inputs, &mut |_| {})
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

/// As [`compile`]; `watch` hears of each stage when it ends. Clocks are the caller's: this crate has none.
pub fn compile_watched(inputs: &Inputs, watch: &mut dyn FnMut(Milestone)) -> Compiled {
    let mut sources = Sources::default();
    let (mut config, mut diagnostics) = lower::config(inputs, &mut sources);
    watch(Milestone::Lowered {
        n_guests: config.guests.len(),
        n_vnets: config.vnets.len(),
        n_diagnostics: diagnostics.len(),
    });
    let (mut resolved, remarks) = resolve(&config, &inputs.facts, inputs.settings);
    watch(Milestone::Resolved { n_diagnostics: remarks.len() });
    diagnostics.extend(remarks);
    if config.settings.strict.as_ref().is_some_and(|strict| strict.value) {
        let opened = opened_files(&diagnostics);
        if !opened.is_empty() {
            diagnostics.extend(opened.iter().map(|file| holds(*file)));
            (config, resolved) = held(inputs, &opened, &mut sources);
        }
    }
    diagnostics.sort_by_key(|diagnostic| match diagnostic.place {
        Place::Span(span) => (span.file, span.start),
        Place::File(file) => (file, 0),
        Place::Host => (FileId(u32::MAX), 0),
    });
    let hold = config.unreadable;
    let plan = plan(&resolved);
    let chains = || plan.ruleset.tables.iter().flat_map(|table| &table.chains);
    let n_rules = chains().map(|chain| chain.rules.len()).sum();
    watch(Milestone::Planned { n_chains: chains().count(), n_rules });
    Compiled { plan, resolved, config, sources, diagnostics, hold }
}

fn opened_files(diagnostics: &[Diagnostic]) -> BTreeSet<FileId> {
    let opens = diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::Opens);
    opens
        .filter_map(|diagnostic| match diagnostic.place {
            Place::Span(span) => Some(span.file),
            Place::File(_) | Place::Host => None,
        })
        .collect()
}

fn holds(file: FileId) -> Diagnostic {
    let message = "a skipped DROP or REJECT opens something and `strict` is on";
    let consequence = "the last error-free version of this file stays; without one its scope drops";
    Diagnostic::new(Code::StrictHolds, Place::File(file), message, consequence)
}

/// The configuration with the last error-free version of each opened file. Without one its scope is closed; so it is
/// if that version has lost a rule as well, for what it names stands in another file.
fn held(inputs: &Inputs, opened: &BTreeSet<FileId>, sources: &mut Sources) -> (Config, Resolved) {
    let paths: Vec<String> = opened.iter().map(|file| sources.path(*file).to_owned()).collect();
    let mut files: Files = inputs.files.clone();
    let mut closing = BTreeSet::new();
    for path in paths {
        match inputs.last_good.get(&path) {
            Some(version) => {
                files.insert(path, version.clone());
            }
            None => {
                closing.insert(path);
            }
        }
    }
    let last_good = Inputs { files, ..inputs.clone() };
    let (mut config, _) = lower::config(&last_good, sources);
    let (mut resolved, remarks) = resolve(&config, &inputs.facts, inputs.settings);
    closing.append(&mut still_open(&remarks, sources, &BTreeSet::new()));
    let mut closed = BTreeSet::new();
    while !closing.is_empty() {
        for path in &closing {
            close(&mut config, &resolved, path);
        }
        closed.append(&mut closing);
        let remarks;
        (resolved, remarks) = resolve(&config, &inputs.facts, inputs.settings);
        closing = still_open(&remarks, sources, &closed);
    }
    (config, resolved)
}

fn still_open(remarks: &[Diagnostic], sources: &Sources, closed: &BTreeSet<String>) -> BTreeSet<String> {
    let files = opened_files(remarks);
    files.iter().map(|file| sources.path(*file).to_owned()).filter(|path| !closed.contains(path)).collect()
}

/// Nothing that a scope's rules allow is allowed any more; its policies drop.
fn close(config: &mut Config, resolved: &Resolved, path: &str) {
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".fw");
    let in_firewall_folder = path.starts_with("/etc/pve/firewall/");
    if let (Ok(vmid), true) = (name.parse(), in_firewall_folder) {
        if let Some(guest) = config.guests.get_mut(&vmid) {
            guest.rules.clear();
            guest.options.policy_in.value = Action::Drop;
            guest.options.policy_out.value = Action::Drop;
        }
    } else if let (Ok(bridge), true) = (name.parse(), path.starts_with("/etc/pve/sdn/firewall/")) {
        if let Some(vnet) = config.vnets.get_mut(&bridge) {
            vnet.rules.clear();
            vnet.options.policy_forward.value = Action::Drop;
        }
    } else {
        // cluster.fw and host.fw share their zones and policies.
        config.host.rules.clear();
        config.datacenter.rules.clear();
        let options = &mut config.datacenter.options;
        options.policy_in.value = Action::Drop;
        options.policy_out.value = Action::Drop;
        options.policy_forward.value = Action::Drop;
        if in_firewall_folder {
            close_groups(config, resolved);
        }
    }
}

/// A group that has lost a rule drops whatever is handed to it.
fn close_groups(config: &mut Config, resolved: &Resolved) {
    let lost = |group: &&Group| group.rules.iter().any(|rule| matches!(rule.kind, RuleKind::Lost { .. }));
    for Group { name, rules } in resolved.groups.iter().filter(lost) {
        let (Some(group), Some(first)) = (config.datacenter.groups.get_mut(name), rules.first()) else {
            continue;
        };
        group.rules =
            [Direction::In, Direction::Out, Direction::Forward].map(|d| drop_all(d, first.span)).into();
    }
}

fn drop_all(direction: Direction, span: Span) -> rule::Rule {
    let components = vec![Component { family: None, transport: Transport::Any }];
    let matching = MatchRule {
        direction,
        action: Action::Drop,
        iface: None,
        source: None,
        dest: None,
        components,
        log: None,
        macro_name: None,
    };
    let canonical = format!("{} {}", direction.as_str(), Action::Drop.as_str());
    rule::Rule { span, enabled: true, kind: rule::RuleKind::Match(matching), comment: None, canonical }
}
