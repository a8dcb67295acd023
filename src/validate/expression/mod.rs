//! Conditions over Icinga attributes, as a typed tree. What the parser does not know it refuses; nothing of the source
//! text reaches the configuration, which is rendered again from the tree.

mod parser;

pub use parser::parse;

/// A condition or an operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// Both are true.
    And(Box<Expression>, Box<Expression>),
    /// At least one is true.
    Or(Box<Expression>, Box<Expression>),
    /// It is false.
    Not(Box<Expression>),
    /// A comparison of two operands.
    Compare(Comparison, Box<Expression>, Box<Expression>),
    /// The first is an element of the second, which is an array.
    In(Box<Expression>, Box<Expression>),
    /// `match("pattern", operand)`, with `*` and `?`.
    Match(String, Box<Expression>),
    /// An attribute of the object.
    Attribute(Attribute),
    /// A constant.
    Text(String),
    /// A constant.
    Number(f64),
    /// A constant.
    Boolean(bool),
    /// A constant.
    Null,
}

/// Operator of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// `host.<field>` and, for custom variables, keys below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// One of [`HOST_FIELDS`].
    pub field: &'static str,
    /// Keys below `vars`.
    pub keys: Vec<String>,
}

/// What an expression may read of a host.
pub const HOST_FIELDS: [&str; 8] =
    ["name", "display_name", "address", "address6", "groups", "check_command", "zone", "vars"];

/// Most `&&` and `||` in an expression: Icinga's evaluator recurses over them.
pub const MAX_TERMS: usize = 100;
/// Deepest nesting of an expression.
pub const MAX_DEPTH: usize = 32;
