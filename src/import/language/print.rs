//! Prints expressions for messages.

use super::syntax::{Expression, Kind};
use crate::text::clean;

/// Longest text, in bytes.
const MAX: usize = 120;

/// Returns an expression as a person would write it on one line, cut.
pub fn source(expression: &Expression) -> String {
    let mut out = String::new();
    write(&mut out, expression);
    clean(&out, MAX)
}

fn write(out: &mut String, expression: &Expression) {
    if out.len() > MAX {
        return;
    }
    match &expression.kind {
        Kind::Null => out.push_str("null"),
        Kind::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Kind::Number(value, is_duration) => {
            out.push_str(&value.to_string());
            if *is_duration {
                out.push('s');
            }
        }
        Kind::Text(text) => {
            let end = text.char_indices().nth(MAX).map_or(text.len(), |(at, _)| at);
            out.push_str(&format!("{:?}", text.get(..end).unwrap_or_default()));
        }
        Kind::Name(name) => out.push_str(name),
        Kind::Word(word) => out.push_str(word.as_str()),
        Kind::Array(items) => {
            out.push_str("[ ");
            list(out, items);
            out.push_str(" ]");
        }
        Kind::Dictionary(_) => out.push_str("{ ... }"),
        Kind::Member(inner, name) => {
            write(out, inner);
            out.push('.');
            out.push_str(name);
        }
        Kind::Index(inner, key) => {
            write(out, inner);
            out.push('[');
            write(out, key);
            out.push(']');
        }
        Kind::Call(function, arguments) => {
            write(out, function);
            out.push('(');
            list(out, arguments);
            out.push(')');
        }
        Kind::Unary(operator, inner) => {
            out.push_str(operator.as_str());
            operand(out, inner);
        }
        Kind::Chain(operator, operands) => {
            for (i, item) in operands.iter().enumerate() {
                if i > 0 {
                    out.push_str(&format!(" {} ", operator.as_str()));
                }
                operand(out, item);
            }
        }
        Kind::Binary(operator, left, right) => {
            operand(out, left);
            out.push_str(&format!(" {} ", operator.as_str()));
            operand(out, right);
        }
        Kind::Conditional(condition, one, other) => {
            operand(out, condition);
            out.push_str(" ? ");
            operand(out, one);
            out.push_str(" : ");
            operand(out, other);
        }
        Kind::If(..) => out.push_str("if (...) { ... }"),
        Kind::Function(..) => out.push_str("function"),
    }
}

fn operand(out: &mut String, expression: &Expression) {
    let compound = matches!(expression.kind, Kind::Chain(..) | Kind::Binary(..) | Kind::Conditional(..));
    if compound {
        out.push('(');
    }
    write(out, expression);
    if compound {
        out.push(')');
    }
}

fn list(out: &mut String, items: &[Expression]) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
}
