//! The tree of a condition.

use crate::api::IcingaType;
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
    /// The sum of two numbers; or texts, lists or dictionaries joined. Null if they have no sum.
    Add(Box<Expression>, Box<Expression>),
    /// The first, a list, a text or a dictionary, contains the second.
    Contains(Box<Expression>, Box<Expression>),
    /// The operand has this type: `typeof(operand) == Type`.
    IsType(Box<Expression>, Type),
    /// There is an object of this type with the operand as its name: `get_object(Type, operand)`.
    Exists(IcingaType, Box<Expression>),
    /// The operand, a text, with each of the first texts replaced by the second. Null if it is no
    /// text.
    Replace(Box<Expression>, String, String),
    /// A list of values.
    List(Vec<Expression>),
    /// A dictionary of values, in the order of the source.
    Dictionary(Vec<(String, Expression)>),
    /// A constant of the Icinga 2 that loads the configuration. Null if it has none.
    Constant(&'static str),
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

impl Expression {
    /// True for a value; false for a condition.
    pub(super) fn is_operand(&self) -> bool {
        match self {
            Self::Attribute(_)
            | Self::Text(_)
            | Self::Number(_)
            | Self::Boolean(_)
            | Self::Null
            | Self::Constant(_) => true,
            Self::Length(inner) => matches!(**inner, Self::Attribute(_)),
            Self::Add(left, right) => left.is_operand() && right.is_operand(),
            Self::Replace(..) => true,
            Self::List(items) => items.iter().all(Self::is_operand),
            _ => false,
        }
    }

    /// True for a value that is printed more than once at no cost.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Add(..) | Self::Replace(..) => false,
            Self::List(items) => {
                items.iter().all(|item| !matches!(item, Self::Attribute(_)) && item.is_plain())
            }
            _ => self.is_operand(),
        }
    }

    /// Calls `visit` with every attribute.
    pub(crate) fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'a Attribute)) {
        match self {
            Self::And(left, right)
            | Self::Or(left, right)
            | Self::Compare(_, left, right)
            | Self::In(left, right)
            | Self::Add(left, right)
            | Self::Contains(left, right) => {
                left.attributes(visit);
                right.attributes(visit);
            }
            Self::Not(inner)
            | Self::Match(_, inner, _)
            | Self::Regex(_, inner, _)
            | Self::InNetwork(_, inner, _)
            | Self::Length(inner)
            | Self::Exists(_, inner)
            | Self::Replace(inner, ..)
            | Self::IsType(inner, _) => inner.attributes(visit),
            Self::List(items) => items.iter().for_each(|item| item.attributes(visit)),
            Self::Dictionary(entries) => entries.iter().for_each(|(_, item)| item.attributes(visit)),
            Self::Attribute(attribute) => visit(attribute),
            Self::HostHasService(_)
            | Self::Text(_)
            | Self::Number(_)
            | Self::Boolean(_)
            | Self::Null
            | Self::Constant(_) => {}
        }
    }
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// A dictionary.
    Dictionary,
}

impl Type {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::String, Self::Number, Self::Boolean, Self::Array, Self::Dictionary];

    /// Returns Icinga's name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Number => "Number",
            Self::Boolean => "Boolean",
            Self::Array => "Array",
            Self::Dictionary => "Dictionary",
        }
    }
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
    /// `key`: the key of the entry that a rule with `forEach` makes an object for.
    Key,
    /// `value`: its value.
    Value,
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
            Self::Key => "key",
            Self::Value => "value",
        }
    }

    /// Returns the fields that a condition may read.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[
                "name",
                "display_name",
                "address",
                "address6",
                "groups",
                "check_command",
                "command_endpoint",
                "templates",
                "zone",
                "vars",
            ],
            Self::Service => &[
                "name",
                "display_name",
                "groups",
                "check_command",
                "command_endpoint",
                "templates",
                "zone",
                "vars",
                "host",
            ],
            Self::User => &["name", "display_name", "email", "pager", "groups", "templates", "zone", "vars"],
            Self::Key | Self::Value => &[],
        }
    }
}
