//! The valid text after `assign where` and `ignore where`: one balanced expression of known words.
//! It must check the type of every operand for which Icinga would throw. The tables at the top have
//! everything that is allowed. A new function, or a lambda of a fixed form with its braces, is a
//! line there.

use super::lexer::Token;

/// The readable fields of each subject.
const SUBJECTS: [(&str, &[&str]); 3] = [
    ("host", &["name", "display_name", "address", "address6", "groups", "check_command", "zone", "vars"]),
    ("service", &["name", "display_name", "groups", "check_command", "zone", "vars"]),
    ("user", &["name", "display_name", "email", "pager", "groups", "zone", "vars"]),
];
const CONSTANTS: [&str; 3] = ["true", "false", "null"];
const TYPES: [&str; 5] = ["String", "Number", "Array", "Boolean", "Dictionary"];
const OPERATORS: [&str; 9] = ["&&", "||", "==", "!=", "<", "<=", ">", ">=", "in"];
/// Operators that throw, with the types that are safe. Both operands must be known to have one of
/// them; for `in`, only the right one.
const GUARDED: [(&str, &[&str]); 5] = [
    ("<", &["String", "Number"]),
    ("<=", &["String", "Number"]),
    (">", &["String", "Number"]),
    (">=", &["String", "Number"]),
    ("in", &["Array"]),
];
const REGEX: &[&str] = &["String", "Number", "Array", "Boolean"];
/// Operands of several tokens. EXPRESSION and TEXT are placeholders, ANY is `, MatchAny` or nothing;
/// all other tokens are literal.
/// The expression must be known to have one of the listed types. An empty list allows any type.
const FORMS: [(&str, &[&str]); 10] = [
    ("typeof ( get_service ( host . name , TEXT ) ) == Service", &[]),
    ("typeof ( EXPRESSION )", &[]),
    ("match ( TEXT , EXPRESSION ANY )", REGEX),
    // These functions throw for some texts as well, so the lambda catches that.
    (
        "( ( ) use ( host ) => { try { return regex ( TEXT , EXPRESSION ANY ) } except { return false } } ) ( )",
        REGEX,
    ),
    (
        "( ( ) use ( service ) => { try { return regex ( TEXT , EXPRESSION ANY ) } except { return false } } ) ( )",
        REGEX,
    ),
    (
        "( ( ) use ( user ) => { try { return regex ( TEXT , EXPRESSION ANY ) } except { return false } } ) ( )",
        REGEX,
    ),
    (
        "( ( ) use ( host ) => { try { return cidr_match ( TEXT , EXPRESSION ANY ) } except { return false } } ) ( )",
        &["String", "Array"],
    ),
    (
        "( ( ) use ( service ) => { try { return cidr_match ( TEXT , EXPRESSION ANY ) } except { return false } } ) ( )",
        &["String", "Array"],
    ),
    (
        "( ( ) use ( user ) => { try { return cidr_match ( TEXT , EXPRESSION ANY ) } except { return false } } ) ( )",
        &["String", "Array"],
    ),
    ("len ( EXPRESSION )", &["String", "Array", "Dictionary"]),
];
/// Deepest nesting that is read, far more than a resource may have.
const MAX_DEPTH: usize = 200;
/// Most keys below `vars`.
const MAX_KEYS: usize = 4;

/// Checks the tokens of a condition over these subjects.
///
/// # Errors
/// If the condition is not allowed, with the reason and the tokens there.
pub fn check(tokens: &[Token], subjects: &[&str]) -> Result<(), String> {
    let mut reader = Reader { tokens, subjects, at: 0, depth: 0, known: Vec::new() };
    reader.expression()?;
    if reader.at == tokens.len() { Ok(()) } else { Err(reader.unexpected("after an expression")) }
}

struct Reader<'a> {
    tokens: &'a [Token],
    subjects: &'a [&'a str],
    at: usize,
    depth: usize,
    /// Operands whose type was checked earlier in the current chain of `&&`, with that type.
    known: Vec<(&'a [Token], &'static str)>,
}

impl<'a> Reader<'a> {
    fn is(&self, wanted: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(wanted))
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.is(wanted);
        self.at += usize::from(found);
        found
    }

    fn take_text(&mut self) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Text(_)));
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, place: &str) -> String {
        let from = self.at.min(self.tokens.len());
        format!("{place}, not {:?}", &self.tokens[from..self.tokens.len().min(from + 4)])
    }

    fn expression(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nested too deep".into());
        }
        let known = self.known.len();
        let mut left = self.question()?;
        let mut first = None;
        while let Some(operator) = OPERATORS.into_iter().find(|operator| self.is(operator)) {
            // Rendered conditions never depend on Icinga's operator precedence.
            if first.is_some_and(|first| first != operator || !["&&", "||"].contains(&first)) {
                return Err(self.unexpected("parentheses between two operators expected"));
            }
            first = Some(operator);
            self.at += 1;
            if operator == "||" {
                self.known.truncate(known);
            }
            let right = self.question()?;
            if let Some((_, kinds)) = GUARDED.into_iter().find(|(guarded, _)| *guarded == operator) {
                self.guarded(right, kinds)?;
                if operator != "in" {
                    self.guarded(left, kinds)?;
                }
            }
            left = right;
        }
        self.depth -= 1;
        // A type check holds for the operands that follow after `&&`, and for nothing else.
        let mut after = self.at;
        while self.tokens.get(after).is_some_and(|token| token.is(")")) {
            after += 1;
        }
        if !self.tokens.get(after).is_some_and(|token| token.is("&&")) {
            self.known.truncate(known);
        }
        Ok(())
    }

    /// Reads an operand. Remembers the type after `typeof(a) == Array`.
    fn question(&mut self) -> Result<&'a [Token], String> {
        let operand = self.operand()?;
        if operand.first().is_some_and(|token| token.is("typeof")) && self.take("==") {
            let kind = TYPES.into_iter().find(|kind| self.is(kind));
            let kind = kind.ok_or_else(|| self.unexpected("a type expected"))?;
            self.at += 1;
            self.known.push((&operand[2..operand.len() - 1], kind));
        }
        Ok(operand)
    }

    fn operand(&mut self) -> Result<&'a [Token], String> {
        let begin = self.at;
        let tokens = self.tokens;
        if self.take("!") {
            self.operand()?;
        } else if let Some((form, kinds)) = FORMS.into_iter().find(|(form, _)| self.begins(form)) {
            self.form(form, kinds)?;
        } else if self.take("(") {
            self.expression()?;
            if !self.take(")") {
                return Err(self.unexpected("a closing parenthesis expected"));
            }
        } else {
            match self.tokens.get(self.at) {
                Some(Token::Text(_) | Token::Number(_)) => self.at += 1,
                Some(Token::Word(word)) if CONSTANTS.contains(&word.as_str()) => self.at += 1,
                Some(Token::Word(word)) if self.subjects.contains(&word.as_str()) => self.attribute()?,
                _ => return Err(self.unexpected("an operand expected")),
            }
        }
        Ok(&tokens[begin..self.at])
    }

    /// True if the tokens here begin like the form, up to its first placeholder.
    fn begins(&self, form: &str) -> bool {
        let fixed = form.split(' ').take_while(|word| !["EXPRESSION", "TEXT", "ANY"].contains(word));
        fixed.enumerate().all(|(i, word)| self.tokens.get(self.at + i).is_some_and(|token| token.is(word)))
    }

    fn form(&mut self, form: &str, kinds: &[&str]) -> Result<(), String> {
        for word in form.split(' ') {
            let begin = self.at;
            match word {
                "EXPRESSION" => {
                    self.expression()?;
                    self.guarded(&self.tokens[begin..self.at], kinds)?;
                }
                "TEXT" if self.take_text() => {}
                "ANY" if !self.take(",") || self.take("MatchAny") => {}
                fixed if self.take(fixed) => {}
                _ => return Err(self.unexpected(&format!("`{word}` of `{form}` expected"))),
            }
        }
        Ok(())
    }

    /// Reads `host.vars["a"]["b"]`. Everything above the last key must be known to be a dictionary.
    fn attribute(&mut self) -> Result<(), String> {
        let begin = self.at;
        let (_, fields) = SUBJECTS
            .into_iter()
            .find(|(subject, _)| self.is(subject))
            .ok_or_else(|| self.unexpected("a subject expected"))?;
        self.at += 1;
        if !self.take(".") {
            return Err(self.unexpected("a point expected"));
        }
        let is_known = fields.iter().any(|field| self.is(field));
        let has_keys = self.is("vars");
        if !is_known {
            return Err(self.unexpected("a known field expected"));
        }
        self.at += 1;
        for keys in 0.. {
            let above = &self.tokens[begin..self.at];
            if !self.take("[") {
                break;
            }
            if !has_keys || keys == MAX_KEYS {
                return Err(self.unexpected("no key expected"));
            }
            if keys > 0 {
                self.guarded(above, &["Dictionary"])?;
            }
            if !(self.take_text() && self.take("]")) {
                return Err(self.unexpected("a key in brackets expected"));
            }
        }
        Ok(())
    }

    /// Fails unless the operand is a constant, or its type was checked.
    fn guarded(&self, operand: &[Token], kinds: &[&str]) -> Result<(), String> {
        let is_constant = matches!(operand, [Token::Text(_) | Token::Number(_)]);
        let is_known = self.known.iter().any(|(known, kind)| *known == operand && kinds.contains(kind));
        if kinds.is_empty() || is_constant || is_known {
            return Ok(());
        }
        Err(format!("nothing asks whether {operand:?} is one of {kinds:?}"))
    }
}
