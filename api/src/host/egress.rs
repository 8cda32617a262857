//! The chains at guests' ports, in transactions of their own: a port that has just vanished is refused, and would take
//! everything else with it.
//!
//! The order keeps a frame from being let through where nobody takes it out of the port: `divert-ready` loses what is
//! no longer armed with the main transaction, then chains change, then it gains what they have armed.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::diff::{Changes, diff};
use engine::plan::{DIVERT_READY, GUEST_TABLE};
use engine::ruleset::{Chain, Ruleset, Set, Table, TableFamily, Value};

/// Why chains were not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The kernel refused them.
    Refused(String),
    /// It could not be asked, or somebody else has written.
    Failed(String),
}

/// What our table at ports holds.
#[derive(Debug, Default)]
pub(super) struct Egress {
    /// `None`: nobody knows.
    held: Option<Held>,
}

#[derive(Debug, Default)]
struct Held {
    has_table: bool,
    chains: Vec<Arc<Chain>>,
}

/// What the kernel is asked and told; the enforcer's part.
pub(super) trait Ports {
    /// Whether our table at ports is there.
    fn has_table(&mut self) -> Result<bool, WriteError>;
    /// The chains in it.
    fn chains(&mut self) -> Result<BTreeSet<String>, WriteError>;
    /// Writes.
    fn write(&mut self, changes: &Changes<'_>) -> Result<(), WriteError>;
}

impl Egress {
    /// Forgets what the kernel holds.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    /// Whether the kernel is known to hold no table of ours at ports.
    pub(super) fn is_nothing(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.has_table)
    }

    /// The names of the chains that the kernel should hold.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let chains = self.held.iter().flat_map(|held| &held.chains);
        chains.map(|chain| &*chain.name).collect()
    }

    /// The other tables of `wanted`, before chains at ports change: ready is what was armed and stays.
    pub(super) fn before(&self, wanted: &Ruleset) -> Ruleset {
        let armed = self.held.iter().flat_map(|held| &held.chains);
        let stays = |chain: &&Arc<Chain>| wanted_chains(wanted).any(|wanted| wanted.is_same(chain));
        without_ports(wanted, &indexes(armed.filter(stays)))
    }

    /// The other tables of `wanted` as they shall be then: ready is what is armed.
    pub(super) fn after(&self, wanted: &Ruleset) -> Ruleset {
        without_ports(wanted, &indexes(self.held.iter().flat_map(|held| &held.chains)))
    }

    /// Makes the kernel hold the chains at ports of `wanted`, as many as it takes; returns what it does not.
    pub(super) fn arm(&mut self, wanted: &Ruleset, ports: &mut impl Ports) -> Vec<String> {
        match self.try_to_arm(wanted, ports) {
            Ok(refused) => refused,
            Err(WriteError::Refused(why) | WriteError::Failed(why)) => {
                self.forget();
                vec![format!("rejected packets of the host to guests are dropped, not answered: {why}")]
            }
        }
    }

    fn try_to_arm(&mut self, wanted: &Ruleset, ports: &mut impl Ports) -> Result<Vec<String>, WriteError> {
        let held = match self.held.take() {
            Some(held) => held,
            None => empty(ports)?,
        };
        let wanted: Vec<Arc<Chain>> = wanted_chains(wanted).cloned().collect();
        if is_same(&held.chains, &wanted) {
            self.held = Some(held);
            return Ok(Vec::new());
        }
        // The chain at a port goes with it.
        let there = if held.chains.is_empty() { BTreeSet::new() } else { ports.chains()? };
        let old: Vec<Arc<Chain>> =
            held.chains.iter().filter(|chain| there.contains(&*chain.name)).cloned().collect();
        let held = Held { chains: old, ..held };
        match step(&held, wanted.clone(), ports) {
            Ok(held) => {
                self.held = Some(held);
                Ok(Vec::new())
            }
            Err(WriteError::Refused(_)) => {
                let is_wanted = |chain: &&Arc<Chain>| wanted.iter().any(|wanted| wanted.is_same(chain));
                let kept: Vec<Arc<Chain>> = held.chains.iter().filter(is_wanted).cloned().collect();
                let added: Vec<Arc<Chain>> =
                    wanted.into_iter().filter(|chain| !kept.iter().any(|kept| kept.is_same(chain))).collect();
                let mut held = step(&held, kept, ports)?;
                let mut refused = Vec::new();
                add(&mut held, &added, ports, &mut refused)?;
                self.held = Some(held);
                Ok(refused)
            }
            Err(error) => Err(error),
        }
    }
}

/// Adds chains, all or by halves: one whose port is gone does not keep the others out.
fn add(
    held: &mut Held,
    added: &[Arc<Chain>],
    ports: &mut impl Ports,
    refused: &mut Vec<String>,
) -> Result<(), WriteError> {
    if added.is_empty() {
        return Ok(());
    }
    let all = held.chains.iter().chain(added).cloned().collect();
    match (step(held, all, ports), added) {
        (Ok(now), _) => *held = now,
        (Err(WriteError::Refused(why)), [chain]) => {
            refused.push(format!("port {}: rejected packets of the host are dropped: {why}", chain.name));
        }
        (Err(WriteError::Refused(_)), _) => {
            let (one, other) = added.split_at(added.len() / 2);
            add(held, one, ports, refused)?;
            add(held, other, ports, refused)?;
        }
        (Err(error), _) => return Err(error),
    }
    Ok(())
}

/// One transaction.
fn step(held: &Held, chains: Vec<Arc<Chain>>, ports: &mut impl Ports) -> Result<Held, WriteError> {
    let now = Held { has_table: !chains.is_empty(), chains };
    let (old, new) = (ruleset(held), ruleset(&now));
    let changes = diff(&old, &new);
    if !changes.is_empty() {
        ports.write(&changes)?;
    }
    Ok(now)
}

/// Takes away what an earlier process, or somebody else, has left there.
fn empty(ports: &mut impl Ports) -> Result<Held, WriteError> {
    if ports.has_table()? {
        step(&Held { has_table: true, chains: Vec::new() }, Vec::new(), ports)?;
    }
    Ok(Held::default())
}

fn ruleset(held: &Held) -> Ruleset {
    let table = held.has_table.then(|| Table {
        family: TableFamily::Netdev,
        name: GUEST_TABLE.into(),
        helpers: Vec::new(),
        sets: Vec::new(),
        chains: held.chains.clone(),
    });
    Ruleset { tables: table.into_iter().collect() }
}

fn wanted_chains(wanted: &Ruleset) -> impl Iterator<Item = &Arc<Chain>> {
    wanted.tables.iter().filter(|table| table.family == TableFamily::Netdev).flat_map(|table| &table.chains)
}

fn is_same(one: &[Arc<Chain>], other: &[Arc<Chain>]) -> bool {
    let is_pair = |(one, other): (&Arc<Chain>, &Arc<Chain>)| Arc::ptr_eq(one, other) || one.is_same(other);
    one.len() == other.len() && one.iter().zip(other).all(is_pair)
}

fn indexes<'c>(chains: impl Iterator<Item = &'c Arc<Chain>>) -> BTreeSet<u32> {
    let base = chains.filter_map(|chain| chain.base.as_ref()?.device.as_ref());
    base.map(|device| device.index).collect()
}

/// The tables but for that at ports; of `divert-ready` only these.
fn without_ports(wanted: &Ruleset, armed: &BTreeSet<u32>) -> Ruleset {
    let tables = wanted.tables.iter().filter(|table| table.family != TableFamily::Netdev);
    let mut tables: Vec<Table> = tables.cloned().collect();
    let is_armed = |value: &Value| match value {
        Value::Number(numbers) => u32::try_from(numbers.first()).is_ok_and(|index| armed.contains(&index)),
        Value::Name(_) => false,
    };
    for set in tables.iter_mut().flat_map(|table| &mut table.sets).filter(|set| &*set.name == DIVERT_READY) {
        if !set.elements.iter().all(|element| is_armed(&element.key[0])) {
            let Set { elements, .. } = Arc::make_mut(set);
            elements.retain(|element| is_armed(&element.key[0]));
        }
    }
    Ruleset { tables }
}

#[cfg(test)]
mod tests;
