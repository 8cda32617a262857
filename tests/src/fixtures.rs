//! The folders of `tests/fixtures`, each compiled.

use engine::Compiled;
use engine::inputs::Inputs;

use crate::case::{compile_case, read_folder};
use crate::network::tests_folder;

/// A fixture and what it compiles to.
#[derive(Debug)]
pub struct Fixture {
    /// The folder's name, which is a sentence.
    pub name: String,
    /// What the engine read.
    pub inputs: Inputs,
    /// What it made of it.
    pub compiled: Compiled,
    /// The text of the file `packets`.
    pub packets: String,
}

/// All fixtures, by name.
pub fn all() -> Vec<Fixture> {
    let folder = tests_folder().join("fixtures");
    let mut folders: Vec<_> = std::fs::read_dir(&folder)
        .expect("tests/fixtures is a folder")
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.join("packets").exists())
        .collect();
    folders.sort();
    folders.iter().map(|folder| read(folder)).collect()
}

fn read(folder: &std::path::Path) -> Fixture {
    let mut files = read_folder(folder);
    let packets = files.remove("packets").expect("only folders with this file are listed");
    files.retain(|name, _| !matches!(name.as_str(), "ruleset.nft" | "diagnostics.txt"));
    let (inputs, compiled) = compile_case(&files);
    Fixture {
        name: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        inputs,
        compiled,
        packets: String::from_utf8(packets).expect("packet lines are text"),
    }
}
