//! `apply`, `confirm`, `rollback`, `hold`, `release`, `reject-mode`: what changes enforcement.

use std::net::IpAddr;

use engine::inputs::RejectMode;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::status::mode;
use super::{Service, list, number, printable, word};
use crate::cli::{Mode, Outcome};
use crate::report::{BAD, GOOD};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ApplyArgs {
    /// Go back by itself after so many seconds unless `confirm` comes
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    confirm_within: Option<u32>,
    /// Even if that cuts the way in
    #[arg(long)]
    force: bool,
    /// Print the answer of the API
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RollbackArgs {
    /// The generation to go back to; without it, the one before the unconfirmed change
    generation: Option<u32>,
    /// Print the answer of the API
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RejectModeArgs {
    /// The mode to keep and enforce
    mode: Option<Mode>,
    /// Print the answer of the API
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub(in crate::cli) fn apply(service: &Service, args: &ApplyArgs) -> anyhow::Result<Outcome> {
    let mut body = Map::new();
    body.insert("force".to_owned(), args.force.into());
    if let Some(seconds) = args.confirm_within {
        body.insert("confirm_within".to_owned(), seconds.into());
    }
    if let Some(address) = ssh_client() {
        body.insert("caller".to_owned(), address.to_string().into());
    }
    enforced(service, "/v1/apply", &Value::Object(body))
}

/// What cannot be reached any more, or could not.
pub(super) fn cuts(answer: &Value) -> String {
    let line = |cut: &Value| {
        format!("not to be reached any more: {}\n", printable(cut.as_str().unwrap_or_default()))
    };
    list(answer, "/cuts").iter().map(line).collect()
}

/// Where the person sits who typed this: a change must not lock him out.
pub(super) fn ssh_client() -> Option<IpAddr> {
    std::env::var("SSH_CONNECTION").ok()?.split(' ').next()?.parse().ok()
}

pub(in crate::cli) fn rollback(service: &Service, args: &RollbackArgs) -> anyhow::Result<Outcome> {
    let body = args.generation.map_or(json!({}), |generation| json!({"generation": generation}));
    enforced(service, "/v1/apply/rollback", &body)
}

fn enforced(service: &Service, path: &str, body: &Value) -> anyhow::Result<Outcome> {
    let answer = service.ask(Method::POST, path, Some(body))?;
    if answer.status.is_client_error() {
        return service.held(&answer);
    }
    let applied = service.good(&answer)?;
    service.show(&applied, applied_text)?;
    Ok(if list(&applied, "/losses").is_empty() { Outcome::Clean } else { Outcome::Findings })
}

fn applied_text(applied: &Value) -> String {
    let mut text = String::new();
    for loss in list(applied, "/losses") {
        let loss = printable(loss.as_str().unwrap_or_default());
        text.push_str(&format!("{BAD}NOT PROTECTED: {loss}{BAD:#}\n"));
    }
    let generation = number(applied, "/generation");
    let what = if applied["changed"] == true { "is enforced" } else { "was enforced already" };
    text.push_str(&format!(
        "{GOOD}generation {generation} {what}{GOOD:#}; state {}\n",
        word(applied, "/state")
    ));
    text.push_str(&cuts(applied));
    if applied["confirm"].is_object() {
        let (left, back) = (number(applied, "/confirm/remaining_s"), number(applied, "/confirm/back_to"));
        text.push_str(&format!("confirm within {left} s, or generation {back} comes back\n"));
    }
    text
}

pub(in crate::cli) fn confirm(service: &Service) -> anyhow::Result<Outcome> {
    standing(service, "/v1/apply/confirm")
}

pub(in crate::cli) fn hold(service: &Service) -> anyhow::Result<Outcome> {
    standing(service, "/v1/hold")
}

pub(in crate::cli) fn release(service: &Service) -> anyhow::Result<Outcome> {
    standing(service, "/v1/release")
}

fn standing(service: &Service, path: &str) -> anyhow::Result<Outcome> {
    let standing = service.post(path, &json!({}))?;
    service.show(&standing, |standing| {
        let hold = if standing["hold"] == true { "; automatic applying is switched off" } else { "" };
        let (state, cause) = (word(standing, "/state"), printable(word(standing, "/cause")));
        format!("generation {}, state {state}: {cause}{hold}\n", number(standing, "/generation"))
    })?;
    Ok(Outcome::Clean)
}

pub(in crate::cli) fn reject_mode(service: &Service, args: &RejectModeArgs) -> anyhow::Result<Outcome> {
    let answer = match args.mode {
        None => service.get("/v1/reject-mode")?,
        Some(mode) => {
            let word = RejectMode::from(mode).as_str();
            let answer = service.ask(Method::PUT, "/v1/reject-mode", Some(&json!({"mode": word})))?;
            if answer.status.is_client_error() {
                return service.held(&answer);
            }
            service.good(&answer)?
        }
    };
    service.show(&answer, |answer| mode(answer) + "\n")?;
    Ok(if list(&answer, "/reasons").is_empty() { Outcome::Clean } else { Outcome::Findings })
}
