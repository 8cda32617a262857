//! Cases as tables: `tests/conformance`, `tests/zones`, `tests/conversations`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::case::CaseFiles;
use crate::network::tests_folder;

/// One case; `tests/fixtures/README.md` says what its keys mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique.
    pub id: String,
    /// What it is about, for its reader.
    pub why: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    hex: BTreeMap<String, String>,
    #[serde(default)]
    defaults: Vec<String>,
    /// Text of a rule's comment by `<file>:<line>`.
    #[serde(default)]
    pub comments: BTreeMap<String, String>,
    /// The effective connection tracking helpers.
    #[serde(default)]
    pub helpers: Option<Vec<String>>,
    /// The effective limit.
    #[serde(default)]
    pub log_ratelimit: Option<String>,
    /// `<file>:<line> <code>`
    pub diagnostics: Vec<String>,
    /// Packet lines.
    pub packets: Vec<String>,
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// All cases of `tests/conformance`: one row of the configuration language each.
pub fn all() -> Vec<Case> {
    read("conformance")
}

/// All cases of `tests/zones`: what zones do by themselves, and what a guest may say about itself.
pub fn zones() -> Vec<Case> {
    read("zones")
}

/// All cases of `tests/conversations`, whose packets follow each other.
pub fn conversations() -> Vec<Case> {
    read("conversations")
}

/// The cases of a folder, file by file.
fn read(folder: &str) -> Vec<Case> {
    let entries = std::fs::read_dir(tests_folder().join(folder)).expect("a folder of cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder entry").path()).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a text file");
        let cases: Cases = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        cases.case
    };
    paths.into_iter().flat_map(read).collect()
}

impl Case {
    /// Its files by their short names.
    pub fn files(&self) -> CaseFiles {
        let text = |(name, text): (&String, &String)| (name.clone(), text.clone().into_bytes());
        let mut files: CaseFiles = self.files.iter().map(text).collect();
        files.extend(self.hex.iter().map(|(name, hex)| (name.clone(), bytes_of(hex))));
        for name in &self.defaults {
            files.entry(name.clone()).or_insert_with(|| b"[OPTIONS]\nenable: 1\n".to_vec());
        }
        files
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hexadecimal")
    };
    digits.chunks(2).map(pair).collect()
}
