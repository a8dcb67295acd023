//! Changes of the target: the set moves to another name or namespace, and the old one stays. All in
//! layout Snapshot.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, Place, Reader, eventually, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SAT: &str = "sat-a";

/// Changes the spec, and waits until the operator has acted on it.
async fn change(installation: &Installation, spec: Value) {
    installation.change_satellite(SAT, spec).await;
    eventually(GENEROUS, "the change is observed", async || {
        let object = installation.satellites().get(SAT).await.map_err(|error| error.to_string())?;
        let observed = object.status.map_or(-1, |status| status.observed_generation);
        if object.metadata.generation == Some(observed) { Ok(()) } else { Err(observed.to_string()) }
    })
    .await;
}

/// Waits until a place holds every file of the volume, by the independent reader.
async fn equal(installation: &Installation, place: &Place, reader: &Reader) -> BTreeMap<String, Vec<u8>> {
    let wanted: BTreeMap<String, Vec<u8>> =
        installation.files().into_iter().map(|(key, text)| (key, text.into_bytes())).collect();
    eventually(GENEROUS, "the satellite equals the volume", async || {
        let held = place.read(reader).await?;
        if held.files == wanted { Ok(held.files) } else { Err(format!("{} files", held.files.len())) }
    })
    .await
}

async fn event_says(installation: &Installation, reason: &str, words: &[&str]) {
    let events: Api<Event> = Api::namespaced(installation.hub.clone(), OPERATOR);
    eventually(GENEROUS, &format!("an event {reason} says {words:?}"), async || {
        let events = events.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let notes: Vec<_> = events
            .items
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some(reason))
            .filter_map(|event| event.note)
            .collect();
        let is_it = |note: &String| words.iter().all(|word| note.contains(word));
        if notes.iter().any(is_it) { Ok(()) } else { Err(format!("{notes:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_target_leaves_a_complete_set_behind_and_is_in_sync_only_at_its_new_place() {
    let installation = Installation::start(&[SAT]).await;
    let reader = Reader::default();
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    for name in ["one", "two", "three"] {
        installation.put("team-a", name, host("first")).await;
        installation.synced("team-a", name).await;
    }
    change(&installation, json!({ "target": { "layout": "Snapshot" } })).await;
    installation.satellite_in_sync(SAT, GENEROUS).await;
    let old = installation.place(SAT).await;
    let before = equal(&installation, &old, &reader).await;

    // Another name: the old set stays complete through later changes and the deletion of garbage.
    change(&installation, json!({ "target": { "name": "renamed" } })).await;
    installation.satellite_in_sync(SAT, GENEROUS).await;
    let new = Place { pointer: "renamed".into(), ..old.clone() };
    equal(&installation, &new, &reader).await;
    event_says(&installation, "CleanupSkipped", &["ConfigMap icinga/groundlink", "on the satellite"]).await;
    let maps: Api<ConfigMap> = installation.config_maps(SAT).await;
    let mut gone = Vec::new();
    for notes in ["second", "third", "fourth"] {
        let present: Vec<_> = names(&maps, "renamed-").await;
        installation.put("team-a", "one", host(notes)).await;
        installation.synced("team-a", "one").await;
        gone.extend(present);
    }
    eventually(GENEROUS, "garbage is deleted", async || {
        let left = names(&maps, "renamed-").await;
        let undeleted: Vec<_> = gone.iter().filter(|name| left.contains(name)).collect();
        // The shards of the previous pointer are kept.
        if undeleted.len() < gone.len() { Ok(()) } else { Err(format!("{undeleted:?}")) }
    })
    .await;
    assert_eq!(old.read(&reader).await.unwrap().files, before, "the old set must be unchanged");

    // A missing namespace: not in sync, although the set was delivered elsewhere before.
    installation.change_satellite(SAT, json!({ "target": { "namespace": "nowhere" } })).await;
    let no = ConditionStatus::False;
    installation.satellite_says(SAT, ConditionType::Synced, (no, Reason::Forbidden), GENEROUS).await;
    let yes = (ConditionStatus::True, Reason::Forbidden);
    installation.satellite_says(SAT, ConditionType::Stalled, yes, GENEROUS).await;
    change(&installation, json!({ "target": { "namespace": "icinga", "name": "groundlink" } })).await;
    installation.satellite_in_sync(SAT, GENEROUS).await;
    equal(&installation, &old, &reader).await;

    // The SatelliteCluster is deleted: its ConfigMaps of both names go, and foreign ones stay.
    let theirs = json!({ "metadata": { "name": "groundlink-theirs" }, "data": { "a": "b" } });
    maps.create(&Default::default(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    installation.satellites().delete(SAT, &DeleteParams::default()).await.unwrap();
    installation.satellite_gone(SAT, GENEROUS).await;
    assert_eq!(names(&maps, "").await, ["groundlink-theirs", "kube-root-ca.crt"].map(str::to_owned)[..1]);
    let to_the_deleted = |e: &crate::support::Exchange| {
        e.path.contains("/satelliteclusters/") && e.is_mutating() && e.status == Some(404)
    };
    installation.put("team-a", "two", host("last")).await;
    installation.published("team-a", "two").await;
    assert!(
        installation.recorder.count(to_the_deleted) <= 1,
        "the status of the deleted satellite is written again and again"
    );
    assert!(operator.exit_status().is_none());
}

async fn names(maps: &Api<ConfigMap>, prefix: &str) -> Vec<String> {
    let maps = maps.list(&ListParams::default()).await.unwrap().items;
    maps.iter().map(ResourceExt::name_any).filter(|name| name.starts_with(prefix)).collect()
}

/// An edited revision annotation affects only this satellite.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_revision_stops_no_delivery_and_cannot_inflate_the_term() {
    let installation = Installation::start(&[SAT, "sat-b"]).await;
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("first")).await;
    installation.synced("team-a", "web").await;
    let maps = installation.config_maps(SAT).await;
    let term = async || {
        let text = operator.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix("groundlink_snapshot_term "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let first = term().await;
    let revisions = [
        ("18446744073709551614.1".to_owned(), first),
        ("2147483646.1".to_owned(), first),
        // A revision that an operator may have written: the set is delivered under a higher term.
        (format!("{first}.999999"), first + 1),
    ];
    for (revision, expected) in revisions {
        let edit = json!({ "metadata": { "annotations": { "groundlink.dev/revision": revision } } });
        maps.patch("groundlink", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
        installation.put("team-a", "web", host(&revision)).await;
        installation.synced("team-a", "web").await;
        assert_eq!(installation.equal(SAT, GENEROUS).await.len(), 1, "{revision}");
        assert_eq!(term().await, expected, "{revision}");
    }
    installation.satellite_in_sync("sat-b", GENEROUS).await;
    assert!(operator.exit_status().is_none());
}
