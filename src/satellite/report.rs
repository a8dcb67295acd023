//! The status of a SatelliteCluster, and its writer: a mailbox of depth one beside the actor, so that a slow hub API never
//! delays a delivery.

use super::breaker::Breaker;
use super::context::HUB_TIMEOUT;
use super::problem::{Contact, Problem};
use crate::api::condition::{format_timestamp, timestamp_now, upsert};
use crate::api::satellite_cluster::{AckLevel, BreakerState, BreakerStatus, Stats, Watermark};
use crate::api::{
    Condition, ConditionStatus, ConditionType, Reason, SatelliteCluster, SatelliteClusterStatus,
};
use crate::identity::{Digest, Revision};
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::text::clean_message;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What an actor knows about its satellite.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Revision and digest that it should hold.
    pub desired: Option<(Revision, Digest)>,
    /// Revision and digest that were written last.
    pub written: Option<(Revision, Digest)>,
    /// Revision and digest that it acknowledged last.
    pub acked: Option<(Revision, Digest)>,
    /// Size of what it should hold.
    pub stats: Option<Stats>,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// `spec.suspend`
    pub suspended: bool,
    /// What others changed and was left so, or is fought over.
    pub drifted: Option<Drifted>,
    /// Why the credential that the Secret has now is not the one in use.
    pub credential: Option<Problem>,
    /// What a person should know about the end of the credential.
    pub expiry: Option<String>,
    /// Why the token was not renewed when that was due.
    pub renewal: Option<String>,
    /// When an open breaker probes next, Unix seconds.
    pub next_probe: i64,
    /// Accepted objects that are left out because they name what the satellite does not have.
    pub left_out: usize,
    /// The first of them.
    pub left_out_example: Option<String>,
}

/// What others changed on a satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// Names of the ConfigMaps.
    pub names: BTreeSet<String>,
    /// The field manager that changed the pointer last.
    pub by: Option<String>,
    /// The one that is fought over, if there is one.
    pub fought: Option<String>,
}

impl Drifted {
    /// For a person.
    pub fn message(&self) -> String {
        let by = self.by.as_ref().map(|by| format!(" (field manager {by})")).unwrap_or_default();
        let first = self.names.first().map(String::as_str).unwrap_or_default();
        match &self.fought {
            Some(name) => format!(
                "someone{by} keeps changing ConfigMap {name}: it is corrected every 5 minutes only; find out who, and stop one of the two"
            ),
            None => format!(
                "someone{by} changed {} ConfigMaps, for example {first}; spec.driftPolicy is Report: set it to Correct, or change the MonitoringObjects",
                self.names.len()
            ),
        }
    }
}

/// The status that tells the report; `old` is the one before. Nothing but a change of content moves a revision or a time.
pub fn compose(
    object: &SatelliteCluster,
    old: SatelliteClusterStatus,
    report: &Report,
    breaker: &Breaker,
) -> SatelliteClusterStatus {
    let generation = object.metadata.generation.unwrap_or(0);
    let mut status = SatelliteClusterStatus {
        observed_generation: generation,
        desired: watermark(old.desired.as_ref(), report.desired).or(old.desired),
        written: watermark(old.written.as_ref(), report.written).or(old.written),
        acked: watermark(old.acked.as_ref(), report.acked).or(old.acked),
        breaker: Some(breaker_status(old.breaker.as_ref(), breaker, report.next_probe)),
        stats: report.stats.clone().or(old.stats),
        conditions: old.conditions,
    };
    for (kind, (condition, reason, message)) in conditions(object, report, breaker) {
        upsert(
            &mut status.conditions,
            Condition {
                r#type: kind,
                status: condition,
                observed_generation: Some(generation),
                last_transition_time: timestamp_now(),
                reason,
                message: clean_message(&message),
            },
        );
    }
    status
}

type Said = (ConditionStatus, Reason, String);

fn conditions(object: &SatelliteCluster, report: &Report, breaker: &Breaker) -> Vec<(ConditionType, Said)> {
    use ConditionStatus::{False, True, Unknown};
    let problem = report.problem.as_ref();
    let silent =
        problem.is_some_and(|p| p.contact == Contact::Silent) || breaker.state() != BreakerState::Closed;
    let credential = problem.filter(|p| {
        matches!(p.reason, Reason::CredentialRefused | Reason::CredentialMissing | Reason::Unauthorized)
    });
    let told = |status, p: &Problem| (status, p.reason, p.message.clone());
    let connected = (True, Reason::Connected, String::new());
    let complete = (False, Reason::Complete, String::new());
    let suspended = || (False, Reason::Suspended, "spec.suspend is set".to_owned());

    let in_sync = report.desired.is_some() && report.acked.map(|a| a.1) == report.desired.map(|d| d.1);
    let awaiting_agent = object.spec.ack_level == AckLevel::Loaded;
    let ready = match problem {
        _ if report.suspended => suspended(),
        Some(p) => told(False, p),
        None => connected.clone(),
    };
    let synced = match problem {
        _ if report.suspended => suspended(),
        Some(p) if !in_sync => told(False, p),
        _ if awaiting_agent => {
            (False, Reason::AwaitingAgent, "spec.ackLevel is Loaded, and no agent has spoken".to_owned())
        }
        _ if in_sync && report.left_out > 0 => {
            let example = report.left_out_example.as_deref().unwrap_or_default();
            let message = format!(
                "holds the current snapshot but {} objects, for example {example}, which name what this satellite does not have (spec.namespaces, spec.icingaVersion)",
                report.left_out
            );
            (True, Reason::InSync, message)
        }
        _ if in_sync => (True, Reason::InSync, "holds the current snapshot".to_owned()),
        _ => (False, Reason::Pending, "waiting for the first snapshot or an acknowledgement".to_owned()),
    };
    let reachable = match problem {
        Some(p) if silent => told(False, p),
        _ if silent => (False, Reason::Unreachable, "no answer; probing".to_owned()),
        _ if credential.is_some_and(|p| p.reason != Reason::Unauthorized) => {
            (Unknown, Reason::Pending, String::new())
        }
        _ => connected.clone(),
    };
    let expiring = || {
        report
            .renewal
            .as_ref()
            .or(report.expiry.as_ref())
            .map(|why| (True, Reason::CredentialExpiring, why.clone()))
    };
    let credentials = match credential {
        Some(p) => told(False, p),
        None if report.credential.is_some() => {
            let (reason, why) =
                report.credential.as_ref().map_or((Reason::Pending, ""), |p| (p.reason, &p.message));
            (False, reason, format!("the credential of before stays in use: {why}"))
        }
        None if silent => (Unknown, Reason::Unreachable, String::new()),
        None => expiring().unwrap_or(connected),
    };
    let stalled = match problem {
        Some(p) if !p.transient => told(True, p),
        _ => complete.clone(),
    };
    let reconciling = if !report.suspended && synced.0 != True && stalled.0 != True {
        (True, Reason::Pending, String::new())
    } else {
        complete
    };
    let drifted = match &report.drifted {
        Some(drifted) if drifted.fought.is_some() => (True, Reason::DriftFight, drifted.message()),
        Some(drifted) => (True, Reason::ContentChanged, drifted.message()),
        None => (False, Reason::InSync, String::new()),
    };
    let loaded = (Unknown, Reason::AwaitingAgent, "no agent has spoken".to_owned());
    vec![
        (ConditionType::Ready, ready),
        (ConditionType::Synced, synced),
        (ConditionType::Reachable, reachable),
        (ConditionType::CredentialsValid, credentials),
        (ConditionType::Loaded, loaded),
        (ConditionType::Drifted, drifted),
        (ConditionType::Stalled, stalled),
        (ConditionType::Reconciling, reconciling),
    ]
}

/// Keeps the recorded watermark while the digest is the same: a restart gives new revisions to the same content.
fn watermark(old: Option<&Watermark>, new: Option<(Revision, Digest)>) -> Option<Watermark> {
    let (revision, digest) = new?;
    match old.filter(|old| old.digest == digest.to_string()) {
        Some(old) => Some(old.clone()),
        None => Some(Watermark {
            revision: revision.to_string(),
            digest: digest.to_string(),
            time: Some(timestamp_now()),
            ..Watermark::default()
        }),
    }
}

fn breaker_status(old: Option<&BreakerStatus>, breaker: &Breaker, next_probe: i64) -> BreakerStatus {
    let state = breaker.state();
    let since =
        old.filter(|old| old.state == state).and_then(|old| old.since.clone()).unwrap_or_else(timestamp_now);
    // The count is shown up to the point where it opens. After that a probe changes the time of the next one and nothing else.
    BreakerStatus {
        state,
        consecutive_failures: breaker.failures().min(5),
        since: Some(since),
        next_probe: (state == BreakerState::Open).then(|| format_timestamp(next_probe)),
    }
}

/// Shortest time between two writes of one satellite's status.
const WINDOW: Duration = Duration::from_secs(1);
/// Longest time between two attempts to write it.
const WINDOW_MAX: Duration = Duration::from_secs(30);

/// Writes what arrives in the mailbox: the latest, at most one write a second, until the sender or the resource is gone.
pub async fn write(
    api: Api<SatelliteCluster>,
    claim: Leadership,
    metrics: Arc<Metrics>,
    mut mailbox: watch::Receiver<Option<(Arc<SatelliteCluster>, SatelliteClusterStatus)>>,
) {
    let mut last: Option<SatelliteClusterStatus> = None;
    let mut failures = 0;
    loop {
        let next = mailbox.borrow_and_update().clone();
        if let Some((object, status)) = next {
            let recorded = last.as_ref().or(object.status.as_ref());
            let written = match recorded == Some(&status) {
                true => Ok(Written::Done),
                false if !claim.is_current() => Ok(Written::NotYet),
                false => patch(&api, &object, &status).await,
            };
            match written {
                Ok(Written::Gone) => return,
                Ok(Written::NotYet) => mailbox.mark_changed(),
                Ok(Written::Done) => (last, failures) = (Some(status), 0),
                Err(why) => {
                    failures += 1;
                    metrics.satellite_status_write_failed();
                    let name = object.metadata.name.as_deref().unwrap_or_default();
                    tracing::warn!(satellite = name, %why, "cannot write the status of the SatelliteCluster");
                    mailbox.mark_changed();
                }
            }
        }
        let ceiling = WINDOW.saturating_mul(1 << failures.min(5)).min(WINDOW_MAX);
        let jitter = if failures == 0 { 1.0 } else { rand::random_range(0.5..1.0) };
        tokio::time::sleep(ceiling.mul_f64(jitter)).await;
        // What is left to be told when the actor has ended, nobody waits for.
        if mailbox.has_changed().is_err() || mailbox.changed().await.is_err() {
            return;
        }
    }
}

/// What became of a status.
enum Written {
    Done,
    /// This process is not the leader now.
    NotYet,
    /// The resource is not there any more, or is another one.
    Gone,
}

async fn patch(
    api: &Api<SatelliteCluster>,
    object: &SatelliteCluster,
    status: &SatelliteClusterStatus,
) -> Result<Written, String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": object.metadata.uid },
        { "op": "add", "path": "/status", "value": status },
    ]);
    let patch: Patch<()> = match serde_json::from_value(patch) {
        Ok(patch) => Patch::Json(patch),
        Err(error) => return Err(error.to_string()),
    };
    let parameters = PatchParams {
        field_manager: Some(crate::api::marks::OPERATOR_MANAGER.into()),
        ..PatchParams::default()
    };
    let call = api.patch_status(name, &parameters, &patch);
    match tokio::time::timeout(HUB_TIMEOUT, call).await {
        Err(_) => Err(format!("no answer within {} s", HUB_TIMEOUT.as_secs())),
        Ok(Ok(_)) => Ok(Written::Done),
        // 422: the test of the UID.
        Ok(Err(kube::Error::Api(status)))
            if matches!(status.code, 404 | 422) && is_gone(api, object).await =>
        {
            Ok(Written::Gone)
        }
        Ok(Err(error)) => Err(crate::text::clean(&error.to_string(), 300)),
    }
}

/// Whether the resource is not there any more. A status can be refused for another reason, too.
async fn is_gone(api: &Api<SatelliteCluster>, object: &SatelliteCluster) -> bool {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match tokio::time::timeout(HUB_TIMEOUT, api.get_metadata_opt(name)).await {
        Ok(Ok(found)) => found.is_none_or(|found| found.metadata.uid != object.metadata.uid),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
