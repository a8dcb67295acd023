//! States and types of notification.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of a host (Up, Down) or of a service (the others).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// Of a service.
    #[serde(rename = "OK")]
    Ok,
    /// Of a service.
    Warning,
    /// Of a service.
    Critical,
    /// Of a service.
    Unknown,
    /// Of a host.
    Up,
    /// Of a host.
    Down,
}

impl State {
    /// Icinga's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "Warning",
            Self::Critical => "Critical",
            Self::Unknown => "Unknown",
            Self::Up => "Up",
            Self::Down => "Down",
        }
    }

    /// Whether a host has it.
    pub fn is_of_host(self) -> bool {
        matches!(self, Self::Up | Self::Down)
    }
}

/// Type of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum NotificationType {
    /// A downtime began.
    DowntimeStart,
    /// A downtime ended.
    DowntimeEnd,
    /// A downtime was removed.
    DowntimeRemoved,
    /// Sent by a person.
    Custom,
    /// A problem was acknowledged.
    Acknowledgement,
    /// A problem.
    Problem,
    /// The end of a problem.
    Recovery,
    /// Flapping began.
    FlappingStart,
    /// Flapping ended.
    FlappingEnd,
}

impl NotificationType {
    /// Icinga's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DowntimeStart => "DowntimeStart",
            Self::DowntimeEnd => "DowntimeEnd",
            Self::DowntimeRemoved => "DowntimeRemoved",
            Self::Custom => "Custom",
            Self::Acknowledgement => "Acknowledgement",
            Self::Problem => "Problem",
            Self::Recovery => "Recovery",
            Self::FlappingStart => "FlappingStart",
            Self::FlappingEnd => "FlappingEnd",
        }
    }
}
