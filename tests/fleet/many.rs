//! Twenty satellites hold the published set.

use super::stage::{LONG, TEAM, equal, volume_holds};
use crate::support::{Installation, Reader, bulk_host, change_all, create_all, delete_all};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use futures::future::join_all;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const SERVERS: [&str; 4] = ["one", "two", "three", "four"];
const EACH: usize = 5;
/// Bytes of notes. A file then has about 1,200 bytes, and the default set does not fit into layout
/// Single.
const NOTES: usize = 800;

/// Returns 1,000, to keep the suite short; `GROUNDLINK_TEST_FLEET_OBJECTS=10000` sets the full
/// size. Benchmark P7 runs that size as well, with 17 good satellites.
fn objects() -> usize {
    let given = std::env::var("GROUNDLINK_TEST_FLEET_OBJECTS").ok();
    given.map_or(1000, |text| text.parse().expect("GROUNDLINK_TEST_FLEET_OBJECTS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_satellites_hold_the_published_set() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let objects = objects();
    let mut installation = Installation::start(&[]).await;
    let places = installation.join_fleet(&SERVERS, EACH, json!({})).await;
    assert_eq!(places.len(), 20);
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    // One second for each 20 objects: a server that is busy for minutes is no failure.
    let deadline = LONG.max(Duration::from_secs(objects as u64 / 20));

    let started = Instant::now();
    create_all(&installation.hub, TEAM, 0..objects, |number| bulk_host(number, 1, NOTES)).await;
    let created = started.elapsed();
    let files = volume_holds(&volume, objects, objects, |text| text.contains("version 1;")).await;
    let on_volume = started.elapsed();
    let delivered = join_all(places.iter().map(|place| equal(place, &reader, &files, deadline))).await;
    let everywhere = started.elapsed();
    let digests: BTreeSet<_> = delivered.iter().map(|one| &one.digest).collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert!(delivered.iter().all(|one| one.files.len() == objects && one.layout == "Snapshot"));
    println!(
        "fleet: {objects} objects created in {created:.1?}, on the volume after {on_volume:.1?}, on 20 satellites in {} \
         shards each after {everywhere:.1?}",
        delivered[0].shards.len()
    );
    for place in &places {
        installation.satellite_in_sync(&place.satellite, LONG).await;
    }

    // One change costs one shard and the pointer on each satellite.
    installation.recorder.clear();
    change_all(&installation.hub, TEAM, 7..8, |number| bulk_host(number, 2, NOTES)).await;
    let files = volume_holds(&volume, objects, 1, |text| text.contains("version 2;")).await;
    join_all(places.iter().map(|place| equal(place, &reader, &files, deadline))).await;
    for place in &places {
        installation.satellite_in_sync(&place.satellite, LONG).await;
    }
    let mut writes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for write in installation.satellite_writes().iter().filter(|e| e.path.contains("/configmaps")) {
        let namespace = write.path.split('/').nth(4).unwrap_or_default().to_owned();
        writes.entry(namespace).or_default().push(format!("{} {}", write.method, write.path));
    }
    assert_eq!(writes.len(), 20);
    for (namespace, writes) in &writes {
        let (removed, put): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.starts_with("DELETE"));
        assert!(put.len() <= 2, "{namespace}: {put:#?}");
        // Garbage of earlier revisions may be deleted now, but no shard of the current or the
        // previous one.
        let is_named =
            |write: &&String| delivered[0].shards.iter().any(|shard| write.ends_with(shard.as_str()));
        let named: Vec<_> = removed.into_iter().filter(is_named).collect();
        assert!(named.is_empty(), "{namespace}: {named:#?}");
    }

    // Deleted objects disappear everywhere.
    delete_all(&installation.hub, TEAM, 0..objects / 10).await;
    let left = objects - objects / 10;
    let files = volume_holds(&volume, left, left, |_| true).await;
    let delivered = join_all(places.iter().map(|place| equal(place, &reader, &files, deadline))).await;
    assert!(delivered.iter().all(|one| one.files.len() == left));
    assert!(operator.exit_status().is_none());
}
