//! Raw resource to checked [`Declaration`]: every reason to refuse an object lives here. Pure: no client, no clock, no
//! file system.
//!
//! A new type: its fields in `api/objects/`, one file here, one arm in [`validate`].

mod check_command;
mod checkable;
mod declaration;
mod endpoint;
pub mod expression;
mod host;
mod host_group;
mod name;
mod service;
mod settings;
pub mod value;
mod zone;

pub use declaration::{Claim, Declaration, Form, Header, Use};
pub use name::{IcingaType, Name};
pub use settings::Settings;

use crate::api::{MonitoringObject, Reason};
use declaration::Builder;

/// Why a resource is not published, for its status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Invalid, NotAllowed or TooLarge.
    pub reason: Reason,
    /// Names the field and the remedy.
    pub message: String,
}

impl Refusal {
    fn invalid(message: impl Into<String>) -> Self {
        Self { reason: Reason::Invalid, message: message.into() }
    }
}

/// What may be taken for granted about an object that Icinga has from elsewhere: an admin who lists a Zone answers for
/// it not being global, and so on.
pub fn trusted(external: &Name) -> Vec<Name> {
    checkable::trusted(external)
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
    let spec = &object.spec;
    let (name, path) = match &spec.name {
        Some(name) => (name.as_str(), "spec.name"),
        None => (resource_name, "metadata.name"),
    };
    let form = if spec.template { Form::Template } else { Form::Object };
    let builder = |kind, form, member| Builder::new(kind, form, member, name, path);

    let mut declared = Vec::new();
    if let Some(host) = &spec.host {
        declared.push(host::declare(builder(IcingaType::Host, form, "host"), host, spec.zone.as_ref()));
    }
    if let Some(service) = &spec.service {
        let form = match (&service.apply, form) {
            (Some(_), Form::Object) => Form::Apply,
            (_, form) => form,
        };
        let builder = builder(IcingaType::Service, form, "service");
        declared.push(service::declare(builder, service, spec.zone.as_ref()));
    }
    if let Some(group) = &spec.host_group {
        let builder = builder(IcingaType::HostGroup, form, "hostGroup");
        declared.push(host_group::declare(builder, group, spec.zone.as_ref()));
    }
    if let Some(command) = &spec.check_command {
        if !settings.privileged_namespaces.contains(namespace) {
            return Err(Refusal {
                reason: Reason::NotAllowed,
                message: format!(
                    "spec.checkCommand is not allowed in namespace {namespace:?}: commands are code; declare it in one of \
                     the operator's privileged namespaces ({})",
                    settings.privileged_namespaces.iter().cloned().collect::<Vec<_>>().join(", ")
                ),
            });
        }
        let builder = builder(IcingaType::CheckCommand, form, "checkCommand");
        declared.push(check_command::declare(builder, command, spec.zone.as_ref()));
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
            "spec has {} type members; exactly one of host, service, hostGroup, checkCommand, zoneObject, endpoint must be set",
            declared.len()
        )));
    }
    declared.remove(0).map_err(Refusal::invalid)
}

#[cfg(test)]
mod tests;
