use super::builder::Builder;
use super::declaration::Declaration;
use super::name::IcingaType;
use super::value::Value;
use super::{attached, filter};
use crate::api::duration::parse_duration;
use crate::api::objects::{NotificationSpec, NotificationTimes, NotificationType, State};
use crate::api::text::{Duration, ObjectName};
use std::collections::BTreeMap;

pub(super) fn declare(
    mut builder: Builder,
    spec: &NotificationSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    let target = attached::declare(&mut builder, &spec.attached, zone);
    let imports = &spec.attached.imports;
    let command = spec.command.as_ref().map(ObjectName::as_str);
    builder.reference("command", "command", IcingaType::NotificationCommand, command);
    builder.required("a command", "command", command.is_some(), imports);
    let users = spec.users.iter().map(ObjectName::as_str);
    builder.references("users", "users", IcingaType::User, users, 64);
    let groups = spec.user_groups.iter().map(ObjectName::as_str);
    builder.references("user_groups", "userGroups", IcingaType::UserGroup, groups, 64);
    let has_users = !(spec.users.is_empty() && spec.user_groups.is_empty());
    builder.required("users or user groups", "users", has_users, imports);
    if !has_users
        && !builder.may_set(&["users", "user_groups"])
        && (builder.takes_back("users") || builder.takes_back("user_groups"))
    {
        let text = "takes back whom a template notifies, and Icinga refuses a notification of nobody; set users or \
                    userGroups";
        builder.problem("unset", text);
    }
    builder.duration("interval", "interval", spec.interval.as_ref(), false);
    let period = spec.period.as_ref().map(ObjectName::as_str);
    builder.reference("period", "period", IcingaType::TimePeriod, period);
    if let Some(times) = &spec.times {
        declare_times(&mut builder, times);
    }
    builder.words("types", "types", spec.types.iter().map(|t| NotificationType::as_str(*t)));
    builder.words("states", "states", spec.states.iter().map(|state| State::as_str(*state)));
    filter::states(&mut builder, &spec.states, imports, target);
    builder.command_endpoint(spec.command_endpoint.as_ref(), zone);
    builder.vars(&spec.vars);
    builder.finish()
}

fn declare_times(builder: &mut Builder, times: &NotificationTimes) {
    let mut out = BTreeMap::new();
    for (key, field, duration) in [("begin", "times.begin", &times.begin), ("end", "times.end", &times.end)] {
        match duration.as_ref().map(Duration::as_str).map(parse_duration) {
            Some(Ok(seconds)) => drop(out.insert(key.to_owned(), seconds)),
            Some(Err(problem)) => builder.problem(field, &problem),
            None => {}
        }
    }
    if let (Some(begin), Some(end)) = (out.get("begin"), out.get("end"))
        && begin > end
    {
        builder.problem("times.begin", "is later than times.end; set an earlier begin or a later end");
    }
    if !out.is_empty() {
        let values = out.into_iter().map(|(key, seconds)| (key, Value::Number(seconds)));
        builder.value("times", Value::Dictionary(values.collect()));
    }
}
