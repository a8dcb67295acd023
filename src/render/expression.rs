//! Prints an expression tree, fully parenthesised. `in`, functions and ordering comparisons are
//! guarded by type: in Icinga they throw on a value of another type, and one host's odd custom
//! variable would fail the whole configuration.

use super::quoting;
use crate::validate::expression::{Attribute, Comparison, Entries, Expression, Subject, may_match};

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
            if !(left.is_plain() && right.is_plain()) {
                const SAME: &str = "typeof(a) == Number && typeof(b) == Number || typeof(a) == String && typeof(b) == String";
                return of_two(out, &format!("({SAME}) && a{operator}b"), left, right);
            }
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
        Expression::In(left, right) if !(left.is_plain() && right.is_plain()) => {
            of_two(out, "typeof(b) == Array && a in b", left, right);
        }
        Expression::In(left, right) if matches!(**right, Expression::List(_)) => {
            infix(out, left, " in ", right);
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
        // It is 0 of what has no length, and never an error.
        Expression::Length(operand) => {
            out.push_str("len(");
            print(out, operand);
            out.push(')');
        }
        Expression::HostHasService(service) => {
            out.push_str("(typeof(get_service(host.name, ");
            quoting::string(out, service);
            out.push_str(")) == Service)");
        }
        Expression::Add(..) => tried(out, expression, "null"),
        Expression::Contains(..) => tried(out, expression, "false"),
        Expression::Replace(..) => tried(out, expression, "null"),
        Expression::Exists(kind, name) => {
            out.push_str(&format!(
                "((n) => typeof(n) == String && n != \"\" && get_object({kind}, n) != null)("
            ));
            print(out, name);
            out.push(')');
        }
        Expression::IsType(operand, kind) => {
            out.push_str("(typeof(");
            raw(out, operand);
            out.push_str(&format!(") == {})", kind.as_str()));
        }
        Expression::List(items) => list(out, items, print),
        Expression::Dictionary(entries) => dictionary(out, entries, print),
        Expression::Constant(name) => {
            out.push_str(&format!("((globals.contains(\"{name}\") || null) && {name})"));
        }
        Expression::Attribute(attribute) => self::attribute(out, attribute),
        Expression::Text(text) => quoting::string(out, text),
        Expression::Number(number) => quoting::number(out, *number),
        Expression::Boolean(true) => out.push_str("true"),
        Expression::Boolean(false) => out.push_str("false"),
        Expression::Null => out.push_str("null"),
    }
}

/// Prints a value as Icinga itself would read it, where an error is caught. A custom variable below
/// something that is no dictionary is null.
pub(super) fn raw(out: &mut String, expression: &Expression) {
    match expression {
        Expression::Add(left, right) => {
            out.push('(');
            raw(out, left);
            out.push_str(" + ");
            raw(out, right);
            out.push(')');
        }
        Expression::Contains(whole, part) => {
            raw(out, whole);
            out.push_str(".contains(");
            raw(out, part);
            out.push(')');
        }
        Expression::Replace(whole, from, to) => {
            raw(out, whole);
            out.push_str(".replace(");
            quoting::string(out, from);
            out.push_str(", ");
            quoting::string(out, to);
            out.push(')');
        }
        Expression::List(items) => list(out, items, raw),
        Expression::Dictionary(entries) => dictionary(out, entries, raw),
        Expression::Constant(name) => out.push_str(name),
        Expression::Attribute(attribute) if guarded(attribute).is_empty() => {
            path(out, attribute, attribute.keys.len());
        }
        Expression::Attribute(attribute) => {
            out.push_str("((v) => { for (k in [ ");
            for (i, key) in attribute.keys.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                quoting::string(out, key);
            }
            // The method is called by its full name, because an entry may have the name of a
            // method.
            out.push_str(
                " ]) { if (typeof(v) != Dictionary) { return null }; v = Dictionary.prototype.get.call(v, k) }; return v })(",
            );
            path(out, attribute, 0);
            out.push(')');
        }
        _ => print(out, expression),
    }
}

/// Prints a value, or null if Icinga cannot make it.
pub(super) fn caught(out: &mut String, expression: &Expression) {
    tried(out, expression, "null");
}

/// Returns the key of the entry of a rule with `forEach`.
pub(super) fn key() -> Attribute {
    Attribute { subject: Subject::Key, field: "", keys: Vec::new() }
}

/// Prints a value, or what takes its place if Icinga cannot make it.
fn tried(out: &mut String, expression: &Expression, otherwise: &str) {
    out.push_str("(()");
    captured(out, &[expression]);
    out.push_str(" => { try { return ");
    raw(out, expression);
    out.push_str(&format!(" }} except {{ return {otherwise} }} }})()"));
}

/// Prints `use (...)` with the variables of expressions, which a function does not see otherwise.
fn captured(out: &mut String, expressions: &[&Expression]) {
    capture(out, expressions.iter().copied(), &|_| true);
}

/// The same without `value`, which the function makes for itself.
pub(super) fn captured_but_value<'a>(
    out: &mut String,
    expressions: impl IntoIterator<Item = &'a Expression>,
) {
    capture(out, expressions, &|subject| subject != Subject::Value);
}

fn capture<'a>(
    out: &mut String,
    expressions: impl IntoIterator<Item = &'a Expression>,
    is_wanted: &dyn Fn(Subject) -> bool,
) {
    let mut variables = std::collections::BTreeSet::new();
    for expression in expressions {
        expression.attributes(&mut |attribute| {
            if is_wanted(attribute.subject) {
                variables.insert(attribute.subject.word());
            }
        });
    }
    if !variables.is_empty() {
        let variables: Vec<_> = variables.into_iter().collect();
        out.push_str(&format!(" use ({})", variables.join(", ")));
    }
}

/// Prints a function of two operands, which are printed once.
fn of_two(out: &mut String, body: &str, left: &Expression, right: &Expression) {
    out.push_str(&format!("((a, b) => {body})("));
    print(out, left);
    out.push_str(", ");
    print(out, right);
    out.push(')');
}

fn list(out: &mut String, items: &[Expression], item: fn(&mut String, &Expression)) {
    out.push_str("[ ");
    for (i, expression) in items.iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        item(out, expression);
    }
    out.push_str(" ]");
}

/// Prints a function that makes a dictionary. Icinga refuses a literal with keys where a condition
/// is evaluated ("Expression cannot be assigned to").
fn dictionary(out: &mut String, entries: &[(String, Expression)], item: fn(&mut String, &Expression)) {
    out.push_str("((l) => { var r = { }; for (e in l) { r[e[0]] = e[1] }; return r })([ ");
    for (i, (key, expression)) in entries.iter().enumerate() {
        out.push_str(if i > 0 { ", [ " } else { "[ " });
        quoting::string(out, key);
        out.push_str(", ");
        item(out, expression);
        out.push_str(" ]");
    }
    out.push_str(" ])");
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
    matches!(operand, Expression::Attribute(attribute) if !["vars", "groups", "templates", ""].contains(&attribute.field))
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
    let kinds = ["String", "Number", "Array", "Boolean"];
    let has_flags = matters("true") || matters("false");
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
/// otherwise the whole is null, as a variable that is not set. It must not be false, the value of
/// the guard: in Icinga that equals 0, and null equals only null and empty text.
pub(super) fn attribute(out: &mut String, attribute: &Attribute) {
    let (last, parents) = (attribute.keys.len(), guarded(attribute));
    if parents.is_empty() {
        return path(out, attribute, last);
    }
    let several = parents.len() > 1;
    out.push_str(if several { "(((" } else { "((" });
    for (i, count) in parents.enumerate() {
        out.push_str(if i > 0 { " && typeof(" } else { "typeof(" });
        path(out, attribute, count);
        out.push_str(") == Dictionary");
    }
    out.push_str(if several { ") || null) && " } else { " || null) && " });
    path(out, attribute, last);
    out.push(')');
}

/// Returns the numbers of keys that lead to what must be a dictionary.
fn guarded(attribute: &Attribute) -> std::ops::Range<usize> {
    match (attribute.subject, attribute.keys.len()) {
        (Subject::Value, count) => 0..count,
        (_, 0 | 1) => 1..1,
        (_, count) => 1..count,
    }
}

pub(super) fn path(out: &mut String, attribute: &Attribute, count: usize) {
    out.push_str(attribute.subject.word());
    if !attribute.field.is_empty() {
        out.push('.');
        out.push_str(attribute.field);
    }
    for key in attribute.keys.iter().take(count) {
        out.push('[');
        quoting::string(out, key);
        out.push(']');
    }
}
