//! `completions`: for the shell, out of the definition of the arguments.

use clap::CommandFactory;
use clap_complete::Shell;

use super::output::print;
use super::{Cli, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "proxmox-firewall", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Outcome::Clean)
}
