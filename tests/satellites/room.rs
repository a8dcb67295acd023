//! A satellite without room: garbage is deleted first.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, eventually, host, succeeded};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use http::Method;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;

const SAT: &str = "sat-a";

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_deleted_to_make_room_when_a_quota_is_full() {
    let installation = Installation::start(&[SAT]).await;
    let server = installation.plane.server(SAT);
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.change_satellite(SAT, json!({ "target": { "layout": "Snapshot" } })).await;
    let maps: Api<_> = installation.config_maps(SAT).await;
    let shards = async || -> Vec<String> {
        let maps = maps.list(&ListParams::default()).await.unwrap().items;
        maps.iter().map(ResourceExt::name_any).filter(|name| name.starts_with("groundlink-")).collect()
    };
    let mut first = Vec::new();
    for (number, notes) in ["first", "second", "third"].into_iter().enumerate() {
        installation.put("team-a", "web", host(notes)).await;
        installation.synced("team-a", "web").await;
        if number == 0 {
            first = shards().await;
        }
    }
    assert!(first.len() == 1 && shards().await.contains(&first[0]), "the garbage was deleted at once");
    // There is no quota controller here. Only the quota's admission plugin writes the usage.
    let counts = json!({ "count/configmaps": "1" });
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q", "namespace": "icinga" },
        "spec": { "hard": counts },
    });
    succeeded("quota", &server.kubectl_with_input(&["apply", "-f", "-"], &quota.to_string()).await);
    let status = json!({ "status": { "hard": counts, "used": counts } }).to_string();
    let patch = [
        "patch",
        "resourcequota",
        "q",
        "-n",
        "icinga",
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    succeeded("quota", &server.kubectl(&patch).await);
    installation.recorder.clear();
    installation.put("team-a", "web", host("fourth")).await;
    let full = (ConditionStatus::False, Reason::QuotaExceeded);
    installation.satellite_says(SAT, ConditionType::Synced, full, GENEROUS).await;
    eventually(GENEROUS, "the garbage is deleted", async || {
        let left = shards().await;
        if left.contains(&first[0]) { Err(format!("{left:?}")) } else { Ok(()) }
    })
    .await;
    let deleted = installation
        .recorder
        .matching(|e| e.server == SAT && e.method == Method::DELETE)
        .into_iter()
        .map(|e| e.path.rsplit('/').next().unwrap_or_default().to_owned());
    assert_eq!(deleted.collect::<Vec<_>>(), first, "only garbage may be deleted");
    succeeded("quota", &server.kubectl(&["delete", "resourcequota", "q", "-n", "icinga"]).await);
    installation.satellite_in_sync(SAT, GENEROUS).await;
    installation.synced("team-a", "web").await;
}
