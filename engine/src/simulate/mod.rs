//! Simulation: a packet walks the same IR that is loaded, and every step is explained.
//!
//! Reading order: [`packet`] (what is sent), [`world`] (where between), [`path`] (which hooks), `view` (what a
//! hook sees), `eval` (what rules make of it), `answer` (what a rejected sender receives), [`trace`] (the story).
//!
//! Left out: address translation, and other programs' tables.

mod answer;
mod eval;
mod lookup;
pub mod packet;
pub mod path;
#[cfg(test)]
mod tests;
pub mod trace;
mod tracking;
mod view;
mod walk;
pub mod world;

pub use lookup::Datum;
pub use packet::Packet;
pub use path::PathError;
pub use trace::{Trace, Verdict};
pub use world::World;

use crate::ruleset::Ruleset;
use eval::Rules;
use packet::Rate;

/// What happens to one packet.
pub fn simulate<'r>(ruleset: &'r Ruleset, world: &World, packet: &Packet) -> Result<Trace<'r>, PathError> {
    Simulator::new(ruleset, world).simulate(packet)
}

/// A ruleset and its surroundings, indexed for many packets.
pub struct Simulator<'r, 'w> {
    rules: Rules<'r>,
    world: &'w World,
}

impl<'r, 'w> Simulator<'r, 'w> {
    /// Indexes chains; a set's index is made when a packet first asks it.
    pub fn new(ruleset: &'r Ruleset, world: &'w World) -> Simulator<'r, 'w> {
        Simulator { rules: Rules::new(ruleset), world }
    }

    /// What happens to one packet.
    pub fn simulate(&self, packet: &Packet) -> Result<Trace<'r>, PathError> {
        let route = path::route(self.world, packet)?;
        let run = |exceeded| walk::run(&self.rules, self.world, packet, (&route, exceeded));
        Ok(match packet.rate {
            Rate::Under => run(false),
            Rate::Over => run(true),
            Rate::Unknown => {
                let (under, over) = (run(false), run(true));
                if under.verdict == over.verdict { under } else { under.or(&over) }
            }
        })
    }
}
