//! What Icinga demands beyond names that exist: each demand is a noun phrase that one object makes true and another needs, so
//! that it holds, withdraws and explains like any name.

use super::link::Checkable;
use super::name::{IcingaType, Name};
use crate::api::objects::ApplyTo;

/// An object without `what` of its own relies on a template that sets it, or Icinga refuses the object.
pub(super) fn sets(what: &str, kind: IcingaType, template: &str) -> Name {
    Name::fact(&format!("{what} in template {kind} {template:?}"))
}

/// Icinga refuses hosts and services in a global zone.
pub(super) fn not_global(zone: &str) -> Name {
    Name::fact(&format!("a Zone {zone:?} that is not global"))
}

/// Icinga refuses a command endpoint outside the object's zone and its direct child zones.
pub(super) fn runs_checks_of(endpoint: &str, zone: &str) -> Name {
    Name::fact(&format!("an Endpoint {endpoint:?} in Zone {zone:?} or a direct child zone"))
}

/// An endpoint of which only the name is known here.
pub(super) fn declared_elsewhere(endpoint: &str) -> Name {
    Name::fact(&format!("an Endpoint {endpoint:?} among the external objects"))
}

/// Icinga refuses an endpoint that no zone lists, and one that two zones list.
pub(super) fn listed(endpoint: &str) -> Name {
    Name::fact(&format!("a Zone that lists Endpoint {endpoint:?}"))
}

/// Icinga refuses states of a service about a host, and states of a host about a service.
pub(super) fn states_fit(kind: IcingaType, target: ApplyTo, template: &str) -> Name {
    Name::fact(&format!(
        "a template {kind} {template:?} whose states fit a {} (set states in it, or in this {})",
        target.word(),
        if kind == IcingaType::Dependency { "dependency" } else { "notification" },
    ))
}

/// For finding what depends on what: every dependency says so.
pub fn dependency() -> Name {
    Name::fact("a dependency")
}

/// Of one child.
pub fn dependency_of(child: &Checkable) -> Name {
    Name::fact(&format!("a dependency of {child}"))
}

/// On one host, or a service of it.
pub fn dependency_on(host: &str) -> Name {
    Name::fact(&format!("a dependency on Host {host:?} or a service of it"))
}

/// Of all children that a rule finds.
pub fn dependency_rule() -> Name {
    Name::fact("a rule for dependencies")
}

/// What an object must have, by type: an object that does not set it must import a template that does.
pub(super) fn required(kind: IcingaType) -> &'static [&'static str] {
    match kind {
        IcingaType::Host | IcingaType::Service => &["a check command"],
        IcingaType::CheckCommand | IcingaType::EventCommand | IcingaType::NotificationCommand => {
            &["a command"]
        }
        IcingaType::Notification => &["a command", "users or user groups"],
        IcingaType::ScheduledDowntime => &["an author", "a comment", "ranges"],
        _ => &[],
    }
}

/// What may be taken for granted about an object that is declared outside Groundlink.
pub(super) fn trusted(external: &Name) -> Vec<Name> {
    let Some((head, name)) = external.as_str().split_once('!') else { return Vec::new() };
    if let Some(kind) = head.strip_prefix("template ") {
        let Some(kind) = IcingaType::ALL.into_iter().find(|known| known.as_str() == kind) else {
            return Vec::new();
        };
        let mut facts: Vec<_> = required(kind).iter().map(|what| sets(what, kind, name)).collect();
        if matches!(kind, IcingaType::Notification | IcingaType::Dependency) {
            facts.extend([ApplyTo::Host, ApplyTo::Service].map(|target| states_fit(kind, target, name)));
        }
        return facts;
    }
    match head {
        "Zone" => vec![not_global(name)],
        // Its zone is declared where it is: no other may list it.
        "Endpoint" => vec![declared_elsewhere(name), listed(name)],
        _ => of_attached(head, name),
    }
}

/// What rules must keep clear of beside an external object that belongs to a host or a service.
fn of_attached(kind: &str, name: &str) -> Vec<Name> {
    let Some(kind) = IcingaType::ALL.into_iter().find(|known| known.is_attached() && known.as_str() == kind)
    else {
        return Vec::new();
    };
    let (target, short) = match name.split('!').collect::<Vec<_>>()[..] {
        [_, short] => (ApplyTo::Host, short),
        [_, _, short] => (ApplyTo::Service, short),
        _ => return Vec::new(),
    };
    let beginnings =
        short.match_indices(' ').map(|(blank, _)| Name::beginning(kind, target, &short[..blank]));
    std::iter::once(Name::anywhere(kind, target, short)).chain(beginnings).collect()
}
