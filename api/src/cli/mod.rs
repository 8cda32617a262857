//! The command line: arguments, one command, an exit code. Each command is a file.

mod check;
pub(crate) mod client;
mod compile;
mod completions;
mod flush;
mod list;
mod load;
mod localnet;
mod man;
mod node;
mod output;
mod restore;
mod run_script;
mod serve;
mod service;
mod simulate;
mod skeleton;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use engine::inputs::RejectMode;

use crate::host::facts::Wanted;
use crate::host::paths::Paths;
use output::complain;

/// The firewall of a Proxmox VE node, on nftables.
///
/// Compiles the firewall configuration below /etc/pve to two nftables tables, loads them, and explains what they do.
#[derive(Debug, Parser)]
#[command(name = "proxmox-firewall", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 all is well; 1 something was found (errors in the configuration, failed tests, a table left out); \
2 wrong usage, or the world failed (a file, the kernel).
RUST_LOG=debug or RUST_LOG=trace prints what each stage did, and how long it took, on standard error.";

#[derive(Debug, clap::Args)]
struct Global {
    /// Read files below this directory instead of /
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Compile for this node instead of the one we are on
    #[arg(long, global = true, value_name = "NAME")]
    node: Option<String>,
    /// Take interfaces, addresses and names from this JSON file instead of the running system
    #[arg(long, global = true, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Where the service listens, instead of /run/proxmox-firewall/api.sock (read.sock for others than root)
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Color {
    /// On terminals, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep the kernel equal to the configuration, and answer on a socket: the daemon of a node
    #[command(visible_alias = "start")]
    Serve(serve::Args),
    /// Print the ruleset that the configuration means; nothing is loaded
    Compile(compile::Args),
    /// Say what is wrong with the configuration, and where
    Check(check::Args),
    /// Follow a packet through the ruleset, and explain its verdict
    Simulate(simulate::Args),
    /// Simulate the packets of test files, and compare their verdicts
    Test(test::Args),
    /// Load the ruleset into the kernel, in one transaction
    Load(load::Args),
    /// Print what our tables in the kernel hold, with the lines that it comes from
    List(list::Args),
    /// Remove our tables from the kernel
    Flush(flush::Args),
    /// Enforce again what was enforced last, at boot: before the cluster file system is there
    Restore,
    /// Print the ruleset of a node whose firewall is on, with everything else at its default
    Skeleton,
    /// Print the local network that was detected, and what it may do
    Localnet,
    /// How enforcement stands (exit code 1: not as it should)
    Status(service::JsonArgs),
    /// What the saved configuration would change (exit code 1: something)
    Diff(service::JsonArgs),
    /// Enforce the saved configuration now, held changes too (exit code 1: it is held)
    Apply(service::changing::ApplyArgs),
    /// Keep what waits for its confirmation
    Confirm(service::JsonArgs),
    /// Go back to what was enforced before an unconfirmed change, or to a generation
    Rollback(service::changing::RollbackArgs),
    /// Switch automatic applying off for this node
    Hold(service::JsonArgs),
    /// Switch automatic applying on again
    Release(service::JsonArgs),
    /// Print how REJECT towards guests is answered, or set it
    RejectMode(service::changing::RejectModeArgs),
    /// Print what happens, as it happens
    Events(service::JsonArgs),
    /// Print the guests, or what the rules of one come to
    Guests(service::guests::GuestsArgs),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the manual page
    Man,
}

/// What a command that did its work leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to complain about.
    Clean,
    /// What was looked for was found.
    Findings,
}

impl Global {
    fn wanted(&self) -> Wanted {
        Wanted {
            paths: self.root.as_ref().map_or_else(Paths::default, Paths::below),
            node: self.node.clone(),
            facts: self.facts.clone(),
        }
    }
}

impl Global {
    /// The running service; `json`: answers are printed as they come.
    fn service(&self, json: bool) -> anyhow::Result<service::Service> {
        service::Service::new(self.socket.clone().unwrap_or_else(client::default_socket), json)
    }
}

/// Parses the arguments, runs the command.
pub fn main() -> ExitCode {
    if let Some(code) = run_script::asked() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // `--help` and `--version` are no mistakes, but come this way.
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            return error.print().map_or(ExitCode::from(2), |()| ExitCode::from(code));
        }
    };
    match cli.global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    output::trace();
    if cfg!(feature = "lab") {
        output::warn(
            "LAB BUILD: what this kernel lacks is left out of the ruleset, which then does not protect",
        );
    }
    match cli.run() {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

impl Cli {
    fn run(&self) -> anyhow::Result<Outcome> {
        let wanted = self.global.wanted();
        match &self.command {
            Command::Serve(args) => {
                let socket =
                    self.global.socket.as_deref().unwrap_or(std::path::Path::new(crate::http::API_SOCKET));
                serve::run(args, &wanted, socket)
            }
            Command::Compile(args) => compile::run(args, &wanted),
            Command::Check(args) => check::run(args, &wanted),
            Command::Simulate(args) => simulate::run(args, &wanted),
            Command::Test(args) => test::run(args, &wanted),
            Command::Load(args) => load::run(args, &wanted),
            Command::List(args) => list::run(args, &wanted),
            Command::Flush(args) => flush::run(args, &wanted),
            Command::Restore => restore::run(&wanted),
            Command::Skeleton => skeleton::run(&wanted),
            Command::Localnet => localnet::run(&wanted),
            Command::Status(args) => service::status::run(&self.global.service(args.json)?),
            Command::Diff(args) => service::diff::run(&self.global.service(args.json)?),
            Command::Apply(args) => service::changing::apply(&self.global.service(args.json)?, args),
            Command::Confirm(args) => service::changing::confirm(&self.global.service(args.json)?),
            Command::Rollback(args) => service::changing::rollback(&self.global.service(args.json)?, args),
            Command::Hold(args) => service::changing::hold(&self.global.service(args.json)?),
            Command::Release(args) => service::changing::release(&self.global.service(args.json)?),
            Command::RejectMode(args) => {
                service::changing::reject_mode(&self.global.service(args.json)?, args)
            }
            Command::Events(args) => service::events::run(&self.global.service(args.json)?),
            Command::Guests(args) => service::guests::run(&self.global.service(args.json)?, args),
            Command::Completions(args) => completions::run(args),
            Command::Man => man::run(),
        }
    }
}

/// How REJECT towards guests is answered.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// It drops
    Drop,
    /// The bridge answers where frames enter it; what the host sends or routes is dropped
    Prerouting,
    /// As prerouting, and what the host sends or routes is answered by a bridge of its own
    Divert,
    /// As prerouting, and guests' devices have a firewall bridge each, where all of it is answered
    Fwbr,
}

impl From<Mode> for RejectMode {
    fn from(mode: Mode) -> RejectMode {
        match mode {
            Mode::Drop => RejectMode::Drop,
            Mode::Prerouting => RejectMode::Prerouting,
            Mode::Divert => RejectMode::Divert,
            Mode::Fwbr => RejectMode::Fwbr,
        }
    }
}
