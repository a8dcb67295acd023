use super::apply::AttachedSpec;
use super::filter::{NotificationType, State};
use crate::api::text::{Duration, EndpointName, ObjectName, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `Notification`: of one host or service (`hostName`, `serviceName`), or of each that a
/// rule matches (`apply`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::set::of_notification)]
#[x_kube(
    validation = ("!(has(self.hostName) && has(self.apply))", "hostName and apply exclude each other; set hostName for one host, or apply for a rule"),
    validation = ("!has(self.serviceName) || has(self.hostName)", "serviceName needs hostName; set both")
)]
pub struct NotificationSpec {
    #[serde(flatten)]
    /// Templates, and the host or service.
    pub attached: AttachedSpec,
    /// Name of the notification command. Required, unless it comes from an imported template or
    /// `apply.set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<ObjectName>,
    /// Time between two notifications about the same problem; `0s` sends one. Default: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Time period in which notifications are sent. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<ObjectName>,
    /// Users who are notified. Users or user groups are required, unless they come from an
    /// imported template or `apply.set`. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub users: Vec<ObjectName>,
    /// Groups of users who are notified. Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub user_groups: Vec<ObjectName>,
    /// Time since the beginning of a problem in which notifications are sent, for escalations.
    /// Default: as long as the problem lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<NotificationTimes>,
    /// Types of notification. Default: all. At most 9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9))]
    pub types: Vec<NotificationType>,
    /// States about which notifications are sent: Up and Down of a host, the others of a service.
    /// Default: all. At most 6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub states: Vec<State>,
    /// Endpoint that sends the notifications: of the zone in `spec.zone`, which must be set, or of
    /// a direct child zone. Default: an endpoint of the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_endpoint: Option<EndpointName>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Added to a template's:
    /// dictionaries at every depth. Strings may hold macros (`$address$`); a literal dollar sign is written `$$`.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}

/// Time since the beginning of a problem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationTimes {
    /// Notify only after the problem has lasted this long; not later than `end`. Default: `0s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<Duration>,
    /// Stop after the problem has lasted this long. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Duration>,
}
