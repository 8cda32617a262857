//! `simulate`: one packet, its way, its verdict, and the line that decided.

use anyhow::Context;
use engine::inputs::Settings;
use engine::simulate::trace::{Detail, Trace};
use engine::simulate::{Packet, Verdict, World, simulate};
use engine::span::Sources;

use super::Outcome;
use super::node::Node;
use super::output::{print, print_json};
use crate::host::facts::Wanted;
use crate::report::{BAD, BOLD, GOOD, NOTABLE};
use crate::views::trace::TraceView;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The packet: FROM TO PROTO SRC[:PORT] '>' DST[:PORT] [KEY=VALUE…]
    #[arg(required = true, num_args = 1.., allow_hyphen_values = true)]
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
    let world = World::from_facts(&node.facts, &compiled.config.guests);
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

/// The trace with its verdict in colour.
pub(super) fn text(trace: &Trace<'_>, detail: Detail, sources: &Sources) -> String {
    let plain = trace.text(detail, Some(sources)).to_string();
    let style = match trace.verdict {
        Verdict::Accept => GOOD,
        Verdict::Drop | Verdict::Reject(_) => BAD,
        Verdict::Indeterminate { .. } => NOTABLE,
    };
    let word = format!("verdict: {}", trace.verdict);
    plain.replacen(&word, &format!("{style}{word}{style:#}"), 1)
}
