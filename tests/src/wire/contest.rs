//! The simulator against the kernel: random packets under random configurations of the reference network.

use std::env;
use std::time::Duration;

use engine::compile;
use engine::inputs::{FileContent, Inputs};
use engine::ruleset::Ruleset;
use engine::simulate::World;

use super::wiring::Wiring;
use super::{Judge, Lab, Tally, random};
use crate::Failure;
use crate::generate::{Draw, wild};
use crate::namespace::run;
use crate::network;

/// How much is played, from the environment: `WIRE_SEED`, `WIRE_CONFIGS`, `WIRE_PACKETS` for each. `WIRE_LINE` is a
/// packet line to be sent instead of random ones, `WIRE_TRACE=1` makes nft tell the packets' ways: with `WIRE_SEED=7
/// WIRE_CONFIGS=1` a disagreement of configuration 7 is looked at alone.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Number of the first configuration.
    pub seed: u64,
    /// How many configurations.
    pub n_configs: u64,
    /// How many packets for each.
    pub n_packets: usize,
}

impl Length {
    /// What the environment says, or this.
    pub fn from_env(n_configs: u64, n_packets: usize) -> Result<Length, Failure> {
        let number = |name: &str, default: u64| -> Result<u64, Failure> {
            match env::var(name) {
                Ok(text) => text.parse().map_err(|_| format!("{name}: `{text}` is no number").into()),
                Err(_) => Ok(default),
            }
        };
        let n_packets = usize::try_from(number("WIRE_PACKETS", n_packets as u64)?)?;
        Ok(Length { seed: number("WIRE_SEED", 1)?, n_configs: number("WIRE_CONFIGS", n_configs)?, n_packets })
    }
}

/// Firewall files of a random configuration over the guests of the reference network.
pub fn inputs(seed: u64) -> Inputs {
    let mut inputs = network::inputs();
    for (path, bytes) in wild(seed) {
        if path.ends_with(".fw") || path.ends_with(".cfg") {
            inputs.files.insert(path, FileContent::Bytes(bytes.into()));
        }
    }
    inputs
}

/// Plays; `part` chooses what of each ruleset is loaded. Fails if simulator and kernel disagree anywhere.
pub fn play(length: Length, wiring: Wiring, part: fn(&Ruleset) -> Ruleset) -> Result<(), Failure> {
    let mut reference = network::inputs();
    wiring.plug(&mut reference);
    let guests = compile(&reference).config.guests;
    let world: World = network::world(&reference.facts, &guests);
    let mut lab = Lab::new(&reference.facts, &guests)?;
    lab.neighbours(&random::homes())?;
    let mut tally = Tally::default();
    for seed in length.seed..length.seed + length.n_configs {
        let mut inputs = inputs(seed);
        inputs.facts = reference.facts.clone();
        let compiled = compile(&inputs);
        let ruleset = part(&compiled.plan.ruleset);
        let mut draw = Draw::new(seed, "packets", 0);
        let packets: Vec<_> = match env::var("WIRE_LINE") {
            Ok(line) => vec![line.parse().map_err(|error| format!("WIRE_LINE: {error}"))?],
            Err(_) => (0..length.n_packets).map(|_| random::packet(&mut draw)).collect(),
        };
        let n_before = tally.disagreements.len();
        let mut judge = Judge::new(&mut lab, &world, &ruleset, &compiled.sources)?;
        let tracing = env::var_os("WIRE_TRACE").map(|_| Tracing::start()).transpose()?;
        judge.compare(&packets, &mut tally).map_err(|error| format!("configuration {seed}: {error}"))?;
        drop(tracing);
        for disagreement in &mut tally.disagreements[n_before..] {
            disagreement.insert_str(0, &format!("configuration {seed}: "));
        }
    }
    println!("{wiring:?}, configurations {} to {}: {tally}", length.seed, length.seed + length.n_configs - 1);
    if tally.disagreements.is_empty() { Ok(()) } else { Err(tally.report().into()) }
}

/// Time for nft to begin, and to come to an end.
const SPOKEN: Duration = Duration::from_millis(1_500);

/// `nft monitor trace`, as long as it lives.
struct Tracing(std::process::Child);

impl Tracing {
    fn start() -> Result<Tracing, Failure> {
        let chain = |family: &str| {
            format!(
                "table {family} wire-trace {{ chain prerouting {{ type filter hook prerouting priority -500; \
                 meta nftrace set 1; }}; chain output {{ type filter hook output priority -500; meta nftrace set 1; }}; }}\n"
            )
        };
        run("nft", &["-f", "-"], &format!("{}{}", chain("inet"), chain("bridge")))?;
        let child = std::process::Command::new("nft").args(["monitor", "trace"]).spawn()?;
        // It does not say when it is ready, nor when it has told all.
        std::thread::sleep(SPOKEN);
        Ok(Tracing(child))
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        std::thread::sleep(SPOKEN);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
