//! Faults of status writes: refused, lost, late or hanging.

use crate::GROUNDLINK;
use crate::support::{
    Action, Fault, GENEROUS, Installation, assert_closed, carries, condition_of, digest, eventually, host,
    on_ready, writes_status, written_status,
};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::{Duration, Instant};

const WEB: &str = "team-a.web.conf";

/// Waits until the file of `team-a/web` holds `marker`, and returns its text.
async fn on_volume(installation: &Installation, marker: &str) -> String {
    eventually(GENEROUS, &format!("the file holds {marker:?}"), async || {
        let text = installation.files().remove(WEB).ok_or("no file")?;
        if text.contains(marker) { Ok(text) } else { Err(text) }
    })
    .await
}

/// Checks that another object becomes Ready and Synced without delay. Returns the time that it
/// took.
async fn bystander(installation: &Installation, name: &str) -> Duration {
    let started = Instant::now();
    installation.put("team-a", name, host("bystander")).await;
    installation.synced("team-a", name).await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{name} needed {took:?}: one stuck object delayed it");
    took
}

async fn waits_for_hits(fault: &Fault, hits: u64) {
    eventually(GENEROUS, "the fault hits", async || match fault.hits() {
        n if n >= hits => Ok(()),
        n => Err(format!("{n} of {hits}")),
    })
    .await;
}

/// R1 and R2: a satellite gets content only after its own Ready was acknowledged, whatever happens
/// to that write.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_a_satellite_before_its_ready_is_acknowledged() {
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("marker-begin")).await;
    installation.synced("team-a", "web").await;
    let faults = [
        ("500", Action::refuse(500, "InternalError")),
        ("409", Action::refuse(409, "Conflict")),
        ("403", Action::refuse(403, "Forbidden")),
        ("413", Action::refuse(413, "RequestEntityTooLarge")),
        ("lost", Action::DropAfterApply),
        ("hang", Action::Hang),
    ];
    for (what, action) in faults {
        let marker = format!("marker-{what}-end");
        let before = installation.files()[WEB].clone();
        installation.recorder.clear();
        let fault = on_ready(action, "web");
        installation.hub_proxy.set_fault(Some(fault.clone()));
        installation.put("team-a", "web", host(&marker)).await;
        waits_for_hits(&fault, 1).await;
        let other = format!("other-{what}");
        let took = bystander(&installation, &other).await;
        // Wait for the second attempt. After a hang it follows the deadline of the first.
        waits_for_hits(&fault, 2).await;

        let text = on_volume(&installation, &marker).await;
        for satellite in ["sat-a", "sat-b"] {
            let held = installation.pointer(satellite).await.unwrap().data.unwrap();
            assert_eq!(held[WEB], before, "{what}: {satellite} has bytes whose Ready was not acknowledged");
            assert!(held.contains_key(&format!("team-a.{other}.conf")), "{what}: {satellite} lacks {other}");
        }
        let carried = installation.satellite_writes().iter().filter(|e| carries(e, &marker)).count();
        assert_eq!(carried, 0, "{what}: a satellite write carries bytes whose Ready was not acknowledged");
        let object = installation.objects("team-a").get("web").await.unwrap();
        if what != "lost" {
            let ready = condition_of(&object, ConditionType::Ready);
            assert!(
                ready.is_none_or(|(status, ..)| status != ConditionStatus::True),
                "{what}: Ready is True"
            );
        }
        assert!(operator.exit_status().is_none());

        let ended = Instant::now();
        installation.hub_proxy.set_fault(None);
        installation.hub_proxy.release();
        installation.synced("team-a", "web").await;
        let recovered = ended.elapsed();
        for satellite in ["sat-a", "sat-b"] {
            assert_closed(&installation.equal(satellite, GENEROUS).await);
        }
        let writes = installation.assert_acknowledged_first("web", &marker, &digest(text.as_bytes()));
        assert!(writes >= 2, "{what}: not every satellite was written");
        println!(
            "{what}: {} attempts, bystander Synced after {took:?}, recovered {recovered:?} after the fault",
            fault.hits()
        );
    }

    // The status of a refusal acknowledges no publication, but it is retried until it is applied as
    // well.
    let fault = Fault::on(Action::refuse(500, "InternalError"), |head, _| {
        writes_status(&head.method, head.uri.path(), "refused")
    });
    installation.hub_proxy.set_fault(Some(fault.clone()));
    let spec = json!({ "host": { "checkCommand": "hostalive", "groups": ["nowhere"] } });
    installation.put("team-a", "refused", spec).await;
    waits_for_hits(&fault, 4).await;
    installation.hub_proxy.set_fault(None);
    installation.refused("team-a", "refused", Reason::UnresolvedReference).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_for_an_old_spec_makes_no_ready_for_the_new_one() {
    let installation = Installation::start(&["sat-a"]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("begin")).await;
    installation.synced("team-a", "web").await;

    // A late request for the older spec is refused by the API server. A late answer to an applied
    // request is true for the older spec only.
    for (action, late, newer, replace) in [
        (Action::Hang, "late-request", "newer-a", false),
        (Action::HoldAnswer, "late-answer", "newer-b", false),
        (Action::Hang, "late-request-of-old-uid", "newer-c", true),
        (Action::HoldAnswer, "late-answer-of-old-uid", "newer-d", true),
    ] {
        installation.recorder.clear();
        let fault = on_ready(action.clone(), "web").times(1);
        installation.hub_proxy.set_fault(Some(fault.clone()));
        let old = installation.put("team-a", "web", host(late)).await;
        waits_for_hits(&fault, 1).await;
        if action == Action::HoldAnswer {
            // The write is applied, and only the operator does not know.
            installation.published("team-a", "web").await;
        }
        if replace {
            installation.delete("team-a", "web").await;
        }
        let new = installation.put("team-a", "web", host(newer)).await;
        assert_eq!(old.metadata.uid == new.metadata.uid, !replace);
        let text = on_volume(&installation, newer).await;
        let other = format!("beside-{}", newer.trim_start_matches("newer-"));
        installation.put("team-a", &other, host("bystander")).await;
        installation.published("team-a", &other).await;
        // While the write of the older spec is held, no status may claim Ready for the newer one.
        let object = installation.objects("team-a").get("web").await.unwrap();
        let ready = condition_of(&object, ConditionType::Ready);
        assert!(
            ready.is_none(),
            "{late}: Ready for the new spec while the write of the old one is held: {ready:?}"
        );

        installation.hub_proxy.release();
        let object = installation.synced("team-a", "web").await;
        let status = object.status.unwrap();
        assert_eq!(Some(status.observed_generation), new.metadata.generation);
        assert_eq!(status.published_digest.as_deref(), Some(digest(text.as_bytes()).as_str()));
        assert_eq!(installation.equal("sat-a", GENEROUS).await[WEB], text);

        let held = installation.ready_writes("web").into_iter().find(|e| e.action.is_some()).unwrap();
        let carried = installation.satellite_writes().iter().filter(|e| carries(e, late)).count();
        match (&action, replace) {
            (Action::Hang, false) => {
                assert_eq!(held.status, Some(422), "the generation has changed")
            }
            (Action::Hang, _) => assert_eq!(held.status, Some(422), "the uid has changed"),
            _ => assert_eq!(held.status, Some(200)),
        }
        if action == Action::Hang || replace {
            // It was never acknowledged, or only for a resource that is deleted.
            assert_eq!(carried, 0, "{late} reached a satellite");
        }
        // Every Ready for the new object has the digest of the new bytes.
        for write in installation.ready_writes("web") {
            let patch = write.request_json();
            let is_new = patch[0]["value"] == new.metadata.uid.clone().unwrap()
                && patch[1]["value"] == new.metadata.generation.unwrap();
            let names_new = written_status(&write.request_body)["publishedDigest"] == digest(text.as_bytes());
            assert_eq!(is_new, names_new, "{patch}");
        }
        assert!(installation.assert_acknowledged_first("web", newer, &digest(text.as_bytes())) > 0);
        // No satellite goes back to the older content.
        let writes = installation.satellite_writes();
        let first_newer = writes.iter().position(|e| carries(e, newer)).unwrap();
        assert!(!writes[first_newer..].iter().any(|e| carries(e, late)), "{late} came after {newer}");
    }
}

/// R2: while the write of an older generation is held, the Ready of the newer one waits, but no
/// other object does.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_status_write_and_a_newer_spec_delay_no_other_object() {
    let installation = Installation::start(&["sat-a"]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("begin")).await;
    installation.synced("team-a", "web").await;
    let fault = on_ready(Action::Hang, "web").times(1);
    installation.hub_proxy.set_fault(Some(fault.clone()));
    installation.put("team-a", "web", host("held")).await;
    waits_for_hits(&fault, 1).await;
    installation.put("team-a", "web", host("newer")).await;
    on_volume(&installation, "newer").await;
    bystander(&installation, "other").await;
}

/// A status that another client overwrote is corrected, even while the answer to our own write is
/// in transit.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_overwritten_by_another_client_is_corrected() {
    let installation = Installation::start(&[]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    let held = on_ready(Action::HoldAnswer, "web").times(1);
    installation.hub_proxy.set_fault(Some(held.clone()));
    installation.put("team-a", "web", host("mine")).await;
    let objects = installation.objects("team-a");
    eventually(GENEROUS, "Ready is written, and its answer held", async || {
        let object = objects.get_status("web").await.map_err(|error| error.to_string())?;
        condition_of(&object, ConditionType::Ready).map(|_| ()).ok_or("not yet".to_owned())
    })
    .await;
    let theirs = json!({ "status": { "path": "somewhere/else" } });
    objects.patch_status("web", &PatchParams::default(), &Patch::Merge(theirs)).await.unwrap();
    // Events come in order: once the operator has seen this object, it has seen the edit.
    installation.put("team-a", "later", host("later")).await;
    installation.published("team-a", "later").await;
    installation.hub_proxy.release();
    eventually(GENEROUS, "the status is ours again", async || {
        let path = objects.get_status("web").await.unwrap().status.and_then(|status| status.path);
        if path.as_deref() == Some("objects.d/team-a/web.conf") { Ok(()) } else { Err(format!("{path:?}")) }
    })
    .await;
    assert_eq!(held.hits(), 1);
}
