//! `corosync.conf` -> transport and the address of each node on each link. Nested blocks of `key: value` lines;
//! whatever is not among the wanted keys is passed over.

use crate::model::sdn::{Corosync, CorosyncNode};

/// Reads the text; there is nothing in it that could be refused.
pub fn corosync(text: &[u8]) -> Corosync {
    let text = String::from_utf8_lossy(text);
    let mut corosync = Corosync { transport: "knet".to_owned(), ..Corosync::default() };
    let mut blocks: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_suffix('{') {
            blocks.push(name.trim_end());
            if blocks == ["nodelist", "node"] {
                corosync.nodes.push(CorosyncNode::default());
            }
        } else if line == "}" {
            blocks.pop();
        } else if let Some((key, value)) = line.split_once(':') {
            setting(&mut corosync, &blocks, key.trim_end(), value.trim_start());
        }
    }
    corosync
}

fn setting(corosync: &mut Corosync, blocks: &[&str], key: &str, value: &str) {
    match (blocks, key) {
        (["totem"], "transport") => value.clone_into(&mut corosync.transport),
        (["totem"], "ip_version") => corosync.ip_version = Some(value.to_owned()),
        (["nodelist", "node"], "name") => {
            if let Some(node) = corosync.nodes.last_mut() {
                value.clone_into(&mut node.name);
            }
        }
        (["nodelist", "node"], key) => {
            if let (Some(node), Some(link)) = (corosync.nodes.last_mut(), link_number(key)) {
                node.links.insert(link, value.to_owned());
            }
        }
        _ => {}
    }
}

/// `ring0_addr`, and `link0_addr` as some tools write it.
fn link_number(key: &str) -> Option<u8> {
    let number = key.strip_prefix("ring").or_else(|| key.strip_prefix("link"))?.strip_suffix("_addr")?;
    if number.bytes().all(|b| b.is_ascii_digit()) { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_links() {
        let text = "totem {\n  version: 2\n  interface {\n    transport: sctp\n  }\n  ip_version: ipv4-6\n}\n\
            nodelist {\n  node {\n    name: node1\n    ring0_addr: 192.0.2.1\n    ring1_addr: n1.example\r\n  }\n\
            # node {\n  node {\n    ring0_addr:2001:db8::2\n    name: node2\n  }\n}\n";
        let corosync = corosync(text.as_bytes());
        assert_eq!(corosync.transport, "knet");
        assert_eq!(corosync.ip_version.as_deref(), Some("ipv4-6"));
        let [one, two] = &corosync.nodes[..] else { panic!("{corosync:?}") };
        assert_eq!((one.name.as_str(), one.links[&0].as_str()), ("node1", "192.0.2.1"));
        assert_eq!(one.links[&1], "n1.example");
        assert_eq!((two.name.as_str(), two.links[&0].as_str()), ("node2", "2001:db8::2"));
    }

    #[test]
    fn unbalanced_blocks_end_with_the_file() {
        assert!(corosync(b"}\n}\nnodelist {\n node {").nodes.len() == 1);
        assert!(corosync(b"\xff{\n}}{:").nodes.is_empty());
    }
}
