//! `flush`: our tables go, and with them the firewall; other tables stay.

use super::Outcome;
use super::output::print;
use crate::host::kernel::{self, Kernel};

pub(super) fn run() -> anyhow::Result<Outcome> {
    let mut kernel = Kernel::open()?;
    let present = kernel.present()?;
    kernel.commit(&kernel::removal())?;
    if present.is_empty() {
        print("nothing to remove\n")?;
    }
    for (family, name) in present {
        print(&format!("removed table {} {name}\n", family.as_str()))?;
    }
    Ok(Outcome::Clean)
}
