//! `set`: fields of each object of a rule that get the value of an expression.

use super::builder::Builder;
use super::declaration::Assignments;
use super::expression::{Expression, Scope};
use super::period;
use crate::api::objects::{Field, MAX_ITEMS, SetItem};
use crate::api::text::VarName;
use crate::api::{IcingaType, objects::Kind};
use crate::text::quoted;

/// Most custom variables of one item.
const MAX_VARS: usize = 64;

/// Declares the items; `path` is the path of the list.
pub(super) fn declare(builder: &mut Builder, path: &str, items: &[SetItem], scope: Scope) {
    builder.count(path, items.len(), MAX_ITEMS);
    for (i, item) in items.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let assignments = one(builder, &path, item, scope);
        builder.set(assignments);
    }
}

fn one(builder: &mut Builder, path: &str, item: &SetItem, scope: Scope) -> Assignments {
    let mut out = Assignments::default();
    if let Some(when) = &item.when {
        out.when = builder.expression(&format!("{path}.when"), when, scope);
    }
    let kind = builder.kind();
    for (name, source) in &item.fields {
        let path = format!("{path}.{name}");
        let Some(field) = Field::of(kind).iter().find(|field| field.name == *name) else {
            let known: Vec<_> = Field::of(kind).iter().map(|field| field.name).collect();
            let text = format!("cannot be set; use one of when, vars, addVars, {}", known.join(", "));
            builder.problem(&path, &text);
            continue;
        };
        let Some(expression) = builder.expression(&path, source, scope) else { continue };
        match never_fits(field.kind, &expression) {
            Some(is) => {
                let text =
                    format!("is {is}, and the field takes {}; change the expression", field.kind.words());
                builder.problem(&path, &text);
            }
            None => out.fields.push((field, expression)),
        }
    }
    // Otherwise the field that replaces names would drop those that this one adds.
    out.fields.sort_by_key(|(field, _)| matches!(field.kind, Kind::MoreNames(_)));
    if kind != IcingaType::ScheduledDowntime && !item.ranges.is_empty() {
        builder.problem(&format!("{path}.ranges"), "is set beside a type without ranges; remove it");
    }
    builder.count(&format!("{path}.ranges"), item.ranges.len(), 128);
    for (day, source) in &item.ranges {
        let path = format!("{path}.ranges[{}]", quoted(day));
        if let Some(problem) = period::downtime_day_problem(day) {
            builder.problem(&path, &problem);
        } else if let Some(expression) = builder.expression(&path, source, scope) {
            out.ranges.push((day.clone(), expression));
        }
    }
    builder.count(&format!("{path}.vars"), item.vars.len(), MAX_VARS);
    for (name, source) in &item.vars {
        let path = format!("{path}.vars[{}]", quoted(name.as_str()));
        if !is_variable(name.as_str()) {
            builder.problem(&path, NO_VARIABLE);
        } else if let Some(expression) = builder.expression(&path, source, scope) {
            out.vars.push((name.as_str().to_owned(), expression));
        }
    }
    builder.count(&format!("{path}.addVars"), item.add_vars.len(), 16);
    for (i, source) in item.add_vars.iter().enumerate() {
        out.add_vars.extend(builder.expression(&format!("{path}.addVars[{i}]"), source, scope));
    }
    if out == (Assignments { when: out.when.clone(), ..Assignments::default() }) && builder.is_fine() {
        builder.problem(path, "sets nothing; add a field, or remove the item");
    }
    out
}

/// What is wrong with the name of a custom variable.
pub(super) const NO_VARIABLE: &str =
    "is no name of a variable; use at most 64 letters, digits and _, without a digit first";

/// True for the name of a custom variable.
pub(super) fn is_variable(name: &str) -> bool {
    name.len() <= VarName::MAX
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Returns what a value is that no object could take, by itself. None if it depends on the object.
fn never_fits(kind: Kind, expression: &Expression) -> Option<&'static str> {
    let is = match expression {
        Expression::Text(_) => "text",
        Expression::Number(_) => "a number",
        Expression::Boolean(_) => "true or false",
        Expression::List(_) => "a list",
        Expression::Dictionary(_) => "a dictionary",
        _ => return None,
    };
    let fits = match kind {
        Kind::Text | Kind::SomeText => ["text", "a number"].contains(&is),
        Kind::Duration | Kind::DurationOrZero | Kind::Number(..) => is == "a number",
        Kind::Boolean => is == "true or false",
        Kind::Name(_) | Kind::Endpoint => is == "text",
        Kind::Names(_) | Kind::SomeNames(_) | Kind::MoreNames(_) => is == "a list",
    };
    (!fits).then_some(is)
}
