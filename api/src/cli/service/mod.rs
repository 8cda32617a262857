//! Commands that ask the running service. Each shows an answer of the API, or prints it as it comes (`--json`).

pub(super) mod changing;
pub(super) mod diff;
pub(super) mod events;
pub(super) mod guests;
pub(super) mod status;

use std::path::PathBuf;

use anyhow::{Context, bail};
use hyper::Method;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::Outcome;
use super::client::{Answer, call, request};
use super::output::{print_plain, warn};

/// A command that has no other arguments.
#[derive(Debug, clap::Args)]
pub(super) struct JsonArgs {
    /// Print the answer of the API
    #[arg(long)]
    pub(super) json: bool,
}

/// The service, as a command sees it.
pub(super) struct Service {
    runtime: Runtime,
    socket: PathBuf,
    json: bool,
}

impl Service {
    pub(super) fn new(socket: PathBuf, json: bool) -> anyhow::Result<Service> {
        let runtime = Builder::new_current_thread().enable_all().build().context("could not start")?;
        Ok(Service { runtime, socket, json })
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        Ok(self.runtime.block_on(call(&self.socket, request(method, path, body)))?)
    }

    /// The answer to a call that must go well.
    fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.good(&self.ask(Method::GET, path, None)?)
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.good(&self.ask(Method::POST, path, Some(body))?)
    }

    fn good(&self, answer: &Answer) -> anyhow::Result<Value> {
        if !answer.status.is_success() {
            bail!("{}", problem(&answer.json()));
        }
        Ok(answer.json())
    }

    /// Shows an answer: as text, or as it came.
    fn show(&self, answer: &Value, text: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        if self.json {
            return print_plain(&format!("{answer:#}\n"));
        }
        super::output::print(&text(answer))
    }

    /// Shows what keeps a change back; any other problem is an error.
    fn held(&self, answer: &Answer) -> anyhow::Result<Outcome> {
        let told = answer.json();
        let kind = word(&told, "/type");
        if !["held", "cuts-the-way-in"].iter().any(|word| kind.ends_with(word)) {
            bail!("{}", problem(&told));
        }
        if self.json {
            print_plain(&format!("{told:#}\n"))?;
        } else {
            warn(&problem(&told));
        }
        Ok(Outcome::Findings)
    }
}

/// A problem document in words.
fn problem(told: &Value) -> String {
    let mut text = word(told, "/title").to_owned();
    if let Some(detail) = told["detail"].as_str() {
        text.push_str(&format!(": {detail}"));
    }
    for reason in list(told, "/reasons") {
        text.push_str(&format!("\n  {}", reason.as_str().unwrap_or_default()));
    }
    text
}

/// A string of an answer; empty where there is none.
fn word<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A number of an answer; 0 where there is none.
fn number(answer: &Value, pointer: &str) -> u64 {
    answer.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// A list of an answer; empty where there is none.
fn list<'a>(answer: &'a Value, pointer: &str) -> &'a [Value] {
    answer.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a file or the kernel said, without characters that a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests;
