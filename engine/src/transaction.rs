//! From the IR to commands in the order that nft accepts, with the reason for each line.
//!
//! A script names no tables but those it is given: whatever else the kernel holds stays.

use crate::render;
use crate::ruleset::{Origin, Ruleset, TableFamily};

/// Commands of one transaction: all of it happens, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// nft(8) text.
    pub text: String,
    /// `origins[i]` is why line `i + 1` is there: a refused line leads back to the configuration.
    pub origins: Vec<Option<Origin>>,
}

/// Replaces the tables of `ruleset`, whatever they held.
pub fn full(ruleset: &Ruleset) -> Script {
    let mut lines = render::Lines::with_origins();
    for table in &ruleset.tables {
        remove(&mut lines, table.family, &table.name);
    }
    render::tables(&mut lines, ruleset);
    let (text, origins) = lines.finish();
    Script { text, origins }
}

/// Removes tables, present or not.
pub fn flush(tables: &[(TableFamily, &str)]) -> Script {
    let mut lines = render::Lines::with_origins();
    for (family, name) in tables {
        remove(&mut lines, *family, name);
    }
    let (text, origins) = lines.finish();
    Script { text, origins }
}

/// `add` first: `delete` refuses a table that is not there, and `destroy` needs Linux 6.3.
fn remove(lines: &mut render::Lines, family: TableFamily, name: &str) {
    lines.line(&["add table ", family.as_str(), " ", name], None);
    lines.line(&["delete table ", family.as_str(), " ", name], None);
}
