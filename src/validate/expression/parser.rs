//! The parser: total, without backtracking, depth-bounded; every error has a column.

use super::lexer::{Token, tokenize};
use super::pattern;
use super::tree::{Comparison, Entries, Expression, Subject};
use std::net::IpAddr;

/// Most `&&`, `||`, `+` and entries of lists in an expression: Icinga's evaluator recurses over them.
const MAX_TERMS: usize = 100;
/// Most keys below `vars` in one attribute.
pub(super) const MAX_KEYS: usize = 4;
/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 32;

/// Parses a condition over `subjects`.
///
/// # Errors
/// If the source is no such condition: the column (in characters, from 1) and what was
/// expected there.
pub fn parse(source: &str, subjects: &[Subject]) -> Result<Expression, String> {
    parse_in(source, Scope { subjects, has_entry: false })
}

/// Parses a condition or a value.
///
/// # Errors
/// As [`parse`].
pub fn parse_in(source: &str, scope: Scope) -> Result<Expression, String> {
    let mut parser = Parser { scope, tokens: tokenize(source)?, position: 0, depth: 0, terms: 0 };
    let expression = parser.or()?;
    match parser.peek() {
        Token::End => Ok(expression),
        token => {
            let what = match token {
                Token::Identifier(word) if word == "and" => "&&, not `and`; write &&".into(),
                Token::Identifier(word) if word == "or" => "||, not `or`; write ||".into(),
                Token::Identifier(word) if word == "not" => "an operator, not `not`; write ! before".into(),
                token => format!("an operator or the end, not {token}"),
            };
            Err(parser.expected(&what))
        }
    }
}

/// What an expression may read.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Hosts, services, users.
    pub subjects: &'a [Subject],
    /// True if there is an entry of a `forEach`: `key` and `value`.
    pub has_entry: bool,
}

/// `in`, `match` and the ordering comparisons are printed with a type guard, so their operands must
/// have a type.
fn operands(column: usize, left: &Expression, right: &Expression) -> Result<(), String> {
    if left.is_operand() && right.is_operand() {
        return Ok(());
    }
    Err(format!("column {column}: `in`, match, <, <=, > and >= take attributes and values, not conditions"))
}

pub(super) struct Parser<'a> {
    scope: Scope<'a>,
    tokens: Vec<(usize, Token)>,
    position: usize,
    depth: usize,
    terms: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.position).map_or(&Token::End, |(_, token)| token)
    }

    pub(super) fn column(&self) -> usize {
        self.tokens.get(self.position).map_or(1, |(column, _)| *column)
    }

    pub(super) fn expected(&self, what: &str) -> String {
        format!("column {}: expected {what}", self.column())
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.position += 1;
        token
    }

    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        self.position += usize::from(found);
        found
    }

    pub(super) fn require(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{symbol}`, not {}", self.peek())))
        }
    }

    pub(super) fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.take("||") {
            self.term()?;
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.comparison()?;
        while self.take("&&") {
            self.term()?;
            left = Expression::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    pub(super) fn term(&mut self) -> Result<(), String> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.expected(&format!("at most {MAX_TERMS} operators &&, || and +")));
        }
        Ok(())
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.sum()?;
        let operator = match self.peek() {
            Token::Symbol("==") => Comparison::Equal,
            Token::Symbol("!=") => Comparison::NotEqual,
            Token::Symbol("<") => Comparison::Less,
            Token::Symbol("<=") => Comparison::LessOrEqual,
            Token::Symbol(">") => Comparison::Greater,
            Token::Symbol(">=") => Comparison::GreaterOrEqual,
            Token::Identifier(word) if word == "in" => {
                self.position += 1;
                return self.within(left);
            }
            Token::Symbol("!") if matches!(self.tokens.get(self.position + 1), Some((_, Token::Identifier(word))) if word == "in") =>
            {
                self.position += 2;
                return Ok(Expression::Not(Box::new(self.within(left)?)));
            }
            _ => return Ok(left),
        };
        self.position += 1;
        let column = self.column();
        let right = self.sum()?;
        if !matches!(operator, Comparison::Equal | Comparison::NotEqual) {
            operands(column, &left, &right)?;
        }
        Ok(Expression::Compare(operator, Box::new(left), Box::new(right)))
    }

    fn within(&mut self, left: Expression) -> Result<Expression, String> {
        let column = self.column();
        let right = self.sum()?;
        operands(column, &left, &right)?;
        Ok(Expression::In(Box::new(left), Box::new(right)))
    }

    pub(super) fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.unary()?;
        while self.take("+") {
            self.term()?;
            left = Expression::Add(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    pub(super) fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.expected(&format!("at most {MAX_DEPTH} levels of nesting")));
        }
        let result = if self.take("!") {
            self.unary().map(|inner| Expression::Not(Box::new(inner)))
        } else {
            self.primary()
        };
        self.depth -= 1;
        result
    }

    pub(super) fn primary(&mut self) -> Result<Expression, String> {
        if self.take("(") {
            let inner = self.or()?;
            self.require(")")?;
            return Ok(inner);
        }
        if self.take("[") {
            return self.list();
        }
        if self.take("{") {
            return self.dictionary();
        }
        let here = self.expected(
            "an attribute such as host.vars.os, a string, a number, true, false, null, match(), regex(), cidr_match(), \
             len(), typeof() or get_object()",
        );
        match self.next() {
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Identifier(word) => match word.as_str() {
                "true" => Ok(Expression::Boolean(true)),
                "false" => Ok(Expression::Boolean(false)),
                "null" => Ok(Expression::Null),
                "match" => self.match_call(),
                "regex" => self.regex_call(),
                "cidr_match" => self.network_call(),
                "len" => self.length_call(),
                "typeof" => self.typeof_call(),
                "get_object" => self.object_call(),
                "NodeName" => Ok(Expression::Constant("NodeName")),
                "ZoneName" => Ok(Expression::Constant("ZoneName")),
                "key" if self.scope.has_entry => self.entry(Subject::Key),
                "value" if self.scope.has_entry => self.entry(Subject::Value),
                word => match self.scope.subjects.iter().find(|subject| subject.word() == word) {
                    Some(subject) => self.attribute(*subject),
                    None => Err(self.unknown(word, &here)),
                },
            },
            _ => Err(here),
        }
    }

    fn match_call(&mut self) -> Result<Expression, String> {
        self.require("(")?;
        let here = self.expected("a pattern in double quotes");
        let Token::Text(pattern) = self.next() else { return Err(here) };
        self.require(",")?;
        let column = self.column();
        let operand = self.sum()?;
        operands(column, &operand, &operand)?;
        let entries = self.entries()?;
        self.require(")")?;
        Ok(Expression::Match(pattern, Box::new(operand), entries))
    }

    fn regex_call(&mut self) -> Result<Expression, String> {
        self.require("(")?;
        let here = self.expected("a pattern in double quotes");
        let column = self.column();
        let Token::Text(pattern) = self.next() else { return Err(here) };
        if let Some(problem) = pattern::problem(&pattern) {
            return Err(format!("column {column}: {problem}"));
        }
        self.require(",")?;
        let operand = self.plain_attribute()?;
        let entries = self.entries()?;
        self.require(")")?;
        Ok(Expression::Regex(pattern, Box::new(operand), entries))
    }

    fn network_call(&mut self) -> Result<Expression, String> {
        self.require("(")?;
        let here = self.expected("a network in double quotes, for example \"10.0.0.0/8\" or \"fe80::/10\"");
        let Token::Text(network) = self.next() else { return Err(here) };
        let (address, bits) = network.split_once('/').map_or((network.as_str(), None), |(a, b)| (a, Some(b)));
        let most = match address.parse() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return Err(here),
        };
        let fits = |bits: &str| {
            let is_number = bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit());
            is_number && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        };
        if !bits.is_none_or(fits) {
            return Err(here);
        }
        self.require(",")?;
        let operand = self.plain_attribute()?;
        let entries = self.entries()?;
        self.require(")")?;
        Ok(Expression::InNetwork(network, Box::new(operand), entries))
    }

    /// Reads the third argument, which may be left out.
    fn entries(&mut self) -> Result<Entries, String> {
        if !self.take(",") {
            return Ok(Entries::All);
        }
        let here = self.expected("MatchAny (one entry of a list is enough) or MatchAll (the default)");
        match self.next() {
            Token::Identifier(word) if word == "MatchAny" => Ok(Entries::Any),
            Token::Identifier(word) if word == "MatchAll" => Ok(Entries::All),
            _ => Err(here),
        }
    }

    fn length_call(&mut self) -> Result<Expression, String> {
        self.require("(")?;
        let operand = self.plain_attribute()?;
        self.require(")")?;
        Ok(Expression::Length(Box::new(operand)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_as_icinga_does() {
        let Ok(Expression::Or(_, right)) =
            parse(r#"host.name == "a" || "x" in host.groups && !host.vars.b"#, &[Subject::Host])
        else {
            panic!("|| binds least");
        };
        assert!(matches!(*right, Expression::And(_, _)));
    }

    #[test]
    fn reads_values() {
        let scope = Scope { subjects: &[Subject::Host, Subject::Service], has_entry: true };
        for source in [
            r#""Process: " + key + host.vars.a"#,
            "1h30m",
            "[host.name, 5m, {a: value.b}]",
            r#"{"a b": 1, c: []}"#,
            "host.vars.os in [\"a\", \"b\"] && \"x\" !in host.groups",
            "host.groups.contains(\"lab\") || !value.contains(\"a\")",
            "typeof(value) == Array || typeof(value.a) != \"String\"",
            "service.host.vars.a == NodeName || host.name == ZoneName",
            "\"linux\" in host.templates || host.command_endpoint == \"\"",
            "host.vars.a + 1 > 3 && (host.vars.a + 1) in [3, 4]",
            "get_object(Endpoint, host.name) && !get_object(\"Zone\", host.name + \"-z\")",
            "get_object(User, key) == null || get_object(User, key) != null",
            "\"MySQL \" + key.replace(\"-\", \" \").replace(\"_\", \"\")",
            "host.vars.a.replace(\"a\", \"b\") == \"b\" || value.a.replace(\"a\", \"\") < \"c\"",
        ] {
            parse_in(source, scope).unwrap_or_else(|problem| panic!("{source}: {problem}"));
        }
        assert_eq!(parse_in("1h30m", scope), Ok(Expression::Number(5400.0)));
    }

    #[test]
    fn says_what_to_write_instead() {
        for (source, remedy) in [
            ("host.vars.a and host.vars.b", "write &&"),
            ("host.vars.a or host.vars.b", "write ||"),
            ("not host.vars.a", "write !"),
            ("host.vars.os = 1", "=="),
            ("$host.name$", "host.address"),
            ("get_host(\"a\")", "left out, because"),
            ("host.vars.os.lower() == 1", "left out, because"),
            ("key", "forEach"),
        ] {
            let problem = parse(source, &[Subject::Host]).expect_err(source);
            assert!(problem.contains(remedy), "{source}: {problem}");
        }
    }

    #[test]
    fn refuses_everything_else_with_a_column() {
        for (source, column) in [
            ("", 1),
            ("host", 5),
            ("host.secret", 6),
            ("host.name.x", 10),
            (r#"host.name == 'a'"#, 14),
            (r#"host.name == "a"#, 14),
            (r#"host.name = "a""#, 11),
            ("get_objects(Host)", 1),
            ("get_object(Service, host.name)", 12),
            ("get_object(Endpoint)", 20),
            ("get_object(Endpoint, host.name) == 1", 36),
            ("get_object(Endpoint, host.name).zone", 32),
            ("get_object(Endpoint, !host.name)", 22),
            ("host.name.replace(\"\", \"a\")", 19),
            ("host.name.replace(\"a\", host.name)", 24),
            ("{{ true }}", 2),
            ("{a: 1, a: 2}", 8),
            ("host.vars.a and host.vars.b", 13),
            ("not host.vars.a", 1),
            ("host.vars.os.lower()", 13),
            ("typeof(host.vars.a)", 20),
            ("typeof(host.vars.a) == List", 24),
            ("host.groups.contains(host.name == 1)", 32),
            ("key == 1", 1),
            ("[1, 2", 6),
            ("5x > 1", 1),
            ("true true", 6),
            (r#"match(host.name, "a")"#, 7),
            (r#"host.vars["a""#, 14),
            (r#""\x41""#, 2),
            ("(host.name < 1) < 2", 19),
            ("true in (host.name == 1)", 9),
            (r#"cidr_match("10.0.0.0/33", host.address)"#, 12),
            (r#"cidr_match("fe80::/129", host.address6)"#, 12),
            (r#"cidr_match("fe80::/10/1", host.address6)"#, 12),
            (r#"cidr_match("10.0.0.0/", host.address)"#, 12),
            (r#"regex("(a+)+", host.name)"#, 7),
            (r#"match("a", host.groups, Any)"#, 25),
            (r#"cidr_match("10.0.0.0/8", host.vars.a, MatchAny, 1)"#, 47),
            (r#"regex("a", "a")"#, 12),
            ("regex(host.name, host.name)", 7),
            (r#"cidr_match("10.0.0.0/+8", host.address)"#, 12),
            (r#"cidr_match("10.0.0.0/8", "10.1.2.3")"#, 26),
            ("len(1)", 5),
            ("len(host.name < 1)", 15),
            ("host.vars.a.b.c.d.e", 18),
        ] {
            let error = parse(source, &[Subject::Host]).expect_err(source);
            assert!(error.starts_with(&format!("column {column}:")), "{source}: {error}");
        }
        let deep = format!("{}true", "!".repeat(200));
        assert!(parse(&deep, &[Subject::Host]).expect_err("bounded").contains("levels"));
        let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
        assert!(parse(&deep, &[Subject::Host]).expect_err("bounded").contains("levels"));
    }
}
