//! The status of an object, read every second while satellites stop, return, are refused,
//! suspended, join and are removed: it names a satellite that lacks the object, and none that has
//! it.

use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, condition_of, eventually, host, writes_status};
use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject, Reason};
use kube::api::{Api, DeleteParams};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const WEB: &str = "team-a.web.conf";
/// A status may be wrong for as long as the operator needs to notice (a request, and some
/// attempts), to be sure (5 s), and to let the change settle (2 s). A busy machine takes its time.
const STATED: Duration = Duration::from_secs(30);

/// What a status says of one satellite.
#[derive(Debug, Default)]
struct Truth {
    /// Since when it says something else than what is true.
    wrong_since: BTreeMap<String, Instant>,
    /// The longest time of that, and what was said then.
    worst: (Duration, String),
    samples: usize,
    /// Every message of Synced, in its order.
    said: Vec<String>,
}

impl Truth {
    fn look(&mut self, object: &MonitoringObject, lacking: &BTreeMap<String, bool>) {
        self.samples += 1;
        let Some((_, _, message)) = condition_of(object, ConditionType::Synced) else { return };
        if self.said.last() != Some(&message) {
            self.said.push(message.clone());
        }
        for (satellite, lacks) in lacking {
            let is_named = message.contains(&format!("{satellite} ("));
            match is_named != *lacks {
                false => drop(self.wrong_since.remove(satellite)),
                true => {
                    let since = *self.wrong_since.entry(satellite.clone()).or_insert_with(Instant::now);
                    if since.elapsed() > self.worst.0 {
                        let what = format!("{satellite} lacks it: {lacks}; said: {message}");
                        self.worst = (since.elapsed(), what);
                    }
                }
            }
        }
    }
}

/// Returns whether each satellite lacks the published file.
async fn lacking(installation: &Installation, satellites: &[&str]) -> BTreeMap<String, bool> {
    let wanted = installation.files().get(WEB).cloned();
    let mut lacking = BTreeMap::new();
    for name in satellites {
        let held = installation.pointer(name).await.and_then(|pointer| pointer.data).unwrap_or_default();
        lacking.insert((*name).to_owned(), held.get(WEB) != wanted.as_ref());
    }
    lacking
}

/// Waits until Synced has this status, reason and words. Looks at the truth meanwhile.
async fn says(
    installation: &Installation,
    truth: &Mutex<Truth>,
    satellites: &[&str],
    wanted: (ConditionStatus, Reason),
    words: &str,
) -> MonitoringObject {
    let began = Instant::now();
    loop {
        let object = installation.objects("team-a").get("web").await.expect("the object");
        let lacking = lacking(installation, satellites).await;
        truth.lock().unwrap().look(&object, &lacking);
        let said = condition_of(&object, ConditionType::Synced);
        if said.as_ref().is_some_and(|(s, r, m)| (*s, *r) == wanted && m.contains(words)) {
            return object;
        }
        assert!(began.elapsed() < GENEROUS * 2, "{wanted:?} {words:?}: {said:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn is_true(object: &MonitoringObject, kind: ConditionType) -> bool {
    condition_of(object, kind).is_some_and(|(status, _, _)| status == ConditionStatus::True)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_names_who_lacks_the_object_and_why_and_a_wait_ends() {
    let mut installation = Installation::start(&["sat-a", "sat-b"]).await;
    installation.change_satellite("sat-b", json!({ "syncTimeout": "40s", "requestTimeout": "2s" })).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    let truth = Arc::new(Mutex::new(Truth::default()));
    let both = ["sat-a", "sat-b"];
    use ConditionStatus::{False, True};
    let everywhere = (True, Reason::AllSatellites);
    installation.put("team-a", "web", host("one")).await;
    says(&installation, &truth, &both, everywhere, "all 2 satellites").await;

    // One stops.
    let stopped = Fault::on(Action::DropBefore, |_, _| true);
    installation.proxies["sat-b"].set_fault(Some(stopped));
    installation.proxies["sat-b"].cut_connections();
    installation.put("team-a", "web", host("two")).await;
    let silent = (False, Reason::SatelliteUnreachable);
    let words = "1 of 2 satellites have acknowledged; waiting for sat-b (Unreachable)";
    let object = says(&installation, &truth, &both, silent, words).await;
    assert!(is_true(&object, ConditionType::Reconciling) && !is_true(&object, ConditionType::Stalled));
    let (_, _, reconciling) = condition_of(&object, ConditionType::Reconciling).unwrap();
    assert!(reconciling.starts_with(words), "Flux and Helm print it: {reconciling}");
    let status = object.status.unwrap();
    assert_eq!(
        (status.satellites.as_deref(), status.reason.as_deref()),
        (Some("1/2"), Some("SatelliteUnreachable"))
    );
    // For longer than spec.syncTimeout: a person must act.
    let object = says(&installation, &truth, &both, silent, "; repair them").await;
    assert!(!is_true(&object, ConditionType::Reconciling) && is_true(&object, ConditionType::Stalled));
    // A restart changes nothing.
    let writes = |installation: &Installation| {
        installation.recorder.count(|e| writes_status(&e.method, &e.path, "web"))
    };
    let before = writes(&installation);
    operator.kill();
    let operator = installation.operator(GROUNDLINK).await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    operator.wait_for_log("satellite has a problem", GENEROUS).await;
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let object = installation.objects("team-a").get("web").await.unwrap();
        let lacking = lacking(&installation, &both).await;
        truth.lock().unwrap().look(&object, &lacking);
    }
    assert_eq!(writes(&installation), before, "the restart wrote the status");

    // It returns.
    installation.proxies["sat-b"].set_fault(None);
    let object = says(&installation, &truth, &both, everywhere, "all 2 satellites").await;
    assert!(!is_true(&object, ConditionType::Stalled));

    // Its credential is refused.
    let forbidden =
        Fault::on(Action::refuse(403, "Forbidden"), |head, _| head.uri.path().contains("/configmaps"));
    installation.proxies["sat-b"].set_fault(Some(forbidden));
    installation.put("team-a", "web", host("three")).await;
    says(&installation, &truth, &both, (False, Reason::SatelliteFailing), "waiting for sat-b (Forbidden)")
        .await;
    // Suspended, it is not waited for, and named.
    installation.change_satellite("sat-b", json!({ "suspend": true })).await;
    let object =
        says(&installation, &truth, &both, (True, everywhere.1), "not waiting for sat-b (Suspended)").await;
    assert_eq!(object.status.unwrap().satellites.as_deref(), Some("1/1"));
    installation.proxies["sat-b"].set_fault(None);
    installation.change_satellite("sat-b", json!({ "suspend": false })).await;
    eventually(
        GENEROUS,
        "sat-b holds it",
        async || match lacking(&installation, &["sat-b"]).await["sat-b"] {
            false => Ok(()),
            true => Err("it lacks it".into()),
        },
    )
    .await;
    // The message no longer names it.
    eventually(GENEROUS, "nobody is named", async || {
        let object = installation.objects("team-a").get("web").await.unwrap();
        let lacking = lacking(&installation, &both).await;
        truth.lock().unwrap().look(&object, &lacking);
        let message = condition_of(&object, ConditionType::Synced).unwrap().2;
        if message.contains("sat-b") { Err(message) } else { Ok(()) }
    })
    .await;

    // One joins and cannot be reached.
    installation.prepare("sat-c").await;
    installation.proxies["sat-c"].set_fault(Some(Fault::on(Action::DropBefore, |_, _| true)));
    installation
        .register("sat-c", json!({ "requestTimeout": "2s", "deletion": { "cleanup": "Orphan" } }))
        .await;
    let all = ["sat-a", "sat-b", "sat-c"];
    says(&installation, &truth, &all, silent, "2 of 3 satellites have acknowledged; waiting for sat-c").await;
    installation.change_satellite("sat-c", json!({ "syncPolicy": "Optional" })).await;
    says(&installation, &truth, &all, everywhere, "not waiting for sat-c (Unreachable)").await;
    installation.satellites().delete("sat-c", &DeleteParams::default()).await.unwrap();
    eventually(GENEROUS, "nobody is named", async || {
        let object = installation.objects("team-a").get("web").await.unwrap();
        let lacking = lacking(&installation, &both).await;
        truth.lock().unwrap().look(&object, &lacking);
        let message = condition_of(&object, ConditionType::Synced).unwrap().2;
        if message.contains("sat-c") { Err(message) } else { Ok(()) }
    })
    .await;

    let events: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(installation.hub.clone(), "team-a");
    let events = events.list(&Default::default()).await.expect("the events");
    let told: BTreeSet<_> = events.iter().filter_map(|event| event.reason.clone()).collect();
    for reason in ["Published", "AllSatellites", "SatelliteUnreachable"] {
        assert!(told.contains(reason), "no event {reason}: {told:?}");
    }
    assert!(events.iter().count() <= 12, "{:#?}", told);

    let truth = truth.lock().unwrap();
    println!(
        "status of web: {} samples, {} writes, wrong for {:.1?} at most ({}); said:\n{}",
        truth.samples,
        writes(&installation),
        truth.worst.0,
        truth.worst.1,
        truth.said.join("\n")
    );
    assert!(truth.worst.0 <= STATED, "wrong for {:?}: {}", truth.worst.0, truth.worst.1);
    assert!(writes(&installation) <= 24, "{} writes", writes(&installation));
}
