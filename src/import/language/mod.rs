//! Icinga 2's configuration language: total and bounded, with positions. Nothing is evaluated.

mod comment;
mod lexer;
mod parser;
mod print;
mod syntax;
mod token;

pub use comment::Comment;
pub use parser::{File, parse, parse_included};
pub use print::source;
pub use syntax::{
    BinaryOperator, Block, Body, Expression, ForEach, Kind, Parameters, Rule, SetOperator, Statement,
    StatementKind, UnaryOperator, Word, flat,
};
pub use token::{Position, Problem};

#[cfg(test)]
mod tests;
