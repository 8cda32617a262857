//! What was enforced last is enforced again, once and without the cluster file system: at boot, before the network of
//! the host and its guests comes up. The service takes the tables over when it starts.

use std::sync::Arc;

use engine::compile;
use engine::inputs::Inputs;
use nft_ffi::CheckError;

use super::reconcile::now_s;
use super::store::{Store, StoreError};
use super::world::{World, WorldError};
use crate::host::enforce::EnforceError;
use crate::host::facts::Wanted;

/// What is enforced again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The generation.
    pub generation: u64,
    /// What this kernel cannot hold of it.
    pub losses: Vec<String>,
    /// Kernel settings that could not be written.
    pub warnings: Vec<String>,
}

/// Nothing was restored; what the kernel holds stays.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something outside is not there.
    #[error("could not open what is needed")]
    World(#[from] WorldError),
    /// The generations cannot be read.
    #[error("could not open the stored generations")]
    Store(#[from] StoreError),
    /// It hangs on a file that could not be read when it was stored.
    #[error("generation {0} hangs on a file that could not be read")]
    Unreadable(u64),
    /// The kernel could not be asked what it can.
    #[error("could not ask the kernel what it can")]
    Probe(#[source] CheckError),
    /// The kernel did not take it.
    #[error("could not enforce generation {number}")]
    Enforce {
        /// Its number.
        number: u64,
        /// Why.
        #[source]
        source: EnforceError,
    },
}

/// Enforces the stored generation. `None`: there is none, since the firewall was off or never on, or pve-firewall has
/// the node.
///
/// # Errors
/// When the world or the disk cannot be opened, or the kernel refuses.
pub fn restore(wanted: Wanted) -> Result<Option<Restored>, RestoreError> {
    let mut store = Store::open(&wanted.paths)?;
    // Nobody has confirmed it in time: what was before it is wanted, and the service will say so, too.
    let overdue = store.state().confirm.filter(|confirm| confirm.remaining_s(now_s()) == 0);
    let before = overdue.and_then(|confirm| store.generation(confirm.back_to));
    let Some(snapshot) = before.or_else(|| store.load_enforced()).filter(|one| one.head.enabled) else {
        return Ok(None);
    };
    let generation = snapshot.head.number;
    let mut world = World::open(wanted)?;
    let inputs = Inputs {
        files: snapshot.files,
        last_good: store.state().last_good.clone(),
        facts: world.facts.clone(),
        ..Inputs::default()
    };
    let compiled = compile(&inputs);
    if compiled.hold {
        return Err(RestoreError::Unreadable(generation));
    }
    let ruleset = world.shall_hold(&compiled);
    if ruleset.tables.is_empty() {
        return Ok(None);
    }
    let reduced = world.enforcer.reduce(&ruleset).map_err(RestoreError::Probe)?;
    let failed = |source| RestoreError::Enforce { number: generation, source };
    world.enforcer.enforce(&Arc::new(reduced.ruleset)).map_err(failed)?;
    let warnings = world.write_settings(&compiled);
    Ok(Some(Restored { generation, losses: reduced.losses, warnings }))
}
