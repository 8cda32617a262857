//! The bindings against the running kernel. Each case has a thread and a network namespace of its own: the ruleset
//! of the machine is out of reach. Without the right to make a namespace the cases fail.

use std::fmt::Write as _;
use std::thread;

use nft_ffi::{CheckError, CommitError, ListError, Listing, Nft, NftError, Object, Rejected};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

/// Runs a case in a fresh namespace, with a context that belongs to it.
fn in_namespace<T: Send + 'static>(case: impl FnOnce(&mut Nft) -> T + Send + 'static) -> T {
    let thread = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root for a network namespace each");
        case(&mut Nft::new().expect("a context"))
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn ruleset(nft: &mut Nft) -> String {
    nft.list("list ruleset", Listing::default()).expect("an own namespace can be listed")
}

fn commit(nft: &mut Nft, script: &str) {
    nft.commit(script).expect("a good script");
}

#[track_caller]
fn refused_by_check(nft: &mut Nft, script: &str) -> Rejected {
    match nft.check(script) {
        Err(CheckError::Rejected(rejected)) => rejected,
        other => panic!("dry run of {script:?}: {other:?}"),
    }
}

#[track_caller]
fn refused_by_commit(nft: &mut Nft, script: &str) -> Rejected {
    match nft.commit(script) {
        Err(CommitError::Rejected(rejected)) => rejected,
        other => panic!("commit of {script:?}: {other:?}"),
    }
}

/// Line, first and last column of each error.
fn positions(rejected: &Rejected) -> Vec<(u32, u32, u32)> {
    let position = |error: &NftError| {
        let (first, last) = error.columns?;
        Some((error.line?, first, last))
    };
    rejected.errors.iter().map(|error| position(error).expect("a script's errors have positions")).collect()
}

const DEMO: &str = r#"table inet demo {
    set ports { type inet_service; flags interval; elements = { 22, 80-90 }; }
    map zones { type ifname : verdict; elements = { "tap100i0" : jump guest }; }
    chain guest { ct state invalid drop; tcp dport @ports counter accept comment "r:1"; }
    chain in { type filter hook input priority filter; policy accept; iifname vmap @zones; }
}
"#;

#[test]
fn dry_run_changes_nothing() {
    in_namespace(|nft| {
        nft.check(DEMO).expect("a good script");
        assert_eq!(ruleset(nft), "");
        // Nor is the context left in dry run, nor in commit.
        commit(nft, DEMO);
        let before = ruleset(nft);
        assert!(before.contains("r:1"), "{before}");
        nft.check("delete table inet demo\n").expect("a good script");
        assert_eq!(ruleset(nft), before);
    });
}

#[test]
fn lists_text_as_asked() {
    in_namespace(|nft| {
        commit(nft, DEMO);
        let mut list = |listing| nft.list("list table inet demo", listing).expect("the table is there");
        let default = list(Listing::default());
        assert!(default.contains("counter packets 0 bytes 0 accept comment \"r:1\""), "{default}");
        assert!(default.contains("priority filter") && !default.contains("# handle"), "{default}");
        let stateless = list(Listing { stateless: true, ..Listing::default() });
        assert!(stateless.contains("counter accept"), "{stateless}");
        let handles = list(Listing { handles: true, ..Listing::default() });
        assert!(handles.contains("# handle"), "{handles}");
        let numeric = list(Listing { numeric: true, ..Listing::default() });
        assert!(numeric.contains("priority 0"), "{numeric}");
        let terse = list(Listing { terse: true, ..Listing::default() });
        assert!(!terse.contains("80-90"), "{terse}");
        assert_eq!(list(Listing::default()), default, "no option outlives its listing");
    });
}

#[test]
fn lists_objects() {
    in_namespace(|nft| {
        commit(nft, DEMO);
        let listing = nft.list_objects("list ruleset", Listing::default()).expect("a listing in types");
        assert_eq!(listing.metainfo, nft.version().expect("a version"));
        let mut seen: Vec<_> = listing.objects.iter().map(summary).collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                "chain guest",
                "chain in",
                "map zones {\"jump\":{\"target\":\"guest\"}}",
                "rule guest None 2",
                "rule guest Some(\"r:1\") 3",
                "rule in None 1",
                "set ports 2",
                "table demo",
            ]
        );
    });
}

fn summary(object: &Object) -> String {
    match object {
        Object::Table(table) => format!("table {}", table.name),
        Object::Chain(chain) => format!("chain {}", chain.name),
        Object::Rule(rule) => format!("rule {} {:?} {}", rule.chain, rule.comment, rule.expr.len()),
        Object::Set(set) => format!("set {} {}", set.name, set.elements.len()),
        Object::Map(map) => {
            let data: Vec<_> =
                map.elements.iter().flat_map(|element| &element.data).map(Value::to_string).collect();
            format!("map {} {}", map.name, data.join(" "))
        }
        Object::Other(other) => other.kind.clone(),
    }
}

#[test]
fn several_errors_at_once_with_their_places() {
    in_namespace(|nft| {
        commit(nft, DEMO);
        let before = ruleset(nft);
        let kernel = "add rule inet demo guest accept\n\
                      add rule inet demo absent accept\n\
                      add rule inet demo guest drop\n\
                      \n\
                      add rule inet demo gone drop\n";
        let names = "add element inet demo nowhere { 1 }\n\
                     add rule inet demo guest accept\n\
                     add rule inet demo guest ip saddr @nowhere accept\n";
        let grammar = "add rule inet demo guest tcp dport 22 acept\n\
                       add rule inet demo guest accept\n\
                       add rule inet demo guest ip saddr 10.0.0.0/33 drop\n\
                       add rule inet demo guest tcp dport 70000 drop\n";
        for (script, lines) in [(kernel, &[2, 5][..]), (names, &[1, 3]), (grammar, &[1, 3, 4])] {
            let dry = refused_by_check(nft, script);
            let wet = refused_by_commit(nft, script);
            assert_eq!(dry, wet);
            assert_eq!(positions(&dry).iter().map(|(line, ..)| *line).collect::<Vec<_>>(), lines, "{dry:#?}");
        }
        assert_eq!(positions(&refused_by_check(nft, kernel))[0], (2, 20, 25), "under `absent`");
        assert_eq!(ruleset(nft), before);
    });
}

#[test]
fn a_report_names_no_file_of_ours() {
    in_namespace(|nft| {
        let rejected = refused_by_check(nft, "add chain inet absent in\n");
        assert!(rejected.stderr.starts_with("script:1:16-21: Error: "), "{}", rejected.stderr);
        assert!(!rejected.stderr.contains("/proc"), "{}", rejected.stderr);
    });
}

#[test]
fn a_script_of_20_000_lines() {
    in_namespace(|nft| {
        let mut script = "add table inet big\nadd chain inet big c\n".to_owned();
        for line in 3..=20_000 {
            writeln!(script, "add rule inet big c meta mark {line} counter accept").expect("memory");
        }
        nft.check(&script).expect("a good script");
        commit(nft, &script);
        let rules = ruleset(nft).matches("counter").count();
        assert_eq!(rules, 19_998);
        let end = "add rule inet big absent accept\n";
        assert_eq!(positions(&refused_by_commit(nft, &(script + end))), [(20_001, 19, 24)]);
        assert_eq!(ruleset(nft).matches("counter").count(), rules);
    });
}

#[test]
fn a_script_may_lack_its_last_newline() {
    in_namespace(|nft| {
        commit(nft, "add table inet a\nadd table inet b");
        assert_eq!(ruleset(nft).matches("table").count(), 2);
        commit(nft, "");
    });
}

#[test]
fn a_refused_transaction_leaves_the_old_ruleset_whole() {
    in_namespace(|nft| {
        commit(nft, DEMO);
        let before = ruleset(nft);
        let script = format!("delete table inet demo\n{DEMO}add rule inet demo absent accept\n");
        assert_eq!(positions(&refused_by_commit(nft, &script)), [(8, 20, 25)]);
        assert_eq!(ruleset(nft), before);
        // Refused by the kernel itself, at the very end: the chain is in use.
        let rejected = refused_by_commit(nft, "add table inet other\ndelete chain inet demo guest\n");
        assert_eq!(rejected.errors.len(), 1, "{rejected}");
        assert_eq!(rejected.errors[0].line, Some(2), "{rejected}");
        assert!(rejected.errors[0].message.contains("Device or resource busy"), "{rejected}");
        assert_eq!(ruleset(nft), before);
    });
}

#[test]
fn foreign_tables_stay() {
    in_namespace(|nft| {
        let foreign = "table ip foreign {\n\tchain c {\n\t\tip saddr 192.0.2.1 drop\n\t}\n}\n";
        commit(nft, foreign);
        commit(nft, DEMO);
        commit(nft, "delete table inet demo\n");
        assert_eq!(ruleset(nft), foreign);
    });
}

#[test]
fn nul_bytes_are_found_before_libnftables_is() {
    in_namespace(|nft| {
        let script = "add table inet a\n\0add table inet b\n";
        assert!(matches!(nft.check(script), Err(CheckError::InteriorNul { offset: 17 })));
        assert!(matches!(nft.commit(script), Err(CommitError::InteriorNul { offset: 17 })));
        assert!(matches!(nft.commit_json("{\"nftables\":\0[]}"), Err(CommitError::NotJson(_))));
        assert!(matches!(nft.list("list\0 ruleset", Listing::default()), Err(ListError::InteriorNul(_))));
        assert_eq!(ruleset(nft), "");
    });
}

#[test]
fn json_in_and_out() {
    in_namespace(|nft| {
        commit(nft, DEMO);
        let listing = nft.list_json("list ruleset", Listing::default()).expect("JSON");
        let text = ruleset(nft);
        commit(nft, "flush ruleset\n");
        // What was listed is a script, but for maps that jump to chains which follow them.
        let (mut chains, others): (Vec<Value>, Vec<Value>) = listing["nftables"]
            .as_array()
            .expect("a listing is an array")
            .iter()
            .cloned()
            .partition(|object| object.get("table").or_else(|| object.get("chain")).is_some());
        chains.extend(others);
        let script = json!({ "nftables": chains }).to_string();
        nft.check_json(&script).expect("a good script");
        assert_eq!(ruleset(nft), "");
        nft.commit_json(&script).expect("a good script");
        assert_eq!(ruleset(nft), text);
    });
}

#[test]
fn errors_in_json() {
    in_namespace(|nft| {
        // Legal as text, but not asked for as text.
        assert!(matches!(nft.commit_json("add table inet a\n"), Err(CommitError::NotJson(_))));
        let Err(CheckError::NotJson(error)) = nft.check_json("{\n \"nftables\": [,]}") else {
            panic!("not JSON");
        };
        assert_eq!((error.line(), error.column()), (2, 15));

        let missing = json!({"nftables": [
            {"add": {"table": {"family": "inet", "name": "a"}}},
            {"add": {"rule": {"family": "inet", "table": "a", "chain": "absent", "expr": [{"accept": null}]}}}
        ]});
        let Err(CommitError::Rejected(rejected)) = nft.commit_json(&missing.to_string()) else {
            panic!("the chain is missing");
        };
        assert_eq!(rejected.errors.len(), 1, "{rejected}");
        assert_eq!((rejected.errors[0].line, rejected.errors[0].columns), (None, None));
        assert!(rejected.errors[0].message.contains("No such file or directory"), "{rejected}");

        let shape = json!({"nftables": [{"add": {"tabel": {}}}]});
        let Err(CheckError::Rejected(rejected)) = nft.check_json(&shape.to_string()) else {
            panic!("no such object");
        };
        assert!(!rejected.errors.is_empty(), "{rejected:?}");
        assert_eq!(ruleset(nft), "");
    });
}

#[test]
fn lists_nothing_but_lists() {
    in_namespace(|nft| {
        commit(nft, DEMO);
        let before = ruleset(nft);
        for command in
            ["flush ruleset", "list ruleset; flush ruleset", "list ruleset\nflush ruleset", "", "reset rules"]
        {
            let answer = nft.list(command, Listing::default());
            assert!(matches!(answer, Err(ListError::NotAList { .. })), "{command}: {answer:?}");
        }
        let Err(ListError::Rejected(rejected)) = nft.list("list table inet absent", Listing::default())
        else {
            panic!("no such table");
        };
        assert!(rejected.to_string().contains("No such file or directory"), "{rejected}");
        assert_eq!(ruleset(nft), before, "and the failed listing left nothing in the buffers");
    });
}

/// Without the process-wide lock a context meets a half-filled cache: "Interface does not exist".
#[test]
fn contexts_work_side_by_side() {
    let threads: Vec<_> = (0..8)
        .map(|number| {
            thread::spawn(move || {
                in_namespace(move |nft| {
                    for round in 0..200 {
                        // `iif` looks the name up in the cache of interfaces that all contexts share.
                        commit(nft, &format!(
                            "table inet t{number} {{ chain c{round} {{ iif lo accept; oif lo accept; }}\n}}\n"
                        ));
                        let rejected = refused_by_check(nft, "\nadd chain inet absent c\n");
                        assert_eq!(rejected.errors[0].line, Some(2), "{rejected}");
                    }
                    ruleset(nft)
                })
            })
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let text = thread.join().expect("no case panics");
        assert!(text.starts_with(&format!("table inet t{number} {{")), "{text}");
        assert_eq!(text.matches("chain").count(), 200, "{text}");
        assert_eq!(text.matches("table").count(), 1, "{text}");
    }
}

#[test]
fn a_context_may_move_to_another_thread() {
    in_namespace(|nft| {
        thread::scope(|scope| {
            scope.spawn(|| commit(nft, DEMO));
        });
        assert!(ruleset(nft).contains("r:1"), "the socket keeps its namespace");
    });
}
