//! Rules: for which hosts or services objects exist, and how many of them.

use super::declaration::{Builder, ForEach};
use super::expression::{self, Expression, Subject};
use super::name::Name;
use crate::api::objects::{ApplyRule, ApplyTo};
use crate::api::text::{ObjectName, VarName};

/// Declares the rule of `apply`.
pub(super) fn declare(builder: &mut Builder, rule: &ApplyRule, target: ApplyTo, zone: Option<&ObjectName>) {
    builder.rules("apply.", Subject::of_rule(target), &rule.assign_where, &rule.ignore_where);
    if let Some(for_each) = &rule.for_each {
        match expression::parse(for_each.within.as_str(), Subject::of_rule(target)) {
            Ok(Expression::Attribute(attribute)) if !attribute.keys.is_empty() => {
                let [key_var, value_var] = [&for_each.key_var, &for_each.value_var]
                    .map(|name| name.as_ref().map(|name| name.as_str().to_owned()));
                builder.for_each(ForEach { attribute, key_var, value_var });
            }
            Ok(_) => {
                builder.problem("apply.forEach.in", "must be a custom variable, for example host.vars.disks")
            }
            Err(problem) => builder.problem("apply.forEach.in", &format!(": {problem}")),
        }
        let is_name = |name: &str| {
            name.len() <= VarName::MAX
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        for (field, name) in [("keyVar", &for_each.key_var), ("valueVar", &for_each.value_var)] {
            if name.as_ref().is_some_and(|name| !is_name(name.as_str())) {
                let rule = "must be letters, digits and _, at most 64, and not begin with a digit";
                builder.problem(&format!("apply.forEach.{field}"), rule);
            }
        }
        if for_each.key_var.is_some() && for_each.key_var == for_each.value_var {
            builder.problem("apply.forEach.valueVar", "must not be the same as keyVar");
        }
        if rule.assign_where.is_empty() {
            builder.assign(Expression::Boolean(true));
        }
    } else if rule.assign_where.is_empty() {
        builder.problem("apply.assignWhere", "needs at least one expression, unless apply.forEach is set");
    }
    if let Some(zone) = zone {
        // Its satellites alone see the rule, so it must make objects for their hosts alone.
        builder.only_in_zone(zone.as_str());
    }
}

/// Claims the names that a rule's objects will have. Two rules, or a rule and a single object, that could meet on one host or
/// service must not have the same: Icinga refuses that.
pub(super) fn provide_names(builder: &mut Builder, rule: &ApplyRule, target: ApplyTo) {
    let (kind, name) = (builder.kind(), builder.name());
    if rule.for_each.is_some() {
        builder.provide(Name::beginning(kind, target, &name), true);
    } else {
        builder.provide(Name::anywhere(kind, target, &name), true);
    }
    provide_beginnings(builder, target);
}

/// Claims the name of a single object beside what rules make.
pub(super) fn provide_single(builder: &mut Builder, host: &str, service: Option<&str>) {
    let (kind, name) = (builder.kind(), builder.name());
    let target = if service.is_some() { ApplyTo::Service } else { ApplyTo::Host };
    builder.provide(Name::attached(kind, host, service, &name), true);
    builder.provide(Name::anywhere(kind, target, &name), false);
    provide_beginnings(builder, target);
}

/// Every beginning that a rule with `forEach` could have as its name.
fn provide_beginnings(builder: &mut Builder, target: ApplyTo) {
    let (kind, name) = (builder.kind(), builder.name());
    for (blank, _) in name.match_indices(' ') {
        builder.provide(Name::beginning(kind, target, &name[..blank]), false);
    }
}
