//! The health that an actor reports to the hub: why the satellite does not get its set, and for
//! how long.

use super::{Actor, Effect, Exempt, Health, Reason};
use crate::api::satellite_cluster::{AckLevel, SyncPolicy};
use crate::api::{ConditionStatus, ConditionType, SatelliteCluster};
use crate::identity::{Digest, Revision};
use crate::satellite::core::config::duration;
use std::time::Duration;

/// The failures of one satellite in a row.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// A step has ended, so the satellite was called, or nothing may be called.
    pub is_known: bool,
    /// Since when it fails. None if it does not.
    since: Option<Duration>,
    /// It failed when the last process ended. If it still does, its time is over: a restart ends
    /// the wait, and no series of restarts prolongs it.
    before: bool,
    /// The health that was reported last.
    reported: Health,
}

impl Failures {
    /// Begins with what the recorded status says.
    pub fn of(object: &SatelliteCluster) -> Self {
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        let mut of_delivery = conditions
            .filter(|c| c.r#type == ConditionType::Ready || c.r#type == ConditionType::Synced)
            .filter(|c| c.status == ConditionStatus::False);
        let is_a_wait = |reason: &Reason| matches!(reason, Reason::Pending | Reason::Suspended);
        Self {
            before: of_delivery.any(|c| !c.reason.known().is_some_and(|r| is_a_wait(&r))),
            ..Self::default()
        }
    }
}

impl Actor {
    /// Returns why no object waits for the satellite. None if objects do.
    pub(super) fn exempt(&self) -> Option<Exempt> {
        let spec = &self.object().spec;
        match self.config.readable() {
            // It leaves, and its cleanup may take its time.
            Ok(()) if self.config.is_deleted() => Some(Exempt::Optional),
            Ok(()) if spec.suspend => Some(Exempt::Suspended),
            Ok(()) if spec.sync_policy == SyncPolicy::Optional => Some(Exempt::Optional),
            _ => None,
        }
    }

    /// Reports to the hub whether the satellite gets what it lacks, if that changed.
    pub(super) fn judge_health(&mut self, now: Duration) {
        if !self.failures.is_known {
            return;
        }
        let health = match self.failing() {
            None => {
                (self.failures.since, self.failures.before) = (None, false);
                Health::Well
            }
            Some(reason) => {
                let since = *self.failures.since.get_or_insert(now);
                let allowed = duration(&self.object().spec.sync_timeout);
                let is_overdue = self.failures.before || now.saturating_sub(since) >= allowed;
                Health::Failing { reason, is_overdue }
            }
        };
        if self.failures.reported != health {
            self.failures.reported = health;
            self.effects.push(Effect::Health(health));
        }
    }

    /// Returns why the satellite gets nothing. None if it does, or has everything.
    fn failing(&self) -> Option<Reason> {
        let report = &self.report;
        if let Some(problem) = &report.problem {
            return Some(problem.reason);
        }
        let digest = |held: Option<(Revision, Digest)>| held.map(|(_, digest)| digest);
        let holds_all = digest(report.acked) == digest(report.desired);
        if let (false, Some(drifted)) = (holds_all, &report.drifted) {
            let is_fought = drifted.fought.is_some();
            return Some(if is_fought { Reason::DriftFight } else { Reason::ContentChanged });
        }
        let agents = report.agents.as_ref().filter(|_| self.object().spec.ack_level == AckLevel::Loaded)?;
        let (status, reason, _) = &agents.loaded;
        // A set that is being loaded is on its way.
        (*status != ConditionStatus::True && *reason != Reason::Pending).then_some(*reason)
    }

    /// Returns the revision that the recorded status says was acknowledged.
    pub fn recorded_revision(&self) -> Option<Revision> {
        self.object().status.as_ref()?.acked.as_ref()?.revision.parse().ok()
    }

    /// Returns the digest of the set that the recorded status says was acknowledged.
    pub(super) fn recorded_digest(&self) -> Option<Digest> {
        self.object().status.as_ref()?.acked.as_ref()?.digest.parse().ok()
    }
}
