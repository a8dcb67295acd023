//! Icinga's values: what is true, equal, added and read as text or number.

use crate::validate::value::Value;

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Icinga cannot make it: an error that the rendered file catches.
    Fails,
    /// It depends on more than is known here.
    Unknown,
}

/// A value, or why there is none.
pub(super) type Evaluated = Result<Value, Stop>;

/// True if Icinga takes a value for true.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Boolean(is_true) => *is_true,
        Value::Number(number) => *number != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Joined(_) => true,
        Value::Array(items) => !items.is_empty(),
        Value::Dictionary(entries) => !entries.is_empty(),
    }
}

fn is_empty_text(value: &Value) -> bool {
    matches!(value, Value::Null) || matches!(value, Value::String(text) if text.is_empty())
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Boolean(is_true) => Some(f64::from(u8::from(*is_true))),
        _ => None,
    }
}

/// Compares two values. Null equals empty text; `true` equals 1, and `false` equals 0.
pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, Stop> {
    if let (Some(left), Some(right)) = (as_number(left), as_number(right)) {
        return Ok(left == right);
    }
    Ok(match (left, right) {
        // A dictionary equals only itself.
        (Value::Dictionary(_), Value::Dictionary(_)) => return Err(Stop::Unknown),
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right) {
                if !equal(left, right)? {
                    return Ok(false);
                }
            }
            true
        }
        (left, right) => is_empty_text(left) && is_empty_text(right),
    })
}

/// True if a list has a value.
pub(super) fn contains(items: &[Value], value: &Value) -> Result<bool, Stop> {
    for item in items {
        if equal(item, value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns a number as text: whole, or with six places.
pub(super) fn number_text(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.6}") }
}

/// Returns a value as text, where Icinga joins texts. None if it refuses.
fn joined_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Number(number) => Some(number_text(*number)),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Returns a value as text, where it is an operand of `match`. None if that is not known.
pub(super) fn matched_text(value: &Value) -> Option<String> {
    match value {
        Value::Boolean(is_true) => Some(is_true.to_string()),
        value => joined_text(value),
    }
}

/// Adds two values.
pub(super) fn add(left: Value, right: Value) -> Evaluated {
    let is_text = |value: &Value| matches!(value, Value::String(_));
    match (left, right) {
        (Value::Joined(_), _) | (_, Value::Joined(_)) => Err(Stop::Unknown),
        (Value::Null, Value::Null) => Err(Stop::Fails),
        (Value::Number(left), Value::Number(right)) => Ok(Value::Number(left + right)),
        (Value::Null, Value::Number(number)) | (Value::Number(number), Value::Null) => {
            Ok(Value::Number(number))
        }
        (Value::Array(left), Value::Array(right)) => Ok(Value::Array([left, right].concat())),
        (Value::Dictionary(mut left), Value::Dictionary(right)) => {
            left.extend(right);
            Ok(Value::Dictionary(left))
        }
        (list @ (Value::Array(_) | Value::Dictionary(_)), other)
        | (other, list @ (Value::Array(_) | Value::Dictionary(_)))
            if is_empty_text(&other) =>
        {
            Ok(list)
        }
        (left, right) if is_text(&left) || is_text(&right) => {
            let texts = joined_text(&left).zip(joined_text(&right));
            texts.map(|(left, right)| Value::String(left + &right)).ok_or(Stop::Fails)
        }
        _ => Err(Stop::Fails),
    }
}

/// Returns the number that a text is, as `number()` reads it. None if Icinga refuses the text.
pub(super) fn number(text: &str) -> Option<f64> {
    if text.is_empty() { Some(0.0) } else { text.parse().ok() }
}
