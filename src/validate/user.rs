use super::builder::Builder;
use super::declaration::Declaration;
use super::name::IcingaType;
use crate::api::objects::{NotificationType, State, UserSpec};
use crate::api::text::{Line, ObjectName};

pub(super) fn declare(
    mut builder: Builder,
    spec: &UserSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.provide_itself();
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    builder.zone(zone);
    for (attribute, field, text) in [
        ("display_name", "displayName", &spec.display_name),
        ("email", "email", &spec.email),
        ("pager", "pager", &spec.pager),
    ] {
        builder.text(attribute, field, text.as_ref().map(Line::as_str), Line::MAX);
    }
    builder.groups(IcingaType::UserGroup, &spec.groups, &spec.add_groups);
    let period = spec.period.as_ref().map(ObjectName::as_str);
    builder.reference("period", "period", IcingaType::TimePeriod, period);
    builder.words("types", "types", spec.types.iter().map(|t| NotificationType::as_str(*t)));
    builder.words("states", "states", spec.states.iter().map(|state| State::as_str(*state)));
    builder.boolean("enable_notifications", spec.enable_notifications);
    builder.vars(&spec.vars);
    builder.finish()
}
