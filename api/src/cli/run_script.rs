//! `run-script`: what the service has done by a process of its own. People have nft(8).

use super::Outcome;
use crate::host::aside::{self, Run};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What becomes of the script on standard input
    run: Run,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    aside::serve(args.run, std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(Outcome::Clean)
}
