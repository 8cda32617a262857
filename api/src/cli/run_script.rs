//! `run-script check|commit`: what the service has done by a process of its own. People have nft(8), so neither help nor
//! completions know it.

use std::process::ExitCode;

use clap::ValueEnum;

use crate::host::aside::{self, COMMAND, Run};

/// Does that, if it is what the arguments say.
pub(super) fn asked() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let is_asked = words.next().is_some_and(|word| word == COMMAND);
    let run = words.next().filter(|_| is_asked)?.into_string().ok()?;
    let done = Run::from_str(&run, false)
        .map_err(anyhow::Error::msg)
        .and_then(|run| Ok(aside::serve(run, std::io::stdin().lock(), std::io::stdout().lock())?));
    Some(done.map_or_else(
        |error| {
            super::complain(&error);
            ExitCode::from(2)
        },
        |()| ExitCode::SUCCESS,
    ))
}
