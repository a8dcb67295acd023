//! Statements.

use super::Parser;
use crate::import::language::syntax::{Block, ForEach, Rule, SetOperator, Statement, StatementKind};
use crate::import::language::token::{Problem, Token};

type Uses = Vec<(String, Option<crate::import::language::Expression>)>;

impl Parser {
    /// Parses statements up to a token, which is not taken.
    pub(super) fn statements(&mut self, end: &Token) -> Result<Vec<Statement>, Problem> {
        let mut statements = Vec::new();
        self.skip_newlines();
        while self.peek() != end {
            statements.push(self.statement()?);
            match self.peek() {
                Token::Symbol("," | ";") => {
                    self.next += 1;
                    self.skip_newlines();
                }
                Token::NewLine => self.skip_newlines(),
                token if token == end => {}
                Token::Symbol("}}") => {
                    return self.wrong(
                        "a new line, `;` or `,` (`}}` closes a lambda; write a blank between two `}`)",
                    );
                }
                _ => return self.wrong("a new line, `;` or `,`"),
            }
        }
        Ok(statements)
    }

    /// Parses `{ statements }`.
    pub(super) fn scope(&mut self) -> Result<Vec<Statement>, Problem> {
        self.require("{")?;
        self.deeper(|parser| {
            let statements = parser.statements(&Token::Symbol("}"))?;
            parser.require("}")?;
            Ok(statements)
        })
    }

    fn statement(&mut self) -> Result<Statement, Problem> {
        let at = self.here();
        let kind = self.kind()?;
        Ok(Statement { at, end: self.here(), last_line: self.last_line(), kind })
    }

    fn kind(&mut self) -> Result<StatementKind, Problem> {
        let Token::Keyword(word) = *self.peek() else { return self.set_or_expression() };
        if word == "function" && !matches!(self.peek_at(1), Token::Symbol("(")) {
            return self.named_function();
        }
        let known = !matches!(
            word,
            "null"
                | "true"
                | "false"
                | "this"
                | "globals"
                | "locals"
                | "function"
                | "if"
                | "current_filename"
                | "current_line"
        );
        if !known {
            return self.set_or_expression();
        }
        self.next += 1;
        match word {
            "object" | "template" => self.block(word == "template"),
            "apply" => self.rule(),
            "import" => Ok(StatementKind::Import(self.expression()?)),
            "assign" | "ignore" => {
                self.require_word("where")?;
                let condition = self.expression()?;
                Ok(if word == "assign" {
                    StatementKind::AssignWhere(condition)
                } else {
                    StatementKind::IgnoreWhere(condition)
                })
            }
            "include" => match self.peek() {
                Token::Angle(_) => {
                    let at = self.here();
                    let Token::Angle(path) = self.take() else { return self.wrong("a path") };
                    let path = self.node(at, crate::import::language::Kind::Text(path))?;
                    Ok(StatementKind::Include(path, true))
                }
                _ => Ok(StatementKind::Include(self.expression()?, false)),
            },
            "include_recursive" => {
                let path = self.expression()?;
                let pattern = self.accept(",").then(|| self.expression()).transpose()?;
                Ok(StatementKind::IncludeRecursive(path, pattern))
            }
            "include_zones" => {
                let tag = self.expression()?;
                self.require(",")?;
                let path = self.expression()?;
                let pattern = self.accept(",").then(|| self.expression()).transpose()?;
                Ok(StatementKind::IncludeZones(tag, path, pattern))
            }
            "library" => Ok(StatementKind::Library(self.expression()?)),
            "const" => {
                let Token::Name(_) = self.peek() else { return self.wrong("a name") };
                let name = self.identifier()?;
                self.require("=")?;
                Ok(StatementKind::Constant(name, self.expression()?))
            }
            "var" => {
                let target = self.expression()?;
                let operator = self.set_operator();
                let value = operator.map(|_| self.expression()).transpose()?;
                Ok(StatementKind::Variable(target, operator.unwrap_or(SetOperator::Set), value))
            }
            "namespace" => Ok(StatementKind::Namespace(self.expression()?, self.scope()?)),
            "using" => Ok(StatementKind::Using(self.expression()?)),
            "for" => Ok(StatementKind::For(self.for_each()?, self.scope()?)),
            "while" => {
                self.require("(")?;
                let condition = self.expression()?;
                self.require(")")?;
                Ok(StatementKind::While(condition, self.scope()?))
            }
            "return" => {
                let is_end = matches!(
                    self.peek(),
                    Token::NewLine | Token::End | Token::Symbol(";" | "," | "}" | "}}")
                );
                Ok(StatementKind::Return(if is_end { None } else { Some(self.expression()?) }))
            }
            "break" => Ok(StatementKind::Break),
            "continue" => Ok(StatementKind::Continue),
            "debugger" => Ok(StatementKind::Debugger),
            "throw" => Ok(StatementKind::Throw(self.expression()?)),
            "try" => {
                let body = self.scope()?;
                self.require_word("except")?;
                Ok(StatementKind::Try(body, self.scope()?))
            }
            _ => {
                self.next -= 1;
                self.wrong("a statement")
            }
        }
    }

    fn set_or_expression(&mut self) -> Result<StatementKind, Problem> {
        let target = self.expression()?;
        Ok(match self.set_operator() {
            Some(operator) => StatementKind::Set(target, operator, self.expression()?),
            None => StatementKind::Expression(target),
        })
    }

    fn set_operator(&mut self) -> Option<SetOperator> {
        let Token::Symbol(symbol) = self.peek() else { return None };
        let operator = SetOperator::of(symbol)?;
        self.next += 1;
        Some(operator)
    }

    fn block(&mut self, is_template: bool) -> Result<StatementKind, Problem> {
        let object_type = self.expression()?;
        let name = self.optional_name()?;
        let uses = self.uses()?;
        let is_default = self.accept_word("default");
        if is_default && !is_template {
            return Err(Problem::new(
                self.here(),
                "`default` stands before an object; only a template can have it",
            ));
        }
        let ignores_errors = self.accept_word("ignore_on_error");
        let body = self.scope()?;
        let block = Block { is_template, object_type, name, uses, is_default, ignores_errors, body };
        Ok(StatementKind::Block(Box::new(block)))
    }

    fn rule(&mut self) -> Result<StatementKind, Problem> {
        let object_type = self.identifier()?;
        let name = self.optional_name()?;
        let for_each = if self.accept_word("for") { Some(self.for_each()?) } else { None };
        let target = if self.accept_word("to") { Some(self.identifier()?) } else { None };
        let uses = self.uses()?;
        let ignores_errors = self.accept_word("ignore_on_error");
        let body = self.scope()?;
        Ok(StatementKind::Rule(Box::new(Rule {
            object_type,
            name,
            for_each,
            target,
            uses,
            ignores_errors,
            body,
        })))
    }

    fn optional_name(&mut self) -> Result<Option<crate::import::language::Expression>, Problem> {
        let is_next =
            matches!(self.peek(), Token::Keyword("for" | "to" | "use" | "default" | "ignore_on_error"));
        if is_next || self.is("{") {
            return Ok(None);
        }
        self.expression().map(Some)
    }

    /// Parses the parentheses of `for`.
    fn for_each(&mut self) -> Result<ForEach, Problem> {
        self.require("(")?;
        self.accept_word("var");
        let key = self.identifier()?;
        let value = if self.accept("=>") {
            self.accept_word("var");
            Some(self.identifier()?)
        } else {
            None
        };
        self.require_word("in")?;
        let within = self.expression()?;
        self.require(")")?;
        Ok(ForEach { key, value, within })
    }

    /// Parses `use (a, b = 1)`, if there is one.
    pub(super) fn uses(&mut self) -> Result<Uses, Problem> {
        let mut uses = Vec::new();
        if !self.accept_word("use") {
            return Ok(uses);
        }
        self.require("(")?;
        loop {
            let name = self.identifier()?;
            let value = if self.accept("=") { Some(self.expression()?) } else { None };
            uses.push((name, value));
            if !self.accept(",") {
                break;
            }
        }
        self.require(")")?;
        Ok(uses)
    }

    fn named_function(&mut self) -> Result<StatementKind, Problem> {
        self.next += 1;
        let name = self.identifier()?;
        let parameters = self.parameters()?;
        Ok(StatementKind::Function(name, parameters, self.scope()?))
    }
}
