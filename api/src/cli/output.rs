//! Printing: results on standard output, everything else on standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::report::{BAD, NOTABLE, QUIET};

/// Prints a result; styles are dropped where no terminal shows them. Whoever closes the pipe has read enough.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    unless_closed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Prints text that bears no styles, as it is: a ruleset has megabytes.
pub(super) fn print_plain(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    unless_closed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// As [`print_plain`], piece by piece as they come.
pub(super) fn print_pieces(pieces: impl FnOnce(&mut dyn FnMut(&str))) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut written = Ok(());
    pieces(&mut |piece| {
        if written.is_ok() {
            written = stdout.write_all(piece.as_bytes());
        }
    });
    unless_closed(written.and_then(|()| stdout.flush()))
}

/// Prints a result as JSON.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print_plain(&text)
}

fn unless_closed(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// An error and its causes, one line.
pub(super) fn complain(error: &anyhow::Error) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    anstream::eprintln!("{BAD}error{BAD:#}: {}", causes.join(": "));
}

/// Something that was assumed.
pub(super) fn remark(text: &str) {
    anstream::eprintln!("{QUIET}info{QUIET:#}: {text}");
}

/// Something that did not work, and is not fatal.
pub(super) fn warn(text: &str) {
    anstream::eprintln!("{NOTABLE}warning{NOTABLE:#}: {text}");
}

/// What is not protected: for the top of a report.
pub(super) fn losses(losses: &[String]) -> String {
    let line = |loss: &String| {
        let (what, why) = loss.split_once(": ").unwrap_or((loss, ""));
        format!("{BAD}{what}{BAD:#}: {why}\n")
    };
    losses.iter().map(line).collect()
}

/// Events to standard error, as `RUST_LOG` wants them; without it nothing.
pub(super) fn trace() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    let ansi = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(io::stderr)
        .without_time()
        .init();
}
