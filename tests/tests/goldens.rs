//! Every fixture against its goldens. `BLESS=1 cargo test -p firewall-tests --test goldens` rewrites them; the diff is
//! the review.

use std::path::Path;

use firewall_tests::case::{compile_case, read_folder};
use firewall_tests::{golden, network};

const SKELETON: &str = "an-enabled-firewall-without-rules";

#[test]
fn goldens() {
    let fixtures = network::tests_folder().join("fixtures");
    let mut folders: Vec<_> = std::fs::read_dir(&fixtures)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("packets").exists())
        .collect();
    folders.sort();
    assert!(folders.len() >= 40, "only {} fixtures", folders.len());
    let stale: Vec<String> = folders.iter().flat_map(|folder| check(folder)).collect();
    assert!(stale.is_empty(), "stale goldens:\n{}", stale.join("\n"));
}

fn check(folder: &Path) -> Vec<String> {
    let mut files = read_folder(folder);
    files.retain(|name, _| !matches!(name.as_str(), "ruleset.nft" | "diagnostics.txt" | "packets"));
    let (_, compiled) = compile_case(&files);
    let mut bare = files.clone();
    bare.retain(|name, _| name == "facts.json");
    bare.insert("cluster.fw".to_owned(), b"[OPTIONS]\nenable: 1\n".to_vec());
    let (_, skeleton) = compile_case(&bare);
    let is_skeleton = folder.ends_with(SKELETON);
    let base = (!is_skeleton).then_some(&skeleton.plan.ruleset);
    let goldens = [
        ("ruleset.nft", golden::ruleset(&compiled, base)),
        ("diagnostics.txt", golden::diagnostics(&compiled)),
    ];
    goldens.iter().filter_map(|(name, text)| compare(&folder.join(name), text)).collect()
}

/// An empty golden has no file.
fn compare(path: &Path, text: &str) -> Option<String> {
    let held = std::fs::read_to_string(path).unwrap_or_default();
    if held == text {
        return None;
    }
    if std::env::var_os("BLESS").is_none() {
        return Some(path.display().to_string());
    }
    if text.is_empty() {
        std::fs::remove_file(path).expect("an old golden can be removed");
    } else {
        std::fs::write(path, text).expect("a golden can be written");
    }
    None
}
