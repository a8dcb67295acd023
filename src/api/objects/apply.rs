use super::set::SetItem;
use crate::api::text::{Expression, NamePrefix, ObjectName, UnsetPath, VarName, VarPath};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a rule applies to hosts or to services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApplyTo {
    /// Each matching host.
    Host,
    /// Each matching service.
    Service,
}

impl ApplyTo {
    /// The word for messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Service => "service",
        }
    }
}

/// Rule that decides where objects exist: `assignWhere`, `forEach`, or both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("(has(self.assignWhere) && size(self.assignWhere) > 0) || has(self.forEach)", "a rule needs assignWhere or forEach, or it matches nothing; set one of them")
)]
pub struct ApplyRule {
    /// The object exists where at least one of these is true, for example `host.vars.os ==
    /// "Linux"`. An object of services may also read `service`, and a rule with `forEach` the entry:
    /// `key` and `value`. Required, unless `forEach` is set; then the default is everywhere. At most
    /// 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub assign_where: Vec<Expression>,
    /// The object does not exist where one of these is true, even if `assignWhere` matches.
    /// Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ignore_where: Vec<Expression>,
    /// Create one object for each entry of a custom variable, in place of one object. Default: one
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// Fields that get the value of an expression, for each object. A later item overrides an
    /// earlier one. If a value does not fit, the field keeps what it had. Text in an expression is
    /// quoted: `displayName: '"Disk " + key'`. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub set: Vec<SetItem>,
}

/// One object for each entry of a custom variable: of a dictionary, for each key; of a list, for
/// each text or number in it. It is named `<name of the rule> <key>`, or `<prefix><key>`. An entry
/// that is a dictionary itself is added to the object's `vars`, and overrides the rule's `vars`. An
/// entry with an exclamation mark is left out, because Icinga has no such names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForEach {
    /// The custom variable, for example `host.vars.disks`. No object is created where it is
    /// missing, or neither a dictionary nor a list.
    #[serde(rename = "in")]
    pub within: VarPath,
    /// Beginning of the names, in front of the key, for example `disk-`. Empty text makes the key
    /// the whole name. Default: the name of the rule and a blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<NamePrefix>,
    /// Custom variable of the object that gets the key, for example `disk_partition`. Default:
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_var: Option<VarName>,
    /// Custom variable of the object that gets the value of a dictionary's entry, for example
    /// `port` for `{http: 80}`; of a list, the entry, where a number stays a number. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_var: Option<VarName>,
}

/// Rule that decides for which hosts or services an object exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Apply {
    /// Apply the rule to hosts (`Host`) or to services (`Service`).
    pub to: ApplyTo,
    #[serde(flatten)]
    /// The hosts or services that match.
    pub rule: ApplyRule,
}

/// The fields that all objects of a host or service have: templates, and where they belong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachedSpec {
    /// Templates to import, in order; a later one overrides an earlier one. Default: none. At most
    /// 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// What templates set and this takes back: a field (`vars`), which gets Icinga's default, or a
    /// custom variable (`vars.disks`, `vars.disks["/"]`), which is removed. Own values come after
    /// that, so `unset: [vars.disks]` beside `vars: {disks: ...}` replaces a dictionary. Default:
    /// none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unset: Vec<UnsetPath>,
    /// Host that the object belongs to. Required, unless `apply` or `template` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<ObjectName>,
    /// Service of that host that the object belongs to, in place of the host. A service that a
    /// rule creates cannot be named; use `apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<ObjectName>,
    /// Create the object for every host or service that the rule matches. With `spec.zone`: only
    /// for hosts of that zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
}
