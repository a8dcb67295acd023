//! The condition `Loaded` of an object: whether the hub's own Icinga 2 runs what is published.

use crate::api::{ConditionStatus, ConditionType, MonitoringObjectStatus, Reason};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// How far a published content got in the hub's own Icinga 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Its agent proved that it runs it.
    Runs,
    /// Icinga refused it, for this reason.
    Refused(String),
    /// It does not run it yet; for a person.
    Awaited(String),
    /// It was not proved yet, and its agent does not report any more.
    Silent,
}

/// Returns the fingerprint of the condition `Loaded`; of none, if there is none.
pub(super) fn fingerprint(status: &MonitoringObjectStatus) -> u64 {
    let mut hasher = DefaultHasher::new();
    let loaded = status.conditions.iter().find(|c| c.r#type == ConditionType::Loaded);
    loaded.map(|c| (c.status, &c.reason, &c.message)).hash(&mut hasher);
    hasher.finish()
}

/// Returns the condition `Loaded` of what is published.
pub(super) fn condition(loaded: &Loaded) -> (ConditionStatus, Reason, String) {
    match loaded {
        Loaded::Runs => (ConditionStatus::True, Reason::Loaded, "the hub's Icinga 2 runs it".to_owned()),
        Loaded::Refused(why) => (
            ConditionStatus::False,
            Reason::Rejected,
            format!("refused by the hub's Icinga 2: {why}; correct this object, or what it names"),
        ),
        Loaded::Awaited(why) => (ConditionStatus::False, Reason::AwaitingAgent, why.clone()),
        Loaded::Silent => (
            ConditionStatus::Unknown,
            Reason::AwaitingAgent,
            "the agent of the hub's Icinga 2 does not report; start it, or look at its log".to_owned(),
        ),
    }
}
