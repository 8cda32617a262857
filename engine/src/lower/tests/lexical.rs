//! Lines, sections, bytes.

use super::{CLUSTER, HOST, check};
use crate::model::options::Enable;
use crate::model::rule::RuleKind;

/// The applied rules of `cluster.fw` by their canonical text.
#[track_caller]
fn rules(text: &[u8], remarks: &[&str], expected: &[&str]) {
    let config = check(CLUSTER, text, remarks);
    let applied = config.datacenter.rules.iter().filter(|rule| !matches!(rule.kind, RuleKind::Skipped(_)));
    let found: Vec<&str> = applied.map(|rule| rule.canonical.as_str()).collect();
    assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(text));
}

#[test]
fn headers() {
    rules(b"[RULES] # foo\nIN DROP", &["cluster.fw:1 L002"], &[]);
    rules(
        b"[RULES]\nIN DROP\n[BOGUS]\nIN ACCEPT\n[rules]\nOUT DROP",
        &["cluster.fw:3 L002"],
        &["IN DROP", "OUT DROP"],
    );
    for bad in
        ["[ RULES]", "[RULES ]", "[RULES", "[RULES x]", "[IPSET]", "[IPSET foo ]", "[group g] x", "[]", "["]
    {
        rules(format!("{bad}\nIN DROP\n").as_bytes(), &["cluster.fw:1 L002"], &[]);
    }
    for bad in ["[IPSET 9a]", "[group a b]", "[group caf\u{e9}]", &format!("[ipset {}]", "a".repeat(65))] {
        rules(format!("{bad}\nIN DROP\n").as_bytes(), &["cluster.fw:1 L004"], &[]);
    }
    let config =
        check(CLUSTER, b"[group Web]#c\nIN DROP\n[IPSET\tFoo] # \xe9\n1.2.3.4", &["cluster.fw:3 L006"]);
    assert_eq!(config.datacenter.groups.keys().next().map(|name| name.as_str()), Some("web"));
    assert_eq!(config.datacenter.ipsets.keys().next().map(|name| name.as_str()), Some("foo"));
    check(CLUSTER, b"[group this-name-is-far-too-long]\nIN ACCEPT", &["cluster.fw:1 L009"]);
    let text = b"[IPSET foo]\n1.2.3.4\n1.2.3.4\n[IPSET FOO]\n1.2.3.5";
    let config = check(CLUSTER, text, &["cluster.fw:3 S004", "cluster.fw:4 L005"]);
    assert_eq!(config.datacenter.ipsets.values().map(|set| set.entries.len()).collect::<Vec<_>>(), [1]);
    let config = check(HOST, b"[RULES]\nIN DROP\n[group g]\nIN ACCEPT\n", &["host.fw:3 L003"]);
    assert_eq!(config.host.rules.len(), 1);
    check("/etc/pve/firewall/100.fw", b"[group g]\n[IPSET a]\n[ALIASES]\n", &["100.fw:1 L003"]);
    check("/etc/pve/sdn/firewall/v.fw", b"[IPSET a]\n[ALIASES]\n", &["v.fw:1 L003", "v.fw:2 L003"]);
}

#[test]
fn lines_and_bytes() {
    rules(b"IN DROP\n\n[RULES]", &["cluster.fw:1 L001"], &[]);
    rules(b"  [RULES] \r\n\tIN  DROP\r\n\r\n# x\r\n  # y\r\nOUT DROP", &[], &["IN DROP", "OUT DROP"]);
    rules(b"\xef\xbb\xbf[RULES]\nIN DROP", &["cluster.fw:1 L007"], &["IN DROP"]);
    rules(b"[RULES]\nIN DROP # caf\xe9", &["cluster.fw:2 L006"], &["IN DROP"]);
    rules(b"[RULES]\nIN DROP #\nIN ACCEPT#x # y\n# caf\xe9", &[], &["IN DROP", "IN ACCEPT"]);
    rules(
        b"[RULES]\nIN DROP \x01\nIN DROP -i \xe9\nOUT DROP",
        &["cluster.fw:2 R029", "cluster.fw:3 R029"],
        &["OUT DROP"],
    );
    rules(b"[RULES]\nIN DROP\rOUT DROP\r\r\n", &["cluster.fw:2 R029"], &[]);
    let config = check(CLUSTER, b"[RULES]\nIN DROP # caf\xe9", &["cluster.fw:2 L006"]);
    assert_eq!(config.datacenter.rules[0].comment.as_deref(), Some("caf\u{fffd}"));
    let config = check(CLUSTER, b"[OPTIONS]\nenable: 1\0\n", &["cluster.fw:2 O003"]);
    assert_eq!(config.datacenter.options.enable.value, Enable::Off);
    let text = b"[OPTIONS]\nena\0ble: 1\n[ALIASES]\na\0 1.2.3.4\n[IPSET a]\n1.2.3.\xe94\n[IP\0SET b]\n";
    check(
        CLUSTER,
        text,
        &["cluster.fw:2 O001", "cluster.fw:4 A001", "cluster.fw:6 S001", "cluster.fw:7 L002"],
    );
}
