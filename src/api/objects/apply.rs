use crate::api::text::{Expression, ObjectName};
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

/// Rule that says on which hosts a service exists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceApply {
    /// The service exists where at least one of these is true, for example `host.vars.os == "Linux"`. 1 to 16.
    #[schemars(length(min = 1, max = 16))]
    pub assign_where: Vec<Expression>,
    /// The service does not exist where one of these is true, whatever `assignWhere` says. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ignore_where: Vec<Expression>,
}

/// Rule that says for which hosts or services an object exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Apply {
    /// What it is made for: each matching `Host`, or each matching `Service`.
    pub to: ApplyTo,
    /// It exists where at least one of these is true, for example `host.vars.os == "Linux"`; a rule for services may also read
    /// `service`. 1 to 16.
    #[schemars(length(min = 1, max = 16))]
    pub assign_where: Vec<Expression>,
    /// It does not exist where one of these is true, whatever `assignWhere` says. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ignore_where: Vec<Expression>,
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
