//! The two set-ups of the documentation, each from its example: what the hub's Icinga gets, and
//! what each satellite's gets, is loaded by real Icinga 2 as the objects that belong there.

use crate::icinga::{self, Icinga};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The documents below a directory of `examples`.
fn documents(directory: &str) -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(directory);
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| -> Vec<Value> {
        serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    files.iter().flat_map(read).collect()
}

fn is_object(document: &Value) -> bool {
    document["kind"] == "MonitoringObject"
}

/// `namespace/name`, and what the program renders.
fn rendered(objects: &[Value]) -> Vec<(String, String)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("objects.json");
    std::fs::write(&path, json!({ "kind": "List", "items": objects }).to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_groundlink"))
        .args(["render", "-o", "json", "--privileged-namespaces", "groundlink", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["refused"], json!([]), "{json:#}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let file = |file: &Value| (text(&file["namespace"]) + "/" + &text(&file["name"]), text(&file["content"]));
    json["published"].as_array().unwrap().iter().map(file).collect()
}

fn key(document: &Value) -> String {
    let text = |field: &str| document["metadata"][field].as_str().unwrap().to_owned();
    text("namespace") + "/" + &text("name")
}

/// The hosts and services that an Icinga makes of those objects that `belongs` chooses.
fn hosts_and_services(
    icinga: &Icinga,
    objects: &[Value],
    belongs: impl Fn(&Value) -> bool,
) -> BTreeSet<String> {
    let chosen: BTreeSet<_> = objects.iter().filter(|object| belongs(object)).map(key).collect();
    let files = rendered(objects).into_iter().filter(|(key, _)| chosen.contains(key));
    let configuration: String = files.map(|(_, content)| content).collect();
    let understood = icinga.load(&configuration, "").unwrap();
    let wanted = understood.into_iter().filter(|object| ["Host", "Service"].contains(&object.kind.as_str()));
    wanted.map(|object| object.name).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn distributed_with_a_zone_below_the_hubs() {
    let mut objects: Vec<_> = documents("zones").into_iter().filter(is_object).collect();
    let in_zone = |zone: &str, name: &str| {
        json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
            "metadata": { "namespace": "team-b", "name": name },
            "spec": { "zone": zone, "host": { "checkCommand": "hostalive" } },
        })
    };
    objects.push(in_zone("master", "hub-01"));
    for icinga in icinga::generations() {
        let hub = hosts_and_services(icinga, &objects, |_| true);
        assert_eq!(hub, set(&["db-01", "db-01!postgres", "hub-01"]));
        // What a satellite with `zones: [eu-west]` gets: all that has no zone, and this one.
        let accepted = |object: &Value| object["spec"]["zone"].as_str().is_none_or(|zone| zone == "eu-west");
        assert_eq!(hosts_and_services(icinga, &objects, accepted), set(&["db-01", "db-01!postgres"]));
    }
}

#[test]
fn standalone_with_a_namespace_for_each_cluster() {
    let documents = documents("standalone");
    let objects: Vec<_> = documents.iter().filter(|document| is_object(document)).cloned().collect();
    let satellites: Vec<_> = documents.iter().filter(|document| !is_object(document)).collect();
    assert_eq!(satellites.len(), 2);
    for icinga in icinga::generations() {
        let hub = hosts_and_services(icinga, &objects, |_| true);
        assert_eq!(hub, set(&["web-01", "web-01!ssh", "web-01!web-01-certificate", "db-01", "db-01!ssh"]));
        for satellite in &satellites {
            let namespaces = satellite["spec"]["namespaces"]["names"].as_array().unwrap();
            let accepted = |object: &Value| namespaces.contains(&object["metadata"]["namespace"]);
            let wanted = match satellite["metadata"]["name"].as_str() {
                Some("east") => set(&["web-01", "web-01!ssh", "web-01!web-01-certificate"]),
                _ => set(&["db-01", "db-01!ssh"]),
            };
            assert_eq!(hosts_and_services(icinga, &objects, accepted), wanted);
        }
    }
}
