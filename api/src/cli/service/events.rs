//! `events`: what happens, as it happens.

use anyhow::bail;
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::Value;

use super::{Service, list, number, printable, word};
use crate::cli::Outcome;
use crate::cli::client::{CallError, request, send};
use crate::cli::output::{print, print_plain};
use crate::report::BOLD;

/// Longest event that is waited for.
const EVENT_MAX: usize = 16 * 1024 * 1024;

pub(in crate::cli) fn run(service: &Service) -> anyhow::Result<Outcome> {
    service.runtime.block_on(listen(service))?;
    Ok(Outcome::Clean)
}

async fn listen(service: &Service) -> anyhow::Result<()> {
    let answer = send(&service.socket, request(Method::GET, "/v1/events", None)).await?;
    let is_stream = answer.status().is_success();
    let mut body = answer.into_body();
    let mut pending = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(CallError::Broken)?.into_data() else { continue };
        pending.extend_from_slice(&data);
        // Line ends are not split by UTF-8, so a part may end anywhere.
        while let (true, Some(end)) = (is_stream, pending.windows(2).position(|pair| pair == b"\n\n")) {
            let event: Vec<u8> = pending.drain(..end + 2).collect();
            show(service, &String::from_utf8_lossy(&event))?;
        }
        if pending.len() > EVENT_MAX {
            bail!("an event has more than {EVENT_MAX} bytes");
        }
    }
    if !is_stream {
        bail!("{}", super::problem(&serde_json::from_slice(&pending).unwrap_or_default()));
    }
    bail!("the service has stopped");
}

fn show(service: &Service, event: &str) -> anyhow::Result<()> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let Some(data) = field("data: ") else { return Ok(()) };
    let name = field("event: ").unwrap_or_default();
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    if service.json {
        return print_plain(&format!("{}\n", serde_json::json!({"event": name, "data": data})));
    }
    print(&format!("{BOLD}{}{BOLD:#}: {}\n", printable(name), printable(&text(name, &data))))
}

/// An event in a line, new diagnostics in one each.
pub(super) fn text(name: &str, data: &Value) -> String {
    match name {
        "state" => {
            let trigger = data["trigger"].as_str().map_or_else(String::new, |cause| format!(" ({cause})"));
            let generation = number(data, "/generation");
            format!("{}, generation {generation}{trigger}: {}", word(data, "/state"), word(data, "/cause"))
        }
        "diagnostics" => {
            let gone = number(data, "/n_removed");
            let mut text = format!("{} new, {gone} gone", number(data, "/n_added"));
            for one in list(data, "/added") {
                let (file, line) = (word(one, "/file"), number(one, "/line"));
                let (code, message) = (word(one, "/code"), word(one, "/message"));
                text.push_str(&format!("\n  {file}:{line}: {}[{code}]: {message}", word(one, "/severity")));
            }
            text
        }
        "guest" => format!("{} {} {}", number(data, "/vmid"), word(data, "/event"), word(data, "/iface")),
        "drift" => word(data, "/what").to_owned(),
        "gap" => format!("{} events were missed", number(data, "/missed")),
        _ => data.to_string(),
    }
}
