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
        "observedGeneration": 1, "path": "objects.d/kubectl/eu-web.conf", "revision": "7.42",
        "conditions": [
            { "type": "Ready", "status": "True", "reason": "Published", "message": "is there", "lastTransitionTime": "2026-01-01T00:00:00Z" },
            { "type": "Synced", "status": "False", "reason": "Pending", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" },
        ],
    } })
    .to_string();
    let patch =
        ["patch", "mo", "eu-web", "-n", "kubectl", "--subresource=status", "--type=merge", "-p", &status];
    assert!(hub.kubectl(&patch).await.status.success());

    let table = kubectl(&["get", "mo", "-n", "kubectl"]).await;
    assert_eq!(columns(&table), ["NAME", "ZONE", "READY", "SYNCED", "REASON", "REVISION", "AGE"], "{table}");
    let row: Vec<_> =
        table.lines().find(|line| line.starts_with("eu-web")).unwrap().split_whitespace().collect();
    assert_eq!(row[..6], ["eu-web", "eu", "True", "False", "Published", "7.42"], "{table}");
    let wide = kubectl(&["get", "mo", "-n", "kubectl", "-o", "wide"]).await;
    assert!(
        columns(&wide).ends_with(&["PATH", "MESSAGE"])
            && wide.contains("objects.d/kubectl/eu-web.conf   is there"),
        "{wide}"
    );

    let table = kubectl(&["get", "sat", "-n", "kubectl"]).await;
    assert_eq!(
        columns(&table),
        ["NAME", "READY", "SYNCED", "REASON", "DESIRED", "ACKED", "OBJECTS", "AGE"],
        "{table}"
    );

    let all = kubectl(&["get", "groundlink", "-n", "kubectl", "-o", "name"]).await;
    assert_eq!(all.lines().count(), 4, "{all}");
    let eu = kubectl(&["get", "mo", "-n", "kubectl", "--field-selector", "spec.zone=eu", "-o", "name"]).await;
    assert_eq!(eu.trim(), "monitoringobject.groundlink.dev/eu-web");
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
}
