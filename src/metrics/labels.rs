//! The label sets of the metrics, and the values that each label can have.

use crate::api::Reason;
use crate::api::condition::ConditionStatus;
use crate::api::satellite_cluster::{AgentState, BreakerState};
use crate::status::{Kind, WriteResult};
use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabel {
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StateLabel {
    pub(super) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusWriteLabel {
    kind: &'static str,
    result: &'static str,
}

impl StatusWriteLabel {
    pub(super) fn new(kind: Kind, result: WriteResult) -> Self {
        Self { kind: kind.label(), result: result.label() }
    }
}

/// What came of an event of a MonitoringObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventResult {
    /// The API server has it.
    Published,
    /// The API server did not take it.
    Failed,
    /// It was not sent: there were too many at once.
    LeftOut,
}

impl EventResult {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Failed => "failed",
            Self::LeftOut => "left_out",
        }
    }
}

/// What somebody else did to a file of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Changed the file of an object. It is put back.
    Changed,
    /// Removed the file of an object. It is put back.
    Removed,
    /// Made the file of an object unreadable. It is written anew.
    Unreadable,
    /// Added a file that belongs to no object. It is removed.
    Added,
}

impl Correction {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Changed, Self::Removed, Self::Unreadable, Self::Added];

    fn label(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Unreadable => "unreadable",
            Self::Added => "added",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CorrectionLabel {
    found: &'static str,
}

impl CorrectionLabel {
    pub(super) fn new(what: Correction) -> Self {
        Self { found: what.label() }
    }
}

/// Work that may panic without ending the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The validation or rendering of one object.
    Object,
    /// The write of one object's status.
    Status,
    /// A commit on the volume.
    Commit,
    /// The actor of one satellite.
    Satellite,
}

impl Work {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Object, Self::Status, Self::Commit, Self::Satellite];

    fn label(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Status => "status",
            Self::Commit => "commit",
            Self::Satellite => "satellite",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PanicLabel {
    work: &'static str,
}

impl PanicLabel {
    pub(super) fn new(work: Work) -> Self {
        Self { work: work.label() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SatelliteLabel {
    satellite: String,
}

impl SatelliteLabel {
    pub(super) fn new(satellite: &str) -> Self {
        Self { satellite: satellite.to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BreakerLabel {
    satellite: String,
    state: &'static str,
}

impl BreakerLabel {
    pub(super) const STATES: [BreakerState; 3] =
        [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];

    pub(super) fn new(satellite: &str, state: BreakerState) -> Self {
        let state = match state {
            BreakerState::Closed => "Closed",
            BreakerState::Open => "Open",
            BreakerState::HalfOpen => "HalfOpen",
        };
        Self { satellite: satellite.to_owned(), state }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AgentLabel {
    satellite: String,
    result: &'static str,
}

impl AgentLabel {
    pub(super) fn new(satellite: &str, state: AgentState) -> Self {
        Self { satellite: satellite.to_owned(), result: state.as_str() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FailureLabel {
    satellite: String,
    reason: String,
}

impl FailureLabel {
    pub(super) fn new(satellite: &str, reason: Reason) -> Self {
        Self { satellite: satellite.to_owned(), reason: format!("{reason:?}") }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(super) struct ConditionLabel {
    satellite: String,
    r#type: String,
    status: &'static str,
    reason: String,
}

impl ConditionLabel {
    pub(super) fn new(satellite: &str, (kind, status, reason): (&str, ConditionStatus, &str)) -> Self {
        let status = match status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        };
        Self { satellite: satellite.to_owned(), r#type: kind.to_owned(), status, reason: reason.to_owned() }
    }
}
