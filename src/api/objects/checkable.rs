use super::filter::State;
use crate::api::text::{Duration, EndpointName, Line, ObjectName, Text, UnsetPath, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The fields that hosts and services share: how and when they are checked, and how they are
/// presented.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckableSpec {
    /// Templates to import (MonitoringObjects with `template: true`, or of the Icinga Template
    /// Library), in order; a later one overrides an earlier one. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// What templates set and this takes back: a field (`checkPeriod`), which gets Icinga's default, or a
    /// custom variable (`vars.disks`, `vars.disks["/"]`), which is removed. Own values come after
    /// that, so `unset: [vars.disks]` beside `vars: {disks: ...}` replaces a dictionary. Default:
    /// none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unset: Vec<UnsetPath>,
    /// Name shown to people. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Line>,
    /// Name of the check command: a `checkCommand`, or one of the Icinga Template Library such as
    /// `hostalive`. Required, unless it comes from an imported template or a rule's `set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_command: Option<ObjectName>,
    /// Number of bad results in a row that make a problem hard. Users are notified only of hard
    /// problems. Default: 3. 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_check_attempts: Option<i32>,
    /// Time period in which checks run. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_period: Option<ObjectName>,
    /// Longest time that one check may run, more than zero. Default: the check command's
    /// `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_timeout: Option<Duration>,
    /// Time between two checks, more than zero. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_interval: Option<Duration>,
    /// Time between two checks while the state is soft, more than zero. Default: `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
    /// Name of the event command, which runs on state changes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_command: Option<ObjectName>,
    /// Endpoint that runs the check: of the zone in `spec.zone`, which must be set, or of a direct
    /// child zone. Default: an endpoint of the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_endpoint: Option<EndpointName>,
    /// Notify of each bad result while the state is hard, not only when the state changes.
    /// Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatile: Option<bool>,
    /// Run the check every `checkInterval`. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_active_checks: Option<bool>,
    /// Accept results from elsewhere, for example over Icinga's API. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_passive_checks: Option<bool>,
    /// Run the event command. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_event_handler: Option<bool>,
    /// Send notifications. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_notifications: Option<bool>,
    /// Detect flapping (a state that changes often), and notify only of the flapping while it
    /// lasts. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_flapping: Option<bool>,
    /// Keep the performance data of the results. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_perfdata: Option<bool>,
    /// Flapping ends below this share of state changes, in percent. Default: 25. 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub flapping_threshold_low: Option<i32>,
    /// Flapping starts above this share of state changes, in percent. Default: 30. 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub flapping_threshold_high: Option<i32>,
    /// States that do not count as a change when flapping is detected: Up and Down of a host, the
    /// others of a service. Default: none. At most 6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub flapping_ignore_states: Vec<State>,
    /// Notes for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Text>,
    /// Address (URL) of further notes. Macros (`$name$`) are expanded by web interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes_url: Option<Line>,
    /// Address (URL) of actions. Macros (`$name$`) are expanded by web interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<Line>,
    /// Icon shown by web interfaces: a file name or an address (URL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_image: Option<Line>,
    /// Text shown in place of the icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_image_alt: Option<Line>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Added to a template's:
    /// dictionaries at every depth. Strings may hold macros (`$address$`); a literal dollar sign is written `$$`.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}
