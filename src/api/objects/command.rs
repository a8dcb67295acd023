use crate::api::text::{Duration, Line, ObjectName, Text, UnsetPath, Vars};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An Icinga `CheckCommand`, `EventCommand` or `NotificationCommand`. Commands are code, so only
/// the operator's privileged namespaces may declare them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandSpec {
    /// Templates to import, in order; a later one overrides an earlier one. Default: none. At most
    /// 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub imports: Vec<ObjectName>,
    /// What templates set and this takes back: a field (`timeout`), which gets Icinga's default, or a
    /// custom variable (`vars.disks`, `vars.disks["/"]`), which is removed. Own values come after
    /// that, so `unset: [vars.disks]` beside `vars: {disks: ...}` replaces a dictionary. Default:
    /// none. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unset: Vec<UnsetPath>,
    /// Program and its first arguments, one an entry; no shell is involved. Macros (`$address$`)
    /// are expanded. Required, unless it comes from an imported template. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub command: Vec<Line>,
    /// Further arguments by name (`-H`), with macros. Added to a template's. Default: none. At
    /// most 128.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub arguments: BTreeMap<String, CommandArgument>,
    /// Environment variables by name, with macros. Added to a template's. Default: none. At most
    /// 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<String, Line>,
    /// Time after which a running command is ended, in whole seconds and more than zero. Default:
    /// `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Custom variables: defaults for the macros above, where the host, the service and the user
    /// do not set them. Any JSON, at most 64 KiB and 8 levels. Added to a template's. A literal
    /// dollar sign is written `$$`.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}

/// One argument of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandArgument {
    /// Value, with macros. An argument whose macro has no value is left out, unless `required` is
    /// set. Default: none, the name alone is passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// Purpose of the argument, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Line>,
    /// Fail without running the command if the value's macro has no value. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Pass the value without the name. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_key: Option<bool>,
    /// Repeat the name before each element of an array value. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_key: Option<bool>,
    /// Pass the argument only if this macro is true or a number other than 0. Default: none, it is
    /// passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_if: Option<Line>,
    /// Position among the arguments; lower comes first. Default: 0. -1000 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1000, max = 1000))]
    pub order: Option<i32>,
    /// Joins name and value into one argument, for example `=`. Default: none, they are two
    /// arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<Line>,
    /// Name to pass in place of the map's key. The key then only orders the arguments. Default:
    /// the map's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Line>,
}
