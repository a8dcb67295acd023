//! The status of a SatelliteCluster: its conditions, composed from what its actor knows.

use super::agents::Verdict;
use super::breaker::Breaker;
use crate::api::condition::{format_timestamp, upsert};
use crate::api::satellite_cluster::{AckLevel, BreakerState, BreakerStatus, Stats, Watermark};
use crate::api::{
    Condition, ConditionStatus, ConditionType, Reason, SatelliteCluster, SatelliteClusterStatus,
};
use crate::identity::{Digest, Revision};
use crate::satellite::problem::{Contact, Problem};
use crate::text::clean_message;
use std::collections::BTreeSet;

/// The knowledge of an actor about its satellite.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
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
    /// Changes by others that were left, or are fought over.
    pub drifted: Option<Drifted>,
    /// Why the credential in the Secret is not the one in use.
    pub credential: Option<Problem>,
    /// The warning that the credential ends soon.
    pub expiry: Option<String>,
    /// Why the token was not renewed when it was due.
    pub renewal: Option<String>,
    /// When an open breaker probes next, Unix seconds.
    pub next_probe: i64,
    /// Number of accepted objects that are left out because they name what the satellite does not
    /// have.
    pub left_out: usize,
    /// The first of them.
    pub left_out_example: Option<String>,
    /// Why objects that left the hub's set stay, until a person decides.
    pub removals_held: Option<String>,
    /// What is true of the agents. None until their Leases were listed, or cannot be.
    pub agents: Option<Verdict>,
}

/// What others changed on a satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drifted {
    /// Names of the ConfigMaps.
    pub names: BTreeSet<String>,
    /// The field manager that changed the pointer last.
    pub by: Option<String>,
    /// The one that is fought over, if there is one.
    pub fought: Option<String>,
}

impl Drifted {
    /// Returns the text for a person.
    pub fn message(&self) -> String {
        let by = self.by.as_ref().map(|by| format!(" (field manager {by})")).unwrap_or_default();
        let first = self.names.first().map(String::as_str).unwrap_or_default();
        match &self.fought {
            Some(name) => format!(
                "someone{by} keeps changing ConfigMap {name}, so that it is corrected only every 5 minutes; find out who it is and \
                 stop them, or set spec.driftPolicy to Report"
            ),
            None => format!(
                "someone{by} changed {} ConfigMaps, for example {first}, and spec.driftPolicy is Report; set it to Correct, or \
                 change the MonitoringObjects",
                self.names.len()
            ),
        }
    }
}

/// Composes the status from the report; `old` is the previous one, `unix` is now in Unix seconds.
/// Only a change of content moves a revision or a time.
pub(crate) fn compose(
    object: &SatelliteCluster,
    old: SatelliteClusterStatus,
    report: &Report,
    breaker: &Breaker,
    unix: i64,
) -> SatelliteClusterStatus {
    let now = format_timestamp(unix);
    let generation = object.metadata.generation.unwrap_or(0);
    let mut status = SatelliteClusterStatus {
        observed_generation: generation,
        operator: old.operator,
        desired: watermark(old.desired.as_ref(), report.desired, &now).or(old.desired),
        written: watermark(old.written.as_ref(), report.written, &now).or(old.written),
        acked: watermark(old.acked.as_ref(), report.acked, &now).or(old.acked),
        loaded: match &report.agents {
            Some(agents) => loaded(old.loaded, agents),
            None => old.loaded,
        },
        agents: report.agents.as_ref().map_or(old.agents, |agents| agents.rows.clone()),
        breaker: Some(breaker_status(old.breaker.as_ref(), breaker, report.next_probe, &now)),
        stats: report.stats.clone().or(old.stats),
        conditions: old.conditions,
    };
    for (kind, (condition, reason, message)) in conditions(object, &status.conditions, report, breaker) {
        upsert(
            &mut status.conditions,
            Condition {
                r#type: kind.into(),
                status: condition,
                observed_generation: Some(generation),
                last_transition_time: now.clone(),
                reason: reason.into(),
                message: clean_message(&message),
            },
        );
    }
    status
}

type Said = (ConditionStatus, Reason, String);

/// Returns the conditions. Those of the agents stay what they were (`old`) until the agents are
/// known: a restart changes nothing.
fn conditions(
    object: &SatelliteCluster,
    old: &[Condition],
    report: &Report,
    breaker: &Breaker,
) -> Vec<(ConditionType, Said)> {
    use ConditionStatus::{False, True, Unknown};
    let problem = report.problem.as_ref();
    let silent =
        problem.is_some_and(|p| p.contact == Contact::Silent) || breaker.state() != BreakerState::Closed;
    let credential = problem.filter(|p| {
        matches!(p.reason, Reason::CredentialRefused | Reason::CredentialMissing | Reason::Unauthorized)
    });
    let is_unreadable = problem.is_some_and(|p| p.reason == Reason::Unsupported);
    let told = |status, p: &Problem| (status, p.reason, p.message.clone());
    let connected = (True, Reason::Connected, String::new());
    let complete = (False, Reason::Complete, String::new());
    let suspended = || (False, Reason::Suspended, "spec.suspend is set".to_owned());

    let in_sync = report.desired.is_some() && report.acked.map(|a| a.1) == report.desired.map(|d| d.1);
    let before = |kind: ConditionType| {
        let found = old.iter().find(|condition| condition.r#type == kind);
        // What another version wrote with a reason of its own is composed anew.
        found
            .and_then(|found| Some((found.status, found.reason.known()?, found.message.clone())))
            .unwrap_or_else(|| (Unknown, Reason::AwaitingAgent, "no agent has reported".to_owned()))
    };
    let of_agents = report.agents.as_ref();
    let loaded = of_agents.map_or_else(|| before(ConditionType::Loaded), |agents| agents.loaded.clone());
    let checked = of_agents.map_or_else(|| before(ConditionType::Checked), |agents| agents.checked.clone());
    let awaits_agents =
        object.spec.ack_level == AckLevel::Loaded && (of_agents.is_none() || loaded.0 != True);
    let awaited = match of_agents {
        Some(_) => (loaded.1, loaded.2.clone()),
        None => (Reason::AwaitingAgent, "the agents are not known yet".to_owned()),
    };
    let ready = match problem {
        _ if report.suspended => suspended(),
        Some(p) => told(False, p),
        None => connected.clone(),
    };
    let synced = match problem {
        _ if report.suspended => suspended(),
        Some(p) if !in_sync => told(False, p),
        _ if in_sync && awaits_agents => {
            (False, awaited.0, format!("spec.ackLevel is Loaded: {}", awaited.1))
        }
        _ if in_sync && report.left_out > 0 => {
            let example = report.left_out_example.as_deref().unwrap_or_default();
            let message = format!(
                "holds the current snapshot except {} objects, for example {example}, which name something that this satellite \
                 does not have (see spec.namespaces and spec.icingaVersion)",
                report.left_out
            );
            (True, Reason::InSync, message)
        }
        _ if in_sync => (True, Reason::InSync, "holds the current snapshot".to_owned()),
        _ => (
            False,
            Reason::Pending,
            "waiting for the first snapshot, or for the satellite to store it".to_owned(),
        ),
    };
    let reachable = match problem {
        Some(p) if silent => told(False, p),
        _ if silent => (False, Reason::Unreachable, "no answer; probing".to_owned()),
        _ if is_unreadable => (Unknown, Reason::Pending, String::new()),
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
            (False, reason, format!("still using the previous credential: {why}"))
        }
        None if silent => (Unknown, Reason::Unreachable, String::new()),
        None if is_unreadable => (Unknown, Reason::Pending, String::new()),
        None => expiring().unwrap_or(connected),
    };
    let stalled = match problem {
        // Nothing goes on before a person says so, and a waiter must not wait for it.
        _ if report.suspended => (True, Reason::Suspended, "spec.suspend is set; set it to false".to_owned()),
        Some(p) if !p.transient => told(True, p),
        // What an agent refused it refuses until the set changes, and that is up to a person.
        _ if awaits_agents && in_sync && matches!(awaited.0, Reason::Rejected | Reason::ManyRemovals) => {
            (True, awaited.0, awaited.1.clone())
        }
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
    let removals_held = match &report.removals_held {
        Some(why) => (True, Reason::ManyRemovals, why.clone()),
        None => (False, Reason::Complete, String::new()),
    };
    vec![
        (ConditionType::Ready, ready),
        (ConditionType::Synced, synced),
        (ConditionType::Reachable, reachable),
        (ConditionType::CredentialsValid, credentials),
        (ConditionType::Loaded, loaded),
        (ConditionType::Checked, checked),
        (ConditionType::Drifted, drifted),
        (ConditionType::Stalled, stalled),
        (ConditionType::Reconciling, reconciling),
        (ConditionType::RemovalsHeld, removals_held),
    ]
}

/// Keeps the recorded watermark while the digest is the same: after a restart the same content has
/// another revision.
fn watermark(old: Option<&Watermark>, new: Option<(Revision, Digest)>, now: &str) -> Option<Watermark> {
    let (revision, digest) = new?;
    match old.filter(|old| old.digest == digest.to_string()) {
        Some(old) => Some(old.clone()),
        None => Some(Watermark {
            revision: revision.to_string(),
            digest: digest.to_string(),
            time: Some(now.to_owned()),
        }),
    }
}

/// Returns the set that the agents run. The recorded one stays while the digest is the same: that
/// Icinga 2 was started again is no news.
fn loaded(old: Option<Watermark>, agents: &Verdict) -> Option<Watermark> {
    let running = agents.running.as_ref()?;
    old.filter(|old| old.digest == running.digest).or_else(|| Some(running.clone()))
}

fn breaker_status(
    old: Option<&BreakerStatus>,
    breaker: &Breaker,
    next_probe: i64,
    now: &str,
) -> BreakerStatus {
    let state = breaker.state();
    let since = old.filter(|old| old.state == state).and_then(|old| old.since.clone());
    // The count is shown up to the point where the breaker opens. Later probes change only the
    // time of the next one.
    BreakerStatus {
        state,
        consecutive_failures: breaker.failures().min(5),
        since: since.or_else(|| Some(now.to_owned())),
        next_probe: (state == BreakerState::Open).then(|| format_timestamp(next_probe)),
    }
}

#[cfg(test)]
mod tests;
