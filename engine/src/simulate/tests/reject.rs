//! REJECT: what is answered, and whether the answer gets back.

use super::{ACCEPT, DROP, base, bridge, is, is_name, table, trace, verdict};
use crate::ruleset::field::ct_state;
use crate::ruleset::{Chain, Field, Hook, RejectWith, Ruleset, Statement as S, TableFamily, build};
use crate::simulate::Verdict;
use crate::simulate::trace::Step;

const TO_GUEST: &str = "outside vm100 tcp 10.66.0.5:40000 > 192.0.2.100:80";
const FROM_GUEST: &str = "vm101 vm100 tcp 192.0.2.101:40000 > 192.0.2.100:80";
const RESET: Verdict = Verdict::Reject(RejectWith::TcpReset);

/// Rejects at prerouting what is for vm100.
fn reject_at(hook: Hook) -> Chain {
    let to_vm100 = || is(Field::EtherDaddr, 0xbc24_1100_0100);
    base(
        "r",
        hook,
        0,
        vec![
            vec![to_vm100(), S::Reject(RejectWith::TcpReset)],
            vec![to_vm100(), S::Reject(RejectWith::PortUnreachable)],
        ],
    )
}

/// Drops invalid frames towards guests.
fn drop_invalid(before: Vec<Vec<S>>) -> Chain {
    let mut rules = before;
    rules.push(vec![is_name(Field::Oifname, "tap*"), S::CtState(ct_state::INVALID), DROP]);
    base("in", Hook::Postrouting, 0, rules)
}

#[test]
fn bridged_frames_are_answered_at_prerouting() {
    let ruleset = bridge(vec![reject_at(Hook::Prerouting)]);
    assert_eq!(verdict(&ruleset, TO_GUEST), RESET);
    let udp = "outside vm100 udp [2001:db8:a::50]:1 > [2001:db8:a::100]:2";
    assert_eq!(verdict(&ruleset, udp), Verdict::Reject(RejectWith::PortUnreachable));
    assert_eq!(verdict(&ruleset, "outside vm101 tcp 10.66.0.5:1 > 192.0.2.101:80"), Verdict::Accept);
}

#[test]
fn what_is_never_answered() {
    let ruleset = bridge(vec![base(
        "r",
        Hook::Prerouting,
        0,
        vec![vec![S::Reject(RejectWith::TcpReset)], vec![S::Reject(RejectWith::PortUnreachable)]],
    )]);
    for line in [
        "outside vm100 tcp 10.66.0.5:1 > 192.0.2.100:80 flags=rst",
        "outside vm100 icmp 10.66.0.5 > 192.0.2.100 type=3",
        "outside vm100 icmpv6 2001:db8::5 > 2001:db8:a::100 type=1",
        "outside vm100 udp 10.66.0.5:1 > 192.0.2.255:80",
        "outside vm100 udp 10.66.0.5:1 > 192.0.2.100:80 dmac=01:00:5e:00:00:01",
        "outside vm100 arp 192.0.2.50 > 192.0.2.100 op=reply",
        "outside vm100 udp 10.66.0.5:1 > 192.0.2.100:80 vlan=7,5",
    ] {
        assert_eq!(verdict(&ruleset, line), Verdict::Drop, "{line}");
    }
    for line in [
        "outside vm100 icmp 10.66.0.5 > 192.0.2.100 type=12",
        "outside vm100 icmpv6 2001:db8::5 > 2001:db8:a::100 type=4",
        "outside vm100 udp 10.66.0.5:1 > 224.0.0.5:80 dmac=bc:24:11:00:01:00",
    ] {
        assert_eq!(verdict(&ruleset, line), Verdict::Reject(RejectWith::PortUnreachable), "{line}");
    }
    let echo = "outside vm100 icmp 10.66.0.5 > 192.0.2.100 type=8";
    assert_eq!(verdict(&ruleset, echo), Verdict::Reject(RejectWith::PortUnreachable));
    assert_eq!(verdict(&ruleset, TO_GUEST), RESET);
}

#[test]
fn later_pieces_are_not_answered() {
    let reject = vec![vec![S::Reject(RejectWith::PortUnreachable)]];
    let line = "outside vm100 udp 10.66.0.5:1 > 192.0.2.100:80 frag=later";
    let early = bridge(vec![base("r", Hook::Prerouting, -300, reject.clone())]);
    assert_eq!(verdict(&early, line), Verdict::Drop);
    let tracked = bridge(vec![base("r", Hook::Prerouting, 0, reject)]);
    assert_eq!(verdict(&tracked, line), Verdict::Reject(RejectWith::PortUnreachable));
}

#[test]
fn a_reject_implies_its_protocol() {
    let only = |with| bridge(vec![base("r", Hook::Prerouting, 0, vec![vec![S::Reject(with)]])]);
    let v4 = "outside vm100 udp 10.66.0.5:1 > 192.0.2.100:80";
    let v6 = "outside vm100 udp [2001:db8::5]:1 > [2001:db8:a::100]:80";
    assert_eq!(verdict(&only(RejectWith::TcpReset), v4), Verdict::Accept);
    assert_eq!(verdict(&only(RejectWith::HostProhibited), v6), Verdict::Accept);
    assert_eq!(verdict(&only(RejectWith::AdminProhibited), v4), Verdict::Accept);
    assert_eq!(verdict(&only(RejectWith::HostProhibited), v4), Verdict::Reject(RejectWith::HostProhibited));
    assert_eq!(verdict(&only(RejectWith::AdminProhibited), v6), Verdict::Reject(RejectWith::AdminProhibited));
}

#[test]
fn a_stateless_answer_is_invalid_at_a_firewalled_sender() {
    let ruleset = bridge(vec![reject_at(Hook::Prerouting), drop_invalid(vec![])]);
    assert_eq!(verdict(&ruleset, FROM_GUEST), Verdict::Drop);
    assert_eq!(verdict(&ruleset, TO_GUEST), RESET);
}

#[test]
fn a_mark_given_in_output_lets_the_answer_through() {
    let answers = base(
        "out",
        Hook::Output,
        0,
        vec![vec![S::CtState(ct_state::INVALID), build::masked(Field::TcpFlags, 4, 4), S::MarkSet(2)]],
    );
    let exempt = vec![build::masked(Field::Mark, 2, 2), ACCEPT];
    let ruleset = bridge(vec![reject_at(Hook::Prerouting), answers, drop_invalid(vec![exempt])]);
    let trace = trace(&ruleset, FROM_GUEST);
    assert_eq!(trace.verdict, RESET, "{trace}");
    assert!(trace.steps.iter().any(|step| matches!(step, Step::Answer { .. })));
}

#[test]
fn untracked_answers_pass_too_but_not_over_a_veth() {
    let untrack = base("out", Hook::Output, 0, vec![vec![S::CtState(ct_state::INVALID), S::Notrack]]);
    let ruleset = bridge(vec![reject_at(Hook::Prerouting), untrack, drop_invalid(vec![])]);
    assert_eq!(verdict(&ruleset, FROM_GUEST), RESET);
    let behind = "vm130 vm100 tcp 192.0.2.130:40000 > 192.0.2.100:80";
    let on_vmbr0 = bridge(vec![
        base(
            "r",
            Hook::Prerouting,
            0,
            vec![vec![is_name(Field::Ibrname, "vmbr0"), S::Reject(RejectWith::TcpReset)]],
        ),
        base("out", Hook::Output, 0, vec![vec![S::CtState(ct_state::INVALID), S::Notrack]]),
        drop_invalid(vec![]),
    ]);
    assert_eq!(verdict(&on_vmbr0, behind), Verdict::Drop);
}

#[test]
fn a_reject_where_the_kernel_has_none_answers_nothing() {
    for hook in [Hook::Forward, Hook::Postrouting] {
        assert_eq!(verdict(&bridge(vec![reject_at(hook)]), TO_GUEST), Verdict::Drop);
    }
}

fn inet(hook: Hook, bridge: Vec<Chain>) -> Ruleset {
    let reject = vec![is(Field::L4proto, 6), S::CtState(ct_state::NEW), S::Reject(RejectWith::TcpReset)];
    let chain = base("i", hook, 0, vec![reject]);
    Ruleset {
        tables: vec![
            table(TableFamily::Inet, vec![], vec![chain]),
            table(TableFamily::Bridge, vec![], bridge),
        ],
    }
}

#[test]
fn the_ip_stack_answers_with_an_entry() {
    let to_host = "vm100 host tcp 192.0.2.100:40000 > 192.0.2.1:443";
    let routed = "vm110 vm100 tcp 198.51.100.110:40000 > 192.0.2.100:443";
    for (hook, line) in [(Hook::Input, to_host), (Hook::Forward, routed)] {
        assert_eq!(verdict(&inet(hook, vec![drop_invalid(vec![])]), line), RESET, "{line}");
        let wall = base("w", Hook::Postrouting, 0, vec![vec![is_name(Field::Oifname, "tap*"), DROP]]);
        assert_eq!(verdict(&inet(hook, vec![wall]), line), Verdict::Drop, "{line}");
    }
}

#[test]
fn the_ip_stack_answers_neither_errors_nor_groups() {
    let reject = vec![vec![S::Reject(RejectWith::PortUnreachable)]];
    let chain = base("i", Hook::Input, 0, reject);
    let ruleset = Ruleset { tables: vec![table(TableFamily::Inet, vec![], vec![chain])] };
    for line in [
        "outside host icmp 10.66.0.5 > 192.0.2.1 type=12",
        "outside host icmpv6 2001:db8::5 > 2001:db8:a::1 type=4",
        "outside host udp 10.66.0.5:1 > 224.0.0.5:80 dmac=02:00:00:00:aa:00",
        "outside host udp 0.0.0.0:68 > 192.0.2.1:67",
    ] {
        assert_eq!(verdict(&ruleset, line), Verdict::Drop, "{line}");
    }
    let udp = "outside host udp 10.66.0.5:1 > 192.0.2.1:80";
    assert_eq!(verdict(&ruleset, udp), Verdict::Reject(RejectWith::PortUnreachable));
}

#[test]
fn a_local_socket_is_told_at_once() {
    let ruleset = inet(Hook::Output, vec![]);
    assert_eq!(verdict(&ruleset, "host outside tcp 192.0.2.1:40000 > 192.0.2.50:443"), RESET);
}

#[test]
fn the_answer_comes_back_in_the_vlan_of_the_question() {
    let ruleset = bridge(vec![
        base(
            "r",
            Hook::Prerouting,
            0,
            vec![vec![is_name(Field::Iifname, "eth0"), S::Reject(RejectWith::TcpReset)]],
        ),
        base("p", Hook::Postrouting, 0, vec![vec![is(Field::VlanId, 9), DROP]]),
    ]);
    assert_eq!(verdict(&ruleset, &format!("{TO_GUEST} vlan=8")), RESET);
    assert_eq!(verdict(&ruleset, &format!("{TO_GUEST} vlan=9")), Verdict::Drop);
}
