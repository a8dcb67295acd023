//! The agents of a satellite, as the status of its SatelliteCluster shows them.

use super::agent_report::AgentResult;
use super::closed::closed_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

closed_enum! {
    /// State of an agent, as the hub sees it.
    pub enum AgentState {
        /// Its Lease has no report.
        NeverReported,
        /// Its report cannot be read.
        Unreadable,
        /// It did not renew its Lease for 100 s.
        Silent,
        /// It knows no set yet, or has just begun.
        Waiting,
        /// It is fetching, validating or loading a set.
        Loading,
        /// Its Icinga 2 runs the newest set that it knows.
        Loaded,
        /// As Loaded, except for objects that Icinga 2 refused.
        LoadedInPart,
        /// Icinga 2 refused the set, and runs the one before.
        Rejected,
        /// Icinga 2 accepted the set and did not prove that it runs it.
        Unproved,
        /// The set removes so much that a person must agree.
        Held,
    }
}

impl From<AgentResult> for AgentState {
    fn from(result: AgentResult) -> Self {
        match result {
            AgentResult::Waiting => Self::Waiting,
            AgentResult::Loading => Self::Loading,
            AgentResult::Loaded => Self::Loaded,
            AgentResult::LoadedInPart => Self::LoadedInPart,
            AgentResult::Rejected => Self::Rejected,
            AgentResult::Unproved => Self::Unproved,
            AgentResult::Held => Self::Held,
        }
    }
}

/// An agent of the satellite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Name of its Lease.
    #[schemars(length(max = 253))]
    pub name: String,
    /// What it reported, or that it did not.
    pub result: AgentState,
    /// Revision of the newest set that it knows, `<term>.<counter>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 41))]
    pub revision: Option<String>,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 272))]
    pub message: String,
    /// Version of its Icinga 2.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 80))]
    pub icinga_version: String,
    /// The active checks of the set. Absent until they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<AgentChecks>,
}

/// The active checks of an agent's set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentChecks {
    /// Hosts and services with active checks.
    #[schemars(range(min = 0))]
    pub checkables: u64,
    /// Those that never had a result, although two check intervals are over.
    #[schemars(range(min = 0))]
    pub overdue: u64,
    /// The first of them: `host` or `host!service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 528))]
    pub first: Option<String>,
}
