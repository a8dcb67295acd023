//! Values: constants, or expressions of Groundlink's own language, printed from the tree.

mod operators;

use crate::import::document::Node;
use crate::import::language::Position;
use crate::import::language::{Body, Expression, Kind, Statement, StatementKind, Word, source};
use crate::import::report::Reason;
use crate::render::quoting;
use std::collections::BTreeMap;

/// Largest value, by [`Value::weight`]. Kubernetes takes no object of this size.
const MAX_VALUE: usize = 1 << 20;
/// What an entry weighs beside its texts.
const ENTRY: usize = 16;

/// What names mean at a place.
pub(super) trait Names {
    /// Returns what a name means.
    ///
    /// # Errors
    /// If that is not known without running Icinga.
    fn name(&self, name: &str, expression: &Expression) -> Result<Value, Unsaid>;
    /// Returns an attribute of the block itself.
    ///
    /// # Errors
    /// If the block has not set it.
    fn own(&self, keys: &[String], expression: &Expression) -> Result<Value, Unsaid>;
    /// Returns the value of `vars.a` that the block itself has set. None if the path begins with
    /// another name.
    ///
    /// # Errors
    /// If the block has not set it.
    fn own_path(&self, expression: &Expression) -> Result<Option<Value>, Unsaid>;
    /// Counts a copy of a value. False if there were too many.
    fn spend(&self, weight: usize) -> bool;
}

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

    pub(super) fn of(expression: &Expression, reason: Reason, remedy: &str) -> Self {
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

/// Returns the bytes of a node's texts, and a constant for each entry.
pub(super) fn weight(node: &Node) -> usize {
    ENTRY
        + match node {
            Node::Text(text) => text.len(),
            Node::List(items) => items.iter().map(weight).sum(),
            Node::Map(entries) => entries.iter().map(|(key, node)| key.len() + weight(node)).sum(),
            Node::Null | Node::Boolean(_) | Node::Number(_) => 0,
        }
}

/// The weight of what is put together, so that it is refused before it is large.
struct Sum<'e> {
    expression: &'e Expression,
    weight: usize,
}

impl<'e> Sum<'e> {
    fn new(expression: &'e Expression) -> Self {
        Self { expression, weight: 0 }
    }

    fn add(&mut self, weight: usize) -> Result<(), Unsaid> {
        self.weight += weight;
        if self.weight <= MAX_VALUE {
            return Ok(());
        }
        let remedy = "write a smaller value, or several";
        Err(Unsaid::of(self.expression, Reason::Large, remedy))
    }
}

impl Value {
    /// Returns the bytes of its texts, and a constant for each entry.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Constant(node) => weight(node),
            Self::Expression(printed) => ENTRY + printed.text.len(),
            Self::Map(entries) => entries.iter().map(|(key, value)| key.len() + value.weight()).sum(),
        }
    }

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
            Self::Map(entries) => {
                let entry = |(key, value): &(String, Self)| {
                    let key = Self::Constant(Node::text(key)).print(at)?.text;
                    Ok(format!("{key}: {}", value.print(at)?.text))
                };
                let texts = entries.iter().map(entry).collect::<Result<Vec<_>, Unsaid>>()?;
                Ok(Printed::atom(format!("{{{}}}", texts.join(", "))))
            }
        }
    }
}

/// Prints a constant as an expression. None if expressions cannot have it.
pub(super) fn literal(node: &Node) -> Option<String> {
    Some(match node {
        Node::Null => "null".into(),
        Node::Boolean(value) => value.to_string(),
        Node::Number(value) if value.is_finite() => value.to_string(),
        Node::Number(_) => return None,
        Node::Map(entries) => {
            let entry = |(key, node): &(String, Node)| {
                Some(format!("{}: {}", literal(&Node::text(key))?, literal(node)?))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Option<Vec<_>>>()?.join(", "))
        }
        // Expressions have no escape for other control characters.
        Node::Text(text) if text.chars().any(|c| c.is_control() && !['\n', '\t'].contains(&c)) => {
            return None;
        }
        Node::Text(text) => {
            let mut out = String::new();
            quoting::string(&mut out, text);
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
pub(super) fn value(expression: &Expression, scope: &dyn Names) -> Result<Value, Unsaid> {
    let found = meaning(expression, scope)?;
    match &expression.kind {
        Kind::Name(_) | Kind::Member(..) | Kind::Index(..) => {
            let weight = found.weight();
            Sum::new(expression).add(weight)?;
            if !scope.spend(weight) {
                let remedy = "import the tree in parts";
                return Err(Unsaid::of(expression, Reason::TooMany, remedy));
            }
        }
        // The texts of operators and calls grow with those of their operands.
        Kind::Chain(..) | Kind::Binary(..) | Kind::Unary(..) | Kind::Call(..) => {
            Sum::new(expression).add(found.weight())?;
        }
        _ => {}
    }
    Ok(found)
}

fn meaning(expression: &Expression, scope: &dyn Names) -> Result<Value, Unsaid> {
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
        Kind::Array(items) => array(expression, items, scope),
        Kind::Dictionary(statements) => dictionary(expression, statements, scope),
        Kind::Member(..) | Kind::Index(..) => path(expression, scope),
        Kind::Call(function, arguments) => operators::call(expression, function, arguments, scope),
        Kind::Unary(operator, inner) => operators::unary(expression, *operator, inner, scope),
        Kind::Chain(operator, operands) => operators::chain(expression, *operator, operands, scope),
        Kind::Binary(operator, left, right) => operators::binary(expression, *operator, left, right, scope),
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

fn array(expression: &Expression, items: &[Expression], scope: &dyn Names) -> Result<Value, Unsaid> {
    let values = all(expression, items, scope)?;
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

/// Returns several values that one will hold.
fn all(expression: &Expression, items: &[Expression], scope: &dyn Names) -> Result<Vec<Value>, Unsaid> {
    let mut sum = Sum::new(expression);
    let mut values = Vec::new();
    for item in items {
        let found = value(item, scope)?;
        sum.add(found.weight())?;
        values.push(found);
    }
    Ok(values)
}

fn dictionary(expression: &Expression, statements: &[Statement], scope: &dyn Names) -> Result<Value, Unsaid> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut sum = Sum::new(expression);
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
        sum.add(key.len() + given.weight())?;
        let old = places.get(key).copied();
        let new = match (operator.as_str(), old) {
            ("=", _) => given,
            // Adding to nothing.
            ("+=", None) => given,
            _ => return Err(Unsaid::of(target, Reason::Operator, "write the whole value with `=`")),
        };
        match old {
            Some(at) => entries[at].1 = new,
            None => {
                places.insert(key.clone(), entries.len());
                entries.push((key.clone(), new));
            }
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
pub(super) fn keys(target: &Expression, scope: &dyn Names) -> Result<Vec<String>, Unsaid> {
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

fn key_text(key: &Expression, scope: &dyn Names) -> Result<String, Unsaid> {
    match value(key, scope)? {
        Value::Constant(Node::Text(text)) => Ok(text),
        Value::Constant(Node::Number(number)) => Ok(number.to_string()),
        _ => Err(Unsaid::of(key, Reason::Computed, "write the key as text")),
    }
}

/// Reads `inner.name` and `inner[key]`.
fn path(expression: &Expression, scope: &dyn Names) -> Result<Value, Unsaid> {
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

/// Prints a condition.
///
/// # Errors
/// If it cannot be said.
pub(super) fn condition(expression: &Expression, scope: &dyn Names) -> Result<Printed, Unsaid> {
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
    tested(value(expression, scope)?).print(expression.at)
}

/// Returns what a test sees: Icinga takes every object for true.
pub(super) fn tested(value: Value) -> Value {
    let objects = ["host", "service", "service.host", "user"];
    match &value {
        Value::Expression(printed) if objects.contains(&printed.text.as_str()) => {
            Value::Constant(Node::Boolean(true))
        }
        _ => value,
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
