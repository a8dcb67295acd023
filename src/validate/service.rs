use super::checkable;
use super::declaration::{Builder, Declaration, Form, Target};
use super::name::{IcingaType, Name};
use crate::api::objects::ServiceSpec;
use crate::api::text::ObjectName;

pub(super) fn declare(
    mut builder: Builder,
    spec: &ServiceSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    let name = builder.name();
    match (builder.form(), &spec.host_name) {
        (Form::Template, _) => {
            builder.provide(Name::template(IcingaType::Service, &name), true);
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
        (Form::Apply(_), host) => {
            // A rule and a single service of the same name could meet on one host, which Icinga refuses.
            builder.provide(Name::anywhere(IcingaType::Service, Target::Host, &name), true);
            if host.is_some() {
                builder.problem("hostName", "must not be set beside apply");
            }
        }
        (Form::Object, Some(host)) => {
            builder.provide(Name::attached(IcingaType::Service, host.as_str(), None, &name), true);
            builder.provide(Name::anywhere(IcingaType::Service, Target::Host, &name), false);
        }
        (Form::Object, None) => {
            builder.problem("hostName", "is required, unless apply or spec.template is set")
        }
    }
    let host = spec.host_name.as_ref().map(ObjectName::as_str);
    builder.reference("host_name", "hostName", IcingaType::Host, host);
    if let Some(apply) = &spec.apply {
        if apply.assign_where.is_empty() {
            builder.problem("apply.assignWhere", "needs at least one expression");
        }
        builder.rules("apply.", Target::Host.subjects(), &apply.assign_where, &apply.ignore_where);
        if let Some(zone) = zone {
            // Its satellites alone see the rule, so it must make services of their hosts alone.
            builder.only_in_zone(zone.as_str());
        }
    }
    checkable::declare(&mut builder, IcingaType::Service, &spec.checkable, zone);
    let groups = spec.groups.iter().map(ObjectName::as_str);
    builder.references("groups", "groups", IcingaType::ServiceGroup, groups, 64);
    builder.finish()
}
