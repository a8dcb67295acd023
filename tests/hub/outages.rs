//! The hub's API server is killed, and its etcd stops answering.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, Operator, eventually, host};
use http::Method;

/// A hub with an object everywhere, and a satellite that does not depend on the hub's API server.
async fn synced() -> (Installation, Operator) {
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    for name in ["stays", "goes"] {
        installation.put("team-a", name, host("first")).await;
        installation.synced("team-a", name).await;
    }
    (installation, operator)
}

async fn is_reported(operator: &Operator, part: &str) {
    eventually(GENEROUS, &format!("/readyz names {part}"), async || match operator.get("/readyz").await {
        (503, text) if text.lines().any(|line| line.starts_with(part)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(operator.get("/livez").await.0, 200, "a restart would mend nothing");
}

/// Checks that files and satellite are as they were, and that work goes on.
async fn goes_on(installation: &Installation, operator: &Operator) {
    installation.ready(operator).await;
    installation.put("team-a", "later", host("later")).await;
    installation.synced("team-a", "later").await;
    installation.delete("team-a", "goes").await;
    let keys = ["team-a.later.conf", "team-a.stays.conf"];
    let held = installation.holds_keys("sat-a", "groundlink", &keys).await;
    assert_eq!(installation.equal("sat-a", GENEROUS).await, held);
    assert_eq!(operator.exit_status(), None, "the same process");
}

/// R6: an API server that is gone deletes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_killed_and_returns_costs_nothing() {
    let (installation, operator) = synced().await;
    let before = installation.files();
    installation.plane.server("hub").stop();
    is_reported(&operator, "lease").await;
    is_reported(&operator, "monitoringobjects").await;
    assert_eq!(installation.files(), before);
    assert_eq!(installation.config_maps("sat-a").await.get("groundlink").await.unwrap().data, Some(before));
    installation.plane.server("hub").restart().await;
    goes_on(&installation, &operator).await;
}

/// R6: an API server whose etcd is frozen answers late, with errors, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_stops_for_a_while_costs_nothing() {
    let (installation, operator) = synced().await;
    let before = installation.files();
    installation.plane.etcd().pause();
    is_reported(&operator, "lease").await;
    assert_eq!(installation.files(), before);
    installation.plane.etcd().resume();
    goes_on(&installation, &operator).await;
    let late = installation.recorder.matching(|e| e.is_mutating() && e.server == "sat-a");
    assert!(late.iter().all(|exchange| exchange.method != Method::DELETE), "{late:#?}");
}
