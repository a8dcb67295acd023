//! Every metric: its name, its help text, its labels. No label names an object.

mod build;
mod exposition;
mod labels;
mod process;
mod satellite;

pub use build::{register_build, registry};
pub use exposition::Format;
pub use labels::{Correction, EventResult, Work};
pub use satellite::WriteCounts;

use crate::status::{Kind, WriteResult};
use labels::{CorrectionLabel, KindLabel, PanicLabel, ResultLabel, StateLabel, StatusWriteLabel};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use satellite::SatelliteMetrics;
use std::time::Duration;

/// The metrics of one process.
pub struct Metrics {
    registry: Registry,
    objects: Family<StateLabel, Gauge>,
    published: Family<ResultLabel, Counter>,
    commit_seconds: Histogram,
    commit_files: Histogram,
    corrections: Family<CorrectionLabel, Counter>,
    panics: Family<PanicLabel, Counter>,
    status_writes: Family<StatusWriteLabel, Counter>,
    status_queue: Family<StateLabel, Gauge>,
    events: Family<ResultLabel, Counter>,
    snapshot_term: Gauge,
    snapshot_counter: Gauge,
    snapshot_objects: Gauge,
    unconfirmed: Gauge,
    removals_held: Gauge,
    of_another_operator: Family<KindLabel, Gauge>,
    tasks: Gauge,
    log_lines_lost: Counter,
    satellite: SatelliteMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: registry(),
            objects: Family::default(),
            published: Family::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            commit_files: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
            corrections: Family::default(),
            panics: Family::default(),
            status_writes: Family::default(),
            status_queue: Family::default(),
            events: Family::default(),
            snapshot_term: Gauge::default(),
            snapshot_counter: Gauge::default(),
            snapshot_objects: Gauge::default(),
            unconfirmed: Gauge::default(),
            removals_held: Gauge::default(),
            of_another_operator: Family::default(),
            tasks: Gauge::default(),
            log_lines_lost: Counter::default(),
            satellite: SatelliteMetrics::default(),
        };
        metrics.register();
        ["MonitoringObject", "SatelliteCluster"].iter().for_each(|kind| metrics.of_another_operator(kind, 0));
        // From the start, so that the first one is an increase.
        Work::ALL.iter().for_each(|work| drop(metrics.panics.get_or_create(&PanicLabel::new(*work))));
        Correction::ALL
            .iter()
            .for_each(|what| drop(metrics.corrections.get_or_create(&CorrectionLabel::new(*what))));
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = self.registry.sub_registry_with_prefix("groundlink");
        register_build(r);
        r.register(
            "objects",
            "MonitoringObjects by state: published, refused, suspended, failing",
            self.objects.clone(),
        );
        r.register(
            "publish",
            "Changes of files by result: published, removed, failed",
            self.published.clone(),
        );
        r.register("commit_duration_seconds", "Time of one group commit", self.commit_seconds.clone());
        r.register("commit_files", "Files in one group commit", self.commit_files.clone());
        r.register(
            "volume_corrections",
            "Files of the volume that somebody else touched, by what the operator found: changed, removed, unreadable, added",
            self.corrections.clone(),
        );
        r.register(
            "panics",
            "Panics of this process that it survived, by the work that panicked: object, status, commit, satellite",
            self.panics.clone(),
        );
        r.register(
            "status_writes",
            "Ended writes of MonitoringObject statuses, by kind (ready, refusal, synced) and result (ok, stale, gone, refused, \
             unknown, panicked)",
            self.status_writes.clone(),
        );
        r.register(
            "status_queue_depth",
            "Status writes that wait, by state: ready (refusals too), synced",
            self.status_queue.clone(),
        );
        r.register(
            "object_events",
            "Events of MonitoringObjects by result: published, failed, left_out (too many at once)",
            self.events.clone(),
        );
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
        r.register(
            "removals_held",
            "Objects whose removal waits for a person, because too many left at once",
            self.removals_held.clone(),
        );
        r.register(
            "objects_of_another_operator",
            "Resources whose status another operator wrote, by kind: MonitoringObject, SatelliteCluster",
            self.of_another_operator.clone(),
        );
        r.register("tasks", "Live tasks of this process", self.tasks.clone());
        r.register(
            "log_lines_lost",
            "Lines of the log that were lost because nobody read it",
            self.log_lines_lost.clone(),
        );
        self.satellite.register(r);
    }

    /// Returns the metrics as OpenMetrics text.
    pub fn encode(&self) -> String {
        self.satellite.refresh();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.set(runtime.metrics().num_alive_tasks() as i64);
        }
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Records how many objects are in which state.
    pub fn objects(&self, published: usize, refused: usize, suspended: usize, failing: usize) {
        for (state, count) in
            [("published", published), ("refused", refused), ("suspended", suspended), ("failing", failing)]
        {
            self.objects.get_or_create(&StateLabel { state }).set(count as i64);
        }
    }

    /// Records a group commit.
    pub fn committed(&self, took: Duration, published: usize, removed: usize, failed: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_files.observe((published + removed + failed) as f64);
        for (result, count) in [("published", published), ("removed", removed), ("failed", failed)] {
            self.published.get_or_create(&ResultLabel { result }).inc_by(count as u64);
        }
    }

    /// Counts a file of the volume that somebody else touched.
    pub fn volume_corrected(&self, what: Correction) {
        self.corrections.get_or_create(&CorrectionLabel::new(what)).inc();
    }

    /// Counts a panic that the process survived.
    pub fn panicked(&self, work: Work) {
        self.panics.get_or_create(&PanicLabel::new(work)).inc();
    }

    /// Counts a write of a MonitoringObject's status that was answered, or given up.
    pub fn status_written(&self, kind: Kind, result: WriteResult) {
        self.status_writes.get_or_create(&StatusWriteLabel::new(kind, result)).inc();
    }

    /// Records how many status writes wait.
    pub fn status_queued(&self, ready: usize, synced: usize) {
        for (state, depth) in [("ready", ready), ("synced", synced)] {
            self.status_queue.get_or_create(&StateLabel { state }).set(depth as i64);
        }
    }

    /// Counts an event of a MonitoringObject.
    pub fn event(&self, result: EventResult) {
        self.events.get_or_create(&ResultLabel { result: result.label() }).inc();
    }

    /// Records the snapshot that was cut.
    pub fn snapshot(&self, term: u64, counter: u64, objects: usize) {
        self.snapshot_term.set(term as i64);
        self.snapshot_counter.set(counter as i64);
        self.snapshot_objects.set(objects as i64);
    }

    /// Returns the counter of lines of the log that were lost.
    pub fn log_lines_lost(&self) -> Counter {
        self.log_lines_lost.clone()
    }

    /// Records how many objects the first snapshot still waits for.
    pub fn unconfirmed(&self, count: usize) {
        self.unconfirmed.set(count as i64);
    }

    /// Records how many resources of a kind have a status of another operator.
    pub fn of_another_operator(&self, kind: &'static str, count: usize) {
        self.of_another_operator.get_or_create(&KindLabel { kind }).set(count as i64);
    }

    /// Records how many objects wait for a person before they are removed.
    pub fn removals_held(&self, count: usize) {
        self.removals_held.set(count as i64);
    }
}

#[cfg(test)]
mod tests;
