use super::apply::AttachedSpec;
use super::time_period::Ranges;
use crate::api::text::{Duration, Line, Vars};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An Icinga `ScheduledDowntime`: of one host or service (`hostName`, `serviceName`), or of each
/// that a rule matches (`apply`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::set::of_scheduled_downtime)]
#[x_kube(
    validation = ("!(has(self.hostName) && has(self.apply))", "hostName and apply exclude each other; set hostName for one host, or apply for a rule"),
    validation = ("!has(self.serviceName) || has(self.hostName)", "serviceName needs hostName; set both")
)]
pub struct ScheduledDowntimeSpec {
    #[serde(flatten)]
    /// Templates, and the host or service.
    pub attached: AttachedSpec,
    /// Name of the person who planned the downtime. Required, unless it comes from an imported
    /// template or `apply.set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Line>,
    /// Reason of the downtime. Required, unless it comes from an imported template or `apply.set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Line>,
    /// Times of the downtime (`02:00-04:00`, several with commas) by day, as in a time period, but
    /// only days that every month has (`monday 1`, `day 28`, `day -1`). Required, unless they come
    /// from an imported template or `apply.set`. At most 128.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub ranges: Ranges,
    /// Let the downtime last as long as its range. If false, it begins with the first problem in
    /// the range and lasts `duration`. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<bool>,
    /// How long the downtime lasts if `fixed` is false; required then, and more than zero.
    /// Otherwise without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Downtimes of the objects that depend on this one. The CRD takes the description of an
    /// optional enum from its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_options: Option<ChildOptions>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Added to a template's:
    /// dictionaries at every depth.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}

/// Downtimes of the objects that depend on this one: none (`DowntimeNoChildren`), one that begins
/// with this one (`DowntimeTriggeredChildren`), or one of their own at the same times
/// (`DowntimeNonTriggeredChildren`). Default: `DowntimeNoChildren`.
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
