//! `guests`: the guests of this node, or what the rules of one come to.

use serde_json::Value;

use super::{Service, list, number, printable, word};
use crate::cli::Outcome;
use crate::report::{BAD, BOLD, GOOD, NOTABLE, QUIET};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct GuestsArgs {
    /// One guest, with its devices and rules
    vmid: Option<u32>,
    /// Print the answer of the API
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub(in crate::cli) fn run(service: &Service, args: &GuestsArgs) -> anyhow::Result<Outcome> {
    match args.vmid {
        None => service.show(&service.get("/v1/guests")?, all)?,
        Some(vmid) => service.show(&service.get(&format!("/v1/guests/{vmid}"))?, one)?,
    }
    Ok(Outcome::Clean)
}

fn all(answer: &Value) -> String {
    let mut text = format!("{BOLD}     vmid  kind  firewall  filtered devices  rules{BOLD:#}\n");
    for guest in list(answer, "/guests") {
        let (vmid, kind) = (number(guest, "/vmid"), word(guest, "/kind"));
        let firewall = if guest["enabled"] == true { "on" } else { "off" };
        let devices = format!("{} of {}", number(guest, "/n_filtered"), number(guest, "/n_devices"));
        let refused = guest["refused"]
            .as_str()
            .map_or_else(String::new, |why| format!("  refused: {}", printable(why)));
        let n_rules = number(guest, "/n_rules");
        text.push_str(&format!(
            "{vmid:>9}  {kind:<4}  {firewall:<8}  {devices:<16}  {n_rules:>5}{refused}\n"
        ));
    }
    text
}

/// A guest: each device, each rule, and what it comes to.
pub(super) fn one(guest: &Value) -> String {
    let (vmid, kind) = (number(guest, "/vmid"), word(guest, "/kind"));
    let (inbound, outbound) = (word(guest, "/policy_in"), word(guest, "/policy_out"));
    let mut text = format!("{BOLD}{kind} {vmid}{BOLD:#}: policy in {inbound}, out {outbound}\n");
    for (name, style) in [("unprotected", BAD), ("refused", BAD), ("hits_missing", QUIET)] {
        if let Some(why) = guest[name].as_str() {
            text.push_str(&format!("{style}{}: {}{style:#}\n", name.replace('_', " "), printable(why)));
        }
    }
    for device in list(guest, "/devices") {
        let filtered = if device["filtered"] == true { "filtered" } else { "not filtered" };
        let running = if device["running"] == true { "" } else { ", no such port now" };
        let (name, iface) = (word(device, "/name"), word(device, "/iface"));
        text.push_str(&format!("\n{BOLD}{name}{BOLD:#} ({iface}): {filtered}{running}\n"));
        list(device, "/rules").iter().for_each(|rule| text.push_str(&rule_text(rule)));
    }
    text
}

fn rule_text(rule: &Value) -> String {
    let (style, effect) = match word(rule, "/effect") {
        "enforced" => (GOOD, "enforced "),
        "shadowed" => (NOTABLE, "shadowed "),
        _ => (QUIET, "no effect"),
    };
    let indent = if rule["group"].is_string() { "  " } else { "" };
    let hits = rule["hits"]["packets"].as_u64().map_or_else(String::new, |packets| packets.to_string());
    let (line, rule_line) = (number(rule, "/line"), printable(word(rule, "/text")));
    let why = rule["why"].as_str().map_or_else(String::new, |why| format!("  ({})", printable(why)));
    format!("{hits:>10}  {style}{effect}{style:#}  {line:>4}: {indent}{rule_line}{QUIET}{why}{QUIET:#}\n")
}
