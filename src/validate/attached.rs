//! Objects that belong to a host or a service: of one, or by a rule of all that match.

use super::declaration::{Builder, Form, Target, Use};
use super::name::{IcingaType, Name};
use crate::api::objects::{Apply, ApplyTo, AttachedSpec};
use crate::api::text::ObjectName;

/// How an object is declared, given its rule.
pub(super) fn form(template: bool, apply: Option<&Apply>) -> Form {
    match (template, apply.map(|apply| apply.to)) {
        (true, _) => Form::Template,
        (false, None) => Form::Object,
        (false, Some(ApplyTo::Host)) => Form::Apply(Target::Host),
        (false, Some(ApplyTo::Service)) => Form::Apply(Target::Service),
    }
}

/// Declares name, place, imports and zone. Returns what the object is about, if that is known: a template may be used for both.
pub(super) fn declare(
    builder: &mut Builder,
    spec: &AttachedSpec,
    zone: Option<&ObjectName>,
) -> Option<Target> {
    let target = place(builder, spec, zone);
    builder.imports(&spec.imports);
    builder.zone(zone);
    target
}

fn place(builder: &mut Builder, spec: &AttachedSpec, zone: Option<&ObjectName>) -> Option<Target> {
    let (kind, name) = (builder.kind(), builder.name());
    let target = match builder.form() {
        Form::Template => {
            builder.provide(Name::template(kind, &name), true);
            for (field, is_set) in [
                ("hostName", spec.host_name.is_some()),
                ("serviceName", spec.service_name.is_some()),
                ("apply", spec.apply.is_some()),
            ] {
                if is_set {
                    builder.problem(field, "must not be set on a template: it says how, not where");
                }
            }
            return None;
        }
        Form::Apply(target) => {
            // A rule and a single object of the same name could meet on one target, which Icinga refuses.
            builder.provide(Name::anywhere(kind, target, &name), true);
            if spec.host_name.is_some() {
                builder.problem("hostName", "must not be set beside apply");
            }
            target
        }
        Form::Object => {
            let target = if spec.service_name.is_some() { Target::Service } else { Target::Host };
            match &spec.host_name {
                Some(host) => {
                    let service = spec.service_name.as_ref().map(ObjectName::as_str);
                    builder.provide(Name::attached(kind, host.as_str(), service, &name), true);
                    builder.provide(Name::anywhere(kind, target, &name), false);
                }
                None => builder.problem("hostName", "is required, unless apply or spec.template is set"),
            }
            target
        }
    };
    let host = spec.host_name.as_ref().map(ObjectName::as_str);
    builder.reference("host_name", "hostName", IcingaType::Host, host);
    if let (Some(host), Some(service)) = (host, spec.service_name.as_ref().map(ObjectName::as_str)) {
        builder.named("service_name", "serviceName", service);
        builder.require(Use::one(Name::attached(IcingaType::Service, host, None, service)));
    }
    if let Some(apply) = &spec.apply {
        builder.rules("apply.", target.subjects(), &apply.assign_where, &apply.ignore_where);
        if apply.assign_where.is_empty() {
            builder.problem("apply.assignWhere", "needs at least one expression");
        }
        if let Some(zone) = zone {
            // Its satellites alone see the rule, so it must make objects for their hosts alone.
            builder.only_in_zone(zone.as_str());
        }
    }
    Some(target)
}
