//! Objects that belong to a host or a service: of one, or by a rule of all that match.

use super::builder::Builder;
use super::declaration::Form;
use super::name::{IcingaType, Name};
use super::needs::Use;
use super::rule;
use crate::api::objects::{ApplyTo, AttachedSpec};
use crate::api::text::ObjectName;

/// Declares name, place, imports and zone. Returns what the object is about; None for a template,
/// which may be used for both.
pub(super) fn declare(
    builder: &mut Builder,
    spec: &AttachedSpec,
    zone: Option<&ObjectName>,
) -> Option<ApplyTo> {
    builder.by_rule(spec.apply.as_ref().map(|apply| apply.to));
    let target = place(builder, spec, zone);
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    builder.zone(zone);
    target
}

fn place(builder: &mut Builder, spec: &AttachedSpec, zone: Option<&ObjectName>) -> Option<ApplyTo> {
    let target = match builder.form() {
        Form::Template => {
            builder.provide_itself();
            for (field, is_set) in [
                ("hostName", spec.host_name.is_some()),
                ("serviceName", spec.service_name.is_some()),
                ("apply", spec.apply.is_some()),
            ] {
                if is_set {
                    builder.problem(field, "is set on a template, which says how and not where; remove it");
                }
            }
            return None;
        }
        Form::Apply(target) => {
            if spec.host_name.is_some() {
                builder.problem("hostName", "is set beside apply; remove one of the two");
            }
            target
        }
        Form::Object => {
            let service = spec.service_name.as_ref().map(ObjectName::as_str);
            match &spec.host_name {
                Some(host) => rule::provide_single(builder, host.as_str(), service),
                None => builder.problem("hostName", "is required; set it, or apply, or spec.template"),
            }
            if service.is_some() { ApplyTo::Service } else { ApplyTo::Host }
        }
    };
    let host = spec.host_name.as_ref().map(ObjectName::as_str);
    builder.reference("host_name", "hostName", IcingaType::Host, host);
    if let (Some(host), Some(service)) = (host, spec.service_name.as_ref().map(ObjectName::as_str)) {
        builder.named("service_name", "serviceName", service);
        let service = Name::attached(IcingaType::Service, host, None, service);
        builder.require(Use::one(service).by("serviceName"));
    }
    if let Some(apply) = &spec.apply {
        rule::provide_names(builder, &apply.rule, target);
        rule::declare(builder, &apply.rule, target, zone);
    }
    Some(target)
}
