//! `status`: how enforcement stands.

use std::time::{SystemTime, UNIX_EPOCH};

use anstyle::Style;
use serde_json::Value;

use super::{Service, list, number, printable, word};
use crate::cli::Outcome;
use crate::report::{BAD, BOLD, GOOD, NOTABLE};

pub(in crate::cli) fn run(service: &Service) -> anyhow::Result<Outcome> {
    let status = service.get("/v1/status")?;
    service.show(&status, |status| text(status, now_s()))?;
    let is_well = matches!(word(&status, "/state"), "active" | "disabled");
    Ok(if is_well { Outcome::Clean } else { Outcome::Findings })
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn style(state: &str) -> Style {
    match state {
        "active" => GOOD,
        "failed" => BAD,
        _ => NOTABLE,
    }
}

/// The status in words; what is not protected comes first.
pub(super) fn text(status: &Value, now_s: u64) -> String {
    let mut text = String::new();
    let mut line = |line: String| text.push_str(&(printable(&line) + "\n"));
    for loss in list(status, "/generation/losses") {
        line(format!("NOT PROTECTED: {}", loss.as_str().unwrap_or_default()));
    }
    line(format!("state       {}: {}", word(status, "/state"), word(status, "/cause")));
    line(format!("since       {} ago", ago(now_s.saturating_sub(number(status, "/since_s")))));
    if status["generation"].is_object() {
        let (generation, cause) = (number(status, "/generation/number"), word(status, "/generation/cause"));
        let committed = ago(now_s.saturating_sub(number(status, "/generation/committed_at_s")));
        let took = millis(number(status, "/generation/phases/total_us"));
        line(format!("generation  {generation} ({cause}), {committed} ago, took {took}"));
    }
    let count = |name: &str| number(status, &format!("/counts/{name}"));
    line(format!(
        "enforced    {} of {} guests, {} VNets; {} rules in {} chains, {} elements in {} sets",
        count("n_guests_filtered"),
        count("n_guests"),
        count("n_vnets"),
        count("n_rules"),
        count("n_chains"),
        count("n_elements"),
        count("n_sets")
    ));
    line(format!("reject mode {}", mode(&status["reject_mode"])));
    let diagnostics = &status["n_diagnostics"];
    let counted = |severity: &str| number(diagnostics, &format!("/{severity}"));
    let (errors, warnings) = (counted("error"), counted("warning"));
    line(format!(
        "diagnostics {errors} errors, {warnings} warnings, {} remarks (see `check`)",
        counted("info")
    ));
    if status["hold"] == true {
        line("hold        automatic applying is switched off (`release`)".to_owned());
    }
    if status["confirm"].is_object() {
        let (left, back) = (number(status, "/confirm/remaining_s"), number(status, "/confirm/back_to"));
        line(format!("confirm     {left} s left, then back to generation {back} (`confirm`)"));
    }
    if status["candidate"].is_object() {
        line(format!("waiting     {} (`diff`, `apply`)", word(status, "/candidate/reason")));
        list(status, "/candidate/details").iter().for_each(|one| line(format!("            {}", said(one))));
    }
    for guest in list(status, "/refused_guests") {
        line(format!("refused     guest {}: {}", number(guest, "/vmid"), word(guest, "/reason")));
    }
    if status["drift"].is_object() {
        line(format!(
            "repaired    {} times, last: {}",
            number(status, "/drift/n_repairs"),
            word(status, "/drift/what")
        ));
    }
    list(status, "/warnings").iter().for_each(|one| line(format!("warning     {}", said(one))));
    coloured(&text, word(status, "/state"))
}

fn said(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn coloured(plain: &str, state: &str) -> String {
    let style = style(state);
    let lines = plain.lines().map(|line| match line.split_at_checked(12) {
        Some(("state       ", rest)) => format!("{BOLD}state{BOLD:#}       {style}{rest}{style:#}\n"),
        _ if line.starts_with("NOT PROTECTED") => format!("{BAD}{line}{BAD:#}\n"),
        Some((name, rest)) => format!("{BOLD}{}{BOLD:#}{rest}\n", name),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// A REJECT mode in words.
pub(super) fn mode(mode: &Value) -> String {
    let mut text = mode["effective"].as_str().unwrap_or("none: guests are not filtered").to_owned();
    if let Some(asked) = mode["asked"].as_str().filter(|asked| *asked != text) {
        text.push_str(&format!(" ({asked} was asked for)"));
    }
    for reason in list(mode, "/reasons") {
        text.push_str(&format!("; {}", said(reason)));
    }
    text
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn millis(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}
