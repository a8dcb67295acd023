//! `set`: fields that get the value of an expression for each object that a rule makes. One table
//! for each type says which: the schema, the checks and the rendered guards come from it.

use crate::api::IcingaType;
use crate::api::text::Expression;
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most items of one `set`.
pub const MAX_ITEMS: usize = 16;

/// Fields that get the values of expressions. A value of another type than the field has, or one
/// that names something which does not exist, is left out: the field keeps what it had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetItem {
    /// Sets the fields only where this is true, for example `host.name == "web-01"` or
    /// `value.interval`. Default: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// Custom variables by name, for example `zone_name: host.name`. At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub vars: BTreeMap<String, Expression>,
    /// Dictionaries whose entries are added to the custom variables, for example
    /// `host.vars.defaults`. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub add_vars: Vec<Expression>,
    /// Times of a scheduled downtime by day, for example `monday: host.vars.backup_window`. Days
    /// whose value is no times are left out. At most 128.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub ranges: BTreeMap<String, Expression>,
    /// The other fields, by name.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Expression>,
}

/// What the value of a field must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Text; a number becomes text.
    Text,
    /// Text that is not empty.
    SomeText,
    /// Seconds, more than zero.
    Duration,
    /// Seconds, or zero.
    DurationOrZero,
    /// A number in a range.
    Number(i32, i32),
    /// True or false.
    Boolean,
    /// The name of an object.
    Name(IcingaType),
    /// Names of objects, in place of those before.
    Names(IcingaType),
    /// Names of objects, in place of those before; without any, those before stay.
    SomeNames(IcingaType),
    /// Names of objects, beside those before.
    MoreNames(IcingaType),
    /// The name of an Endpoint of the object's zone, or of a direct child zone.
    Endpoint,
}

impl Kind {
    /// Returns the words for a person.
    pub fn words(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::SomeText => "text that is not empty".into(),
            Self::Duration => "seconds, more than zero, such as `5m`".into(),
            Self::DurationOrZero => "seconds, such as `5m`".into(),
            Self::Number(min, max) => format!("a number from {min} to {max}"),
            Self::Boolean => "true or false".into(),
            Self::Name(IcingaType::EventCommand) => "the name of an EventCommand that exists".into(),
            Self::Name(kind) => format!("the name of a {kind} that exists"),
            Self::Names(kind) | Self::SomeNames(kind) => {
                format!("a list of names of {kind}s; those that exist are taken")
            }
            Self::MoreNames(kind) => {
                format!("a list of names of {kind}s to add; those that exist are taken")
            }
            Self::Endpoint => "the name of an Endpoint in the object's zone or in a direct child zone".into(),
        }
    }
}

/// A field that may be set.
#[derive(Debug, PartialEq)]
pub struct Field {
    /// The field in a manifest.
    pub name: &'static str,
    /// Icinga's attribute.
    pub attribute: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// An expression that a person might write.
    pub example: &'static str,
}

const fn field(name: &'static str, attribute: &'static str, kind: Kind, example: &'static str) -> Field {
    Field { name, attribute, kind, example }
}

const PERIOD: Kind = Kind::Name(IcingaType::TimePeriod);
const GROUP: IcingaType = IcingaType::ServiceGroup;

const SERVICE: &[Field] = &[
    field("displayName", "display_name", Kind::Text, "\"Disk \" + key"),
    field("checkCommand", "check_command", Kind::Name(IcingaType::CheckCommand), "host.vars.disk_command"),
    field("maxCheckAttempts", "max_check_attempts", Kind::Number(1, 1000), "value.attempts"),
    field("checkPeriod", "check_period", PERIOD, "host.vars.period"),
    field("checkTimeout", "check_timeout", Kind::Duration, "value.timeout"),
    field("checkInterval", "check_interval", Kind::Duration, "value.interval"),
    field("retryInterval", "retry_interval", Kind::Duration, "30s"),
    field("eventCommand", "event_command", Kind::Name(IcingaType::EventCommand), "host.vars.restart"),
    field("commandEndpoint", "command_endpoint", Kind::Endpoint, "host.name"),
    field("volatile", "volatile", Kind::Boolean, "value.volatile"),
    field("enableActiveChecks", "enable_active_checks", Kind::Boolean, "host.vars.active"),
    field("enablePassiveChecks", "enable_passive_checks", Kind::Boolean, "host.vars.passive"),
    field("enableEventHandler", "enable_event_handler", Kind::Boolean, "host.vars.restarts"),
    field("enableNotifications", "enable_notifications", Kind::Boolean, "host.vars.notify"),
    field("enableFlapping", "enable_flapping", Kind::Boolean, "host.vars.flapping"),
    field("enablePerfdata", "enable_perfdata", Kind::Boolean, "host.vars.graphs"),
    field("flappingThresholdLow", "flapping_threshold_low", Kind::Number(0, 100), "host.vars.low"),
    field("flappingThresholdHigh", "flapping_threshold_high", Kind::Number(0, 100), "host.vars.high"),
    field("notes", "notes", Kind::Text, "value.notes"),
    field("notesUrl", "notes_url", Kind::Text, "\"https://wiki.example.com/\" + host.name"),
    field("actionUrl", "action_url", Kind::Text, "value.url"),
    field("iconImage", "icon_image", Kind::Text, "host.vars.icon"),
    field("iconImageAlt", "icon_image_alt", Kind::Text, "host.vars.os"),
    field("groups", "groups", Kind::Names(GROUP), "value.groups"),
    field("addGroups", "groups", Kind::MoreNames(GROUP), "value.groups"),
];
const NOTIFICATION: &[Field] = &[
    field("command", "command", Kind::Name(IcingaType::NotificationCommand), "host.vars.notify_by"),
    field("interval", "interval", Kind::DurationOrZero, "host.vars.notification.interval"),
    field("period", "period", PERIOD, "host.vars.notification.period"),
    field("users", "users", Kind::SomeNames(IcingaType::User), "host.vars.notification.mail.users"),
    field(
        "userGroups",
        "user_groups",
        Kind::SomeNames(IcingaType::UserGroup),
        "host.vars.notification.mail.groups",
    ),
    field("commandEndpoint", "command_endpoint", Kind::Endpoint, "host.vars.notify_from"),
];
const DOWNTIME: &[Field] = &[
    field("author", "author", Kind::SomeText, "host.vars.owner"),
    field("comment", "comment", Kind::SomeText, "\"Backup of \" + host.name"),
    field("duration", "duration", Kind::DurationOrZero, "host.vars.backup_duration"),
];
const DEPENDENCY: &[Field] = &[
    field("period", "period", PERIOD, "host.vars.period"),
    field("ignoreSoftStates", "ignore_soft_states", Kind::Boolean, "host.vars.ignore_soft_states"),
    field("disableChecks", "disable_checks", Kind::Boolean, "host.vars.disable_checks"),
    field("disableNotifications", "disable_notifications", Kind::Boolean, "host.vars.disable_notifications"),
];

impl Field {
    /// Returns the fields that a rule of a type may set.
    pub fn of(kind: IcingaType) -> &'static [Self] {
        match kind {
            IcingaType::Service => SERVICE,
            IcingaType::Notification => NOTIFICATION,
            IcingaType::ScheduledDowntime => DOWNTIME,
            IcingaType::Dependency => DEPENDENCY,
            _ => &[],
        }
    }
}

/// Completes the schema of a type's spec: the items of `apply.set` have its fields.
fn complete(schema: &mut Schema, kind: IcingaType) {
    let path = ["properties", "apply", "properties", "set", "items"];
    let found = path.into_iter().try_fold(schema.as_object_mut(), |below, key| {
        Some(below?.get_mut(key).and_then(|value| value.as_object_mut()))
    });
    let Some(Some(item)) = found else { return };
    item.remove("additionalProperties");
    let Some(properties) = item.get_mut("properties").and_then(|value| value.as_object_mut()) else { return };
    if kind != IcingaType::ScheduledDowntime {
        properties.remove("ranges");
    }
    for field in Field::of(kind) {
        let about = format!("Expression for {}. For example `{}`.", field.kind.words(), field.example);
        let schema = json_schema!({
            "type": "string", "minLength": 1, "maxLength": Expression::MAX, "description": about,
        });
        properties.insert(field.name.to_owned(), schema.to_value());
    }
}

/// Completes the schema of a service.
pub fn of_service(schema: &mut Schema) {
    complete(schema, IcingaType::Service);
}

/// Completes the schema of a notification.
pub fn of_notification(schema: &mut Schema) {
    complete(schema, IcingaType::Notification);
}

/// Completes the schema of a scheduled downtime.
pub fn of_scheduled_downtime(schema: &mut Schema) {
    complete(schema, IcingaType::ScheduledDowntime);
}

/// Completes the schema of a dependency.
pub fn of_dependency(schema: &mut Schema) {
    complete(schema, IcingaType::Dependency);
}
