//! Stage times of one compilation; a stand-in until the benchmarks are there.
use engine::{compile, transaction};
use firewall_tests::generate::{OwnSets, Size, tree};
use std::time::Instant;
fn main() {
    let mut args = std::env::args().skip(1);
    let n: u32 = args.next().unwrap().parse().unwrap();
    let own = args.next().is_some();
    let mut size = Size::guests(n);
    if own {
        size.own_sets = OwnSets::Many;
    }
    let inputs = tree(&size).inputs();
    for _ in 0..3 {
        let t = Instant::now();
        let mut sources = Default::default();
        let (config, d) = engine::lower::config(&inputs, &mut sources);
        let t1 = t.elapsed();
        let (resolved, d2) = engine::resolve::resolve(&config, &inputs.facts, inputs.settings);
        let t2 = t.elapsed();
        let plan = engine::plan::plan(&resolved);
        let t3 = t.elapsed();
        let script = transaction::full(&plan.ruleset);
        let t4 = t.elapsed();
        eprintln!(
            "lower {:?} resolve {:?} plan {:?} render {:?} total {:?} bytes {} diags {} {}",
            t1,
            t2 - t1,
            t3 - t2,
            t4 - t3,
            t4,
            script.text.len(),
            d.len(),
            d2.len()
        );
        for x in d.iter().chain(&d2).take(5) {
            eprintln!("{x:?}");
        }
        let t = Instant::now();
        let c = compile(&inputs);
        eprintln!("compile {:?}", t.elapsed());
        drop(c);
        for table in &plan.ruleset.tables {
            eprintln!(
                "{:?} chains {} rules {} sets {} elements {}",
                table.family,
                table.chains.len(),
                table.chains.iter().map(|c| c.rules.len()).sum::<usize>(),
                table.sets.len(),
                table.sets.iter().map(|s| s.elements.len()).sum::<usize>()
            );
        }
    }
    let plan = compile(&inputs).plan;
    print!("{}", transaction::full(&plan.ruleset).text);
}
