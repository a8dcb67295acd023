//! Demands of Icinga beyond names that exist. Each is a noun phrase that one object makes true and
//! another needs, so that it is resolved, withdrawn and explained like any name.

use super::link::Checkable;
use super::name::{IcingaType, Name};
use crate::api::objects::ApplyTo;

/// Icinga refuses an object without `what`, unless a template that it imports sets it. A command
/// may also import another command.
pub(crate) fn sets(what: &str, kind: IcingaType, imported: &str) -> Name {
    let template = if kind.is_code() { "" } else { "template " };
    Name::fact(&format!("{what} in {template}{kind} {imported:?}"))
}

/// Where `set` finds nobody to notify, a rule makes no notification. It must not silence a template
/// that notifies somebody.
pub(crate) fn sets_nobody(template: &str) -> Name {
    Name::fact(&format!(
        "a template Notification {template:?} that sets neither users nor user groups (or list users or userGroups in \
         this notification beside set)"
    ))
}

/// Icinga refuses hosts and services in a global zone.
pub(crate) fn not_global(zone: &str) -> Name {
    Name::fact(&format!("a Zone {zone:?} that is not global"))
}

/// The global zones that Icinga's documentation and Director name.
pub(crate) const GLOBAL_ZONES: [&str; 2] = ["global-templates", "director-global"];

/// What to do instead of naming a global zone.
pub(crate) const INSTEAD_OF_GLOBAL: &str =
    "leave spec.zone out: without a zone the object goes to every satellite";

/// Icinga refuses a command endpoint outside the object's zone and its direct child zones.
pub(crate) fn runs_checks_of(endpoint: &str, zone: &str) -> Name {
    Name::fact(&format!("an Endpoint {endpoint:?} in Zone {zone:?} or a direct child zone"))
}

/// Only the name of an external endpoint is known here, not its zone.
pub(crate) fn declared_elsewhere(endpoint: &str) -> Name {
    Name::fact(&format!("an Endpoint {endpoint:?} among the external objects"))
}

/// Icinga refuses an endpoint that no zone lists, and one that two zones list.
pub(crate) fn listed(endpoint: &str) -> Name {
    Name::fact(&format!("a Zone that lists Endpoint {endpoint:?}"))
}

/// Icinga refuses states of a service about a host, and states of a host about a service.
pub(crate) fn states_fit(kind: IcingaType, target: ApplyTo, template: &str) -> Name {
    Name::fact(&format!(
        "a template {kind} {template:?} whose states fit a {} (set states in it, or in this {})",
        target.word(),
        if kind == IcingaType::Dependency { "dependency" } else { "notification" },
    ))
}

/// Every dependency provides this, so that all are found.
pub(crate) fn dependency() -> Name {
    Name::fact("a dependency")
}

/// Every dependency of one child provides this.
pub(crate) fn dependency_of(child: &Checkable) -> Name {
    Name::fact(&format!("a dependency of {child}"))
}

/// Every dependency on a host, or on a service of it, provides this.
pub(crate) fn dependency_on(host: &str) -> Name {
    Name::fact(&format!("a dependency on Host {host:?} or a service of it"))
}

/// Every rule for dependencies provides this.
pub(crate) fn dependency_rule() -> Name {
    Name::fact("a rule for dependencies")
}

/// Returns the facts that hold of an object from outside Groundlink: the administrator who lists a
/// Zone answers for it not being global, and so on.
pub(crate) fn trusted(external: &Name) -> Vec<Name> {
    let Some((head, name)) = external.as_str().split_once('!') else { return Vec::new() };
    if let Some(kind) = head.strip_prefix("template ") {
        let Some(kind) = IcingaType::named(kind) else { return Vec::new() };
        let mut facts: Vec<_> = kind.required().iter().map(|what| sets(what, kind, name)).collect();
        if matches!(kind, IcingaType::Notification | IcingaType::Dependency) {
            facts.extend([ApplyTo::Host, ApplyTo::Service].map(|target| states_fit(kind, target, name)));
        }
        return facts;
    }
    if let Some(kind) = IcingaType::named(head).filter(|kind| kind.is_code()) {
        return kind.required().iter().map(|what| sets(what, kind, name)).collect();
    }
    match head {
        "Zone" => vec![not_global(name)],
        // Its zone is declared where it is: no other may list it.
        "Endpoint" => vec![declared_elsewhere(name), listed(name)],
        _ => Vec::new(),
    }
}

/// Returns the attributes of which an object must have one, for a phrase of the table of types.
pub(super) fn attributes_of(what: &str) -> &'static [&'static str] {
    match what {
        "a check command" => &["check_command"],
        "a command" => &["command"],
        "users or user groups" => &["users", "user_groups"],
        "an author" => &["author"],
        "a comment" => &["comment"],
        "ranges" => &["ranges"],
        _ => &[],
    }
}
