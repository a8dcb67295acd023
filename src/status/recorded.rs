//! What is kept of the status that the API server acknowledged last.

use super::loaded;
use crate::api::condition::parse_timestamp;
use crate::api::monitoring_object::PendingSatellites;
use crate::api::{Condition, ConditionStatus, ConditionType, MonitoringObjectStatus, Reason};
use crate::identity::{Digest, Revision};
use crate::ownership::{Claim, Owner};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Conditions that every status may have, in the order in which they are kept.
pub(super) const TYPES: [ConditionType; 5] = [
    ConditionType::Ready,
    ConditionType::Synced,
    ConditionType::Reconciling,
    ConditionType::Stalled,
    ConditionType::Loaded,
];

/// What the API server last acknowledged as an object's status, in the few bytes that decisions need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// `observedGeneration`; 0 if there was none.
    pub generation: i64,
    /// `publishedDigest`
    pub published: Option<Digest>,
    /// `revision`
    pub revision: Option<Revision>,
    /// Whether `Ready` was True for that generation.
    pub ready: bool,
    /// Whether `Synced` was True for that generation.
    pub synced: bool,
    /// Whether `Stalled` was True for that generation.
    pub stalled: bool,
    /// Whether it said that something is missing which that generation names.
    pub unresolved: bool,
    /// The reason that mattered.
    pub reason: Option<Reason>,
    /// Whether it has the fields that every version since the first writes.
    pub is_complete: bool,
    /// Fingerprint of the operator that wrote it. 0 if it names none.
    pub(super) operator: u64,
    /// Fingerprint of the satellites that lacked it.
    pub(super) lacking: u64,
    /// Fingerprint of everything but the times.
    pub(super) fingerprint: u64,
    /// Status of each condition, in the order of [`TYPES`].
    pub(super) statuses: [Option<ConditionStatus>; 5],
    /// When each condition's status changed last, in Unix seconds.
    pub(super) transitions: [i64; 5],
    /// Fingerprint of `Loaded`.
    pub(super) loaded: u64,
    /// The condition `ValuesTaken`. `None` if there was none, as for all but rules.
    pub(super) values: Option<Box<Condition>>,
}

impl Recorded {
    /// From a status as the API server has it.
    pub fn of(status: &MonitoringObjectStatus) -> Self {
        let find = |kind| status.conditions.iter().find(|c: &&Condition| c.r#type == kind);
        let is_true = |kind| {
            find(kind).is_some_and(|c| {
                c.status == ConditionStatus::True && c.observed_generation == Some(status.observed_generation)
            })
        };
        let has_reason = |kind, reason: Reason| find(kind).is_some_and(|c| c.reason == reason);
        Self {
            generation: status.observed_generation,
            published: status.published_digest.as_deref().and_then(|text| text.parse().ok()),
            revision: status.revision.as_deref().and_then(|text| text.parse().ok()),
            ready: is_true(ConditionType::Ready),
            synced: is_true(ConditionType::Synced),
            stalled: is_true(ConditionType::Stalled),
            unresolved: has_reason(ConditionType::Ready, Reason::UnresolvedReference),
            reason: status.reason.as_deref().and_then(Reason::of),
            is_complete: status.reason.is_some(),
            operator: status.operator.as_deref().map_or(0, name_of),
            lacking: fingerprint_of(&status.pending_satellites),
            fingerprint: fingerprint(status),
            statuses: TYPES.map(|kind| find(kind).map(|c| c.status)),
            transitions: TYPES.map(|kind| find(kind).map_or(0, |c| parse_timestamp(&c.last_transition_time))),
            loaded: loaded::fingerprint(status),
            values: find(ConditionType::ValuesTaken).cloned().map(Box::new),
        }
    }

    /// Returns the recorded status of `Loaded`, of whatever generation. `None` if there was none.
    pub fn loaded(&self) -> Option<ConditionStatus> {
        self.statuses[4]
    }

    /// Takes over which operator wrote the status, from the one that was seen last.
    pub fn written_by(&mut self, seen: &Self) {
        self.operator = seen.operator;
    }

    /// Returns whether the recorded status names the operator of these facts.
    pub fn is_of(&self, claim: &Claim) -> bool {
        self.owner(claim) == Owner::This
    }

    /// Returns whose status it is. Only the fingerprint of its name is kept.
    pub(super) fn owner(&self, claim: &Claim) -> Owner {
        match self.operator {
            0 => Owner::Nobody,
            named if named == name_of(claim.name()) => Owner::This,
            named if Some(named) == claim.takes_over().map(name_of) => Owner::Former,
            _ => Owner::Other,
        }
    }

    /// Returns whether `Ready=True` was acknowledged for exactly this generation and digest.
    pub fn is_ready_for(&self, generation: i64, digest: Digest) -> bool {
        self.ready && self.generation == generation && self.published == Some(digest)
    }
}

pub(super) fn fingerprint(status: &MonitoringObjectStatus) -> u64 {
    let mut hasher = DefaultHasher::new();
    status.observed_generation.hash(&mut hasher);
    status.published_digest.hash(&mut hasher);
    status.path.hash(&mut hasher);
    status.revision.hash(&mut hasher);
    fingerprint_of(&status.pending_satellites).hash(&mut hasher);
    (&status.r#type, &status.reason, &status.operator, &status.satellites).hash(&mut hasher);
    let mut conditions: Vec<_> = status.conditions.iter().collect();
    conditions.sort_by(|a, b| a.r#type.cmp(&b.r#type));
    for c in conditions {
        (&c.r#type, c.status, c.observed_generation, &c.reason, &c.message).hash(&mut hasher);
    }
    hasher.finish()
}

fn name_of(operator: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    operator.hash(&mut hasher);
    // 0 is nobody.
    if operator.is_empty() { 0 } else { hasher.finish() | 1 }
}

pub(super) fn fingerprint_of(pending: &Option<PendingSatellites>) -> u64 {
    let mut hasher = DefaultHasher::new();
    pending.as_ref().map(|pending| (pending.count, &pending.names)).hash(&mut hasher);
    hasher.finish()
}
