use crate::api::text::{Expression, ObjectName, VarName, VarPath};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a rule makes objects for.
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

/// Rule that says where objects exist: `assignWhere`, `forEach`, or both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("(has(self.assignWhere) && size(self.assignWhere) > 0) || has(self.forEach)", "a rule needs assignWhere or forEach: without, it matches nothing")
)]
pub struct ApplyRule {
    /// It exists where at least one of these is true, for example `host.vars.os == "Linux"`; what is made for services may also
    /// read `service`. Required, unless `forEach` is set; default then: everywhere. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub assign_where: Vec<Expression>,
    /// It does not exist where one of these is true, whatever `assignWhere` says. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ignore_where: Vec<Expression>,
    /// Make one object for each entry of a custom variable, in place of one object. Default: one object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
}

/// One object for each entry of a custom variable: of a dictionary, for each key; of a list, for each text or number in it. It is
/// named `<name of the rule> <key>`. An entry that is a dictionary itself is added to the object's `vars`, and goes before what
/// the rule says there. What has an exclamation mark is left out: Icinga has no such names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForEach {
    /// The custom variable, for example `host.vars.disks`; where it is missing, or neither a dictionary nor a list, no object
    /// is made.
    #[serde(rename = "in")]
    pub within: VarPath,
    /// Custom variable of the object that gets the key, for example `disk_partition`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_var: Option<VarName>,
    /// Custom variable of the object that gets the value of a dictionary's entry, for example `port` for `{http: 80}`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_var: Option<VarName>,
}

/// Rule that says for which hosts or services an object exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Apply {
    /// What it is made for: each matching `Host`, or each matching `Service`.
    pub to: ApplyTo,
    #[serde(flatten)]
    /// Which of them.
    pub rule: ApplyRule,
}

/// What objects that belong to a host or a service have in common: templates, and where they belong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachedSpec {
    /// Templates to import, in order: what a later one says wins. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// Host that it belongs to. Required, unless `apply` or `template` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<ObjectName>,
    /// Service of that host that it belongs to, in place of the host. A service that a rule makes cannot be named; use `apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<ObjectName>,
    /// Create it for every host or service that the rule matches. With `spec.zone`: of that zone's hosts alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
}
