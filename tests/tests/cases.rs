//! Every fixture and every conformance case: diagnostics as written, packets as expected.

use std::collections::BTreeMap;

use engine::simulate::Simulator;
use firewall_tests::case::{CaseFiles, brief, compile_case, read_folder};
use firewall_tests::{network, packet};
use serde::Deserialize;

/// One conformance case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    #[expect(dead_code, reason = "said to the reader of the case")]
    why: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    hex: BTreeMap<String, String>,
    #[serde(default)]
    defaults: Vec<String>,
    #[serde(default)]
    comments: BTreeMap<String, String>,
    #[serde(default)]
    helpers: Option<Vec<String>>,
    #[serde(default)]
    log_ratelimit: Option<String>,
    diagnostics: Vec<String>,
    packets: Vec<String>,
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hexadecimal")
    };
    digits.chunks(2).map(pair).collect()
}

#[test]
fn conformance() {
    let mut failed = Vec::new();
    let mut passed = 0;
    for file in std::fs::read_dir(network::tests_folder().join("conformance")).expect("a folder") {
        let path = file.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text file");
        let cases: Cases = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for case in cases.case {
            match check_case(&case) {
                Ok(()) => passed += 1,
                Err(story) => failed.push(format!("{}: {story}", case.id)),
            }
        }
    }
    report(passed, &failed);
}

fn check_case(case: &Case) -> Result<(), String> {
    let mut files: CaseFiles =
        case.files.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes())).collect();
    files.extend(case.hex.iter().map(|(name, hex)| (name.clone(), bytes_of(hex))));
    for name in &case.defaults {
        files.entry(name.clone()).or_insert_with(|| b"[OPTIONS]\nenable: 1\n".to_vec());
    }
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
