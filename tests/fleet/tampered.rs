//! What people do to delivered ConfigMaps, and what a satellite's namespace can refuse: it is said in one word, with what to do,
//! and it heals as soon as it can.

use crate::stage::{LONG, TEAM, all_ready, equal};
use crate::support::reader::published;
use crate::support::{Installation, Place, Reader, bulk_host, create_all, eventually, grant};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use groundlink::api::{Condition, ConditionStatus, ConditionType};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
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
async fn what_is_done_to_pointer_and_shards_is_put_right() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&[SAT]).await;
    let place = installation.place(SAT).await;
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    create_all(&installation.hub, TEAM, 0..180, |number| bulk_host(number, 1, NOTES)).await;
    all_ready(&installation, 180).await;
    let files = published(&volume);
    let good = equal(&place, &reader, &files, LONG).await;
    assert_eq!(good.layout, "Snapshot");
    installation.satellite_in_sync(SAT, LONG).await;

    let heals = async |what: &str| {
        let started = Instant::now();
        let held = equal(&place, &reader, &files, HEALS).await;
        assert_eq!(held.digest, good.digest, "{what}");
        installation.satellite_in_sync(SAT, LONG).await;
        println!("tampered: {what}: put right after {:.1?}", started.elapsed());
    };
    let manifest = |value: Value| json!({ "data": { "manifest.json": value } });
    let no_labels = json!({ "metadata": { "labels": null } });
    patch(&place, "groundlink", manifest(json!("{}"))).await;
    heals("manifest edited").await;
    patch(&place, "groundlink", json!({ "data": null })).await;
    heals("pointer emptied").await;
    patch(&place, "groundlink", json!({ "data": { "team-a.more.conf": "object Host \"more\" {}" } })).await;
    heals("pointer with one key more").await;
    patch(&place, "groundlink", json!({ "metadata": { "annotations": null } })).await;
    heals("annotations removed").await;
    place.api().delete("groundlink", &DeleteParams::default()).await.unwrap();
    heals("pointer deleted").await;
    patch(&place, "groundlink", json!({ "immutable": true })).await;
    patch(
        &place,
        "groundlink",
        json!({ "metadata": { "annotations": { "groundlink.dev/digest": "sha256:00" } } }),
    )
    .await;
    heals("pointer made immutable and marked wrongly").await;
    place.api().delete(&a_shard(&place, &reader).await, &DeleteParams::default()).await.unwrap();
    heals("shard deleted").await;
    let shard = a_shard(&place, &reader).await;
    place.api().delete(&shard, &DeleteParams::default()).await.unwrap();
    // Somebody's own of the same name: what it holds is not what its name says.
    let theirs = json!({ "metadata": { "name": shard, "labels": {
        "app.kubernetes.io/managed-by": "groundlink", "groundlink.dev/satellite": SAT, "groundlink.dev/part": "shard",
    } }, "data": { "x": "y" } });
    // The operator may have been faster.
    let _ = place.api().create(&Default::default(), &serde_json::from_value(theirs).unwrap()).await;
    heals("shard with other content").await;
    patch(&place, &a_shard(&place, &reader).await, json!({ "metadata": { "annotations": null } })).await;
    heals("annotations of a shard removed").await;

    // Without its labels the pointer is not ours any more: it is not touched, and the SatelliteCluster says so.
    patch(&place, "groundlink", no_labels.clone()).await;
    let said = says(&installation, SAT, ConditionType::Stalled, ConditionStatus::True, &["Conflict"]).await;
    assert!(
        said.message.contains("icinga/groundlink") && said.message.contains("adoptionPolicy"),
        "{}",
        said.message
    );
    let untouched = place.api().get("groundlink").await.unwrap().metadata.labels;
    assert!(untouched.unwrap_or_default().is_empty(), "it was touched");
    installation.change_satellite(SAT, json!({ "adoptionPolicy": "IfIdentical" })).await;
    heals("labels of the pointer removed").await;
    installation.change_satellite(SAT, json!({ "adoptionPolicy": "Never" })).await;
    let other = json!({ "metadata": { "labels": { "groundlink.dev/satellite": "someone-else" } } });
    patch(&place, "groundlink", other).await;
    says(&installation, SAT, ConditionType::Stalled, ConditionStatus::True, &["Conflict"]).await;
    place.api().delete("groundlink", &DeleteParams::default()).await.unwrap();
    heals("pointer of someone else deleted").await;
    patch(&place, &a_shard(&place, &reader).await, no_labels).await;
    let said = eventually(HEALS, "a shard without labels is healed or told", async || {
        if place.read(&reader).await.is_ok() {
            return Ok("healed".to_owned());
        }
        let object = installation.satellites().get(SAT).await.map_err(|error| error.to_string())?;
        let conditions = object.status.unwrap_or_default().conditions;
        let told = conditions
            .into_iter()
            .find(|c| c.r#type == ConditionType::Ready)
            .filter(|c| c.status == ConditionStatus::False);
        told.map(|c| format!("{:?}: {}", c.reason, c.message)).ok_or("neither".to_owned())
    })
    .await;
    println!("tampered: labels of a shard removed: {said}");
    assert!(operator.exit_status().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_missing_ending_or_full_says_so() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    let places = installation.join_fleet(&["sats"], 3, json!({})).await;
    let server = installation.plane.server("sats");
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let [full, ending, missing] = &places[..] else { panic!("three") };
    // Full before the first shard; without a controller the usage is what the quota's admission itself writes.
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q", "namespace": full.namespace },
        "spec": { "hard": { "count/configmaps": "1" } },
        "status": { "hard": { "count/configmaps": "1" }, "used": { "count/configmaps": "1" } },
    });
    let quota_file = quota.to_string();
    crate::support::succeeded("quota", &server.kubectl_with_input(&["apply", "-f", "-"], &quota_file).await);
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
    crate::support::succeeded("quota", &server.kubectl(&arguments).await);
    // Without a controller manager a deleted namespace stays Terminating.
    let namespaces = ["delete", "namespace", &ending.namespace, "--wait=false"];
    crate::support::succeeded("delete", &server.kubectl(&namespaces).await);
    // As an admin, whom RBAC does not stop before the namespace does.
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
    let reasons = ["NamespaceTerminating", "NamespaceMissing", "Forbidden"];
    let said = says(&installation, &ending.satellite, ConditionType::Ready, no, &reasons).await;
    println!("namespace is ending: {:?} {}", said.reason, said.message);
    assert!(!said.message.contains("grant the Role"), "it is no matter of a Role: {}", said.message);

    let delete = ["delete", "resourcequota", "q", "-n", &full.namespace];
    crate::support::succeeded("delete", &server.kubectl(&delete).await);
    equal(full, &reader, &files, HEALS).await;
    grant(&server, "nowhere").await;
    equal(&missing, &reader, &files, HEALS).await;
    for satellite in [&full.satellite, &missing.satellite] {
        installation.satellite_in_sync(satellite, LONG).await;
    }
    assert!(operator.exit_status().is_none());
}

async fn says(
    installation: &Installation,
    name: &str,
    kind: ConditionType,
    status: ConditionStatus,
    reasons: &[&str],
) -> Condition {
    eventually(LONG, &format!("{name} says {kind:?}={status:?} {reasons:?}"), async || {
        let object = installation.satellites().get(name).await.map_err(|error| error.to_string())?;
        let conditions = object.status.map(|status| status.conditions).unwrap_or_default();
        match conditions.into_iter().find(|condition| condition.r#type == kind) {
            Some(c) if c.status == status && reasons.contains(&format!("{:?}", c.reason).as_str()) => Ok(c),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}
