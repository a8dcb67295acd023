//! The parser: recursive descent without backtracking, bounded in depth.

mod expression;
mod statement;

use super::comment::Comment;
use super::lexer::tokenize;
use super::syntax::{Expression, Kind, Statement};
use super::token::{Position, Problem, Token};

/// Deepest nesting of brackets and operators before an operand. Icinga itself overflows at 150
/// nested dictionaries.
const MAX_DEPTH: u16 = 100;
/// Highest tree of an expression.
const MAX_HEIGHT: u16 = 300;

/// A parsed file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The statements at top level.
    pub statements: Vec<Statement>,
    /// The comments.
    pub comments: Vec<Comment>,
    /// Number of its tokens, which is a measure of the memory that it needs.
    pub tokens: usize,
}

/// Parses a file.
///
/// # Errors
/// If Icinga's parser would refuse it, or it is nested too deep: the place and what is wrong.
pub fn parse(source: &str) -> Result<File, Problem> {
    let tokens = tokenize(source)?;
    let count = tokens.tokens.len();
    let mut parser = Parser { tokens: tokens.tokens, next: 0, depth: 0 };
    let statements = parser.statements(&Token::End)?;
    Ok(File { statements, comments: tokens.comments, tokens: count })
}

/// Parses a file that is included inside of a block. Everything in it gets the place of the
/// include, because positions are those of one file.
///
/// # Errors
/// As [`parse`].
pub fn parse_included(source: &str, at: Position) -> Result<File, Problem> {
    let mut tokens = tokenize(source)?.tokens;
    tokens.iter_mut().for_each(|(place, _)| *place = at);
    let count = tokens.len();
    let mut parser = Parser { tokens, next: 0, depth: 0 };
    let statements = parser.statements(&Token::End)?;
    Ok(File { statements, comments: Vec::new(), tokens: count })
}

struct Parser {
    tokens: Vec<(Position, Token)>,
    next: usize,
    depth: u16,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).map_or(&Token::End, |(_, token)| token)
    }

    fn here(&self) -> Position {
        self.tokens.get(self.next).or_else(|| self.tokens.last()).map_or(Position::default(), |(at, _)| *at)
    }

    /// The line of the token that was taken last.
    fn last_line(&self) -> u32 {
        self.tokens.get(self.next.saturating_sub(1)).map_or(1, |(at, _)| at.line)
    }

    fn take(&mut self) -> Token {
        let token = match self.tokens.get_mut(self.next) {
            Some((_, token @ (Token::Text(_) | Token::Name(_) | Token::Angle(_)))) => {
                std::mem::replace(token, Token::End)
            }
            Some((_, token)) => token.clone(),
            None => Token::End,
        };
        self.next += 1;
        token
    }

    fn wrong<T>(&self, expected: &str) -> Result<T, Problem> {
        Err(Problem::new(self.here(), format!("expected {expected}, not {}", self.peek())))
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Keyword(found) if *found == word)
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.next += usize::from(found);
        found
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn require(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.accept(symbol) { Ok(()) } else { self.wrong(&format!("`{symbol}`")) }
    }

    fn require_word(&mut self, word: &str) -> Result<(), Problem> {
        if self.accept_word(word) { Ok(()) } else { self.wrong(&format!("`{word}`")) }
    }

    fn skip_newlines(&mut self) {
        while *self.peek() == Token::NewLine {
            self.next += 1;
        }
    }

    /// Takes a name or a text where Icinga's grammar takes either.
    fn identifier(&mut self) -> Result<String, Problem> {
        match self.peek() {
            Token::Name(_) | Token::Text(_) => match self.take() {
                Token::Name(name) | Token::Text(name) => Ok(name),
                _ => self.wrong("a name"),
            },
            _ => self.wrong("a name"),
        }
    }

    /// Runs a part of the grammar one level deeper.
    fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        if self.depth >= MAX_DEPTH {
            return Err(Problem::new(
                self.here(),
                format!("is nested more than {MAX_DEPTH} levels deep; make it flatter"),
            ));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    /// Makes an expression, if its tree is not too high.
    fn node(&self, at: Position, kind: Kind) -> Result<Expression, Problem> {
        let height = 1 + height_below(&kind);
        if height > MAX_HEIGHT {
            return Err(Problem::new(
                at,
                format!("has more than {MAX_HEIGHT} operators on each other; make it shorter"),
            ));
        }
        Ok(Expression { at, height, kind })
    }
}

/// Statements inside count as nothing, because their depth is bounded with that of brackets.
fn height_below(kind: &Kind) -> u16 {
    let most = |items: &[Expression]| items.iter().map(|item| item.height).max().unwrap_or(0);
    match kind {
        Kind::Array(items) | Kind::Chain(_, items) => most(items),
        Kind::Member(inner, _) | Kind::Unary(_, inner) => inner.height,
        Kind::Index(left, right) | Kind::Binary(_, left, right) => left.height.max(right.height),
        Kind::Call(function, arguments) => function.height.max(most(arguments)),
        Kind::Conditional(a, b, c) => a.height.max(b.height).max(c.height),
        _ => 0,
    }
}
