//! Conditions over Icinga attributes, as a typed tree. What the parser does not know it refuses; nothing of the source
//! text reaches the configuration, which is rendered again from the tree.

mod parser;
mod pattern;
mod truth;

pub use parser::parse;
pub use pattern::MAX_PATTERN;
pub use truth::Known;

use crate::api::objects::ApplyTo;

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
    /// `regex("pattern", operand)`, with patterns that are safe.
    Regex(String, Box<Expression>),
    /// `cidr_match("10.0.0.0/8", operand)`; a network of IPv4 or IPv6.
    InNetwork(String, Box<Expression>),
    /// `len(operand)` of text, an array or a dictionary.
    Length(Box<Expression>),
    /// The host has a service of this name. Nobody can write it: rules of this program's own need it.
    HostHasService(String),
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

/// `<subject>.<field>` and, for custom variables, keys below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Whose.
    pub subject: Subject,
    /// One of [`Subject::fields`].
    pub field: &'static str,
    /// Keys below `vars`.
    pub keys: Vec<String>,
}

/// What an expression may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `host`
    Host,
    /// `service`
    Service,
    /// `user`
    User,
}

impl Subject {
    /// What a condition of a rule may read: a service's condition also sees its host.
    pub fn of_rule(to: ApplyTo) -> &'static [Self] {
        match to {
            ApplyTo::Host => &[Self::Host],
            ApplyTo::Service => &[Self::Host, Self::Service],
        }
    }

    /// The word in an expression.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Service => "service",
            Self::User => "user",
        }
    }

    /// What may be read of it.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Host => {
                &["name", "display_name", "address", "address6", "groups", "check_command", "zone", "vars"]
            }
            Self::Service => &["name", "display_name", "groups", "check_command", "zone", "vars"],
            Self::User => &["name", "display_name", "email", "pager", "groups", "zone", "vars"],
        }
    }
}

/// Most `&&` and `||` in an expression: Icinga's evaluator recurses over them.
pub const MAX_TERMS: usize = 100;
/// Most keys below `vars` in one attribute.
pub const MAX_KEYS: usize = 4;
/// Deepest nesting of an expression.
pub const MAX_DEPTH: usize = 32;
