//! Which status write is news for a person: one that begins or ends something, and not each write.

use super::facts::{Facts, State};
use super::loaded::Loaded;
use super::recorded::Recorded;
use crate::api::{ConditionStatus, ConditionType, MonitoringObjectStatus, Reason};

/// News about an object, for `kubectl describe` and `kubectl events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether a person should act.
    pub is_warning: bool,
    /// The reason, one word.
    pub reason: Reason,
    /// For a person.
    pub note: String,
}

/// Returns what is new in a status, compared with the one that was recorded before. `None` if it
/// begins and ends nothing: the names of the satellites that lack an object change often.
pub(super) fn news(facts: &Facts<'_>, recorded: &Recorded, status: &MonitoringObjectStatus) -> Option<News> {
    let find = |kind| status.conditions.iter().find(|condition| condition.r#type == kind);
    let about = |kind, is_warning| {
        let condition = find(kind)?;
        Some(News { is_warning, reason: condition.reason.known()?, note: condition.message.clone() })
    };
    let is_true = |kind| find(kind).is_some_and(|condition| condition.status == ConditionStatus::True);
    let is_same = recorded.generation == facts.generation;
    let reason = about(ConditionType::Ready, true).map(|news| news.reason);
    match &facts.state {
        State::Published { in_place, .. } => {
            let is_stalled = is_true(ConditionType::Stalled);
            let is_synced = is_true(ConditionType::Synced);
            if !recorded.is_ready_for(facts.generation, in_place.digest()) {
                about(ConditionType::Ready, false)
            } else if is_stalled && !recorded.stalled || !is_synced && recorded.synced {
                about(ConditionType::Synced, true)
            } else if matches!(facts.loaded, Some(Loaded::Refused(_))) && !recorded.says_loaded(facts) {
                about(ConditionType::Loaded, true)
            } else if is_synced && !recorded.synced {
                about(ConditionType::Synced, false)
            } else {
                None
            }
        }
        State::Refused { .. } | State::Failing { .. } => {
            let is_known =
                is_same && recorded.reason == reason && recorded.stalled == is_true(ConditionType::Stalled);
            about(ConditionType::Ready, true).filter(|_| !is_known)
        }
        // What is missing may come in a moment, and a person suspended it.
        State::Unresolved { .. } | State::Suspended { .. } => None,
    }
}
