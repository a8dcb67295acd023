use super::{ApplyRule, CheckableSpec};
use crate::api::text::ObjectName;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `Service`: of one host (`hostName`), or of every host that a rule matches (`apply`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::set::of_service)]
#[x_kube(
    validation = ("!(has(self.hostName) && has(self.apply))", "hostName and apply exclude each other; set hostName for one host, or apply for a rule")
)]
pub struct ServiceSpec {
    /// Host that the service belongs to. Required, unless `apply` or `template` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<ObjectName>,
    /// Create the service on every host that the rule matches. With `spec.zone`: only on hosts of
    /// that zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<ApplyRule>,
    /// Service groups that it is a member of. Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub groups: Vec<ObjectName>,
    /// Service groups to add to those of the imported templates. Write it or `groups`, not both.
    /// Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub add_groups: Vec<ObjectName>,
    #[serde(flatten)]
    /// Checks and presentation.
    pub checkable: CheckableSpec,
}
