//! Sets: do elements fit the key, and do they exclude each other?

use super::{Illegal, Scope};
use crate::ruleset::{DataType, Element, ElementData, Set, SetKind, Value, Verdict};

/// Longest interface name (`IFNAMSIZ` less the final NUL); nft counts a trailing `*` as well.
const IFNAME_MAX: usize = 15;

pub(super) fn check_set(found: &mut Vec<Illegal>, scope: &Scope<'_>, set: &Set) {
    let place = format!("set {}", set.name);
    if let Some(problem) = set_problem(set) {
        found.push(scope.illegal(&place, problem, set.origin));
    }
    let before = found.len();
    for element in &set.elements {
        if let Some(problem) = element_problem(scope, set, element) {
            found.push(scope.illegal(&place, problem, element.origin));
        }
    }
    if found.len() == before {
        for element in overlapping(&set.elements) {
            found.push(scope.illegal(&place, "an element overlaps another", element.origin));
        }
    }
}

fn set_problem(set: &Set) -> Option<&'static str> {
    // nft 1.0.6 converts the byte order of a protocol here, one byte as if it were two, and Linux 6.12 refuses that.
    let is_protocol = |part: &DataType| matches!(part, DataType::InetProto | DataType::Nfproto);
    let dynamic = matches!(set.kind, SetKind::Dynamic { .. });
    if set.key.is_empty() {
        Some("no key")
    } else if dynamic && !set.elements.is_empty() {
        Some("elements in a set that packets fill")
    } else if dynamic && set.interval {
        Some("intervals in a set that packets fill")
    } else if matches!(set.kind, SetKind::Dynamic { size: 0, .. } | SetKind::Dynamic { timeout_s: 0, .. }) {
        Some("a set that packets fill needs a size and a timeout")
    } else if set.interval && set.key.len() > 1 && set.key.iter().any(is_protocol) {
        Some("intervals in a concatenation with a protocol: nft 1.0.6 on Linux 6.12 cannot look it up")
    } else {
        None
    }
}

fn element_problem(scope: &Scope<'_>, set: &Set, element: &Element) -> Option<String> {
    if element.key.len() != set.key.len() {
        return Some("an element whose parts are not those of the key".to_owned());
    }
    for (value, data_type) in element.key.iter().zip(&set.key) {
        if let Some(problem) = value_problem(*data_type, value) {
            return Some(problem);
        }
        let (first, last) = bounds(value);
        if first != last && !set.interval {
            return Some("an interval in a set without `flags interval`".to_owned());
        }
    }
    match (set.kind, &element.data) {
        (SetKind::Set, ElementData::None) | (SetKind::MarkMap, ElementData::Mark(_)) => None,
        (SetKind::VerdictMap, ElementData::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => {
            scope.jump_problem(chain)
        }
        (SetKind::VerdictMap, ElementData::Verdict(Verdict::Accept | Verdict::Drop | Verdict::Return)) => {
            None
        }
        _ => Some("an element with data of another kind than the set's".to_owned()),
    }
}

/// Does a value suit its type?
pub(super) fn value_problem(data_type: DataType, value: &Value) -> Option<String> {
    match value {
        Value::Name(name) if data_type == DataType::Ifname => ifname_problem(name),
        Value::Number(numbers) if data_type != DataType::Ifname => {
            let (first, last) = numbers.ends();
            let max = u128::MAX >> (128 - u32::from(data_type.bits()));
            if first > last {
                Some(format!("an interval from {first:#x} down to {last:#x}"))
            } else if last > max {
                Some(format!("{last:#x} does not fit {} bits", data_type.bits()))
            } else {
                None
            }
        }
        Value::Name(_) | Value::Number(_) => Some("a value of another type".to_owned()),
    }
}

pub(super) fn ifname_problem(name: &str) -> Option<String> {
    let body = name.strip_suffix('*').unwrap_or(name);
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\' | '*' | '/');
    if body.is_empty() || name.len() > IFNAME_MAX {
        Some(format!("interface name `{name}` is not of 1 to {IFNAME_MAX} bytes"))
    } else if body.contains(forbidden) {
        Some(format!("interface name `{name}` has a character that names do not have"))
    } else {
        None
    }
}

/// First and last key, names as the 16 bytes that the kernel compares.
fn bounds(value: &Value) -> (u128, u128) {
    match value {
        Value::Number(numbers) => numbers.ends(),
        Value::Name(name) => {
            let (body, fill) = match name.strip_suffix('*') {
                Some(body) => (body, 0xff),
                None => (&***name, 0),
            };
            let padded = |fill: u8| {
                let mut bytes = [fill; 16];
                bytes.iter_mut().zip(body.bytes()).for_each(|(byte, character)| *byte = character);
                u128::from_be_bytes(bytes)
            };
            (padded(0), padded(fill))
        }
    }
}

/// A key as a box: first and last value of each part.
type KeyBox<'e> = (Vec<(u128, u128)>, &'e Element);

/// Elements that share a key with an earlier one. Leading parts that are single values everywhere, such as names, sort
/// the elements into groups; in each, a sweep along the next part, all parts compared where that overlaps.
fn overlapping(elements: &[Element]) -> Vec<&Element> {
    let mut boxes: Vec<KeyBox<'_>> =
        elements.iter().map(|element| (element.key.iter().map(bounds).collect(), element)).collect();
    boxes.sort_by(|a, b| a.0.cmp(&b.0));
    let n_parts = boxes.first().map_or(0, |(parts, _)| parts.len());
    let is_single = |part: &usize| boxes.iter().all(|(parts, _)| parts[*part].0 == parts[*part].1);
    let n_single = (0..n_parts).take_while(is_single).count();
    let groups = boxes.chunk_by(|a, b| a.0[..n_single] == b.0[..n_single]);
    groups.flat_map(|group| overlapping_in_group(group, n_single)).collect()
}

fn overlapping_in_group<'e>(group: &[KeyBox<'e>], n_single: usize) -> Vec<&'e Element> {
    let mut open: Vec<&[(u128, u128)]> = Vec::new();
    let mut found = Vec::new();
    for (parts, element) in group {
        let rest = &parts[n_single..];
        open.retain(|other| other.first().zip(rest.first()).is_none_or(|(other, this)| other.1 >= this.0));
        let meets = |other: &&[(u128, u128)]| other.iter().zip(rest).all(|(a, b)| a.0 <= b.1 && b.0 <= a.1);
        if open.iter().any(meets) {
            found.push(*element);
        } else {
            open.push(rest);
        }
    }
    found
}
