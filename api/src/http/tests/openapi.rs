//! The description is committed, complete, and true.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::Running;
use crate::http::document;

fn described() -> Value {
    serde_json::to_value(document()).expect("it is JSON")
}

#[test]
fn the_committed_copy_is_the_description() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let found = format!("{}\n", serde_json::to_string_pretty(&described()).expect("it is JSON"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &found).expect("can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("is there (BLESS=1 makes it)");
    assert!(found == committed, "the API has changed; BLESS=1 cargo test writes {}", path.display());
}

#[test]
fn every_operation_has_an_id_of_its_own_and_ends_in_problems() {
    let description = described();
    assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut ids = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("an object") {
        for (method, operation) in item.as_object().expect("an object") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert!(operation["responses"]["default"]["content"]["application/problem+json"].is_object());
            assert!(operation["summary"].is_string(), "{method} {path} says nothing");
        }
    }
    assert_eq!(ids.len(), 21);
}

#[test]
fn every_reference_leads_somewhere() {
    let description = described();
    let mut open = vec![&description];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.trim_start_matches('#');
                    assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

#[tokio::test]
async fn every_described_path_is_served() {
    let service = Running::new();
    assert_eq!(super::good(&service.get("/v1/openapi.json").await), described());
    for path in described()["paths"].as_object().expect("an object").keys() {
        // No path has this method: one that is not there would be 404.
        let path = path.replace("{vmid}", "100");
        let answer = super::ask(&service.socket, hyper::Method::PATCH, &path, None).await;
        super::problem(&answer, 405);
    }
}
