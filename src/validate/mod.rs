//! Raw resource to checked [`Declaration`]. Pure: no client, no clock, no file system.
//!
//! Every reason to refuse a resource for what it says itself is found here, but for one: `render`
//! refuses a file that is too large, because only rendering shows its size. What depends on other
//! resources, a name that two want or that nobody has, is decided in `references`.

mod attached;
mod builder;
mod checkable;
mod command;
pub(crate) mod constants;
mod declaration;
mod dependency;
mod endpoint;
pub mod expression;
pub(crate) mod facts;
mod filter;
mod group;
mod header;
mod host;
mod link;
mod metadata;
mod name;
mod needs;
mod notification;
mod period;
mod refusal;
mod rule;
mod scheduled_downtime;
mod service;
mod set;
mod settings;
mod time_period;
mod unset;
mod user;
pub(crate) mod value;
mod version;
mod zone;

pub use constants::Constants;
pub use declaration::{Assignments, Declaration, ForEach, Form, Unset};
pub(crate) use facts::trusted;
pub(crate) use header::Header;
pub use link::{Checkable, Child, Link};
pub use name::Name;
pub use needs::{Provided, Relay, Use};
pub use refusal::Refusal;
pub use settings::Settings;
pub(crate) use version::or_later;

use crate::api::{IcingaType, Member, MonitoringObject, MonitoringObjectSpec, Reason, list_of_members};
use builder::Builder;

/// Checks a resource.
///
/// # Errors
/// If a field has a value that Icinga would refuse or misread, if a field beside it
/// forbids it, or if the namespace may not declare the type.
pub fn validate(object: &MonitoringObject, settings: &Settings) -> Result<Declaration, Refusal> {
    metadata::check(&object.metadata).map_err(Refusal::invalid)?;
    let member = only_member(&object.spec).map_err(Refusal::invalid)?;
    may_declare(member.icinga_type(), object, settings)?;
    exists_everywhere(member.icinga_type(), &object.spec).map_err(Refusal::invalid)?;
    let builder = named(member.icinga_type(), object, settings);
    declare(member, builder, &object.spec).map_err(Refusal::invalid)
}

/// Returns the one member that says what is declared. The API server checks the same, but
/// manifests from files have not met one.
fn only_member(spec: &MonitoringObjectSpec) -> Result<Member<'_>, String> {
    let members = spec.members();
    let [member] = members[..] else {
        let known = list_of_members(|_| true, ", ");
        return Err(format!("spec: has {} type members; set exactly one of {known}", members.len()));
    };
    Ok(member)
}

/// Commands are code that Icinga runs, so only some namespaces may declare them.
fn may_declare(kind: IcingaType, object: &MonitoringObject, settings: &Settings) -> Result<(), Refusal> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    if !kind.is_code() || settings.privileged_namespaces.contains(namespace) {
        return Ok(());
    }
    let privileged = settings.privileged_namespaces.iter().cloned().collect::<Vec<_>>().join(", ");
    let message = format!(
        "spec.{}: namespace {namespace:?} may not declare commands, which are code; declare it in one of the operator's \
         privileged namespaces ({privileged})",
        kind.member()
    );
    Err(Refusal::new(Reason::NotAllowed, message))
}

/// Refuses a zone and a template for a type that knows neither.
fn exists_everywhere(kind: IcingaType, spec: &MonitoringObjectSpec) -> Result<(), String> {
    let member = kind.member();
    if kind.is_everywhere() && spec.zone.is_some() {
        return Err(format!(
            "spec.zone: is set beside {member}, which exists in every zone; remove spec.zone"
        ));
    }
    if kind.is_everywhere() && spec.template {
        return Err(format!(
            "spec.template: is set beside {member}, which has no templates; remove spec.template"
        ));
    }
    Ok(())
}

/// Returns the builder of what the resource declares, under the name that it has in Icinga.
fn named(kind: IcingaType, object: &MonitoringObject, settings: &Settings) -> Builder {
    let (name, path) = match &object.spec.name {
        Some(name) => (name.as_str(), "spec.name"),
        None => (object.metadata.name.as_deref().unwrap_or_default(), "metadata.name"),
    };
    Builder::new(kind, object.spec.template, name, path, settings)
}

/// Checks the fields of a type.
fn declare(member: Member<'_>, builder: Builder, spec: &MonitoringObjectSpec) -> Result<Declaration, String> {
    let zone = spec.zone.as_ref();
    // Without a wildcard: a new type does not compile before it is checked here.
    match member {
        Member::Host(host) => host::declare(builder, host, zone),
        Member::Service(service) => service::declare(builder, service, zone),
        Member::HostGroup(group) | Member::ServiceGroup(group) => group::declare(builder, group, zone),
        Member::User(user) => user::declare(builder, user, zone),
        Member::UserGroup(group) => group::declare_users(builder, group, zone),
        Member::CheckCommand(command)
        | Member::EventCommand(command)
        | Member::NotificationCommand(command) => command::declare(builder, command, zone),
        Member::Notification(notification) => notification::declare(builder, notification, zone),
        Member::TimePeriod(period) => time_period::declare(builder, period, zone),
        Member::ScheduledDowntime(downtime) => scheduled_downtime::declare(builder, downtime, zone),
        Member::Dependency(dependency) => dependency::declare(builder, dependency, zone),
        Member::Zone(zone) => zone::declare(builder, zone),
        Member::Endpoint(endpoint) => endpoint::declare(builder, endpoint),
    }
}

#[cfg(test)]
mod tests;
