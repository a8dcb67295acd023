//! All satellites go away, and come back in the same second.

use super::stage::{LONG, TEAM, equal, volume_holds};
use crate::support::{Action, Fault, Installation, Reader, bulk_host, change_all, create_all};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use futures::future::join_all;
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use serde_json::json;
use std::time::Instant;

const SERVERS: [&str; 2] = ["one", "two"];
const EACH: usize = 6;
const OBJECTS: usize = 200;
const NOTES: usize = 8000;
/// Requests for each satellite until it is equal: what it holds is listed and read, and at most 16 shards and the pointer are
/// written.
const REQUESTS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn all_satellites_away_and_back_in_the_same_second_are_equal_at_little_cost() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    let places = installation.join_fleet(&SERVERS, EACH, json!({})).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    create_all(&installation.hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 1, NOTES)).await;
    let files = volume_holds(&volume, OBJECTS, OBJECTS, |_| true).await;
    join_all(places.iter().map(|place| equal(place, &reader, &files, LONG))).await;

    // Connections are closed before an answer, of those that are open and of new ones.
    for server in SERVERS {
        installation.proxies[server].set_fault(Some(Fault::on(Action::DropBefore, |_, _| true)));
        installation.proxies[server].cut_connections();
    }
    change_all(&installation.hub, TEAM, 0..OBJECTS / 2, |number| bulk_host(number, 2, NOTES)).await;
    let files = volume_holds(&volume, OBJECTS, OBJECTS / 2, |text| text.contains("version 2;")).await;
    let silent = (ConditionStatus::False, Reason::Unreachable);
    for place in &places {
        installation.satellite_says(&place.satellite, ConditionType::Reachable, silent, LONG).await;
    }
    // The hub goes on without them.
    change_all(&installation.hub, TEAM, 0..1, |number| bulk_host(number, 3, NOTES)).await;
    let changed = volume_holds(&volume, OBJECTS, 1, |text| text.contains("version 3;")).await;
    assert_ne!(files, changed);

    installation.recorder.clear();
    let back = Instant::now();
    for server in SERVERS {
        installation.proxies[server].set_fault(None);
    }
    join_all(places.iter().map(|place| equal(place, &reader, &changed, LONG))).await;
    let equal_after = back.elapsed();
    for place in &places {
        installation.satellite_in_sync(&place.satellite, LONG).await;
        let path = format!("/namespaces/{}/", place.namespace);
        let requests = installation.recorder.count(|e| e.server != "hub" && e.path.contains(&path));
        assert!(requests <= REQUESTS, "{}: {requests} requests", place.satellite);
    }
    println!("together: {} satellites are equal {equal_after:.1?} after their return", places.len());
    assert_eq!(operator.exit_status(), None);
}
