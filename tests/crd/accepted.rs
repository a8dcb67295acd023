//! What is right is accepted, and comes back as it was sent.

use super::{hub, monitoring_object, satellite_cluster, submit, text};
use serde_json::{Value, json};
use std::path::Path;

const DRY_RUN: [&str; 7] =
    ["create", "--dry-run=server", "--validate=strict", "-n", "accepted", "-o", "json"];

/// The golden cases, without what the operator refuses.
fn golden_cases() -> Vec<(String, Vec<Value>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases");
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let case = |directory: std::path::PathBuf| {
        let read = |file: &str| std::fs::read_to_string(directory.join(file));
        let refusals = read("refusals.txt").unwrap_or_default();
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(&read("input.yaml").unwrap()).unwrap();
        documents.retain(|document| {
            let field = |name: &str| document["metadata"][name].as_str().unwrap();
            !refusals.contains(&format!("MonitoringObject {}/{}:", field("namespace"), field("name")))
        });
        (directory.file_name().unwrap().to_str().unwrap().to_owned(), documents)
    };
    entries.map(case).collect()
}

/// Everything in `sent` is in `stored`; defaults may be there beside it.
fn kept(sent: &Value, stored: &Value) -> bool {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => {
            sent.iter().all(|(key, sent)| stored.get(key).is_some_and(|stored| kept(sent, stored)))
        }
        (Value::Array(sent), Value::Array(stored)) => {
            sent.len() == stored.len() && sent.iter().zip(stored).all(|(sent, stored)| kept(sent, stored))
        }
        (Value::Number(sent), Value::Number(stored)) => {
            let (sent, stored) = (sent.as_f64().unwrap(), stored.as_f64().unwrap());
            (sent - stored).abs() <= sent.abs() * 1e-12
        }
        _ => sent == stored,
    }
}

#[tokio::test]
async fn golden_inputs_are_accepted_and_nothing_of_them_is_dropped() {
    let cases = golden_cases();
    assert!(cases.len() >= 13);
    for (name, mut documents) in cases {
        documents.iter_mut().for_each(|document| {
            document["metadata"].as_object_mut().unwrap().remove("namespace");
        });
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": documents });
        let answer = submit(&DRY_RUN, &list).await;
        let (out, err) = text(&answer);
        assert!(answer.status.success() && err.is_empty(), "{name}: {err}");
        let stored = serde_json::Deserializer::from_str(&out).into_iter().map(Result::unwrap);
        let stored: Vec<Value> = stored.collect();
        assert_eq!(stored.len(), documents.len(), "{name}");
        for (sent, stored) in documents.iter().zip(&stored) {
            assert!(kept(&sent["spec"], &stored["spec"]), "{name}:\n{}\n{}", sent["spec"], stored["spec"]);
        }
    }
}

/// As kubectl reads them: its YAML is not the program's.
#[tokio::test]
async fn examples_are_accepted_and_nothing_of_them_is_dropped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut paths = vec![root.join("satellite.yaml")];
    for directory in ["monitoring", "zones", "reference", "standalone"].map(|name| root.join(name)) {
        paths.extend(std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()));
    }
    for path in paths {
        let text_of_file = std::fs::read_to_string(&path).unwrap();
        let arguments =
            ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-"];
        let answer = hub().await.kubectl_with_input(&arguments, &text_of_file).await;
        let (out, err) = text(&answer);
        assert!(answer.status.success() && err.is_empty(), "{}: {err}", path.display());
        let stored: Value = serde_json::from_str(&out).unwrap();
        // Several come as a list.
        let stored = stored["items"].as_array().cloned().unwrap_or_else(|| vec![stored]);
        let sent: Vec<Value> = serde_saphyr::from_multiple(&text_of_file).unwrap();
        assert_eq!(stored.len(), sent.len(), "{}", path.display());
        for (sent, stored) in sent.iter().zip(&stored) {
            // A Secret comes back as base64.
            let is_secret = sent["kind"] == "Secret";
            assert!(is_secret || kept(sent, stored), "{}:\n{sent}\n{stored}", path.display());
        }
    }
}

#[tokio::test]
async fn a_fresh_object_says_that_nobody_has_looked_at_it() {
    for object in [
        monitoring_object("fresh", json!({ "host": { "checkCommand": "dummy" } })),
        satellite_cluster("fresh", json!({})),
    ] {
        let answer = submit(&["create", "-n", "accepted", "-o", "json"], &object).await;
        let (out, err) = text(&answer);
        assert!(answer.status.success(), "{err}");
        let stored: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(stored["status"]["observedGeneration"], json!(-1), "{out}");
    }
}

#[tokio::test]
async fn satellites_that_are_right_are_accepted() {
    for more in [
        json!({ "namespaces": { "from": "All" } }),
        json!({ "tokenRenewal": {} }),
        json!({ "tokenRenewal": { "serviceAccount": "a.b", "boundSecret": "c", "lifetime": "10m" } }),
        json!({ "tokenRenewal": { "lifetime": "365d" } }),
        json!({ "tokenRenewal": { "lifetime": "8759h59m60s" } }),
        json!({ "namespaces": { "from": "List", "names": ["a", "b"] } }),
        json!({ "namespaces": { "from": "Selector", "selector": { "team": "a" } } }),
        json!({
            "zones": ["eu"], "suspend": true, "driftPolicy": "Report", "adoptionPolicy": "IfIdentical", "ackLevel": "Loaded",
            "requestTimeout": "1m", "deletion": { "cleanup": "Orphan", "timeout": "1h" },
            "target": { "namespace": "monitoring", "name": "a.b", "layout": "Snapshot", "labels": { "a": "b" }, "annotations": { "a": "b" } },
        }),
    ] {
        let satellite = satellite_cluster("right", more);
        let answer = submit(&DRY_RUN, &satellite).await;
        let (out, err) = text(&answer);
        assert!(answer.status.success() && err.is_empty(), "{err}");
        assert!(kept(&satellite["spec"], &serde_json::from_str::<Value>(&out).unwrap()["spec"]), "{out}");
    }
}

#[tokio::test]
async fn the_api_server_has_nothing_to_say_against_the_crds() {
    let hub = hub().await;
    let answer = hub.kubectl(&["get", "crd", "-o", "json"]).await;
    let list: Value = serde_json::from_str(&text(&answer).0).unwrap();
    let crds = list["items"].as_array().unwrap();
    assert_eq!(crds.len(), 2);
    for crd in crds {
        let conditions = crd["status"]["conditions"].as_array().unwrap();
        let status = |kind: &str| conditions.iter().find(|c| c["type"] == kind).map(|c| c["status"].clone());
        assert_eq!(status("Established"), Some(json!("True")), "{conditions:#?}");
        assert_eq!(status("NamesAccepted"), Some(json!("True")), "{conditions:#?}");
        assert_eq!(status("NonStructuralSchema"), None, "{conditions:#?}");
    }
}
