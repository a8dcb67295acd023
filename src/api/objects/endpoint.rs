use crate::api::text::{Duration, Line};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `Endpoint`: one Icinga instance. It must be listed by exactly one zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSpec {
    /// Address to connect to. Default: none, the other side connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Line>,
    /// TCP port. Default: 5665.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// How long the replay log is kept for it; `0s` keeps none. Default: `1d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_duration: Option<Duration>,
}
