//! What a status says of the expressions of a rule.

use super::facts::{Facts, State, Values};
use super::recorded::Recorded;
use crate::api::condition::format_timestamp;
use crate::api::{Condition, ConditionStatus, ConditionType, Reason};
use crate::text::clean_message;

/// Returns the condition `ValuesTaken`. `None` if there is nothing to say. It changes no other condition: the object is
/// published as it is declared.
pub(super) fn values(facts: &Facts<'_>, recorded: &Recorded, now: i64) -> Option<Condition> {
    let is_published = matches!(facts.state, State::Published { .. });
    let old = recorded.values.as_deref();
    let (status, reason, message) = match facts.values.as_ref().filter(|_| is_published)? {
        Values::Unknown => {
            let is_same = |old: &&Condition| old.observed_generation == Some(facts.generation);
            return old.filter(is_same).cloned();
        }
        Values::Taken => (ConditionStatus::True, Reason::AllTaken, "Icinga takes every value of apply.set"),
        Values::LeftOut { reason, message } => (ConditionStatus::False, *reason, message.as_str()),
    };
    let since = old.filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
    Some(Condition {
        r#type: ConditionType::ValuesTaken.into(),
        status,
        observed_generation: Some(facts.generation),
        last_transition_time: since.unwrap_or_else(|| format_timestamp(now)),
        reason: reason.into(),
        message: clean_message(message),
    })
}
