//! Evaluates an expression as Icinga does with the text that `render` makes of it, guards included.

use super::host::Host;
use super::values::{Evaluated, Stop, add, contains, equal, is_true, matched_text, number_text};
use crate::validate::expression::{
    Attribute, Comparison, Entries, Expression, Subject, Type, pattern_matches,
};
use crate::validate::value::Value;
use std::collections::BTreeMap;

/// What an expression may read.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub host: &'a Host,
    /// Key and value of the entry of a `forEach`.
    pub entry: Option<(&'a str, &'a Value)>,
}

impl Scene<'_> {
    /// Returns whether a condition is true. An error is never left: conditions have guards.
    pub fn holds(&self, condition: &Expression) -> Result<bool, Stop> {
        self.guarded(condition).map(|value| is_true(&value))
    }

    /// Evaluates a value as it is rendered where no error is caught.
    pub fn guarded(&self, expression: &Expression) -> Evaluated {
        use Expression as E;
        let boolean = |is_true| Ok(Value::Boolean(is_true));
        match expression {
            E::And(left, right) => {
                let left = self.guarded(left)?;
                if is_true(&left) { self.guarded(right) } else { Ok(left) }
            }
            E::Or(left, right) => {
                let left = self.guarded(left)?;
                if is_true(&left) { Ok(left) } else { self.guarded(right) }
            }
            E::Not(inner) => boolean(!self.holds(inner)?),
            E::Compare(comparison, left, right) => {
                boolean(compare(*comparison, &self.guarded(left)?, &self.guarded(right)?)?)
            }
            E::In(left, right) => {
                let (left, right) = (self.guarded(left)?, self.guarded(right)?);
                match right {
                    Value::Array(items) => boolean(contains(&items, &left)?),
                    _ => boolean(false),
                }
            }
            E::Match(pattern, operand, entries) => {
                boolean(matches_all(pattern, &self.guarded(operand)?, *entries)?)
            }
            E::Regex(_, operand, _) | E::InNetwork(_, operand, _) => match self.guarded(operand)? {
                Value::Dictionary(_) => boolean(false),
                _ => Err(Stop::Unknown),
            },
            E::Length(operand) => Ok(Value::Number(match self.guarded(operand)? {
                Value::String(text) => text.len() as f64,
                Value::Array(items) => items.len() as f64,
                Value::Dictionary(entries) => entries.len() as f64,
                Value::Joined(_) => return Err(Stop::Unknown),
                Value::Null | Value::Boolean(_) | Value::Number(_) => 0.0,
            })),
            E::HostHasService(_) | E::Constant(_) | E::Exists(..) => Err(Stop::Unknown),
            E::Add(..) => self.caught(expression, Value::Null),
            E::Contains(..) => self.caught(expression, Value::Boolean(false)),
            E::Replace(..) => self.caught(expression, Value::Null),
            E::IsType(operand, kind) => {
                let value = self.raw(operand).map_err(|_| Stop::Unknown)?;
                boolean(is_of(&value, *kind)?)
            }
            E::List(items) => {
                items.iter().map(|item| self.guarded(item)).collect::<Result<_, _>>().map(Value::Array)
            }
            E::Dictionary(entries) => dictionary(entries, |item| self.guarded(item)),
            E::Attribute(attribute) => self.attribute(attribute),
            E::Text(text) => Ok(Value::String(text.clone())),
            E::Number(number) => Ok(Value::Number(*number)),
            E::Boolean(is_true) => boolean(*is_true),
            E::Null => Ok(Value::Null),
        }
    }

    /// Evaluates a value as it is rendered where an error is caught.
    pub fn raw(&self, expression: &Expression) -> Evaluated {
        match expression {
            Expression::Add(left, right) => add(self.raw(left)?, self.raw(right)?),
            Expression::Contains(whole, part) => {
                let whole = self.raw(whole)?;
                has(&whole, || self.raw(part)).map(Value::Boolean)
            }
            Expression::Replace(whole, from, to) => match self.raw(whole)? {
                Value::String(text) => Ok(Value::String(text.replace(from.as_str(), to))),
                Value::Joined(_) => Err(Stop::Unknown),
                _ => Err(Stop::Fails),
            },
            Expression::List(items) => {
                items.iter().map(|item| self.raw(item)).collect::<Result<_, _>>().map(Value::Array)
            }
            Expression::Dictionary(entries) => dictionary(entries, |item| self.raw(item)),
            other => self.guarded(other),
        }
    }

    fn caught(&self, expression: &Expression, otherwise: Value) -> Evaluated {
        match self.raw(expression) {
            Err(Stop::Fails) => Ok(otherwise),
            evaluated => evaluated,
        }
    }

    /// Returns an attribute. Below something that is no dictionary it is null.
    pub fn attribute(&self, attribute: &Attribute) -> Evaluated {
        let start = match (attribute.subject, self.entry) {
            (Subject::Key, Some((key, _))) => &Value::String(key.to_owned()),
            (Subject::Value, Some((_, value))) => value,
            (Subject::Host, _) => self.host.field(attribute.field).ok_or(Stop::Unknown)?,
            _ => return Err(Stop::Unknown),
        };
        let below = |value: &Value, key: &String| match value {
            Value::Dictionary(entries) => entries.get(key).cloned().unwrap_or(Value::Null),
            _ => Value::Null,
        };
        let value = match attribute.keys.split_first() {
            None => start.clone(),
            Some((first, rest)) => rest.iter().fold(below(start, first), |value, key| below(&value, key)),
        };
        if value.is_known() { Ok(value) } else { Err(Stop::Unknown) }
    }
}

fn dictionary(entries: &[(String, Expression)], item: impl Fn(&Expression) -> Evaluated) -> Evaluated {
    let entries: Result<BTreeMap<_, _>, _> =
        entries.iter().map(|(key, expression)| Ok((key.clone(), item(expression)?))).collect();
    entries.map(Value::Dictionary)
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Result<bool, Stop> {
    let order = match (comparison, left, right) {
        (Comparison::Equal, ..) => return equal(left, right),
        (Comparison::NotEqual, ..) => return equal(left, right).map(|is_equal| !is_equal),
        (_, Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (_, Value::String(left), Value::String(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        _ => None,
    };
    Ok(order.is_some_and(|order| match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        Comparison::Equal | Comparison::NotEqual => false,
    }))
}

fn matches_all(pattern: &str, operand: &Value, entries: Entries) -> Result<bool, Stop> {
    let one = |value: &Value| {
        let text = matched_text(value).ok_or(Stop::Unknown)?;
        pattern_matches(pattern, &text).ok_or(Stop::Unknown)
    };
    match operand {
        Value::Dictionary(_) => Ok(false),
        Value::Array(items) => {
            for item in items {
                if one(item)? != (entries == Entries::All) {
                    return Ok(entries == Entries::Any);
                }
            }
            Ok(entries == Entries::All && !items.is_empty())
        }
        value => one(value),
    }
}

fn is_of(value: &Value, kind: Type) -> Result<bool, Stop> {
    Ok(match value {
        Value::Null => false,
        Value::Boolean(_) => kind == Type::Boolean,
        Value::Number(_) => kind == Type::Number,
        Value::String(_) => kind == Type::String,
        Value::Joined(_) => return Err(Stop::Unknown),
        Value::Array(_) => kind == Type::Array,
        Value::Dictionary(_) => kind == Type::Dictionary,
    })
}

/// Returns what the method `contains` of a value says.
fn has(whole: &Value, part: impl FnOnce() -> Evaluated) -> Result<bool, Stop> {
    match whole {
        Value::Array(items) => contains(items, &part()?),
        Value::String(whole) => match part()? {
            Value::String(part) => Ok(whole.contains(&part)),
            Value::Number(part) => Ok(whole.contains(&number_text(part))),
            Value::Null => Ok(true),
            _ => Err(Stop::Unknown),
        },
        // An entry of this name is no function.
        Value::Dictionary(entries) if entries.contains_key("contains") => Err(Stop::Fails),
        Value::Dictionary(entries) => match part()? {
            Value::String(key) => Ok(entries.contains_key(&key)),
            Value::Number(key) => Ok(entries.contains_key(&number_text(key))),
            _ => Err(Stop::Unknown),
        },
        Value::Null | Value::Boolean(_) | Value::Number(_) => Err(Stop::Fails),
        Value::Joined(_) => Err(Stop::Unknown),
    }
}
