//! Calls and operators.

use super::{Names, Printed, Strength, Unsaid, Value, all, is_true, tested, text_of, value};
use crate::api::IcingaType;
use crate::import::document::Node;
use crate::import::language::{BinaryOperator, Expression, Kind, UnaryOperator};
use crate::import::report::Reason;
use std::collections::BTreeMap;

pub(super) fn call(
    expression: &Expression,
    function: &Expression,
    arguments: &[Expression],
    scope: &dyn Names,
) -> Result<Value, Unsaid> {
    let unknown = || {
        Unsaid::of(
            expression,
            Reason::Call,
            "write the condition with the operators and functions of docs/language.md",
        )
    };
    let printed =
        |argument: &Expression| value(argument, scope)?.print(argument.at).map(|printed| printed.text);
    match &function.kind {
        Kind::Name(name) => match (name.as_str(), arguments) {
            ("match" | "regex" | "cidr_match", [_, _] | [_, _, _]) => {
                let mut texts = Vec::new();
                for (i, argument) in arguments.iter().enumerate() {
                    texts.push(match &argument.kind {
                        Kind::Array(_) if i == 0 && name == "match" => pattern_of_list(argument, scope)?,
                        Kind::Name(mode) if i == 2 && matches!(mode.as_str(), "MatchAll" | "MatchAny") => {
                            mode.clone()
                        }
                        _ => printed(argument)?,
                    });
                }
                Ok(Value::Expression(Printed::atom(format!("{name}({})", texts.join(", ")))))
            }
            ("len" | "typeof", [argument]) => {
                Ok(Value::Expression(Printed::atom(format!("{name}({})", printed(argument)?))))
            }
            ("string", [argument]) => match value(argument, scope)? {
                Value::Constant(node) => {
                    text_of(&node).map(|text| Value::Constant(Node::Text(text))).ok_or_else(unknown)
                }
                _ => Err(unknown()),
            },
            ("get_object", [kind, argument]) => {
                let kind = match &kind.kind {
                    Kind::Name(kind) | Kind::Text(kind) => IcingaType::named(kind),
                    _ => None,
                };
                let kind = kind.filter(|kind| !kind.is_attached()).ok_or_else(unknown)?;
                let name = value(argument, scope)?.print(argument.at)?.text;
                Ok(Value::Expression(Printed::atom(format!("get_object({kind}, {name})"))))
            }
            ("get_host", [argument]) => {
                let name = value(argument, scope)?.print(argument.at)?.text;
                Ok(Value::Expression(Printed::atom(format!("get_object(Host, {name})"))))
            }
            _ => Err(unknown()),
        },
        Kind::Member(inner, method) => match (method.as_str(), arguments) {
            ("contains", [argument]) => {
                let inner = value(inner, scope)?.print(inner.at)?.inside(Strength::Atom);
                Ok(Value::Expression(Printed::atom(format!("{inner}.contains({})", printed(argument)?))))
            }
            ("replace", [from, to]) => match (value(inner, scope)?, value(from, scope)?, value(to, scope)?) {
                (_, Value::Constant(Node::Text(from)), _) if from.is_empty() => Err(unknown()),
                (
                    Value::Constant(Node::Text(text)),
                    Value::Constant(Node::Text(from)),
                    Value::Constant(Node::Text(to)),
                ) => Ok(Value::Constant(Node::Text(text.replace(&from, &to)))),
                (
                    Value::Expression(inner @ Printed { strength: Strength::Atom, .. }),
                    from @ Value::Constant(Node::Text(_)),
                    to @ Value::Constant(Node::Text(_)),
                ) => {
                    let (from, to) = (from.print(expression.at)?.text, to.print(expression.at)?.text);
                    Ok(Value::Expression(Printed::atom(format!("{}.replace({from}, {to})", inner.text))))
                }
                _ => Err(unknown()),
            },
            ("len", []) => Ok(Value::Expression(Printed::atom(format!("len({})", printed(inner)?)))),
            ("to_string", []) => match value(inner, scope)? {
                Value::Constant(node) => {
                    text_of(&node).map(|text| Value::Constant(Node::Text(text))).ok_or_else(unknown)
                }
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

/// Returns the pattern that Icinga makes of a list, which it reads as one text.
fn pattern_of_list(list: &Expression, scope: &dyn Names) -> Result<String, Unsaid> {
    let wrong = || Unsaid::of(list, Reason::Form, "write match() once for each pattern, with || between");
    let Value::Constant(Node::List(items)) = value(list, scope)? else { return Err(wrong()) };
    let item = |item: &Node| match item {
        // How Icinga writes other values in a text differs between them.
        Node::Text(text) if !text.contains(char::is_control) => {
            Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        }
        _ => None,
    };
    let items = items.iter().map(item).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    let text = if items.is_empty() { "[ ]".to_owned() } else { format!("[ {} ]", items.join(", ")) };
    Value::Constant(Node::Text(text)).print(list.at).map(|printed| printed.text)
}

pub(super) fn unary(
    expression: &Expression,
    operator: UnaryOperator,
    inner: &Expression,
    scope: &dyn Names,
) -> Result<Value, Unsaid> {
    let mut given = value(inner, scope)?;
    if operator == UnaryOperator::Not {
        given = tested(given);
    }
    match (operator, given) {
        (UnaryOperator::Minus, Value::Constant(Node::Number(value))) => {
            Ok(Value::Constant(Node::Number(-value)))
        }
        (UnaryOperator::Plus, given) => Ok(given),
        (UnaryOperator::Not, Value::Constant(node)) => Ok(Value::Constant(Node::Boolean(!is_true(&node)))),
        (UnaryOperator::Not, given) => {
            let text = format!("!{}", given.print(inner.at)?.inside(Strength::Not));
            Ok(Value::Expression(Printed { text, strength: Strength::Not }))
        }
        _ => Err(Unsaid::of(expression, Reason::Form, "write the value itself")),
    }
}

pub(super) fn chain(
    expression: &Expression,
    operator: BinaryOperator,
    operands: &[Expression],
    scope: &dyn Names,
) -> Result<Value, Unsaid> {
    let values = all(expression, operands, scope)?;
    if operator == BinaryOperator::Add {
        return add(expression, operands, values);
    }
    let strength = if operator == BinaryOperator::Or { Strength::Or } else { Strength::And };
    let mut texts = Vec::new();
    for (value, operand) in values.iter().zip(operands) {
        texts.push(tested(value.clone()).print(operand.at)?.inside(strength));
    }
    Ok(Value::Expression(Printed { text: texts.join(&format!(" {} ", operator.as_str())), strength }))
}

/// Adds, and joins neighbours that are constants.
fn add(expression: &Expression, operands: &[Expression], values: Vec<Value>) -> Result<Value, Unsaid> {
    let at = expression.at;
    let mut joined: Vec<Value> = Vec::new();
    let starts_constant = matches!(values.first(), Some(Value::Constant(_)));
    for value in values {
        let is_start = starts_constant && joined.len() == 1;
        let last = joined.last_mut();
        match (last, value) {
            (Some(Value::Constant(left)), Value::Constant(right)) => {
                if let Err(right) = plus(left, right, is_start) {
                    joined.push(Value::Constant(right));
                }
            }
            (_, value) => joined.push(value),
        }
    }
    if joined.len() == 1
        && let Some(Value::Constant(node)) = joined.pop()
    {
        return Ok(Value::Constant(node));
    }
    if joined.iter().all(|value| matches!(value, Value::Constant(_))) {
        return Err(Unsaid::of(expression, Reason::Form, "write the value itself"));
    }
    let texts = joined.iter().map(|value| value.print(at).map(|printed| printed.inside(Strength::Not)));
    let _ = operands;
    Ok(Value::Expression(Printed {
        text: texts.collect::<Result<Vec<_>, _>>()?.join(" + "),
        strength: Strength::Add,
    }))
}

/// Adds a constant to another as Icinga adds them, or gives it back. Two numbers behind an
/// expression stay apart, because that may be text.
fn plus(left: &mut Node, right: Node, is_start: bool) -> Result<(), Node> {
    match (&mut *left, right) {
        (Node::Number(a), Node::Number(b)) if is_start => *a += b,
        // What stands before the number may be one, too.
        (Node::Number(_), right @ Node::Text(_)) if !is_start => return Err(right),
        (Node::Text(text), right @ (Node::Text(_) | Node::Number(_))) => match text_of(&right) {
            Some(more) => text.push_str(&more),
            None => return Err(right),
        },
        (Node::Number(_), right @ Node::Text(_)) => match (text_of(left), text_of(&right)) {
            (Some(text), Some(more)) => *left = Node::Text(text + &more),
            _ => return Err(right),
        },
        (Node::Text(_) | Node::List(_) | Node::Map(_), Node::Null) => {}
        (Node::Null, right @ (Node::Text(_) | Node::List(_) | Node::Map(_))) => *left = right,
        (Node::List(items), Node::List(more)) => items.extend(more),
        (Node::Map(entries), Node::Map(more)) => {
            let mut places: BTreeMap<String, usize> =
                entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
            for (key, value) in more {
                match places.get(&key) {
                    Some(at) => entries[*at].1 = value,
                    None => {
                        places.insert(key.clone(), entries.len());
                        entries.push((key, value));
                    }
                }
            }
        }
        (_, right) => return Err(right),
    }
    Ok(())
}

pub(super) fn binary(
    expression: &Expression,
    operator: BinaryOperator,
    left: &Expression,
    right: &Expression,
    scope: &dyn Names,
) -> Result<Value, Unsaid> {
    use BinaryOperator::{
        Divide, Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, Modulo, Multiply, NotEqual, NotIn,
        Subtract,
    };
    let types = ["String", "Number", "Boolean", "Array", "Dictionary"];
    let is_typeof = |side: &Expression| matches!(&side.kind, Kind::Call(function, _) if matches!(&function.kind, Kind::Name(name) if name == "typeof"));
    // The type in `typeof(x) == Array` is no variable.
    let side = |side: &Expression, other: &Expression| match &side.kind {
        Kind::Name(name) if is_typeof(other) && types.contains(&name.as_str()) => {
            Ok(Value::Expression(Printed::atom(name)))
        }
        _ => value(side, scope),
    };
    let (a, b) = (side(left, right)?, side(right, left)?);
    match operator {
        Subtract | Multiply | Divide | Modulo => {
            if let (Value::Constant(Node::Number(a)), Value::Constant(Node::Number(b))) = (&a, &b) {
                let result = match operator {
                    Subtract => a - b,
                    Multiply => a * b,
                    Divide => a / b,
                    _ => a % b,
                };
                if result.is_finite() {
                    return Ok(Value::Constant(Node::Number(result)));
                }
            }
            Err(Unsaid::of(expression, Reason::Form, "write the result itself"))
        }
        Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual | In | NotIn => {
            // Icinga takes constants of different types for equal if both are empty, and dictionaries
            // if they are one.
            if let (Equal | NotEqual, Value::Constant(a), Value::Constant(b)) = (operator, &a, &b)
                && matches!(
                    (a, b),
                    (Node::Text(_), Node::Text(_))
                        | (Node::Number(_), Node::Number(_))
                        | (Node::Boolean(_), Node::Boolean(_))
                )
            {
                return Ok(Value::Constant(Node::Boolean((a == b) == (operator == Equal))));
            }
            let operand = |value: &Value, side: &Expression| {
                value.print(side.at).map(|printed| printed.inside(Strength::Not))
            };
            let text = format!("{} {} {}", operand(&a, left)?, operator.as_str(), operand(&b, right)?);
            Ok(Value::Expression(Printed { text, strength: Strength::Compare }))
        }
        _ => Err(Unsaid::of(expression, Reason::Form, "write the value itself")),
    }
}
