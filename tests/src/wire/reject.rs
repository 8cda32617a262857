//! Reject mode `divert` for real: its devices, made as the service makes them, and a planned ruleset with the numbers
//! that interfaces have here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::Compiled;
use engine::divert::Pair;
use engine::inputs::{FileContent, Files, HostFacts, Inputs, Settings};
use engine::plan::DIVERT_READY;
use engine::ruleset::{Chain, Device, Ruleset, Statement, TableFamily, Value};
use nix::net::if_::if_nametoindex;
use proxmox_firewall::host::enforce::Enforcer;
use proxmox_firewall::host::facts::{self, Wanted};
use proxmox_firewall::host::links;

use crate::Failure;

/// Makes the devices that a planned ruleset needs, removes others of ours, and puts the numbers of this namespace's
/// interfaces into it.
pub(super) fn settled(ruleset: &Ruleset) -> Result<Ruleset, Failure> {
    let pairs: Vec<Pair> = pairs(ruleset)?.into_iter().collect();
    let problems = links::keep(&pairs);
    if !problems.is_empty() {
        return Err(problems.join("; ").into());
    }
    let mut ruleset = ruleset.clone();
    let mut numbers = BTreeMap::new();
    let ports = ruleset.tables.iter_mut().filter(|table| table.family == TableFamily::Netdev);
    for chain in ports.flat_map(|table| &mut table.chains).map(Arc::make_mut) {
        let own = chain.base.iter_mut().filter_map(|base| base.device.as_mut());
        let forwarded = chain.rules.iter_mut().flat_map(|rule| &mut rule.statements);
        let forwarded = forwarded.filter_map(|statement| match statement {
            Statement::Forward(device) => Some(device),
            _ => None,
        });
        for device in own.chain(forwarded) {
            let number =
                if_nametoindex(&*device.name).map_err(|error| format!("{}: {error}", device.name))?;
            numbers.insert(u128::from(device.index), number);
            device.index = number;
        }
    }
    let sets = ruleset.tables.iter_mut().flat_map(|table| &mut table.sets);
    for set in sets.filter(|set| &*set.name == DIVERT_READY).map(Arc::make_mut) {
        for element in &mut set.elements {
            let number = planned(&element.key[0]).and_then(|planned| numbers.get(&planned));
            Arc::make_mut(&mut element.key)[0] =
                Value::number((*number.ok_or("a port without a chain")?).into());
        }
        set.elements.sort_by(|a, b| a.key.cmp(&b.key));
    }
    Ok(ruleset)
}

fn planned(value: &Value) -> Option<u128> {
    match value {
        Value::Number(numbers) => Some(numbers.first()),
        Value::Name(_) => None,
    }
}

/// A pair is known by its name, and a port's bridge by the set of ready ports.
fn pairs(ruleset: &Ruleset) -> Result<BTreeSet<Pair>, Failure> {
    let ready = ruleset.tables.iter().find_map(|table| table.set(DIVERT_READY));
    let elements = ready.iter().flat_map(|set| &set.elements);
    let bridges: BTreeMap<u128, &Value> =
        elements.filter_map(|element| Some((planned(&element.key[0])?, &element.key[1]))).collect();
    let ports = ruleset.tables.iter().filter(|table| table.family == TableFamily::Netdev);
    ports.flat_map(|table| &table.chains).map(|chain| pair(chain, &bridges)).collect()
}

fn pair(chain: &Chain, bridges: &BTreeMap<u128, &Value>) -> Result<Pair, Failure> {
    let lost = || format!("chain {}: no pair", chain.name);
    let port = chain.base.as_ref().and_then(|base| base.device.as_ref()).ok_or_else(lost)?;
    let Some(Value::Name(bridge)) = bridges.get(&u128::from(port.index)) else { return Err(lost().into()) };
    let outer = chain.rules.iter().flat_map(|rule| &rule.statements).find_map(|statement| match statement {
        Statement::Forward(Device { name, .. }) => Some(name),
        _ => None,
    });
    let outer = outer.ok_or_else(lost)?;
    let bridge = bridge.parse().map_err(|_| lost())?;
    let vlans = std::iter::once(None).chain((1..4095).map(Some));
    let mut candidates = vlans.map(|vlan| Pair { bridge: Clone::clone(&bridge), vlan });
    Ok(candidates.find(|pair| pair.outer() == **outer).ok_or_else(lost)?)
}

/// A node that enforces its configuration as the service does, when it is told to.
pub struct Node {
    enforcer: Enforcer,
    wanted: Wanted,
    /// Its files by path.
    pub files: Files,
    /// What was enforced last.
    pub compiled: Compiled,
    /// What could not be done then.
    pub problems: Vec<String>,
}

impl Node {
    /// In the namespace that the thread is in; files by their short names.
    pub fn new(files: &[(&str, &str)]) -> Result<Node, Failure> {
        let mut node = Node {
            enforcer: Enforcer::open()?,
            wanted: Wanted { node: Some("node1".to_owned()), ..Wanted::default() },
            files: Files::new(),
            compiled: engine::compile(&Inputs::default()),
            problems: Vec::new(),
        };
        files.iter().for_each(|(name, text)| node.write(name, text));
        Ok(node)
    }

    /// Writes a file.
    pub fn write(&mut self, name: &str, text: &str) {
        self.files.insert(crate::case::path_of(name), FileContent::text(text));
    }

    /// Enforces until nothing changes any more, as notifications make the service do.
    pub fn settle(&mut self) -> Result<(), Failure> {
        let mut facts = facts::host(&self.wanted)?;
        for _ in 0..6 {
            self.enforce(&facts)?;
            let now = facts::host(&self.wanted)?;
            if now.links == facts.links {
                return Ok(());
            }
            facts = now;
        }
        Err("the host never comes to rest".into())
    }

    fn enforce(&mut self, facts: &HostFacts) -> Result<(), Failure> {
        let can = proxmox_firewall::features::reject_can(self.enforcer.lacking()?);
        let settings = Settings { reject_can: Some(can), ..Settings::default() };
        let inputs =
            Inputs { files: self.files.clone(), facts: facts.clone().into(), settings, ..Inputs::default() };
        self.compiled = engine::compile(&inputs);
        let ruleset = Arc::new(self.compiled.plan.ruleset.clone());
        self.problems = self.enforcer.enforce(&ruleset)?.unarmed;
        self.problems.extend(links::keep(&self.compiled.plan.pairs));
        Ok(())
    }

    /// What the kernel holds otherwise than it was told.
    pub fn drift(&mut self) -> Result<Vec<String>, Failure> {
        Ok(self.enforcer.drift()?)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node with {} files", self.files.len())
    }
}
