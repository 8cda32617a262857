//! libnftables in a process of its own, for large scripts: the hundreds of megabytes that it takes for one go with the
//! process, and so does whatever it ends in.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nft_ffi::{CheckError, CommitError, NewError, Nft, NftError, Rejected};
use serde::{Deserialize, Serialize};

/// The command of our program that is such a process.
pub const COMMAND: &str = "run-script";

/// Bytes of a script from which on it is worth a process: some hundred rules.
const LARGE: usize = 64 << 10;

/// Our program, once it has said where it is: others that have our code in them have no such command.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// What is to be done with a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Run {
    /// The kernel validates it and forgets it.
    Check,
    /// All of it, or nothing.
    Commit,
}

impl Run {
    fn as_str(self) -> &'static str {
        match self {
            Run::Check => "check",
            Run::Commit => "commit",
        }
    }
}

/// The process did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    /// libnftables gave no context.
    #[error("could not open libnftables")]
    New(#[from] NewError),
    /// There is none: nothing has been done.
    #[error("could not start a process for a script")]
    Spawn(#[source] io::Error),
    /// The script or the answer could not be passed on.
    #[error("could not exchange the script and the answer")]
    Pipe(#[from] io::Error),
    /// The script is shorter than was announced: whoever wrote it has ended.
    #[error("the script is cut off")]
    Cut,
    /// The script has a NUL byte, or there was no memory for it.
    #[error("could not pass the script to libnftables: {0}")]
    Script(String),
    /// It has ended otherwise.
    #[error("a process for a script has ended with {0}")]
    Ended(String),
}

/// An answer on its way: `None` if the script was taken.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    rejected: Option<Rejection>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rejection {
    errors: Vec<Error>,
    report: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Error {
    line: Option<u32>,
    columns: Option<(u32, u32)>,
    message: String,
}

/// From now on large scripts are run aside, by this program.
pub fn by(program: &Path) {
    // Whoever said so first has said the same.
    let _said = PROGRAM.set(program.to_owned());
}

/// The program that runs a script of this size; `None`: it is run here.
pub(super) fn program(script: &str) -> Option<&'static Path> {
    PROGRAM.get().filter(|_| script.len() >= LARGE).map(PathBuf::as_path)
}

/// Has a script run.
pub(super) fn run(program: &Path, run: Run, script: &str) -> Result<Result<(), Rejected>, AsideError> {
    let mut child = Command::new(program)
        .args([COMMAND, run.as_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(AsideError::Spawn)?;
    // It reads all before it writes anything. If it does not read, it has ended, and says how.
    let _unread = child.stdin.take().map(|mut stdin| {
        writeln!(stdin, "{}", script.len())?;
        stdin.write_all(script.as_bytes())
    });
    let ended = child.wait_with_output()?;
    let answer = serde_json::from_slice::<Answer>(&ended.stdout).ok().filter(|_| ended.status.success());
    let Some(answer) = answer else {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(AsideError::Ended(format!("{} ({})", ended.status, said.trim())));
    };
    Ok(answer.rejected.map_or(Ok(()), |rejection| Err(rejection.into())))
}

/// The other side: from `input` the length of a script, a line, and the script; the answer to `output`.
pub fn serve(run: Run, mut input: impl Read, mut output: impl Write) -> Result<(), AsideError> {
    let mut text = String::new();
    input.read_to_string(&mut text)?;
    let (length, script) = text.split_once('\n').unwrap_or_default();
    if length.parse() != Ok(script.len()) {
        return Err(AsideError::Cut);
    }
    let mut nft = Nft::new()?;
    let rejected = match run {
        Run::Check => nft.check(script).map_or_else(unchecked, |()| Ok(None)),
        Run::Commit => nft.commit(script).map_or_else(uncommitted, |()| Ok(None)),
    };
    let answer = Answer { rejected: rejected?.map(Rejection::from) };
    serde_json::to_writer(&mut output, &answer).map_err(io::Error::from)?;
    Ok(output.flush()?)
}

fn unchecked(error: CheckError) -> Result<Option<Rejected>, AsideError> {
    match error {
        CheckError::Rejected(rejected) => Ok(Some(rejected)),
        other => Err(AsideError::Script(other.to_string())),
    }
}

fn uncommitted(error: CommitError) -> Result<Option<Rejected>, AsideError> {
    match error {
        CommitError::Rejected(rejected) => Ok(Some(rejected)),
        other => Err(AsideError::Script(other.to_string())),
    }
}

impl From<Rejected> for Rejection {
    fn from(rejected: Rejected) -> Rejection {
        let error = |NftError { line, columns, message }| Error { line, columns, message };
        Rejection { errors: rejected.errors.into_iter().map(error).collect(), report: rejected.stderr }
    }
}

impl From<Rejection> for Rejected {
    fn from(rejection: Rejection) -> Rejected {
        let error = |Error { line, columns, message }| NftError { line, columns, message };
        Rejected { errors: rejection.errors.into_iter().map(error).collect(), stderr: rejection.report }
    }
}
