//! One small change to a configuration, as administrators and guests cause them: a line comes, leaves or moves, an
//! interface goes.

use std::sync::Arc;

use engine::inputs::{FileContent, Inputs};

use super::{Draw, reference_facts, wild};

/// Inputs of configuration number `seed` of [`wild`].
pub fn wild_inputs(seed: u64) -> Inputs {
    let content = |(path, bytes): (String, Vec<u8>)| (path, FileContent::Bytes(bytes.into()));
    Inputs {
        files: wild(seed).into_iter().map(content).collect(),
        facts: reference_facts().into(),
        ..Inputs::default()
    }
}

/// Changes one line of one file under `/etc/pve/firewall` or the like, or takes an interface away.
pub fn edit(draw: &mut Draw, inputs: &mut Inputs) {
    if draw.chance(10) && !inputs.facts.links.is_empty() {
        let links = &mut Arc::make_mut(&mut inputs.facts).links;
        links.remove(draw.below(links.len()));
        return;
    }
    let paths: Vec<String> = inputs.files.keys().filter(|path| path.ends_with(".fw")).cloned().collect();
    if paths.is_empty() {
        return;
    }
    let path = &paths[draw.below(paths.len())];
    let Some(FileContent::Bytes(bytes)) = inputs.files.get(path) else { return };
    let lines = edit_lines(draw, bytes.split_inclusive(|byte| *byte == b'\n').collect());
    let edited = lines.concat().into();
    inputs.files.insert(path.clone(), FileContent::Bytes(edited));
}

fn edit_lines<'f>(draw: &mut Draw, mut lines: Vec<&'f [u8]>) -> Vec<&'f [u8]> {
    if lines.is_empty() {
        return lines;
    }
    let (at, to) = (draw.below(lines.len()), draw.below(lines.len()));
    match draw.below(6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(to, lines[at]),
        2 => lines.swap(at, to),
        3 => lines.insert(at, draw.pick(LINES)),
        _ => {
            let rules = lines.iter().position(|line| line.to_ascii_uppercase().starts_with(b"[RULES]"));
            lines.insert(rules.map_or(at, |at| at + 1), draw.pick(RULES));
        }
    }
    lines
}

const RULES: &[&[u8]] = &[
    b"IN ACCEPT -p tcp -dport 4433 -log info\n",
    b"OUT DROP -dest 192.0.2.0/24\n",
    b"IN REJECT -source 198.51.100.7\n",
    b"FORWARD ACCEPT\n",
    b"IN SSH(DROP) -source +dc/management\n",
];

const LINES: &[&[u8]] = &[
    b"IN DROP\n",
    b"GROUP web\n",
    b"policy_in: REJECT\n",
    b"log_level_in: info\n",
    b"203.0.113.5\n",
    b"2001:db8:5::/48\n",
    b"\n",
];
