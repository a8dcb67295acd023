//! Raw resource to checked [`Declaration`]: every reason to refuse an object lives here. Pure: no client, no clock, no
//! file system.
//!
//! A new type: its fields in `api/objects/`, one file here, one arm in [`validate`].

mod attached;
mod checkable;
mod command;
mod declaration;
mod dependency;
mod endpoint;
pub mod expression;
pub mod facts;
mod filter;
mod group;
mod header;
mod host;
mod link;
mod name;
mod notification;
mod period;
mod rule;
mod scheduled_downtime;
mod service;
mod settings;
mod time_period;
mod user;
pub mod value;
mod version;
mod zone;

pub use declaration::{Declaration, ForEach, Form};
pub use header::{Header, Provided, Relay, Use};
pub use link::{Checkable, Child, Link};
pub use name::{IcingaType, Name};
pub use settings::Settings;
pub use version::or_later;

use crate::api::objects::ApplyTo;
use crate::api::{MonitoringObject, Reason};
use crate::text::clean_message;
use declaration::Builder;

/// Why a resource is not published, for its status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Invalid, NotAllowed or TooLarge.
    pub reason: Reason,
    /// Names the field and the remedy. No longer than a condition holds, and without control characters.
    pub message: String,
}

impl Refusal {
    /// A refusal; the message is cut, because it may quote as much of the resource as somebody wrote into it.
    fn new(reason: Reason, message: &str) -> Self {
        Self { reason, message: clean_message(message) }
    }

    fn invalid(message: impl AsRef<str>) -> Self {
        Self::new(Reason::Invalid, message.as_ref())
    }
}

/// What may be taken for granted about an object that Icinga has from elsewhere: an admin who lists a Zone answers for
/// it not being global, and so on.
pub fn trusted(external: &Name) -> Vec<Name> {
    facts::trusted(external)
}

/// Longest `metadata.name`: the file name and the ConfigMap key are made from it.
pub const MAX_RESOURCE_NAME: usize = 180;

/// Checks a resource.
///
/// # Errors
/// A [`Refusal`] for its status.
pub fn validate(object: &MonitoringObject, settings: &Settings) -> Result<Declaration, Refusal> {
    let resource_name = object.metadata.name.as_deref().unwrap_or_default();
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    if resource_name.len() > MAX_RESOURCE_NAME {
        return Err(Refusal::invalid(format!(
            "metadata.name has {} characters; at most {MAX_RESOURCE_NAME} are allowed",
            resource_name.len()
        )));
    }
    // An API server admits nothing else, but manifests from files have met none; both become a path and a line of comment.
    if !(resource_name.split('.').all(is_label) && is_label(namespace)) {
        return Err(Refusal::invalid(format!(
            "metadata.name {resource_name:?} and metadata.namespace {namespace:?} must be lower-case letters, digits and \
             hyphens between them, in the name also dots"
        )));
    }
    let spec = &object.spec;
    let (name, path) = match &spec.name {
        Some(name) => (name.as_str(), "spec.name"),
        None => (resource_name, "metadata.name"),
    };
    let form = if spec.template { Form::Template } else { Form::Object };
    let builder = |kind, form, member| Builder::new(kind, form, member, name, path, settings.icinga_version);

    let mut declared = Vec::new();
    if let Some(host) = &spec.host {
        declared.push(host::declare(builder(IcingaType::Host, form, "host"), host, spec.zone.as_ref()));
    }
    if let Some(service) = &spec.service {
        let form = match (&service.apply, form) {
            (Some(_), Form::Object) => Form::Apply(ApplyTo::Host),
            (_, form) => form,
        };
        let builder = builder(IcingaType::Service, form, "service");
        declared.push(service::declare(builder, service, spec.zone.as_ref()));
    }
    let zone = spec.zone.as_ref();
    for (group, kind, member) in [
        (&spec.host_group, IcingaType::HostGroup, "hostGroup"),
        (&spec.service_group, IcingaType::ServiceGroup, "serviceGroup"),
    ] {
        declared.extend(group.as_ref().map(|group| group::declare(builder(kind, form, member), group, zone)));
    }
    if let Some(user) = &spec.user {
        declared.push(user::declare(builder(IcingaType::User, form, "user"), user, zone));
    }
    if let Some(group) = &spec.user_group {
        declared.push(group::declare_users(builder(IcingaType::UserGroup, form, "userGroup"), group, zone));
    }
    for (command, kind, member) in [
        (&spec.check_command, IcingaType::CheckCommand, "checkCommand"),
        (&spec.event_command, IcingaType::EventCommand, "eventCommand"),
        (&spec.notification_command, IcingaType::NotificationCommand, "notificationCommand"),
    ] {
        let Some(command) = command else { continue };
        if !settings.privileged_namespaces.contains(namespace) {
            let message = format!(
                "spec.{member} is not allowed in namespace {namespace:?}: commands are code; declare it in one of \
                 the operator's privileged namespaces ({})",
                settings.privileged_namespaces.iter().cloned().collect::<Vec<_>>().join(", ")
            );
            return Err(Refusal::new(Reason::NotAllowed, &message));
        }
        declared.push(command::declare(builder(kind, form, member), command, zone));
    }
    if let Some(notification) = &spec.notification {
        let form = attached::form(spec.template, notification.attached.apply.as_ref());
        let builder = builder(IcingaType::Notification, form, "notification");
        declared.push(notification::declare(builder, notification, zone));
    }
    if let Some(period) = &spec.time_period {
        declared.push(time_period::declare(
            builder(IcingaType::TimePeriod, form, "timePeriod"),
            period,
            zone,
        ));
    }
    if let Some(downtime) = &spec.scheduled_downtime {
        let form = attached::form(spec.template, downtime.attached.apply.as_ref());
        let builder = builder(IcingaType::ScheduledDowntime, form, "scheduledDowntime");
        declared.push(scheduled_downtime::declare(builder, downtime, zone));
    }
    if let Some(dependency) = &spec.dependency {
        let form = attached::form(spec.template, dependency.apply.as_ref());
        let builder = builder(IcingaType::Dependency, form, "dependency");
        declared.push(dependency::declare(builder, dependency, zone));
    }
    if spec.zone.is_some() && (spec.zone_object.is_some() || spec.endpoint.is_some()) {
        return Err(Refusal::invalid(
            "spec.zone must not be set on a zoneObject or an endpoint: both exist everywhere",
        ));
    }
    if spec.template && (spec.zone_object.is_some() || spec.endpoint.is_some()) {
        return Err(Refusal::invalid(
            "spec.template must not be set on a zoneObject or an endpoint: neither has templates",
        ));
    }
    if let Some(zone) = &spec.zone_object {
        declared.push(zone::declare(builder(IcingaType::Zone, form, "zoneObject"), zone));
    }
    if let Some(endpoint) = &spec.endpoint {
        declared.push(endpoint::declare(builder(IcingaType::Endpoint, form, "endpoint"), endpoint));
    }
    if declared.len() != 1 {
        return Err(Refusal::invalid(format!(
            "spec has {} type members; exactly one of host, service, hostGroup, serviceGroup, user, userGroup, checkCommand, eventCommand, notificationCommand, notification, timePeriod, scheduledDowntime, dependency, zoneObject, endpoint must be set",
            declared.len()
        )));
    }
    declared.remove(0).map_err(Refusal::invalid)
}

/// A label of DNS, as in names and namespaces.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests;
