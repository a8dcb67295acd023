//! Prints an expression tree, fully parenthesised. `in`, functions and ordering comparisons are
//! guarded by type: in Icinga they throw on a value of another type, and one host's odd custom
//! variable would fail the whole configuration.

use super::quoting;
use crate::validate::expression::{Attribute, Comparison, Entries, Expression, may_match};

pub(super) fn print(out: &mut String, expression: &Expression) {
    match expression {
        Expression::And(left, right) => infix(out, left, " && ", right),
        Expression::Or(left, right) => infix(out, left, " || ", right),
        Expression::Not(inner) => {
            out.push_str("!(");
            print(out, inner);
            out.push(')');
        }
        Expression::Compare(Comparison::Equal, left, right) => infix(out, left, " == ", right),
        Expression::Compare(Comparison::NotEqual, left, right) => infix(out, left, " != ", right),
        Expression::Compare(comparison, left, right) => {
            let operator = match comparison {
                Comparison::Less => " < ",
                Comparison::LessOrEqual => " <= ",
                Comparison::Greater => " > ",
                Comparison::GreaterOrEqual | Comparison::Equal | Comparison::NotEqual => " >= ",
            };
            let kinds: &[&str] = match (left.as_ref(), right.as_ref()) {
                (Expression::Number(_), _) | (_, Expression::Number(_)) => &["Number"],
                (Expression::Text(_), _) | (_, Expression::Text(_)) => &["String"],
                _ => &["Number", "String"],
            };
            out.push('(');
            for (i, kind) in kinds.iter().enumerate() {
                out.push_str(if i > 0 { " || (" } else { "(" });
                for operand in [left, right] {
                    out.push_str("typeof(");
                    print(out, operand);
                    out.push_str(&format!(") == {kind} && "));
                }
                infix(out, left, operator, right);
                out.push(')');
            }
            out.push(')');
        }
        Expression::In(left, right) => {
            out.push_str("(typeof(");
            print(out, right);
            out.push_str(") == Array && ");
            infix(out, left, " in ", right);
            out.push(')');
        }
        // Of a list, Icinga reads each entry as text, whatever it is.
        Expression::Match(pattern, operand, entries) => {
            out.push_str("((");
            is_text(out, operand, &|text| may_match(pattern, text));
            out.push_str(") && match(");
            quoting::string(out, pattern);
            out.push_str(", ");
            print(out, operand);
            out.push_str(argument(*entries));
            out.push_str("))");
        }
        Expression::Regex(pattern, operand, entries) => {
            guarded_call(out, "regex", pattern, operand, *entries);
        }
        Expression::InNetwork(network, operand, entries) => {
            guarded_call(out, "cidr_match", network, operand, *entries)
        }
        Expression::Length(operand) => {
            out.push('(');
            for (i, kind) in ["String", "Array", "Dictionary"].into_iter().enumerate() {
                out.push_str(if i > 0 { " || typeof(" } else { "(typeof(" });
                print(out, operand);
                out.push_str(&format!(") == {kind}"));
            }
            out.push_str(") && len(");
            print(out, operand);
            out.push_str("))");
        }
        Expression::HostHasService(service) => {
            out.push_str("(typeof(get_service(host.name, ");
            quoting::string(out, service);
            out.push_str(")) == Service)");
        }
        Expression::Attribute(attribute) => self::attribute(out, attribute),
        Expression::Text(text) => quoting::string(out, text),
        Expression::Number(number) => quoting::number(out, *number),
        Expression::Boolean(true) => out.push_str("true"),
        Expression::Boolean(false) => out.push_str("false"),
        Expression::Null => out.push_str("null"),
    }
}

fn infix(out: &mut String, left: &Expression, operator: &str, right: &Expression) {
    out.push('(');
    print(out, left);
    out.push_str(operator);
    print(out, right);
    out.push(')');
}

/// Prints that an operand has one of these types.
fn is_one_of(out: &mut String, operand: &Expression, kinds: &[&str]) {
    for (i, kind) in kinds.iter().enumerate() {
        out.push_str(if i > 0 { " || typeof(" } else { "typeof(" });
        print(out, operand);
        out.push_str(&format!(") == {kind}"));
    }
}

/// True for an attribute that holds a text in every object, such as `host.name`.
fn is_always_text(operand: &Expression) -> bool {
    matches!(operand, Expression::Attribute(attribute) if !["vars", "groups"].contains(&attribute.field))
}

/// Prints that Icinga can read an operand as text, or is a list. Nothing is read as empty text, and
/// `true` as "true"; that is printed only where it `matters`.
fn is_text(out: &mut String, operand: &Expression, matters: &dyn Fn(&str) -> bool) {
    if is_always_text(operand) {
        return is_one_of(out, operand, &["String", "Number"]);
    }
    if matters("") {
        out.push('(');
        print(out, operand);
        out.push_str(" == null) || ");
    }
    // Below something that is no dictionary, the operand itself is false.
    let has_parents = matches!(operand, Expression::Attribute(attribute) if attribute.keys.len() > 1);
    let kinds = ["String", "Number", "Array", "Boolean"];
    let has_flags = !has_parents && (matters("true") || matters("false"));
    is_one_of(out, operand, if has_flags { &kinds } else { &kinds[..3] });
}

/// Returns the third argument of a function that matches. Without it, all entries must match.
fn argument(entries: Entries) -> &'static str {
    match entries {
        Entries::All => "",
        Entries::Any => ", MatchAny",
    }
}

/// Prints a call of a function that throws on some values: on text that is no address, or if a
/// regular expression takes too many steps. Such values count as not matching.
fn guarded_call(out: &mut String, function: &str, pattern: &str, operand: &Expression, entries: Entries) {
    out.push_str("((");
    match function {
        "regex" => is_text(out, operand, &|_| true),
        _ if is_always_text(operand) => is_one_of(out, operand, &["String"]),
        _ => is_one_of(out, operand, &["String", "Array"]),
    }
    let subject =
        if let Expression::Attribute(attribute) = operand { attribute.subject.word() } else { "host" };
    out.push_str(&format!(") && (() use ({subject}) => {{ try {{ return {function}("));
    quoting::string(out, pattern);
    out.push_str(", ");
    print(out, operand);
    out.push_str(argument(entries));
    out.push_str(") } except { return false } })())");
}

/// Prints an attribute. A custom variable below another is read only if that one is a dictionary;
/// otherwise the whole is false.
pub(super) fn attribute(out: &mut String, attribute: &Attribute) {
    let (last, parents) = match attribute.keys.len() {
        0 | 1 => (attribute.keys.len(), 1..1),
        count => (count, 1..count),
    };
    let is_guarded = !parents.is_empty();
    if is_guarded {
        out.push('(');
    }
    for count in parents {
        out.push_str("typeof(");
        path(out, attribute, count);
        out.push_str(") == Dictionary && ");
    }
    path(out, attribute, last);
    if is_guarded {
        out.push(')');
    }
}

pub(super) fn path(out: &mut String, attribute: &Attribute, count: usize) {
    out.push_str(attribute.subject.word());
    out.push('.');
    out.push_str(attribute.field);
    for key in attribute.keys.iter().take(count) {
        out.push('[');
        quoting::string(out, key);
        out.push(']');
    }
}
