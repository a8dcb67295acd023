//! Writes the agent's report into its Lease, and renews the Lease.

use super::core::facts::Files;
use crate::api::agent_report::{AgentReport, AgentResult, HEARTBEAT_SECONDS, SILENCE_SECONDS};
use crate::api::marks::{AGENT_MANAGER, AGENT_REPORT};
use crate::backoff::Backoff;
use crate::lasting::{Change, Lasting};
use crate::request::{Failure, Server, ask};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How often the Lease is renewed, at least.
const HEARTBEAT: Duration = Duration::from_secs(HEARTBEAT_SECONDS as u64);
/// A load that takes longer than this is reported. Most end before, with a result.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for one write.
const DEADLINE: Duration = Duration::from_secs(10);
/// Pause after a write that failed.
const RETRY: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) };

/// What an agent reports.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The report.
    pub report: AgentReport,
    /// The files that Icinga proved to run.
    pub running: Files,
}

impl Reported {
    /// True if another report is the same. A tree keeps its files, so they are compared by address.
    pub fn is_same(&self, other: &Self) -> bool {
        self.report == other.report && Arc::ptr_eq(&self.running, &other.running)
    }
}

/// The Lease of one agent.
pub struct Reporter {
    api: Api<Lease>,
    server: Server,
    /// Name of the Lease.
    name: String,
    /// Names this process: its Pod or host.
    holder: String,
    trouble: Lasting,
}

impl Reporter {
    /// Returns the reporter of the Lease of this name, which must exist.
    pub fn new(api: Api<Lease>, server: Server, name: &str, holder: &str) -> Self {
        let holder = format!("{holder}_{:08x}", rand::random::<u32>());
        Self { api, server, name: name.to_owned(), holder, trouble: Lasting::default() }
    }

    /// Reports until `stop`, and then gives the Lease back.
    pub async fn run(mut self, mut reports: watch::Receiver<Option<Reported>>, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let report = reports.borrow_and_update().clone();
            let written = match &report {
                Some(reported) => self.write(Some(&self.holder), Some(&reported.report)).await,
                None => Ok(()),
            };
            let pause = match written {
                Ok(()) => {
                    failures = 0;
                    HEARTBEAT
                }
                Err(_) => {
                    failures += 1;
                    RETRY.pause(failures, rand::random())
                }
            };
            self.note(written.err());
            let until = Instant::now() + pause;
            tokio::select! {
                () = next_report(&mut reports), if failures == 0 => {}
                () = sleep_until(until) => {}
                () = stop.cancelled() => break,
            }
        }
        // Without it, the hub notices after the Lease has expired.
        let _ = self.write(None, None).await;
    }

    async fn write(&self, holder: Option<&str>, report: Option<&AgentReport>) -> Result<(), Failure> {
        let now = jiff::Timestamp::now();
        let mut patch = json!({
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": SILENCE_SECONDS,
                "renewTime": format!("{now:.6}"),
            },
        });
        if let Some(report) = report {
            patch["metadata"] = json!({ "annotations": { AGENT_REPORT: report.text() } });
        }
        let parameters = PatchParams { field_manager: Some(AGENT_MANAGER.into()), ..PatchParams::default() };
        ask(DEADLINE, self.api.patch_metadata(&self.name, &parameters, &Patch::Merge(patch))).await.map(drop)
    }

    fn note(&mut self, failure: Option<Failure>) {
        let why = failure.map(|failure| match failure.code() {
            Some(404) => format!(
                "Lease {} does not exist; create it with the account of the agent (groundlink satellite join-manifest --agent)",
                self.name
            ),
            _ => self.server.explain(&failure),
        });
        match self.trouble.set(why) {
            Change::Began(why) | Change::Changed(why) => {
                tracing::warn!(lease = %self.name, %why, "the report cannot be written");
            }
            Change::Ended => tracing::info!(lease = %self.name, "the report is written again"),
            Change::None => {}
        }
    }
}

/// Waits for a report that should be written now.
pub(super) async fn next_report(reports: &mut watch::Receiver<Option<Reported>>) {
    let is_loading = |reported: &Option<Reported>| {
        reported.as_ref().is_some_and(|reported| reported.report.result == AgentResult::Loading)
    };
    if reports.changed().await.is_err() {
        return std::future::pending().await;
    }
    if is_loading(&reports.borrow_and_update()) {
        // Most loads end soon, and then their result is the next report.
        let ends = reports.wait_for(|report| !is_loading(report));
        let ended = tokio::time::timeout(PATIENCE, ends).await.map(|ended| ended.is_ok());
        if ended == Ok(false) {
            std::future::pending().await
        }
    }
}
