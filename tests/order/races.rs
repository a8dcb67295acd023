//! Changes during a status write in transit. The random load found each of these races once; these
//! tests replay them step by step.

use super::evidence::{History, story};
use super::kill::restart_writes_nothing;
use super::witness::check;
use crate::support::{Action, Fault, Installation, Operator, VolumeWatch, carries, eventually};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use groundlink::api::Reason;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than the pause before any retry.
const SOON: Duration = Duration::from_secs(40);
const KEY: &str = "team-a.web.conf";

struct Setting {
    installation: Installation,
    watch: VolumeWatch,
    operator: Option<Operator>,
    directories: u64,
}

fn host(notes: &str) -> Value {
    json!({ "host": { "checkCommand": "hostalive", "notes": notes, "groups": ["linux"] } })
}

fn invalid() -> Value {
    json!({ "host": { "checkCommand": "hostalive", "vars": { "broken": "$unbalanced" }, "groups": ["linux"] } })
}

impl Setting {
    /// Starts a hub and a satellite that holds a group and a host in it.
    async fn start() -> Self {
        let installation = Installation::start(&["sat-a"]).await;
        let watch = VolumeWatch::start(installation.volume(), installation.recorder.sequence());
        installation.recorder.before_each_request(watch.flusher());
        let operator = Some(installation.operator(GROUNDLINK).await);
        installation.namespace("team-a").await;
        // Keeps the directory in place: the watch finds files of a new directory by a scan, without
        // an order.
        installation.put("team-a", "anchor", json!({ "hostGroup": {} })).await;
        installation.published("team-a", "anchor").await;
        installation.put("team-a", "linux", json!({ "hostGroup": {} })).await;
        installation.put("team-a", "web", host("one")).await;
        installation.synced("team-a", "web").await;
        let directories = installation.recorder.sequence().now();
        Self { installation, watch, operator, directories }
    }

    /// Changes the host, and holds its status write before the API server. The file is in place by
    /// then.
    async fn change_and_hold(&self, notes: &str) {
        let held = Fault::on(Action::Hang, |head, _| head.uri.path().ends_with("/web/status")).times(1);
        self.installation.hub_proxy.set_fault(Some(held.clone()));
        self.installation.put("team-a", "web", host(notes)).await;
        eventually(SOON, "the status write is held", async || {
            if held.hits() == 1 { Ok(()) } else { Err("not sent".into()) }
        })
        .await;
        assert!(self.installation.files()[KEY].contains(notes));
    }

    /// Starts the operator, and holds the first status write of one object. No snapshot may exist
    /// by then.
    async fn start_and_hold(&mut self, name: &str) {
        let path = format!("/{name}/status");
        let held = Fault::on(Action::Hang, move |head, _| head.uri.path().ends_with(&path)).times(1);
        self.installation.hub_proxy.set_fault(Some(held.clone()));
        let operator = self.installation.operator_builder(GROUNDLINK).await.spawn();
        eventually(SOON, "the status write is held", async || {
            if held.hits() == 1 { Ok(()) } else { Err("not sent".into()) }
        })
        .await;
        let metrics = operator.metrics().await;
        assert!(metrics.lines().any(|line| line == "groundlink_snapshot_counter 0"), "{metrics}");
        assert!(self.installation.pointer("sat-a").await.unwrap().data.unwrap().contains_key(KEY));
        self.operator = Some(operator);
    }

    async fn both_are_withdrawn(&self) {
        eventually(SOON, "both files are withdrawn", async || {
            let files = self.installation.files();
            if files.len() == 1 { Ok(()) } else { Err(format!("{:?}", files.keys())) }
        })
        .await;
    }

    /// Waits until the hub counts this many refused objects, so that it has seen the last change.
    async fn refused(&self, count: usize) {
        let operator = self.operator.as_ref().unwrap();
        let wanted = format!("groundlink_objects{{state=\"refused\"}} {count}");
        eventually(SOON, &wanted, async || {
            let metrics = operator.metrics().await;
            if metrics.lines().any(|line| line == wanted) { Ok(()) } else { Err(metrics) }
        })
        .await;
    }

    fn release(&self) {
        self.installation.hub_proxy.set_fault(None);
        self.installation.hub_proxy.release();
    }

    async fn satellite_equals_volume(&self) {
        let settled = tokio::time::timeout(SOON, self.installation.equal("sat-a", SOON * 2)).await;
        assert!(
            settled.is_ok(),
            "sat-a does not become equal to the volume: volume {:?}, sat-a {:?}\n{}\n{}",
            self.installation.files(),
            self.installation.pointer("sat-a").await.and_then(|pointer| pointer.data),
            story(&self.history(), "team-a/web"),
            story(&self.history(), "team-a/linux"),
        );
    }

    /// Checks that every set that was sent to the satellite since then has the host.
    fn was_never_missing(&self, since: u64) {
        let writes = self.installation.satellite_writes();
        let without: Vec<_> = writes.iter().filter(|e| e.seq_start > since && !carries(e, KEY)).collect();
        assert!(without.is_empty(), "{without:#?}");
    }

    fn is_clean(&self, test: &str) {
        let history = self.history();
        check(&history).assert_clean(test, &history);
    }

    fn history(&self) -> History {
        History::take(&self.installation.recorder, &self.watch, self.directories)
    }
}

/// A late acknowledgement of a removed file must not bring the object back.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_acknowledgement_does_not_bring_a_withdrawn_object_back() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let setting = Setting::start().await;
    setting.change_and_hold("two").await;
    setting.installation.delete("team-a", "linux").await;
    setting.both_are_withdrawn().await;
    // On the hub both are withdrawn, so the satellite must hold neither.
    setting.satellite_equals_volume().await;
    setting.release();
    setting.installation.refused("team-a", "web", Reason::UnresolvedReference).await;
    setting.refused(1).await;
    setting.satellite_equals_volume().await;
    // The object stays away although the group that it named is back, because it was deleted
    // itself.
    setting.installation.delete("team-a", "web").await;
    setting.refused(0).await;
    setting.installation.put("team-a", "linux", json!({ "hostGroup": {} })).await;
    setting.installation.synced("team-a", "linux").await;
    setting.satellite_equals_volume().await;
    setting.is_clean("late acknowledgement");
}

/// A content is published, and an invalid generation follows before the acknowledgement. The volume
/// keeps the content, so satellites must get it too, instead of keeping an older one forever.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_content_reaches_the_satellites_too() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut setting = Setting::start().await;
    setting.change_and_hold("two").await;
    setting.installation.put("team-a", "web", invalid()).await;
    setting.release();
    setting.installation.refused("team-a", "web", Reason::Invalid).await;
    setting.satellite_equals_volume().await;

    // The same after a restart: again nothing may leave before its acknowledgement.
    drop(setting.operator.take());
    setting.operator = Some(setting.installation.operator(GROUNDLINK).await);
    setting.installation.put("team-a", "db", json!({ "host": { "checkCommand": "hostalive" } })).await;
    setting.installation.synced("team-a", "db").await;
    setting.satellite_equals_volume().await;
    setting.is_clean("kept content");
}

/// The same for a withdrawn content that comes back while the current generation is invalid.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_content_that_was_withdrawn_comes_back_everywhere() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let setting = Setting::start().await;
    setting.installation.put("team-a", "web", invalid()).await;
    setting.installation.refused("team-a", "web", Reason::Invalid).await;
    setting.installation.delete("team-a", "linux").await;
    setting.both_are_withdrawn().await;
    setting.satellite_equals_volume().await;
    setting.installation.put("team-a", "linux", json!({ "hostGroup": {} })).await;
    setting.installation.synced("team-a", "linux").await;
    setting.satellite_equals_volume().await;
    setting.is_clean("kept content that was withdrawn");
}

/// A failed write of the new generation is retried, although a retry of the old one is still
/// waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_retry_of_an_old_generation_does_not_prevent_a_retry_of_the_new() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let setting = Setting::start().await;
    let unavailable = || Action::refuse(503, "ServiceUnavailable");
    // Fails until the pause before the next retry is long.
    let always = Fault::on(unavailable(), |head, _| head.uri.path().ends_with("/web/status"));
    setting.installation.hub_proxy.set_fault(Some(always.clone()));
    setting.installation.put("team-a", "web", host("two")).await;
    eventually(SOON, "five writes have failed", async || {
        if always.hits() >= 5 { Ok(()) } else { Err(always.hits().to_string()) }
    })
    .await;
    // Meanwhile the next generation is Ready, and its Synced is refused once.
    let once = Fault::on(unavailable(), |head, body| {
        let synced = br#""reason":"AllSatellites""#;
        head.uri.path().ends_with("/web/status") && body.windows(synced.len()).any(|part| part == synced)
    })
    .times(1);
    setting.installation.hub_proxy.set_fault(Some(once.clone()));
    setting.installation.put("team-a", "web", host("three")).await;
    let synced = tokio::time::timeout(SOON, setting.installation.synced("team-a", "web")).await;
    assert!(synced.is_ok(), "never Synced:\n{}", story(&setting.history(), "team-a/web"));
    assert_eq!(once.hits(), 1);
    setting.is_clean("retry");
}

/// R7: a restart writes nothing for an object that is not Ready and whose previous content is kept
/// and delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_kept_content_writes_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut setting = Setting::start().await;
    setting.installation.put("team-a", "web", invalid()).await;
    setting.installation.refused("team-a", "web", Reason::Invalid).await;
    setting.satellite_equals_volume().await;
    let operator = setting.operator.take().unwrap();
    let (installation, watch) = (&setting.installation, &setting.watch);
    restart_writes_nothing("kept content", installation, &["sat-a"], watch, operator, GROUNDLINK).await;
}

/// A crash prevents the Ready of a publication, and an invalid generation follows before the
/// restart. Every snapshot of the next process has the object, and in the end satellites and volume
/// are equal.
#[tokio::test(flavor = "multi_thread")]
async fn a_found_and_kept_content_is_never_missing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut setting = Setting::start().await;
    setting.change_and_hold("two").await;
    setting.operator.take().unwrap().kill();
    setting.release();
    setting.installation.put("team-a", "web", invalid()).await;
    let before = setting.installation.recorder.sequence().now();
    setting.operator = Some(setting.installation.operator(GROUNDLINK).await);
    setting.installation.refused("team-a", "web", Reason::Invalid).await;
    setting.satellite_equals_volume().await;
    assert!(setting.installation.files()[KEY].contains("two"));
    setting.was_never_missing(before);
    setting.is_clean("found content");
}

/// The same, but the invalid generation follows after the restart, while the Ready of the found
/// file is in transit. That Ready is written, as for any other publication.
#[tokio::test(flavor = "multi_thread")]
async fn a_found_content_is_reported_ready_before_a_later_refusal() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut setting = Setting::start().await;
    setting.change_and_hold("two").await;
    setting.operator.take().unwrap().kill();
    setting.release();
    let before = setting.installation.recorder.sequence().now();
    setting.start_and_hold("web").await;
    setting.installation.put("team-a", "web", invalid()).await;
    setting.release();
    setting.installation.refused("team-a", "web", Reason::Invalid).await;
    setting.satellite_equals_volume().await;
    assert!(setting.installation.files()[KEY].contains("two"));
    let writes = setting.installation.ready_writes("web");
    let acknowledged = writes.iter().filter(|e| e.seq_start > before && e.is_acknowledged()).count();
    assert_eq!(acknowledged, 1, "{}", story(&setting.history(), "team-a/web"));
    setting.was_never_missing(before);
    setting.is_clean("found and overtaken");
}

/// While the operator was down, objects lost a name that they need. They leave the volume first,
/// then their statuses say so, then they leave the satellites: the process may end again between
/// any two steps.
#[tokio::test(flavor = "multi_thread")]
async fn objects_withdrawn_at_the_start_leave_in_order() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut setting = Setting::start().await;
    setting.operator.take().unwrap().kill();
    setting.installation.delete("team-a", "linux").await;
    setting.start_and_hold("web").await;
    assert!(
        !setting.installation.files().contains_key(KEY),
        "the file must be removed before the status is written"
    );
    setting.release();
    setting.both_are_withdrawn().await;
    setting.satellite_equals_volume().await;
    setting.is_clean("withdrawn at the start");
}

/// An object that others name was recreated while the operator was down, so it has a file but no
/// status. The first snapshot waits for that status, so satellites keep the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_waits_for_a_recreated_object() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut setting = Setting::start().await;
    setting.operator.take().unwrap().kill();
    setting.installation.delete("team-a", "linux").await;
    setting.installation.put("team-a", "linux", json!({ "hostGroup": {} })).await;
    let before = setting.installation.recorder.sequence().now();
    setting.start_and_hold("linux").await;
    setting.release();
    setting.installation.synced("team-a", "linux").await;
    setting.satellite_equals_volume().await;
    setting.was_never_missing(before);
    setting.is_clean("recreated");
}

/// A content gets its own status even if the next generation comes before its file is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_content_overtaken_before_its_commit_gets_its_own_status() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut setting = Setting::start().await;
    setting.operator.take().unwrap().kill();
    // Without the Lease the operator watches and decides, but writes nothing.
    let lease =
        Fault::on(Action::Hang, |head, _| head.method != Method::GET && head.uri.path().contains("/leases"));
    setting.installation.hub_proxy.set_fault(Some(lease));
    let operator = setting.installation.operator_builder(GROUNDLINK).await.spawn();
    operator.wait_for_log("\"recovered\"", SOON).await;
    setting.operator = Some(operator);
    let waits = json!({ "host": { "checkCommand": "hostalive", "groups": ["nowhere"] } });
    setting.installation.put("team-a", "web", host("two")).await;
    setting.refused(1).await;
    setting.installation.put("team-a", "web", waits).await;
    // Events come in order: once the hub has seen this object, it has seen the change above.
    setting.installation.put("team-a", "later", host("later")).await;
    setting.refused(2).await;
    setting.release();
    setting.installation.refused("team-a", "web", Reason::UnresolvedReference).await;
    setting.installation.synced("team-a", "later").await;
    setting.satellite_equals_volume().await;
    assert!(setting.installation.files()[KEY].contains("two"));
    // The next process delivers the content on the volume.
    setting.operator.take().unwrap().kill();
    setting.operator = Some(setting.installation.operator(GROUNDLINK).await);
    setting.installation.delete("team-a", "later").await;
    setting.satellite_equals_volume().await;
    setting.is_clean("overtaken");
}
