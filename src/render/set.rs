//! `set`: fields that get the value of an expression. Whatever a variable holds, Icinga must not
//! refuse it. So each value passes a function that returns it in a list, or an empty list if it
//! does not fit, and an error is caught: the field then keeps what it had.

use super::{expression, quoting};
use crate::api::IcingaType;
use crate::api::objects::Kind;
use crate::validate::expression::Expression;
use crate::validate::{Assignments, Declaration};
use std::fmt::Write as _;

/// Longest duration that is taken, in seconds: thirty years.
const MAX_SECONDS: u32 = 1_000_000_000;

/// Prints the statements.
pub(super) fn print(out: &mut String, set: &[Assignments]) {
    for item in set {
        for (field, value) in &item.fields {
            let operator = if matches!(field.kind, Kind::MoreNames(_)) { "+=" } else { "=" };
            one(out, item, &format!("{} {operator}", field.attribute), |out| fitting(out, field.kind, value));
        }
        if !item.ranges.is_empty() {
            one(out, item, "ranges =", |out| ranges(out, &item.ranges));
        }
        for (name, value) in &item.vars {
            let mut place = String::from("vars[");
            quoting::string(&mut place, name);
            one(out, item, &format!("{place}] ="), |out| checked(out, VARIABLE, value));
        }
        for value in &item.add_vars {
            one(out, item, "vars +=", |out| checked(out, VARIABLES, value));
        }
    }
}

/// Prints one assignment of `value`, which prints a list.
fn one(out: &mut String, item: &Assignments, place: &str, value: impl FnOnce(&mut String)) {
    out.push_str("  try {\n    if (");
    when(out, item);
    out.push_str(") {\n      for (set in ");
    value(out);
    let _ = write!(out, ") {{\n        {place} set\n      }}\n    }}\n  }} except {{\n  }}\n");
}

fn when(out: &mut String, item: &Assignments) {
    match &item.when {
        Some(when) => expression::print(out, when),
        None => out.push_str("true"),
    }
}

/// Prints a condition for each list of attributes of which an object needs one: nothing gives it.
///
/// An object that lacks it would be refused by Icinga, and all others with it.
pub(super) fn lacking(out: &mut String, declaration: &Declaration) {
    for attributes in &declaration.needs_set {
        out.push_str("  ignore where !(false");
        for item in &declaration.set {
            let fields = item.fields.iter().filter(|(field, _)| attributes.contains(&field.attribute));
            for (field, value) in fields {
                given(out, declaration, item, &[value], |out| fitting(out, field.kind, value));
            }
            if attributes.contains(&"ranges") && !item.ranges.is_empty() {
                let values: Vec<_> = item.ranges.iter().map(|(_, value)| value).collect();
                given(out, declaration, item, &values, |out| ranges(out, &item.ranges));
            }
        }
        out.push_str(")\n");
    }
}

/// Prints that an item gives a value.
fn given(
    out: &mut String,
    declaration: &Declaration,
    item: &Assignments,
    values: &[&Expression],
    list: impl FnOnce(&mut String),
) {
    let mut variables = String::new();
    let all = item.when.iter().chain(values.iter().copied());
    let of_loop =
        declaration.for_each.as_ref().map(|for_each| Expression::Attribute(for_each.attribute.clone()));
    let key = Expression::Attribute(expression::key());
    let more = of_loop.iter().chain(of_loop.is_some().then_some(&key));
    expression::captured_but_value(&mut variables, all.chain(more));
    let _ = write!(out, " || ((){variables} => {{ try {{ ");
    if let Some(for_each) = &declaration.for_each {
        super::for_each::value(out, for_each);
    }
    out.push_str("if (");
    when(out, item);
    out.push_str(") { return len(");
    list(out);
    out.push_str(") > 0 } } except { }; return false })()");
}

/// Prints a list of the value if it fits a field.
fn fitting(out: &mut String, kind: Kind, value: &Expression) {
    let seconds = |least: &str| number(&format!("v {least} 0 && v <= {MAX_SECONDS}"));
    let exists = |kind: IcingaType, name: &str| format!("get_object({kind}, {name}) != null");
    let names = |kind: IcingaType| {
        let known = exists(kind, "n");
        format!("v.filter((n) => typeof(n) == String && n != \"\" && {known}).unique()")
    };
    let text = "if (typeof(v) == Number) { v = string(v) }; if (typeof(v) == String";
    let body = match kind {
        Kind::Text => format!("{text}) {{ return [ v ] }}"),
        Kind::SomeText => format!("{text} && v != \"\") {{ return [ v ] }}"),
        Kind::Duration => seconds(">"),
        Kind::DurationOrZero => seconds(">="),
        Kind::Number(min, max) => number(&format!("v >= {min} && v <= {max}")),
        Kind::Boolean => "if (typeof(v) == Boolean || typeof(v) == Number) { return [ v != 0 ] }".into(),
        Kind::Name(kind) => {
            format!("if (typeof(v) == String && v != \"\" && {}) {{ return [ v ] }}", exists(kind, "v"))
        }
        Kind::Names(kind) | Kind::MoreNames(kind) => {
            format!("if (typeof(v) == Array) {{ return [ {} ] }}", names(kind))
        }
        Kind::SomeNames(kind) => {
            format!("if (typeof(v) == Array) {{ v = {}; if (len(v) > 0) {{ return [ v ] }} }}", names(kind))
        }
        Kind::Endpoint => {
            let _ = write!(out, "((v, z) => {{ {ENDPOINT}; return [ ] }})(");
            expression::raw(out, value);
            return out.push_str(", zone)");
        }
    };
    checked(out, &body, value);
}

fn number(range: &str) -> String {
    format!(
        "if (typeof(v) == String) {{ v = number(v) }}; if (typeof(v) == Number && {range}) {{ return [ v ] }}"
    )
}

/// Icinga refuses an endpoint outside the object's zone and its direct child zones. An endpoint
/// does not know its zone, so a dictionary of all is made once.
const ENDPOINT: &str = "if (typeof(v) == String && v != \"\" && get_object(Endpoint, v) != null && z != \"\") { \
    if (!Dictionary.prototype.contains.call(globals.groundlink_zones, v)) { for (o in get_objects(Zone)) { if (typeof(o.endpoints) == Array) { \
    for (e in o.endpoints) { Dictionary.prototype.set.call(globals.groundlink_zones, e, o.name) } } } }; \
    var own = Dictionary.prototype.get.call(globals.groundlink_zones, v); \
    if (own == z || typeof(own) == String && get_object(Zone, own).parent == z) { return [ v ] } }";

/// Whatever a custom variable may hold. Icinga refuses text with an odd number of dollar signs.
const VARIABLE: &str = "var fits = (t) => typeof(t) != String || len(t.split(\"$\")) % 2 == 1; \
    if (typeof(v) == Array && v.all(fits) || typeof(v) == Number || typeof(v) == Boolean || v == null || \
    typeof(v) == String && fits(v)) { return [ v ] }; \
    if (typeof(v) == Dictionary && Dictionary.prototype.values.call(v).all(fits)) { return [ { } + v ] }";

const VARIABLES: &str = "var fits = (t) => typeof(t) != String || len(t.split(\"$\")) % 2 == 1; \
    if (typeof(v) == Dictionary && Dictionary.prototype.values.call(v).all(fits)) { return [ v ] }";

/// Times of a day, as `validate` also takes them. Icinga reads `00:00-00:00` as the whole day.
const TIMES: &str =
    "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?-(([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?|24:00(:00)?)$";

/// Prints a list of the times of all days that have some. Empty if none has.
fn ranges(out: &mut String, ranges: &[(String, Expression)]) {
    out.push_str("((l) => { var r = { }; for (e in l) { if (typeof(e[1]) == String && e[1] != \"\" && len(e[1]) <= 1000 && e[1].split(\",\").all((t) => regex(");
    quoting::string(out, TIMES);
    out.push_str(", t) && !regex(\"^00:00(:00)?-00:00(:00)?$\", t))) { r[e[0]] = e[1] } }; if (len(r) > 0) { return [ r ] }; return [ ] })([ ");
    for (i, (day, value)) in ranges.iter().enumerate() {
        out.push_str(if i > 0 { ", [ " } else { "[ " });
        quoting::string(out, day);
        out.push_str(", ");
        // One day's error must not cost the others.
        expression::caught(out, value);
        out.push_str(" ]");
    }
    out.push_str(" ])");
}

/// Prints a function of `v` that returns a list, and its call.
fn checked(out: &mut String, body: &str, value: &Expression) {
    let _ = write!(out, "((v) => {{ {body}; return [ ] }})(");
    expression::raw(out, value);
    out.push(')');
}
