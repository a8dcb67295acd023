//! The metrics of each satellite. They end with its SatelliteCluster.

use super::labels::{AgentLabel, BreakerLabel, ConditionLabel, FailureLabel, SatelliteLabel};
use crate::api::Reason;
use crate::api::condition::ConditionStatus;
use crate::api::satellite_cluster::{AgentState, BreakerState, Stats};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What was written to a satellite and is not in its counters yet.
#[derive(Debug, Default)]
pub struct WriteCounts {
    /// Requests that write, answered with success.
    pub requests: AtomicU64,
    /// Bytes of the files, or archives, in them.
    pub bytes: AtomicU64,
}

/// The families with the label `satellite`.
pub(super) struct SatelliteMetrics {
    up: Family<SatelliteLabel, Gauge>,
    passes: Family<SatelliteLabel, Counter>,
    writes: Family<SatelliteLabel, Counter>,
    failures: Family<FailureLabel, Counter>,
    /// Which reasons each satellite has had: a family does not list its labels.
    failed: Mutex<BTreeMap<String, BTreeSet<Reason>>>,
    objects: Family<SatelliteLabel, Gauge>,
    bytes: Family<SatelliteLabel, Gauge>,
    bytes_written: Family<SatelliteLabel, Counter>,
    acknowledged_seconds: Family<SatelliteLabel, Histogram>,
    loaded_seconds: Family<SatelliteLabel, Histogram>,
    all_loaded_seconds: Histogram,
    agents: Family<AgentLabel, Gauge>,
    staleness: Family<SatelliteLabel, Gauge<f64, AtomicU64>>,
    breaker: Family<BreakerLabel, Gauge>,
    corrections: Family<SatelliteLabel, Counter>,
    /// When the oldest snapshot was cut that the satellite lacks.
    behind: Mutex<BTreeMap<String, Instant>>,
    status_failures: Counter,
    credential_expiry: Family<SatelliteLabel, Gauge>,
    conditions: Family<ConditionLabel, Gauge>,
    /// The present conditions of each satellite.
    conditions_of: Mutex<BTreeMap<String, BTreeSet<ConditionLabel>>>,
}

/// Seconds from the publication until a satellite acknowledged. 30 s is the objective of `docs/slo.md`.
const DELIVERY: [f64; 18] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0,
    3600.0,
];
/// Seconds from the publication until Icinga had loaded it. 120 s is the objective of `docs/slo.md`.
const LOADING: [f64; 14] =
    [0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

fn loading() -> Histogram {
    Histogram::new(LOADING)
}

impl Default for SatelliteMetrics {
    fn default() -> Self {
        Self {
            up: Family::default(),
            passes: Family::default(),
            writes: Family::default(),
            failures: Family::default(),
            failed: Mutex::default(),
            objects: Family::default(),
            bytes: Family::default(),
            bytes_written: Family::default(),
            acknowledged_seconds: Family::new_with_constructor(|| Histogram::new(DELIVERY)),
            loaded_seconds: Family::new_with_constructor(loading),
            all_loaded_seconds: loading(),
            agents: Family::default(),
            staleness: Family::default(),
            breaker: Family::default(),
            corrections: Family::default(),
            behind: Mutex::default(),
            status_failures: Counter::default(),
            credential_expiry: Family::default(),
            conditions: Family::default(),
            conditions_of: Mutex::default(),
        }
    }
}

impl SatelliteMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let r = registry;
        r.register("satellite_up", "1 while the satellite answers, else 0", self.up.clone());
        r.register(
            "satellite_acknowledgements",
            "Passes that ended with the satellite holding the whole set",
            self.passes.clone(),
        );
        r.register(
            "satellite_writes",
            "Requests that write and that the satellite answered with success",
            self.writes.clone(),
        );
        r.register("satellite_failures", "Failed passes by reason", self.failures.clone());
        r.register("satellite_objects", "Objects that the satellite should hold", self.objects.clone());
        r.register("satellite_bytes", "Bytes that the satellite should hold", self.bytes.clone());
        r.register(
            "satellite_written_bytes",
            "Bytes of files and archives in the requests that write",
            self.bytes_written.clone(),
        );
        r.register(
            "satellite_publish_to_acknowledge_seconds",
            "Time from the first snapshot that the satellite lacked until it held the whole set",
            self.acknowledged_seconds.clone(),
        );
        r.register(
            "satellite_publish_to_loaded_seconds",
            "Time from the first snapshot that an agent of the satellite had not loaded until all had loaded a set that holds it",
            self.loaded_seconds.clone(),
        );
        r.register(
            "publish_to_loaded_seconds",
            "The same over all satellites",
            self.all_loaded_seconds.clone(),
        );
        r.register("satellite_agents", "Agents of the satellite by result", self.agents.clone());
        r.register(
            "satellite_staleness_seconds",
            "For how long the satellite has lacked a snapshot; 0 while it lacks none",
            self.staleness.clone(),
        );
        r.register(
            "satellite_breaker_state",
            "1 for the present state of the breaker: Closed (requests are sent), Open (only probes are sent), HalfOpen (a probe was \
             answered)",
            self.breaker.clone(),
        );
        r.register(
            "satellite_drift_corrections",
            "ConfigMaps that somebody else changed and that were written again",
            self.corrections.clone(),
        );
        r.register(
            "satellite_status_failures",
            "Failed writes of SatelliteCluster statuses",
            self.status_failures.clone(),
        );
        r.register(
            "satellite_credential_expiry_timestamp_seconds",
            "When the satellite's token or client certificate ends (Unix seconds); absent if it has no end",
            self.credential_expiry.clone(),
        );
        r.register(
            "satellite_condition",
            "1 for each present condition of the SatelliteCluster, with its status and reason",
            self.conditions.clone(),
        );
    }

    /// Brings the gauges up to date that grow with time.
    pub(super) fn refresh(&self) {
        for (satellite, since) in self.behind().iter() {
            let label = SatelliteLabel::new(satellite);
            self.staleness.get_or_create(&label).set(since.elapsed().as_secs_f64());
        }
    }

    fn behind(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn conditions_of(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<ConditionLabel>>> {
        self.conditions_of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<Reason>>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl super::Metrics {
    /// Records the state of a satellite's breaker.
    pub fn satellite_breaker(&self, satellite: &str, state: BreakerState) {
        let of = &self.satellite;
        let up = i64::from(state != BreakerState::Open);
        of.up.get_or_create(&SatelliteLabel::new(satellite)).set(up);
        for each in BreakerLabel::STATES {
            of.breaker.get_or_create(&BreakerLabel::new(satellite, each)).set(i64::from(each == state));
        }
    }

    /// Records that a satellite lacks a snapshot that was cut at this time.
    pub fn satellite_behind(&self, satellite: &str, cut: Instant) {
        self.satellite.behind().entry(satellite.to_owned()).or_insert(cut);
    }

    /// Records that a satellite holds every snapshot that was cut before the pass began.
    pub fn satellite_acked(&self, satellite: &str, stats: Option<&Stats>) {
        let (of, label) = (&self.satellite, SatelliteLabel::new(satellite));
        of.passes.get_or_create(&label).inc();
        if let Some(since) = of.behind().remove(satellite) {
            of.acknowledged_seconds.get_or_create(&label).observe(since.elapsed().as_secs_f64());
        }
        of.staleness.get_or_create(&label).set(0.0);
        if let Some(stats) = stats {
            of.objects.get_or_create(&label).set(i64::from(stats.objects));
            of.bytes.get_or_create(&label).set(i64::try_from(stats.bytes).unwrap_or(i64::MAX));
        }
    }

    /// Records that all agents of a satellite loaded what was cut at this time.
    pub fn satellite_loaded(&self, satellite: &str, cut: Instant) {
        let (of, seconds) = (&self.satellite, cut.elapsed().as_secs_f64());
        of.loaded_seconds.get_or_create(&SatelliteLabel::new(satellite)).observe(seconds);
        of.all_loaded_seconds.observe(seconds);
    }

    /// Records how many agents of a satellite are in each state.
    pub fn satellite_agents(&self, satellite: &str, counts: &BTreeMap<AgentState, u32>) {
        for state in AgentState::ALL {
            let label = AgentLabel::new(satellite, *state);
            match counts.get(state) {
                Some(count) => drop(self.satellite.agents.get_or_create(&label).set(i64::from(*count))),
                None => drop(self.satellite.agents.remove(&label)),
            }
        }
    }

    /// Moves what was written into the satellite's counters.
    pub fn satellite_wrote(&self, satellite: &str, written: &WriteCounts) {
        let (of, label) = (&self.satellite, SatelliteLabel::new(satellite));
        of.writes.get_or_create(&label).inc_by(written.requests.swap(0, Ordering::Relaxed));
        of.bytes_written.get_or_create(&label).inc_by(written.bytes.swap(0, Ordering::Relaxed));
    }

    /// Counts a ConfigMap that somebody else changed and that was written again.
    pub fn satellite_corrected(&self, satellite: &str) {
        self.satellite.corrections.get_or_create(&SatelliteLabel::new(satellite)).inc();
    }

    /// Counts a pass that failed.
    pub fn satellite_failed(&self, satellite: &str, reason: Reason) {
        let of = &self.satellite;
        of.failures.get_or_create(&FailureLabel::new(satellite, reason)).inc();
        of.failed().entry(satellite.to_owned()).or_default().insert(reason);
    }

    /// Records the conditions of a satellite: type, status and reason of each.
    pub fn satellite_conditions<'a>(
        &self,
        satellite: &str,
        conditions: impl Iterator<Item = (&'a str, ConditionStatus, &'a str)>,
    ) {
        let of = &self.satellite;
        let now: BTreeSet<_> = conditions.map(|words| ConditionLabel::new(satellite, words)).collect();
        let mut known = of.conditions_of();
        let before = known.insert(satellite.to_owned(), now.clone()).unwrap_or_default();
        for label in before.difference(&now) {
            of.conditions.remove(label);
        }
        for label in &now {
            of.conditions.get_or_create(label).set(1);
        }
    }

    /// Removes every metric of a satellite.
    pub fn satellite_gone(&self, satellite: &str) {
        let (of, label) = (&self.satellite, SatelliteLabel::new(satellite));
        for condition in of.conditions_of().remove(satellite).unwrap_or_default() {
            of.conditions.remove(&condition);
        }
        of.behind().remove(satellite);
        for gauges in [&of.up, &of.objects, &of.bytes, &of.credential_expiry] {
            gauges.remove(&label);
        }
        for counters in [&of.passes, &of.writes, &of.bytes_written, &of.corrections] {
            counters.remove(&label);
        }
        of.acknowledged_seconds.remove(&label);
        of.loaded_seconds.remove(&label);
        for state in AgentState::ALL {
            of.agents.remove(&AgentLabel::new(satellite, *state));
        }
        of.staleness.remove(&label);
        for reason in of.failed().remove(satellite).unwrap_or_default() {
            of.failures.remove(&FailureLabel::new(satellite, reason));
        }
        for state in BreakerLabel::STATES {
            of.breaker.remove(&BreakerLabel::new(satellite, state));
        }
    }

    /// Records when the credential in use ends (Unix seconds). `None` if it has no end that can be
    /// read.
    pub fn satellite_credential_expiry(&self, satellite: &str, expiry: Option<i64>) {
        let (expiries, label) = (&self.satellite.credential_expiry, SatelliteLabel::new(satellite));
        match expiry {
            Some(expiry) => {
                expiries.get_or_create(&label).set(expiry);
            }
            None => {
                expiries.remove(&label);
            }
        }
    }

    /// Counts a failed write of a SatelliteCluster's status.
    pub fn satellite_status_write_failed(&self) {
        self.satellite.status_failures.inc();
    }
}
