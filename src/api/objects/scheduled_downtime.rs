use super::apply::AttachedSpec;
use super::time_period::Ranges;
use crate::api::text::{Duration, Line, Vars};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An Icinga `ScheduledDowntime`: of one host or service (`hostName`, `serviceName`), or of all that a rule matches (`apply`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!(has(self.hostName) && has(self.apply))", "set hostName for one host, or apply for a rule, not both"),
    validation = ("!has(self.serviceName) || has(self.hostName)", "serviceName needs hostName")
)]
pub struct ScheduledDowntimeSpec {
    #[serde(flatten)]
    /// Imports and place.
    pub attached: AttachedSpec,
    /// Who planned it. Required, unless it comes from an imported template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Line>,
    /// Why. Required, unless it comes from an imported template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
    /// When: times (`02:00-04:00`, several with commas) by day, as in a time period, but only days that every month has
    /// (`monday 1`, `day 28`, `day -1`). Required, unless they come from an imported template. At most 128.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub ranges: Ranges,
    /// It lasts as long as the range says. False: it begins with the first problem in the range, and lasts `duration`.
    /// Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<bool>,
    /// How long it lasts where `fixed` is false; required there, and more than zero. Elsewhere it has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// What happens to the objects that depend on it. The CRD takes the description of an optional enum from its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_options: Option<ChildOptions>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Added to a template's.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}

/// What happens to the objects that depend on it: nothing, a downtime that begins with this one
/// (`DowntimeTriggeredChildren`), or one of their own at the same times (`DowntimeNonTriggeredChildren`).
/// Default: `DowntimeNoChildren`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChildOptions {
    /// Nothing.
    DowntimeNoChildren,
    /// A downtime that begins with this one.
    DowntimeTriggeredChildren,
    /// A downtime of their own.
    DowntimeNonTriggeredChildren,
}

impl ChildOptions {
    /// Icinga's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DowntimeNoChildren => "DowntimeNoChildren",
            Self::DowntimeTriggeredChildren => "DowntimeTriggeredChildren",
            Self::DowntimeNonTriggeredChildren => "DowntimeNonTriggeredChildren",
        }
    }
}
