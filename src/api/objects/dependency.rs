use super::apply::Apply;
use super::filter::State;
use crate::api::text::{Line, ObjectName, UnsetPath, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `Dependency`: while the parent has a problem, the child counts as unreachable, and
/// nobody is notified about it. The child is one host or service (`childHostName`,
/// `childServiceName`), or each that a rule matches (`apply`). Nothing may depend on itself, not
/// even through others; a service always depends on its host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::set::of_dependency)]
#[x_kube(
    validation = ("!(has(self.childHostName) && has(self.apply))", "childHostName and apply exclude each other; set childHostName for one child, or apply for a rule"),
    validation = ("!has(self.childServiceName) || has(self.childHostName)", "childServiceName needs childHostName; set both")
)]
pub struct DependencySpec {
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
    /// Host that the child depends on. Required, unless `template` is set, or `apply.to` is
    /// Service: then the default is the child's own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_host_name: Option<ObjectName>,
    /// Service of that host that the child depends on, in place of the host. A service that a rule
    /// creates can be named only without parentHostName; hosts without this service are then left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_service_name: Option<ObjectName>,
    /// Host that depends on the parent. Required, unless `apply` or `template` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_host_name: Option<ObjectName>,
    /// Service of that host that depends on the parent, in place of the host. A service that a
    /// rule creates cannot be named; use `apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_service_name: Option<ObjectName>,
    /// Make every host or service that the rule matches depend on the parent; the parent itself is
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
    /// Name that parents of one child share if any one of them is enough: the child is unreachable
    /// only when all of them have a problem. Needs Icinga 2.14. Default: none, every parent is
    /// needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redundancy_group: Option<Line>,
    /// Time period in which the dependency holds. Default: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<ObjectName>,
    /// States of the parent in which the child counts as reachable: Up and Down of a host, the
    /// others of a service. Default: `Up`, or `OK` and `Warning`. At most 6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub states: Vec<State>,
    /// Regard only hard states of the parent. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_soft_states: Option<bool>,
    /// Do not check the child while the parent has a problem. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_checks: Option<bool>,
    /// Do not notify about the child while the parent has a problem. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_notifications: Option<bool>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Default: none. At most 256.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}
