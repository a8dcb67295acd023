//! The tree of a file.

use super::token::Position;

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Where it begins.
    pub at: Position,
    /// Where the token behind it begins, which separates it from the next statement.
    pub end: Position,
    /// The line of its last token.
    pub last_line: u32,
    /// What it is.
    pub kind: StatementKind,
}

impl Statement {
    /// Returns the statements inside of one that runs at top level, by branches and loops. Those of
    /// blocks are not among them.
    pub fn bodies(&self) -> impl Iterator<Item = &[Statement]> {
        let mut bodies: Vec<&[Statement]> = Vec::new();
        match &self.kind {
            StatementKind::For(_, body)
            | StatementKind::While(_, body)
            | StatementKind::Function(_, _, body)
            | StatementKind::Namespace(_, body) => bodies.push(body),
            StatementKind::Try(body, except) => bodies.extend([body.as_slice(), except]),
            StatementKind::Expression(Expression { kind: Kind::If(all, otherwise), .. }) => {
                bodies.extend(all.iter().map(|(_, body)| body.as_slice()));
                bodies.extend(otherwise.as_deref());
            }
            _ => {}
        }
        bodies.into_iter()
    }
}

/// Returns the statements of a block one by one, those of its includes in their places.
pub fn flat(body: &[Statement]) -> Box<dyn Iterator<Item = &Statement> + '_> {
    Box::new(body.iter().flat_map(|statement| match &statement.kind {
        StatementKind::Inlined(_, inner) => flat(inner),
        _ => Box::new(std::iter::once(statement)),
    }))
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// `object` or `template`
    Block(Box<Block>),
    /// `apply`
    Rule(Box<Rule>),
    /// `target = value`, and with another operator.
    Set(Expression, SetOperator, Expression),
    /// `import`
    Import(Expression),
    /// `assign where`
    AssignWhere(Expression),
    /// `ignore where`
    IgnoreWhere(Expression),
    /// `include "path"`; true for `include <path>`.
    Include(Expression, bool),
    /// An include inside of a block, with the statements of its file. All have its place.
    Inlined(Expression, Vec<Statement>),
    /// `include_recursive "path", "pattern"`
    IncludeRecursive(Expression, Option<Expression>),
    /// `include_zones "tag", "path", "pattern"`
    IncludeZones(Expression, Expression, Option<Expression>),
    /// `library`
    Library(Expression),
    /// `const`
    Constant(String, Expression),
    /// `var`
    Variable(Expression, SetOperator, Option<Expression>),
    /// `namespace`
    Namespace(Expression, Vec<Statement>),
    /// `using`
    Using(Expression),
    /// `for`
    For(ForEach, Vec<Statement>),
    /// `while`
    While(Expression, Vec<Statement>),
    /// `function name(...)`
    Function(String, Parameters, Vec<Statement>),
    /// `return`
    Return(Option<Expression>),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `debugger`
    Debugger,
    /// `throw`
    Throw(Expression),
    /// `try` and `except`
    Try(Vec<Statement>, Vec<Statement>),
    /// An expression for its effect: a call, or `if`.
    Expression(Expression),
}

/// `object Type "name" { ... }` or a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// True for `template`.
    pub is_template: bool,
    /// The type.
    pub object_type: Expression,
    /// The name. None if there is none.
    pub name: Option<Expression>,
    /// `use (...)`
    pub uses: Vec<(String, Option<Expression>)>,
    /// True for `default`.
    pub is_default: bool,
    /// True for `ignore_on_error`.
    pub ignores_errors: bool,
    /// The statements.
    pub body: Vec<Statement>,
}

/// `apply Type "name" for (...) to Target { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The type.
    pub object_type: String,
    /// The name. None if there is none.
    pub name: Option<Expression>,
    /// `for (...)`
    pub for_each: Option<ForEach>,
    /// The type after `to`.
    pub target: Option<String>,
    /// `use (...)`
    pub uses: Vec<(String, Option<Expression>)>,
    /// True for `ignore_on_error`.
    pub ignores_errors: bool,
    /// The statements.
    pub body: Vec<Statement>,
}

/// `(key => value in term)` or `(key in term)`
#[derive(Clone, Debug, PartialEq)]
pub struct ForEach {
    /// The first variable.
    pub key: String,
    /// The second variable.
    pub value: Option<String>,
    /// What is walked through.
    pub within: Expression,
}

/// Parameters and `use (...)` of a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Names of the parameters.
    pub names: Vec<String>,
    /// Captured variables.
    pub uses: Vec<(String, Option<Expression>)>,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// Where it begins.
    pub at: Position,
    /// Levels of the tree below and with it; bounded, so that nothing recurses too deep.
    pub(super) height: u16,
    /// What it is.
    pub kind: Kind,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// A number; true if it was written with a unit, and is in seconds.
    Number(f64, bool),
    /// A text.
    Text(String),
    /// A name: a variable, a constant or an attribute.
    Name(String),
    /// A word of the language that is a value.
    Word(Word),
    /// `[ ... ]`
    Array(Vec<Expression>),
    /// `{ ... }`
    Dictionary(Vec<Statement>),
    /// `inner.name`
    Member(Box<Expression>, String),
    /// `inner[key]`
    Index(Box<Expression>, Box<Expression>),
    /// `function(arguments)`
    Call(Box<Expression>, Vec<Expression>),
    /// An operator before one operand.
    Unary(UnaryOperator, Box<Expression>),
    /// `&&`, `||` or `+` of two or more operands.
    Chain(BinaryOperator, Vec<Expression>),
    /// Another operator between two operands.
    Binary(BinaryOperator, Box<Expression>, Box<Expression>),
    /// `condition ? one : other`
    Conditional(Box<Expression>, Box<Expression>, Box<Expression>),
    /// `if (condition) { ... } else if ... else { ... }`
    If(Vec<(Expression, Vec<Statement>)>, Option<Vec<Statement>>),
    /// A function or lambda.
    Function(Parameters, Body),
}

/// The body of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Statements.
    Statements(Vec<Statement>),
    /// `=> expression`
    Expression(Box<Expression>),
}

/// A word that is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// `this`
    This,
    /// `globals`
    Globals,
    /// `locals`
    Locals,
    /// `current_filename`
    CurrentFilename,
    /// `current_line`
    CurrentLine,
}

impl Word {
    /// Returns the word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::This => "this",
            Self::Globals => "globals",
            Self::Locals => "locals",
            Self::CurrentFilename => "current_filename",
            Self::CurrentLine => "current_line",
        }
    }
}

macro_rules! operators {
    ($(#[$doc:meta])* $name:ident { $($member:ident = $symbol:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $symbol, "`")] $member,)*
        }

        impl $name {
            /// Returns the operator as it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => $symbol,)*
                }
            }

            pub(super) fn of(symbol: &str) -> Option<Self> {
                match symbol {
                    $($symbol => Some(Self::$member),)*
                    _ => None,
                }
            }
        }
    };
}

operators! {
    /// An operator before one operand.
    UnaryOperator {
        Not = "!",
        Complement = "~",
        Minus = "-",
        Plus = "+",
        Reference = "&",
        Dereference = "*",
    }
}

operators! {
    /// An operator between operands.
    BinaryOperator {
        Or = "||",
        And = "&&",
        BinaryOr = "|",
        Xor = "^",
        BinaryAnd = "&",
        Equal = "==",
        NotEqual = "!=",
        In = "in",
        NotIn = "!in",
        Less = "<",
        LessOrEqual = "<=",
        Greater = ">",
        GreaterOrEqual = ">=",
        ShiftLeft = "<<",
        ShiftRight = ">>",
        Add = "+",
        Subtract = "-",
        Multiply = "*",
        Divide = "/",
        Modulo = "%",
    }
}

operators! {
    /// An operator that sets.
    SetOperator {
        Set = "=",
        Add = "+=",
        Subtract = "-=",
        Multiply = "*=",
        Divide = "/=",
        Modulo = "%=",
        Xor = "^=",
        BinaryAnd = "&=",
        BinaryOr = "|=",
    }
}

impl BinaryOperator {
    /// Binding strength: a larger number binds closer.
    pub(super) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::BinaryOr => 3,
            Self::Xor => 4,
            Self::BinaryAnd => 5,
            Self::Equal | Self::NotEqual => 6,
            Self::In | Self::NotIn => 7,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => 8,
            Self::ShiftLeft | Self::ShiftRight => 9,
            Self::Add | Self::Subtract => 10,
            Self::Multiply | Self::Divide | Self::Modulo => 11,
        }
    }

    /// True for an operator that cannot follow one of its kind.
    pub(super) fn is_alone(self) -> bool {
        matches!(self.strength(), 6 | 8)
    }

    /// True for an operator whose operands one node holds, so that long chains stay flat.
    pub(super) fn is_chained(self) -> bool {
        matches!(self, Self::Or | Self::And | Self::Add)
    }
}
