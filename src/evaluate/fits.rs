//! Whether a value fits a field: the same questions as the guards that `render` makes.

use super::values::{Stop, number, number_text};
use crate::api::IcingaType;
use crate::api::objects::Kind;
use crate::validate::value::Value;
use std::collections::BTreeSet;

/// Longest duration that is taken, in seconds.
const MAX_SECONDS: f64 = 1e9;
/// Longest times of a day.
const MAX_TIMES: usize = 1000;

/// Why a value is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The field takes another type, or a number in a range.
    Kind(String),
    /// There is no object of this type and name.
    Object(IcingaType, String),
}

/// What becomes of a value.
#[derive(Debug, PartialEq)]
pub(super) struct Fit {
    /// What the field gets. None if it keeps what it had.
    pub taken: Option<Value>,
    /// What is left out. A variable that is not set is left out on purpose.
    pub missing: Vec<Missing>,
}

/// What an evaluation knows of other objects.
pub(super) type Exists<'a> = &'a dyn Fn(IcingaType, &str) -> bool;

/// Returns what becomes of a value in a field of a kind.
pub(super) fn fitting(kind: Kind, value: &Value, exists: Exists<'_>) -> Result<Fit, Stop> {
    if !value.is_known() {
        return Err(Stop::Unknown);
    }
    let other = || match value {
        Value::Null => Fit { taken: None, missing: Vec::new() },
        _ => Fit { taken: None, missing: vec![Missing::Kind(kind.words())] },
    };
    let taken = |value: Value| Fit { taken: Some(value), missing: Vec::new() };
    let text = || match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number_text(*number)),
        _ => None,
    };
    let ranged = |fits: &dyn Fn(f64) -> bool| {
        let found = match value {
            Value::Number(number) => Some(*number),
            Value::String(text) => number(text),
            _ => None,
        };
        found.filter(|number| fits(*number)).map_or_else(other, |number| taken(Value::Number(number)))
    };
    Ok(match kind {
        Kind::Text => text().map_or_else(other, |text| taken(Value::String(text))),
        Kind::SomeText => {
            text().filter(|text| !text.is_empty()).map_or_else(other, |text| taken(Value::String(text)))
        }
        Kind::Duration => ranged(&|number| number > 0.0 && number <= MAX_SECONDS),
        Kind::DurationOrZero => ranged(&|number| (0.0..=MAX_SECONDS).contains(&number)),
        Kind::Number(min, max) => ranged(&|number| number >= f64::from(min) && number <= f64::from(max)),
        Kind::Boolean => match value {
            Value::Boolean(is_true) => taken(Value::Boolean(*is_true)),
            Value::Number(number) => taken(Value::Boolean(*number != 0.0)),
            _ => other(),
        },
        Kind::Name(kind) => match value {
            Value::String(name) if name.is_empty() => Fit { taken: None, missing: Vec::new() },
            Value::String(name) if exists(kind, name) => taken(Value::String(name.clone())),
            Value::String(name) => Fit { taken: None, missing: vec![Missing::Object(kind, name.clone())] },
            _ => other(),
        },
        Kind::Names(kind) | Kind::MoreNames(kind) => match value {
            Value::Array(items) => names(kind, items, exists, false),
            _ => other(),
        },
        Kind::SomeNames(kind) => match value {
            Value::Array(items) => names(kind, items, exists, true),
            _ => other(),
        },
        // Whether it is near depends on the zones.
        Kind::Endpoint => match value {
            Value::String(name) if name.is_empty() => Fit { taken: None, missing: Vec::new() },
            Value::String(name) if exists(IcingaType::Endpoint, name) => return Err(Stop::Unknown),
            Value::String(name) => {
                Fit { taken: None, missing: vec![Missing::Object(IcingaType::Endpoint, name.clone())] }
            }
            _ => other(),
        },
    })
}

fn names(kind: IcingaType, items: &[Value], exists: Exists<'_>, needs_one: bool) -> Fit {
    let (mut found, mut missing) = (BTreeSet::new(), Vec::new());
    for item in items {
        match item {
            Value::String(name) if name.is_empty() => {}
            Value::String(name) if exists(kind, name) => {
                found.insert(name.clone());
            }
            Value::String(name) => missing.push(Missing::Object(kind, name.clone())),
            _ => missing.push(Missing::Kind(format!("the name of a {kind}"))),
        }
    }
    // Icinga sorts a list that it makes unique.
    let list = found.into_iter().map(Value::String).collect::<Vec<_>>();
    let taken = (!needs_one || !list.is_empty()).then_some(Value::Array(list));
    Fit { taken, missing }
}

/// True for what a custom variable may hold.
pub(super) fn is_variable(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(has_pairs),
        Value::Dictionary(entries) => entries.values().all(has_pairs),
        value => has_pairs(value),
    }
}

/// True if dollar signs come in pairs, in text.
fn has_pairs(value: &Value) -> bool {
    !matches!(value, Value::String(text) if text.matches('$').count() % 2 == 1)
}

/// True for times of a day, as the guard of `ranges` takes them.
pub(super) fn are_times(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    !text.is_empty() && text.len() <= MAX_TIMES && text.split(',').all(is_time)
}

/// A range of the same midnight is the whole day for Icinga, and refused.
fn is_time(range: &str) -> bool {
    let Some((begin, end)) = range.split_once('-') else { return false };
    let (Some(begin), Some(end)) = (clock(begin), clock(end)) else { return false };
    begin.0 < 24 && (end.0 < 24 || end == (24, 0, 0)) && !(begin == (0, 0, 0) && end == (0, 0, 0))
}

fn clock(text: &str) -> Option<(u8, u8, u8)> {
    let parts: Vec<_> = text.split(':').collect();
    let two = |part: &str, most: u8| {
        let is_plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u8>().ok().filter(|number| is_plain && *number <= most)
    };
    match parts[..] {
        [hour, minute] => Some((two(hour, 24)?, two(minute, 59)?, 0)),
        [hour, minute, second] => Some((two(hour, 24)?, two(minute, 59)?, two(second, 59)?)),
        _ => None,
    }
}
