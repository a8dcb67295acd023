//! The tree of a condition.

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
    Match(String, Box<Expression>, Entries),
    /// `regex("pattern", operand)`, with patterns that are safe.
    Regex(String, Box<Expression>, Entries),
    /// `cidr_match("10.0.0.0/8", operand)`; a network of IPv4 or IPv6.
    InNetwork(String, Box<Expression>, Entries),
    /// `len(operand)` of text, an array or a dictionary.
    Length(Box<Expression>),
    /// The host has a service of this name. No user can write it; it is for rules that this
    /// program makes.
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

/// The entries of a list that must match. A text is a list of one; an empty list never matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// All of them: `MatchAll`, or nothing.
    All,
    /// At least one: `MatchAny`.
    Any,
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
    /// Returns the subjects that a rule's condition may read: that of a service also sees its
    /// host.
    pub fn of_rule(to: ApplyTo) -> &'static [Self] {
        match to {
            ApplyTo::Host => &[Self::Host],
            ApplyTo::Service => &[Self::Host, Self::Service],
        }
    }

    /// Returns the word in an expression.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Service => "service",
            Self::User => "user",
        }
    }

    /// Returns the fields that a condition may read.
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
