use crate::api::text::{Expression, Line, ObjectName, Text, UnsetPath, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `HostGroup` or `ServiceGroup`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupSpec {
    #[serde(flatten)]
    /// The fields that every group has.
    pub group: UserGroupSpec,
    /// Notes for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Text>,
    /// Address (URL) of further notes. Macros (`$name$`) are expanded by web interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes_url: Option<Line>,
    /// Address (URL) of actions. Macros (`$name$`) are expanded by web interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_url: Option<Line>,
}

/// An Icinga `UserGroup`, with the fields that every group has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserGroupSpec {
    /// Templates to import, in order; a later one overrides an earlier one. Default: none. At most
    /// 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// What templates set and this takes back: a field (`displayName`), which gets Icinga's default, or a
    /// custom variable (`vars.disks`, `vars.disks["/"]`), which is removed. Own values come after
    /// that, so `unset: [vars.disks]` beside `vars: {disks: ...}` replaces a dictionary. Default:
    /// none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unset: Vec<UnsetPath>,
    /// Name shown to people. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Line>,
    /// Groups of the same type that this group, with its members, belongs to. Default: none. At
    /// most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub groups: Vec<ObjectName>,
    /// Groups to add to those of the imported templates. Write it or `groups`, not both. Default:
    /// none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub add_groups: Vec<ObjectName>,
    /// Every host, service or user for which at least one of these is true is a member: of a host
    /// group `host.vars.os == "Linux"`, of a service group also `service.name == "ssh"`, of a user
    /// group `user.vars.team == "web"`. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub assign_where: Vec<Expression>,
    /// A host, service or user for which one of these is true is no member, even if `assignWhere`
    /// matches. Needs `assignWhere`. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ignore_where: Vec<Expression>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Added to a template's:
    /// dictionaries at every depth.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}
