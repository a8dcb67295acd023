//! The fields that hosts and services share.

use super::declaration::{Builder, Form, Use};
use super::name::{IcingaType, Name};
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
    builder.zone(zone);
    if let Some(zone) = zone {
        builder.require(Use::one(not_global(zone.as_str())));
    }
    builder.text("display_name", "displayName", line(&spec.display_name).as_deref(), Line::MAX);
    let command = spec.check_command.as_ref().map(ObjectName::as_str);
    builder.reference("check_command", "checkCommand", IcingaType::CheckCommand, command);
    if builder.form() == Form::Template {
        if command.is_some() {
            let name = builder.name();
            builder.provide(sets_check_command(kind, &name), true);
        }
    } else if command.is_none() {
        if spec.imports.is_empty() {
            builder.problem("checkCommand", "is required, here or in a template that spec imports directly");
        } else {
            let any_of =
                spec.imports.iter().map(|import| sets_check_command(kind, import.as_str())).collect();
            builder.require(Use { any_of, mutual: false });
        }
    }
    builder.integer("max_check_attempts", "maxCheckAttempts", spec.max_check_attempts, 1, 1000);
    let period = spec.check_period.as_ref().map(ObjectName::as_str);
    builder.reference("check_period", "checkPeriod", IcingaType::TimePeriod, period);
    builder.duration("check_timeout", "checkTimeout", spec.check_timeout.as_ref(), true);
    builder.duration("check_interval", "checkInterval", spec.check_interval.as_ref(), true);
    builder.duration("retry_interval", "retryInterval", spec.retry_interval.as_ref(), true);
    let event_command = spec.event_command.as_ref().map(ObjectName::as_str);
    builder.reference("event_command", "eventCommand", IcingaType::EventCommand, event_command);
    if let Some(endpoint) = spec.command_endpoint.as_ref().map(|e| e.as_str()) {
        builder.reference("command_endpoint", "commandEndpoint", IcingaType::Endpoint, Some(endpoint));
        match zone {
            Some(zone) => {
                let any_of = [runs_checks_of(endpoint, zone.as_str()), declared_elsewhere(endpoint)].into();
                builder.require(Use { any_of, mutual: false });
            }
            None => {
                builder.problem("commandEndpoint", "needs spec.zone: the zone whose endpoint runs the check")
            }
        }
    }
    builder.boolean("volatile", spec.volatile);
    builder.boolean("enable_active_checks", spec.enable_active_checks);
    builder.boolean("enable_passive_checks", spec.enable_passive_checks);
    builder.boolean("enable_event_handler", spec.enable_event_handler);
    builder.boolean("enable_notifications", spec.enable_notifications);
    builder.boolean("enable_flapping", spec.enable_flapping);
    builder.boolean("enable_perfdata", spec.enable_perfdata);
    builder.integer("flapping_threshold_low", "flappingThresholdLow", spec.flapping_threshold_low, 0, 100);
    builder.integer("flapping_threshold_high", "flappingThresholdHigh", spec.flapping_threshold_high, 0, 100);
    builder.text("notes", "notes", spec.notes.as_ref().map(Text::as_str), Text::MAX);
    builder.macro_text("notes_url", "notesUrl", line(&spec.notes_url).as_deref(), Line::MAX);
    builder.macro_text("action_url", "actionUrl", line(&spec.action_url).as_deref(), Line::MAX);
    builder.text("icon_image", "iconImage", line(&spec.icon_image).as_deref(), Line::MAX);
    builder.text("icon_image_alt", "iconImageAlt", line(&spec.icon_image_alt).as_deref(), Line::MAX);
    builder.vars(&spec.vars);
}

/// Icinga refuses an object without a check command, so the one that relies on a template waits for one that sets it.
fn sets_check_command(kind: IcingaType, template: &str) -> Name {
    Name::fact(&format!("a check command in template {kind} {template:?}"))
}

fn declared_elsewhere(endpoint: &str) -> Name {
    Name::fact(&format!("an Endpoint {endpoint:?} among the external objects"))
}

/// What may be taken for granted about an object that is declared outside Groundlink.
pub(super) fn trusted(external: &Name) -> Vec<Name> {
    let Some((kind, name)) = external.as_str().split_once('!') else { return Vec::new() };
    match kind {
        "Zone" => vec![not_global(name)],
        "Endpoint" => vec![declared_elsewhere(name)],
        "template Host" => vec![sets_check_command(IcingaType::Host, name)],
        "template Service" => vec![sets_check_command(IcingaType::Service, name)],
        "template CheckCommand" => vec![sets_command(name)],
        _ => Vec::new(),
    }
}

/// Icinga refuses arguments without a command, so a command that relies on a template waits for one that sets it.
pub(super) fn sets_command(template: &str) -> Name {
    Name::fact(&format!("a command in template CheckCommand {template:?}"))
}

/// Icinga refuses hosts and services in a global zone.
pub(super) fn not_global(zone: &str) -> Name {
    Name::fact(&format!("a Zone {zone:?} that is not global"))
}

/// Icinga refuses a command endpoint outside the object's zone and its direct child zones.
pub(super) fn runs_checks_of(endpoint: &str, zone: &str) -> Name {
    Name::fact(&format!("an Endpoint {endpoint:?} in Zone {zone:?} or a direct child zone"))
}
