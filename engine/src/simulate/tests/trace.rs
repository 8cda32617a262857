//! What people read.

use std::sync::Arc;

use super::{ACCEPT, DROP, base, bridge, is, is_name, trace};
use crate::ruleset::field::Side;
use crate::ruleset::{Field, Hook, Origin, Ruleset, Statement as S};
use crate::simulate::trace::Detail;
use crate::span::{Sources, Span};

fn ruleset(sources: &mut Sources) -> Ruleset {
    let file =
        sources.add("/etc/pve/firewall/100.fw", Arc::from(&b"[RULES]\nIN ACCEPT -p tcp -dport 22\n"[..]));
    let dport = Field::Port(crate::model::port::PortProtocol::Tcp, Side::Dest);
    let rules = vec![
        vec![is(dport, 22), S::Log(":100:6: ".into()), ACCEPT],
        vec![is(Field::IpSaddr, 0x0a00_0001), ACCEPT],
        vec![is_name(Field::Oifname, "tap100i0"), DROP],
    ];
    let mut chain = base("guest-in", Hook::Postrouting, 0, rules);
    chain.rules[0].origin = Origin::Line(Span { file, start: 8, end: 34 });
    chain.rules[2].origin = Origin::Option { name: "policy_in", at: None };
    bridge(vec![chain])
}

#[test]
fn every_step_is_told() {
    let mut sources = Sources::default();
    let ruleset = ruleset(&mut sources);
    let full = trace(&ruleset, "outside vm100 tcp 10.66.0.5:1 > 192.0.2.100:23")
        .text(Detail::Full, Some(&sources))
        .to_string();
    let expected = "\
bridge prerouting iif eth0 on vmbr0
bridge forward iif eth0 oif tap100i0 on vmbr0
bridge postrouting oif tap100i0 on vmbr0
  table t chain guest-in (priority 0)
    guest-in 0000000000000000 [/etc/pve/firewall/100.fw:2]: not matched: tcp dport: wanted 22, packet has 23
    guest-in 0000000000000001 [test]: not matched: ip saddr: wanted 10.0.0.1, packet has 10.66.0.5
    guest-in 0000000000000002 [option policy_in, default]: drop
verdict: drop, by guest-in 0000000000000002 [option policy_in, default]
assumed: ct state new
";
    assert_eq!(full, expected);
}

#[test]
fn a_summary_leaves_out_what_did_not_match() {
    let mut sources = Sources::default();
    let ruleset = ruleset(&mut sources);
    let told = trace(&ruleset, "outside vm100 tcp 10.66.0.5:1 > 192.0.2.100:22")
        .text(Detail::Summary, Some(&sources))
        .to_string();
    assert!(told.contains("[/etc/pve/firewall/100.fw:2]: logged \":100:6: \", accept"), "{told}");
    let told = trace(&ruleset, "outside vm100 udp 10.66.0.5:1 > 192.0.2.100:22")
        .text(Detail::Summary, None)
        .to_string();
    assert!(!told.contains("not matched"), "{told}");
}

#[test]
fn absent_fields_are_named() {
    let mut sources = Sources::default();
    let told = trace(&ruleset(&mut sources), "outside vm100 udp 10.66.0.5:1 > 192.0.2.100:22").to_string();
    assert!(told.contains("not matched: wanted 22, packet has no tcp dport"), "{told}");
}

#[test]
fn a_packet_that_no_rule_meets_is_accepted_by_policy() {
    let mut sources = Sources::default();
    let ruleset = ruleset(&mut sources);
    let trace = trace(&ruleset, "outside vm101 udp 10.66.0.5:1 > 192.0.2.101:22");
    assert!(trace.deciding.is_none());
    assert!(trace.to_string().contains("verdict: accept, by the base chains' policy"));
}
