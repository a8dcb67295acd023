use super::builder::Builder;
use super::checkable;
use super::declaration::Declaration;
use super::name::IcingaType;
use crate::api::objects::HostSpec;
use crate::api::text::{Line, ObjectName};

pub(super) fn declare(
    mut builder: Builder,
    spec: &HostSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.provide_itself();
    checkable::declare(&mut builder, IcingaType::Host, &spec.checkable, zone);
    builder.text("address", "address", spec.address.as_ref().map(Line::as_str), Line::MAX);
    builder.text("address6", "address6", spec.address6.as_ref().map(Line::as_str), Line::MAX);
    builder.groups(IcingaType::HostGroup, &spec.groups, &spec.add_groups);
    builder.finish()
}
