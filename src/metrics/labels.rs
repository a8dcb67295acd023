//! The label sets of the metrics, and the values that each label can have.

use crate::api::Reason;
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
pub(super) struct StatusWriteLabel {
    kind: &'static str,
    result: &'static str,
}

impl StatusWriteLabel {
    pub(super) fn new(kind: Kind, result: WriteResult) -> Self {
        Self { kind: kind.label(), result: result.label() }
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
