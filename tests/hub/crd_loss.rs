//! Deleting a CRD deletes every object of it. Monitoring must continue nevertheless.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, eventually, succeeded};
use serde_json::json;

/// R6: no object leaves because its CRD was deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_crd_removes_nothing_and_its_return_resumes_work() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    for i in 0..5 {
        installation
            .put("team-a", &format!("h{i}"), json!({ "host": { "checkCommand": "hostalive" } }))
            .await;
    }
    for i in 0..5 {
        installation.synced("team-a", &format!("h{i}")).await;
    }
    let held = installation.equal("sat-a", GENEROUS).await;
    assert_eq!(held.len(), 5);

    let server = installation.plane.server("hub");
    succeeded("delete", &server.kubectl(&["delete", "crd", "monitoringobjects.groundlink.dev"]).await);
    eventually(GENEROUS, "the operator reports the loss of the CRD", async || {
        let (code, body) = operator.get("/readyz").await;
        if code == 503 && body.contains("the CRD was deleted, and 5 objects") { Ok(()) } else { Err(body) }
    })
    .await;
    assert_eq!(installation.files(), held);
    assert_eq!(installation.equal("sat-a", GENEROUS).await, held);

    // The CRD comes back with four of the five objects. They become Ready again, and the fifth is
    // kept.
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    succeeded("apply", &server.kubectl(&["apply", "--server-side", "-f", crds]).await);
    let established = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    succeeded("wait", &server.kubectl(&established).await);
    for i in 0..4 {
        installation
            .put("team-a", &format!("h{i}"), json!({ "host": { "checkCommand": "hostalive" } }))
            .await;
    }
    for i in 0..4 {
        installation.synced("team-a", &format!("h{i}")).await;
    }
    assert_eq!(installation.files(), held);
    assert_eq!(installation.equal("sat-a", GENEROUS).await, held);
}

/// A CRD that is deleted and comes back, without its objects, while no operator runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_crd_that_was_replaced_while_no_operator_ran_removes_nothing() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    let spec = || json!({ "host": { "checkCommand": "hostalive" } });
    for name in ["h0", "h1", "h2"] {
        installation.put("team-a", name, spec()).await;
    }
    for name in ["h0", "h1", "h2"] {
        installation.synced("team-a", name).await;
    }
    let held = installation.equal("sat-a", GENEROUS).await;
    assert!(operator.terminate(GENEROUS).await.success());

    let server = installation.plane.server("hub");
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    succeeded("delete", &server.kubectl(&["delete", "crd", "monitoringobjects.groundlink.dev"]).await);
    succeeded("apply", &server.kubectl(&["apply", "--server-side", "-f", crds]).await);
    let established = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    succeeded("wait", &server.kubectl(&established).await);

    let operator = installation.operator_builder(GROUNDLINK).await.spawn();
    eventually(GENEROUS, "the operator says that the CRD was replaced", async || {
        let (code, body) = operator.get("/readyz").await;
        if code == 503 && body.contains("the CRD was deleted, and 3 objects") { Ok(()) } else { Err(body) }
    })
    .await;
    assert_eq!(installation.files(), held);
    // The objects return one after the other, and the operator is ready again.
    for name in ["h0", "h1", "h2"] {
        installation.put("team-a", name, spec()).await;
    }
    for name in ["h0", "h1", "h2"] {
        installation.synced("team-a", name).await;
    }
    installation.ready(&operator).await;
    assert_eq!(installation.files(), held);
    assert_eq!(installation.equal("sat-a", GENEROUS).await, held);
}
