use super::filter::State;
use crate::api::text::{Duration, EndpointName, Line, ObjectName, Text, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What a host and a service have in common: how and when they are checked, and what is shown about them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckableSpec {
    /// Templates to import, in order (names of MonitoringObjects with `template: true`, or of the Icinga Template
    /// Library). At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// Name shown to people. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Line>,
    /// Check command. Required, unless it comes from an imported template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_command: Option<ObjectName>,
    /// Checks in a row with the same bad result before the state is hard. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_check_attempts: Option<i32>,
    /// Time period in which it is checked. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_period: Option<ObjectName>,
    /// Longest run of one check. Default: the check command's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_timeout: Option<Duration>,
    /// Time between two checks. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_interval: Option<Duration>,
    /// Time between two checks while the state is soft. Default: `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
    /// Event command, run on state changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_command: Option<ObjectName>,
    /// Endpoint that runs the check. Needs `spec.zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_endpoint: Option<EndpointName>,
    /// Every bad result is a hard state. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatile: Option<bool>,
    /// Run checks actively. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_active_checks: Option<bool>,
    /// Accept results from outside. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_passive_checks: Option<bool>,
    /// Run the event command. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_event_handler: Option<bool>,
    /// Send notifications. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_notifications: Option<bool>,
    /// Detect flapping. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_flapping: Option<bool>,
    /// Process performance data. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_perfdata: Option<bool>,
    /// Flapping ends below this share of state changes, in percent. Default: 25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub flapping_threshold_low: Option<i32>,
    /// Flapping starts above this share of state changes, in percent. Default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub flapping_threshold_high: Option<i32>,
    /// States that do not count as a change when flapping is detected. Up and Down of a host, the others of a service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub flapping_ignore_states: Vec<State>,
    /// Notes for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Text>,
    /// Address of further notes. Macros (`$name$`) are expanded by web interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes_url: Option<Line>,
    /// Address of actions. Macros (`$name$`) are expanded by web interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<Line>,
    /// Icon shown by web interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_image: Option<Line>,
    /// Text shown in place of the icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_image_alt: Option<Line>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Strings may hold macros (`$address$`); a literal dollar
    /// sign is written `$$`.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}
