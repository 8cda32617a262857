//! What each stage costs at 10, 100 and 1,000 guests of 20 rules, and at 1,000 guests with two sets of 50 entries
//! each. Nothing is asserted here; `scripts/bench` measures the program as a whole.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use engine::inputs::Inputs;
use engine::plan::plan;
use engine::resolve::resolve;
use engine::simulate::{Packet, Simulator, World};
use engine::span::Sources;
use engine::{lower, render};
use firewall_tests::generate::{OwnSets, Size, tree};

fn sizes() -> Vec<(String, Size)> {
    let plain = [10, 100, 1000].map(|guests| (guests.to_string(), Size::guests(guests)));
    let own_sets = Size { own_sets: OwnSets::Many, ..Size::guests(1000) };
    plain.into_iter().chain([("1000-own-sets".to_owned(), own_sets)]).collect()
}

fn stages(criterion: &mut Criterion) {
    for (name, size) in sizes() {
        let inputs = tree(&size).inputs();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(u64::from(size.guests))).sample_size(20);
        one_by_one(&mut group, &inputs);
        group.bench_function("compile", |bencher| {
            bencher.iter_with_large_drop(|| engine::compile(black_box(&inputs)));
        });
        packets(&mut group, &inputs);
        group.finish();
    }
}

fn one_by_one(group: &mut BenchmarkGroup<'_, WallTime>, inputs: &Inputs) {
    group.bench_function("lower", |bencher| {
        bencher.iter_batched_ref(
            Sources::default,
            |sources| lower::config(black_box(inputs), sources),
            BatchSize::PerIteration,
        );
    });
    let (config, _) = lower::config(inputs, &mut Sources::default());
    group.bench_function("resolve", |bencher| {
        bencher.iter_with_large_drop(|| resolve(black_box(&config), &inputs.facts, inputs.settings));
    });
    let (resolved, _) = resolve(&config, &inputs.facts, inputs.settings);
    group.bench_function("plan", |bencher| {
        bencher.iter_with_large_drop(|| plan(black_box(&resolved)));
    });
    let plan = plan(&resolved);
    group.bench_function("render", |bencher| {
        bencher.iter_with_large_drop(|| render::text(black_box(&plan.ruleset)));
    });
}

/// The first packet pays for the index, the others do not.
fn packets(group: &mut BenchmarkGroup<'_, WallTime>, inputs: &Inputs) {
    let compiled = engine::compile(inputs);
    let world = World::from_facts(&inputs.facts, &compiled.config.guests);
    let simulator = Simulator::new(&compiled.plan.ruleset, &world);
    let guest = compiled.config.guests.keys().next().expect("there are guests");
    for (name, line) in [
        ("to-guest", format!("vmbr0/eth0 vm{guest} tcp 10.9.9.9:40000 > 10.8.8.8:4321")),
        ("to-host", "vmbr0/eth0 host tcp 10.9.9.9:40000 > 192.168.0.1:4321".to_owned()),
    ] {
        let packet: Packet = line.parse().expect("a packet");
        if let Err(error) = simulator.simulate(&packet) {
            panic!("{line}: {error:?}");
        }
        group.bench_with_input(BenchmarkId::new("simulate", name), &packet, |bencher, packet| {
            bencher.iter(|| simulator.simulate(black_box(packet)));
        });
    }
    group.bench_function("simulate/index", |bencher| {
        bencher.iter(|| Simulator::new(black_box(&compiled.plan.ruleset), &world));
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    stages(&mut criterion);
    criterion.final_summary();
}
