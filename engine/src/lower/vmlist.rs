//! `.vmlist` -> which guests there are, and on which node.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::guest::GuestKind;
use crate::model::names::Vmid;
use crate::parse::cursor::quoted;
use crate::span::FileId;

/// A guest of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The node where its configuration lies.
    pub node: String,
    /// VM or container.
    pub kind: GuestKind,
}

/// Reads the list; `None`: it is no JSON object, so that nothing is known about any guest.
pub fn vmlist(text: &[u8], file: FileId) -> Option<(BTreeMap<Vmid, Listed>, Vec<Diagnostic>)> {
    let Ok(Value::Object(list)) = serde_json::from_slice(text) else { return None };
    let mut guests = BTreeMap::new();
    let mut diagnostics = Vec::new();
    let ids = match list.get("ids") {
        None | Some(Value::Null) => return Some((guests, diagnostics)),
        Some(Value::Object(ids)) => ids,
        Some(_) => return None,
    };
    for (vmid, entry) in ids {
        let kind = match entry.get("type").and_then(Value::as_str) {
            Some("qemu") => Some(GuestKind::Qemu),
            Some("lxc") => Some(GuestKind::Lxc),
            // A leftover of containers as they were before.
            Some("openvz") => continue,
            Some(_) | None => None,
        };
        match (vmid.parse(), kind, entry.get("node").and_then(Value::as_str)) {
            (Ok(vmid), Some(kind), Some(node)) => {
                guests.insert(vmid, Listed { node: node.to_owned(), kind });
            }
            _ => {
                let message = format!("guest {} has no usable entry", quoted(vmid.as_bytes()));
                diagnostics.push(Diagnostic::new(
                    Code::GuestListEntry,
                    Place::File(file),
                    message,
                    "guest is left out",
                ));
            }
        }
    }
    Some((guests, diagnostics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, guests: Option<&[(&str, &str)]>, n_diagnostics: usize) {
        let found = vmlist(text.as_bytes(), FileId(0));
        let Some(guests) = guests else { return assert!(found.is_none(), "{text}") };
        let (list, diagnostics) = found.expect("a list");
        let list: Vec<(String, &str)> =
            list.iter().map(|(vmid, listed)| (vmid.to_string(), listed.node.as_str())).collect();
        let expected: Vec<(String, &str)> =
            guests.iter().map(|(vmid, node)| ((*vmid).to_owned(), *node)).collect();
        assert_eq!(list, expected, "{text}");
        assert_eq!(diagnostics.len(), n_diagnostics, "{text}");
    }

    #[test]
    fn entries_stand_alone() {
        check(r#"{"version":1}"#, Some(&[]), 0);
        check(
            r#"{"ids":{"100":{"node":"a","type":"qemu"},"99":{"node":"a","type":"lxc"},
                "101":{"node":"b","type":"openvz"},"102":{"node":"b","type":"lxc"},"103":7}}"#,
            Some(&[("100", "a"), ("102", "b")]),
            2,
        );
        check("", None, 0);
        check("[]", None, 0);
        check(r#"{"ids":[]}"#, None, 0);
    }
}
