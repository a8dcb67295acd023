use crate::api::text::{EndpointName, ObjectName};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `Zone`. The member is `zoneObject`, because `spec.zone` is the zone that an object
/// belongs to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneSpec {
    /// Parent zone, not a global one. Default: none, for the top zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ObjectName>,
    /// Endpoints of the zone: one, or two that share the work (Icinga advises against more). Each
    /// must be declared, and belongs to exactly one zone. Default: none. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub endpoints: Vec<EndpointName>,
    /// A global zone. No `spec.zone` can name it, and none needs to: an object without a zone is
    /// everywhere. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<bool>,
}
