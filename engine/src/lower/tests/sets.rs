//! Aliases and IPSets.

use super::{CLUSTER, check};
use crate::model::IpsetAddress;

#[track_caller]
fn alias(line: &str, remarks: &[&str], expected: &str) {
    let config = check(CLUSTER, format!("[ALIASES]\n{line}\n").as_bytes(), remarks);
    let found: Vec<String> =
        config.datacenter.aliases.iter().map(|(name, alias)| format!("{name} {}", alias.cidr)).collect();
    assert_eq!(found.join(","), expected, "{line}");
}

#[test]
fn aliases() {
    alias("foo  10.0.0.1", &[], "foo 10.0.0.1");
    alias("Foo 10.0.0.5/24 # x", &[], "foo 10.0.0.0/24");
    alias("foo 10.0.0.1#c", &[], "foo 10.0.0.1");
    alias("foo 10.0.0.1\nFOO 10.0.0.2", &["cluster.fw:3 A004"], "foo 10.0.0.2");
    alias("a ::/0", &[], "a ::/0");
    for bad in ["foo::1", "foo", "foo 10.0.0.1 x"] {
        alias(bad, &["cluster.fw:2 A001"], "");
    }
    alias("9a 10.0.0.1", &["cluster.fw:2 A002"], "");
    for bad in ["10.0.0.1/33", "10.0.0.1-10.0.0.2", "10.0.0.1,10.0.0.2", "other", "10/8"] {
        alias(&format!("foo {bad}"), &["cluster.fw:2 A003"], "");
    }
}

#[track_caller]
fn ipset(lines: &str, remarks: &[&str], expected: &str) {
    let config = check(CLUSTER, format!("[IPSET s1]\n{lines}\n").as_bytes(), remarks);
    let set = config.datacenter.ipsets.values().next().expect("a set");
    let shown = set.entries.iter().map(|entry| {
        let nomatch = if entry.nomatch { "!" } else { "" };
        match &entry.address {
            IpsetAddress::Cidr(cidr) => format!("{nomatch}{cidr}"),
            IpsetAddress::Alias(alias) => format!("{nomatch}{:?}/{}", alias.scope, alias.name),
        }
    });
    assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{lines}");
}

#[test]
fn ipsets() {
    ipset("1.2.3.4/32\n1.2.3.4", &["cluster.fw:3 S004"], "1.2.3.4");
    ipset("1.2.3.4\n!1.2.3.4", &["cluster.fw:3 S004"], "1.2.3.4");
    ipset("10.0.0.9/8\n! 10.1.0.0/16#x\n!FE80::0001", &[], "10.0.0.0/8 !10.1.0.0/16 !fe80::1");
    ipset("Foo\ndc/foo\n!guest/a", &[], "None/foo Some(Datacenter)/foo !Some(Guest)/a");
    ipset("foo\nFOO", &["cluster.fw:3 S004"], "None/foo");
    for bad in ["0.0.0.0/0", "!::/0"] {
        ipset(bad, &["cluster.fw:2 S005"], "");
    }
    for bad in ["1.1.1.1-1.1.1.5", "1.1.1.1,1.1.1.2", "+x", "sdn/x", "1.1.1.1/33", "!!1.1.1.1"] {
        ipset(bad, &["cluster.fw:2 S002"], "");
    }
    for bad in ["!", "1.1.1.1 2.2.2.2", "! "] {
        ipset(bad, &["cluster.fw:2 S001"], "");
    }
}
