//! Network namespaces of the calling thread: nothing here touches the machine's own network.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns, unshare};

use crate::Failure;

/// A network namespace that lives as long as this value or something in it.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
}

impl Namespace {
    /// A new one, which the calling thread is then in.
    pub fn new() -> Result<Namespace, Failure> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| format!("no new network namespace: {errno}"))?;
        Ok(Namespace { handle: File::open("/proc/thread-self/ns/net")? })
    }

    /// Moves the calling thread and the processes that it starts from now on.
    pub fn enter(&self) -> Result<(), Failure> {
        Ok(setns(&self.handle, CloneFlags::CLONE_NEWNET)?)
    }

    /// A path that names this namespace to programs that this process starts.
    pub fn path(&self) -> String {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.handle.as_raw_fd())
    }
}

/// Runs a program on an input and gives what it prints.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, Failure> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    // Programs that print little before they have read everything: no pipe fills up meanwhile.
    let mut stdin = child.stdin.take().ok_or("piped above")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}\n{stderr}", arguments.join(" "), output.status).into())
}
