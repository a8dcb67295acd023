//! The metrics of the agent.

use super::core::Effect;
use crate::api::agent_report::AgentReport;
use crate::metrics::{register_build, registry};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Mutex;
use std::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    step: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultOf {
    result: &'static str,
}

/// The metrics of one agent.
pub struct AgentMetrics {
    registry: Registry,
    steps: Family<Step, Histogram>,
    results: Family<ResultOf, Counter>,
    failures: Counter,
    log_lines_lost: Counter,
    objects: Gauge,
    held: Gauge,
    revision_term: Gauge,
    revision_counter: Gauge,
    checkables: Gauge,
    overdue: Gauge,
    unproved_seconds: Gauge,
    /// Since when Icinga has not proved the newest set. None if it has.
    behind: Mutex<Option<Instant>>,
}

impl Default for AgentMetrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: registry(),
            steps: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.0, 15))),
            results: Family::default(),
            failures: Counter::default(),
            log_lines_lost: Counter::default(),
            objects: Gauge::default(),
            held: Gauge::default(),
            revision_term: Gauge::default(),
            revision_counter: Gauge::default(),
            checkables: Gauge::default(),
            overdue: Gauge::default(),
            unproved_seconds: Gauge::default(),
            behind: Mutex::new(Some(Instant::now())),
        };
        metrics.register();
        metrics
    }
}

impl AgentMetrics {
    fn register(&mut self) {
        let r = self.registry.sub_registry_with_prefix("groundlink_agent");
        register_build(r);
        r.register_with_unit(
            "step_duration",
            "Time of each step of a load: fetch, unpack, validate, load (from the switch to the proof)",
            Unit::Seconds,
            self.steps.clone(),
        );
        r.register(
            "sets",
            "Sets by result: Loaded, LoadedInPart, Rejected, Held, RolledBack, Restored",
            self.results.clone(),
        );
        r.register("failures", "Steps that failed and are tried again", self.failures.clone());
        r.register(
            "log_lines_lost",
            "Lines of the log that were lost because nobody read it",
            self.log_lines_lost.clone(),
        );
        r.register("objects", "Objects of the set that Icinga has loaded", self.objects.clone());
        r.register("held_objects", "Objects whose newest content Icinga refused", self.held.clone());
        r.register("revision_term", "Term of the loaded revision", self.revision_term.clone());
        r.register("revision_counter", "Counter of the loaded revision", self.revision_counter.clone());
        r.register(
            "checkables",
            "Hosts and services of the loaded set with active checks",
            self.checkables.clone(),
        );
        r.register(
            "checks_overdue",
            "Those that have no result although two check intervals are over",
            self.overdue.clone(),
        );
        r.register_with_unit(
            "behind",
            "How long Icinga has not proved that it runs the newest set; 0 if it has",
            Unit::Seconds,
            self.unproved_seconds.clone(),
        );
    }

    /// Returns the counter of lines of the log that were lost.
    pub fn log_lines_lost(&self) -> Counter {
        self.log_lines_lost.clone()
    }

    /// Takes what the agent says.
    pub fn record(&self, effect: &Effect) {
        let result = match effect {
            Effect::Loaded { held, durations, .. } => {
                let steps = [
                    ("fetch", durations.fetch),
                    ("unpack", durations.unpack),
                    ("validate", durations.validate),
                    ("load", durations.load),
                ];
                for (step, milliseconds) in steps {
                    self.steps.get_or_create(&Step { step }).observe(milliseconds as f64 / 1000.0);
                }
                if *held > 0 { "LoadedInPart" } else { "Loaded" }
            }
            Effect::Refused(refusal) => refusal.result.as_str(),
            Effect::RolledBack => "RolledBack",
            Effect::Restored(_) => "Restored",
            Effect::Failed(_) => {
                self.failures.inc();
                return;
            }
        };
        self.results.get_or_create(&ResultOf { result }).inc();
    }

    /// Takes the present report. `objects` is the number of files of the last tree that was proved.
    pub fn observe(&self, report: &AgentReport, objects: usize, is_loaded: bool) {
        self.objects.set(objects as i64);
        self.held.set(report.held.len() as i64);
        if let Some(running) = &report.running
            && let Ok(revision) = running.revision.parse::<crate::identity::Revision>()
        {
            self.revision_term.set(revision.term as i64);
            self.revision_counter.set(revision.counter as i64);
        }
        if let Some(checked) = &report.checked {
            self.checkables.set(checked.checkables as i64);
            self.overdue.set(checked.overdue as i64);
        }
        if let Ok(mut behind) = self.behind.lock() {
            *behind = if is_loaded { None } else { behind.or(Some(Instant::now())) };
        }
    }

    /// Returns the metrics as OpenMetrics text.
    pub fn encode(&self) -> String {
        let since = self.behind.lock().ok().and_then(|behind| *behind);
        self.unproved_seconds.set(since.map_or(0, |since| since.elapsed().as_secs() as i64));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
