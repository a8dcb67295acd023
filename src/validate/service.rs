use super::checkable;
use super::declaration::{Builder, Declaration, Form};
use super::name::IcingaType;
use super::rule;
use crate::api::objects::ServiceSpec;
use crate::api::text::ObjectName;

pub(super) fn declare(
    mut builder: Builder,
    spec: &ServiceSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    match (builder.form(), &spec.host_name) {
        (Form::Template, _) => {
            builder.provide_itself();
            if spec.apply.is_some() {
                builder.problem("apply", "must not be set on a template");
            }
            if spec.host_name.is_some() {
                builder.problem(
                    "hostName",
                    "must not be set on a template: a rule that imports it would meet itself",
                );
            }
        }
        (Form::Apply(_), Some(_)) => builder.problem("hostName", "must not be set beside apply"),
        (Form::Apply(_), None) => {}
        (Form::Object, Some(host)) => rule::provide_single(&mut builder, host.as_str(), None),
        (Form::Object, None) => {
            builder.problem("hostName", "is required, unless apply or spec.template is set")
        }
    }
    let host = spec.host_name.as_ref().map(ObjectName::as_str);
    builder.reference("host_name", "hostName", IcingaType::Host, host);
    if let (Some(apply), Form::Apply(target)) = (&spec.apply, builder.form()) {
        rule::provide_names(&mut builder, apply, target);
        rule::declare(&mut builder, apply, target, zone);
    }
    checkable::declare(&mut builder, IcingaType::Service, &spec.checkable, zone);
    let groups = spec.groups.iter().map(ObjectName::as_str);
    builder.references("groups", "groups", IcingaType::ServiceGroup, groups, 64);
    builder.finish()
}
