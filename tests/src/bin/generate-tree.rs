//! Writes a generated node below a directory: `generate-tree DIR GUESTS [RULES [SEED]] [--own-sets]`, and the facts
//! about it as `DIR/facts.json`.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use firewall_tests::generate::{OwnSets, Size, tree};

fn main() -> Result<(), Box<dyn Error>> {
    let (flags, words): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|word| word.starts_with("--"));
    let [dir, guests, more @ ..] = &words[..] else {
        return Err("usage: generate-tree DIR GUESTS [RULES [SEED]] [--own-sets]".into());
    };
    let mut size = Size::guests(guests.parse()?);
    if let Some(rules) = more.first() {
        size.rules_per_guest = rules.parse()?;
    }
    if let Some(seed) = more.get(1) {
        size.seed = seed.parse()?;
    }
    match &flags[..] {
        [] => {}
        [flag] if flag == "--own-sets" => size.own_sets = OwnSets::Many,
        other => return Err(format!("unknown: {}", other.join(" ")).into()),
    }
    let tree = tree(&size);
    for (path, text) in &tree.files {
        let path = Path::new(dir).join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        fs::write(path, text)?;
    }
    fs::write(Path::new(dir).join("facts.json"), tree.facts_json())?;
    Ok(())
}
