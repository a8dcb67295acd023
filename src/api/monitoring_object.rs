//! `MonitoringObject`: one Icinga object, template or apply rule.

use super::condition::Condition;
use super::objects::{
    CommandSpec, DependencySpec, EndpointSpec, GroupSpec, HostSpec, NotificationSpec, ScheduledDowntimeSpec,
    ServiceSpec, TimePeriodSpec, UserGroupSpec, UserSpec, ZoneSpec,
};
use super::rules;
use super::text::ObjectName;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// One Icinga 2 object, template or apply rule. The operator publishes it as a file on the hub
/// (condition `Ready`), and then delivers it to the satellite clusters (condition `Synced`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "groundlink.dev",
    version = "v1alpha1",
    kind = "MonitoringObject",
    namespaced,
    status = "MonitoringObjectStatus",
    derive = "PartialEq",
    shortname = "mo",
    category = "groundlink",
    selectable = ".spec.zone",
    selectable = ".status.type",
    printcolumn(name = "Type", type_ = "string", json_path = ".status.type"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.satellites"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.zone", priority = 1),
    printcolumn(name = "Stalled", type_ = "string", json_path = ".status.conditions[?(@.type==\"Stalled\")].status", priority = 1),
    printcolumn(name = "Loaded", type_ = "string", json_path = ".status.conditions[?(@.type==\"Loaded\")].status", priority = 1),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision", priority = 1),
    printcolumn(name = "Path", type_ = "string", json_path = ".status.path", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Synced\")].message",
        priority = 1
    ),
    validation = (
        "size(self.metadata.name) <= 180",
        "metadata.name is longer than 180 characters, and the file name and the ConfigMap key are made from it; choose a shorter name"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::exactly_one_type(),
    validation = rules::no_zone_on_what_is_everywhere(),
    validation = (
        "has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)",
        "name is immutable; delete the resource and create another"
    ),
    validation = rules::type_is_immutable(),
    validation = (
        "(has(self.template) && self.template) == (has(oldSelf.template) && oldSelf.template)",
        "template is immutable; delete the resource and create another"
    )
)]
pub struct MonitoringObjectSpec {
    /// Icinga zone of the object, and its placement: only the hub and the satellites of this zone
    /// get it. The zone must be declared (by a zoneObject, or in the operator's setting
    /// externalObjects). Default: none; the hub and every satellite that accepts the namespace get
    /// the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ObjectName>,
    /// Name of the Icinga object, unique per type over the whole hub. Immutable. Default:
    /// `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Declare a template, which other objects import, in place of an object. Immutable. Default:
    /// false.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false))]
    pub template: bool,
    /// Keep the published file and ignore changes of this resource. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false))]
    pub suspend: bool,
    /// A host: a machine or device that is checked, and that services belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostSpec>,
    /// A service: a part of a host that is checked. It belongs to one host (`hostName`), or to
    /// every host that a rule matches (`apply`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,
    /// A group of hosts, for views and rules. Hosts name it in their `groups`, or a rule finds
    /// them (`assignWhere`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_group: Option<GroupSpec>,
    /// A group of services, for views and rules. Services name it in their `groups`, or a rule
    /// finds them (`assignWhere`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_group: Option<GroupSpec>,
    /// A user: a person who is notified, with address, times and topics. It is no account of a web
    /// interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserSpec>,
    /// A group of users, to be notified together. Users name it in their `groups`, or a rule finds
    /// them (`assignWhere`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_group: Option<UserGroupSpec>,
    /// A check command: the program that checks hosts and services, and its arguments. Only
    /// privileged namespaces may declare it, because commands are code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_command: Option<CommandSpec>,
    /// An event command: a program that runs when the state of a host or service changes, and
    /// after each check while a problem is soft, for example to repair it. Only privileged
    /// namespaces may declare it, because commands are code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_command: Option<CommandSpec>,
    /// A notification command: the program that notifies a user. Only privileged namespaces may
    /// declare it, because commands are code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_command: Option<CommandSpec>,
    /// A notification: which users are notified of which problems, when, how often, and by which
    /// command. It belongs to one host or service (`hostName`, `serviceName`), or to each that a
    /// rule matches (`apply`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<NotificationSpec>,
    /// A time period: days and times at which checks run (`checkPeriod`) or users are notified
    /// (`period`), in the time zone of the Icinga that reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_period: Option<TimePeriodSpec>,
    /// A recurring downtime: while it lasts, nobody is notified of problems. It belongs to one
    /// host or service (`hostName`, `serviceName`), or to each that a rule matches (`apply`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_downtime: Option<ScheduledDowntimeSpec>,
    /// A dependency: while the parent has a problem, nobody is notified of the child's. The child
    /// is one host or service (`childHostName`, `childServiceName`), or each that a rule matches
    /// (`apply`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<DependencySpec>,
    /// A zone: the Icinga instances (endpoints) that share one job. Other objects name it in
    /// `spec.zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_object: Option<ZoneSpec>,
    /// An endpoint: one Icinga instance, with the name of its certificate. Exactly one zone lists
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointSpec>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The observed state. Only the operator writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringObjectStatus {
    /// Last `metadata.generation` that the operator decided about; -1 before the first decision.
    #[serde(default = "minus_one")]
    pub observed_generation: i64,
    /// Icinga type that the resource declares, for example `Host`. `kubectl get mo --field-selector
    /// status.type=Host` selects by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub r#type: Option<String>,
    /// The reason that matters: that of `Ready` while it is not True, and then that of `Synced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// The operator that wrote this status: namespace and name of its Lease. Another operator that
    /// finds it writes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub operator: Option<String>,
    /// How many of the satellites that should hold this generation had acknowledged it when the
    /// status was written, as `<acknowledged>/<expected>`. Suspended and optional satellites are
    /// not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub satellites: Option<String>,
    /// `sha256:` of the bytes of the published file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80))]
    pub published_digest: Option<String>,
    /// Path of the file below the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub path: Option<String>,
    /// First snapshot that holds this generation, `<term>.<counter>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 41))]
    pub revision: Option<String>,
    /// Satellites that lack this generation. While `Synced` is True: those that are not waited for,
    /// because they are suspended or optional. Absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_satellites: Option<PendingSatellites>,
    /// Ready: published on the hub. Synced: acknowledged by every satellite that should hold it.
    /// Reconciling: work is pending. Stalled: a person must act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

fn minus_one() -> i64 {
    -1
}

/// Satellites that lack a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingSatellites {
    /// How many.
    pub count: u32,
    /// At most 5 of them: first those that fail, each part by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(max = 253)))]
    pub names: Vec<String>,
}
