//! Rules: for which hosts or services objects exist, and how many of them.

use super::builder::Builder;
use super::declaration::ForEach;
use super::expression::{self, Expression, Scope, Subject};
use super::name::Name;
use super::set;
use crate::api::objects::{ApplyRule, ApplyTo};
use crate::api::text::{NamePrefix, ObjectName};

/// Declares the rule of `apply`.
pub(super) fn declare(builder: &mut Builder, rule: &ApplyRule, target: ApplyTo, zone: Option<&ObjectName>) {
    let scope = Scope { subjects: Subject::of_rule(target), has_entry: rule.for_each.is_some() };
    builder.rules("apply.", scope, &rule.assign_where, &rule.ignore_where);
    if let Some(for_each) = &rule.for_each {
        match expression::parse(for_each.within.as_str(), Subject::of_rule(target)) {
            Ok(Expression::Attribute(attribute)) if !attribute.keys.is_empty() => {
                let [key_var, value_var] = [&for_each.key_var, &for_each.value_var]
                    .map(|name| name.as_ref().map(|name| name.as_str().to_owned()));
                let prefix = for_each.prefix.as_ref().map(|prefix| prefix.as_str().to_owned());
                builder.for_each(ForEach { attribute, prefix, key_var, value_var });
            }
            Ok(_) => {
                let text = "is no custom variable; name one, for example host.vars.disks";
                builder.problem("apply.forEach.in", text)
            }
            Err(problem) => {
                builder.problem("apply.forEach.in", &format!("{problem}; name a custom variable"))
            }
        }
        if let Some(prefix) = &for_each.prefix {
            let (length, max) = (prefix.as_str().chars().count(), NamePrefix::MAX);
            if length > max {
                let text = format!("has {length} characters, and at most {max} are allowed; shorten it");
                builder.problem("apply.forEach.prefix", &text);
            }
            if prefix.as_str().contains(|c: char| c == '!' || c.is_control()) {
                let text = "contains an exclamation mark or a control character; remove it";
                builder.problem("apply.forEach.prefix", text);
            }
        }
        for (field, name) in [("keyVar", &for_each.key_var), ("valueVar", &for_each.value_var)] {
            if name.as_ref().is_some_and(|name| !set::is_variable(name.as_str())) {
                builder.problem(&format!("apply.forEach.{field}"), set::NO_VARIABLE);
            }
        }
        if for_each.key_var.is_some() && for_each.key_var == for_each.value_var {
            builder.problem("apply.forEach.valueVar", "is the same as keyVar; choose another name");
        }
        if rule.assign_where.is_empty() {
            builder.assign(Expression::Boolean(true));
        }
    } else if rule.assign_where.is_empty() {
        builder.problem("apply.assignWhere", "is required; set at least one expression, or apply.forEach");
    }
    set::declare(builder, "apply.set", &rule.set, scope);
    if let Some(zone) = zone {
        // Only the zone's satellites get the rule, so it must make objects only for hosts of the
        // zone.
        builder.only_in_zone(zone.as_str());
    }
}

/// Provides the name of a rule's objects. Several rules may have it, and single objects: where they
/// meet on one host or service, the rendered rules make one object.
pub(super) fn provide_names(builder: &mut Builder, rule: &ApplyRule, target: ApplyTo) {
    // With `forEach`, the names are known only when Icinga loads them.
    if rule.for_each.is_some() {
        return;
    }
    let (kind, name) = (builder.kind(), builder.name());
    builder.provide(Name::anywhere(kind, target, &name), false);
}

/// Provides the name of a single object, and the one that it shares with what rules make.
pub(super) fn provide_single(builder: &mut Builder, host: &str, service: Option<&str>) {
    let (kind, name) = (builder.kind(), builder.name());
    let target = if service.is_some() { ApplyTo::Service } else { ApplyTo::Host };
    builder.provide(Name::attached(kind, host, service, &name), true);
    builder.provide(Name::anywhere(kind, target, &name), false);
}
