//! The operator names and awaits everything that is missing at its start, and later finds changes
//! that it missed.

use crate::GROUNDLINK;
use crate::support::{
    Action, Fault, GENEROUS, Installation, Operator, condition_of, digest, eventually, host, on_ready,
};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use http::Method;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

async fn readyz_names(operator: &Operator, words: &[&str]) {
    eventually(GENEROUS, &format!("/readyz names {words:?}"), async || {
        assert!(operator.exit_status().is_none(), "the process ended");
        let (code, body) = operator.get("/readyz").await;
        match code == 503 && words.iter().all(|word| body.contains(word)) {
            true => Ok(()),
            false => Err(format!("{code} {body}")),
        }
    })
    .await;
    assert_eq!(operator.get("/livez").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_prerequisites_are_named_and_waited_for() {
    let mut installation = Installation::start(&["sat-a"]).await;
    let volume = installation.scratch().join("later");
    installation.set_volume(&volume);
    let server = installation.plane.server("hub");
    let saved = server.kubectl(&["get", "clusterrolebinding", "groundlink", "-o", "json"]).await;
    let mut binding: Value = serde_json::from_slice(&saved.stdout).unwrap();
    binding["metadata"] = json!({ "name": "groundlink" });
    let secret = installation.secret("sat-a").await;
    installation.kubectl(&["delete", "clusterrolebinding", "groundlink"]).await;
    installation.kubectl(&["delete", "-f", CRDS]).await;

    let operator = installation.operator_builder(GROUNDLINK).await.spawn();
    readyz_names(&operator, &["volume", "later", "cannot open it"]).await;
    std::fs::create_dir(&volume).unwrap();
    readyz_names(&operator, &["monitoringobjects", "ClusterRole"]).await;
    installation.apply(&[binding]).await;
    readyz_names(&operator, &["CRD monitoringobjects.groundlink.dev is not installed"]).await;
    let started = Instant::now();
    installation.kubectl(&["apply", "--server-side", "-f", CRDS]).await;
    installation.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]).await;
    installation.ready(&operator).await;
    println!("ready {:?} after the CRDs came", started.elapsed());
    installation.namespace("team-a").await;
    installation.set_secret("sat-a", &secret).await;
    installation.register("sat-a", json!({})).await;
    installation.put("team-a", "web", host("one")).await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    installation.synced("team-a", "web").await;
    installation.equal("sat-a", GENEROUS).await;

    // SIGTERM ends the operator in time even while a status write and a satellite hang.
    let fault = on_ready(Action::Hang, "web");
    installation.hub_proxy.set_fault(Some(fault.clone()));
    let hanging = Fault::on(Action::Hang, |head, _| head.uri.path().contains("configmaps"));
    installation.proxies["sat-a"].set_fault(Some(hanging.clone()));
    installation.put("team-a", "beside", host("satellite hangs")).await;
    installation.put("team-a", "web", host("status hangs")).await;
    eventually(GENEROUS, "both hang", async || match (fault.hits(), hanging.hits()) {
        (1.., 1..) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let started = Instant::now();
    let status = operator.terminate(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}: {}", operator.log_text());
    println!("SIGTERM while things hang: ended after {:?}", started.elapsed());
    // The next process continues where it stopped.
    installation.hub_proxy.set_fault(None);
    installation.proxies["sat-a"].set_fault(None);
    let started = Instant::now();
    let _operator = installation.operator(GROUNDLINK).await;
    println!("the next process is ready after {:?}", started.elapsed());
    for name in ["web", "beside"] {
        installation.synced("team-a", name).await;
    }
    assert!(installation.equal("sat-a", GENEROUS).await["team-a.web.conf"].contains("status hangs"));
}

/// R6: deletions that happened while the watch was broken are found by a complete LIST.
#[tokio::test(flavor = "multi_thread")]
async fn changes_during_a_broken_watch_are_found() {
    let installation = Installation::start(&["sat-a"]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    for name in ["stays", "goes", "goes-too", "changes", "reborn"] {
        installation.put("team-a", name, host("first")).await;
    }
    for name in ["stays", "goes", "goes-too", "changes", "reborn"] {
        installation.synced("team-a", name).await;
    }

    // Deletions and changes while the watch is cut. The first time it can resume; the second time
    // its version is too old.
    for (gone, expired) in [("goes", false), ("goes-too", true)] {
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "too old resource version", "reason": "Expired", "code": 410 });
        let event = format!("{}\n", json!({ "type": "ERROR", "object": status }));
        let fault = Fault::on(Action::Respond { status: 200, body: event.into() }, |head, _| {
            head.method == Method::GET
                && head.uri.path().ends_with("/monitoringobjects")
                && head.uri.query().is_some_and(|query| query.contains("watch="))
        })
        .times(1);
        // Set the fault before the cut: the next watch may begin while the proxy holds everything
        // back.
        installation.recorder.clear();
        installation.hub_proxy.set_fault(expired.then(|| fault.clone()));
        installation.hub_proxy.pause_all();
        installation.hub_proxy.cut_connections();
        let old = installation.objects("team-a").get("reborn").await.unwrap();
        installation.delete("team-a", gone).await;
        installation.delete("team-a", "reborn").await;
        let new = installation.put("team-a", "reborn", host(gone)).await;
        assert_ne!(old.metadata.uid, new.metadata.uid);
        installation.put("team-a", "changes", host(gone)).await;
        installation.hub_proxy.resume_all();
        for name in ["changes", "reborn"] {
            installation.synced("team-a", name).await;
        }
        let key = format!("team-a.{gone}.conf");
        let held = eventually(GENEROUS, &format!("{gone} is gone everywhere"), async || {
            let held = installation.equal("sat-a", GENEROUS).await;
            if held.contains_key(&key) { Err("there".to_owned()) } else { Ok(held) }
        })
        .await;
        assert!(held["team-a.changes.conf"].contains(gone) && held["team-a.reborn.conf"].contains(gone));
        assert_eq!(fault.hits(), u64::from(expired));
        let lists = installation.recorder.count(|e| e.path.ends_with("/monitoringobjects") && !e.is_watch());
        assert_eq!(lists > 0, expired, "a new LIST if, and only if, the watch could not resume");
        let writes = installation.recorder.count(|e| e.is_mutating() && e.path.contains("/stays/"));
        assert_eq!(writes, 0, "an unchanged object was written");
    }

    // A status that somebody edited is corrected.
    let file = installation.files()["team-a.stays.conf"].clone();
    let before = installation.objects("team-a").get("stays").await.unwrap().status.unwrap();
    installation.recorder.clear();
    let lie = json!({ "status": { "publishedDigest": digest(b"lie"), "revision": null, "conditions": [{
        "type": "Ready", "status": "False", "reason": "Invalid", "message": "by hand",
        "observedGeneration": 1, "lastTransitionTime": "2020-01-01T00:00:00Z" }] } });
    let arguments = ["patch", "mo", "stays", "-n", "team-a", "--subresource=status", "--type=merge", "-p"];
    installation.kubectl(&[&arguments[..], &[&lie.to_string()]].concat()).await;
    let object = installation.synced("team-a", "stays").await;
    let status = object.status.unwrap();
    assert_eq!(status.published_digest, Some(digest(file.as_bytes())));
    assert_eq!(status.conditions.len(), before.conditions.len());
    assert!(status.conditions.iter().all(|c| c.message != "by hand"), "{status:?}");
    assert_eq!(status.revision, before.revision, "the first revision with this content must stay");
    assert_eq!(installation.satellite_writes().len(), 0, "an edited status must not cause a delivery");
    assert_eq!(installation.files()["team-a.stays.conf"], file);

    // Suspended: the published file stays and no change is processed, until `suspend` is removed.
    let suspended =
        |notes: &str| json!({ "suspend": true, "host": { "checkCommand": "hostalive", "notes": notes } });
    let file = installation.files()["team-a.changes.conf"].clone();
    installation.put("team-a", "changes", suspended("held back")).await;
    installation.condition("team-a", "changes", ConditionType::Ready, ConditionStatus::False).await;
    let object = installation.objects("team-a").get("changes").await.unwrap();
    let (_, reason, message) = condition_of(&object, ConditionType::Ready).unwrap();
    assert_eq!(reason, Reason::Suspended);
    assert!(message.contains("spec.suspend"), "{message}");
    // Other objects are published and delivered meanwhile. Then the suspended one changes again.
    installation.put("team-a", "stays", host("second")).await;
    installation.synced("team-a", "stays").await;
    installation.put("team-a", "changes", suspended("held back again")).await;
    installation.put("team-a", "stays", host("third")).await;
    installation.synced("team-a", "stays").await;
    assert_eq!(installation.files()["team-a.changes.conf"], file);
    assert_eq!(installation.equal("sat-a", GENEROUS).await["team-a.changes.conf"], file);
    let spec = json!({ "spec": { "suspend": false } });
    let api = installation.objects("team-a");
    api.patch("changes", &PatchParams::default(), &Patch::Merge(spec)).await.unwrap();
    installation.synced("team-a", "changes").await;
    assert!(installation.equal("sat-a", GENEROUS).await["team-a.changes.conf"].contains("held back again"));
}
