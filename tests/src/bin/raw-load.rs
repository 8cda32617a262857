//! What the kernel alone needs for the ruleset of a generated node: `raw-load GUESTS [RULES]` compiles it, and loads it
//! into an empty network namespace as one netlink batch. Prints what rendering and loading took, and of processor, as JSON.
//! Rules that need what this kernel lacks are left out.

use std::error::Error;
use std::time::{Duration, Instant};

use engine::inputs::{Inputs, Settings};
use engine::render::netlink::full;
use firewall_tests::generate::{Size, tree};
use firewall_tests::namespace::Namespace;
use firewall_tests::netlink::{commit, missing, reduce};
use nft_ffi::netlink::Socket;
use proxmox_firewall::features::reject_can;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [guests, rules @ ..] = &words[..] else { return Err("usage: raw-load GUESTS [RULES]".into()) };
    let mut size = Size::guests(guests.parse()?);
    if let Some(rules) = rules.first() {
        size.rules_per_guest = rules.parse()?;
    }
    // In the reject mode that the service has on this kernel.
    let missing = missing()?;
    let settings = Settings { reject_can: Some(reject_can(&missing)), ..Settings::default() };
    let inputs = Inputs { settings, ..tree(&size).inputs() };
    let ruleset = reduce(&engine::compile(&inputs).plan.ruleset, &missing);
    let n_rules: usize =
        ruleset.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum();
    let _namespace = Namespace::new()?;
    let mut socket = Socket::new()?;
    let used = on_cpu()?;
    let began = Instant::now();
    let batch = full(&ruleset);
    let render = began.elapsed();
    let began = Instant::now();
    commit(&mut socket, &batch)?;
    let load = began.elapsed();
    let cpu = on_cpu()? - used;
    println!(
        "{{\"n_rules\": {n_rules}, \"render_us\": {}, \"load_us\": {}, \"cpu_us\": {}}}",
        render.as_micros(),
        load.as_micros(),
        cpu.as_micros()
    );
    Ok(())
}

/// Time that this thread had a processor.
fn on_cpu() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?))
}
