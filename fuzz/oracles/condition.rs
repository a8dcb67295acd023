//! The valid expressions of a rendered file: those after `assign where` and `ignore where`, and
//! those in `set`. Each is one balanced expression of known words.
//! It must check the type of every operand for which Icinga would throw, unless the error is
//! caught. The tables at the top have everything that is allowed. A new function, or a lambda of a
//! fixed form with its braces, is a line there.

use super::lexer::{Dialect, Token, tokens};
use std::sync::LazyLock;

/// The readable fields of each subject. Those without fields are variables: the key and the value
/// of an entry.
const SUBJECTS: [(&str, &[&str]); 5] = [
    (
        "host",
        &[
            "name",
            "display_name",
            "address",
            "address6",
            "groups",
            "check_command",
            "command_endpoint",
            "templates",
            "zone",
            "vars",
        ],
    ),
    (
        "service",
        &["name", "display_name", "groups", "check_command", "command_endpoint", "templates", "zone", "vars"],
    ),
    ("user", &["name", "display_name", "email", "pager", "groups", "templates", "zone", "vars"]),
    ("key", &[]),
    ("value", &[]),
];
const LITERALS: [&str; 3] = ["true", "false", "null"];
/// Icinga's constants. Some Icinga may lack one, so they are read only where an error is caught.
const CONSTANTS: [&str; 2] = ["NodeName", "ZoneName"];
const TYPES: [&str; 5] = ["String", "Number", "Array", "Boolean", "Dictionary"];
const ORDER: [&str; 4] = ["<=", ">=", "<", ">"];
const OPERATORS: [&str; 10] = ["&&", "||", "==", "!=", "<", "<=", ">", ">=", "in", "+"];
/// Operators that throw, with the types that are safe. Both operands must be known to have one of
/// them; for `in`, only the right one.
const GUARDED: [(&str, &[&str]); 5] = [
    ("<", &["String", "Number"]),
    ("<=", &["String", "Number"]),
    (">", &["String", "Number"]),
    (">=", &["String", "Number"]),
    ("in", &["Array"]),
];
const TEXTS: &[&str] = &["String", "Number", "Array", "Boolean", "Null"];
/// Operands of several tokens, with placeholders:
///
/// - EXPRESSION is an expression, which must be known to have one of the listed types. An empty
///   list allows any type.
/// - VALUE is an expression whose errors are caught.
/// - TYPE is a type of objects that belong to no host.
/// - TEXT is a string, STRINGS are some, ENTRIES are some pairs of a string and an expression.
/// - ANY is `, MatchAny` or nothing, ORDER a comparison, OTHERWISE the value in place of an error.
/// - USE is `use (...)` or nothing. Behind it, only those variables are there.
const FORMS: [(&str, &[&str]); 14] = [
    ("typeof(get_service(host.name, TEXT)) == Service", &[]),
    ("typeof(EXPRESSION)", &[]),
    ("match(TEXT, EXPRESSION ANY)", TEXTS),
    // These functions throw for some texts as well, so the lambda catches that.
    ("(() USE => { try { return regex(TEXT, EXPRESSION ANY) } except { return false } })()", TEXTS),
    (
        "(() USE => { try { return cidr_match(TEXT, EXPRESSION ANY) } except { return false } })()",
        &["String", "Array"],
    ),
    ("len(EXPRESSION)", &[]),
    ("(() USE => { try { return VALUE } except { return OTHERWISE } })()", &[]),
    (
        "((a, b) => (typeof(a) == Number && typeof(b) == Number || typeof(a) == String && typeof(b) == String) \
         && a ORDER b)(EXPRESSION, EXPRESSION)",
        &[],
    ),
    ("((a, b) => typeof(b) == Array && a in b)(EXPRESSION, EXPRESSION)", &[]),
    ("((n) => typeof(n) == String && n != \"\" && get_object(TYPE, n) != null)(EXPRESSION)", &[]),
    // A literal dictionary with keys is refused in a condition.
    ("((l) => { var r = { }; for (e in l) { r[e[0]] = e[1] }; return r })([ ENTRIES ])", &[]),
    // Null below something that is no dictionary.
    (
        "((v) => { for (k in [ STRINGS ]) { if (typeof(v) != Dictionary) { return null }; \
         v = Dictionary.prototype.get.call(v, k) }; return v })(EXPRESSION)",
        &[],
    ),
    ("((globals.contains(\"NodeName\") || null) && NodeName)", &[]),
    ("((globals.contains(\"ZoneName\") || null) && ZoneName)", &[]),
];
static FORM_TOKENS: LazyLock<Vec<(Vec<Token>, &[&str])>> = LazyLock::new(|| {
    let read = |(form, kinds)| Some((tokens(form, Dialect::Icinga).ok()?, kinds));
    FORMS.into_iter().filter_map(read).collect()
});
const PLACEHOLDERS: [&str; 10] =
    ["EXPRESSION", "VALUE", "TEXT", "TYPE", "STRINGS", "ENTRIES", "ANY", "ORDER", "OTHERWISE", "USE"];
/// Types of objects that belong to no host.
const OBJECTS: [&str; 11] = [
    "Host",
    "HostGroup",
    "ServiceGroup",
    "User",
    "UserGroup",
    "CheckCommand",
    "EventCommand",
    "NotificationCommand",
    "TimePeriod",
    "Zone",
    "Endpoint",
];
/// Deepest nesting that is read, far more than a resource may have.
const MAX_DEPTH: usize = 200;
/// Most keys below `vars`, or below the value of an entry.
const MAX_KEYS: usize = 4;

/// Checks the tokens of a condition over these subjects.
///
/// # Errors
/// If the condition is not allowed, with the reason and the tokens there.
pub fn check(tokens: &[Token], subjects: &[&str]) -> Result<(), String> {
    let mut reader = Reader::new(tokens, subjects);
    reader.expression()?;
    reader.end("an expression")
}

/// Checks that tokens have this form, and returns its expressions and values.
///
/// # Errors
/// If something else is there, with the reason and the tokens there.
pub fn fits<'a>(
    tokens: &'a [Token],
    form: &[Token],
    subjects: &'a [&'a str],
) -> Result<Vec<&'a [Token]>, String> {
    let mut reader = Reader::new(tokens, subjects);
    let expressions = reader.form(form, &[])?;
    reader.end("the form")?;
    Ok(expressions)
}

/// Checks that everything that an expression of a resource names occurs in the rendered one.
///
/// # Errors
/// If something is missing.
pub fn holds(source: &str, found: &[Token]) -> Result<(), String> {
    let wanted = tokens(source, Dialect::Condition)?;
    for (i, token) in wanted.iter().enumerate() {
        let is_there = match token {
            Token::Number(_) => found.contains(token),
            // Keys become text, and the name of a type may be either.
            Token::Word(word) | Token::Text(word) => {
                let is_text = matches!(token, Token::Text(_));
                let is_type = [TYPES.as_slice(), &OBJECTS].iter().any(|types| types.contains(&word.as_str()));
                let as_word = !is_text || is_type;
                // The host of a service is read as the host; all entries must match by default.
                let is_host = word == "service"
                    && wanted[i + 1..].starts_with(&[Token::Symbol("."), Token::Word("host".into())]);
                let is_default = is_host || word == "MatchAll";
                found.iter().any(|token| {
                    matches!(token, Token::Text(text) if text == word) || as_word && token.is(word)
                }) || (!is_text && is_default)
            }
            _ => true,
        };
        if !is_there {
            return Err(format!("{token:?} of {source:?} is missing"));
        }
    }
    Ok(())
}

/// What is known if a condition is true: operands, each with the types that it may have.
type Facts<'a> = Vec<(&'a [Token], Vec<&'static str>)>;

struct Reader<'a> {
    tokens: &'a [Token],
    subjects: Vec<&'a str>,
    at: usize,
    depth: usize,
    /// True where an error of Icinga is caught.
    is_caught: bool,
    /// What was asked earlier in the current chain of `&&`.
    known: Facts<'a>,
}

impl<'a> Reader<'a> {
    fn new(tokens: &'a [Token], subjects: &[&'a str]) -> Self {
        Self { tokens, subjects: subjects.to_vec(), at: 0, depth: 0, is_caught: false, known: Vec::new() }
    }

    fn end(&self, before: &str) -> Result<(), String> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unexpected(&format!("after {before}"))) }
    }

    fn is(&self, wanted: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(wanted))
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.is(wanted);
        self.at += usize::from(found);
        found
    }

    fn take_one(&mut self, wanted: &[&'static str]) -> Option<&'static str> {
        wanted.iter().copied().find(|wanted| self.take(wanted))
    }

    fn require(&mut self, wanted: &str) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}` expected"))) }
    }

    fn take_text(&mut self) -> Result<(), String> {
        if !matches!(self.tokens.get(self.at), Some(Token::Text(_))) {
            return Err(self.unexpected("a string expected"));
        }
        self.at += 1;
        Ok(())
    }

    fn unexpected(&self, place: &str) -> String {
        let from = self.at.min(self.tokens.len());
        format!("{place}, not {:?}", &self.tokens[from..self.tokens.len().min(from + 4)])
    }

    /// Reads an expression. Returns what is known if it is true.
    fn expression(&mut self) -> Result<Facts<'a>, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nested too deep".into());
        }
        let outside = self.known.len();
        let (mut left, mut facts) = self.question()?;
        let mut first = None;
        while let Some(operator) = OPERATORS.into_iter().find(|operator| self.is(operator)) {
            // Rendered conditions never depend on Icinga's operator precedence.
            if first.is_some_and(|first| first != operator || !["&&", "||"].contains(&first)) {
                return Err(self.unexpected("parentheses between two operators expected"));
            }
            if operator == "+" && !self.is_caught {
                return Err(self.unexpected("nothing catches the error of a sum"));
            }
            first = Some(operator);
            self.at += 1;
            if operator == "&&" {
                self.known.extend(facts.iter().cloned());
            }
            let (right, more) = self.question()?;
            if let Some((_, kinds)) = GUARDED.into_iter().find(|(guarded, _)| *guarded == operator) {
                self.guarded(right, kinds)?;
                if operator != "in" {
                    self.guarded(left, kinds)?;
                }
            }
            facts = match operator {
                "&&" => [facts, more].concat(),
                // What is true comes from the left side.
                "||" if matches!(right, [null] if null.is("null")) => facts,
                "||" => either(&facts, &more),
                "==" if matches!(right, [null] if null.is("null")) => vec![(left, vec!["Null"])],
                _ => Vec::new(),
            };
            self.known.truncate(outside);
            left = right;
        }
        self.depth -= 1;
        Ok(facts)
    }

    /// Reads an operand, with the type after `typeof(a) ==`.
    fn question(&mut self) -> Result<(&'a [Token], Facts<'a>), String> {
        let begin = self.at;
        let facts = self.operand()?;
        let (tokens, end) = (self.tokens, self.at);
        let operand = &tokens[begin..end];
        if !operand.first().is_some_and(|token| token.is("typeof")) || !self.take("==") {
            return Ok((operand, facts));
        }
        let kind = self.take_one(&TYPES).ok_or_else(|| self.unexpected("a type expected"))?;
        Ok((operand, vec![(&tokens[begin + 2..end - 1], vec![kind])]))
    }

    fn operand(&mut self) -> Result<Facts<'a>, String> {
        let mut facts = Vec::new();
        if self.take("!") {
            self.operand()?;
        } else if let Some((form, kinds)) = FORM_TOKENS.iter().find(|(form, _)| self.begins(form)) {
            self.form(form, kinds)?;
        } else if self.take("(") {
            facts = self.expression()?;
            self.require(")")?;
        } else if self.take("[") {
            self.several(|reader| reader.expression().map(drop))?;
            return self.require("]").map(|()| facts);
        } else {
            match self.tokens.get(self.at) {
                Some(Token::Text(_) | Token::Number(_)) => self.at += 1,
                Some(Token::Word(word)) if LITERALS.contains(&word.as_str()) => self.at += 1,
                Some(Token::Word(word)) if self.is_caught && CONSTANTS.contains(&word.as_str()) => {
                    self.at += 1
                }
                Some(Token::Word(word)) if self.subjects.contains(&word.as_str()) => self.attribute()?,
                _ => return Err(self.unexpected("an operand expected")),
            }
        }
        while self.take(".") {
            let method = self.take_one(&["contains", "replace"]);
            let method = method.ok_or_else(|| self.unexpected("a known method expected"))?;
            if !self.is_caught {
                return Err(self.unexpected("nothing catches the error of a method"));
            }
            self.require("(")?;
            if method == "contains" {
                self.expression()?;
            } else {
                self.take_text()?;
                self.require(",")?;
                self.take_text()?;
            }
            self.require(")")?;
        }
        Ok(facts)
    }

    /// Reads what a list has before its closing bracket.
    fn several(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        if self.is("]") {
            return Ok(());
        }
        item(self)?;
        while self.take(",") {
            item(self)?;
        }
        Ok(())
    }

    /// True if the tokens here begin like the form, up to its first placeholder but USE.
    fn begins(&self, form: &[Token]) -> bool {
        let mut at = self.at;
        for wanted in form {
            match wanted {
                Token::Word(word) if word == "USE" => {
                    if self.tokens.get(at).is_some_and(|token| token.is("use")) {
                        let rest = self.tokens[at..].iter();
                        at += 1 + rest.take_while(|token| !token.is(")")).count();
                    }
                }
                Token::Word(word) if PLACEHOLDERS.contains(&word.as_str()) => return true,
                fixed if self.tokens.get(at) == Some(fixed) => at += 1,
                _ => return false,
            }
        }
        true
    }

    /// Reads a form. Returns its expressions and values.
    fn form(&mut self, form: &[Token], kinds: &[&str]) -> Result<Vec<&'a [Token]>, String> {
        let (tokens, outside) = (self.tokens, self.subjects.clone());
        let mut expressions = Vec::new();
        for (i, wanted) in form.iter().enumerate() {
            let begin = self.at;
            let Token::Word(word) = wanted else {
                self.fixed(wanted)?;
                continue;
            };
            match word.as_str() {
                "EXPRESSION" => {
                    self.expression()?;
                    self.guarded(&tokens[begin..self.at], kinds)?;
                    expressions.push(&tokens[begin..self.at]);
                }
                "VALUE" => {
                    let outside = std::mem::replace(&mut self.is_caught, true);
                    self.expression()?;
                    self.is_caught = outside;
                    expressions.push(&tokens[begin..self.at]);
                }
                "TEXT" => self.take_text()?,
                "TYPE" => {
                    self.take_one(&OBJECTS).ok_or_else(|| self.unexpected("a type expected"))?;
                }
                "STRINGS" => self.several(Self::take_text)?,
                "ENTRIES" => self.several(|reader| {
                    reader.require("[")?;
                    reader.take_text()?;
                    reader.require(",")?;
                    reader.expression()?;
                    reader.require("]")
                })?,
                "ANY" if self.take(",") => self.require("MatchAny")?,
                "ANY" => {}
                "ORDER" => {
                    self.take_one(&ORDER).ok_or_else(|| self.unexpected("a comparison expected"))?;
                }
                "OTHERWISE" => {
                    let value = self.take_one(&["null", "false"]);
                    value.ok_or_else(|| self.unexpected("null or false expected"))?;
                }
                "USE" => {
                    self.subjects.clone_from(&outside);
                    self.captured()?;
                    // A parameter is there, too.
                    if i > 1 && form[i - 1].is(")") && form[i - 2].is("value") {
                        self.subjects.push("value");
                    }
                }
                name => {
                    let is_new = i > 0 && form[i - 1].is("var");
                    let is_subject = SUBJECTS.iter().any(|(subject, _)| *subject == name);
                    let subject = SUBJECTS.iter().map(|(subject, _)| *subject).find(|known| *known == name);
                    if is_new {
                        self.subjects.extend(subject);
                    } else if is_subject && !self.subjects.contains(&name) {
                        return Err(self.unexpected(&format!("there is no {name} here")));
                    }
                    self.fixed(wanted)?;
                }
            }
        }
        self.subjects = outside;
        Ok(expressions)
    }

    fn fixed(&mut self, wanted: &Token) -> Result<(), String> {
        if self.tokens.get(self.at) != Some(wanted) {
            return Err(self.unexpected(&format!("{wanted:?} expected")));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads `use (host, key)`: a function sees nothing else.
    fn captured(&mut self) -> Result<(), String> {
        let mut captured = Vec::new();
        if self.take("use") {
            self.require("(")?;
            while captured.is_empty() || self.take(",") {
                let Some(Token::Word(name)) = self.tokens.get(self.at) else {
                    return Err(self.unexpected("a variable expected"));
                };
                if !self.subjects.contains(&name.as_str()) {
                    return Err(self.unexpected(&format!("there is no {name} here")));
                }
                captured.push(name.as_str());
                self.at += 1;
            }
            self.require(")")?;
        }
        self.subjects = captured;
        Ok(())
    }

    /// Reads `host.vars["a"]["b"]`. Everything above the last key must be known to be a dictionary.
    fn attribute(&mut self) -> Result<(), String> {
        let begin = self.at;
        let (_, fields) = SUBJECTS
            .into_iter()
            .find(|(subject, _)| self.is(subject))
            .ok_or_else(|| self.unexpected("a subject expected"))?;
        let is_entry = fields.is_empty();
        let mut has_keys = self.is("value");
        self.at += 1;
        if !is_entry {
            self.require(".")?;
            has_keys = self.is("vars");
            self.take_one(fields).ok_or_else(|| self.unexpected("a known field expected"))?;
        }
        for keys in 0.. {
            let above = &self.tokens[begin..self.at];
            if !self.take("[") {
                break;
            }
            if !has_keys || keys == MAX_KEYS {
                return Err(self.unexpected("no key expected"));
            }
            if keys > 0 || is_entry {
                self.guarded(above, &["Dictionary"])?;
            }
            self.take_text()?;
            self.require("]")?;
        }
        Ok(())
    }

    /// Fails unless the operand is a constant, or its type was checked.
    fn guarded(&self, operand: &[Token], kinds: &[&str]) -> Result<(), String> {
        let constant = match operand {
            [Token::Text(_)] => "String",
            [Token::Number(_)] => "Number",
            [first, ..] if first.is("[") => "Array",
            _ => "",
        };
        let is_known = |(known, types): &(&[Token], Vec<&str>)| {
            *known == operand && types.iter().all(|kind| kinds.contains(kind))
        };
        if kinds.is_empty() || kinds.contains(&constant) || self.known.iter().any(is_known) {
            return Ok(());
        }
        Err(format!("nothing asks whether {operand:?} is one of {kinds:?}"))
    }
}

/// Returns what is known if one of two conditions is true: what both say something about.
fn either<'a>(left: &Facts<'a>, right: &Facts<'a>) -> Facts<'a> {
    let mut both = Facts::new();
    for (operand, kinds) in left {
        for (_, more) in right.iter().filter(|(other, _)| other == operand) {
            both.push((operand, [kinds.as_slice(), more].concat()));
        }
    }
    both
}
