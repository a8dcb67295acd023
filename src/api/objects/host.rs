use super::CheckableSpec;
use crate::api::text::{Line, ObjectName};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `Host`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostSpec {
    /// IPv4 address or host name that checks use, as `$address$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Line>,
    /// IPv6 address that checks use, as `$address6$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address6: Option<Line>,
    /// Host groups that it is a member of. Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub groups: Vec<ObjectName>,
    /// Host groups to add to those of the imported templates. Write it or `groups`, not both.
    /// Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub add_groups: Vec<ObjectName>,
    #[serde(flatten)]
    /// Checks and presentation.
    pub checkable: CheckableSpec,
}
