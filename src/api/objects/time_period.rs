use crate::api::text::{DayTimes, Line, ObjectName, UnsetPath, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Times by day: `monday: 09:00-17:00`, `december 24 - december 26: 00:00-24:00`.
pub type Ranges = BTreeMap<String, DayTimes>;

/// An Icinga `TimePeriod`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimePeriodSpec {
    /// Templates to import, in order; a later one overrides an earlier one. Default: none. At most
    /// 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// What templates set and this takes back: a field (`ranges`), which gets Icinga's default, or a
    /// custom variable (`vars.disks`, `vars.disks["/"]`), which is removed. Own values come after
    /// that, so `unset: [vars.disks]` beside `vars: {disks: ...}` replaces a dictionary. Default:
    /// none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unset: Vec<UnsetPath>,
    /// Name shown to people. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Line>,
    /// Times (`09:00-17:00`, several with commas) by day: `monday`, `monday 1`, `monday -1 may`,
    /// `day 1`, `july 4`, `2026-12-24`, a range of these with ` - `, and ` / 2` for every second
    /// day. Default: none, so the period never holds. At most 128.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub ranges: Ranges,
    /// Where `includes` and `excludes` overlap, the included times win. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer_includes: Option<bool>,
    /// Time periods whose times are added. Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub includes: Vec<ObjectName>,
    /// Time periods whose times are removed. Default: none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub excludes: Vec<ObjectName>,
    /// Custom variables: any JSON, at most 64 KiB and 8 levels. Added to a template's:
    /// dictionaries at every depth.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}
