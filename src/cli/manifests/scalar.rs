//! Plain scalars as kubectl reads them: YAML 1.1 by the rules of goyaml v2, which are not those of
//! YAML 1.2. `0755` is 493 and `no` is false.

use regex::Regex;
use serde_json::{Number, Value};
use std::sync::LazyLock;

/// What goyaml takes for a decimal float.
static FLOAT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").ok());

/// Words of YAML 1.1 that are truth values.
const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];
/// Numbers that JSON does not have.
const NO_NUMBER: [&str; 12] =
    [".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"];

/// Returns the value of a plain scalar.
///
/// # Errors
/// If JSON has no such value.
pub(super) fn plain(text: &str) -> Result<Value, String> {
    let word = |words: &[&str]| words.contains(&text);
    if word(&TRUE) {
        return Ok(Value::Bool(true));
    }
    if word(&FALSE) {
        return Ok(Value::Bool(false));
    }
    if word(&NULL) {
        return Ok(Value::Null);
    }
    if word(&NO_NUMBER) {
        return Err(format!(
            "{text} is a number that JSON does not have; write it in quotes, or as a number"
        ));
    }
    Ok(number(text).unwrap_or_else(|| Value::String(text.to_owned())))
}

fn number(text: &str) -> Option<Value> {
    let first = *text.as_bytes().first()?;
    if first == b'.' {
        return float(text);
    }
    if !first.is_ascii_digit() && first != b'+' && first != b'-' {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(number) = integer(&plain) {
        return Some(number);
    }
    // goyaml takes a sign behind the prefix, of this base alone.
    if let Some(digits) = plain.strip_prefix("0b").filter(|digits| digits.starts_with(['-', '+'])) {
        return i64::from_str_radix(digits, 2).ok().map(Value::from);
    }
    if FLOAT.as_ref().is_some_and(|pattern| pattern.is_match(&plain)) {
        return float(&plain);
    }
    None
}

/// Reads a whole number as Go does with base 0.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let bytes = digits.as_bytes();
    let (base, digits) = match (bytes.first()?, bytes.get(1)) {
        (b'0', Some(b'x' | b'X')) => (16, &digits[2..]),
        (b'0', Some(b'b' | b'B')) => (2, &digits[2..]),
        (b'0', Some(b'o' | b'O')) => (8, &digits[2..]),
        (b'0', Some(_)) => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let value = i128::from_str_radix(digits, base).ok()?;
    let value = if negative { -value } else { value };
    if let Ok(value) = i64::try_from(value) {
        return Some(Value::from(value));
    }
    // The API server reads what is beyond as a float. A sign leaves only the smaller range.
    let signed = text.starts_with(['-', '+']);
    u64::try_from(value).ok().filter(|_| !signed).map(|value| Value::from(value as f64))
}

/// Reads a float. One without a fraction is an integer in the JSON that kubectl sends.
fn float(text: &str) -> Option<Value> {
    // Rust reads words, too; Go's words do not begin with a dot or a digit.
    if text.chars().any(|c| c.is_ascii_alphabetic() && c != 'e' && c != 'E') {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    let whole = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    if whole { Some(Value::from(value as i64)) } else { Number::from_f64(value).map(Value::Number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_are_read_as_kubectl_does() {
        for (text, value) in [
            ("0755", json!(493)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("-0x10", json!(-16)),
            ("0b101", json!(5)),
            ("0b-101", json!(-5)),
            ("0b+1_1", json!(3)),
            ("0b-", json!("0b-")),
            ("-0b-1", json!("-0b-1")),
            ("0x-1", json!("0x-1")),
            ("1_000", json!(1000)),
            ("+5", json!(5)),
            ("08", json!(8)),
            ("09.5", json!(9.5)),
            ("1e3", json!(1000)),
            ("3.0", json!(3)),
            (".5", json!(0.5)),
            ("5.", json!(5)),
            ("1.10", json!(1.1)),
            ("18446744073709551615", json!(18446744073709551615_f64)),
            ("1e999", json!("1e999")),
            ("12:30:45", json!("12:30:45")),
            ("190:20:30", json!("190:20:30")),
            ("2001-01-01", json!("2001-01-01")),
            ("1.2.3", json!("1.2.3")),
            ("0x", json!("0x")),
            ("_1", json!("_1")),
            (".", json!(".")),
            ("-", json!("-")),
            ("y", json!(true)),
            ("No", json!(false)),
            ("on", json!(true)),
            ("nO", json!("nO")),
            ("~", json!(null)),
            ("", json!(null)),
            ("nil", json!("nil")),
            ("5m", json!("5m")),
            ("infinity", json!("infinity")),
            (".infinity", json!(".infinity")),
        ] {
            assert_eq!(plain(text).unwrap(), value, "{text}");
        }
        assert!(plain(".inf").is_err() && plain(".NaN").is_err());
    }
}
