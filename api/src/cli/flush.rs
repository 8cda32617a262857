//! `flush`: our tables and devices go, and with them the firewall; other tables stay.

use anyhow::Context;

use super::Outcome;
use super::output::print;
use crate::host::facts::Wanted;
use crate::host::kernel::{self, Kernel};
use crate::host::links;
use crate::service::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Delete the stored generations, too: nothing is restored at the next boot (not while the service runs)
    #[arg(long)]
    forget: bool,
}

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    let mut kernel = Kernel::open()?;
    let present = kernel.present()?;
    kernel.commit(&kernel::removal(&present))?;
    let removed = links::remove_all().context("could not remove the devices of reject mode divert")?;
    if present.is_empty() && removed.is_empty() {
        print("nothing to remove\n")?;
    }
    for (family, name) in present {
        print(&format!("removed table {} {name}\n", family.as_str()))?;
    }
    if args.forget {
        let forgotten = Store::open(&wanted.paths).and_then(|mut store| store.forget());
        forgotten.context("the tables are gone, but what was stored of them is not")?;
    }
    for name in removed {
        print(&format!("removed device {name}\n"))?;
    }
    Ok(Outcome::Clean)
}
