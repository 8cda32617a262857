//! `simulate`: one packet, its way, its verdict, and the line that decided.

use anyhow::Context;
use engine::inputs::Settings;
use engine::ruleset::Origin;
use engine::simulate::trace::{Detail, Trace};
use engine::simulate::{Packet, Verdict, World, simulate};
use engine::span::Sources;

use super::Outcome;
use super::node::Node;
use super::output::{print, print_json};
use crate::host::facts::Wanted;
use crate::report::{self, BAD, BOLD, GOOD, NOTABLE};
use crate::views::trace::TraceView;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The packet: FROM TO PROTO SRC[:PORT] '>' DST[:PORT] [KEY=VALUE…]
    #[arg(required = true, num_args = 1..)]
    packet: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show rules that did not match, too, and why they did not
    #[arg(long)]
    all: bool,
}

const EXAMPLES: &str = "\
Places: host, outside, vm100, vm100i1 (its net1), ct200, vmbr0/eno1.
Examples:
  proxmox-firewall simulate 'outside host tcp 192.0.2.50:40000 > 192.0.2.1:8006'
  proxmox-firewall simulate 'vm100 outside udp 192.0.2.100:68 > 255.255.255.255:67'
  proxmox-firewall simulate 'outside vm100 icmp 10.0.0.1 > 192.0.2.100 type=8 state=new'
Keys: flags=syn,ack state=new|established|related|invalid|untracked type= code= smac= dmac= vlan= hoplimit= target= \
frag=first|later ext= origin=socket|packet-socket mark= ctmark= payload= rate=under|over|unknown";

pub(super) fn run(args: &Args, wanted: &Wanted) -> anyhow::Result<Outcome> {
    let packet: Packet = args.packet.join(" ").parse().context("could not read the packet")?;
    let node = Node::compile_aloud(wanted, Settings::default())?;
    let compiled = &node.compiled;
    let world = World::from_facts(&node.inputs.facts, &compiled.config.guests);
    let trace =
        simulate(&compiled.plan.ruleset, &world, &packet).context("could not find the packet's way")?;
    if args.json {
        print_json(&TraceView::new(&packet, &trace, &compiled.sources, args.all))?;
    } else {
        let detail = if args.all { Detail::Full } else { Detail::Summary };
        print(&format!("{BOLD}{packet}{BOLD:#}\n{}", text(&trace, detail, &compiled.sources)))?;
    }
    Ok(Outcome::Clean)
}

/// The trace with its verdict in colour, and the line of the configuration that led there.
pub(super) fn text(trace: &Trace<'_>, detail: Detail, sources: &Sources) -> String {
    let plain = trace.text(detail, Some(sources)).to_string();
    let plain = if detail == Detail::Summary { without_idle_chains(&plain) } else { plain };
    let style = match trace.verdict {
        Verdict::Accept => GOOD,
        Verdict::Drop | Verdict::Reject(_) => BAD,
        Verdict::Indeterminate { .. } => NOTABLE,
    };
    let word = format!("verdict: {}", trace.verdict);
    let mut text = plain.replacen(&word, &format!("{style}{word}{style:#}"), 1);
    if let Some(origin) = report::cause(trace) {
        text.push_str(&format!("because of {}\n", place(origin, sources)));
    }
    text
}

/// Leaves out base chains in which nothing happened but their policy.
fn without_idle_chains(text: &str) -> String {
    const POLICY: &str = "    policy accept";
    let is_chain = |line: &str| line.starts_with("  table ");
    let lines: Vec<&str> = text.lines().collect();
    let is_idle =
        |at: usize| lines.get(at).is_some_and(|line| is_chain(line)) && lines.get(at + 1) == Some(&POLICY);
    let is_left_out = |at: usize| is_idle(at) || at.checked_sub(1).is_some_and(is_idle);
    let kept = lines.iter().enumerate().filter(|(at, _)| !is_left_out(*at));
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

fn place(origin: Origin, sources: &Sources) -> String {
    match origin {
        Origin::Line(span) | Origin::Option { at: Some(span), .. } => {
            let (position, line) = (sources.position(span), sources.line_text(span));
            format!("{BOLD}{}:{}{BOLD:#}: {}", position.path, position.line, line.trim())
        }
        Origin::Option { at: None, .. } | Origin::Skeleton(_) => report::origin(origin, sources),
    }
}
