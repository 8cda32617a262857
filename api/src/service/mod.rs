//! The service: one thread, the reconciler, keeps kernel and configuration equal; everybody else reads what it
//! publishes and asks it for what shall happen.
//!
//! Reading order: `state` (what is published), `handle` (what can be asked), `reconcile` (the loop), `attempt` (one
//! configuration, from files to kernel), `answer` (calls), `repair` (what others do to the kernel), `gate` (what waits
//! for a person), `preflight` and `cuts` (what would be cut), `isolate` (whose fault it is), `keep` and `store` (what outlives the
//! process), `publish`, `preview` (dry runs), `world` (everything outside), `wake`, `restore` (at boot, before the
//! service).

mod answer;
mod attempt;
mod cuts;
#[cfg(test)]
pub(crate) mod double;
pub mod gate;
pub mod handle;
mod isolate;
mod keep;
mod last_good;
pub mod preflight;
pub mod preview;
mod publish;
mod reconcile;
mod repair;
mod restore;
pub mod state;
pub mod store;
mod wake;
mod world;

pub use handle::Handle;
pub use reconcile::{Options, StartError, start};
pub use restore::{RestoreError, Restored, restore};
