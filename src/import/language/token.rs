//! Tokens and positions.

use std::fmt;

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The reason why a file is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub at: Position,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Problem {
    pub(super) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word of the language.
    Keyword(&'static str),
    /// A name.
    Name(String),
    /// Text in double quotes or in a heredoc.
    Text(String),
    /// `<text>` of an include.
    Angle(String),
    /// A number in seconds if it has a unit.
    Number { value: f64, is_duration: bool },
    /// An operator or a bracket.
    Symbol(&'static str),
    /// One or more line breaks outside of parentheses.
    NewLine,
    /// The end of the file.
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(word) => write!(f, "the keyword `{word}`"),
            Self::Name(name) => write!(f, "the name {}", crate::text::quoted(name).replace('"', "`")),
            Self::Text(text) => f.write_str(&crate::text::quoted(text)),
            Self::Angle(text) => write!(f, "<{}>", crate::text::clean(text, 80)),
            Self::Number { value, .. } => write!(f, "the number {value}"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::NewLine => f.write_str("the end of the line"),
            Self::End => f.write_str("the end of the file"),
        }
    }
}
