//! What commands show of the API's answers, and how they exit.

use serde_json::json;

use super::{diff, events, guests, problem, status};

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn status_begins_with_what_is_not_protected() {
    let told = json!({
        "state": "held", "cause": "it would cut the way in", "since_s": 1_000,
        "generation": {
            "number": 7, "cause": "files", "committed_at_s": 1_000, "phases": {"total_us": 2_345},
            "losses": ["guests: no module"],
        },
        "counts": {"n_guests": 3, "n_guests_filtered": 2},
        "reject_mode": {"asked": "prerouting", "effective": null, "reasons": ["the kernel lacks it"]},
        "n_diagnostics": {"error": 1}, "hold": true,
        "candidate": {"reason": "it would cut the way in", "details": ["10.0.0.1 to \u{1b}[2J 8006"]},
    });
    let text = plain(&status::text(&told, 1_090));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "NOT PROTECTED: guests: no module");
    assert_eq!(lines[1], "state       held: it would cut the way in");
    assert!(text.contains("generation  7 (files), 90 s ago, took 2.3 ms\n"), "{text}");
    assert!(text.contains(
        "reject mode none: guests are not filtered (prerouting was asked for); the kernel lacks it\n"
    ));
    assert!(text.contains("            10.0.0.1 to \u{fffd}[2J 8006\n"), "a terminal obeys nobody: {text}");
}

#[test]
fn diff_shows_what_leaves_and_what_comes() {
    let told = json!({"change": {
        "unchanged": false, "counts": {"n_rules_removed": 1, "n_rules_added": 2},
        "text": " table\n-    old\n+    new \u{1b}[2J\n",
    }, "cuts": ["ceph: 10.0.0.1"]});
    let text = diff::text(&told);
    assert!(text.contains(&format!("{}-    old", crate::report::BAD)), "{text}");
    let expected = " table\n-    old\n+    new \u{fffd}[2J\n1 rules leave, 2 come; 0 elements leave, 0 come\n\
         not to be reached any more: ceph: 10.0.0.1\n";
    assert_eq!(plain(&text), expected);
    assert_eq!(diff::text(&json!({"change": {"unchanged": true}})), "nothing would change\n");
}

#[test]
fn a_guest_shows_what_its_rules_come_to() {
    let told = json!({
        "vmid": 100, "kind": "qemu", "policy_in": "DROP", "policy_out": "ACCEPT",
        "devices": [{"name": "net0", "iface": "tap100i0", "filtered": true, "running": true, "rules": [
            {"line": 4, "text": "IN ACCEPT", "effect": "enforced", "hits": {"packets": 7}},
            {"line": 5, "text": "IN DROP", "effect": "shadowed", "why": "line 4", "group": "web"},
        ]}],
    });
    let expected = "qemu 100: policy in DROP, out ACCEPT\n\nnet0 (tap100i0): filtered\n\
        \x20        7  enforced      4: IN ACCEPT\n\
        \x20           shadowed      5:   IN DROP  (line 4)\n";
    assert_eq!(plain(&guests::one(&told)), expected);
}

#[test]
fn events_are_lines() {
    let state = json!({"state": "active", "generation": 3, "trigger": "files", "cause": "all is well"});
    assert_eq!(events::text("state", &state), "active, generation 3 (files): all is well");
    assert_eq!(events::text("gap", &json!({"missed": 5})), "5 events were missed");
}

#[test]
fn problems_are_told_with_their_reasons() {
    let told = json!({"title": "held", "detail": "why", "reasons": ["one", "two"]});
    assert_eq!(problem(&told), "held: why\n  one\n  two");
}
