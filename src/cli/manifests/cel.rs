//! The part of CEL that the CRD's rules are written in. A test of the CRD fails for a rule that
//! this cannot read, so none is forgotten.

use serde_json::Value;

/// An expression.
#[derive(Debug)]
pub(super) enum Expression {
    Literal(Value),
    Variable(String),
    Field(Box<Self>, String),
    Has(Box<Self>, String),
    Size(Box<Self>),
    Not(Box<Self>),
    Binary(&'static str, Box<Self>, Box<Self>),
    Choice(Box<Self>, Box<Self>, Box<Self>),
    /// True if the condition holds for every item of a list, or entry name of a map.
    All(Box<Self>, String, Box<Self>),
    /// The same for at least one.
    Exists(Box<Self>, String, Box<Self>),
}

use Expression::{All, Binary, Choice, Exists, Field, Has, Literal, Not, Size, Variable};

impl Expression {
    /// Reads an expression. None if it is not in the part of CEL that is known here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let expression = parser.expression(0)?;
        parser.blanks();
        parser.rest.is_empty().then_some(expression)
    }

    /// True if the expression compares with the object before the change.
    pub(super) fn is_about_changes(text: &str) -> bool {
        text.contains("oldSelf")
    }

    /// Returns whether the expression is true of a value. None if it has no truth value.
    pub(super) fn holds(&self, of: &Value) -> Option<bool> {
        self.value(&mut vec![("self".to_owned(), of.clone())])?.as_bool()
    }

    fn value(&self, known: &mut Vec<(String, Value)>) -> Option<Value> {
        Some(match self {
            Literal(value) => value.clone(),
            Variable(name) => known.iter().rev().find(|(variable, _)| variable == name)?.1.clone(),
            Field(of, name) => of.value(known)?.get(name)?.clone(),
            Has(of, name) => of.value(known)?.get(name).is_some().into(),
            Size(of) => size(&of.value(known)?)?.into(),
            Not(of) => (!of.value(known)?.as_bool()?).into(),
            Binary("&&", one, other) => logic(one, other, false, known)?.into(),
            Binary("||", one, other) => logic(one, other, true, known)?.into(),
            Binary(operator, one, other) => binary(operator, &one.value(known)?, &other.value(known)?)?,
            Choice(which, one, other) => {
                if which.value(known)?.as_bool()? {
                    one.value(known)?
                } else {
                    other.value(known)?
                }
            }
            All(of, name, condition) => {
                let not = |value: Option<bool>| value.map(|value| !value);
                not(any(of, name, &|known| not(condition.value(known)?.as_bool()), known))?.into()
            }
            Exists(of, name, condition) => {
                any(of, name, &|known| condition.value(known)?.as_bool(), known)?.into()
            }
        })
    }
}

/// An operand that decides hides an error of the other, as in CEL.
fn logic(
    one: &Expression,
    other: &Expression,
    decides: bool,
    known: &mut Vec<(String, Value)>,
) -> Option<bool> {
    let mut truth = |of: &Expression| of.value(known).and_then(|value| value.as_bool());
    match (truth(one), truth(other)) {
        (Some(value), _) | (_, Some(value)) if value == decides => Some(decides),
        (Some(_), Some(_)) => Some(!decides),
        _ => None,
    }
}

/// The variables that an expression can read, by name.
type Known = Vec<(String, Value)>;

fn any(
    of: &Expression,
    name: &str,
    condition: &dyn Fn(&mut Known) -> Option<bool>,
    known: &mut Vec<(String, Value)>,
) -> Option<bool> {
    let items: Vec<Value> = match of.value(known)? {
        Value::Array(items) => items,
        Value::Object(entries) => entries.into_iter().map(|(name, _)| Value::String(name)).collect(),
        _ => return None,
    };
    for item in items {
        known.push((name.to_owned(), item));
        let found = condition(known);
        known.pop();
        if found? {
            return Some(true);
        }
    }
    Some(false)
}

fn size(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(entries) => Some(entries.len()),
        _ => None,
    }
}

fn binary(operator: &str, one: &Value, other: &Value) -> Option<Value> {
    let numbers = || one.as_f64().zip(other.as_f64());
    Some(match operator {
        "+" => Value::from(one.as_i64()? + other.as_i64()?),
        "-" => Value::from(one.as_i64()? - other.as_i64()?),
        "in" => match other {
            Value::Array(items) => items.contains(one).into(),
            Value::Object(entries) => entries.contains_key(one.as_str()?).into(),
            _ => return None,
        },
        "==" | "!=" => {
            let same = numbers().map_or_else(|| one == other, |(one, other)| one == other);
            (same == (operator == "==")).into()
        }
        _ => {
            let (one, other) = numbers()?;
            match operator {
                "<=" => one <= other,
                ">=" => one >= other,
                "<" => one < other,
                ">" => one > other,
                _ => return None,
            }
            .into()
        }
    })
}

/// The binary operators, weakest first.
const LEVELS: [&[&str]; 4] = [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">", "in "], &["+", "-"]];
/// Deepest nesting.
const DEPTH_MAX: usize = 50;

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expression(&mut self, depth: usize) -> Option<Expression> {
        if depth > DEPTH_MAX {
            return None;
        }
        let which = self.level(0, depth)?;
        if !self.take("?") {
            return Some(which);
        }
        let one = self.expression(depth + 1)?;
        let other = self.take(":").then(|| self.expression(depth + 1))??;
        Some(Choice(Box::new(which), Box::new(one), Box::new(other)))
    }

    fn level(&mut self, level: usize, depth: usize) -> Option<Expression> {
        let Some(operators) = LEVELS.get(level) else { return self.unary(depth) };
        let mut one = self.level(level + 1, depth)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let other = self.level(level + 1, depth)?;
            one = Binary(operator.trim_end(), Box::new(one), Box::new(other));
        }
        Some(one)
    }

    fn unary(&mut self, depth: usize) -> Option<Expression> {
        if depth > DEPTH_MAX {
            return None;
        }
        if self.take("!") {
            return Some(Not(Box::new(self.unary(depth + 1)?)));
        }
        let mut value = self.primary(depth)?;
        while self.take(".") {
            let name = self.name()?;
            if !self.take("(") {
                value = Field(Box::new(value), name);
                continue;
            }
            value = match name.as_str() {
                "size" => Size(Box::new(value)),
                "all" | "exists" => {
                    self.blanks();
                    let variable = self.name()?;
                    let condition = self.take(",").then(|| self.expression(depth + 1))??;
                    let make = if name == "all" { All } else { Exists };
                    make(Box::new(value), variable, Box::new(condition))
                }
                _ => return None,
            };
            self.take(")").then_some(())?;
        }
        Some(value)
    }

    fn primary(&mut self, depth: usize) -> Option<Expression> {
        if self.take("(") {
            let inside = self.expression(depth + 1)?;
            return self.take(")").then_some(inside);
        }
        self.blanks();
        let first = self.rest.chars().next()?;
        if first == '\'' || first == '"' {
            let (text, rest) = self.rest[1..].split_once(first)?;
            self.rest = rest;
            return (!text.contains('\\')).then(|| Literal(text.into()));
        }
        if first.is_ascii_digit() {
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let number: i64 = self.rest[..end].parse().ok()?;
            self.rest = &self.rest[end..];
            return Some(Literal(number.into()));
        }
        let name = self.name()?;
        match name.as_str() {
            "true" => return Some(Literal(true.into())),
            "false" => return Some(Literal(false.into())),
            _ => {}
        }
        if !self.take("(") {
            return Some(Variable(name));
        }
        let inside = self.expression(depth + 1)?;
        self.take(")").then_some(())?;
        match (name.as_str(), inside) {
            ("has", Field(of, field)) => Some(Has(of, field)),
            ("size", inside) => Some(Size(Box::new(inside))),
            _ => None,
        }
    }

    fn name(&mut self) -> Option<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let name = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_evaluated_as_in_cel() {
        let value = json!({ "a": { "b": [1, 2] }, "c": "ü", "n": "x" });
        for (rule, holds) in [
            ("has(self.a) && !has(self.d)", Some(true)),
            ("(has(self.a) ? 1 : 0) + (has(self.d) ? 1 : 0) == 1", Some(true)),
            ("size(self.a.b) > 1 && size(self.c) <= 1", Some(true)),
            ("!(has(self.a) && has(self.c))", Some(false)),
            ("has(self.d) && self.d.e == 1", Some(false)),
            ("self.d == 1 || has(self.a)", Some(true)),
            ("self.d == 1", None),
            ("self.n in ['x', 'y']", None),
            ("self.a.b.all(i, i > 0) && self.a.b.exists(i, i == 2)", Some(true)),
            ("self.a.b.all(i, i > 1)", Some(false)),
        ] {
            let parsed = Expression::parse(rule);
            assert_eq!(parsed.and_then(|rule| rule.holds(&value)), holds, "{rule}");
        }
        for unknown in ["", "self.", "self.a.matches('x')", "1 +", "has(x)", "self == 'a\\n'"] {
            assert!(Expression::parse(unknown).is_none(), "{unknown}");
        }
    }
}
