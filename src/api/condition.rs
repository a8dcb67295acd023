//! Conditions and reasons of both kinds: closed enums, so that a typo does not compile and every place that must
//! decide about a new reason is found by the compiler.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a condition speaks about. Polarity: `True` is the good state for all but `Reconciling`, `Stalled` and `Drifted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// MonitoringObject: this generation is published durably on the hub. SatelliteCluster: it can be delivered to.
    Ready,
    /// MonitoringObject: every satellite that should hold this generation acknowledged it. SatelliteCluster: it holds
    /// the current snapshot.
    Synced,
    /// Work is pending for this generation. Generic waiters (kstatus, Flux, Helm) read it before `Ready`.
    Reconciling,
    /// Only a person can resolve what the message says.
    Stalled,
    /// SatelliteCluster: its API server answers.
    Reachable,
    /// SatelliteCluster: the kubeconfig was accepted and the API server accepts it.
    CredentialsValid,
    /// SatelliteCluster: its Icinga 2 loaded the snapshot (needs the agent).
    Loaded,
    /// SatelliteCluster: what it holds was changed by someone else.
    Drifted,
}

/// Status of a condition, as in every Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// Not known.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Why a condition has its status. A new reason goes here and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    /// The file of this generation is in place, synced, and acknowledged.
    Published,
    /// A field has a value that cannot be published; the message names it.
    Invalid,
    /// Another resource, which is older, has this Icinga name.
    NameConflict,
    /// Something that the object names is not published; it is released by itself when that appears.
    UnresolvedReference,
    /// The namespace may not declare this type.
    NotAllowed,
    /// Over a size limit; the message has the figures.
    TooLarge,
    /// The volume refused the file; it is tried again.
    PublishFailed,
    /// `spec.suspend` is set.
    Suspended,
    /// Every satellite that should hold it acknowledged.
    AllSatellites,
    /// No satellite should hold it.
    NoSatellites,
    /// Waiting for acknowledgements.
    Pending,
    /// A satellite that should hold it does not answer.
    SatelliteUnreachable,
    /// The satellite refused it.
    Rejected,
    /// Nothing is pending.
    Complete,
    /// The API server answers and accepts the credential.
    Connected,
    /// No connection, or no answer within the deadline.
    Unreachable,
    /// The TLS handshake failed.
    TLSError,
    /// The API server does not accept the credential (401).
    Unauthorized,
    /// The credential lacks a permission (403).
    Forbidden,
    /// The target namespace does not exist.
    NamespaceMissing,
    /// A resource quota of the target namespace is used up.
    QuotaExceeded,
    /// Someone else's object has the name, or the satellite holds a newer revision.
    Conflict,
    /// Someone keeps changing what is delivered.
    DriftFight,
    /// Delivered, and waiting for the agent's word.
    AwaitingAgent,
    /// The kubeconfig holds something that is refused; the message names the field.
    CredentialRefused,
    /// The Secret or its key does not exist.
    CredentialMissing,
    /// The credential is accepted and ends soon, or could not be renewed; the message says when it ends and what to do.
    CredentialExpiring,
    /// The ConfigMaps were left on a satellite that did not answer in time.
    CleanupSkipped,
    /// This version of the operator does not know how to do this yet.
    Unsupported,
    /// What is held differs from what was delivered.
    ContentChanged,
    /// What is held is what was delivered.
    InSync,
}

/// A condition as in `metav1.Condition`, with closed enums for type and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition speaks about.
    pub r#type: ConditionType,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// `metadata.generation` that the condition was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed (RFC 3339, whole seconds).
    #[schemars(extend("format" = "date-time"), length(max = 64))]
    pub last_transition_time: String,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for a person: names the field and the remedy.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub message: String,
}

/// Now, as conditions carry it: UTC, whole seconds.
pub fn timestamp_now() -> String {
    format_timestamp(jiff::Timestamp::now().as_second())
}

/// Unix seconds as RFC 3339.
pub fn format_timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// RFC 3339 to Unix seconds; 0 when it cannot be read.
pub fn parse_timestamp(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().map(|t| t.as_second()).unwrap_or(0)
}

/// Sets `new` in `conditions`: keeps the transition time while the status is the same, keeps the list sorted by type.
pub fn upsert(conditions: &mut Vec<Condition>, mut new: Condition) {
    match conditions.iter_mut().find(|c| c.r#type == new.r#type) {
        Some(old) => {
            if old.status == new.status {
                new.last_transition_time.clone_from(&old.last_transition_time);
            }
            *old = new;
        }
        None => conditions.push(new),
    }
    conditions.sort_by_key(|c| c.r#type);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: ConditionStatus, time: &str) -> Condition {
        Condition {
            r#type: ConditionType::Ready,
            status,
            observed_generation: Some(1),
            last_transition_time: time.into(),
            reason: Reason::Published,
            message: String::new(),
        }
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let mut conditions = vec![condition(ConditionStatus::True, "2026-01-01T00:00:00Z")];
        upsert(&mut conditions, condition(ConditionStatus::True, "2026-01-02T00:00:00Z"));
        assert_eq!(conditions[0].last_transition_time, "2026-01-01T00:00:00Z");
        upsert(&mut conditions, condition(ConditionStatus::False, "2026-01-03T00:00:00Z"));
        assert_eq!(conditions[0].last_transition_time, "2026-01-03T00:00:00Z");
    }
}
