//! Each endpoint does what its description says.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{GUEST, Running, ask, good, problem};
use crate::cli::client::{call, request};
use crate::service::double::{CUTS, REFUSED};

const GUEST_FILE: &str = "/etc/pve/firewall/100.fw";

#[tokio::test]
async fn status_and_health() {
    let service = Running::new();
    let answer = service.get("/v1/status").await;
    assert_eq!(answer.headers["etag"], "\"1\"");
    let status = good(&answer);
    assert_eq!((&status["state"], &status["node"]), (&json!("active"), &json!("n")));
    assert_eq!(status["generation"]["phases"]["total_us"], 2_780);
    assert_eq!(status["counts"]["n_guests_filtered"], 1);
    assert_eq!(status["n_diagnostics"]["error"], 1);
    assert_eq!(status["diagnostics"][0]["line"], 6);
    assert_eq!(status["reject_mode"]["effective"], "prerouting");
    assert_eq!(status["features"][0]["present"], true);
    assert_eq!(good(&service.get("/v1/health").await)["ready"], true);
}

#[tokio::test]
async fn before_anything_is_enforced() {
    let service = Running::within(super::Limits::default(), None);
    assert_eq!(good(&service.get("/v1/status").await)["generation"], Value::Null);
    let health = problem(&service.get("/v1/health").await, 503);
    assert_eq!(health["type"], "urn:proxmox-firewall:problem:not-ready");
    for path in ["/v1/ruleset", "/v1/guests", "/v1/guests/100"] {
        problem(&service.get(path).await, 404);
    }
    problem(&service.post("/v1/compile", &json!({})).await, 503);
    assert!(String::from_utf8_lossy(&service.get("/metrics").await.body).ends_with("# EOF\n"));
}

#[tokio::test]
async fn compile_tells_what_would_change_and_changes_nothing() {
    let service = Running::new();
    let same = good(&service.post("/v1/compile", &json!({})).await);
    assert_eq!(same["change"]["unchanged"], true);
    assert_eq!(same["enforced"], 1);
    assert!(same.get("ruleset").is_none() && same.get("kernel").is_none());
    let text = GUEST.replace("dport 80", "dport 8080");
    let preview = json!({"overlay": {GUEST_FILE: text}, "ruleset": "nft", "check": "1"});
    let preview = good(&service.post("/v1/compile", &preview).await);
    assert_ne!(preview["digest"], same["digest"]);
    let text = preview["change"]["text"].as_str().expect("text");
    assert!(text.lines().any(|line| line.starts_with('+') && line.contains("dport 8080")), "{text}");
    let objects = preview["change"]["objects"].as_array().expect("a list");
    let chain = objects.iter().find(|one| one["name"] == "guest-100-in").expect("it changes");
    assert!(chain["removed"][0]["text"].as_str().is_some_and(|text| text.contains("dport 80 ")), "{chain}");
    assert_eq!(chain["added"][0]["origin"], json!({"kind": "line", "file": GUEST_FILE, "line": 4}));
    assert!(preview["ruleset"].as_str().is_some_and(|text| text.contains("tcp dport 8080")));
    assert_eq!(preview["kernel"], json!({"accepted": true, "faults": []}));
    assert_eq!((&preview["cuts"], &preview["cuts_the_way_in"]), (&json!([]), &json!(false)));
    let absent = json!({"overlay": {GUEST_FILE: null}, "ruleset": "json"});
    let absent = good(&service.post("/v1/compile", &absent).await);
    assert!(absent["ruleset"]["nftables"].is_array());
    assert_eq!(good(&service.get("/v1/status").await)["generation"]["number"], 1);
    let nothing = call(&service.socket, request(Method::POST, "/v1/compile", None)).await.expect("answers");
    assert_eq!(good(&nothing)["change"]["unchanged"], true);
}

#[tokio::test]
async fn compile_tells_what_would_be_cut() {
    let service = Running::new();
    let saved = |rules: &str| {
        json!({"overlay": {
            "/etc/pve/firewall/cluster.fw": format!("[OPTIONS]\nenable: 1\n[RULES]\n{rules}"),
            "/etc/pve/nodes/n/host.fw": "[OPTIONS]\nnftables: 1\n",
        }})
    };
    good(&service.post("/v1/apply", &saved("IN ACCEPT -p tcp -dport 8006\n")).await);
    let mut closed = saved("IN DROP -p tcp -dport 8006\n");
    closed["caller"] = json!("192.0.2.9");
    let told = good(&service.post("/v1/compile", &closed).await);
    assert_eq!(told["cuts_the_way_in"], true);
    let web = "web: 192.0.2.9 to 192.0.2.1 port 8006: drop because of /etc/pve/firewall/cluster.fw:4";
    assert_eq!(told["cuts"], json!([web]));
}

#[tokio::test]
async fn apply_confirm_rollback() {
    let service = Running::new();
    let applied = json!({"overlay": {GUEST_FILE: "[OPTIONS]\nenable: 1\n"}, "confirm_within": "60"});
    let applied = good(&service.post("/v1/apply", &applied).await);
    assert_eq!((&applied["changed"], &applied["generation"]), (&json!(true), &json!(2)));
    assert_eq!(applied["confirm"]["back_to"], 1);
    assert!(applied["confirm"]["remaining_s"].as_u64().is_some_and(|left| (50..=60).contains(&left)));
    assert_eq!(good(&service.post("/v1/apply/confirm", &json!({})).await)["generation"], 2);
    let nothing = problem(&service.post("/v1/apply/confirm", &json!({})).await, 409);
    assert_eq!(nothing["type"], "urn:proxmox-firewall:problem:nothing");
    assert_eq!(good(&service.post("/v1/apply/rollback", &json!({"generation": "1"})).await)["generation"], 3);
    problem(&service.post("/v1/apply/rollback", &json!({"generation": 99})).await, 409);
    let recent = good(&service.get("/v1/generations").await);
    let numbers: Vec<_> =
        recent["generations"].as_array().expect("a list").iter().map(|g| &g["number"]).collect();
    assert_eq!(numbers, [3, 2, 1]);
    problem(&service.post("/v1/apply", &json!({"confirm_within": 0})).await, 422);
    assert_eq!(good(&service.post("/v1/apply", &json!({"automatic": "1"})).await)["generation"], 4);
    for other in [json!({"force": 1}), json!({"confirm_within": 9}), json!({"overlay": {GUEST_FILE: null}})] {
        let mut both = other.as_object().cloned().expect("an object");
        both.insert("automatic".to_owned(), true.into());
        problem(&service.post("/v1/apply", &both.into()).await, 422);
    }
    for caller in ["192.0.2.9", "2001:db8::9"] {
        good(&service.post("/v1/apply", &json!({"caller": caller})).await);
    }
    problem(&service.post("/v1/apply", &json!({"caller": "somewhere"})).await, 422);
}

#[tokio::test]
async fn what_cuts_the_way_in_is_held_until_forced() {
    let service = Running::new();
    let overlay = json!({GUEST_FILE: CUTS});
    let held = problem(&service.post("/v1/apply", &json!({"overlay": overlay})).await, 409);
    assert_eq!(held["type"], "urn:proxmox-firewall:problem:cuts-the-way-in");
    assert_eq!(held["reasons"], json!(["10.0.0.1 to port 8006"]));
    let status = good(&service.get("/v1/status").await);
    assert_eq!((&status["state"], &status["candidate"]["obstacle"]), (&json!("held"), &json!("way-in")));
    let forced = json!({"overlay": overlay, "force": 1});
    assert_eq!(good(&service.post("/v1/apply", &forced).await)["generation"], 2);
    let refused = problem(&service.post("/v1/apply", &json!({"overlay": {GUEST_FILE: REFUSED}})).await, 409);
    assert_eq!(refused["reasons"], json!(["no such thing"]));
}

#[tokio::test]
async fn hold_and_release() {
    let service = Running::new();
    let empty = json!({});
    assert_eq!(good(&service.post("/v1/hold", &empty).await)["hold"], true);
    assert_eq!(good(&service.post("/v1/release", &empty).await)["hold"], false);
}

#[tokio::test]
async fn reject_mode_is_kept_or_refused() {
    let service = Running::new();
    let put = async |mode: &str| {
        ask(&service.socket, Method::PUT, "/v1/reject-mode", Some(&json!({"mode": mode}))).await
    };
    assert_eq!(good(&service.get("/v1/reject-mode").await)["effective"], "prerouting");
    assert_eq!(good(&put("drop").await)["effective"], "drop");
    let refused = problem(&put("prerouting").await, 409);
    assert_eq!(refused["type"], "urn:proxmox-firewall:problem:unable");
    assert_eq!(good(&put("divert").await)["effective"], "divert");
    problem(&put("accept").await, 422);
}

#[tokio::test]
async fn guests_say_what_each_rule_comes_to() {
    let service = Running::new();
    let all = good(&service.get("/v1/guests").await);
    assert_eq!(all["guests"][0]["vmid"], 100);
    assert_eq!((&all["guests"][0]["n_devices"], &all["guests"][0]["n_filtered"]), (&json!(2), &json!(1)));
    let guest = good(&service.get("/v1/guests/100").await);
    let told: Vec<String> = guest["devices"][0]["rules"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rule| {
            format!("{} {} {} {}", rule["line"], rule["effect"], rule["why"], rule["hits"]["packets"])
        })
        .collect();
    let expected = [
        "4 \"enforced\" null 7",
        "5 \"no effect\" \"the rule is switched off\" null",
        "6 \"no effect\" \"no alias `nobody`\" null",
        "7 \"enforced\" null 7",
        "8 \"shadowed\" \"/etc/pve/firewall/100.fw:7 decides all that it matches\" null",
    ];
    assert_eq!(told, expected);
    assert_eq!(guest["devices"][1]["filtered"], false);
    assert_eq!(guest["devices"][1]["rules"][0]["why"], "the device has no `firewall=1`");
    problem(&service.get("/v1/guests/999").await, 404);
    problem(&service.get("/v1/guests/x").await, 400);
}

#[tokio::test]
async fn a_guest_event_is_answered_when_it_is_safe() {
    let service = Running::new();
    let start = json!({"event": "start", "iface": "tap100i0", "bridge": "vmbr0", "vlan": "7"});
    let outcome = good(&service.post("/v1/guests/100/events", &start).await);
    assert_eq!(outcome, json!({"enforced": true, "quarantined": false, "generation": 1}));
    for bad in [
        json!({"event": "start", "vlan": 4095}),
        json!({"event": "plug", "iface": "a/b"}),
        json!({"event": "plug", "bridge": "sixteen-letters-"}),
    ] {
        problem(&service.post("/v1/guests/100/events", &bad).await, 422);
    }
    problem(&service.post("/v1/guests/100/events", &json!({"event": "dance"})).await, 422);
}

#[tokio::test]
async fn simulate_what_is_enforced_and_what_would_be() {
    let service = Running::new();
    let packet = "outside vm100 tcp 203.0.113.9:40000 > 192.0.2.100:80";
    let enforced = good(&service.post("/v1/simulate", &json!({"packet": packet})).await);
    assert_eq!((&enforced["verdict"], &enforced["generation"]), (&json!("accept"), &json!(1)));
    assert_eq!(enforced["decided_by"]["origin"]["line"], 4);
    let overlay = json!({GUEST_FILE: "[OPTIONS]\nenable: 1\n"});
    let would = good(&service.post("/v1/simulate", &json!({"packet": packet, "overlay": overlay})).await);
    assert_eq!((&would["verdict"], &would["generation"]), (&json!("drop"), &Value::Null));
    problem(&service.post("/v1/simulate", &json!({"packet": "hello"})).await, 422);
    problem(&service.post("/v1/simulate", &json!({"packet": packet.replace("100", "999")})).await, 422);
}

#[tokio::test]
async fn the_ruleset_says_where_it_comes_from() {
    let service = Running::new();
    let whole = good(&service.get("/v1/ruleset").await);
    assert_eq!(whole["tables"].as_array().map(Vec::len), Some(2));
    let text = service.get("/v1/ruleset?format=nft&guest=100").await;
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    let text = String::from_utf8_lossy(&text.body).into_owned();
    assert!(
        text.lines().any(|line| line.contains("dport 80 ") && line.ends_with("# /etc/pve/firewall/100.fw:4")),
        "{text}"
    );
    assert!(text.contains("tap100i0") && !text.contains("chain input"), "{text}");
    problem(&service.get("/v1/ruleset?guest=999").await, 404);
    problem(&service.get("/v1/ruleset?format=xml").await, 400);
    problem(&service.get("/v1/ruleset?colour=1").await, 400);
}

#[tokio::test]
async fn generations_are_etags() {
    let service = Running::new();
    let with = async |method, path: &str, name: &'static str, tag: &'static str| {
        let mut request = request(method, path, None);
        request.headers_mut().insert(name, hyper::header::HeaderValue::from_static(tag));
        call(&service.socket, request).await.expect("answers")
    };
    for path in ["/v1/ruleset", "/v1/generations"] {
        let known = with(Method::GET, path, "if-none-match", "\"0\", W/\"1\"").await;
        assert_eq!(
            (known.status, &known.headers["etag"]),
            (StatusCode::NOT_MODIFIED, &"\"1\"".parse().expect("one"))
        );
        good(&with(Method::GET, path, "if-none-match", "\"2\"").await);
    }
    for path in ["/v1/apply", "/v1/apply/rollback", "/v1/hold", "/v1/release"] {
        let stale = problem(&with(Method::POST, path, "if-match", "\"7\"").await, 412);
        assert_eq!(stale["type"], "urn:proxmox-firewall:problem:stale");
    }
    for tag in ["\"1\"", "\"7\", \"1\"", "*"] {
        good(&with(Method::POST, "/v1/hold", "if-match", tag).await);
    }
    let applied = with(Method::POST, "/v1/apply", "if-match", "\"1\"").await;
    assert_eq!(
        (good(&applied)["generation"].as_u64(), &applied.headers["etag"]),
        (Some(2), &"\"2\"".parse().expect("two"))
    );
}

#[tokio::test]
async fn the_catalog_is_the_engines() {
    let service = Running::new();
    let catalog = good(&service.get("/v1/catalog").await);
    let macros = catalog["macros"].as_array().expect("a list");
    let ssh = macros.iter().find(|one| one["name"] == "SSH").expect("known");
    assert_eq!(
        (&ssh["components"][0]["protocol"], &ssh["components"][0]["dport"]),
        (&json!("tcp"), &json!("22"))
    );
    let option = |file: &str, name: &str| {
        let files = catalog["files"].as_array().expect("a list");
        let file = files.iter().find(|one| one["file"] == file).expect("known");
        let found = file["options"].as_array().expect("a list").iter().find(|one| one["name"] == name);
        found.expect("known").clone()
    };
    assert_eq!(option("cluster.fw", "policy_in")["default"], "DROP");
    assert_eq!(option("cluster.fw", "log_ratelimit")["default"], "enable=1,rate=1/second,burst=5");
    assert_eq!(option("host.fw", "protection_synflood_rate")["default"], "200");
    assert_eq!(option("<vmid>.fw", "ips")["no_effect"], true);
    assert_eq!(option("<vmid>.fw", "dhcp")["takes"], "write `0` or `1`");
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    let service = Running::new();
    let answer = service.get("/metrics").await;
    assert!(
        answer.headers["content-type"]
            .to_str()
            .is_ok_and(|kind| kind.starts_with("application/openmetrics-text"))
    );
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for line in [
        "# TYPE proxmox_firewall_generation gauge",
        "proxmox_firewall_generation 1",
        "proxmox_firewall_state{proxmox_firewall_state=\"active\"} 1",
        "proxmox_firewall_applies_total{cause=\"start\"} 1",
        "proxmox_firewall_apply_phase_seconds_bucket{phase=\"commit\",le=\"0.0025\"} 1",
        "proxmox_firewall_apply_phase_seconds_sum{phase=\"commit\"} 0.002",
        "proxmox_firewall_conntrack_entries 12",
        "proxmox_firewall_hit_packets_total{vmid=\"100\",zone=\"in\",action=\"accept\",reason=\"rule\"} 14",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
