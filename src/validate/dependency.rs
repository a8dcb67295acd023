use super::builder::Builder;
use super::declaration::{Declaration, Form};
use super::expression::{Attribute, Comparison, Expression, Subject};
use super::link::{Checkable, Child, Condition, Conditions, Link};
use super::name::{IcingaType, Name};
use super::needs::Use;
use super::{facts, filter, rule};
use crate::api::objects::{ApplyTo, DependencySpec, State};
use crate::api::text::{self, Line, ObjectName};

pub(super) fn declare(
    mut builder: Builder,
    spec: &DependencySpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.by_rule(spec.apply.as_ref().map(|apply| apply.to));
    let of_service = match builder.form() {
        Form::Template => {
            template(&mut builder, spec);
            None
        }
        Form::Object => Some(single(&mut builder, spec)),
        Form::Apply(target) => Some(by_rule(&mut builder, spec, target, zone)),
    };
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    builder.zone(zone);
    let group = spec.redundancy_group.as_ref().map(Line::as_str);
    builder.text("redundancy_group", "redundancyGroup", group, Line::MAX);
    let period = spec.period.as_ref().map(ObjectName::as_str);
    builder.reference("period", "period", IcingaType::TimePeriod, period);
    builder.words("states", "states", spec.states.iter().map(|state| State::as_str(*state)));
    filter::states(&mut builder, &spec.states, &spec.imports, of_service);
    builder.boolean("ignore_soft_states", spec.ignore_soft_states);
    builder.boolean("disable_checks", spec.disable_checks);
    builder.boolean("disable_notifications", spec.disable_notifications);
    builder.vars(&spec.vars);
    builder.finish()
}

fn template(builder: &mut Builder, spec: &DependencySpec) {
    builder.provide_itself();
    for (field, is_set) in [
        ("parentHostName", spec.parent_host_name.is_some()),
        ("parentServiceName", spec.parent_service_name.is_some()),
        ("childHostName", spec.child_host_name.is_some()),
        ("childServiceName", spec.child_service_name.is_some()),
        ("apply", spec.apply.is_some()),
    ] {
        if is_set {
            builder.problem(field, "is set on a template, which says how and not where; remove it");
        }
    }
}

/// Declares one child and its parent. Returns what the parent is.
fn single(builder: &mut Builder, spec: &DependencySpec) -> ApplyTo {
    let child_service = spec.child_service_name.as_ref().map(ObjectName::as_str);
    match &spec.child_host_name {
        Some(host) => rule::provide_single(builder, host.as_str(), child_service),
        None => builder.problem("childHostName", "is required; set it, or apply, or spec.template"),
    }
    if spec.parent_host_name.is_none() {
        builder.problem("parentHostName", "is required; set it, or apply, or spec.template");
    }
    checkable(
        builder,
        ["child_host_name", "child_service_name"],
        ["childHostName", "childServiceName"],
        [&spec.child_host_name, &spec.child_service_name],
    );
    let target = parent(builder, spec);
    if let (Some(child), Some(above)) = (&spec.child_host_name, &spec.parent_host_name) {
        let child = Checkable { host: child.as_str().to_owned(), service: child_service.map(str::to_owned) };
        let link = link(spec, Child::One(child.clone()));
        let above_is_own_service = child.service.is_none() && above.as_str() == child.host;
        if link.parent() == child || above_is_own_service {
            builder.problem(
                "parentHostName",
                "makes the child depend on itself or a host on its own service; name another parent",
            );
        }
        builder.provide(facts::dependency_of(&child), false);
        builder.link(link);
    }
    target
}

/// Declares a rule that finds the children. Returns what the parent is.
fn by_rule(
    builder: &mut Builder,
    spec: &DependencySpec,
    target: ApplyTo,
    zone: Option<&ObjectName>,
) -> ApplyTo {
    for (field, is_set) in [
        ("childHostName", spec.child_host_name.is_some()),
        ("childServiceName", spec.child_service_name.is_some()),
    ] {
        if is_set {
            builder
                .problem(field, "is set beside apply, whose rule finds the children; remove one of the two");
        }
    }
    let Some(apply) = &spec.apply else { return target };
    rule::provide_names(builder, &apply.rule, target);
    rule::declare(builder, &apply.rule, target, zone);
    let is = |subject, name: &ObjectName| {
        let attribute = Attribute { subject, field: "name", keys: Vec::new() };
        let name = Expression::Text(name.as_str().to_owned());
        Expression::Compare(Comparison::Equal, Expression::Attribute(attribute).into(), name.into())
    };
    // The parent is left out: it cannot depend on itself.
    match (target, &spec.parent_host_name, &spec.parent_service_name) {
        (ApplyTo::Host, None, _) => {
            builder.problem(
                "parentHostName",
                "is required, because a host cannot depend on itself or on its own service; set it",
            );
        }
        (ApplyTo::Host, Some(host), _) => builder.ignore(is(Subject::Host, host)),
        (ApplyTo::Service, Some(host), Some(service)) => {
            let (host, service) = (is(Subject::Host, host), is(Subject::Service, service));
            builder.ignore(Expression::And(host.into(), service.into()));
        }
        (ApplyTo::Service, None, Some(service)) => {
            builder.ignore(is(Subject::Service, service));
            // Icinga refuses the whole configuration if a parent is missing.
            let exists = Expression::HostHasService(service.as_str().to_owned());
            builder.ignore(Expression::Not(exists.into()));
        }
        (ApplyTo::Service, _, None) => {}
    }
    let conditions = |sources: &[text::Expression]| {
        let sources = sources.iter().map(|source| source.as_str().to_owned());
        sources.filter_map(|source| Condition::try_from(source).ok()).collect()
    };
    let conditions = Conditions {
        assign: conditions(&apply.rule.assign_where),
        ignore: conditions(&apply.rule.ignore_where),
    };
    let child = match target {
        ApplyTo::Host => Child::Hosts(conditions),
        ApplyTo::Service => Child::Services(conditions),
    };
    builder.provide(facts::dependency_rule(), false);
    builder.link(link(spec, child));
    parent(builder, spec)
}

fn link(spec: &DependencySpec, child: Child) -> Link {
    let name = |name: &Option<ObjectName>| name.as_ref().map(|name| name.as_str().to_owned());
    Link { child, parent_host: name(&spec.parent_host_name), parent_service: name(&spec.parent_service_name) }
}

fn parent(builder: &mut Builder, spec: &DependencySpec) -> ApplyTo {
    match (&spec.parent_host_name, &spec.parent_service_name) {
        (None, Some(service)) => {
            builder.named("parent_service_name", "parentServiceName", service.as_str());
            let anywhere = Name::anywhere(IcingaType::Service, ApplyTo::Host, service.as_str());
            builder.require(Use::one(anywhere).by("parentServiceName"));
        }
        (host, service) => checkable(
            builder,
            ["parent_host_name", "parent_service_name"],
            ["parentHostName", "parentServiceName"],
            [host, service],
        ),
    }
    if let Some(host) = &spec.parent_host_name {
        builder.provide(facts::dependency_on(host.as_str()), false);
    }
    if spec.parent_service_name.is_some() { ApplyTo::Service } else { ApplyTo::Host }
}

/// Declares a host, or a service of it, that is named.
fn checkable(
    builder: &mut Builder,
    attributes: [&'static str; 2],
    fields: [&'static str; 2],
    [host, service]: [&Option<ObjectName>; 2],
) {
    let Some(host) = host.as_ref().map(ObjectName::as_str) else { return };
    builder.reference(attributes[0], fields[0], IcingaType::Host, Some(host));
    if let Some(service) = service.as_ref().map(ObjectName::as_str) {
        builder.named(attributes[1], fields[1], service);
        let service = Name::attached(IcingaType::Service, host, None, service);
        builder.require(Use::one(service).by(fields[1]));
    }
}
