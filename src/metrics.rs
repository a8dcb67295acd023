//! Every metric: names and label sets in one place. No label names an object.

use crate::api::Reason;
use crate::api::satellite_cluster::{BreakerState, Stats};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SatelliteLabel {
    satellite: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SatelliteStateLabel {
    satellite: String,
    state: &'static str,
}

const BREAKER_STATES: [(&str, BreakerState); 3] =
    [("Closed", BreakerState::Closed), ("Open", BreakerState::Open), ("HalfOpen", BreakerState::HalfOpen)];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SatelliteReasonLabel {
    satellite: String,
    reason: String,
}

impl SatelliteReasonLabel {
    fn new(satellite: &str, reason: Reason) -> Self {
        Self { satellite: satellite.into(), reason: format!("{reason:?}") }
    }
}

/// What was written to a satellite and not counted yet.
#[derive(Debug, Default)]
pub struct WriteCounts {
    /// Requests that write, answered with success.
    pub requests: AtomicU64,
    /// Bytes of the files, or archives, in them.
    pub bytes: AtomicU64,
}

/// The metrics of one process.
pub struct Metrics {
    registry: Registry,
    objects: Family<StateLabel, Gauge>,
    published: Family<ResultLabel, Counter>,
    commit_seconds: Histogram,
    commit_files: Histogram,
    status_writes: Family<KindLabel, Counter>,
    status_queue: Family<StateLabel, Gauge>,
    snapshot_term: Gauge,
    snapshot_counter: Gauge,
    snapshot_objects: Gauge,
    unconfirmed: Gauge,
    satellite_up: Family<SatelliteLabel, Gauge>,
    satellite_passes: Family<SatelliteLabel, Counter>,
    satellite_writes: Family<SatelliteLabel, Counter>,
    satellite_failures: Family<SatelliteReasonLabel, Counter>,
    /// Which reasons each satellite has had: a family does not tell its labels.
    failed: Mutex<BTreeMap<String, BTreeSet<Reason>>>,
    satellite_objects: Family<SatelliteLabel, Gauge>,
    satellite_bytes: Family<SatelliteLabel, Gauge>,
    satellite_bytes_written: Family<SatelliteLabel, Counter>,
    satellite_acknowledged_seconds: Family<SatelliteLabel, Histogram>,
    satellite_staleness: Family<SatelliteLabel, Gauge<f64, AtomicU64>>,
    satellite_breaker: Family<SatelliteStateLabel, Gauge>,
    satellite_corrections: Family<SatelliteLabel, Counter>,
    /// Since when a satellite lacks something that was cut.
    behind: Mutex<BTreeMap<String, Instant>>,
    satellite_status_failures: Counter,
    tasks: Gauge,
    credential_expiry: Family<SatelliteLabel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("groundlink"),
            objects: Family::default(),
            published: Family::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            commit_files: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
            status_writes: Family::default(),
            status_queue: Family::default(),
            snapshot_term: Gauge::default(),
            snapshot_counter: Gauge::default(),
            snapshot_objects: Gauge::default(),
            unconfirmed: Gauge::default(),
            satellite_up: Family::default(),
            satellite_passes: Family::default(),
            satellite_writes: Family::default(),
            satellite_failures: Family::default(),
            failed: Mutex::default(),
            satellite_objects: Family::default(),
            satellite_bytes: Family::default(),
            satellite_bytes_written: Family::default(),
            satellite_acknowledged_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.005, 2.0, 18))
            }),
            satellite_staleness: Family::default(),
            satellite_breaker: Family::default(),
            satellite_corrections: Family::default(),
            behind: Mutex::default(),
            satellite_status_failures: Counter::default(),
            tasks: Gauge::default(),
            credential_expiry: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "objects",
            "MonitoringObjects by state: published, refused, failing",
            self.objects.clone(),
        );
        r.register("publish", "Changes of files by result", self.published.clone());
        r.register("commit_duration_seconds", "Time of one group commit", self.commit_seconds.clone());
        r.register("commit_files", "Files in one group commit", self.commit_files.clone());
        r.register(
            "status_writes",
            "Writes of MonitoringObject statuses by kind and result",
            self.status_writes.clone(),
        );
        r.register("status_queue_depth", "Status writes that wait, by kind", self.status_queue.clone());
        r.register("snapshot_term", "Term of the latest snapshot's revision", self.snapshot_term.clone());
        r.register(
            "snapshot_counter",
            "Counter of the latest snapshot's revision",
            self.snapshot_counter.clone(),
        );
        r.register("snapshot_objects", "Objects in the latest snapshot", self.snapshot_objects.clone());
        r.register(
            "unconfirmed_objects",
            "Objects that the first snapshot still waits for",
            self.unconfirmed.clone(),
        );
        r.register("satellite_up", "1 while the satellite answers", self.satellite_up.clone());
        r.register(
            "satellite_acknowledgements",
            "Passes that a satellite acknowledged",
            self.satellite_passes.clone(),
        );
        r.register(
            "satellite_writes",
            "Requests that write, which a satellite acknowledged",
            self.satellite_writes.clone(),
        );
        r.register("satellite_failures", "Failed passes by reason", self.satellite_failures.clone());
        r.register(
            "satellite_objects",
            "Objects that the satellite should hold",
            self.satellite_objects.clone(),
        );
        r.register("satellite_bytes", "Bytes that the satellite should hold", self.satellite_bytes.clone());
        r.register(
            "satellite_written_bytes",
            "Bytes of files and archives in the requests that write",
            self.satellite_bytes_written.clone(),
        );
        r.register(
            "satellite_publish_to_acknowledge_seconds",
            "Time from the first snapshot that the satellite lacked to its acknowledgement",
            self.satellite_acknowledged_seconds.clone(),
        );
        r.register(
            "satellite_staleness_seconds",
            "For how long the satellite has lacked something that was cut; 0 while it lacks nothing",
            self.satellite_staleness.clone(),
        );
        r.register(
            "satellite_breaker_state",
            "1 for the state that the breaker has: Closed (called), Open (only probed), HalfOpen (a probe was answered)",
            self.satellite_breaker.clone(),
        );
        r.register(
            "satellite_drift_corrections",
            "ConfigMaps that someone changed and that were written again",
            self.satellite_corrections.clone(),
        );
        r.register(
            "satellite_status_failures",
            "Failed writes of SatelliteCluster statuses",
            self.satellite_status_failures.clone(),
        );
        r.register("tasks", "Tasks of this process that are alive", self.tasks.clone());
        r.register(
            "satellite_credential_expiry_timestamp_seconds",
            "When the satellite's token or client certificate ends; absent for one without an end",
            self.credential_expiry.clone(),
        );
    }

    /// The text that `/metrics` answers.
    pub fn encode(&self) -> String {
        for (satellite, since) in self.behind().iter() {
            let label = SatelliteLabel { satellite: satellite.clone() };
            self.satellite_staleness.get_or_create(&label).set(since.elapsed().as_secs_f64());
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.set(runtime.metrics().num_alive_tasks() as i64);
        }
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// How many objects are in which state.
    pub fn objects(&self, published: usize, refused: usize, failing: usize) {
        for (state, count) in [("published", published), ("refused", refused), ("failing", failing)] {
            self.objects.get_or_create(&StateLabel { state }).set(count as i64);
        }
    }

    /// A group commit.
    pub fn committed(&self, took: Duration, published: usize, removed: usize, failed: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_files.observe((published + removed + failed) as f64);
        for (result, count) in [("published", published), ("removed", removed), ("failed", failed)] {
            self.published.get_or_create(&ResultLabel { result }).inc_by(count as u64);
        }
    }

    /// A status write was answered: kind is `ready` or `synced`.
    pub fn status_written(&self, kind: &'static str, result: &'static str) {
        self.status_writes.get_or_create(&KindLabel { kind, result }).inc();
    }

    /// Status writes that wait.
    pub fn status_queued(&self, ready: usize, synced: usize) {
        for (state, depth) in [("ready", ready), ("synced", synced)] {
            self.status_queue.get_or_create(&StateLabel { state }).set(depth as i64);
        }
    }

    /// A snapshot was cut.
    pub fn snapshot(&self, term: u64, counter: u64, objects: usize) {
        self.snapshot_term.set(term as i64);
        self.snapshot_counter.set(counter as i64);
        self.snapshot_objects.set(objects as i64);
    }

    /// Objects that the first snapshot waits for.
    pub fn unconfirmed(&self, count: usize) {
        self.unconfirmed.set(count as i64);
    }

    fn behind(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The breaker of a satellite has this state.
    pub fn satellite_breaker(&self, satellite: &str, state: BreakerState) {
        let up = i64::from(state != BreakerState::Open);
        self.satellite_up.get_or_create(&SatelliteLabel { satellite: satellite.into() }).set(up);
        for (name, which) in BREAKER_STATES {
            let label = SatelliteStateLabel { satellite: satellite.into(), state: name };
            self.satellite_breaker.get_or_create(&label).set(i64::from(which == state));
        }
    }

    /// A satellite lacks what was cut at this time.
    pub fn satellite_behind(&self, satellite: &str, cut: Instant) {
        self.behind().entry(satellite.to_owned()).or_insert(cut);
    }

    /// A satellite acknowledged that it holds everything that was cut when the pass began.
    pub fn satellite_acked(&self, satellite: &str, stats: Option<&Stats>) {
        let label = SatelliteLabel { satellite: satellite.into() };
        self.satellite_passes.get_or_create(&label).inc();
        if let Some(since) = self.behind().remove(satellite) {
            self.satellite_acknowledged_seconds.get_or_create(&label).observe(since.elapsed().as_secs_f64());
        }
        self.satellite_staleness.get_or_create(&label).set(0.0);
        if let Some(stats) = stats {
            self.satellite_objects.get_or_create(&label).set(i64::from(stats.objects));
            self.satellite_bytes.get_or_create(&label).set(i64::try_from(stats.bytes).unwrap_or(i64::MAX));
        }
    }

    /// Counts what was written, and begins anew.
    pub fn satellite_wrote(&self, satellite: &str, written: &WriteCounts) {
        let label = SatelliteLabel { satellite: satellite.into() };
        self.satellite_writes.get_or_create(&label).inc_by(written.requests.swap(0, Ordering::Relaxed));
        self.satellite_bytes_written.get_or_create(&label).inc_by(written.bytes.swap(0, Ordering::Relaxed));
    }

    /// A ConfigMap that someone changed was written again.
    pub fn satellite_corrected(&self, satellite: &str) {
        self.satellite_corrections.get_or_create(&SatelliteLabel { satellite: satellite.into() }).inc();
    }

    /// A pass failed.
    pub fn satellite_failed(&self, satellite: &str, reason: Reason) {
        self.satellite_failures.get_or_create(&SatelliteReasonLabel::new(satellite, reason)).inc();
        self.failed().entry(satellite.into()).or_default().insert(reason);
    }

    fn failed(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<Reason>>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A satellite was removed.
    pub fn satellite_gone(&self, satellite: &str) {
        let label = SatelliteLabel { satellite: satellite.into() };
        self.behind().remove(satellite);
        for gauges in
            [&self.satellite_up, &self.satellite_objects, &self.satellite_bytes, &self.credential_expiry]
        {
            gauges.remove(&label);
        }
        for counters in [
            &self.satellite_passes,
            &self.satellite_writes,
            &self.satellite_bytes_written,
            &self.satellite_corrections,
        ] {
            counters.remove(&label);
        }
        self.satellite_acknowledged_seconds.remove(&label);
        self.satellite_staleness.remove(&label);
        for reason in self.failed().remove(satellite).unwrap_or_default() {
            self.satellite_failures.remove(&SatelliteReasonLabel::new(satellite, reason));
        }
        for (state, _) in BREAKER_STATES {
            self.satellite_breaker.remove(&SatelliteStateLabel { satellite: satellite.into(), state });
        }
    }

    /// The credential of a satellite that is in use: Unix seconds when it ends, or nothing if it has no end that can be read.
    pub fn satellite_credential_expiry(&self, satellite: &str, expiry: Option<i64>) {
        let label = SatelliteLabel { satellite: satellite.into() };
        match expiry {
            Some(expiry) => {
                self.credential_expiry.get_or_create(&label).set(expiry);
            }
            None => {
                self.credential_expiry.remove(&label);
            }
        }
    }

    /// A SatelliteCluster's status could not be written.
    pub fn satellite_status_write_failed(&self) {
        self.satellite_status_failures.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_without_an_end_and_a_satellite_that_is_gone_have_no_expiry() {
        let metrics = Metrics::default();
        let line = |satellite: &str| {
            let start = format!(
                "groundlink_satellite_credential_expiry_timestamp_seconds{{satellite=\"{satellite}\"}} "
            );
            metrics.encode().lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
        };
        metrics.satellite_credential_expiry("a", Some(1_800_000_000));
        metrics.satellite_credential_expiry("b", Some(1_900_000_000));
        assert_eq!(line("a").as_deref(), Some("1800000000"));
        metrics.satellite_credential_expiry("a", None);
        assert_eq!(line("a"), None);
        metrics.satellite_gone("b");
        assert_eq!(line("b"), None);
    }

    #[test]
    fn of_a_satellite_that_is_gone_nothing_is_told() {
        let metrics = Metrics::default();
        metrics.satellite_behind("gone", Instant::now());
        metrics.satellite_acked("gone", Some(&Stats::default()));
        metrics.satellite_wrote("gone", &WriteCounts::default());
        metrics.satellite_corrected("gone");
        metrics.satellite_breaker("gone", BreakerState::Open);
        metrics.satellite_failed("gone", Reason::Forbidden);
        metrics.satellite_credential_expiry("gone", Some(1_800_000_000));
        metrics.satellite_behind("gone", Instant::now());
        let names = |text: &str| text.lines().filter(|line| line.contains("\"gone\"")).count();
        assert!(names(&metrics.encode()) > 20);
        metrics.satellite_gone("gone");
        assert_eq!(names(&metrics.encode()), 0, "{}", metrics.encode());
    }
}
