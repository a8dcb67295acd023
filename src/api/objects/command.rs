use crate::api::text::{Duration, Line, ObjectName, Text, UnsetPath, Vars};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An Icinga `CheckCommand`, `EventCommand` or `NotificationCommand`. Commands are code, so only
/// the operator's privileged namespaces may declare them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandSpec {
    /// Templates and commands to import, in order; a later one overrides an earlier one:
    /// MonitoringObjects of the same type, or of the Icinga Template Library (`http`,
    /// `ping-common`). Default: none. At most 16.
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
    /// are expanded, and constants of the Icinga that loads it (`$PluginDir$/check_x`). Required,
    /// unless it comes from an import. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub command: Vec<Line>,
    /// Further arguments by name: a text (`-H: $address$`), or `{value: $address$, ...}` with the
    /// fields below. With macros and constants. Added to those of an import. Default: none. At most
    /// 128.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub arguments: BTreeMap<String, Argument>,
    /// Environment variables by name, with macros and constants. Added to those of an import.
    /// Default: none. At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<String, Line>,
    /// Time after which a running command is ended, in whole seconds and more than zero. Default:
    /// `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Custom variables: defaults for the macros above, where the host, the service and the user
    /// do not set them. Any JSON, at most 64 KiB and 8 levels. Added to those of an import:
    /// dictionaries at every depth. A literal dollar sign is written `$$`.
    #[serde(default, skip_serializing_if = "Vars::is_empty")]
    pub vars: Vars,
}

/// An argument of a command, as a text or with its fields. The API server takes everything in
/// this place: its schemas have no type for a text or a dictionary. So whatever is read here is
/// kept, and `validate` refuses it with the path of the field.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// Short for the field `value` alone.
    Text(String),
    /// Its fields.
    Fields(CommandArgument),
    /// Anything else.
    Other(Value),
}

impl Serialize for Argument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Fields(fields) => fields.serialize(serializer),
            Self::Other(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(text) => Self::Text(text),
            value => match CommandArgument::deserialize(&value) {
                Ok(fields) if value.is_object() => Self::Fields(fields),
                _ => Self::Other(value),
            },
        })
    }
}

impl JsonSchema for Argument {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Argument".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = CommandArgument::json_schema(generator);
        schema.remove("type");
        schema.insert("description".into(), "A text, which is its value, or these fields.".into());
        schema.insert("maxLength".into(), Text::MAX.into());
        schema.insert("x-kubernetes-preserve-unknown-fields".into(), true.into());
        schema
    }
}

/// One argument of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandArgument {
    /// Value, with macros and constants. An argument whose macro has no value is left out, unless `required` is
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
