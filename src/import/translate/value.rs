//! Values: constants, or expressions of Groundlink's own language, printed from the tree.

use super::scope::Scope;
use crate::import::document::Node;
use crate::import::language::Position;
use crate::import::language::{
    BinaryOperator, Body, Expression, Kind, Statement, StatementKind, UnaryOperator, Word, source,
};
use crate::import::report::Reason;

/// Most elements of a value that is put together.
const MAX_TEXT: usize = 64 * 1024;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Known without Icinga.
    Constant(Node),
    /// An expression that Icinga evaluates.
    Expression(Printed),
    /// A dictionary of which at least one value is an expression.
    Map(Vec<(String, Value)>),
}

/// An expression of Groundlink's language.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Printed {
    /// The text.
    pub(super) text: String,
    /// How close its operator binds.
    pub(super) strength: Strength,
}

/// Binding strength, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    Or,
    And,
    Compare,
    Add,
    Not,
    Atom,
}

/// Why something cannot be said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unsaid {
    pub(super) at: Position,
    pub(super) construct: String,
    pub(super) reason: Reason,
    pub(super) remedy: String,
}

impl Unsaid {
    pub(super) fn new(
        at: Position,
        construct: impl Into<String>,
        reason: Reason,
        remedy: impl Into<String>,
    ) -> Self {
        Self { at, construct: construct.into(), reason, remedy: remedy.into() }
    }

    fn of(expression: &Expression, reason: Reason, remedy: &str) -> Self {
        Self::new(expression.at, source(expression), reason, remedy)
    }
}

impl Printed {
    pub(super) fn atom(text: impl Into<String>) -> Self {
        Self { text: text.into(), strength: Strength::Atom }
    }

    /// Returns the text as an operand of an operator that binds this close.
    pub(super) fn inside(&self, least: Strength) -> String {
        if self.strength < least { format!("({})", self.text) } else { self.text.clone() }
    }
}

impl Value {
    /// Returns the value as an expression.
    ///
    /// # Errors
    /// If expressions cannot have it.
    pub(super) fn print(&self, at: Position) -> Result<Printed, Unsaid> {
        match self {
            Self::Expression(printed) => Ok(printed.clone()),
            Self::Constant(node) => literal(node).map(Printed::atom).ok_or_else(|| {
                Unsaid::new(at, "a dictionary or an odd text", Reason::Form, "name the entries one by one")
            }),
            Self::Map(_) => Err(Unsaid::new(
                at,
                "a dictionary with computed values",
                Reason::Form,
                "name the entries one by one",
            )),
        }
    }
}

/// Prints a constant as an expression. None if expressions cannot have it.
pub(super) fn literal(node: &Node) -> Option<String> {
    Some(match node {
        Node::Null => "null".into(),
        Node::Boolean(value) => value.to_string(),
        Node::Number(value) if value.is_finite() => value.to_string(),
        Node::Number(_) | Node::Map(_) => return None,
        Node::Text(text) => {
            let mut out = String::from("\"");
            for c in text.chars() {
                match c {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\t' => out.push_str("\\t"),
                    c if c.is_control() => return None,
                    c => out.push(c),
                }
            }
            out.push('"');
            out
        }
        Node::List(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}

/// Returns what an expression means, without running anything.
///
/// # Errors
/// If it cannot be said.
pub(super) fn value(expression: &Expression, scope: &Scope) -> Result<Value, Unsaid> {
    let constant = |node| Ok(Value::Constant(node));
    match &expression.kind {
        Kind::Null => constant(Node::Null),
        Kind::Boolean(value) => constant(Node::Boolean(*value)),
        Kind::Number(value, _) => constant(Node::Number(*value)),
        Kind::Text(text) => constant(Node::text(text)),
        Kind::Name(name) => scope.name(name, expression),
        Kind::Word(Word::This | Word::Globals | Word::Locals | Word::CurrentFilename | Word::CurrentLine) => {
            Err(Unsaid::of(expression, Reason::Form, "write the value itself"))
        }
        Kind::Array(items) => array(items, scope),
        Kind::Dictionary(statements) => dictionary(statements, scope),
        Kind::Member(..) | Kind::Index(..) => path(expression, scope),
        Kind::Call(function, arguments) => call(expression, function, arguments, scope),
        Kind::Unary(operator, inner) => unary(expression, *operator, inner, scope),
        Kind::Chain(operator, operands) => chain(expression, *operator, operands, scope),
        Kind::Binary(operator, left, right) => binary(expression, *operator, left, right, scope),
        Kind::Conditional(..) => {
            Err(Unsaid::of(expression, Reason::Form, "use `if` with an assignment in each branch"))
        }
        Kind::If(..) => Err(Unsaid::of(expression, Reason::Form, "assign inside of the branches")),
        Kind::Function(..) => Err(Unsaid::of(
            expression,
            Reason::Function,
            "write the value itself, or keep the object in Icinga's configuration and list it in externalObjects",
        )),
    }
}

fn array(items: &[Expression], scope: &Scope) -> Result<Value, Unsaid> {
    let values = items.iter().map(|item| value(item, scope)).collect::<Result<Vec<_>, _>>()?;
    let constants: Option<Vec<Node>> = values
        .iter()
        .map(|value| match value {
            Value::Constant(node) => Some(node.clone()),
            _ => None,
        })
        .collect();
    if let Some(constants) = constants {
        return Ok(Value::Constant(Node::List(constants)));
    }
    let printed =
        values.iter().zip(items).map(|(value, item)| value.print(item.at).map(|printed| printed.text));
    Ok(Value::Expression(Printed::atom(format!("[{}]", printed.collect::<Result<Vec<_>, _>>()?.join(", ")))))
}

fn dictionary(statements: &[Statement], scope: &Scope) -> Result<Value, Unsaid> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    for statement in statements {
        let StatementKind::Set(target, operator, given) = &statement.kind else {
            return Err(Unsaid::new(
                statement.at,
                "a statement inside of a dictionary",
                Reason::Form,
                "write entries only",
            ));
        };
        let keys = keys(target, scope)?;
        let [key] = keys.as_slice() else {
            // `a.b = 1` inside of a dictionary.
            return Err(Unsaid::of(target, Reason::Form, "write the inner dictionary in full"));
        };
        let given = value(given, scope)?;
        let old = entries.iter().position(|(known, _)| known == key);
        let new = match (operator.as_str(), old) {
            ("=", _) => given,
            // Adding to nothing.
            ("+=", None) => given,
            _ => return Err(Unsaid::of(target, Reason::Operator, "write the whole value with `=`")),
        };
        match old {
            Some(at) => entries[at].1 = new,
            None => entries.push((key.clone(), new)),
        }
    }
    let constants: Option<Vec<(String, Node)>> = entries
        .iter()
        .map(|(key, value)| match value {
            Value::Constant(node) => Some((key.clone(), node.clone())),
            _ => None,
        })
        .collect();
    Ok(constants.map_or(Value::Map(entries), |constants| Value::Constant(Node::Map(constants))))
}

/// Returns the keys of a target below an object or a dictionary: `a`, `a.b["c"]`, `"a"`.
///
/// # Errors
/// If a key is computed.
pub(super) fn keys(target: &Expression, scope: &Scope) -> Result<Vec<String>, Unsaid> {
    match &target.kind {
        Kind::Name(name) | Kind::Text(name) => Ok(vec![name.clone()]),
        Kind::Word(Word::This) => Ok(Vec::new()),
        Kind::Member(inner, name) => {
            let mut keys = keys(inner, scope)?;
            keys.push(name.clone());
            Ok(keys)
        }
        Kind::Index(inner, key) => {
            let mut keys = keys(inner, scope)?;
            keys.push(key_text(key, scope)?);
            Ok(keys)
        }
        _ => Err(Unsaid::of(target, Reason::Operator, "name the attribute itself")),
    }
}

fn key_text(key: &Expression, scope: &Scope) -> Result<String, Unsaid> {
    match value(key, scope)? {
        Value::Constant(Node::Text(text)) => Ok(text),
        Value::Constant(Node::Number(number)) => Ok(number.to_string()),
        _ => Err(Unsaid::of(key, Reason::Computed, "write the key as text")),
    }
}

/// Reads `inner.name` and `inner[key]`.
fn path(expression: &Expression, scope: &Scope) -> Result<Value, Unsaid> {
    let (inner, key) = match &expression.kind {
        Kind::Member(inner, name) => (inner, name.clone()),
        Kind::Index(inner, key) => (inner, key_text(key, scope)?),
        _ => return Err(Unsaid::of(expression, Reason::Form, "write the value itself")),
    };
    if matches!(inner.kind, Kind::Word(Word::This)) {
        return scope.own(&[key], expression);
    }
    if matches!(inner.kind, Kind::Word(Word::Globals)) {
        return scope.name(&key, expression);
    }
    if let Some(value) = scope.own_path(expression)? {
        return Ok(value);
    }
    match value(inner, scope)? {
        Value::Constant(Node::Map(entries)) => {
            let found = entries.into_iter().find(|(known, _)| *known == key).map(|(_, value)| value);
            Ok(Value::Constant(found.unwrap_or(Node::Null)))
        }
        Value::Constant(Node::List(items)) => {
            let found = key.parse::<usize>().ok().and_then(|at| items.into_iter().nth(at));
            found
                .map(Value::Constant)
                .ok_or_else(|| Unsaid::of(expression, Reason::Form, "write the value itself"))
        }
        Value::Expression(Printed { text, strength: Strength::Atom }) => {
            // Only these are paths; `NodeName` and a call are not.
            let head = text.split(['.', '[']).next().unwrap_or_default();
            if !["host", "service", "user", "value"].contains(&head) || text.ends_with(')') {
                return Err(Unsaid::of(expression, Reason::Form, "write the value itself"));
            }
            let is_word = !key.is_empty()
                && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !key.starts_with(|c: char| c.is_ascii_digit());
            let text = if is_word {
                format!("{text}.{key}")
            } else {
                let key = literal(&Node::text(&key))
                    .ok_or_else(|| Unsaid::of(expression, Reason::Form, "rename the key"))?;
                format!("{text}[{key}]")
            };
            // In a rule for services, the host is reached both ways.
            let text = match text.strip_prefix("service.host") {
                Some(rest) if rest.starts_with('.') => format!("host{rest}"),
                _ => text,
            };
            Ok(Value::Expression(Printed::atom(text)))
        }
        _ => Err(Unsaid::of(expression, Reason::Form, "write the value itself")),
    }
}

fn call(
    expression: &Expression,
    function: &Expression,
    arguments: &[Expression],
    scope: &Scope,
) -> Result<Value, Unsaid> {
    let unknown = || {
        Unsaid::of(
            expression,
            Reason::Call,
            "write the condition with the operators and functions of docs/objects.md",
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
            _ => Err(unknown()),
        },
        Kind::Member(inner, method) => match (method.as_str(), arguments) {
            ("contains", [argument]) => {
                let inner = value(inner, scope)?.print(inner.at)?.inside(Strength::Atom);
                Ok(Value::Expression(Printed::atom(format!("{inner}.contains({})", printed(argument)?))))
            }
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

fn unary(
    expression: &Expression,
    operator: UnaryOperator,
    inner: &Expression,
    scope: &Scope,
) -> Result<Value, Unsaid> {
    let given = value(inner, scope)?;
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

/// Returns whether Icinga takes a constant as true.
pub(super) fn is_true(node: &Node) -> bool {
    match node {
        Node::Null => false,
        Node::Boolean(value) => *value,
        Node::Number(value) => *value != 0.0,
        Node::Text(text) => !text.is_empty(),
        Node::List(_) | Node::Map(_) => !node.is_empty(),
    }
}

fn chain(
    expression: &Expression,
    operator: BinaryOperator,
    operands: &[Expression],
    scope: &Scope,
) -> Result<Value, Unsaid> {
    let values = operands.iter().map(|operand| value(operand, scope)).collect::<Result<Vec<_>, _>>()?;
    if operator == BinaryOperator::Add {
        return add(expression, operands, values);
    }
    let strength = if operator == BinaryOperator::Or { Strength::Or } else { Strength::And };
    let mut texts = Vec::new();
    for (value, operand) in values.iter().zip(operands) {
        texts.push(value.print(operand.at)?.inside(strength));
    }
    Ok(Value::Expression(Printed { text: texts.join(&format!(" {} ", operator.as_str())), strength }))
}

/// Adds, and joins neighbours that are constants.
fn add(expression: &Expression, operands: &[Expression], values: Vec<Value>) -> Result<Value, Unsaid> {
    let at = expression.at;
    let mut joined: Vec<Value> = Vec::new();
    let starts_constant = matches!(values.first(), Some(Value::Constant(_)));
    for value in values {
        let last = joined.last_mut();
        match (last, value) {
            (Some(Value::Constant(left)), Value::Constant(right)) => {
                match plus(left, &right, starts_constant) {
                    Some(sum) => *left = sum,
                    None => joined.push(Value::Constant(right)),
                }
            }
            (_, value) => joined.push(value),
        }
    }
    if joined.len() == 1
        && let Some(Value::Constant(node)) = joined.pop()
    {
        if matches!(&node, Node::Text(text) if text.len() > MAX_TEXT) {
            return Err(Unsaid::of(expression, Reason::Value, "make the text shorter"));
        }
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

/// Returns the sum of two constants as Icinga adds them. Two numbers behind an expression stay
/// apart, because that may be text.
fn plus(left: &Node, right: &Node, is_start: bool) -> Option<Node> {
    match (left, right) {
        (Node::Number(a), Node::Number(b)) if is_start => Some(Node::Number(a + b)),
        (Node::Text(_), Node::Text(_) | Node::Number(_)) | (Node::Number(_), Node::Text(_)) => {
            Some(Node::Text(text_of(left)? + &text_of(right)?))
        }
        (Node::Text(text), Node::Null) | (Node::Null, Node::Text(text)) => Some(Node::text(text)),
        (Node::List(a), Node::List(b)) => Some(Node::List(a.iter().chain(b).cloned().collect())),
        (Node::Map(_), Node::Map(b)) => {
            let mut sum = left.clone();
            b.iter().for_each(|(key, value)| sum.set(key, value.clone()));
            Some(sum)
        }
        (Node::Null, other) | (other, Node::Null) if matches!(other, Node::List(_) | Node::Map(_)) => {
            Some(other.clone())
        }
        _ => None,
    }
}

/// Returns a constant as Icinga puts it into a text. None for one that is not plain.
pub(super) fn text_of(node: &Node) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.clone()),
        Node::Number(value) => crate::import::document::whole(*value).map(|value| value.to_string()),
        _ => None,
    }
}

fn binary(
    expression: &Expression,
    operator: BinaryOperator,
    left: &Expression,
    right: &Expression,
    scope: &Scope,
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
            if let (Equal | NotEqual, Value::Constant(a), Value::Constant(b)) = (operator, &a, &b)
                && scope.folds_conditions()
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

/// Prints a condition.
///
/// # Errors
/// If it cannot be said.
pub(super) fn condition(expression: &Expression, scope: &Scope) -> Result<Printed, Unsaid> {
    // `assign where { return x }`
    if let Kind::Dictionary(statements) = &expression.kind {
        return match statements.as_slice() {
            [
                Statement {
                    kind: StatementKind::Return(Some(inner)) | StatementKind::Expression(inner), ..
                },
            ] => condition(inner, scope),
            _ => Err(Unsaid::of(expression, Reason::Function, "write one condition")),
        };
    }
    if let Kind::Function(_, Body::Expression(_) | Body::Statements(_)) = &expression.kind {
        return Err(Unsaid::of(expression, Reason::Function, "write one condition"));
    }
    value(expression, scope)?.print(expression.at)
}
