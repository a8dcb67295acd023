use crate::api::text::{Duration, Line};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An Icinga `Endpoint`: one Icinga instance. Exactly one zone must list it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSpec {
    /// Address or host name to connect to. Default: none, the other side connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Line>,
    /// TCP port to connect to. Default: 5665. 1 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// How long other endpoints keep the messages that this one misses while it is away; `0s`
    /// keeps none. Default: `1d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_duration: Option<Duration>,
}
