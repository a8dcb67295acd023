use super::builder::Builder;
use super::checkable;
use super::declaration::{Declaration, Form};
use super::name::IcingaType;
use super::rule;
use crate::api::objects::{ApplyTo, ServiceSpec};
use crate::api::text::ObjectName;

pub(super) fn declare(
    mut builder: Builder,
    spec: &ServiceSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.by_rule(spec.apply.as_ref().map(|_| ApplyTo::Host));
    match (builder.form(), &spec.host_name) {
        (Form::Template, _) => {
            builder.provide_itself();
            if spec.apply.is_some() {
                builder.problem("apply", "is set on a template, which says how and not where; remove it");
            }
            if spec.host_name.is_some() {
                builder.problem(
                    "hostName",
                    "is set on a template, and a rule that imports it would meet itself; remove it",
                );
            }
        }
        (Form::Apply(_), Some(_)) => {
            builder.problem("hostName", "is set beside apply; remove one of the two")
        }
        (Form::Apply(_), None) => {}
        (Form::Object, Some(host)) => rule::provide_single(&mut builder, host.as_str(), None),
        (Form::Object, None) => {
            builder.problem("hostName", "is required; set it, or apply, or spec.template")
        }
    }
    let host = spec.host_name.as_ref().map(ObjectName::as_str);
    builder.reference("host_name", "hostName", IcingaType::Host, host);
    if let (Some(apply), Form::Apply(target)) = (&spec.apply, builder.form()) {
        rule::provide_names(&mut builder, apply, target);
        rule::declare(&mut builder, apply, target, zone);
    }
    checkable::declare(&mut builder, IcingaType::Service, &spec.checkable, zone);
    builder.groups(IcingaType::ServiceGroup, &spec.groups, &spec.add_groups);
    builder.finish()
}
