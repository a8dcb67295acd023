//! The parts of an expression that are values: attributes with what follows them, lists,
//! dictionaries, types.

use super::lexer::Token;
use super::parser::{MAX_KEYS, Parser};
use super::tree::{Attribute, Expression, Subject, Type};
use crate::api::IcingaType;
use crate::text::quoted;

/// Functions of Icinga's language that people try first, beside those that are there.
const FUNCTIONS: &str = "functions of Icinga's language are left out, because most can fail, and then Icinga loads nothing at \
                         all; use match(), regex(), cidr_match(), len(), typeof(), get_object(), .contains() and .replace()";

impl Parser<'_> {
    /// Returns the message about a word that is not known.
    pub(super) fn unknown(&self, word: &str, here: &str) -> String {
        let remedy = match word {
            "not" => "write ! in place of `not`",
            "and" => "write && in place of `and`",
            "or" => "write || in place of `or`",
            "key" | "value" => "there is an entry only in a rule with forEach",
            _ if matches!(self.peek(), Token::Symbol("(")) => FUNCTIONS,
            "host" | "service" | "user" => {
                return format!("{here}, not {}", Token::Identifier(word.to_owned()));
            }
            _ => &format!("if a text is meant, write {}", quoted(word)),
        };
        format!("{here}, not {}; {remedy}", Token::Identifier(word.to_owned()))
    }

    /// Reads a list behind its bracket.
    pub(super) fn list(&mut self) -> Result<Expression, String> {
        let mut items = Vec::new();
        while !self.take("]") {
            self.term()?;
            items.push(self.or()?);
            if !self.take(",") {
                self.require("]")?;
                break;
            }
        }
        Ok(Expression::List(items))
    }

    /// Reads a dictionary behind its brace: `key: value` or `"any key": value`.
    pub(super) fn dictionary(&mut self) -> Result<Expression, String> {
        let mut entries: Vec<(String, Expression)> = Vec::new();
        while !self.take("}") {
            self.term()?;
            let here = self.expected("a key, with a colon behind it");
            let key = match self.next() {
                Token::Identifier(key) | Token::Text(key) => key,
                _ => return Err(here),
            };
            self.require(":")?;
            if entries.iter().any(|(other, _)| *other == key) {
                return Err(format!("{here}; {} is there already", quoted(&key)));
            }
            entries.push((key, self.or()?));
            if !self.take(",") {
                self.require("}")?;
                break;
            }
        }
        Ok(Expression::Dictionary(entries))
    }

    /// Reads `(operand) == Type` behind `typeof`; the type may be quoted.
    pub(super) fn typeof_call(&mut self) -> Result<Expression, String> {
        self.require("(")?;
        let operand = self.plain_attribute()?;
        self.require(")")?;
        let is_negated = self.take("!=");
        if !is_negated && !self.take("==") {
            return Err(self.expected("== or != and a type, for example typeof(host.vars.disks) == Array"));
        }
        let here = self.expected("String, Number, Boolean, Array or Dictionary");
        let (Token::Identifier(word) | Token::Text(word)) = self.next() else { return Err(here) };
        let kind = Type::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(here)?;
        let is = Expression::IsType(Box::new(operand), kind);
        Ok(if is_negated { Expression::Not(Box::new(is)) } else { is })
    }

    /// Reads an attribute, or the key or value of an entry.
    pub(super) fn plain_attribute(&mut self) -> Result<Expression, String> {
        let here = self.expected("an attribute such as host.address or host.vars.disks");
        match self.primary()? {
            attribute @ Expression::Attribute(_) => Ok(attribute),
            _ => Err(here),
        }
    }

    /// Reads what follows `key` or `value`.
    pub(super) fn entry(&mut self, subject: Subject) -> Result<Expression, String> {
        self.keys(Attribute { subject, field: "", keys: Vec::new() })
    }

    /// Reads what follows `host`, `service` or `user`.
    pub(super) fn attribute(&mut self, subject: Subject) -> Result<Expression, String> {
        self.require(".")?;
        let here = self.expected(&format!("one of {}", subject.fields().join(", ")));
        let Token::Identifier(word) = self.next() else { return Err(here) };
        if subject == Subject::Service && word == "host" {
            return self.attribute(Subject::Host);
        }
        let field = subject.fields().iter().copied().find(|field| *field == word).ok_or(here)?;
        self.keys(Attribute { subject, field, keys: Vec::new() })
    }

    fn keys(&mut self, mut attribute: Attribute) -> Result<Expression, String> {
        let whole = match attribute.field {
            "" => attribute.subject.word().to_owned(),
            field => format!("{}.{field}", attribute.subject.word()),
        };
        let subject = attribute.subject.word();
        let has_keys = attribute.field == "vars" || attribute.subject == Subject::Value;
        loop {
            let column = self.column();
            if self.take(".") {
                let here = self.expected("a name after the dot; write [\"...\"] for any other key");
                let Token::Identifier(key) = self.next() else { return Err(here) };
                if matches!(self.peek(), Token::Symbol("(")) {
                    return match key.as_str() {
                        "contains" => self.contains_call(attribute),
                        "replace" => self.replace_call(attribute),
                        _ => Err(format!("column {column}: .{key}() is not known; {FUNCTIONS}")),
                    };
                }
                attribute.keys.push(key);
            } else if self.take("[") {
                let here = self.expected("a key in double quotes");
                let Token::Text(key) = self.next() else { return Err(here) };
                self.require("]")?;
                attribute.keys.push(key);
            } else {
                return Ok(Expression::Attribute(attribute));
            }
            if !has_keys {
                return Err(match attribute.subject {
                    Subject::Key => format!("column {column}: key is a text, with nothing below it"),
                    _ => format!("column {column}: {whole} has nothing below it; only {subject}.vars has"),
                });
            }
            if attribute.keys.len() > MAX_KEYS {
                let whole =
                    if attribute.field.is_empty() { subject.to_owned() } else { format!("{subject}.vars") };
                return Err(format!("column {column}: {whole} is read at most {MAX_KEYS} levels deep"));
            }
        }
    }

    /// Reads `(operand)` behind `.contains`.
    fn contains_call(&mut self, attribute: Attribute) -> Result<Expression, String> {
        self.require("(")?;
        let column = self.column();
        let needle = self.sum()?;
        if !needle.is_operand() {
            return Err(format!("column {column}: .contains() takes an attribute or a value"));
        }
        self.require(")")?;
        Ok(Expression::Contains(Box::new(Expression::Attribute(attribute)), Box::new(needle)))
    }

    /// Reads `("text", "other")` behind `.replace`, which may follow once more.
    fn replace_call(&mut self, attribute: Attribute) -> Result<Expression, String> {
        let mut replaced = Expression::Attribute(attribute);
        loop {
            self.term()?;
            self.require("(")?;
            let here = self.expected("a text in double quotes that is not empty");
            let Token::Text(from) = self.next() else { return Err(here) };
            if from.is_empty() {
                return Err(here);
            }
            self.require(",")?;
            let here = self.expected("a text in double quotes");
            let Token::Text(to) = self.next() else { return Err(here) };
            self.require(")")?;
            replaced = Expression::Replace(Box::new(replaced), from, to);
            if !self.take(".") {
                return Ok(replaced);
            }
            let here = self.expected(".replace() or the end of the value");
            if !matches!(self.next(), Token::Identifier(word) if word == "replace") {
                return Err(here);
            }
        }
    }

    /// Reads `(Type, operand)` behind `get_object`, and `== null` or `!= null` behind that.
    pub(super) fn object_call(&mut self) -> Result<Expression, String> {
        self.require("(")?;
        let here = self.expected("the type of an object that belongs to no host, for example Endpoint");
        let (Token::Identifier(word) | Token::Text(word)) = self.next() else { return Err(here) };
        let kind = IcingaType::named(&word).filter(|kind| !kind.is_attached()).ok_or(here)?;
        self.require(",")?;
        let here = self.expected("an attribute such as host.name, or a text");
        let name = self.sum()?;
        if !name.is_operand() {
            return Err(here);
        }
        self.require(")")?;
        let exists = Expression::Exists(kind, Box::new(name));
        let is_negated = self.take("==");
        if !is_negated && !self.take("!=") {
            return Ok(exists);
        }
        let here = self.expected("null: get_object() is compared with nothing else");
        if !matches!(self.next(), Token::Identifier(word) if word == "null") {
            return Err(here);
        }
        Ok(if is_negated { Expression::Not(Box::new(exists)) } else { exists })
    }
}
