//! What people see with kubectl.

use super::{hub, monitoring_object, satellite_cluster, submit, text};
use serde_json::json;

async fn kubectl(arguments: &[&str]) -> String {
    let answer = hub().await.kubectl(arguments).await;
    let (out, err) = text(&answer);
    assert!(answer.status.success(), "{arguments:?}: {err}");
    out
}

fn columns(table: &str) -> Vec<&str> {
    table.lines().next().unwrap_or_default().split_whitespace().collect()
}

#[tokio::test]
async fn columns_names_categories_and_selectors() {
    for object in [
        monitoring_object("eu-web", json!({ "zone": "eu", "host": { "checkCommand": "dummy" } })),
        monitoring_object("us-web", json!({ "zone": "us", "host": { "checkCommand": "dummy" } })),
        monitoring_object("web", json!({ "host": { "checkCommand": "dummy" } })),
        satellite_cluster("eu-1", json!({})),
    ] {
        let created = submit(&["create", "-n", "kubectl"], &object).await;
        assert!(created.status.success(), "{}", text(&created).1);
    }
    let hub = hub().await;
    let status = json!({ "status": {
        "observedGeneration": 1, "type": "Host", "satellites": "3/5", "reason": "SatelliteUnreachable",
        "path": "objects.d/kubectl/eu-web.conf", "revision": "7.42",
        "conditions": [
            { "type": "Ready", "status": "True", "reason": "Published", "message": "is there", "lastTransitionTime": "2026-01-01T00:00:00Z" },
            { "type": "Synced", "status": "False", "reason": "Pending", "message": "waits", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ],
    } })
    .to_string();
    let patch =
        ["patch", "mo", "eu-web", "-n", "kubectl", "--subresource=status", "--type=merge", "-p", &status];
    assert!(hub.kubectl(&patch).await.status.success());

    let table = kubectl(&["get", "mo", "-n", "kubectl"]).await;
    assert_eq!(columns(&table), ["NAME", "TYPE", "READY", "SYNCED", "REASON", "AGE"], "{table}");
    let row: Vec<_> =
        table.lines().find(|line| line.starts_with("eu-web")).unwrap().split_whitespace().collect();
    assert_eq!(row[..5], ["eu-web", "Host", "True", "3/5", "SatelliteUnreachable"], "{table}");
    let wide = kubectl(&["get", "mo", "-n", "kubectl", "-o", "wide"]).await;
    assert!(
        columns(&wide).ends_with(&["AGE", "ZONE", "STALLED", "LOADED", "REVISION", "PATH", "MESSAGE"])
            && wide.contains("7.42       objects.d/kubectl/eu-web.conf   waits"),
        "{wide}"
    );

    let table = kubectl(&["get", "sat", "-n", "kubectl"]).await;
    assert_eq!(
        columns(&table),
        ["NAME", "READY", "SYNCED", "REASON", "DESIRED", "ACKED", "OBJECTS", "AGE"],
        "{table}"
    );

    let all = kubectl(&["get", "groundlink", "-n", "kubectl", "-o", "name"]).await;
    assert!(all.lines().count() >= 4, "{all}");
    let eu = kubectl(&["get", "mo", "-n", "kubectl", "--field-selector", "spec.zone=eu", "-o", "name"]).await;
    assert_eq!(eu.trim(), "monitoringobject.groundlink.dev/eu-web");
    let hosts = ["get", "mo", "-n", "kubectl", "--field-selector", "status.type=Host", "-o", "name"];
    assert_eq!(kubectl(&hosts).await.trim(), "monitoringobject.groundlink.dev/eu-web");
}

#[tokio::test]
async fn explain_knows_every_member() {
    let answer = kubectl(&["explain", "mo.spec.host.checkInterval"]).await;
    assert!(answer.contains("Time between two checks") && answer.contains("Default: `5m`"), "{answer}");
    let answer = kubectl(&["explain", "mo.spec"]).await;
    for member in
        ["host", "service", "hostGroup", "checkCommand", "zoneObject", "endpoint", "zone", "template"]
    {
        assert!(answer.contains(&format!("  {member}\t<")), "{member} is missing in {answer}");
    }
    let answer = kubectl(&["explain", "sat.spec.namespaces.from"]).await;
    assert!(answer.contains("Selector (by labels of the namespace)"), "{answer}");
    let answer = kubectl(&["explain", "sat.spec.icingaVersion"]).await;
    assert!(answer.contains("Version of the satellite's Icinga"), "{answer}");
}

/// A newer operator writes reasons and condition types that this CRD has never heard of.
#[tokio::test]
async fn a_status_with_words_of_another_version_is_accepted_and_read() {
    let hub = hub().await;
    let words = |known: &str| {
        json!({ "status": { "observedGeneration": 1, "conditions": [
            { "type": known, "status": "False", "reason": "QuantumDecay", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" },
            { "type": "example.org/Entangled", "status": "True", "reason": "Spooky_2", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ] } })
        .to_string()
    };
    for (kind, object) in [
        ("mo", monitoring_object("newer", json!({ "host": { "checkCommand": "dummy" } }))),
        ("sat", satellite_cluster("newer", json!({}))),
    ] {
        assert!(submit(&["create", "-n", "kubectl"], &object).await.status.success());
        let patch = |status: String| {
            let hub = hub.clone();
            async move {
                let arguments = [
                    "patch",
                    kind,
                    "newer",
                    "-n",
                    "kubectl",
                    "--subresource=status",
                    "--type=merge",
                    "-p",
                    &status,
                ];
                hub.kubectl(&arguments).await
            }
        };
        let accepted = patch(words("Ready")).await;
        assert!(accepted.status.success(), "{kind}: {}", text(&accepted).1);
        let stored = kubectl(&["get", kind, "newer", "-n", "kubectl", "-o", "json"]).await;
        let mut value: serde_json::Value = serde_json::from_str(&stored).unwrap();
        let status = value["status"].take();
        let (conditions, again) = match kind {
            "mo" => {
                let read: groundlink::api::MonitoringObjectStatus =
                    serde_json::from_value(status.clone()).unwrap();
                (read.conditions.clone(), serde_json::to_value(&read).unwrap())
            }
            _ => {
                let read: groundlink::api::SatelliteClusterStatus =
                    serde_json::from_value(status.clone()).unwrap();
                (read.conditions.clone(), serde_json::to_value(&read).unwrap())
            }
        };
        assert_eq!(again["conditions"], status["conditions"], "{kind}: nothing is lost");
        let said: Vec<_> = conditions.iter().map(|c| (c.r#type.as_str(), c.reason.as_str())).collect();
        assert_eq!(said, [("Ready", "QuantumDecay"), ("example.org/Entangled", "Spooky_2")]);
        // No text is a word.
        let refused = patch(words("not a type")).await;
        assert!(!refused.status.success() && text(&refused).1.contains("conditions[0].type"), "{kind}");
    }
}
