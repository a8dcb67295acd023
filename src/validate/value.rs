//! Values of attributes, checked: whatever is in here can be rendered.

use crate::text::quoted;
use std::collections::BTreeMap;

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A finite number, at most 2^53 if whole.
    Number(f64),
    /// Text without characters that Icinga's lexer changes.
    String(String),
    /// Text with constants of the Icinga that loads it.
    Joined(Vec<Piece>),
    /// An array.
    Array(Vec<Value>),
    /// A dictionary; keys are quoted when rendered.
    Dictionary(BTreeMap<String, Value>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// The value of a constant.
    Constant(String),
}

impl Value {
    /// Returns an array of strings.
    pub fn strings<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Array(items.into_iter().map(|item| Self::String(item.to_owned())).collect())
    }
}

impl Value {
    /// True unless it depends on constants of the Icinga that loads it.
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Self::Joined(_) => false,
            Self::Array(items) => items.iter().all(Self::is_known),
            Self::Dictionary(entries) => entries.values().all(Self::is_known),
            Self::Null | Self::Boolean(_) | Self::Number(_) | Self::String(_) => true,
        }
    }

    /// Returns the value as JSON; null for text with constants.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null | Self::Joined(_) => serde_json::Value::Null,
            Self::Boolean(is_true) => (*is_true).into(),
            Self::Number(number) => (*number).into(),
            Self::String(text) => text.as_str().into(),
            Self::Array(items) => items.iter().map(Self::to_json).collect(),
            Self::Dictionary(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
            }
        }
    }
}

/// Largest whole number that Icinga's doubles hold exactly.
pub const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;
/// Deepest nesting of custom variables. 2.13.6 crashes at 150.
pub const MAX_DEPTH: usize = 8;
/// Largest custom variables of one object, in bytes of their strings and keys.
pub const MAX_VARS_BYTES: usize = 64 * 1024;

/// Returns what is wrong with a string. Line breaks, tabs, form feed and backspace can be written
/// as escapes; other control characters (NUL among them, which cuts a string in Icinga) are
/// refused.
pub fn text_problem(text: &str) -> Option<String> {
    text.char_indices()
        .find(|(_, c)| {
            let code = *c as u32;
            (code < 0x20 && !matches!(c, '\n' | '\r' | '\t' | '\u{8}' | '\u{c}')) || code == 0x7f
        })
        .map(|(at, c)| format!("contains the control character U+{:04X} at byte {at}; remove it", c as u32))
}

/// Returns what is wrong with a macro string: dollar signs must come in pairs (`$name$`, or `$$`
/// for a literal one).
pub fn macro_problem(text: &str) -> Option<String> {
    if text.matches('$').count().is_multiple_of(2) {
        return None;
    }
    Some(
        "has an unclosed macro, because dollar signs come in pairs; write $$ for a literal dollar sign"
            .into(),
    )
}

/// Converts free JSON, checking every string, key, number and the depth.
///
/// # Errors
/// If a string, a key, a number or the depth is refused: its path below `path`, what is
/// wrong, and what to do.
pub fn from_json(
    json: &serde_json::Value,
    path: &str,
    depth: usize,
    bytes: &mut usize,
) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("{path}: is nested more than {MAX_DEPTH} levels deep; make it flatter"));
    }
    Ok(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(number) => {
            // Compared as an integer: as a double it would have been rounded already.
            let too_large = number.as_i64().is_some_and(|n| n.unsigned_abs() > MAX_WHOLE as u64)
                || number.as_u64().is_some_and(|n| n > MAX_WHOLE as u64);
            let value = number.as_f64().filter(|n| n.is_finite() && !too_large);
            match value {
                Some(n) if n.fract() != 0.0 || n.abs() <= MAX_WHOLE => Value::Number(n),
                _ => {
                    return Err(format!(
                        "{path}: {number} is beyond ±2^53, and Icinga would round it; write it as a string"
                    ));
                }
            }
        }
        serde_json::Value::String(text) => {
            *bytes += text.len();
            if let Some(problem) = text_problem(text).or_else(|| macro_problem(text)) {
                return Err(format!("{path}: {problem}"));
            }
            Value::String(text.clone())
        }
        serde_json::Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(i, item)| from_json(item, &format!("{path}[{i}]"), depth + 1, bytes))
                .collect::<Result<_, _>>()?,
        ),
        serde_json::Value::Object(map) => {
            let mut out = BTreeMap::new();
            for (key, item) in map {
                *bytes += key.len();
                if let Some(problem) = text_problem(key) {
                    return Err(format!("{path}: the key {} {problem}", quoted(key)));
                }
                out.insert(
                    key.clone(),
                    from_json(item, &format!("{path}[{}]", quoted(key)), depth + 1, bytes)?,
                );
            }
            Value::Dictionary(out)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_macros() {
        assert_eq!(text_problem("a\n\t\"{{{ */ ü"), None);
        assert!(text_problem("a\0").is_some_and(|p| p.contains("U+0000") && p.contains("byte 1")));
        assert!(text_problem("\u{7f}").is_some());
        assert_eq!(macro_problem("$a$ and $$"), None);
        assert!(macro_problem("cost $5").is_some());
    }

    #[test]
    fn json_is_bounded() {
        let mut deep = serde_json::json!(1);
        for _ in 0..MAX_DEPTH + 1 {
            deep = serde_json::json!([deep]);
        }
        assert!(from_json(&deep, "vars", 0, &mut 0).is_err());
        assert!(from_json(&serde_json::json!(9007199254740993u64), "vars", 0, &mut 0).is_err());
        assert!(from_json(&serde_json::json!(-9007199254740992i64), "vars", 0, &mut 0).is_ok());
        assert!(from_json(&serde_json::json!(1e300), "vars", 0, &mut 0).is_err());
        let error = from_json(&serde_json::json!({"a": [{"b": "\u{1}"}]}), "vars", 0, &mut 0).unwrap_err();
        assert!(error.starts_with(r#"vars["a"][0]["b"]:"#), "{error}");
    }
}
