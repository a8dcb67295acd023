//! Expressions.

use super::Parser;
use crate::import::language::syntax::{
    BinaryOperator, Body, Expression, Kind, Parameters, UnaryOperator, Word,
};
use crate::import::language::token::{Position, Problem, Token};

impl Parser {
    /// Parses an expression.
    pub(super) fn expression(&mut self) -> Result<Expression, Problem> {
        self.deeper(|parser| {
            let at = parser.here();
            let condition = parser.binary(1)?;
            if !parser.accept("?") {
                return Ok(condition);
            }
            let one = parser.expression()?;
            parser.require(":")?;
            let other = parser.expression()?;
            parser.node(at, Kind::Conditional(Box::new(condition), Box::new(one), Box::new(other)))
        })
    }

    /// Parses operators that bind at least this close.
    fn binary(&mut self, least: u8) -> Result<Expression, Problem> {
        let at = self.here();
        let mut left = self.unary()?;
        let mut alone = None;
        loop {
            let operator = match self.peek() {
                Token::Symbol(symbol) => BinaryOperator::of(symbol),
                Token::Keyword("in") => Some(BinaryOperator::In),
                _ => None,
            };
            let Some(operator) = operator.filter(|operator| operator.strength() >= least) else {
                return Ok(left);
            };
            if operator.is_alone() && alone == Some(operator.strength()) {
                return self.wrong(
                    "the end of the comparison (comparisons do not follow each other; use parentheses)",
                );
            }
            self.next += 1;
            let right = self.deeper(|parser| parser.binary(operator.strength() + 1))?;
            alone = operator.is_alone().then_some(operator.strength());
            left = match left.kind {
                // Not through `node`, which would look at every operand each time.
                Kind::Chain(same, mut operands) if same == operator => {
                    let height = left.height.max(right.height.saturating_add(1));
                    operands.push(right);
                    Expression { at, height, kind: Kind::Chain(operator, operands) }
                }
                _ if operator.is_chained() => self.node(at, Kind::Chain(operator, vec![left, right]))?,
                _ => self.node(at, Kind::Binary(operator, Box::new(left), Box::new(right)))?,
            };
        }
    }

    fn unary(&mut self) -> Result<Expression, Problem> {
        let at = self.here();
        let operator = match self.peek() {
            Token::Symbol(symbol) => UnaryOperator::of(symbol),
            _ => None,
        };
        let Some(operator) = operator else { return self.postfix() };
        self.next += 1;
        let operand = self.deeper(Self::unary)?;
        self.node(at, Kind::Unary(operator, Box::new(operand)))
    }

    fn postfix(&mut self) -> Result<Expression, Problem> {
        let at = self.here();
        let mut inner = self.primary()?;
        loop {
            if self.accept(".") {
                let Token::Name(_) = self.peek() else { return self.wrong("a name after the dot") };
                let name = self.identifier()?;
                inner = self.node(at, Kind::Member(Box::new(inner), name))?;
            } else if self.accept("[") {
                let key = self.expression()?;
                self.require("]")?;
                inner = self.node(at, Kind::Index(Box::new(inner), Box::new(key)))?;
            } else if self.accept("(") {
                let arguments = self.items(")")?;
                inner = self.node(at, Kind::Call(Box::new(inner), arguments))?;
            } else {
                return Ok(inner);
            }
        }
    }

    /// Parses items with commas between them, up to a bracket.
    fn items(&mut self, end: &str) -> Result<Vec<Expression>, Problem> {
        let mut items = Vec::new();
        loop {
            if self.accept(end) {
                return Ok(items);
            }
            items.push(self.expression()?);
            if self.accept(",") {
                self.skip_newlines();
            } else {
                self.skip_newlines();
                self.require(end)?;
                return Ok(items);
            }
        }
    }

    fn primary(&mut self) -> Result<Expression, Problem> {
        let at = self.here();
        if self.is_lambda() {
            return self.lambda();
        }
        let kind = match self.peek() {
            Token::Text(_) | Token::Name(_) => match self.take() {
                Token::Text(text) => Kind::Text(text),
                Token::Name(name) => Kind::Name(name),
                _ => return self.wrong("a value"),
            },
            Token::Number { value, is_duration } => {
                let kind = Kind::Number(*value, *is_duration);
                self.next += 1;
                kind
            }
            Token::Symbol("(") => {
                self.next += 1;
                let inner = self.expression()?;
                self.require(")")?;
                return Ok(inner);
            }
            Token::Symbol("[") => {
                self.next += 1;
                self.skip_newlines();
                Kind::Array(self.deeper(|parser| parser.items("]"))?)
            }
            Token::Symbol("{") => Kind::Dictionary(self.scope()?),
            Token::Symbol("{{") => {
                self.next += 1;
                let statements = self.deeper(|parser| parser.statements(&Token::Symbol("}}")))?;
                self.require("}}")?;
                Kind::Function(Parameters::default(), Body::Statements(statements))
            }
            Token::Keyword(word) => match *word {
                "if" => return self.deeper(|parser| parser.branches(at)),
                "function" => {
                    self.next += 1;
                    let parameters = self.parameters()?;
                    Kind::Function(parameters, Body::Statements(self.scope()?))
                }
                word => {
                    let kind = match word {
                        "null" => Kind::Null,
                        "true" | "false" => Kind::Boolean(word == "true"),
                        "this" => Kind::Word(Word::This),
                        "globals" => Kind::Word(Word::Globals),
                        "locals" => Kind::Word(Word::Locals),
                        "current_filename" => Kind::Word(Word::CurrentFilename),
                        "current_line" => Kind::Word(Word::CurrentLine),
                        _ => return self.wrong("a value (write @ before a keyword that is a name)"),
                    };
                    self.next += 1;
                    kind
                }
            },
            _ => return self.wrong("a value"),
        };
        self.node(at, kind)
    }

    /// True before `name =>`, and before `(a, b) =>` or `(a, b) use (...) =>`.
    fn is_lambda(&self) -> bool {
        match self.peek() {
            Token::Name(_) | Token::Text(_) => *self.peek_at(1) == Token::Symbol("=>"),
            Token::Symbol("(") => {
                let mut ahead = 1;
                while let (Token::Name(_) | Token::Text(_), Token::Symbol(",")) =
                    (self.peek_at(ahead), self.peek_at(ahead + 1))
                {
                    ahead += 2;
                }
                if matches!(self.peek_at(ahead), Token::Name(_) | Token::Text(_)) {
                    ahead += 1;
                }
                let closed = *self.peek_at(ahead) == Token::Symbol(")");
                closed && matches!(self.peek_at(ahead + 1), Token::Symbol("=>") | Token::Keyword("use"))
            }
            _ => false,
        }
    }

    fn lambda(&mut self) -> Result<Expression, Problem> {
        let at = self.here();
        let parameters = if self.is("(") {
            self.parameters()?
        } else {
            Parameters { names: vec![self.identifier()?], uses: Vec::new() }
        };
        self.require("=>")?;
        let body = if self.is("{") {
            Body::Statements(self.scope()?)
        } else {
            Body::Expression(Box::new(self.expression()?))
        };
        self.node(at, Kind::Function(parameters, body))
    }

    /// Parses `(a, b) use (c)`.
    pub(super) fn parameters(&mut self) -> Result<Parameters, Problem> {
        self.require("(")?;
        let mut names = Vec::new();
        while !self.accept(")") {
            names.push(self.identifier()?);
            if !self.accept(",") {
                self.require(")")?;
                break;
            }
        }
        Ok(Parameters { names, uses: self.uses()? })
    }

    /// Parses `if` with all that follows it.
    fn branches(&mut self, at: Position) -> Result<Expression, Problem> {
        let mut branches = Vec::new();
        let mut otherwise = None;
        self.require_word("if")?;
        loop {
            self.require("(")?;
            let condition = self.expression()?;
            self.require(")")?;
            branches.push((condition, self.scope()?));
            if !self.accept_word("else") {
                break;
            }
            if !self.accept_word("if") {
                otherwise = Some(self.scope()?);
                break;
            }
        }
        self.node(at, Kind::If(branches, otherwise))
    }
}
