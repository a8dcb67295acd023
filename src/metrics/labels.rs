//! The label sets of the metrics, and the values that each label can have.

use crate::api::Reason;
use crate::api::satellite_cluster::BreakerState;
use prometheus_client::encoding::EncodeLabelSet;

/// What a write of a MonitoringObject's status reports: label `kind` of `groundlink_status_writes_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusWriteKind {
    /// The file of this generation is in place and durable (`Ready=True`).
    Ready,
    /// The object is not published as its spec says: it was refused, waits, failed, or is suspended.
    Refusal,
    /// Which satellites hold it (`Synced`).
    Synced,
}

impl StatusWriteKind {
    /// Every kind, as `docs/operate.md` lists them.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Refusal, Self::Synced];

    /// Returns the value of the label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Refusal => "refusal",
            Self::Synced => "synced",
        }
    }
}

/// How the API server answered a write of a status: label `result` of `groundlink_status_writes_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusWriteResult {
    /// Stored.
    Ok,
    /// Not stored: the object has another uid or generation by now.
    Stale,
    /// Not stored: the object is deleted.
    Gone,
    /// Not stored: the API server refuses it.
    Refused,
    /// No answer, or one that says to try again: it may have been stored.
    Unknown,
}

impl StatusWriteResult {
    /// Every result, as `docs/operate.md` lists them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Stale, Self::Gone, Self::Refused, Self::Unknown];

    /// Returns the value of the label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

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
    pub(super) fn new(kind: StatusWriteKind, result: StatusWriteResult) -> Self {
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
pub(super) struct FailureLabel {
    satellite: String,
    reason: String,
}

impl FailureLabel {
    pub(super) fn new(satellite: &str, reason: Reason) -> Self {
        Self { satellite: satellite.to_owned(), reason: format!("{reason:?}") }
    }
}
