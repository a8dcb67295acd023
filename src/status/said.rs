//! The words of a status, for a reader that is not an API server.

use super::compose::compose;
use super::facts::Facts;
use super::recorded::Recorded;
use crate::api::condition::parse_timestamp;
use crate::api::{ConditionStatus, ConditionType, Reason};

/// What the status of an object says, or is about to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whether this generation is published.
    pub ready: bool,
    /// Whether every satellite that should hold it does.
    pub synced: bool,
    /// Whether a person must act.
    pub stalled: bool,
    /// The reason that matters.
    pub reason: Reason,
    /// Its message, with the remedy.
    pub message: String,
    /// Since when that is so, in Unix seconds.
    pub since: i64,
}

impl Said {
    /// Returns the words for these facts; `now` is in Unix seconds.
    pub fn of(facts: &Facts<'_>, recorded: &Recorded, now: i64) -> Self {
        let status = compose(facts, recorded, now);
        let find = |kind: ConditionType| status.conditions.iter().find(|condition| condition.r#type == kind);
        let is_true = |kind| find(kind).is_some_and(|condition| condition.status == ConditionStatus::True);
        let (ready, synced) = (is_true(ConditionType::Ready), is_true(ConditionType::Synced));
        let telling = find(if ready { ConditionType::Synced } else { ConditionType::Ready });
        Self {
            ready,
            synced,
            stalled: is_true(ConditionType::Stalled),
            reason: telling.and_then(|condition| condition.reason.known()).unwrap_or(Reason::Pending),
            message: telling.map(|condition| condition.message.clone()).unwrap_or_default(),
            since: telling.map_or(now, |condition| parse_timestamp(&condition.last_transition_time)),
        }
    }
}
