//! The life of one object, and a restart that changes nothing.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, carries, eventually};
use serde_json::json;
use std::time::Duration;

/// R5: deleting removes an object everywhere, without a finalizer. R7: a restart writes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_goes_from_kubectl_to_both_satellites_and_away_again() {
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "linux", json!({ "hostGroup": { "displayName": "Linux servers" } })).await;
    let host =
        json!({ "host": { "checkCommand": "hostalive", "address": "192.0.2.1", "groups": ["linux"] } });
    installation.put("team-a", "web", host).await;
    // Wait for this status as well: none may be written after the restart.
    installation.synced("team-a", "linux").await;
    let object = installation.synced("team-a", "web").await;
    let status = object.status.unwrap();
    assert_eq!(status.path.as_deref(), Some("objects.d/team-a/web.conf"));
    assert!(status.revision.is_some() && status.pending_satellites.is_none());
    for satellite in ["sat-a", "sat-b"] {
        let held = installation.equal(satellite, GENEROUS).await;
        assert!(held["team-a.web.conf"].contains("object Host \"web\""));
    }

    // A restart with nothing changed writes nothing but its Lease.
    let status = operator.terminate(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}: {}", operator.log_text());
    installation.recorder.clear();
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web2", json!({ "host": { "checkCommand": "hostalive" } })).await;
    installation.synced("team-a", "web2").await;
    let writes: Vec<_> = installation
        .recorder
        .mutating()
        .into_iter()
        .filter(|e| {
            !e.path.contains("/leases")
                && !e.path.contains("/web2")
                && !e.path.contains("configmaps")
                && !e.path.contains("satelliteclusters")
                && (!e.path.ends_with("/events") || !carries(e, "\"web2\""))
        })
        .map(|e| format!("{} {}", e.method, e.path))
        .collect();
    assert!(writes.is_empty(), "{writes:?}");

    installation.delete("team-a", "web2").await;
    installation.delete("team-a", "web").await;
    eventually(GENEROUS, "the deleted objects' files are gone", async || {
        let files: Vec<_> = installation.files().into_keys().collect();
        if files == ["team-a.linux.conf"] { Ok(()) } else { Err(format!("{files:?}")) }
    })
    .await;
    for satellite in ["sat-a", "sat-b"] {
        let held = installation.equal(satellite, GENEROUS).await;
        assert!(held.keys().all(|key| key == "team-a.linux.conf"), "{held:?}");
    }
    drop(operator);
}
