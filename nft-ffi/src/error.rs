//! What can go wrong, one enum per operation, and the way from libnftables' error text to [`NftError`]s.

use std::ffi::NulError;
use std::fmt;
use std::io;

/// [`Nft::new`](crate::Nft::new) failed.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// A netlink socket was refused. Tried by ourselves, because libnftables would end the process.
    #[error("could not open a netfilter netlink socket")]
    Netlink(#[source] io::Error),
    /// libnftables gave no context.
    #[error("libnftables gave no context")]
    NoContext,
    /// libnftables could not collect output in memory.
    #[error("libnftables could not set up its output buffers")]
    NoBuffer,
}

/// [`Nft::check`](crate::Nft::check) or [`Nft::check_json`](crate::Nft::check_json) failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The script contains a NUL byte; nothing was parsed.
    #[error("could not dry-run the script: NUL byte at offset {offset}")]
    InteriorNul {
        /// Counted in bytes from the script's start.
        offset: usize,
    },
    /// The script is not JSON; nothing was handed to libnftables. (Only `check_json`.)
    #[error("could not dry-run the script: not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The script could not be put into a memfd.
    #[error("could not put the script into a memfd")]
    Memfd(#[source] io::Error),
    /// libnftables or the kernel would not take the script.
    #[error("dry run failed")]
    Rejected(#[source] Rejected),
}

/// [`Nft::commit`](crate::Nft::commit) or [`Nft::commit_json`](crate::Nft::commit_json) failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The script contains a NUL byte; nothing was parsed.
    #[error("could not commit the script: NUL byte at offset {offset}")]
    InteriorNul {
        /// Counted in bytes from the script's start.
        offset: usize,
    },
    /// The script is not JSON; nothing was handed to libnftables. (Only `commit_json`.)
    #[error("could not commit the script: not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The script could not be put into a memfd.
    #[error("could not put the script into a memfd")]
    Memfd(#[source] io::Error),
    /// libnftables or the kernel did not take the script: the ruleset is as it was.
    ///
    /// One exception: an error that has no position and begins with `netlink:` may stand for an *answer* that was
    /// lost on the way (`No buffer space available`). Who meets it lists the ruleset before believing either.
    /// `Message too long` is no such case: without `CAP_NET_ADMIN` in the first user namespace a transaction may not
    /// exceed `net.core.wmem_max`.
    #[error("commit was refused")]
    Rejected(#[source] Rejected),
}

/// [`Nft::list`](crate::Nft::list) or one of its siblings failed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The command contains a NUL byte.
    #[error("could not list: the command contains a NUL byte")]
    InteriorNul(#[source] NulError),
    /// The command is not one `list` command.
    #[error("could not list: `{command}` is not a single `list` command")]
    NotAList {
        /// As given.
        command: String,
    },
    /// libnftables or the kernel refused, for instance because there is no such table.
    #[error("listing was refused")]
    Rejected(#[source] Rejected),
    /// What libnftables printed is not JSON.
    #[error("libnftables' listing is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// What libnftables printed is JSON, but an object's head lacks what [`Object`](crate::Object) needs.
    #[error("unexpected form of the {kind} at index {index} of the listing")]
    Form {
        /// `table`, `rule`, …; `nftables` for the array itself.
        kind: String,
        /// Position in the array `nftables`.
        index: usize,
        /// What serde missed.
        #[source]
        source: serde_json::Error,
    },
}

/// What a run can meet, before it is known whether it was a dry one.
pub(crate) enum Failure {
    InteriorNul { offset: usize },
    NotJson(serde_json::Error),
    Memfd(io::Error),
    Rejected(Rejected),
}

impl From<Failure> for CheckError {
    fn from(failure: Failure) -> CheckError {
        match failure {
            Failure::InteriorNul { offset } => CheckError::InteriorNul { offset },
            Failure::NotJson(source) => CheckError::NotJson(source),
            Failure::Memfd(source) => CheckError::Memfd(source),
            Failure::Rejected(rejected) => CheckError::Rejected(rejected),
        }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> CommitError {
        match failure {
            Failure::InteriorNul { offset } => CommitError::InteriorNul { offset },
            Failure::NotJson(source) => CommitError::NotJson(source),
            Failure::Memfd(source) => CommitError::Memfd(source),
            Failure::Rejected(rejected) => CommitError::Rejected(rejected),
        }
    }
}

/// A script that libnftables or the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Each error in the order of libnftables' report. It stops after ten *syntax* errors, and the kernel is asked only
    /// when libnftables itself has found no error.
    pub errors: Vec<NftError>,
    /// The whole report, with source lines and carets; the script goes by the name `script`.
    pub stderr: String,
}

impl Rejected {
    /// Reads the report on the script that libnftables knows as `file`.
    pub(crate) fn parse(stderr: &str, file: &str) -> Rejected {
        let mut errors = Vec::new();
        let mut lines = stderr.lines();
        while let Some(line) = lines.next() {
            let Some((error, echoed)) = NftError::parse(line, file) else { continue };
            errors.push(error);
            if echoed {
                // The script's own line follows; it may look like an error itself.
                lines.next();
            }
        }
        Rejected { errors, stderr: stderr.replace(file, "script") }
    }
}

impl fmt::Display for Rejected {
    /// Every error, separated by `; `; the bare report if no error could be read from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.errors.split_first() else {
            return f.write_str(self.stderr.trim());
        };
        write!(f, "{first}")?;
        others.iter().try_for_each(|error| write!(f, "; {error}"))
    }
}

impl std::error::Error for Rejected {}

/// One error of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftError {
    /// Counted from 1. `None` for JSON, and for errors that belong to no line.
    pub line: Option<u32>,
    /// First and last column, both counted in bytes from 1 and inclusive. The last one is smaller than the first
    /// where a statement ends on a later line.
    pub columns: Option<(u32, u32)>,
    /// libnftables' words, without position and without `Error: `.
    pub message: String,
}

impl NftError {
    /// The error that a line of the report is about, and whether a line of the script follows it.
    fn parse(line: &str, file: &str) -> Option<(NftError, bool)> {
        const MARK: &str = "Error: ";
        if let Some(message) = line.strip_prefix(MARK) {
            return Some((NftError::without_position(message), false));
        }
        let (place, message) = line.split_once(": Error: ")?;
        match place.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')).and_then(parse_position) {
            Some((line, columns)) => {
                let message = message.to_owned();
                Some((NftError { line: Some(line), columns: Some(columns), message }, true))
            }
            None if place.starts_with("internal:") => Some((NftError::without_position(message), false)),
            None if place == "netlink" => {
                Some((NftError::without_position(&format!("netlink: {message}")), false))
            }
            // A file that the script includes: its name is part of the message.
            None if place.rsplit_once(':').is_some_and(|(_, columns)| parse_columns(columns).is_some()) => {
                Some((NftError::without_position(line), true))
            }
            None => None,
        }
    }

    fn without_position(message: &str) -> NftError {
        NftError { line: None, columns: None, message: message.to_owned() }
    }
}

impl fmt::Display for NftError {
    /// `3:41-47: No such file or directory`, or the message alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.columns) {
            (Some(line), Some((first, last))) => write!(f, "{line}:{first}-{last}: {}", self.message),
            (Some(line), None) => write!(f, "{line}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

/// `3:41-47`
fn parse_position(text: &str) -> Option<(u32, (u32, u32))> {
    let (line, columns) = text.split_once(':')?;
    Some((line.parse().ok()?, parse_columns(columns)?))
}

/// `41-47`
fn parse_columns(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Rejected;

    fn check(stderr: &str, expect: &[&str]) {
        let errors: Vec<_> =
            Rejected::parse(stderr, "/f/3").errors.iter().map(|error| error.to_string()).collect();
        assert_eq!(errors, expect, "{stderr}");
    }

    #[test]
    fn reads_positions_and_drops_echo_and_carets() {
        check(
            "/f/3:3:41-47: Error: syntax error, unexpected '}'\nError: x\n^^^^\n\
             /f/3:12:1-5: Error: Could not process rule: No such file or directory\nadd rule\n  ^^^\n",
            &[
                "3:41-47: syntax error, unexpected '}'",
                "12:1-5: Could not process rule: No such file or directory",
            ],
        );
    }

    #[test]
    fn reads_errors_without_a_position() {
        check(
            "internal:0:0-0: Error: Invalid table.\n\nnetlink: Error: cache initialization failed: Operation not \
             permitted\nError: No such file or directory\nlist set x\n     ^\n",
            &[
                "Invalid table.",
                "netlink: cache initialization failed: Operation not permitted",
                "No such file or directory",
            ],
        );
    }

    #[test]
    fn names_included_files_in_the_message() {
        check("/a.nft:1:2-3: Error: bad\nx\n^\n", &["/a.nft:1:2-3: Error: bad"]);
    }

    #[test]
    fn keeps_what_it_cannot_read() {
        let rejected = Rejected::parse("something /f/3 else\n", "/f/3");
        assert_eq!((rejected.errors.len(), rejected.to_string().as_str()), (0, "something script else"));
    }
}
