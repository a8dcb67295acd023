use super::builder::Builder;
use super::declaration::Declaration;
use super::facts::{listed, not_global, runs_checks_of};
use super::name::{IcingaType, Name};
use super::needs::Use;
use crate::api::objects::ZoneSpec;
use crate::api::text::{EndpointName, ObjectName};

pub(super) fn declare(mut builder: Builder, spec: &ZoneSpec) -> Result<Declaration, String> {
    let name = builder.name();
    builder.provide(Name::object(IcingaType::Zone, &name), true);
    let global = spec.global == Some(true);
    if !global {
        builder.provide(not_global(&name), true);
    }
    let parent = spec.parent.as_ref().map(ObjectName::as_str);
    builder.reference("parent", "parent", IcingaType::Zone, parent);
    if let Some(parent) = parent {
        builder.require(Use::one(not_global(parent)).by("parent"));
        if parent == name {
            builder.problem("parent", "is the zone itself; name another zone, or none");
        }
    }
    let endpoints = || spec.endpoints.iter().map(EndpointName::as_str);
    builder.references("endpoints", "endpoints", IcingaType::Endpoint, endpoints(), 16);
    for (i, endpoint) in endpoints().enumerate() {
        if endpoints().take(i).any(|earlier| earlier == endpoint) {
            builder.problem(&format!("endpoints[{i}]"), "repeats an earlier entry; remove it");
        }
        builder.provide(listed(endpoint), true);
        builder.provide(runs_checks_of(endpoint, &name), false);
        if let Some(parent) = parent {
            builder.provide(runs_checks_of(endpoint, parent), false);
        }
    }
    builder.boolean("global", spec.global);
    builder.finish()
}
