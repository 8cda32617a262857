//! Configurations that nobody wrote: the engine neither panics nor builds what a kernel would refuse, and what it
//! complains about can be shown.
//!
//! `RANDOM_SEED` and `RANDOM_COUNT` ask for others than those of every day; fuzz/ asks for more.

use std::collections::BTreeMap;
use std::env;

use engine::Compiled;
use engine::diagnostic::Place;
use engine::inputs::{FileContent, Inputs};
use engine::ruleset::check::check;
use engine::{render, transaction};
use firewall_tests::generate::{Draw, mutate, reference_facts, wild};

type Bytes = BTreeMap<String, Vec<u8>>;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|word| word.parse().ok()).unwrap_or(default)
}

fn inputs(files: &Bytes) -> Inputs {
    let content =
        |(path, bytes): (&String, &Vec<u8>)| (path.clone(), FileContent::Bytes(bytes.as_slice().into()));
    Inputs {
        files: files.iter().map(content).collect(),
        facts: reference_facts().into(),
        ..Inputs::default()
    }
}

/// Compiles and looks at all that comes out; tells how many rules there are.
fn compile(files: &Bytes, what: &str) -> usize {
    let compiled = engine::compile(&inputs(files));
    let ruleset = &compiled.plan.ruleset;
    if let Err(illegal) = check(ruleset) {
        panic!("{what}: {illegal:#?}");
    }
    diagnostics_can_be_shown(&compiled, what);
    let script = transaction::full(ruleset);
    assert_eq!(script.text.lines().count(), script.origins.len(), "{what}: one origin for each line");
    assert!(script.text.is_empty() || script.text.ends_with('\n'), "{what}");
    assert!(!render::json(ruleset).is_empty(), "{what}");
    ruleset.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum()
}

fn diagnostics_can_be_shown(compiled: &Compiled, what: &str) {
    for diagnostic in &compiled.diagnostics {
        if let Place::Span(span) = diagnostic.place {
            let text = compiled.sources.text(span.file);
            assert!(span.start <= span.end && span.end as usize <= text.len(), "{what}: {diagnostic:?}");
            let position = compiled.sources.position(span);
            assert!(position.line >= 1 && position.column >= 1, "{what}: {diagnostic:?}");
            compiled.sources.line_text(span);
        }
    }
}

#[test]
fn wild_configurations_compile() {
    let first = number("RANDOM_SEED", 0);
    let mut n_rules = 0;
    for seed in first..first + number("RANDOM_COUNT", 300) {
        n_rules += compile(&wild(seed), &format!("wild configuration {seed}"));
    }
    assert!(n_rules > 0, "no configuration had a rule");
}

#[test]
fn damaged_configurations_compile() {
    let first = number("RANDOM_SEED", 0);
    for seed in first..first + number("RANDOM_COUNT", 600) {
        let mut draw = Draw::new(seed, "damage", 0);
        let mut files = wild(seed % 50);
        for bytes in files.values_mut() {
            if draw.chance(40) {
                mutate(&mut draw, bytes);
            }
        }
        compile(&files, &format!("damaged configuration {seed}"));
    }
}
