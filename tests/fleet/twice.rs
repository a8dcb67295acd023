//! Two SatelliteClusters whose target is one place, and one that is registered again.

use super::stage::TEAM;
use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, Operator, eventually, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use serde_json::json;

const CONFLICT: (ConditionStatus, Reason) = (ConditionStatus::False, Reason::Conflict);

/// An installation with one satellite, that holds an object of each of two namespaces.
async fn start() -> (Installation, Operator) {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    for (namespace, name) in [(TEAM, "web"), ("team-b", "db")] {
        installation.namespace(namespace).await;
        installation.put(namespace, name, host(namespace)).await;
        installation.synced(namespace, name).await;
    }
    (installation, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_satellite_of_the_same_target_is_refused_and_takes_nothing_away() {
    let (installation, _operator) = start().await;
    let kubeconfig = installation.secret("sat-a").await;
    installation.set_secret("copy", &kubeconfig).await;
    // What differs would be taken from the first one: a host that leaves a set for one load loses its downtimes.
    let other =
        json!({ "namespaces": { "from": "List", "names": ["team-b"] }, "deletion": { "cleanup": "Delete" } });
    installation.register("copy", other).await;
    let message = installation.satellite_says("copy", ConditionType::Synced, CONFLICT, GENEROUS).await;
    assert!(message.contains("spec.target.name"), "{message}");
    installation.recorder.clear();
    // Neither a change nor the removal of the second one gives it the place.
    installation.put(TEAM, "web", host("changed")).await;
    let synced = async || {
        eventually(GENEROUS, "sat-a has the change", async || {
            let held = installation.pointer("sat-a").await.and_then(|map| map.data).unwrap_or_default();
            let has = |key: &str, words: &str| held.get(key).is_some_and(|text| text.contains(words));
            match has("team-a.web.conf", "changed") && has("team-b.db.conf", "team-b") {
                true => Ok(()),
                false => Err(format!("{held:?}")),
            }
        })
        .await;
    };
    synced().await;
    installation.satellite_says("copy", ConditionType::Synced, CONFLICT, GENEROUS).await;
    let delete = ["delete", "satellitecluster", "copy", "-n", crate::support::OPERATOR, "--wait=false"];
    installation.kubectl(&delete).await;
    installation.satellite_gone("copy", GENEROUS).await;
    synced().await;
    let writes = installation.satellite_writes();
    assert_eq!(writes.len(), 1, "the change alone is written: {writes:?}");
    installation.synced(TEAM, "web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_is_removed_and_registered_again_in_a_burst_is_equal() {
    let (installation, _operator) = start().await;
    for round in 0..3 {
        let policy = ["Orphan", "Delete"][round % 2];
        installation.change_satellite("sat-a", json!({ "deletion": { "cleanup": policy } })).await;
        for number in 0..20 {
            installation.put(TEAM, &format!("n{number}"), host(&format!("round {round}"))).await;
            if number == 10 {
                let delete =
                    ["delete", "satellitecluster", "sat-a", "-n", crate::support::OPERATOR, "--timeout=60s"];
                installation.kubectl(&delete).await;
                installation.register("sat-a", json!({})).await;
            }
        }
        installation.put(TEAM, "last", host(&format!("round {round}"))).await;
        installation.synced(TEAM, "last").await;
        installation.equal("sat-a", GENEROUS).await;
        installation.satellite_in_sync("sat-a", GENEROUS).await;
    }
}
