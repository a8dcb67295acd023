//! Everything that can be wrong with a satellite: its reason is reported, no other satellite is
//! delayed, and it recovers by itself.

use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, carries, eventually, host};
use groundlink::api::satellite_cluster::BreakerState;
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use groundlink::identity::Revision;
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// One probe (12 s at most) and one pass.
const RECOVERY: Duration = Duration::from_secs(15);
const WEB: &str = "team-a.web.conf";

/// Makes the fault for every write of a ConfigMap, or for every request for one.
fn on_config_maps(action: Action, writes_only: bool) -> Fault {
    Fault::on(action, move |head, _| {
        head.uri.path().contains("/configmaps") && (!writes_only || head.method != Method::GET)
    })
}

fn answer(status: u16, reason: &str, message: &str) -> Action {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": status, "reason": reason, "message": message });
    Action::Respond { status, body: body.to_string().into() }
}

async fn holds(installation: &Installation, satellite: &str, marker: &str, deadline: Duration) {
    eventually(deadline, &format!("{satellite} holds {marker:?}"), async || {
        let held = installation.pointer(satellite).await.and_then(|map| map.data).unwrap_or_default();
        match held.get(WEB).is_some_and(|text| text.contains(marker)) {
            true => Ok(()),
            false => Err(format!("{:?}", held.get(WEB))),
        }
    })
    .await;
}

async fn breaker(installation: &Installation, name: &str, state: BreakerState, deadline: Duration) {
    let api = installation.satellites();
    eventually(deadline, &format!("the breaker of {name} is {state:?}"), async || {
        let status = api.get(name).await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        match status.breaker {
            Some(breaker) if breaker.state == state => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_satellite_reports_its_reason_delays_no_other_and_recovers() {
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("begin")).await;
    installation.synced("team-a", "web").await;
    let quota = "configmaps \"groundlink\" is forbidden: exceeded quota: q, requested: count/configmaps=1";
    // As a gateway in front of the API server answers.
    let gateway = |status| Action::Respond { status, body: "<html>no server behind me</html>".into() };
    let garbage = || Action::Respond { status: 200, body: "<html>not what was asked for</html>".into() };
    use ConditionType::{CredentialsValid, Reachable, Ready};
    let cases: Vec<(&str, Action, bool, ConditionType, Reason, bool)> = vec![
        ("500", Action::refuse(500, "InternalError"), true, Ready, Reason::Unreachable, false),
        ("502", gateway(502), true, Ready, Reason::Unreachable, false),
        ("504", gateway(504), false, Ready, Reason::Unreachable, false),
        ("quota", answer(403, "Forbidden", quota), true, Ready, Reason::QuotaExceeded, false),
        ("403", Action::refuse(403, "Forbidden"), true, Ready, Reason::Forbidden, false),
        ("409", Action::refuse(409, "Conflict"), true, Ready, Reason::Conflict, false),
        ("401", Action::refuse(401, "Unauthorized"), false, CredentialsValid, Reason::Unauthorized, false),
        ("garbage", garbage(), false, Reachable, Reason::Unreachable, false),
        ("hangs", Action::Hang, false, Reachable, Reason::Unreachable, true),
    ];
    for (what, action, writes_only, kind, reason, opens) in cases {
        let marker = format!("marker-{what}-end");
        let fault = on_config_maps(action, writes_only);
        installation.proxies["sat-a"].set_fault(Some(fault.clone()));
        installation.put("team-a", "web", host(&marker)).await;
        // Ready does not wait for satellites, and sat-b has the change at once.
        installation.published("team-a", "web").await;
        let started = Instant::now();
        holds(&installation, "sat-b", &marker, Duration::from_secs(5)).await;
        let healthy = started.elapsed();
        let message =
            installation.satellite_says("sat-a", kind, (ConditionStatus::False, reason), GENEROUS).await;
        if opens {
            breaker(&installation, "sat-a", BreakerState::Open, GENEROUS).await;
            let text = operator.metrics().await;
            assert_eq!(metric(&text, "breaker_state", ",state=\"Open\""), 1.0);
            assert_eq!(metric(&text, "breaker_state", ",state=\"Closed\""), 0.0);
            assert!(metric(&text, "staleness_seconds", "") > 0.5, "a change is missing there");
            assert_eq!(metric(&text, "up", ""), 0.0);
        }
        let object = installation.objects("team-a").get("web").await.unwrap();
        let pending =
            object.status.unwrap().pending_satellites.expect("the object lists no pending satellite");
        assert!(pending.names.contains(&"sat-a".to_owned()), "{what}: {pending:?}");
        assert!(
            installation
                .satellite_writes()
                .iter()
                .all(|e| e.server != "sat-a" || !carries(e, &marker) || !e.is_applied())
        );

        let ended = Instant::now();
        installation.proxies["sat-a"].set_fault(None);
        installation.proxies["sat-a"].release();
        holds(&installation, "sat-a", &marker, RECOVERY).await;
        let recovered = ended.elapsed();
        installation.synced("team-a", "web").await;
        installation.satellite_in_sync("sat-a", GENEROUS).await;
        breaker(&installation, "sat-a", BreakerState::Closed, GENEROUS).await;
        println!(
            "{what}: sat-b after {healthy:?}, {} faulty requests to sat-a, recovered {recovered:?} after the fault: {message}",
            fault.hits()
        );
    }

    let text = operator.metrics().await;
    assert_eq!(metric(&text, "staleness_seconds", ""), 0.0);
    assert_eq!(metric(&text, "up", ""), 1.0);
    assert_eq!(metric(&text, "breaker_state", ",state=\"Closed\""), 1.0);
    assert!(metric(&text, "publish_to_acknowledge_seconds_count", "") >= 7.0, "one sample per change");
    assert!(metric(&text, "writes_total", "") >= 7.0 && metric(&text, "written_bytes_total", "") > 700.0);
    for reason in ["QuotaExceeded", "Forbidden", "Conflict", "Unauthorized", "Unreachable"] {
        assert!(metric(&text, "failures_total", &format!(",reason=\"{reason}\"")) >= 1.0, "{reason}");
    }
    assert_eq!(metric(&text, "objects", ""), 1.0);

    // An answer is lost after the write was applied: the next read finds it, and nothing is written
    // again.
    let lost = on_config_maps(Action::DropAfterApply, true).times(1);
    installation.proxies["sat-a"].set_fault(Some(lost.clone()));
    installation.recorder.clear();
    installation.put("team-a", "web", host("lost-answer")).await;
    installation.synced("team-a", "web").await;
    assert_eq!(lost.hits(), 1);
    let writes = installation.satellite_writes().into_iter().filter(|e| e.server == "sat-a").count();
    assert_eq!(writes, 1, "an applied write must be found by a read, not repeated");

    // The Role is really revoked.
    let server = installation.plane.server("sat-a");
    installation.proxies["sat-a"].set_fault(None);
    assert!(server.kubectl(&["delete", "rolebinding", "groundlink", "-n", "icinga"]).await.status.success());
    installation.put("team-a", "web", host("no-role")).await;
    let forbidden = (ConditionStatus::False, Reason::Forbidden);
    let message = installation.satellite_says("sat-a", Ready, forbidden, GENEROUS).await;
    assert!(message.contains("grant the Role"), "{message}");
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/satellite-rbac.yaml");
    assert!(server.kubectl(&["apply", "-f", rbac]).await.status.success());
    holds(&installation, "sat-a", "no-role", RECOVERY).await;

    // Stopped, without the proxy in between: connections are refused, and the breaker opens. One
    // probe after the return, deliveries continue.
    let token = server.service_account_token("icinga", "groundlink").await;
    installation.set_secret("sat-a", &server.kubeconfig_for(&server.url(), &token)).await;
    installation.put("team-a", "web", host("direct")).await;
    installation.synced("team-a", "web").await;
    server.stop();
    installation.put("team-a", "web", host("stopped")).await;
    holds(&installation, "sat-b", "stopped", Duration::from_secs(5)).await;
    let unreachable = (ConditionStatus::False, Reason::Unreachable);
    installation.satellite_says("sat-a", Reachable, unreachable, GENEROUS).await;
    breaker(&installation, "sat-a", BreakerState::Open, GENEROUS).await;
    server.restart().await;
    let ended = Instant::now();
    holds(&installation, "sat-a", "stopped", RECOVERY).await;
    println!("stopped: recovered {:?} after its return", ended.elapsed());
    installation.synced("team-a", "web").await;

    // A missing namespace, as admin: any other account would fail at RBAC first.
    let admin =
        server.kubeconfig_for(&installation.proxies["sat-a"].url(), &admin_token(&server.admin_kubeconfig()));
    installation.set_secret("nowhere", &admin).await;
    installation.register("nowhere", json!({ "target": { "namespace": "nowhere" } })).await;
    let missing = (ConditionStatus::False, Reason::NamespaceMissing);
    let message = installation.satellite_says("nowhere", Ready, missing, GENEROUS).await;
    assert!(message.contains("create the namespace"), "{message}");
    assert!(server.kubectl(&["create", "namespace", "nowhere"]).await.status.success());
    installation.satellite_in_sync("nowhere", GENEROUS).await;

    // A name that does not resolve, by its top-level domain (RFC 2606).
    installation
        .set_secret("unnamed", &server.kubeconfig_for("https://satellite.invalid:6443", &token))
        .await;
    installation.register("unnamed", json!({})).await;
    let message = installation.satellite_says("unnamed", Reachable, unreachable, GENEROUS).await;
    assert!(message.contains("dns error"), "{message}");
    assert!(operator.exit_status().is_none());
}

/// Returns the value of a metric of sat-a. `labels` follow the label of the satellite.
fn metric(text: &str, name: &str, labels: &str) -> f64 {
    let start = format!("groundlink_satellite_{name}{{satellite=\"sat-a\"{labels}}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&start));
    value.unwrap_or_else(|| panic!("{start}is not in\n{text}")).parse().unwrap()
}

fn admin_token(kubeconfig: &str) -> String {
    kubeconfig.lines().find_map(|line| line.trim().strip_prefix("token: ")).expect("a token").to_owned()
}

fn revision(map: &ConfigMap) -> Revision {
    let annotations = map.metadata.annotations.as_ref().expect("annotations");
    annotations["groundlink.dev/revision"].parse().expect("a revision")
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_config_maps_are_respected_and_drift_is_corrected() {
    let installation = Installation::start(&["sat-a"]).await;
    let maps = installation.config_maps("sat-a").await;

    // A foreign ConfigMap with our name.
    let theirs: ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "taken" }, "data": { "theirs.conf": "object Host \"theirs\" {}" },
    }))
    .unwrap();
    let theirs = maps.create(&PostParams::default(), &theirs).await.unwrap();
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("begin")).await;
    installation.synced("team-a", "web").await;
    let taken = json!({ "kubeconfigSecretRef": { "name": "sat-a" }, "target": { "name": "taken" } });
    installation.register("foreign", taken.clone()).await;
    let conflict = (ConditionStatus::True, Reason::Conflict);
    let message = installation.satellite_says("foreign", ConditionType::Stalled, conflict, GENEROUS).await;
    assert!(message.contains("icinga/taken") && message.contains("spec.adoptionPolicy"), "{message}");
    installation.put("team-a", "web", host("still theirs")).await;
    installation.published("team-a", "web").await;
    holds(&installation, "sat-a", "still theirs", GENEROUS).await;
    let after = maps.get("taken").await.unwrap();
    assert_eq!(after.metadata.resource_version, theirs.metadata.resource_version, "it was touched");
    let mut adopting = taken.clone();
    adopting["adoptionPolicy"] = Value::from("Always");
    installation.register("foreign", adopting).await;
    installation.satellite_in_sync("foreign", GENEROUS).await;
    let adopted = maps.get("taken").await.unwrap().data.unwrap();
    assert_eq!(adopted.keys().collect::<Vec<_>>(), [WEB]);

    // One pointer is edited by hand, another deleted: both are restored.
    let edit = Patch::Merge(json!({ "data": { WEB: "object Host \"edited\" {}", "extra.conf": "x" } }));
    maps.patch("groundlink", &PatchParams::default(), &edit).await.unwrap();
    maps.delete("taken", &DeleteParams::default()).await.unwrap();
    let started = Instant::now();
    let good = installation.equal("sat-a", GENEROUS).await;
    let corrected = started.elapsed();
    installation.holds_keys("sat-a", "taken", &[WEB]).await;
    println!("drift: edited corrected after {corrected:?}, deleted after {:?}", started.elapsed());
    assert!(good[WEB].contains("still theirs"));
    installation.satellites().delete("foreign", &DeleteParams::default()).await.unwrap();
    installation.satellite_gone("foreign", GENEROUS).await;

    // A second term, then the Lease is deleted: revisions keep growing.
    assert!(operator.terminate(Duration::from_secs(10)).await.success());
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("second term")).await;
    installation.synced("team-a", "web").await;
    let second = revision(&installation.pointer("sat-a").await.unwrap());
    assert!(second.term >= 2, "{second}");
    installation.kubectl(&["delete", "lease", "groundlink", "-n", "groundlink"]).await;
    let renewed = installation.recorder.sequence().now();
    eventually(GENEROUS, "the Lease is recreated", async || {
        let made = |e: &crate::support::Exchange| {
            e.seq_start > renewed
                && e.method == Method::POST
                && e.path.ends_with("/leases")
                && e.is_acknowledged()
        };
        if installation.recorder.count(made) > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    installation.put("team-a", "web", host("new lease")).await;
    holds(&installation, "sat-a", "new lease", GENEROUS).await;
    installation.synced("team-a", "web").await;
    let third = revision(&installation.pointer("sat-a").await.unwrap());
    assert!(third > second, "{second} then {third}");

    // The satellite has a higher revision with other content: the operator raises its term first.
    installation.recorder.clear();
    let future = Patch::Merge(json!({
        "metadata": { "annotations": { "groundlink.dev/revision": "999.1" } }, "data": { WEB: "from elsewhere" },
    }));
    maps.patch("groundlink", &PatchParams::default(), &future).await.unwrap();
    installation.put("team-a", "web", host("after the future")).await;
    let started = Instant::now();
    holds(&installation, "sat-a", "after the future", GENEROUS).await;
    println!("higher revision: replaced after {:?}", started.elapsed());
    let now = revision(&installation.pointer("sat-a").await.unwrap());
    assert!(now.term > 999, "{now}");
    for write in installation.satellite_writes().into_iter().filter(|e| e.is_applied()) {
        let written: ConfigMap = serde_json::from_slice(&write.request_body).unwrap();
        assert!(revision(&written).term > 999, "{} was written over 999.1", revision(&written));
    }
    installation.synced("team-a", "web").await;

    // A set that is too large for layout Single, where the spec demands that.
    let layout = |layout: &'static str| Patch::Merge(json!({ "spec": { "target": { "layout": layout } } }));
    let satellites = installation.satellites();
    satellites.patch("sat-a", &PatchParams::default(), &layout("Single")).await.unwrap();
    let before = installation.equal("sat-a", GENEROUS).await;
    let big = json!({ "host": { "checkCommand": "hostalive", "vars": { "big": "x".repeat(60 * 1024) } } });
    for i in 0..13 {
        installation.put("team-a", &format!("big-{i}"), big.clone()).await;
        installation.published("team-a", &format!("big-{i}")).await;
    }
    let too_large = (ConditionStatus::True, Reason::TooLarge);
    let message = installation.satellite_says("sat-a", ConditionType::Stalled, too_large, GENEROUS).await;
    assert!(message.contains("716800"), "{message}");
    let held = installation.pointer("sat-a").await.unwrap().data.unwrap();
    assert!(held.len() < 14 && held[WEB] == before[WEB], "the delivered set must be kept");
    installation.put("team-a", "web", host("too large")).await;
    installation.published("team-a", "web").await;
    installation.delete("team-a", "big-0").await;
    installation.delete("team-a", "big-1").await;
    holds(&installation, "sat-a", "too large", GENEROUS).await;
    assert_eq!(installation.equal("sat-a", GENEROUS).await.len(), 12);
    installation.satellite_in_sync("sat-a", GENEROUS).await;
}

/// No satellite is joined, so the operator cannot learn the previous terms from a pointer.
#[tokio::test(flavor = "multi_thread")]
async fn revisions_keep_growing_after_the_lease_is_lost() {
    let installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    let revision = async |notes: &str| {
        installation.put("team-a", "web", host(notes)).await;
        installation.synced("team-a", "web").await;
        // The revision is written with the next status after the snapshot. Changes of the spec that
        // leave the file as it is cause one.
        let mut with_vars = false;
        eventually(GENEROUS, "the status has a revision", async || {
            with_vars = !with_vars;
            let mut same = host(notes);
            if with_vars {
                same["host"]["vars"] = json!({});
            }
            installation.put("team-a", "web", same).await;
            let revision = installation.synced("team-a", "web").await.status.unwrap().revision;
            revision.map(|text| text.parse::<Revision>().unwrap()).ok_or("not yet".to_owned())
        })
        .await
    };
    let operator = installation.operator(GROUNDLINK).await;
    let first = revision("first term").await;
    assert!(operator.terminate(Duration::from_secs(10)).await.success());
    let operator = installation.operator(GROUNDLINK).await;
    let metric = async |operator: &crate::support::Operator| {
        let text = operator.metrics().await;
        let line = text.lines().find(|line| line.starts_with("groundlink_snapshot_term")).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap()
    };
    let second = revision("second term").await;
    let before = metric(&operator).await;
    assert_eq!(before, 2);
    installation.recorder.clear();
    installation.kubectl(&["delete", "lease", "groundlink", "-n", "groundlink"]).await;
    eventually(GENEROUS, "the Lease is recreated", async || {
        let made = installation
            .recorder
            .count(|e| e.method == Method::POST && e.path.ends_with("/leases") && e.is_acknowledged());
        if made > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let new = revision("new lease").await;
    assert!(first < second && second < new, "{first}, then {second}, then {new}");
    let after = metric(&operator).await;
    assert!(after > before, "term {after} after term {before}");
}

/// A killed API server, or a load balancer that drops a connection, is not a TLS problem.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_is_not_reported_as_a_tls_error() {
    let installation = Installation::start(&["sat-a"]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    installation.proxies["sat-a"].set_fault(Some(on_config_maps(Action::DropBefore, false)));
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("closed")).await;
    let unreachable = (ConditionStatus::False, Reason::Unreachable);
    let ten_seconds = Duration::from_secs(10);
    installation.satellite_says("sat-a", ConditionType::Reachable, unreachable, ten_seconds).await;
}
