//! Text to Icinga literals. Every string, key and number of a configuration passes here. Rules:
//! `icinga2` lexer, probed on 2.13.6: `"..."` with the escapes `\\ \" \n \t \r \b \f` only, never
//! a heredoc; a blank or a line break between braces, because `}}` is a token of its own; numbers
//! plain decimal.

use crate::validate::value::{Piece, Value};
use std::fmt::Write as _;

/// Writes a string literal.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writes a number: plain decimal, the shortest text that gives the same double. Rust's `Display`
/// for `f64` never uses an exponent.
pub fn number(out: &mut String, number: f64) {
    let _ = write!(out, "{}", if number == 0.0 { 0.0 } else { number });
}

/// Writes the value of a constant as text. Where Icinga does not have the constant, the text says
/// so when the command runs, and the configuration loads all the same. A dollar sign in the value
/// is no macro.
fn constant(out: &mut String, name: &str) {
    let _ = write!(out, "(() => {{ try {{ return string({name}).replace(\"$\", \"$$\") }} except {{ return ");
    string(out, &format!("(this Icinga has no constant {name})"));
    out.push_str(" } })()");
}

/// Writes any value; `level` is the indentation of the statement that it belongs to.
pub fn value(out: &mut String, value_: &Value, level: usize) {
    match value_ {
        Value::Null => out.push_str("null"),
        Value::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(n) => number(out, *n),
        Value::String(text) => string(out, text),
        Value::Joined(pieces) => {
            for (i, piece) in pieces.iter().enumerate() {
                if i > 0 {
                    out.push_str(" + ");
                }
                match piece {
                    Piece::Text(text) => string(out, text),
                    Piece::Constant(name) => constant(out, name),
                }
            }
        }
        Value::Array(items) => {
            out.push_str("[ ");
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                value(out, item, level);
            }
            out.push_str(" ]");
        }
        Value::Dictionary(map) => {
            out.push_str("{\n");
            for (key, item) in map {
                indent(out, level + 1);
                string(out, key);
                out.push_str(" = ");
                value(out, item, level + 1);
                out.push('\n');
            }
            indent(out, level);
            out.push('}');
        }
    }
}

fn indent(out: &mut String, level: usize) {
    for _ in 0..level {
        out.push_str("  ");
    }
}
