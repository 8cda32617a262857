//! What each stage costs at 10, 100 and 1,000 guests of 20 rules, and at 1,000 guests with two sets of 50 entries
//! each; and what a compilation costs that knows the one before, at 1,000 and 5,000 guests. Nothing is asserted here;
//! `scripts/bench` measures the program as a whole.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use engine::Memo;
use engine::diff::diff;
use engine::inputs::{FileContent, Inputs};
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
    let (again, plan) = (plan(&resolved), plan(&resolved));
    // Nothing is shared and nothing differs, so all of it is compared.
    group.bench_function("diff", |bencher| {
        bencher.iter(|| diff(black_box(&plan.ruleset), &again.ruleset));
    });
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

/// Each iteration undoes the change of the one before, or makes it again.
fn changes(criterion: &mut Criterion) {
    const CLUSTER: &str = "/etc/pve/firewall/cluster.fw";
    for guests in [1000, 5000] {
        let mut group = criterion.benchmark_group(format!("changed-{guests}"));
        group.sample_size(20);
        let base = tree(&Size::guests(guests)).inputs();
        let rule = "[RULES]\nIN DROP -p tcp -dport 4711\n";
        let entry = "[IPSET bench]\n192.0.2.1\n";
        let base = changed(&base, CLUSTER, |text| format!("{text}\n{entry}"));
        let base = changed(&base, "/etc/pve/firewall/150.fw", |text| {
            text.replacen("[RULES]", "[RULES]\nIN ACCEPT -source +bench", 1)
        });
        for (name, other) in [
            ("nothing", base.clone()),
            ("guest", changed(&base, "/etc/pve/firewall/150.fw", |text| text.replacen("[RULES]", rule, 1))),
            (
                "ipset",
                changed(&base, CLUSTER, |text| text.replacen(entry, &format!("{entry}192.0.2.7\n"), 1)),
            ),
            ("datacenter-rule", changed(&base, CLUSTER, |text| text.replacen("[RULES]", rule, 1))),
        ] {
            let mut memo = Memo::default();
            let mut compiled = engine::compile_with(&base, &mut memo);
            let mut turns = [&other, &base].into_iter().cycle();
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let inputs = turns.next().expect("it turns for ever");
                    compiled = engine::compile_with(black_box(inputs), &mut memo);
                });
            });
            black_box(&compiled);
        }
        group.finish();
    }
}

/// The inputs with one file changed; all others are the same allocation.
fn changed(inputs: &Inputs, path: &str, change: impl Fn(&str) -> String) -> Inputs {
    let mut inputs = inputs.clone();
    let content = inputs.files.get_mut(path).expect("the tree has it");
    let FileContent::Bytes(bytes) = &content else { panic!("{path} is unreadable") };
    let text = change(std::str::from_utf8(bytes).expect("a text"));
    *content = FileContent::text(&text);
    inputs
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    stages(&mut criterion);
    changes(&mut criterion);
    criterion.final_summary();
}
