//! The parser: total, without backtracking, depth-bounded; every error has a column.

use super::pattern;
use super::tree::{Attribute, Comparison, Entries, Expression, Subject};
use crate::text::quoted;
use crate::validate::value::{MAX_WHOLE, text_problem};
use std::net::IpAddr;

/// Most `&&` and `||` in an expression: Icinga's evaluator recurses over them.
const MAX_TERMS: usize = 100;
/// Most keys below `vars` in one attribute.
const MAX_KEYS: usize = 4;
/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 32;

/// Parses a condition over `subjects`.
///
/// # Errors
/// If the source is no such condition: the column (in characters, from 1) and what was
/// expected there.
pub fn parse(source: &str, subjects: &[Subject]) -> Result<Expression, String> {
    let mut parser = Parser { subjects, tokens: tokenize(source)?, position: 0, depth: 0, terms: 0 };
    let expression = parser.or()?;
    match parser.peek() {
        Token::End => Ok(expression),
        token => Err(parser.expected(&format!("an operator or the end, not {token}"))),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Identifier(String),
    Text(String),
    Number(f64),
    Symbol(&'static str),
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identifier(name) => f.write_str(&quoted(name).replace('"', "`")),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Number(number) => write!(f, "`{number}`"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

const SYMBOLS: [&str; 15] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ".", ","];

fn tokenize(source: &str) -> Result<Vec<(usize, Token)>, String> {
    let characters: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        let column = at + 1;
        if c.is_ascii_whitespace() {
            at += 1;
        } else if c == '"' {
            let (text, next) = string(&characters, at)?;
            tokens.push((column, Token::Text(text)));
            at = next;
        } else if c.is_ascii_digit() || (c == '-' && characters.get(at + 1).is_some_and(char::is_ascii_digit))
        {
            let mut end = at + 1;
            while characters.get(end).is_some_and(|c| c.is_ascii_digit() || *c == '.') {
                end += 1;
            }
            let text: String = characters[at..end].iter().collect();
            let number: f64 =
                text.parse().map_err(|_| format!("column {column}: {} is not a number", quoted(&text)))?;
            if number.abs() > MAX_WHOLE {
                return Err(format!("column {column}: {} is larger than 2^53", quoted(&text)));
            }
            tokens.push((column, Token::Number(number)));
            at = end;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let mut end = at + 1;
            while characters.get(end).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_') {
                end += 1;
            }
            tokens.push((column, Token::Identifier(characters[at..end].iter().collect())));
            at = end;
        } else {
            let rest: String = characters[at..characters.len().min(at + 2)].iter().collect();
            let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)).ok_or_else(|| {
                format!("column {column}: unexpected character {c:?}; strings are written in double quotes")
            })?;
            tokens.push((column, Token::Symbol(symbol)));
            at += symbol.len();
        }
    }
    tokens.push((characters.len() + 1, Token::End));
    Ok(tokens)
}

fn string(characters: &[char], start: usize) -> Result<(String, usize), String> {
    let column = start + 1;
    let mut text = String::new();
    let mut at = start + 1;
    loop {
        match characters.get(at) {
            None => return Err(format!("column {column}: the string is not closed")),
            Some('"') => break,
            Some('\\') => {
                at += 1;
                text.push(match characters.get(at) {
                    Some('"') => '"',
                    Some('\\') => '\\',
                    Some('n') => '\n',
                    Some('t') => '\t',
                    _ => return Err(format!("column {at}: only \\\" \\\\ \\n and \\t are escapes")),
                });
            }
            Some(c) => text.push(*c),
        }
        at += 1;
    }
    match text_problem(&text) {
        Some(problem) => Err(format!("column {column}: the string {problem}")),
        None => Ok((text, at + 1)),
    }
}

/// `in`, `match` and the ordering comparisons are printed with a type guard that repeats their
/// operands, so those must be plain.
fn operands(column: usize, left: &Expression, right: &Expression) -> Result<(), String> {
    let plain = |e: &Expression| {
        matches!(
            e,
            Expression::Attribute(_)
                | Expression::Text(_)
                | Expression::Number(_)
                | Expression::Boolean(_)
                | Expression::Null
        ) || matches!(e, Expression::Length(inner) if matches!(**inner, Expression::Attribute(_)))
    };
    if plain(left) && plain(right) {
        return Ok(());
    }
    Err(format!("column {column}: `in`, match, <, <=, > and >= take attributes and constants only"))
}

struct Parser<'a> {
    subjects: &'a [Subject],
    tokens: Vec<(usize, Token)>,
    position: usize,
    depth: usize,
    terms: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.position).map_or(&Token::End, |(_, token)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.position).map_or(1, |(column, _)| *column)
    }

    fn expected(&self, what: &str) -> String {
        format!("column {}: expected {what}", self.column())
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.position += 1;
        token
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        self.position += usize::from(found);
        found
    }

    fn require(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{symbol}`, not {}", self.peek())))
        }
    }

    fn or(&mut self) -> Result<Expression, String> {
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

    fn term(&mut self) -> Result<(), String> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.expected(&format!("at most {MAX_TERMS} operators && and ||")));
        }
        Ok(())
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.unary()?;
        let operator = match self.peek() {
            Token::Symbol("==") => Comparison::Equal,
            Token::Symbol("!=") => Comparison::NotEqual,
            Token::Symbol("<") => Comparison::Less,
            Token::Symbol("<=") => Comparison::LessOrEqual,
            Token::Symbol(">") => Comparison::Greater,
            Token::Symbol(">=") => Comparison::GreaterOrEqual,
            Token::Identifier(word) if word == "in" => {
                self.position += 1;
                let column = self.column();
                let right = self.unary()?;
                operands(column, &left, &right)?;
                return Ok(Expression::In(Box::new(left), Box::new(right)));
            }
            _ => return Ok(left),
        };
        self.position += 1;
        let column = self.column();
        let right = self.unary()?;
        if !matches!(operator, Comparison::Equal | Comparison::NotEqual) {
            operands(column, &left, &right)?;
        }
        Ok(Expression::Compare(operator, Box::new(left), Box::new(right)))
    }

    fn unary(&mut self) -> Result<Expression, String> {
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

    fn primary(&mut self) -> Result<Expression, String> {
        if self.take("(") {
            let inner = self.or()?;
            self.require(")")?;
            return Ok(inner);
        }
        let here = self
            .expected("an attribute such as host.vars.os, a string, a number, true, false, null, match(), regex(), cidr_match() or len()");
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
                word => match self.subjects.iter().find(|subject| subject.word() == word) {
                    Some(subject) => self.attribute(*subject),
                    None => Err(format!("{here}, not {}", Token::Identifier(word.to_owned()))),
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
        let operand = self.unary()?;
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

    fn plain_attribute(&mut self) -> Result<Expression, String> {
        let here = self.expected("an attribute such as host.address or host.vars.disks");
        match self.primary()? {
            attribute @ Expression::Attribute(_) => Ok(attribute),
            _ => Err(here),
        }
    }

    fn attribute(&mut self, subject: Subject) -> Result<Expression, String> {
        self.require(".")?;
        let here = self.expected(&format!("one of {}", subject.fields().join(", ")));
        let Token::Identifier(word) = self.next() else { return Err(here) };
        let field = subject.fields().iter().copied().find(|field| *field == word).ok_or(here)?;
        let mut keys = Vec::new();
        loop {
            let column = self.column();
            if self.take(".") {
                let here = self.expected("a name after the dot; write [\"...\"] for any other key");
                let Token::Identifier(key) = self.next() else { return Err(here) };
                keys.push(key);
            } else if self.take("[") {
                let here = self.expected("a key in double quotes");
                let Token::Text(key) = self.next() else { return Err(here) };
                self.require("]")?;
                keys.push(key);
            } else {
                break;
            }
            let subject = subject.word();
            if field != "vars" {
                return Err(format!(
                    "column {column}: {subject}.{field} has nothing below it; only {subject}.vars has"
                ));
            }
            if keys.len() > MAX_KEYS {
                return Err(format!(
                    "column {column}: {subject}.vars is read at most {MAX_KEYS} levels deep"
                ));
            }
        }
        Ok(Expression::Attribute(Attribute { subject, field, keys }))
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
    fn refuses_everything_else_with_a_column() {
        for (source, column) in [
            ("", 1),
            ("host", 5),
            ("host.secret", 6),
            ("host.name.x", 10),
            (r#"host.name == 'a'"#, 14),
            (r#"host.name == "a"#, 14),
            (r#"host.name = "a""#, 11),
            ("get_object(Host, \"a\")", 1),
            ("{{ true }}", 1),
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
