//! A stopped API server of one satellite delays neither the hub nor the other satellite. The
//! satellite catches up by itself.

use crate::support::{GENEROUS, Installation, eventually};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use futures::StreamExt;
use groundlink::api::satellite_cluster::BreakerState;
use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Longest time from the end of the outage until the satellite holds everything.
const CATCHES_UP: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_satellite_costs_the_others_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    let mut clock = Clock::start(&installation).await;
    for index in 0..10 {
        clock.change(&installation, index).await;
    }
    for satellite in ["sat-a", "sat-b"] {
        installation.equal(satellite, GENEROUS).await;
    }

    let mut before = Latencies::default();
    for index in 10..50 {
        clock.change(&installation, index).await.add_to(&mut before);
    }
    installation.equal("sat-b", GENEROUS).await;

    let frozen = installation.plane.server("sat-b");
    frozen.pause();
    let stopped = Instant::now();
    let mut during = Latencies::default();
    // Creations, changes and deletions in turn.
    for round in 0..40 {
        match round % 4 {
            0 | 1 => clock.change(&installation, 50 + round).await.add_to(&mut during),
            2 => clock.change(&installation, round).await.add_to(&mut during),
            _ => clock.delete(&installation, round).await,
        }
    }
    let busy = stopped.elapsed();
    // The worst moment for the return: the breaker is open, and the next probe is up to 12 s away.
    let satellites = installation.satellites();
    eventually(GENEROUS, "the breaker of sat-b is open", async || {
        let status = satellites.get_status("sat-b").await.map_err(|error| error.to_string())?.status;
        let state = status.and_then(|status| status.breaker).map(|breaker| breaker.state);
        if state == Some(BreakerState::Open) { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await;
    let out = stopped.elapsed();
    frozen.resume();
    let resumed = Instant::now();
    let files = installation.equal("sat-b", CATCHES_UP).await;
    let caught_up = resumed.elapsed();
    installation.equal("sat-a", GENEROUS).await;
    println!("isolation: before: {before}; while sat-b is stopped: {during}");
    println!(
        "isolation: 40 operations in {busy:.1?} of an outage of {out:.1?}; sat-b holds all {} files {caught_up:.1?} after \
         its end",
        files.len()
    );
    assert!(caught_up <= CATCHES_UP);
    for (what, before, during) in
        [("Ready", &before.ready, &during.ready), ("delivery to sat-a", &before.delivered, &during.delivered)]
    {
        let (before, during) = (percentile(before, 50), percentile(during, 50));
        let limit = before * 3 + Duration::from_millis(200);
        assert!(during <= limit, "{what}: p50 {during:.1?} while sat-b is stopped, {before:.1?} before");
    }
    drop(operator);
}

/// The latencies of one change, measured from before the request.
struct Latency {
    ready: Duration,
    delivered: Duration,
}

#[derive(Default)]
struct Latencies {
    ready: Vec<Duration>,
    delivered: Vec<Duration>,
}

impl Latency {
    fn add_to(self, latencies: &mut Latencies) {
        latencies.ready.push(self.ready);
        latencies.delivered.push(self.delivered);
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line =
            |latencies| format!("{:.1?} / {:.1?}", percentile(latencies, 50), percentile(latencies, 95));
        write!(f, "Ready p50/p95 {}, sat-a p50/p95 {}", line(&self.ready), line(&self.delivered))
    }
}

fn percentile(latencies: &[Duration], percent: usize) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort();
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// The generation of each object for which a watch last saw Ready=True.
type Ready = BTreeMap<String, i64>;
/// The files on sat-a, by the last event of a watch.
type Held = BTreeMap<String, String>;

/// Watches of the hub and of sat-a that bypass the operator's proxies.
struct Clock {
    ready: watch::Receiver<Ready>,
    held: watch::Receiver<Held>,
    version: u64,
}

impl Clock {
    async fn start(installation: &Installation) -> Self {
        let (ready_seen, ready) = watch::channel(Ready::new());
        let objects = Api::<MonitoringObject>::all(installation.hub.clone());
        tokio::spawn(async move {
            let mut events = watcher(objects, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
                    continue;
                };
                let condition = crate::support::condition_of(&object, ConditionType::Ready);
                if condition.is_some_and(|(status, _, _)| status == ConditionStatus::True) {
                    ready_seen.send_modify(|ready| {
                        ready.insert(object.name_any(), object.metadata.generation.unwrap());
                    });
                }
            }
        });
        let (held_seen, held) = watch::channel(Held::new());
        let client = installation.plane.server("sat-a").client().await;
        let pointers = Api::<ConfigMap>::namespaced(client, "icinga");
        tokio::spawn(async move {
            let mut events = watcher(pointers, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
                    continue;
                };
                if object.name_any() == "groundlink" {
                    held_seen.send_replace(object.data.unwrap_or_default());
                }
            }
        });
        Self { ready, held, version: 0 }
    }

    /// Creates or changes a host, and waits until it is Ready and on sat-a.
    async fn change(&mut self, installation: &Installation, index: usize) -> Latency {
        self.version += 1;
        let (name, notes) = (format!("host-{index}"), format!("version {};", self.version));
        let spec: Value = json!({ "host": { "checkCommand": "hostalive", "notes": notes } });
        let started = Instant::now();
        let generation = installation.put("team-a", &name, spec).await.metadata.generation.unwrap();
        let ready = self.ready.wait_for(|ready| ready.get(&name).is_some_and(|seen| *seen >= generation));
        tokio::time::timeout(GENEROUS, ready).await.expect("Ready in time").unwrap();
        let ready = started.elapsed();
        let key = format!("team-a.{name}.conf");
        let held = self.held.wait_for(|held| held.get(&key).is_some_and(|text| text.contains(&notes)));
        tokio::time::timeout(GENEROUS, held).await.expect("on sat-a in time").unwrap();
        Latency { ready, delivered: started.elapsed() }
    }

    /// Deletes a host, and waits until it is gone from sat-a.
    async fn delete(&mut self, installation: &Installation, index: usize) {
        let name = format!("host-{index}");
        installation.delete("team-a", &name).await;
        let key = format!("team-a.{name}.conf");
        let gone = self.held.wait_for(|held| !held.contains_key(&key));
        tokio::time::timeout(GENEROUS, gone).await.expect("gone from sat-a in time").unwrap();
    }
}
