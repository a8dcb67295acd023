//! A satellite after an outage, after the restore of an old backup, and after its replacement by an
//! empty cluster.

use super::stage::{LONG, TEAM, equal, volume_holds};
use crate::support::reader::{Files, Maps};
use crate::support::{
    Action, Fault, Installation, Place, Reader, SatelliteWatch, bulk_host, bulk_name, change_all, create_all,
    delete_all, eventually,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams};
use std::time::{Duration, Instant};

const SAT: &str = "sat-a";
const NOTES: usize = 400;
/// Longest recovery after an outage: generous for one probe and one pass.
const RECOVERY: Duration = Duration::from_secs(60);

/// Makes the satellite unreachable for the operator.
fn cut(installation: &Installation) {
    let proxy = &installation.proxies[SAT];
    proxy.set_fault(Some(Fault::on(Action::DropBefore, |_, _| true)));
    proxy.cut_connections();
}

async fn delete_maps(place: &Place) {
    for name in place.maps().await.unwrap().keys() {
        match place.api().delete(name, &DeleteParams::default()).await {
            // A connected operator deletes as well.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            deleted => drop(deleted.unwrap()),
        }
    }
}

/// Restores ConfigMaps like a backup tool.
async fn restore(place: &Place, maps: &Maps) {
    delete_maps(place).await;
    for (name, map) in maps {
        let mut map = map.clone();
        map.metadata = ObjectMeta {
            name: Some(name.clone()),
            labels: map.metadata.labels.take(),
            annotations: map.metadata.annotations.take(),
            ..ObjectMeta::default()
        };
        eventually(LONG, &format!("{name} is restored"), async || {
            match place.api().create(&PostParams::default(), &map).await {
                // A connected operator recreated it first: overwrite that.
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    let replaced = place.api().replace(name, &PostParams::default(), &map).await;
                    replaced.map(drop).map_err(|error| error.to_string())
                }
                created => {
                    drop(created.unwrap());
                    Ok(())
                }
            }
        })
        .await;
    }
}

fn assert_nothing_undead(files: &Files) {
    let dead: Vec<_> = (1000..1500)
        .map(|number| format!("{TEAM}.{}.conf", bulk_name(number)))
        .filter(|key| files.contains_key(key))
        .collect();
    assert!(dead.is_empty(), "deleted objects on the satellite: {dead:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_recovers_from_an_outage_an_old_backup_and_an_empty_cluster() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&[SAT]).await;
    let place = installation.place(SAT).await;
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    let hub = &installation.hub;
    create_all(hub, TEAM, 0..2000, |number| bulk_host(number, 1, NOTES)).await;
    let files = volume_holds(&volume, 2000, 2000, |text| text.contains("version 1;")).await;
    let first = equal(&place, &reader, &files, LONG).await;
    assert_eq!(first.layout, "Snapshot");
    let backup = place.maps().await.unwrap();
    reader.read(&backup, "groundlink", SAT).expect("the backup is a complete set");

    // 1,000 changes and 500 deletions during the outage.
    cut(&installation);
    let away = Instant::now();
    change_all(hub, TEAM, 0..1000, |number| bulk_host(number, 2, NOTES)).await;
    delete_all(hub, TEAM, 1000..1500).await;
    let files = volume_holds(&volume, 1500, 1000, |text| text.contains("version 2;")).await;
    assert_eq!(
        place.read(&reader).await.unwrap().files,
        first.files,
        "the satellite changed during the outage"
    );
    let outage = away.elapsed();
    installation.proxies[SAT].set_fault(None);
    let back = Instant::now();
    let second = equal(&place, &reader, &files, RECOVERY).await;
    println!(
        "outage: {outage:.1?} with 1,000 changes and 500 deletions; equal {:.1?} after its end",
        back.elapsed()
    );
    assert_nothing_undead(&second.files);
    assert!(second.revision > first.revision);
    installation.satellite_in_sync(SAT, LONG).await;

    // Restored from the backup: pointer and shards of the older revision. Nothing changes on the
    // hub.
    cut(&installation);
    restore(&place, &backup).await;
    assert_eq!(place.read(&reader).await.unwrap().files, first.files, "the restored set must be the old one");
    // Shards of the current set are missing there now. The pointer may not name them before they
    // exist again.
    let watch = SatelliteWatch::start(&place, &reader).await;
    installation.proxies[SAT].set_fault(None);
    let back = Instant::now();
    let healed = equal(&place, &reader, &files, RECOVERY).await;
    println!("old backup: equal {:.1?} after it was reachable", back.elapsed());
    assert_nothing_undead(&healed.files);
    assert!(healed.revision >= second.revision, "{:?} after {:?}", healed.revision, second.revision);
    installation.satellite_in_sync(SAT, LONG).await;
    watch.assert_clean().await;
    drop(watch);

    // The same while the operator is connected.
    restore(&place, &backup).await;
    let back = Instant::now();
    let healed = equal(&place, &reader, &files, RECOVERY).await;
    println!("old backup while it is connected: equal after {:.1?}", back.elapsed());
    assert_nothing_undead(&healed.files);

    // An old pointer with the current shards; then shards without a pointer.
    let pointer: Maps = backup
        .iter()
        .filter(|(name, _)| *name == "groundlink")
        .map(|(n, m)| (n.clone(), m.clone()))
        .collect();
    let mut present = place.maps().await.unwrap();
    present.extend(pointer);
    cut(&installation);
    restore(&place, &present).await;
    installation.proxies[SAT].set_fault(None);
    equal(&place, &reader, &files, RECOVERY).await;
    place.api().delete("groundlink", &DeleteParams::default()).await.unwrap();
    equal(&place, &reader, &files, RECOVERY).await;

    // An empty cluster silently replaces the satellite. The operator must not assume that the
    // shards of the old one exist there.
    cut(&installation);
    delete_maps(&place).await;
    let watch = SatelliteWatch::start(&place, &reader).await;
    installation.proxies[SAT].set_fault(Some(Fault::on(Action::DropBefore, |head, _| {
        head.method == Method::GET && head.uri.path().ends_with("/configmaps")
    })));
    let back = Instant::now();
    let filled = equal(&place, &reader, &files, RECOVERY).await;
    println!("empty cluster: equal {:.1?} after it was reachable", back.elapsed());
    assert_eq!(filled.digest, second.digest);
    watch.assert_clean().await;
    installation.proxies[SAT].set_fault(None);
    installation.satellite_in_sync(SAT, LONG).await;
    assert!(operator.exit_status().is_none());
}
