//! Until the operator knows all satellites, it reports no object as delivered everywhere.

use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, carries, condition_of, eventually, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use http::Method;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_not_synced_before_the_satellites_are_listed() {
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let unlisted = Fault::on(Action::refuse(503, "ServiceUnavailable"), |head, _| {
        head.method == Method::GET && head.uri.path().ends_with("/satelliteclusters")
    });
    installation.hub_proxy.set_fault(Some(unlisted.clone()));
    let operator = installation.operator_builder(GROUNDLINK).await.spawn();
    installation.put("team-a", "web", host("early")).await;
    // Ready does not wait for satellites, nor does the snapshot.
    let object = installation.published("team-a", "web").await;
    let (status, reason, message) = condition_of(&object, ConditionType::Synced).unwrap();
    assert_eq!((status, reason), (ConditionStatus::False, Reason::Pending), "{message}");
    assert!(message.contains("SatelliteClusters"), "{message}");
    eventually(GENEROUS, "a snapshot is cut", async || {
        let metrics = operator.metrics().await;
        let cut = !metrics.lines().any(|line| line == "groundlink_snapshot_counter 0");
        if cut { Ok(()) } else { Err(metrics) }
    })
    .await;
    assert!(unlisted.hits() > 0, "no LIST of the satellites failed");
    installation.hub_proxy.set_fault(None);
    installation.synced("team-a", "web").await;
    let claims = installation.recorder.matching(|e| e.is_mutating() && carries(e, "NoSatellites"));
    assert!(claims.is_empty(), "{claims:#?}");
}

/// A watch resumes where it was interrupted, and reports nothing while nothing changes. So the
/// operator must notice by itself that the watch works again.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_returns_when_a_watch_of_the_satellites_works_again() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    let hub = &installation.hub_proxy;
    hub.set_fault(Some(Fault::on(Action::DropBefore, |head, _| {
        head.method == Method::GET && head.uri.path().ends_with("/satelliteclusters")
    })));
    hub.cut_connections();
    eventually(GENEROUS, "/readyz names the watch", async || match operator.get("/readyz").await {
        (503, text) if text.contains("cannot watch SatelliteClusters") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    hub.set_fault(None);
    eventually(GENEROUS * 2, "/readyz is 200 again", async || match operator.get("/readyz").await {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
