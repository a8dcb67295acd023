//! The attributes of each type: Icinga's name, the field, and the sort of its value.

use crate::api::IcingaType;

/// Sort of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Text.
    Text,
    /// Name of one object.
    Name,
    /// Names of objects.
    Names,
    /// Names of groups, to which a body may add.
    Groups,
    /// A length of time.
    Duration,
    /// A whole number.
    Whole,
    /// `true` or `false`
    Boolean,
    /// States or types of notification.
    Filter,
    /// Times by day.
    Ranges,
    /// Begin and end of an escalation.
    Times,
    /// Options for children of a downtime.
    ChildOptions,
    /// Program and arguments.
    Command,
    /// Arguments by name.
    Arguments,
    /// Environment by name.
    Environment,
    /// Custom variables.
    Vars,
    /// The zone.
    Zone,
    /// Accepted by Icinga without an effect.
    Ignored,
}

use Sort::{
    Arguments, Boolean, ChildOptions, Command, Duration, Environment, Filter, Groups, Ignored, Name, Names,
    Ranges, Text, Times, Vars, Whole, Zone,
};

type Row = (&'static str, &'static str, Sort);

const EVERY: [Row; 2] = [("zone", "zone", Zone), ("vars", "vars", Vars)];
const CHECKABLE: [Row; 28] = [
    ("display_name", "displayName", Text),
    ("groups", "groups", Groups),
    ("check_command", "checkCommand", Name),
    ("max_check_attempts", "maxCheckAttempts", Whole),
    ("check_period", "checkPeriod", Name),
    ("check_timeout", "checkTimeout", Duration),
    ("check_interval", "checkInterval", Duration),
    ("retry_interval", "retryInterval", Duration),
    ("event_command", "eventCommand", Name),
    ("command_endpoint", "commandEndpoint", Name),
    ("volatile", "volatile", Boolean),
    ("enable_active_checks", "enableActiveChecks", Boolean),
    ("enable_passive_checks", "enablePassiveChecks", Boolean),
    ("enable_event_handler", "enableEventHandler", Boolean),
    ("enable_notifications", "enableNotifications", Boolean),
    ("enable_flapping", "enableFlapping", Boolean),
    ("enable_perfdata", "enablePerfdata", Boolean),
    ("flapping_threshold_low", "flappingThresholdLow", Whole),
    ("flapping_threshold_high", "flappingThresholdHigh", Whole),
    ("flapping_ignore_states", "flappingIgnoreStates", Filter),
    ("notes", "notes", Text),
    ("notes_url", "notesUrl", Text),
    ("action_url", "actionUrl", Text),
    ("icon_image", "iconImage", Text),
    ("icon_image_alt", "iconImageAlt", Text),
    // Deprecated since 2.8, and read by nobody.
    ("flapping_threshold", "", Ignored),
    ("address", "address", Text),
    ("address6", "address6", Text),
];
const GROUP: [Row; 5] = [
    ("display_name", "displayName", Text),
    ("groups", "groups", Groups),
    ("notes", "notes", Text),
    ("notes_url", "notesUrl", Text),
    ("action_url", "actionUrl", Text),
];
const COMMAND: [Row; 4] = [
    ("command", "command", Command),
    ("arguments", "arguments", Arguments),
    ("env", "env", Environment),
    ("timeout", "timeout", Duration),
];
const USER: [Row; 8] = [
    ("display_name", "displayName", Text),
    ("email", "email", Text),
    ("pager", "pager", Text),
    ("groups", "groups", Groups),
    ("period", "period", Name),
    ("types", "types", Filter),
    ("states", "states", Filter),
    ("enable_notifications", "enableNotifications", Boolean),
];
const NOTIFICATION: [Row; 11] = [
    ("host_name", "hostName", Name),
    ("service_name", "serviceName", Name),
    ("command", "command", Name),
    ("interval", "interval", Duration),
    ("period", "period", Name),
    ("users", "users", Names),
    ("user_groups", "userGroups", Names),
    ("times", "times", Times),
    ("types", "types", Filter),
    ("states", "states", Filter),
    ("command_endpoint", "commandEndpoint", Name),
];
const TIME_PERIOD: [Row; 5] = [
    ("display_name", "displayName", Text),
    ("ranges", "ranges", Ranges),
    ("prefer_includes", "preferIncludes", Boolean),
    ("includes", "includes", Names),
    ("excludes", "excludes", Names),
];
const DOWNTIME: [Row; 8] = [
    ("host_name", "hostName", Name),
    ("service_name", "serviceName", Name),
    ("author", "author", Text),
    ("comment", "comment", Text),
    ("ranges", "ranges", Ranges),
    ("fixed", "fixed", Boolean),
    ("duration", "duration", Duration),
    ("child_options", "childOptions", ChildOptions),
];
const DEPENDENCY: [Row; 10] = [
    ("parent_host_name", "parentHostName", Name),
    ("parent_service_name", "parentServiceName", Name),
    ("child_host_name", "childHostName", Name),
    ("child_service_name", "childServiceName", Name),
    ("redundancy_group", "redundancyGroup", Text),
    ("period", "period", Name),
    ("states", "states", Filter),
    ("ignore_soft_states", "ignoreSoftStates", Boolean),
    ("disable_checks", "disableChecks", Boolean),
    ("disable_notifications", "disableNotifications", Boolean),
];
const ZONE: [Row; 3] =
    [("parent", "parent", Name), ("endpoints", "endpoints", Names), ("global", "global", Boolean)];
const ENDPOINT: [Row; 3] =
    [("host", "host", Text), ("port", "port", Whole), ("log_duration", "logDuration", Duration)];

/// Returns the field and the sort of an attribute. None if the type does not have it.
pub(super) fn attribute(kind: IcingaType, name: &str) -> Option<(&'static str, Sort)> {
    let rows: &[Row] = match kind {
        IcingaType::Host => &CHECKABLE,
        IcingaType::Service if name == "host_name" => return Some(("hostName", Name)),
        IcingaType::Service if name.starts_with("address") => return None,
        IcingaType::Service => &CHECKABLE,
        IcingaType::HostGroup | IcingaType::ServiceGroup => &GROUP,
        IcingaType::UserGroup => GROUP.get(..2).unwrap_or_default(),
        IcingaType::User => &USER,
        IcingaType::CheckCommand | IcingaType::EventCommand | IcingaType::NotificationCommand => &COMMAND,
        IcingaType::Notification => &NOTIFICATION,
        IcingaType::TimePeriod => &TIME_PERIOD,
        IcingaType::ScheduledDowntime => &DOWNTIME,
        IcingaType::Dependency => &DEPENDENCY,
        IcingaType::Zone => &ZONE,
        IcingaType::Endpoint => &ENDPOINT,
    };
    let every: &[Row] = if kind.is_everywhere() { &[] } else { &EVERY };
    rows.iter().chain(every).find(|(known, _, _)| *known == name).map(|(_, field, sort)| (*field, *sort))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::MonitoringObject;
    use kube::CustomResourceExt as _;

    /// Fields that no attribute of Icinga sets.
    const OWN: [&str; 7] = ["imports", "assignWhere", "ignoreWhere", "apply", "unset", "addGroups", "set"];

    #[test]
    fn every_field_of_the_schema_is_reached() {
        let crd = serde_json::to_value(MonitoringObject::crd()).unwrap();
        let spec =
            &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        for kind in IcingaType::ALL {
            let fields = spec[kind.member()]["properties"].as_object().unwrap();
            for field in fields.keys().filter(|field| !OWN.contains(&field.as_str())) {
                let icinga: String = field
                    .chars()
                    .map(|c| {
                        if c.is_ascii_uppercase() {
                            format!("_{}", c.to_ascii_lowercase())
                        } else {
                            c.to_string()
                        }
                    })
                    .collect();
                assert_eq!(
                    attribute(*kind, &icinga).map(|(field, _)| field),
                    Some(field.as_str()),
                    "{kind} {field}"
                );
            }
        }
    }
}
