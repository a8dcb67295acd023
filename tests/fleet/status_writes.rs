//! The cost of a change on the hub's API server: one status write for Ready and one for Synced, for
//! any number of satellites and of simultaneous changes. A satellite that joins late costs none.

use super::stage::{LONG, TEAM, all_have, equal, volume_holds};
use crate::support::{
    Action, Exchange, Fault, Installation, Reader, bulk_host, bulk_name, change_all, condition_of,
    create_all, eventually_every, grant, written_status,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use groundlink::api::ConditionType::Synced;
use groundlink::api::MonitoringObject;
use http::Method;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const OBJECTS: usize = 300;
const NOTES: usize = 200;
/// Objects that are changed one after another.
const SINGLES: usize = 10;
const LATE: &str = "late";

/// Returns the status writes of MonitoringObjects, answered or not, by name and by the tested
/// generation.
fn status_writes(installation: &Installation) -> BTreeMap<(String, i64), Vec<Exchange>> {
    let mut writes = BTreeMap::<_, Vec<Exchange>>::new();
    let objects = format!("/namespaces/{TEAM}/monitoringobjects/");
    let is_one = |e: &Exchange| e.server == "hub" && e.method != Method::GET && e.path.contains(&objects);
    for write in installation.recorder.matching(is_one) {
        let name = write.path.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let patch = write.request_json();
        let test = patch.as_array().into_iter().flatten().find(|op| op["path"] == "/metadata/generation");
        let generation = test.and_then(|op| op["value"].as_i64());
        let generation =
            generation.unwrap_or_else(|| panic!("{} {} tests no generation", write.method, write.path));
        writes.entry((name, generation)).or_default().push(write);
    }
    writes
}

/// True if a status write sets this condition to True for its own generation.
fn says(write: &Exchange, kind: &str) -> bool {
    let status = written_status(&write.request_body);
    let is_it = |condition: &Value| {
        condition["type"] == kind
            && condition["status"] == "True"
            && condition["observedGeneration"] == status["observedGeneration"]
    };
    status["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(is_it))
}

/// Panics unless each object had one write of Ready for this generation and at most one more, of
/// Synced. Returns the number of writes.
fn assert_two_at_most(
    what: &str,
    writes: &BTreeMap<(String, i64), Vec<Exchange>>,
    numbers: std::ops::Range<usize>,
    generation: i64,
) -> usize {
    let mut count = 0;
    for number in numbers {
        let key = (bulk_name(number), generation);
        let of_it = writes.get(&key).map(Vec::as_slice).unwrap_or_default();
        let said: Vec<_> = of_it.iter().map(|write| (says(write, "Ready"), says(write, "Synced"))).collect();
        let bodies = || of_it.iter().map(|write| written_status(&write.request_body)).collect::<Vec<_>>();
        assert!(
            matches!(said[..], [(true, true)] | [(true, false), (true, true)]),
            "{what}: {key:?}: Ready, Synced: {said:?}: {:#?}",
            bodies()
        );
        count += of_it.len();
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_costs_one_ready_and_one_synced_write_and_a_late_satellite_none() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    let places = installation.join_fleet(&["sats"], 2, json!({})).await;
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    let hub = installation.hub.clone();

    create_all(&hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 1, NOTES)).await;
    all_have(&installation, Synced, OBJECTS).await;
    // All at once, then some one at a time on an idle operator.
    change_all(&hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 2, NOTES)).await;
    all_have(&installation, Synced, OBJECTS).await;
    for number in 0..SINGLES {
        change_all(&hub, TEAM, number..number + 1, |number| bulk_host(number, 3, NOTES)).await;
        all_have(&installation, Synced, OBJECTS).await;
    }

    // A satellite that joins now gets everything.
    let joined = installation.recorder.sequence().now();
    let server = installation.plane.server("sats");
    grant(&server, LATE).await;
    let token = server.service_account_token(LATE, "groundlink").await;
    let url = installation.proxies["sats"].url();
    installation.register_at(LATE, &server, &url, &token, json!({ "target": { "namespace": LATE } })).await;
    let late = crate::support::Place { satellite: LATE.into(), namespace: LATE.into(), ..places[0].clone() };
    let files = volume_holds(&volume, OBJECTS, SINGLES, |text| text.contains("version 3;")).await;
    equal(&late, &reader, &files, LONG).await;
    installation.satellite_in_sync(LATE, LONG).await;
    // Status writes that the join caused, if any, are sent before those of this change.
    change_all(&hub, TEAM, 0..1, |number| bulk_host(number, 4, NOTES)).await;
    all_have(&installation, Synced, OBJECTS).await;
    let files = volume_holds(&volume, OBJECTS, 1, |text| text.contains("version 4;")).await;
    equal(&late, &reader, &files, LONG).await;

    let writes = status_writes(&installation);
    let after: Vec<_> =
        writes.iter().filter(|(_, of_it)| of_it.iter().any(|e| e.seq_start > joined)).collect();
    assert_eq!(after.len(), 1, "a late satellite rewrote statuses: {after:#?}");
    let created = assert_two_at_most("created", &writes, 0..OBJECTS, 1);
    let changed = assert_two_at_most("changed at once", &writes, 0..OBJECTS, 2);
    let singles = assert_two_at_most("changed alone", &writes, 0..SINGLES, 3);
    let last = assert_two_at_most("changed after a satellite had joined", &writes, 0..1, 4);
    let all: usize = writes.values().map(Vec::len).sum();
    println!(
        "status writes: {OBJECTS} created: {created}; all changed: {changed}; {SINGLES} changed one by one: {singles}"
    );
    assert_eq!(all, created + changed + singles + last, "writes for another generation");
    assert!(operator.exit_status().is_none());
}

/// Waits until each object says that it waits for this satellite, for this reason.
async fn all_wait_for(installation: &Installation, words: &str) {
    let api = Api::<MonitoringObject>::namespaced(installation.hub.clone(), TEAM);
    eventually_every(
        Duration::from_millis(500),
        LONG,
        &format!("{OBJECTS} objects say {words:?}"),
        async || {
            let list = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let said =
                |object: &MonitoringObject| condition_of(object, Synced).map(|(_, _, message)| message);
            let other =
                list.iter().find(|object| !said(object).is_some_and(|message| message.contains(words)));
            match other {
                None if list.items.len() == OBJECTS => Ok(()),
                other => Err(format!("{:?}", other.and_then(said))),
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_each_waiting_object_one_correction() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    installation.join_fleet(&["good"], 1, json!({})).await;
    installation.join_fleet(&["away"], 1, json!({ "requestTimeout": "2s", "syncTimeout": "1h" })).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    let hub = installation.hub.clone();
    create_all(&hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 1, NOTES)).await;
    all_have(&installation, Synced, OBJECTS).await;

    installation.proxies["away"].set_fault(Some(Fault::on(Action::DropBefore, |_, _| true)));
    installation.proxies["away"].cut_connections();
    change_all(&hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 2, NOTES)).await;
    all_wait_for(&installation, "1 of 2 satellites have acknowledged; waiting for away-0 (Unreachable)")
        .await;
    // What moves elsewhere costs them nothing.
    for version in 3..13 {
        change_all(&hub, TEAM, 0..1, |number| bulk_host(number, version, NOTES)).await;
    }
    all_wait_for(&installation, "waiting for away-0 (Unreachable)").await;
    let waited = status_writes(&installation);
    installation.proxies["away"].set_fault(None);
    all_have(&installation, Synced, OBJECTS).await;

    let count = |writes: &BTreeMap<(String, i64), Vec<Exchange>>, number| {
        writes.get(&(bulk_name(number), 2)).map_or(0, Vec::len)
    };
    let corrections: Vec<_> = (1..OBJECTS).map(|number| count(&waited, number) - 1).collect();
    println!(
        "an outage with {OBJECTS} waiting objects: {} corrections, at most {:?} for one object",
        corrections.iter().sum::<usize>(),
        corrections.iter().max()
    );
    // A second one, if the first was due before the satellite that works had answered.
    assert!(corrections.iter().all(|count| (1..=2).contains(count)), "{corrections:?}");
    let after = status_writes(&installation);
    assert!((1..OBJECTS).all(|number| count(&after, number) == count(&waited, number) + 1), "one for Synced");
    assert!(operator.exit_status().is_none());
}
