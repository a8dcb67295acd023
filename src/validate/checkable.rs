//! The fields that hosts and services share.

use super::builder::Builder;
use super::name::IcingaType;
use crate::api::objects::CheckableSpec;
use crate::api::text::{Line, ObjectName, Text};

pub(super) fn declare(
    builder: &mut Builder,
    kind: IcingaType,
    spec: &CheckableSpec,
    zone: Option<&ObjectName>,
) {
    let line = |value: &Option<Line>| value.as_ref().map(|line| line.as_str().to_owned());
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    builder.zone(zone);
    builder.text("display_name", "displayName", line(&spec.display_name).as_deref(), Line::MAX);
    let command = spec.check_command.as_ref().map(ObjectName::as_str);
    builder.reference("check_command", "checkCommand", IcingaType::CheckCommand, command);
    builder.required("a check command", "checkCommand", command.is_some(), &spec.imports);
    builder.integer("max_check_attempts", "maxCheckAttempts", spec.max_check_attempts, 1, 1000);
    let period = spec.check_period.as_ref().map(ObjectName::as_str);
    builder.reference("check_period", "checkPeriod", IcingaType::TimePeriod, period);
    builder.duration("check_timeout", "checkTimeout", spec.check_timeout.as_ref(), true);
    builder.duration("check_interval", "checkInterval", spec.check_interval.as_ref(), true);
    builder.duration("retry_interval", "retryInterval", spec.retry_interval.as_ref(), true);
    let event_command = spec.event_command.as_ref().map(ObjectName::as_str);
    builder.reference("event_command", "eventCommand", IcingaType::EventCommand, event_command);
    builder.command_endpoint(spec.command_endpoint.as_ref(), zone);
    builder.boolean("volatile", spec.volatile);
    builder.boolean("enable_active_checks", spec.enable_active_checks);
    builder.boolean("enable_passive_checks", spec.enable_passive_checks);
    builder.boolean("enable_event_handler", spec.enable_event_handler);
    builder.boolean("enable_notifications", spec.enable_notifications);
    builder.boolean("enable_flapping", spec.enable_flapping);
    builder.boolean("enable_perfdata", spec.enable_perfdata);
    builder.integer("flapping_threshold_low", "flappingThresholdLow", spec.flapping_threshold_low, 0, 100);
    builder.integer("flapping_threshold_high", "flappingThresholdHigh", spec.flapping_threshold_high, 0, 100);
    builder.words(
        "flapping_ignore_states",
        "flappingIgnoreStates",
        spec.flapping_ignore_states.iter().map(|state| state.as_str()),
    );
    if spec.flapping_ignore_states.iter().any(|state| state.is_of_host() != (kind == IcingaType::Host)) {
        let states = if kind == IcingaType::Host { "Up, Down" } else { "OK, Warning, Critical, Unknown" };
        builder.problem(
            "flappingIgnoreStates",
            &format!("has a state of another kind of object; use only {states}"),
        );
    }
    builder.text("notes", "notes", spec.notes.as_ref().map(Text::as_str), Text::MAX);
    builder.macro_text("notes_url", "notesUrl", line(&spec.notes_url).as_deref(), Line::MAX);
    builder.macro_text("action_url", "actionUrl", line(&spec.action_url).as_deref(), Line::MAX);
    builder.text("icon_image", "iconImage", line(&spec.icon_image).as_deref(), Line::MAX);
    builder.text("icon_image_alt", "iconImageAlt", line(&spec.icon_image_alt).as_deref(), Line::MAX);
    builder.vars(&spec.vars);
}
