//! Tests the witness on a live system. The test itself breaks the promise: it writes to a satellite
//! with the account and the proxy of the operator. The witness must report exactly these writes.

use super::evidence::History;
use super::rules::Rule;
use super::witness::check;
use crate::support::{Action, Fault, GENEROUS, Installation, VolumeWatch, client_of, eventually};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;

const KEY: &str = "team-a.web.conf";

#[tokio::test(flavor = "multi_thread")]
async fn the_witness_reports_bytes_delivered_ahead_of_the_promise() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&["sat-a"]).await;
    let watch = VolumeWatch::start(installation.volume(), installation.recorder.sequence());
    installation.recorder.before_each_request(watch.flusher());
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    let host = |notes: &str| json!({ "host": { "checkCommand": "hostalive", "notes": notes } });
    installation.put("team-a", "web", host("one")).await;
    installation.synced("team-a", "web").await;
    let directories = installation.recorder.sequence().now();
    let history = || History::take(&installation.recorder, &watch, directories);
    assert_eq!(check(&history()).violations, []);

    let server = installation.plane.server("sat-a");
    let token = server.service_account_token("icinga", "groundlink").await;
    let client = client_of(&server.kubeconfig_for(&installation.proxies["sat-a"].url(), &token)).await;
    let pointers = Api::<ConfigMap>::namespaced(client, "icinga");
    let plant = async |text: String| {
        let mut pointer = pointers.get("groundlink").await.unwrap();
        let annotations = pointer.metadata.annotations.as_mut().unwrap();
        let revision = annotations.get_mut("groundlink.dev/revision").unwrap();
        let (term, counter) = revision.split_once('.').unwrap();
        *revision = format!("{term}.{}", counter.parse::<u64>().unwrap() + 1);
        pointer.data.as_mut().unwrap().insert(KEY.to_owned(), text);
        pointers.replace("groundlink", &PostParams::default(), &pointer).await.unwrap();
    };

    // Bytes that are in place, but not acknowledged yet.
    let held = Fault::on(Action::Hang, |head, _| head.uri.path().ends_with("/monitoringobjects/web/status"));
    installation.hub_proxy.set_fault(Some(held.clone()));
    installation.put("team-a", "web", host("two")).await;
    let early = eventually(GENEROUS, "the status write is held", async || {
        let text = installation.files().remove(KEY).ok_or("no file")?;
        (text.contains("two") && held.hits() > 0).then_some(text).ok_or_else(|| "not yet".into())
    });
    let early = early.await;
    plant(early.clone()).await;
    let found = check(&history()).violations;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (found[0].rule, found[0].subject.as_str()),
        (Rule::DeliveredBeforeAcknowledgement, "team-a/web")
    );

    // Bytes that were never in place.
    plant(early.replace("two", "three")).await;
    let found = check(&history()).violations;
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((found[1].rule, found[1].subject.as_str()), (Rule::DeliveredBeforeRename, "team-a/web"));
    println!(
        "planted: of {} satellite writes the witness named the 2 that the test itself made: {:?}, {:?}",
        check(&history()).satellite_writes,
        found[0].rule,
        found[1].rule
    );
    drop(operator);
}
