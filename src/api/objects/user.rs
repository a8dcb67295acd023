use super::filter::{NotificationType, State};
use crate::api::text::{Line, ObjectName, UnsetPath, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `User`: a person who is notified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    /// Templates to import, in order; a later one overrides an earlier one. Default: none. At most
    /// 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// What templates set and this takes back: a field (`period`), which gets Icinga's default, or a
    /// custom variable (`vars.disks`, `vars.disks["/"]`), which is removed. Own values come after
    /// that, so `unset: [vars.disks]` beside `vars: {disks: ...}` replaces a dictionary. Default:
    /// none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unset: Vec<UnsetPath>,
    /// Name shown to people. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Line>,
    /// Mail address that notification commands read as `$user.email$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Line>,
    /// Number that notification commands read as `$user.pager$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pager: Option<Line>,
    /// User groups that the user is a member of. Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub groups: Vec<ObjectName>,
    /// User groups to add to those of the imported templates. Write it or `groups`, not both.
    /// Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub add_groups: Vec<ObjectName>,
    /// Time period in which the user is notified. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<ObjectName>,
    /// Types of notification that the user receives. Default: all. At most 9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9))]
    pub types: Vec<NotificationType>,
    /// States about which the user is notified: Up and Down of hosts, the others of services.
    /// Default: all. At most 6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub states: Vec<State>,
    /// Notify the user. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_notifications: Option<bool>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Added to a template's:
    /// dictionaries at every depth.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}
