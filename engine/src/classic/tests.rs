//! Each kind of note, with the input that it is about and one that it is not.

use super::notes;
use crate::compile;
use crate::inputs::{FileContent, HostFacts, Inputs};

/// `id line` of every note on a line of the file, general notes left out.
fn found(name: &str, text: &str) -> Vec<String> {
    let mut files = vec![("/etc/pve/firewall/cluster.fw".to_owned(), "[OPTIONS]\nenable: 1\n".to_owned())];
    let conf = "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n".to_owned();
    files.push(("/etc/pve/nodes/n/qemu-server/100.conf".to_owned(), conf));
    files.push(("/etc/pve/.vmlist".to_owned(), r#"{"ids":{"100":{"node":"n","type":"qemu"}}}"#.to_owned()));
    files.push((name.to_owned(), text.to_owned()));
    let files = files.into_iter().map(|(path, text)| (path, FileContent::text(&text))).collect();
    let facts = HostFacts { node: "n".to_owned(), ..HostFacts::default() };
    let inputs = Inputs { files, facts: facts.into(), ..Inputs::default() };
    let compiled = compile(&inputs);
    let notes = notes(&compiled.config, &compiled.diagnostics, &compiled.sources, &inputs.files);
    let here = notes.iter().filter_map(|note| {
        let crate::diagnostic::Place::Span(span) = note.place else { return None };
        let at = compiled.sources.position(span);
        (at.path == name).then(|| format!("{} {}", note.id, at.line))
    });
    here.collect()
}

#[track_caller]
fn check_rule(rule: &str, expected: &[&str]) {
    let text = format!("[OPTIONS]\nenable: 1\n[RULES]\n{rule}\n");
    let expected: Vec<String> = expected.iter().map(|id| format!("{id} 4")).collect();
    assert_eq!(found("/etc/pve/firewall/100.fw", &text), expected, "{rule}");
}

#[test]
fn rules_that_the_classic_firewall_loses() {
    for (rule, ids) in [
        ("IN ACCEPT -p tcp -dport 22 -source 10.0.0.0/8", &[][..]),
        ("|IN accept -p tcp -dport 22", &[]),
        ("IN accept -p tcp -dport 22", &["D77"]),
        ("IN ACCEPT --p tcp -dport 22", &["D79"]),
        ("IN ACCEPT -p  tcp", &["D80"]),
        ("IN  ACCEPT  -p tcp", &[]),
        ("IN ACCEPT -p tcp -log warn", &["D82"]),
        ("IN ACCEPT -p icmp -icmp-type 8", &["D86"]),
        ("IN ACCEPT -p TCP -dport 22", &["D91"]),
        ("IN ACCEPT -p icmp -icmp-type info-request", &["D89"]),
        ("IN ACCEPT -p icmpv6 -dport nd-router-advert", &["D89"]),
        ("IN ACCEPT -p icmpv6 -icmp-type any", &["D89"]),
        ("IN ACCEPT -p icmp -icmp-type any", &[]),
        ("IN ACCEPT -p icmpv6 -icmp-type neighbour-solicitation", &[]),
        ("IN ACCEPT -p 253", &["D92"]),
        ("IN ACCEPT -p 47", &[]),
        ("IN ACCEPT -proto ospf", &[]),
        ("IN ACCEPT -p OSPFIGP", &["D93"]),
        ("IN ACCEPT -p tcp -dport 80,www", &["D97"]),
        ("IN ACCEPT -p tcp -dport http -sport ident", &["D97"]),
        ("IN ACCEPT -p tcp -dport http:www", &["D97"]),
        ("IN ACCEPT -p tcp -dport ssh", &[]),
        ("IN ACCEPT -p tcp -dport 0", &["D95"]),
        ("IN ACCEPT -p tcp -dport 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", &[]),
        ("IN ACCEPT -p tcp -dport 1,2,3,4,5,6,7,8,9,10,11,12,13,14:15,16", &["D96"]),
        ("IN ACCEPT -source 10.0.0.5/8", &["D100"]),
        ("IN ACCEPT -source 10.0.0.5,10.0.0.7-10.0.0.9", &["D102"]),
        ("IN ACCEPT -source 10.0.0.7-10.0.0.9", &[]),
        ("IN PBS(ACCEPT)", &["D133"]),
        ("IN REJECT -p tcp -dport 113", &["S1"]),
        ("OUT REJECT -p tcp -dport 25", &[]),
    ] {
        check_rule(rule, ids);
    }
}

#[test]
fn options_in_words_and_off() {
    let text = "[OPTIONS]\nenable: yes\ndhcp : 1\nndp: 0\nlog_level_in: warn\npolicy_in: REJECT\n";
    assert_eq!(found("/etc/pve/firewall/100.fw", text), ["D22 2", "D24 3", "S20 4", "D32 5", "S1 6"]);
    let text = "[OPTIONS]\nenable: 1\nnf_conntrack_allow_invalid: 1\n[RULES]\nFORWARD DROP\n";
    assert_eq!(found("/etc/pve/nodes/n/host.fw", text), ["D48 3", "D119 5"]);
}

#[test]
fn devices_that_the_classic_firewall_leaves_open() {
    let text = "[OPTIONS]\nenable: 1\n";
    assert_eq!(found("/etc/pve/firewall/100.fw", text), Vec::<String>::new());
    let conf = "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,colour=blue\n";
    let with_option = |conf: &str| {
        let files = [
            ("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n"),
            ("/etc/pve/firewall/100.fw", text),
            ("/etc/pve/nodes/n/qemu-server/100.conf", conf),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), FileContent::text(text))).into();
        let facts = HostFacts { node: "n".to_owned(), ..HostFacts::default() };
        let inputs = Inputs { files, facts: facts.into(), ..Inputs::default() };
        let compiled = compile(&inputs);
        let notes = notes(&compiled.config, &compiled.diagnostics, &compiled.sources, &inputs.files);
        notes.iter().map(|note| note.id).collect::<Vec<_>>()
    };
    assert!(with_option(conf).contains(&"D124"));
    assert!(with_option("net0: virtio=01:24:11:00:00:01,bridge=vmbr0,firewall=1\n").contains(&"D125"));
    assert!(with_option(conf).contains(&"S34"));
}
