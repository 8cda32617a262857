//! The kernel's ruleset: replace ours, look at ours, remove ours. Other tables are neither read nor touched.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;

use engine::plan::{GUEST_TABLE, HOST_TABLE, Sysctl};
use engine::ruleset::{Origin, Ruleset, TableFamily};
use engine::transaction::{self, Script};
use nft_ffi::{CheckError, CommitError, ListError, Listing, NewError, Nft, Rejected};

use super::aside::{self, AsideError, Run};
use super::fault;
use super::paths::Paths;
use crate::features::Feature;

/// The tables that are ours, but for [`EGRESS_TABLE`].
pub const TABLES: [(TableFamily, &str); 2] =
    [(TableFamily::Inet, HOST_TABLE), (TableFamily::Bridge, GUEST_TABLE)];

/// Our table at guests' ports, which is written in transactions of its own.
pub const EGRESS_TABLE: (TableFamily, &str) = (TableFamily::Netdev, GUEST_TABLE);

/// The kernel would not take a script.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It refused; what was in force is still in force.
    #[error("the ruleset was refused; what was in force stays in force")]
    Refused(Vec<Fault>),
    /// It could not be asked (dry run).
    #[error("could not try the ruleset")]
    Check(#[source] CheckError),
    /// It could not be asked.
    #[error("could not load the ruleset")]
    Commit(#[source] CommitError),
    /// A process of its own could not ask it.
    #[error("could not pass the ruleset on")]
    Aside(#[source] AsideError),
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What made the script's line; `None`: the script's frame, or an error without a line.
    pub origin: Option<Origin>,
    /// The script's line.
    pub command: String,
    /// libnftables' words.
    pub message: String,
}

/// A connection to the kernel.
#[derive(Debug)]
pub struct Kernel {
    nft: Nft,
}

impl Kernel {
    /// Connects to the network namespace of the calling thread.
    pub fn open() -> Result<Kernel, NewError> {
        Ok(Kernel { nft: Nft::new()? })
    }

    /// Gives back the memory that a listing of everything takes.
    pub fn forget_listing(&mut self) {
        if let Err(error) = self.nft.renew() {
            tracing::warn!(%error, "memory of a listing is kept");
        }
    }

    /// Those features that the kernel lacks.
    pub fn missing(&mut self, wanted: &BTreeSet<Feature>) -> Result<BTreeSet<Feature>, CheckError> {
        super::features::missing(&mut self.nft, wanted)
    }

    /// Validates a script; the kernel forgets it.
    pub fn check(&mut self, script: &Script) -> Result<(), LoadError> {
        let text = as_asked(script);
        if let Some(taken) = run_aside(Run::Check, &text, script) {
            return taken;
        }
        match self.nft.check(&text) {
            Ok(()) => Ok(()),
            Err(CheckError::Rejected(rejected)) => Err(LoadError::Refused(faults(script, rejected))),
            Err(error) => Err(LoadError::Check(error)),
        }
    }

    /// Runs a script: all of it, or nothing.
    pub fn commit(&mut self, script: &Script) -> Result<(), LoadError> {
        fault::point("sending");
        let text = as_asked(script);
        if let Some(taken) = run_aside(Run::Commit, &text, script) {
            return taken;
        }
        match self.nft.commit(&text) {
            Ok(()) => Ok(()),
            Err(CommitError::Rejected(rejected)) => Err(LoadError::Refused(faults(script, rejected))),
            Err(error) => Err(LoadError::Commit(error)),
        }
    }

    /// Which of our tables are there.
    pub fn present(&mut self) -> Result<Vec<(TableFamily, &'static str)>, ListError> {
        let listing = self.nft.list_objects("list tables", Listing::default())?;
        let is_there = |(family, name): &(TableFamily, &str)| {
            listing.objects.iter().any(|object| match object {
                nft_ffi::Object::Table(table) => table.family == family.as_str() && table.name == *name,
                _ => false,
            })
        };
        Ok(TABLES.into_iter().chain([EGRESS_TABLE]).filter(is_there).collect())
    }

    /// One of our tables as text, with counters.
    pub fn text(&mut self, (family, name): (TableFamily, &str)) -> Result<String, ListError> {
        self.nft.list(&format!("list table {} {name}", family.as_str()), Listing::default())
    }

    /// One of our tables as libnftables' JSON.
    pub fn json(&mut self, (family, name): (TableFamily, &str)) -> Result<serde_json::Value, ListError> {
        self.nft.list_json(&format!("list table {} {name}", family.as_str()), Listing::default())
    }
}

/// `None`: it is to be run here.
fn run_aside(run: Run, text: &str, script: &Script) -> Option<Result<(), LoadError>> {
    match aside::run(aside::program(text)?, run, text) {
        Ok(Ok(())) => Some(Ok(())),
        Ok(Err(rejected)) => Some(Err(LoadError::Refused(faults(script, rejected)))),
        Err(AsideError::Spawn(error)) => {
            tracing::warn!(%error, "no process for a large script: it is run here");
            None
        }
        Err(error) => Some(Err(LoadError::Aside(error))),
    }
}

/// The script, with a line that the kernel refuses if a test wants that.
fn as_asked(script: &Script) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(script.text.as_str());
    if fault::is_refused(text.as_bytes()) {
        text.to_mut().push_str("delete table inet proxmox-firewall-fault\n");
    }
    text
}

/// Makes our tables exactly those of `ruleset`: the others of ours go.
pub fn replacement(ruleset: &Ruleset) -> Script {
    let unwanted: Vec<(TableFamily, &str)> =
        TABLES.into_iter().filter(|(family, name)| ruleset.table(*family, name).is_none()).collect();
    let mut script = transaction::flush(&unwanted);
    let rest = transaction::full(ruleset);
    script.text.push_str(&rest.text);
    script.origins.extend(rest.origins);
    script
}

/// Removes our tables, and that at guests' ports if it is among those that are there: not every kernel knows its family.
pub fn removal(present: &[(TableFamily, &str)]) -> Script {
    let egress = present.contains(&EGRESS_TABLE).then_some(EGRESS_TABLE);
    let all: Vec<(TableFamily, &str)> = TABLES.into_iter().chain(egress).collect();
    transaction::flush(&all)
}

fn faults(script: &Script, rejected: Rejected) -> Vec<Fault> {
    if rejected.errors.is_empty() {
        return vec![Fault { origin: None, command: String::new(), message: rejected.stderr }];
    }
    let lines: Vec<&str> = script.text.lines().collect();
    let fault = |error: nft_ffi::NftError| {
        let index = error.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        Fault {
            origin: index.and_then(|index| *script.origins.get(index)?),
            command: index
                .and_then(|index| lines.get(index))
                .map_or(String::new(), |line| line.trim().to_owned()),
            message: error.message,
        }
    };
    rejected.errors.into_iter().map(fault).collect()
}

/// Writes kernel settings. One whose file is not there belongs to a module that nothing has loaded yet; it is passed
/// over. What cannot be written is returned, with the reason.
pub fn write_sysctls(paths: &Paths, sysctls: &[Sysctl]) -> Vec<(Sysctl, io::Error)> {
    let mut failures = Vec::new();
    for sysctl in sysctls {
        let path = paths.at(sysctl.path);
        let held = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                failures.push((sysctl.clone(), error));
                continue;
            }
        };
        let wanted = sysctl.value.to_string();
        if held.trim() == wanted {
            continue;
        }
        if let Err(error) = std::fs::write(&path, wanted) {
            failures.push((sysctl.clone(), error));
        }
    }
    failures
}

/// Tells pve-firewall's log daemon whether to log connections. It reads that when it starts, so it is started anew if it
/// runs and that has changed.
pub fn write_log_flag(paths: &Paths, is_on: bool) -> io::Result<()> {
    let path = paths.at("/var/lib/pve-firewall/log_nf_conntrack");
    let wanted = if is_on { "1" } else { "0" };
    let held = std::fs::read_to_string(&path).ok();
    // Without the daemon's folder there is no daemon; without the file it logs none.
    let is_known = held.as_deref().map_or("0", str::trim) == wanted;
    if is_known || !path.parent().is_some_and(std::path::Path::is_dir) {
        return Ok(());
    }
    std::fs::write(&path, wanted)?;
    if paths.is_live() {
        let restart = ["--no-block", "try-restart", "pvefw-logger.service"];
        std::process::Command::new("systemctl").args(restart).status()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{TABLES, faults, removal, replacement};
    use engine::ruleset::Ruleset;
    use engine::transaction::Script;

    #[test]
    fn an_empty_plan_removes_our_tables_and_no_others() {
        let script = replacement(&Ruleset::default());
        assert_eq!(script, removal(&[]));
        assert!(removal(&[super::EGRESS_TABLE]).text.contains("delete table netdev"));
        assert_eq!(script.text.lines().filter(|line| line.starts_with("delete table")).count(), TABLES.len());
    }

    #[test]
    fn a_fault_names_the_line_of_the_script() {
        let script =
            Script { text: "add table inet x\nadd rule inet x y\n".to_owned(), origins: vec![None; 2] };
        let error = nft_ffi::NftError { line: Some(2), columns: None, message: "no chain".to_owned() };
        let rejected = nft_ffi::Rejected { errors: vec![error], stderr: String::new() };
        assert_eq!(faults(&script, rejected)[0].command, "add rule inet x y");
    }
}
