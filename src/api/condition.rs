//! Conditions of both kinds. Types and reasons that this program writes are closed enums, so a typo
//! does not compile. Those that it reads may be of another version ([`Open`]).

use super::closed::closed_enum;
use super::kind::{BOTH_KINDS, Kind, MONITORING_OBJECT, SATELLITE_CLUSTER};
use super::open::{Open, Vocabulary};
use super::reason::Reason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

closed_enum! {
    /// Subject of a condition.
    pub enum ConditionType {
        /// MonitoringObject: this generation is published durably on the hub. SatelliteCluster: it
        /// can be delivered to.
        Ready,
        /// MonitoringObject: every satellite that should hold this generation acknowledged it.
        /// SatelliteCluster: it holds the current snapshot.
        Synced,
        /// Work is pending for this generation. Generic waiters (kstatus, Flux, Helm) read it
        /// before `Ready`.
        Reconciling,
        /// Only a person can resolve what the message says.
        Stalled,
        /// MonitoringObject: Icinga takes every value of `apply.set`, and makes each object by this
        /// rule. It is a warning, and changes no other condition.
        ValuesTaken,
        /// SatelliteCluster: its API server answers.
        Reachable,
        /// SatelliteCluster: the kubeconfig was accepted and the API server accepts it.
        CredentialsValid,
        /// MonitoringObject: the hub's own Icinga 2 runs this generation, as its agent proved;
        /// missing if the operator follows no agent. SatelliteCluster: every agent's Icinga 2
        /// loaded the delivered set.
        Loaded,
        /// SatelliteCluster: someone else changed what was delivered.
        Drifted,
        /// SatelliteCluster: more left the hub's set at once than may leave without a person, and
        /// stays here, too.
        RemovalsHeld,
        /// SatelliteCluster: every active check of the delivered set has had a result, as its
        /// agents report.
        Checked,
    }
}

impl ConditionType {
    /// Returns the kinds of resource that have this condition.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Ready | Self::Synced | Self::Reconciling | Self::Stalled | Self::Loaded => BOTH_KINDS,
            Self::ValuesTaken => MONITORING_OBJECT,
            Self::Reachable | Self::CredentialsValid | Self::Drifted | Self::RemovalsHeld | Self::Checked => {
                SATELLITE_CLUSTER
            }
        }
    }

    /// Returns the status that says that all is well.
    pub const fn good(self) -> ConditionStatus {
        match self {
            Self::Ready
            | Self::Synced
            | Self::ValuesTaken
            | Self::Reachable
            | Self::CredentialsValid
            | Self::Loaded
            | Self::Checked => ConditionStatus::True,
            Self::Reconciling | Self::Stalled | Self::Drifted | Self::RemovalsHeld => ConditionStatus::False,
        }
    }
}

impl Vocabulary for ConditionType {
    const NAME: &'static str = "ConditionType";
    const MAX: u32 = 316;
    // That of metav1.Condition.
    const PATTERN: &'static str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";

    fn of(text: &str) -> Option<Self> {
        Self::of(text)
    }

    fn word(self) -> &'static str {
        self.as_str()
    }
}

/// Status of a condition, as in every Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// Whether it holds is unknown.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition as in `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Subject of the condition.
    pub r#type: Open<ConditionType>,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// `metadata.generation` that the condition describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed (RFC 3339, whole seconds).
    #[schemars(extend("format" = "date-time"), length(max = 64))]
    pub last_transition_time: String,
    /// Cause of the status, in one word.
    pub reason: Open<Reason>,
    /// Explanation for people: the field, what is wrong with it, and the remedy.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub message: String,
}

/// Returns the time as conditions carry it: UTC, whole seconds.
pub fn timestamp_now() -> String {
    format_timestamp(jiff::Timestamp::now().as_second())
}

/// Returns Unix seconds as RFC 3339.
pub fn format_timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// Returns the Unix seconds of an RFC 3339 time; 0 if it cannot be read.
pub fn parse_timestamp(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().map(|t| t.as_second()).unwrap_or(0)
}

/// Puts `new` into `conditions`. Keeps the transition time while the status is the same, and the
/// list sorted by type.
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
    conditions.sort_by(|a, b| a.r#type.cmp(&b.r#type));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: ConditionStatus, time: &str) -> Condition {
        Condition {
            r#type: ConditionType::Ready.into(),
            status,
            observed_generation: Some(1),
            last_transition_time: time.into(),
            reason: Reason::Published.into(),
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
