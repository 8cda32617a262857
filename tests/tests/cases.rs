//! Every fixture and every conformance case: diagnostics as written, packets as expected.

use std::collections::BTreeMap;

use engine::simulate::Simulator;
use firewall_tests::case::{brief, compile_case, read_folder};
use firewall_tests::conformance::{self, Case};
use firewall_tests::wire::cases::differences;
use firewall_tests::wire::wiring::Wiring;
use firewall_tests::{network, packet};

#[test]
fn conformance() {
    check_cases(&conformance::all());
}

#[test]
fn zones() {
    check_cases(&conformance::zones());
}

#[test]
fn conversations() {
    check_cases(&conformance::conversations());
}

fn check_cases(cases: &[Case]) {
    let mut failed = Vec::new();
    let mut passed = 0;
    for case in cases {
        match check_case(case) {
            Ok(()) => passed += 1,
            Err(story) => failed.push(format!("{}: {story}", case.id)),
        }
    }
    report(passed, &failed);
}

fn check_case(case: &Case) -> Result<(), String> {
    let files = case.files();
    let (inputs, compiled) = compile_case(&files);
    let said: Vec<String> = compiled.diagnostics.iter().map(|d| brief(&compiled.sources, d)).collect();
    if said != case.diagnostics {
        let full: Vec<String> = compiled.diagnostics.iter().map(|d| d.line(&compiled.sources)).collect();
        return Err(format!(
            "diagnostics\n  wanted {:?}\n  got    {said:?}\n  {}",
            case.diagnostics,
            full.join("\n  ")
        ));
    }
    check_values(case, &compiled)?;
    let lines: Vec<packet::Expectation> = case.packets.iter().map(|line| packet::parse(line)).collect();
    check_packets(&inputs, &compiled, &lines)
}

fn check_values(case: &Case, compiled: &engine::Compiled) -> Result<(), String> {
    let options = &compiled.config.host.options;
    if let Some(wanted) = &case.helpers {
        let got: Vec<&str> = options.nf_conntrack_helpers.value.iter().map(|h| h.name).collect();
        if got != *wanted {
            return Err(format!("helpers: wanted {wanted:?}, got {got:?}"));
        }
    }
    if let Some(wanted) = &case.log_ratelimit {
        let got = match compiled.config.datacenter.options.log_ratelimit.value {
            Some(rate) => format!("{}/{} burst {}", rate.rate, rate.unit.as_str(), rate.burst),
            None => "none".to_owned(),
        };
        if got != *wanted {
            return Err(format!("log_ratelimit: wanted {wanted}, got {got}"));
        }
    }
    check_comments(case, compiled)
}

fn check_comments(case: &Case, compiled: &engine::Compiled) -> Result<(), String> {
    let config = &compiled.config;
    let groups = config.datacenter.groups.values().flat_map(|group| &group.rules);
    let rules = config.datacenter.rules.iter().chain(&config.host.rules).chain(groups);
    let by_line: BTreeMap<String, &str> = rules
        .map(|rule| {
            let line = firewall_tests::case::line_of(&compiled.sources, rule.span);
            (line, rule.comment.as_deref().unwrap_or_default())
        })
        .collect();
    for (line, wanted) in &case.comments {
        let got = by_line.get(line).copied();
        if got != Some(wanted) {
            return Err(format!("comment at {line}: wanted `{wanted}`, got {got:?}"));
        }
    }
    Ok(())
}

fn check_packets(
    inputs: &engine::inputs::Inputs,
    compiled: &engine::Compiled,
    lines: &[packet::Expectation],
) -> Result<(), String> {
    engine::ruleset::check::check(&compiled.plan.ruleset).map_err(|illegal| format!("{illegal:?}"))?;
    let world = network::world(&inputs.facts, &compiled.config.guests);
    let simulator = Simulator::new(&compiled.plan.ruleset, &world);
    let wrong: Vec<String> =
        lines.iter().filter_map(|line| packet::check(&simulator, &compiled.sources, line).err()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

#[test]
fn how_guests_are_plugged_changes_no_verdict() -> Result<(), firewall_tests::Failure> {
    for wiring in [Wiring::VlanAware, Wiring::FirewallBridges, Wiring::Tagged] {
        let wrong = differences(wiring)?;
        assert!(wrong.is_empty(), "{wiring:?}:\n{}", wrong.join("\n"));
    }
    Ok(())
}

#[test]
fn fixtures() {
    let mut failed = Vec::new();
    let mut passed = 0;
    let mut folders: Vec<_> = std::fs::read_dir(network::tests_folder().join("fixtures"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("packets").exists())
        .collect();
    folders.sort();
    for folder in folders {
        let mut files = read_folder(&folder);
        files.retain(|name, _| !matches!(name.as_str(), "ruleset.nft" | "diagnostics.txt"));
        let packets = files.remove("packets").expect("filtered above");
        let (inputs, compiled) = compile_case(&files);
        let lines = packet::parse_all(std::str::from_utf8(&packets).expect("text"));
        match check_packets(&inputs, &compiled, &lines) {
            Ok(()) => passed += 1,
            Err(story) => failed.push(format!("{}:\n{story}", folder.display())),
        }
    }
    report(passed, &failed);
}

fn report(passed: usize, failed: &[String]) {
    println!("{passed} cases passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
