//! Every fixture's ruleset in the kernel: what is loaded is what is held, whoever loads it and in whichever language,
//! and what is not ours is left alone.

use engine::plan::{GUEST_TABLE, HOST_TABLE};
use engine::ruleset::{Ruleset, TableFamily};
use engine::{render, transaction};
use firewall_tests::Failure;
use firewall_tests::fixtures::{self, Fixture};
use firewall_tests::namespace::Namespace;
use firewall_tests::nft::{Language, Loader, without_ports};

const FOREIGN: &str = r#"
table inet administrators {
    set friends { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.7 } }
    chain input {
        type filter hook input priority filter - 10; policy accept;
        ip saddr @friends tcp dport 22 counter accept comment "ours"
        limit rate 1/second log prefix "stranger: "
    }
}
table bridge administrators {
    chain forward { type filter hook forward priority 5; policy accept; ether type 0x88cc drop; }
}
"#;

type MakeLoader<'a> = &'a dyn Fn() -> Result<Loader, Failure>;

/// Loads a fixture's ruleset in both languages; what went wrong, in lines.
fn judge(fixture: &Fixture, loader: MakeLoader<'_>) -> Vec<String> {
    let wanted = &without_ports(&fixture.compiled.plan.ruleset);
    let mut found = Vec::new();
    let text = transaction::full(wanted).text;
    let json = render::json(wanted);
    for (language, script) in [(Language::Text, &text), (Language::Json, &json)] {
        let differences = load_and_compare(wanted, (script, language), loader);
        let differences = differences.unwrap_or_else(|error| vec![format!("{error}: {error:?}")]);
        found.extend(differences.iter().map(|line| format!("{} {language:?}: {line}", fixture.name)));
    }
    found
}

fn load_and_compare(
    wanted: &Ruleset,
    (script, language): (&str, Language),
    loader: MakeLoader<'_>,
) -> Result<Vec<String>, Failure> {
    let _namespace = Namespace::new()?;
    let mut loader = loader()?;
    loader.load(script, language)?;
    loader.differences(wanted)
}

/// Fixtures that come to the same ruleset are loaded once.
fn judge_all(loader: MakeLoader<'_>) -> Result<(), Failure> {
    let mut fixtures = fixtures::all();
    fixtures.sort_by_key(|fixture| render::text(&fixture.compiled.plan.ruleset));
    fixtures.dedup_by_key(|fixture| render::text(&fixture.compiled.plan.ruleset));
    let found: Vec<String> = fixtures.iter().flat_map(|fixture| judge(fixture, loader)).collect();
    println!("{} rulesets, {} differences", fixtures.len(), found.len());
    if found.is_empty() { Ok(()) } else { Err(format!("\n{}", found.join("\n")).into()) }
}

/// The two largest rulesets.
fn two() -> Result<[Ruleset; 2], Failure> {
    let mut rulesets: Vec<_> =
        fixtures::all().into_iter().map(|fixture| without_ports(&fixture.compiled.plan.ruleset)).collect();
    rulesets.sort_by_cached_key(|ruleset| render::text(ruleset).len());
    match (rulesets.pop(), rulesets.pop()) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Err("fewer than two fixtures".into()),
    }
}

#[test]
fn what_libnftables_loads_is_what_the_kernel_holds() -> Result<(), Failure> {
    judge_all(&Loader::library)
}

#[test]
fn what_nft_1_1_3_loads_is_what_the_kernel_holds() -> Result<(), Failure> {
    let nft = std::env::var("NFT113").map_err(|_| "NFT113 is not set; run tests/vm/suite")?;
    judge_all(&|| Ok(Loader::Program(nft.clone())))
}

#[test]
fn loading_twice_is_loading_once() -> Result<(), Failure> {
    let [first, second] = two()?;
    let _namespace = Namespace::new()?;
    let mut loader = Loader::library()?;
    for wanted in [&first, &first, &second, &second, &first] {
        loader.load(&transaction::full(wanted).text, Language::Text)?;
        assert_eq!(loader.differences(wanted)?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn foreign_tables_stay_as_they_are() -> Result<(), Failure> {
    let [first, second] = two()?;
    let _namespace = Namespace::new()?;
    let mut loader = Loader::library()?;
    loader.load(FOREIGN, Language::Text)?;
    let foreign = |loader: &mut Loader| -> Result<[String; 2], Failure> {
        let inet = loader.list_table(TableFamily::Inet, "administrators")?;
        Ok([inet, loader.list_table(TableFamily::Bridge, "administrators")?])
    };
    let before = foreign(&mut loader)?;
    for wanted in [&first, &second, &first] {
        loader.load(&transaction::full(wanted).text, Language::Text)?;
        assert_eq!(foreign(&mut loader)?, before);
        loader.load(&render::json(wanted), Language::Json)?;
        assert_eq!(foreign(&mut loader)?, before);
    }
    let ours = [(TableFamily::Inet, HOST_TABLE), (TableFamily::Bridge, GUEST_TABLE)];
    let flush = transaction::flush(&ours).text;
    // Absent tables are no error.
    for _ in 0..2 {
        loader.load(&flush, Language::Text)?;
        assert_eq!(foreign(&mut loader)?, before);
        assert!(loader.list_table(TableFamily::Inet, HOST_TABLE).is_err());
        assert!(loader.list_table(TableFamily::Bridge, GUEST_TABLE).is_err());
    }
    Ok(())
}

#[test]
fn a_refused_transaction_changes_nothing() -> Result<(), Failure> {
    let [first, second] = two()?;
    let _namespace = Namespace::new()?;
    let mut loader = Loader::library()?;
    loader.load(FOREIGN, Language::Text)?;
    loader.load(&transaction::full(&first).text, Language::Text)?;
    let before = loader.list()?;
    // The last lines are refused by the scanner, by libnftables, and by the kernel alone.
    let postrouting = format!("add rule bridge {GUEST_TABLE} vm-in reject");
    let nowhere = format!("add rule inet {HOST_TABLE} nowhere accept");
    for bad in ["add nonsense", &nowhere, &postrouting, "delete table inet no-such-table"] {
        let script = format!("{}{bad}\n", transaction::full(&second).text);
        assert!(loader.load(&script, Language::Text).is_err(), "`{bad}` was not refused");
        assert_eq!(loader.list()?, before, "after `{bad}`");
    }
    Ok(())
}
