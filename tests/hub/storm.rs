//! One object changes far faster than its statuses can be written.

use crate::support::{
    Action, Fault, GENEROUS, Installation, PeakUsage, eventually, host, writes_status, written_status,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use futures::{StreamExt, stream};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::{Duration, Instant};

const CHANGES: usize = 400;
/// Concurrent changes. More of them on one object are refused as conflicts.
const HANDS: usize = 4;
/// What each of its status writes waits: longer than some changes take.
const DELAY: Duration = Duration::from_millis(200);
/// Most MiB that the operator may need for the storm.
const MOST: u64 = 48;

/// R1, I2, I9: only the newest generation is worked on, no other object waits, and memory is flat.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_faster_than_the_work_costs_little_and_delays_no_other() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "storm", host("0")).await;
    installation.synced("team-a", "storm").await;
    installation.recorder.clear();
    let slow =
        Fault::on(Action::Delay(DELAY), |head, _| writes_status(&head.method, head.uri.path(), "storm"));
    installation.hub_proxy.set_fault(Some(slow));
    let begun = Instant::now();
    let usage = PeakUsage::start(operator.pid());
    let api = installation.objects("team-a");
    let change = async |number: usize| {
        let patch = json!({ "spec": host(&format!("{number}")) });
        // A conflict with another hand is as good as a change.
        let _ = api.patch("storm", &PatchParams::default(), &Patch::Merge(patch)).await;
    };
    let storm = stream::iter(1..=CHANGES).map(change).buffer_unordered(HANDS).collect::<Vec<()>>();
    let beside = async {
        installation.put("team-a", "beside", host("calm")).await;
        installation.published("team-a", "beside").await;
        api.get("storm").await.expect("the hub answers").metadata.generation.expect("a generation")
    };
    let (_, passed) = tokio::join!(storm, beside);
    let last = api.get("storm").await.unwrap().metadata.generation.unwrap();
    assert!(last > CHANGES as i64 / 2, "{last} changes are no storm");
    assert!(passed < last, "the object beside waited for the end of the storm");
    installation.put("team-a", "storm", host("the last one")).await;
    installation.synced("team-a", "storm").await;
    let held = installation.equal("sat-a", GENEROUS).await;
    assert!(held["team-a.storm.conf"].contains("the last one"));

    let writes = installation.recorder.matching(|e| writes_status(&e.method, &e.path, "storm"));
    let generations: Vec<_> = writes
        .iter()
        .filter_map(|e| written_status(&e.request_body)["observedGeneration"].as_i64())
        .collect();
    assert!(generations.is_sorted(), "an older generation was reported again: {generations:?}");
    // One at a time, whatever comes meanwhile.
    let most = begun.elapsed().as_millis() / DELAY.as_millis() + 2;
    assert!(writes.len() as u128 <= most, "{} status writes in the time of {most}", writes.len());
    let peak = usage.finish();
    let rest = crate::support::usage_of(operator.pid());
    println!(
        "storm: {last} generations, {} status writes, the object beside was Ready at generation {passed}; at most {} KiB",
        writes.len(),
        peak.rss_kib
    );
    assert!(peak.rss_kib < rest.rss_kib + MOST * 1024, "{peak:?}, then {rest:?}");
    let watches = installation.recorder.count(|e| e.is_watch() && e.path.ends_with("/monitoringobjects"));
    assert_eq!(watches, 0, "the watch was begun again");
    eventually(GENEROUS, "the operator is ready", async || match operator.get("/readyz").await {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
