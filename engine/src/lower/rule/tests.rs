//! Lines of rules, what they come to, and what is said about them.

use std::fmt::Write as _;

use crate::inputs::Files;
use crate::lower::firewall;
use crate::lower::names::Names;
use crate::model::address::from_number;
use crate::model::rule::{AddressSpec, MatchRule, Rule, RuleInterface, RuleKind, Transport};
use crate::span::FileId;

/// Lowers `line` as the only rule of a file, and compares what it comes to, with its codes in front.
#[track_caller]
fn check_in(file: &str, line: &str, expected: &str) {
    let files = Files::new();
    let names = Names::new(&files);
    let text = match file {
        "group" => format!("[group g]\n{line}\n"),
        _ => format!("[RULES]\n{line}\n"),
    };
    let (rules, diagnostics) = match file {
        "cluster" => {
            let (of, diagnostics) = firewall::datacenter(text.as_bytes(), FileId(0), &names);
            (of.rules, diagnostics)
        }
        "group" => {
            let (of, diagnostics) = firewall::datacenter(text.as_bytes(), FileId(0), &names);
            (of.groups.into_values().next().expect("a group").rules, diagnostics)
        }
        "host" => {
            let (of, diagnostics) = firewall::host(text.as_bytes(), FileId(0), &names);
            (of.rules, diagnostics)
        }
        "guest" => {
            let (of, diagnostics) = firewall::guest(text.as_bytes(), FileId(0), &names);
            (of.rules, diagnostics)
        }
        _ => {
            let (of, diagnostics) = firewall::vnet(text.as_bytes(), FileId(0), &names);
            (of.rules, diagnostics)
        }
    };
    let codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.id()).collect();
    let [rule] = &rules[..] else { panic!("{line:?} is {} rules", rules.len()) };
    let found = format!("{} {}", codes.join(","), shown(rule));
    assert_eq!(found.trim(), expected, "{line:?}");
}

#[track_caller]
fn check(line: &str, expected: &str) {
    check_in("cluster", line, expected);
}

fn shown(rule: &Rule) -> String {
    let mut text = if rule.enabled { String::new() } else { "disabled ".to_owned() };
    match &rule.kind {
        RuleKind::Skipped(known) => {
            text.push_str("skipped");
            known.direction.inspect(|direction| text.extend([" ", direction.as_str()]));
            known.action.inspect(|action| text.extend([" ", action.as_str()]));
        }
        RuleKind::Group(group) => {
            write!(text, "group {}", group.name.value).expect("a String takes all");
            group.iface.iter().for_each(|iface| interface(&iface.value, &mut text));
        }
        RuleKind::Match(rule) => shown_match(rule, &mut text),
    }
    text
}

fn interface(iface: &RuleInterface, text: &mut String) {
    match iface {
        RuleInterface::Host(name) => text.extend([" on ", name.as_str()]),
        RuleInterface::Net(index) => write!(text, " on net{index}").expect("a String takes all"),
    }
}

fn shown_match(rule: &MatchRule, text: &mut String) {
    text.extend([rule.direction.as_str(), " ", rule.action.as_str()]);
    rule.iface.iter().for_each(|iface| interface(&iface.value, text));
    for (word, spec) in [("from", &rule.source), ("to", &rule.dest)] {
        let Some(spec) = spec else { continue };
        write!(text, " {word} ").expect("a String takes all");
        match &spec.value {
            AddressSpec::Ipset(set) => write!(text, "set {:?}/{}", set.scope, set.name),
            AddressSpec::Alias(alias) => write!(text, "alias {:?}/{}", alias.scope, alias.name),
            AddressSpec::List(list) => {
                let end = |number| from_number(list.family(), number);
                list.intervals().iter().try_for_each(|i| write!(text, "{}-{};", end(i.first), end(i.last)))
            }
        }
        .expect("a String takes all");
    }
    for component in &rule.components {
        let family = component.family.map_or(String::new(), |family| format!("{family:?} "));
        let transport = match &component.transport {
            Transport::Any => "any".to_owned(),
            Transport::Icmp(icmp) => format!("icmp {icmp:?}"),
            Transport::Icmpv6(icmp) => format!("icmpv6 {icmp:?}"),
            Transport::Other(number) => format!("proto {number}"),
            Transport::Ports { protocol, sport, dport } => {
                let ports = |list: &crate::model::port::PortList| {
                    list.ranges()
                        .iter()
                        .map(|r| format!("{}-{}", r.first, r.last))
                        .collect::<Vec<_>>()
                        .join(",")
                };
                format!("{} {}>{}", protocol.as_str(), ports(sport), ports(dport))
            }
        };
        write!(text, " | {family}{transport}").expect("a String takes all");
    }
    if let Some(level) = rule.log {
        write!(text, " log {}", level.number()).expect("a String takes all");
    }
}

#[test]
fn heads() {
    check("| IN ACCEPT", "disabled IN ACCEPT | any");
    check("in ACCEPT -p tcp", "IN ACCEPT | tcp >");
    check("IN accept -p tcp", "IN ACCEPT | tcp >");
    check("IN SSH(accept)", "IN ACCEPT | tcp >22-22");
    check("IN ssh(ACCEPT)", "IN ACCEPT | tcp >22-22");
    check("IN SSH (ACCEPT)", "R004 skipped IN ACCEPT");
    check("IN DENY", "R004 skipped IN");
    check("IN (ACCEPT)", "R004 skipped IN ACCEPT");
    check("IN SSH(ACCEPT", "R004 skipped IN ACCEPT");
    check("IN", "R001 skipped IN");
    check("|", "R001 disabled skipped");
    check("IN SSH(ACCEPT) net0", "R006 skipped IN ACCEPT");
    check("FOO ACCEPT", "R002 skipped ACCEPT");
    check("FOO BAR baz", "R002,R004 skipped");
    check("||IN ACCEPT", "R002 disabled skipped ACCEPT");
    check("FORWARD REJECT", "FORWARD REJECT | any");
    check_in("guest", "FORWARD ACCEPT", "R003 skipped FORWARD ACCEPT");
    check_in("vnet", "IN ACCEPT", "R003 skipped IN ACCEPT");
    check_in("vnet", "FORWARD ACCEPT", "FORWARD ACCEPT | any");
    check_in("group", "FORWARD ACCEPT", "FORWARD ACCEPT | any");
    check("IN ACCEPT -source caf\u{e9}", "R029 skipped IN ACCEPT");
    check("|IN SSH(DROP)\0", "R029 disabled skipped IN");
    check("|in drop \0", "R029 disabled skipped IN DROP");
}

#[test]
fn parameters() {
    check("IN\tACCEPT\t-p tcp\t-dport 22", "IN ACCEPT | tcp >22-22");
    check("IN ACCEPT -p  \t tcp", "IN ACCEPT | tcp >");
    check("IN ACCEPT -p tcp -p udp -dport 22", "R007 IN ACCEPT | udp >22-22");
    check("IN ACCEPT -p tcp --proto udp -dport 22", "R007 IN ACCEPT | udp >22-22");
    check("IN ACCEPT --iface eth0", "IN ACCEPT on eth0 | any");
    check("IN ACCEPT -P tcp", "R006 skipped IN ACCEPT");
    check("IN ACCEPT -P tcp -dport 22", "R006 skipped IN ACCEPT");
    check("IN ACCEPT -p=tcp -log info", "R006 skipped IN ACCEPT");
    check("IN ACCEPT -log", "R006 skipped IN ACCEPT");
    check("IN ACCEPT -p -dport 5", "R006,R016 skipped IN ACCEPT");
    check("IN ACCEPT -log error", "R027 skipped IN ACCEPT");
    check("IN ACCEPT -log warn -p tcp", "IN ACCEPT | tcp > log 4");
    check("IN ACCEPT -log INFO", "IN ACCEPT | any log 6");
    check("IN ACCEPT -log nolog", "IN ACCEPT | any");
    check("IN ACCEPT -i br-lan", "IN ACCEPT on br-lan | any");
    check("IN ACCEPT -i eth+", "IN ACCEPT on eth+ | any");
    check("IN ACCEPT -i eth*", "R012 skipped IN ACCEPT");
    check("IN ACCEPT -i averylonginterfacename", "R012 skipped IN ACCEPT");
    check("FORWARD ACCEPT -i eth0", "R013 skipped FORWARD ACCEPT");
    check_in("guest", "IN ACCEPT -i eth0", "R012 skipped IN ACCEPT");
    check_in("guest", "IN ACCEPT -i net31", "IN ACCEPT on net31 | any");
    check_in("guest", "IN ACCEPT -i net32", "R012 skipped IN ACCEPT");
    check_in("guest", "IN ACCEPT -i net01", "R012 skipped IN ACCEPT");
    check_in("vnet", "FORWARD ACCEPT -i eth0", "R013 skipped FORWARD ACCEPT");
    check_in("group", "IN ACCEPT -i eth0", "R013 skipped IN ACCEPT");
}

#[test]
fn group_rules() {
    check("GROUP Web", "group web");
    check("group web -i vmbr0", "group web on vmbr0");
    check_in("guest", "|GROUP web -i net0", "disabled group web on net0");
    check("GROUP grp -log info", "R008 skipped");
    check("GROUP grp -foo info", "R008 skipped");
    check("GROUP grp foo", "R006 skipped");
    check("GROUP 9abc", "R009 skipped");
    check("GROUP", "R001 skipped");
    check(&format!("GROUP {}", "a".repeat(65)), "R028 skipped");
    check_in("group", "GROUP g2", "R011 skipped");
    check_in("vnet", "GROUP g2 -i net0", "R013 skipped");
}

#[test]
fn protocols_and_ports() {
    check("IN ACCEPT -dport 22", "R017 skipped IN ACCEPT");
    check("IN ACCEPT -dport 22-23", "R017,R019 skipped IN ACCEPT");
    check("IN ACCEPT -p tcp -dport 0", "IN ACCEPT | tcp >0-0");
    check("IN ACCEPT -p tcp -dport 0,1", "IN ACCEPT | tcp >0-1");
    check("IN ACCEPT -p TCP -dport 22", "IN ACCEPT | tcp >22-22");
    check("IN ACCEPT -p 6 -dport 22", "IN ACCEPT | tcp >22-22");
    for bad in ["0", "ip", "foo", "all", "256", "99999999999", "-1", "mptcp"] {
        check(&format!("IN ACCEPT -p {bad}"), "R016 skipped IN ACCEPT");
    }
    check("IN ACCEPT -p 200", "IN ACCEPT | proto 200");
    check("IN ACCEPT -p GRE", "IN ACCEPT | proto 47");
    check("IN ACCEPT -p gre -dport 5", "R018 skipped IN ACCEPT");
    check("IN ACCEPT -p icmp -sport 8", "R018 skipped IN ACCEPT");
    check("IN ACCEPT -p foo -dport 80-90 -source x/y", "R016,R019,R023 skipped IN ACCEPT");
    check("IN ACCEPT -p tcp -dport ssh:80", "IN ACCEPT | tcp >22-80");
    check("IN ACCEPT -p tcp -dport www", "IN ACCEPT | tcp >80-80");
    check("IN ACCEPT -p tcp -dport echo", "IN ACCEPT | tcp >7-7");
    check("IN ACCEPT -p tcp -dport 080", "IN ACCEPT | tcp >80-80");
    check("IN ACCEPT -p tcp -dport 5,1:3,4", "IN ACCEPT | tcp >1-5");
    check("IN ACCEPT -p sctp -sport 1,2 -dport 3,4", "IN ACCEPT | sctp 1-2>3-4");
    for bad in [
        "80:22",
        "22,",
        ",22",
        "1,,2",
        ":80",
        "80:",
        "80-90",
        "+80",
        "65536",
        "echo-request",
        "nosuch",
        "1:2:3",
    ] {
        check(&format!("IN ACCEPT -p tcp -dport {bad}"), "R019 skipped IN ACCEPT");
    }
}

#[test]
fn icmp_types() {
    check("IN ACCEPT -p icmp -dport 8", "IN ACCEPT | V4 icmp Type(8)");
    check("IN ACCEPT -p icmp -icmp-type 8", "IN ACCEPT | V4 icmp Type(8)");
    check("IN ACCEPT -p 1 -icmp-type any", "IN ACCEPT | V4 icmp Any");
    check("IN ACCEPT -p icmp -icmp-type port-unreachable", "IN ACCEPT | V4 icmp TypeCode(3, 3)");
    check("IN ACCEPT -p icmpv6 -icmp-type port-unreachable", "IN ACCEPT | V6 icmpv6 TypeCode(1, 4)");
    check("IN ACCEPT -p icmpv6 -icmp-type reject-route", "IN ACCEPT | V6 icmpv6 TypeCode(1, 6)");
    check("IN ACCEPT -p 58 -icmp-type echo-request", "IN ACCEPT | V6 icmpv6 Type(128)");
    check("IN ACCEPT -p ipv6-icmp -dport echo-request", "IN ACCEPT | V6 icmpv6 Type(128)");
    check("IN ACCEPT -p icmp -icmp-type echo-request -dport 8", "R022 skipped IN ACCEPT");
    check("IN ACCEPT -p tcp -icmp-type echo-request", "R020 skipped IN ACCEPT");
    check("IN ACCEPT -icmp-type echo-request", "R020 skipped IN ACCEPT");
    for bad in ["3/1", "nd-redirect", "256", "Echo-Request", "echo-request,echo-reply"] {
        check(&format!("IN ACCEPT -p icmp -icmp-type {bad}"), "R021 skipped IN ACCEPT");
        check(&format!("IN ACCEPT -p icmp -dport {bad}"), "R021 skipped IN ACCEPT");
    }
}

#[test]
fn addresses() {
    check("IN ACCEPT -source 192.168.1.5/24", "IN ACCEPT from 192.168.1.0-192.168.1.255; | any");
    check(
        "IN ACCEPT -source 10.0.0.1-10.0.0.5,10.0.0.7",
        "IN ACCEPT from 10.0.0.1-10.0.0.5;10.0.0.7-10.0.0.7; | any",
    );
    check("IN ACCEPT -dest FE80::0001", "IN ACCEPT to fe80::1-fe80::1; | any");
    check("IN ACCEPT -dest ::/0", "IN ACCEPT to ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff; | any");
    check(
        "IN ACCEPT -source Foo -dest dc/a",
        "IN ACCEPT from alias None/foo to alias Some(Datacenter)/a | any",
    );
    check(
        "IN ACCEPT -source +Foo -dest +sdn/a-all",
        "IN ACCEPT from set None/foo to set Some(Sdn)/a-all | any",
    );
    let list = [
        "10.0.0.5-10.0.0.1",
        "10.0.0.1,fe80::1",
        "!10.0.0.1",
        "10/8",
        "0",
        "010.0.0.1",
        "+foo/bar",
        "+dc/",
        "+",
        "10.0.0.1/33",
        "10.0.0.1-fe80::1",
        "10.0.0.0/8-11.0.0.0",
        "10.0.0.1,",
        ",",
        "fe80::1%eth0",
        "sdn/x",
        "10.0.0.1,+set",
        "host.example",
        "+9a",
    ];
    for bad in list {
        check(&format!("IN ACCEPT -source {bad}"), "R023 skipped IN ACCEPT");
    }
    let long = "a".repeat(65);
    check(&format!("IN ACCEPT -source +{long} -dest dc/{long}"), "R028,R028 skipped IN ACCEPT");
    check("IN ACCEPT -p icmp -source fe80::1", "R024 skipped IN ACCEPT");
    check("IN ACCEPT -dest 10.0.0.1 -source fe80::1", "R024 skipped IN ACCEPT");
    check("IN ACCEPT -p icmpv6 -source 10.0.0.1 -dest 10.0.0.2", "R024 skipped IN ACCEPT");
}

#[test]
fn macros() {
    check("IN Ping(ACCEPT)", "IN ACCEPT | V4 icmp Type(8) | V6 icmpv6 Type(128)");
    check("IN Ping(ACCEPT) -source 10.0.0.1", "IN ACCEPT from 10.0.0.1-10.0.0.1; | V4 icmp Type(8)");
    check("IN Ping(ACCEPT) -p icmp", "IN ACCEPT | V4 icmp Type(8)");
    check("IN Ping(ACCEPT) -p ipv6-icmp", "IN ACCEPT | V6 icmpv6 Type(128)");
    check("IN Ping(ACCEPT) -p icmp -dport 8", "IN ACCEPT | V4 icmp Type(8)");
    check("IN Ping(ACCEPT) -p icmp -dport 0", "R015 skipped IN ACCEPT");
    check("IN SSH(ACCEPT) -dport 22", "R017 skipped IN ACCEPT");
    check("IN SSH(ACCEPT) -p tcp -dport 022", "IN ACCEPT | tcp >22-22");
    check("IN SSH(ACCEPT) -p tcp -dport 2222", "R015 skipped IN ACCEPT");
    check("IN SSH(ACCEPT) -p tcp -sport 1024:65535", "IN ACCEPT | tcp 1024-65535>22-22");
    check("IN DNS(ACCEPT) -p udp", "R015 skipped IN ACCEPT");
    check("IN GRE(ACCEPT) -p gre", "IN ACCEPT | proto 47");
    check("IN DHCPv6(ACCEPT) -source 10.0.0.1", "IN ACCEPT from 10.0.0.1-10.0.0.1;");
    check("IN NeighborDiscovery(ACCEPT) -p icmp", "IN ACCEPT");
    check("IN PBS(ACCEPT)", "IN ACCEPT | tcp >8007-8007");
    check("IN HTTP/3(ACCEPT)", "IN ACCEPT | udp >443-443");
    check("IN Trcrt(ACCEPT) -p udp", "R015 skipped IN ACCEPT");
    check("IN Nosuch(DROP)", "R014 skipped IN DROP");
    check(
        "IN SMB(DROP) -source +a",
        "IN DROP from set None/a | udp >135-135,137-139,445-445 | udp 137-137>1024-65535 \
         | tcp >135-135,139-139,445-445",
    );
}

#[test]
fn every_error_is_told_in_order() {
    check(
        "IN Nosuch(ACCEPT) stray -i a/b -p foo -dport 1- -sport 2- -source x.y -dest z. -log u",
        "R006,R012,R014,R016,R019,R019,R023,R023,R027 skipped IN ACCEPT",
    );
}

#[test]
fn canonical_text_and_comment() {
    let files = Files::new();
    let names = Names::new(&files);
    let text = "[RULES]\n|  in\tssh(accept)  --proto TCP -source +DC  --iface Eth0 # a # b\nIN DROP #\n";
    let (of, _) = firewall::datacenter(text.as_bytes(), FileId(0), &names);
    assert_eq!(of.rules[0].canonical, "IN SSH(ACCEPT) -p tcp -source +dc -i Eth0");
    assert_eq!(of.rules[0].comment.as_deref(), Some("a # b"));
    assert_eq!(of.rules[1].comment, None);
    assert_eq!(of.rules[1].canonical, "IN DROP");
    let span = of.rules[0].span;
    assert_eq!(
        &text[span.start as usize..span.end as usize],
        "|  in\tssh(accept)  --proto TCP -source +DC  --iface Eth0"
    );
}
