//! Edited or deleted ConfigMaps, and namespaces that refuse a delivery. Each is reported with a
//! reason and a remedy, and heals as soon as possible.

use super::stage::{LONG, TEAM, all_ready, equal, says};
use crate::support::reader::published;
use crate::support::{
    ApiServer, Installation, Place, Reader, bulk_host, create_all, eventually, grant, succeeded,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use groundlink::api::{ConditionStatus, ConditionType};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SAT: &str = "sat-a";
const NOTES: usize = 8000;
const HEALS: Duration = Duration::from_secs(60);

async fn patch(place: &Place, name: &str, patch: Value) {
    place.api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

async fn a_shard(place: &Place, reader: &Reader) -> String {
    place.read(reader).await.unwrap().shards.first().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_pointers_and_shards_are_restored() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    // More than five corrections of one object count as a fight, so spread the edits over four
    // pointers.
    let places = installation.join_fleet(&["sats"], 4, json!({})).await;
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    create_all(&installation.hub, TEAM, 0..180, |number| bulk_host(number, 1, NOTES)).await;
    all_ready(&installation, 180).await;
    let files = published(&volume);
    for place in &places {
        let good = equal(place, &reader, &files, LONG).await;
        assert_eq!(good.layout, "Snapshot");
        installation.satellite_in_sync(&place.satellite, LONG).await;
    }
    let heals = async |place: &Place, what: &str| {
        let started = Instant::now();
        equal(place, &reader, &files, HEALS).await;
        installation.satellite_in_sync(&place.satellite, LONG).await;
        println!("tampered: {what}: restored after {:.1?}", started.elapsed());
    };
    let [first, second, third, place] = &places[..] else { panic!("four") };
    patch(first, "groundlink", json!({ "data": { "manifest.json": "{}" } })).await;
    heals(first, "manifest edited").await;
    patch(first, "groundlink", json!({ "data": null })).await;
    heals(first, "pointer emptied").await;
    patch(first, "groundlink", json!({ "data": { "team-a.more.conf": "object Host \"more\" {}" } })).await;
    heals(first, "pointer with one key more").await;
    patch(second, "groundlink", json!({ "metadata": { "annotations": null } })).await;
    heals(second, "annotations removed").await;
    second.api().delete("groundlink", &DeleteParams::default()).await.unwrap();
    heals(second, "pointer deleted").await;
    patch(second, "groundlink", json!({ "immutable": true })).await;
    patch(
        second,
        "groundlink",
        json!({ "metadata": { "annotations": { "groundlink.dev/digest": "sha256:00" } } }),
    )
    .await;
    heals(second, "pointer made immutable and marked wrongly").await;
    third.api().delete(&a_shard(third, &reader).await, &DeleteParams::default()).await.unwrap();
    heals(third, "shard deleted").await;
    // Other content under a shard's name, without labels and with ours. The operator is paused
    // meanwhile, or it would recreate the shard first. A name in the pointer is ours, so the shard
    // is recreated either way.
    let ours = third.maps().await.unwrap()["groundlink"].metadata.labels.clone().unwrap_or_default();
    let of_a_shard = ours.into_iter().chain([("groundlink.dev/part".to_owned(), "shard".to_owned())]);
    for (what, labels) in [("none", BTreeMap::new()), ("ours", of_a_shard.collect())] {
        let shard = a_shard(third, &reader).await;
        operator.pause();
        third.api().delete(&shard, &DeleteParams::default()).await.unwrap();
        let metadata = json!({ "name": shard, "labels": labels });
        let taken: ConfigMap =
            serde_json::from_value(json!({ "metadata": metadata, "data": { "x": "y" } })).unwrap();
        let taken = third.api().create(&PostParams::default(), &taken).await.expect("the name is free");
        operator.resume();
        heals(third, &format!("a shard's name taken by other content, labels: {what}")).await;
        let healed = third.api().get(&shard).await.unwrap();
        assert_ne!(healed.metadata.uid, taken.metadata.uid, "it was not recreated");
        assert!(healed.data.is_none() && healed.immutable == Some(true), "{:?}", healed.data);
    }

    let sat = place.satellite.as_str();
    let no_labels = json!({ "metadata": { "labels": null } });
    // A pointer without its labels is not ours: it is left alone, and the SatelliteCluster reports
    // it.
    patch(place, "groundlink", no_labels.clone()).await;
    let said = says(&installation, sat, ConditionType::Stalled, ConditionStatus::True, &["Conflict"]).await;
    assert!(
        said.message.contains("/groundlink") && said.message.contains("adoptionPolicy"),
        "{}",
        said.message
    );
    let untouched = place.api().get("groundlink").await.unwrap().metadata.labels;
    assert!(untouched.unwrap_or_default().is_empty(), "it was touched");
    installation.change_satellite(sat, json!({ "adoptionPolicy": "IfIdentical" })).await;
    heals(place, "labels of the pointer removed").await;
    installation.change_satellite(sat, json!({ "adoptionPolicy": "Never" })).await;
    let other = json!({ "metadata": { "labels": { "groundlink.dev/satellite": "someone-else" } } });
    patch(place, "groundlink", other).await;
    says(&installation, sat, ConditionType::Stalled, ConditionStatus::True, &["Conflict"]).await;
    place.api().delete("groundlink", &DeleteParams::default()).await.unwrap();
    heals(place, "foreign pointer deleted").await;
    let shard = a_shard(place, &reader).await;
    let before = place.api().get(&shard).await.unwrap();
    patch(place, &shard, no_labels).await;
    // Its content is right, so it gets its labels back and is not recreated.
    heals(place, "labels of a shard removed").await;
    let healed = place.api().get(&shard).await.unwrap();
    assert_eq!((healed.metadata.uid, healed.metadata.labels), (before.metadata.uid, before.metadata.labels));
    assert!(operator.exit_status().is_none());
}

/// A fight over one object must not delay the repair of another.
#[tokio::test(flavor = "multi_thread")]
async fn a_fight_over_the_pointer_does_not_stop_the_repair_of_a_shard() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&[SAT]).await;
    let place = installation.place(SAT).await;
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let _operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    create_all(&installation.hub, TEAM, 0..180, |number| bulk_host(number, 1, NOTES)).await;
    all_ready(&installation, 180).await;
    let files = published(&volume);
    for _ in 0..6 {
        equal(&place, &reader, &files, LONG).await;
        installation.satellite_in_sync(SAT, LONG).await;
        patch(&place, "groundlink", json!({ "data": { "team-a.more.conf": "object Host \"more\" {}" } }))
            .await;
    }
    equal(&place, &reader, &files, HEALS).await;
    place.api().delete(&a_shard(&place, &reader).await, &DeleteParams::default()).await.unwrap();
    equal(&place, &reader, &files, HEALS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_terminating_or_full_namespace_is_reported() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    let places = installation.join_fleet(&["sats"], 3, json!({})).await;
    let server = installation.plane.server("sats");
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let [full, ending, missing] = &places[..] else { panic!("three") };
    // Full before the first shard. There is no quota controller here: only the quota's admission
    // plugin writes the usage.
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q", "namespace": full.namespace },
        "spec": { "hard": { "count/configmaps": "1" } },
        "status": { "hard": { "count/configmaps": "1" }, "used": { "count/configmaps": "1" } },
    });
    let quota_file = quota.to_string();
    succeeded("quota", &server.kubectl_with_input(&["apply", "-f", "-"], &quota_file).await);
    let status = json!({ "status": quota["status"] }).to_string();
    let arguments = [
        "patch",
        "resourcequota",
        "q",
        "-n",
        &full.namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    succeeded("quota", &server.kubectl(&arguments).await);
    // Without a controller manager a deleted namespace stays Terminating.
    let namespaces = ["delete", "namespace", &ending.namespace, "--wait=false"];
    succeeded("delete", &server.kubectl(&namespaces).await);
    // As an admin: any other account would fail at RBAC first.
    let admin = server.admin_kubeconfig().replace(&server.url(), &installation.proxies["sats"].url());
    installation.set_secret(&missing.satellite, &admin).await;
    installation.change_satellite(&missing.satellite, json!({ "target": { "namespace": "nowhere" } })).await;
    let missing = Place { namespace: "nowhere".into(), ..missing.clone() };

    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    create_all(&installation.hub, TEAM, 0..180, |number| bulk_host(number, 1, NOTES)).await;
    all_ready(&installation, 180).await;
    let files = published(&volume);
    let no = ConditionStatus::False;
    let said = says(&installation, &full.satellite, ConditionType::Ready, no, &["QuotaExceeded"]).await;
    assert!(said.message.contains("raise the quota"), "{}", said.message);
    let said = says(&installation, &missing.satellite, ConditionType::Ready, no, &["NamespaceMissing"]).await;
    assert!(said.message.contains("create the namespace"), "{}", said.message);
    let said = says(&installation, &ending.satellite, ConditionType::Ready, no, &["NamespaceMissing"]).await;
    assert!(said.message.contains("create it again"), "{}", said.message);
    assert!(!said.message.contains("grant the Role"), "a Role is not the remedy: {}", said.message);

    let delete = ["delete", "resourcequota", "q", "-n", &full.namespace];
    succeeded("delete", &server.kubectl(&delete).await);
    equal(full, &reader, &files, HEALS).await;
    grant(&server, "nowhere").await;
    equal(&missing, &reader, &files, HEALS).await;
    end_namespace(&server, &ending.namespace).await;
    grant(&server, &ending.namespace).await;
    // The recreated namespace has a new account, and so a new token.
    let token = server.service_account_token(&ending.namespace, "groundlink").await;
    let kubeconfig = server.kubeconfig_for(&installation.proxies["sats"].url(), &token);
    installation.set_secret(&ending.satellite, &kubeconfig).await;
    let started = Instant::now();
    equal(ending, &reader, &files, HEALS).await;
    println!("namespace: equal {:.1?} after it was recreated", started.elapsed());
    for satellite in [&full.satellite, &missing.satellite, &ending.satellite] {
        installation.satellite_in_sync(satellite, LONG).await;
    }
    assert!(operator.exit_status().is_none());
}

/// Finishes a deletion like a controller manager: deletes the contents of the namespace, then
/// finalizes it.
async fn end_namespace(server: &ApiServer, name: &str) {
    let kinds = "configmaps,secrets,serviceaccounts,roles,rolebindings";
    let delete = ["delete", kinds, "--all", "-n", name];
    succeeded("delete", &server.kubectl(&delete).await);
    let path = format!("/api/v1/namespaces/{name}/finalize");
    let finalized = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name }, "spec": { "finalizers": [] },
    });
    let replace = ["replace", "--raw", &path, "-f", "-"];
    succeeded("finalize", &server.kubectl_with_input(&replace, &finalized.to_string()).await);
    eventually(LONG, &format!("namespace {name} is gone"), async || {
        let found = server.kubectl(&["get", "namespace", name, "--ignore-not-found", "-o", "name"]).await;
        succeeded("get", &found);
        if found.stdout.is_empty() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&found.stdout).into_owned())
        }
    })
    .await;
}
