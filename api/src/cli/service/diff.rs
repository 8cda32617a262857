//! `diff`: what the saved configuration would change.

use serde_json::{Value, json};

use super::changing::{cuts, ssh_client};
use super::{Service, number, printable, word};
use crate::cli::Outcome;
use crate::report::{BAD, BOLD, GOOD};

pub(in crate::cli) fn run(service: &Service) -> anyhow::Result<Outcome> {
    let body = ssh_client().map_or(json!({}), |address| json!({"caller": address.to_string()}));
    let answer = service.post("/v1/compile", &body)?;
    service.show(&answer, text)?;
    Ok(if answer["change"]["unchanged"] == true { Outcome::Clean } else { Outcome::Findings })
}

/// The change in colours, how much it is, and what it would cut.
pub(super) fn text(answer: &Value) -> String {
    let change = &answer["change"];
    if change["unchanged"] == true {
        return "nothing would change\n".to_owned();
    }
    let mut text = String::new();
    for line in word(change, "/text").lines() {
        let line = printable(line);
        text.push_str(&match line.as_bytes().first() {
            Some(b'-') => format!("{BAD}{line}{BAD:#}\n"),
            Some(b'+') => format!("{GOOD}{line}{GOOD:#}\n"),
            _ => format!("{line}\n"),
        });
    }
    let count = |name: &str| number(change, &format!("/counts/{name}"));
    text.push_str(&format!(
        "{BOLD}{} rules leave, {} come; {} elements leave, {} come{BOLD:#}\n",
        count("n_rules_removed"),
        count("n_rules_added"),
        count("n_elements_removed"),
        count("n_elements_added")
    ));
    text.push_str(&cuts(answer));
    text
}
