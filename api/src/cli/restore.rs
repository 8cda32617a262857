//! `restore`: what was enforced last is enforced again, for the time at boot in which there is no configuration yet.

use super::Outcome;
use super::output::{losses, print, warn};
use crate::host::facts::Wanted;
use crate::report::{GOOD, NOTABLE};
use crate::service;

pub(super) fn run(wanted: &Wanted) -> anyhow::Result<Outcome> {
    let Some(restored) = service::restore(wanted.clone())? else {
        print(&format!("{NOTABLE}nothing was enforced before: nothing to restore{NOTABLE:#}\n"))?;
        return Ok(Outcome::Clean);
    };
    restored.warnings.iter().for_each(|warning| warn(warning));
    let number = restored.generation;
    print(&losses(&restored.losses))?;
    print(&format!("{GOOD}generation {number} is enforced again{GOOD:#}\n"))?;
    Ok(if restored.losses.is_empty() { Outcome::Clean } else { Outcome::Findings })
}
