//! A parser of rendered files: two comment lines, the dictionaries that a rule needs, then exactly
//! one statement.

use super::lexer::{Dialect, Token, tokens};
use serde_json::{Map, Value};

/// The statement of a file.
#[derive(Debug, PartialEq)]
pub struct Statement {
    /// The dictionaries that are made before, if they are not there yet.
    pub globals: Vec<String>,
    /// `object`, `template` or `apply`.
    pub form: String,
    /// The Icinga type.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The target of an apply rule: `Host` or `Service`.
    pub target: Option<String>,
    /// Tokens of `for (...)`, without the parentheses.
    pub for_each: Vec<Token>,
    /// Tokens of all `if` statements, concatenated.
    pub conditions: Vec<Token>,
    /// Imported templates, in order.
    pub imports: Vec<String>,
    /// Attributes that are set with `=`, in order.
    pub assigned: Vec<(String, Value)>,
    /// Attributes that are set with `+=`.
    pub added: Map<String, Value>,
    /// Tokens of the line that makes the value of an entry.
    pub entry: Vec<Token>,
    /// Tokens of each `try` statement.
    pub sets: Vec<Vec<Token>>,
    /// Tokens of each `assign where`.
    pub assign: Vec<Vec<Token>>,
    /// Tokens of each `ignore where`.
    pub ignore: Vec<Vec<Token>>,
}

/// Parses the file of the object `key`.
///
/// # Errors
/// If the file is not of the expected form.
pub fn read(key: &str, file: &str) -> Result<Statement, String> {
    let mut lines = file.splitn(3, '\n');
    let first =
        format!("// Published by Groundlink from MonitoringObject {key}. Changes here are overwritten.");
    if lines.next() != Some(&first) {
        return Err("the first line is another".into());
    }
    if !lines.next().is_some_and(|header| header.starts_with("// groundlink: {")) {
        return Err("the second line is no header".into());
    }
    let code = lines.next().unwrap_or_default();
    let tokens = tokens(code, Dialect::Icinga)?;
    let mut reader = Reader { tokens: &tokens, at: 0, part: Part::Imports };
    let statement = reader.statement()?;
    if reader.at == tokens.len() { Ok(statement) } else { Err(reader.unexpected("the end")) }
}

/// The parts of a statement, in order: what comes later overrides what came before.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Part {
    Imports,
    TakenBack,
    Attributes,
    OfEntry,
    Value,
    Sets,
    Assign,
    Ignore,
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    part: Part,
}

impl Reader<'_> {
    fn take(&mut self, wanted: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.is(wanted));
        self.at += usize::from(found);
        found
    }

    fn require(&mut self, wanted: &str) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let from = self.at.min(self.tokens.len());
        format!("{wanted} expected, not {:?}", &self.tokens[from..self.tokens.len().min(from + 6)])
    }

    /// Ensures that no part comes after a later one.
    fn part(&mut self, part: Part) -> Result<(), String> {
        if self.part > part {
            return Err(self.unexpected(&format!("{part:?} come after {:?}; other tokens", self.part)));
        }
        self.part = part;
        Ok(())
    }

    fn newline(&mut self) -> Result<(), String> {
        match self.tokens.get(self.at) {
            Some(Token::Newline) => self.at += 1,
            _ => return Err(self.unexpected("a new line")),
        }
        Ok(())
    }

    fn word(&mut self) -> Result<String, String> {
        let Some(Token::Word(word)) = self.tokens.get(self.at) else { return Err(self.unexpected("a word")) };
        self.at += 1;
        Ok(word.clone())
    }

    fn text(&mut self) -> Result<String, String> {
        let Some(Token::Text(text)) = self.tokens.get(self.at) else {
            return Err(self.unexpected("a string"));
        };
        self.at += 1;
        Ok(text.clone())
    }

    /// Reads `if (!globals.contains("name")) { globals.name = { } }`.
    fn global(&mut self) -> Result<String, String> {
        for wanted in "! globals . contains (".split(' ') {
            self.require(wanted)?;
        }
        let name = self.text()?;
        for wanted in ") ) { NEWLINE globals . NAME = { NEWLINE } NEWLINE } NEWLINE".split(' ') {
            match wanted {
                "NEWLINE" => self.newline()?,
                "NAME" => self.require(&name)?,
                fixed => self.require(fixed)?,
            }
        }
        Ok(name)
    }

    fn statement(&mut self) -> Result<Statement, String> {
        let mut globals = Vec::new();
        while self.take("if") {
            self.require("(")?;
            globals.push(self.global()?);
        }
        let form = self.word()?;
        if !["object", "template", "apply"].contains(&form.as_str()) {
            return Err(format!("a file begins with {form}"));
        }
        let (kind, name) = (self.word()?, self.text()?);
        let for_each = if self.take("for") { self.balanced("(", ")")? } else { Vec::new() };
        let target = if self.take("to") { Some(self.word()?) } else { None };
        let mut statement = Statement {
            globals,
            form,
            kind,
            name,
            target,
            for_each,
            conditions: Vec::new(),
            imports: Vec::new(),
            assigned: Vec::new(),
            added: Map::new(),
            entry: Vec::new(),
            sets: Vec::new(),
            assign: Vec::new(),
            ignore: Vec::new(),
        };
        self.require("{")?;
        self.newline()?;
        while !self.take("}") {
            self.line(&mut statement)?;
            self.newline()?;
        }
        self.newline()?;
        Ok(statement)
    }

    /// Returns the tokens between two matching brackets.
    fn balanced(&mut self, open: &str, close: &str) -> Result<Vec<Token>, String> {
        self.require(open)?;
        let (begin, mut depth) = (self.at, 1);
        while depth > 0 {
            let token = self.tokens.get(self.at).ok_or_else(|| self.unexpected(close))?;
            depth += usize::from(token.is(open));
            depth -= usize::from(token.is(close));
            self.at += 1;
        }
        Ok(self.tokens[begin..self.at - 1].to_vec())
    }

    /// Returns the tokens up to the end of the line.
    fn rest(&mut self) -> Vec<Token> {
        let rest = &self.tokens[self.at..];
        let end = rest.iter().position(|token| *token == Token::Newline).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_vec()
    }

    fn line(&mut self, statement: &mut Statement) -> Result<(), String> {
        let begin = self.at;
        if self.take("try") {
            self.part(Part::Sets)?;
            self.balanced("{", "}")?;
            self.require("except")?;
            self.balanced("{", "}")?;
            statement.sets.push(self.tokens[begin..self.at].to_vec());
            return Ok(());
        }
        if self.tokens.get(begin).is_some_and(|token| token.is("var")) {
            self.part(Part::Value)?;
            statement.entry.extend(self.rest());
            return Ok(());
        }
        if self.take("if") {
            // What an entry gives asks for the variable of a host or service.
            let asked = self.balanced("(", ")")?;
            let is_of_entry = asked.get(2).is_some_and(|token| token.is("host") || token.is("service"));
            self.part(if is_of_entry { Part::OfEntry } else { Part::TakenBack })?;
            self.balanced("{", "}")?;
            if self.take("else") {
                self.balanced("{", "}")?;
            }
            statement.conditions.extend_from_slice(&self.tokens[begin..self.at]);
            return Ok(());
        }
        let word = self.word()?;
        if word == "import" {
            self.part(Part::Imports)?;
            statement.imports.push(self.text()?);
            return Ok(());
        }
        let rules = match word.as_str() {
            "assign" => Some((&mut statement.assign, Part::Assign)),
            "ignore" => Some((&mut statement.ignore, Part::Ignore)),
            _ => None,
        };
        if let Some((rules, part)) = rules {
            self.part(part)?;
            self.require("where")?;
            rules.push(self.rest());
            return Ok(());
        }
        if self.tokens.get(self.at).is_some_and(|token| token.is("[")) {
            self.part(Part::Attributes)?;
            return self.merge(&word, statement);
        }
        let adds = self.take("+=");
        // A field that is taken back is set, too, so `=` alone may come before other parts.
        if adds {
            self.part(Part::Attributes)?;
        } else if self.part > Part::Attributes {
            return Err(self.unexpected("no attribute"));
        } else {
            self.require("=")?;
        }
        let value = self.value()?;
        if !adds {
            statement.assigned.push((word, value));
            return Ok(());
        }
        match statement.added.insert(word.clone(), value) {
            None => Ok(()),
            Some(_) => Err(format!("{word} is added to twice")),
        }
    }

    /// Reads `vars["a"] = (typeof(vars["a"]) == Dictionary && vars["a"] || { }) + { ... }`, which
    /// adds to a dictionary, and puts the dictionary into the variables that are added.
    fn merge(&mut self, word: &str, statement: &mut Statement) -> Result<(), String> {
        let begin = self.at - 1;
        let mut keys = Vec::new();
        while self.take("[") {
            keys.push(self.text()?);
            self.require("]")?;
        }
        let place = &self.tokens[begin..self.at];
        self.require("=")?;
        for wanted in "( typeof ( PLACE ) == Dictionary && PLACE || { } ) +".split(' ') {
            if wanted != "PLACE" {
                self.require(wanted)?;
            } else if self.tokens[self.at..].starts_with(place) {
                self.at += place.len();
            } else {
                return Err(self.unexpected(&format!("{place:?}")));
            }
        }
        let value = self.value()?;
        if word != "vars" || !value.is_object() {
            return Err(format!("a dictionary is added to {place:?}"));
        }
        let mut at = statement.added.entry("vars").or_insert_with(|| Map::new().into());
        let last = keys.pop();
        for key in keys {
            at = at.get_mut(&key).ok_or_else(|| format!("{key:?} of {place:?} is not there yet"))?;
        }
        let (Value::Object(at), Some(last)) = (at, last) else {
            return Err(format!("{place:?} is below no dictionary"));
        };
        match at.insert(last, value) {
            None => Ok(()),
            Some(_) => Err(format!("{place:?} is set twice")),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.take("[") {
            return self.array();
        }
        if self.take("{") {
            return self.dictionary();
        }
        let token = self.tokens.get(self.at);
        let value = match token {
            Some(Token::Text(_) | Token::Symbol("(")) => return self.joined(),
            Some(Token::Number(number)) => Value::from(*number),
            Some(token) if token.is("true") => Value::Bool(true),
            Some(token) if token.is("false") => Value::Bool(false),
            Some(token) if token.is("null") => Value::Null,
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(value)
    }

    /// Reads text and constants with plus signs between them, as a resource writes them:
    /// `$PluginDir$/x`.
    fn joined(&mut self) -> Result<Value, String> {
        let mut joined = String::new();
        loop {
            if self.tokens.get(self.at).is_some_and(|token| token.is("(")) {
                joined.push_str(&self.constant()?);
            } else {
                joined.push_str(&self.text()?);
            }
            if !self.take("+") {
                return Ok(joined.into());
            }
        }
    }

    /// Reads the value of a constant, whose dollar signs are no macros, or a text if it is missing.
    fn constant(&mut self) -> Result<String, String> {
        const FORM: &str = "( ( ) => { try { return string ( NAME ) . replace ( DOLLAR , DOLLARS ) } except { return MISSING } } ) ( )";
        let mut name = String::new();
        for wanted in FORM.split(' ') {
            let text = match wanted {
                "NAME" => {
                    name = self.word()?;
                    continue;
                }
                "DOLLAR" => "$".to_owned(),
                "DOLLARS" => "$$".to_owned(),
                "MISSING" => format!("(this Icinga has no constant {name})"),
                fixed => {
                    self.require(fixed)?;
                    continue;
                }
            };
            if self.text()? != text {
                return Err(format!("{text:?} expected in the constant {name}"));
            }
        }
        Ok(format!("${name}$"))
    }

    fn array(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        while !self.take("]") {
            if !items.is_empty() {
                self.require(",")?;
            }
            items.push(self.value()?);
        }
        Ok(items.into())
    }

    fn dictionary(&mut self) -> Result<Value, String> {
        let mut items = Map::new();
        self.newline()?;
        while !self.take("}") {
            let key = self.text()?;
            self.require("=")?;
            let value = self.value()?;
            self.newline()?;
            if items.insert(key.clone(), value).is_some() {
                return Err(format!("the key {key:?} occurs twice"));
            }
        }
        Ok(items.into())
    }
}
