//! The lexer. Where Icinga's own is surprising, this one is surprising in the same way: the longest
//! token wins, so `!invalid` is `!in` and `valid`, and `}}` closes a lambda, not two dictionaries.

use super::comment::Comment;
use super::token::{Position, Problem, Token};

const KEYWORDS: [&str; 40] = [
    "object",
    "template",
    "include",
    "include_recursive",
    "include_zones",
    "library",
    "null",
    "true",
    "false",
    "const",
    "var",
    "this",
    "globals",
    "locals",
    "use",
    "using",
    "apply",
    "default",
    "to",
    "where",
    "import",
    "assign",
    "ignore",
    "function",
    "return",
    "break",
    "continue",
    "for",
    "if",
    "else",
    "while",
    "throw",
    "try",
    "except",
    "ignore_on_error",
    "current_filename",
    "current_line",
    "debugger",
    "namespace",
    "in",
];

/// Operators and brackets, longest first.
const SYMBOLS: [&str; 41] = [
    "=>", "<<", ">>", "<=", ">=", "==", "!=", "!in", "&&", "||", "{{", "}}", "+=", "-=", "*=", "/=", "%=",
    "^=", "&=", "|=", "=", "+", "-", "*", "/", "%", "^", "&", "|", "<", ">", "!", "~", "(", ")", "[", "]",
    "{", "}", ".", ",",
];
const SINGLE: [&str; 3] = [";", "?", ":"];

/// Most tokens of a file. Each needs up to 200 bytes of memory, so a file of the largest size with
/// nothing but short ones would need several gigabytes.
const MAX_TOKENS: usize = 3_000_000;

/// Tokens with their positions, and the comments beside them.
pub(super) struct Tokens {
    pub(super) tokens: Vec<(Position, Token)>,
    pub(super) comments: Vec<Comment>,
}

/// Splits a text into tokens.
///
/// # Errors
/// If Icinga's lexer refuses it, or a text is not UTF-8.
pub(super) fn tokenize(source: &str) -> Result<Tokens, Problem> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut lexer = Lexer {
        source,
        at: 0,
        position: Position { line: 1, column: 1 },
        tokens: Vec::new(),
        comments: Vec::new(),
        ignores_newlines: vec![false],
    };
    while lexer.at < source.len() {
        if lexer.tokens.len() >= MAX_TOKENS {
            let what = format!("has more than {MAX_TOKENS} words and signs; split the file");
            return Err(Problem::new(lexer.position, what));
        }
        lexer.step()?;
    }
    let end = lexer.position;
    lexer.tokens.push((end, Token::NewLine));
    lexer.tokens.push((end, Token::End));
    Ok(Tokens { tokens: lexer.tokens, comments: lexer.comments })
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    position: Position,
    tokens: Vec<(Position, Token)>,
    comments: Vec<Comment>,
    /// One entry for each open bracket: true inside of parentheses, where line breaks are blanks.
    ignores_newlines: Vec<bool>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Moves forward by a number of bytes that ends at a character.
    fn advance(&mut self, bytes: usize) {
        for c in self.rest().get(..bytes).unwrap_or_default().chars() {
            if c == '\n' {
                self.position.line = self.position.line.saturating_add(1);
                self.position.column = 1;
            } else {
                self.position.column = self.position.column.saturating_add(1);
            }
        }
        self.at += bytes;
    }

    fn push(&mut self, token: Token, bytes: usize) {
        self.tokens.push((self.position, token));
        self.advance(bytes);
    }

    fn step(&mut self) -> Result<(), Problem> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(()) };
        match first {
            ' ' | '\t' => self.advance(1),
            '\r' | '\n' => {
                let bytes = rest.bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                if self.ignores_newlines.last().copied().unwrap_or(false) {
                    self.advance(bytes);
                } else {
                    self.push(Token::NewLine, bytes);
                }
            }
            '#' => self.comment(line_length(rest)),
            '/' if rest.starts_with("//") => self.comment(line_length(rest)),
            '/' if rest.starts_with("/*") => {
                let Some(end) = rest.find("*/") else {
                    return Err(Problem::new(
                        self.position,
                        "the comment is not closed; write */ at its end",
                    ));
                };
                // As in Icinga, `/*/` is the begin alone.
                let end = if end == 1 {
                    rest.get(2..).and_then(|rest| rest.find("*/")).map(|end| end + 2)
                } else {
                    Some(end)
                };
                match end {
                    Some(end) => self.comment(end + 2),
                    None => {
                        return Err(Problem::new(
                            self.position,
                            "the comment is not closed; write */ at its end",
                        ));
                    }
                }
            }
            '"' => self.text()?,
            '{' if rest.starts_with("{{{") => {
                let Some(length) = rest.get(3..).and_then(|rest| rest.find("}}}")) else {
                    return Err(Problem::new(self.position, "the text is not closed; write }}} at its end"));
                };
                let text = rest.get(3..3 + length).unwrap_or_default().to_owned();
                self.push(Token::Text(text), length + 6);
            }
            '0'..='9' => self.number()?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = word(rest);
                let token = match KEYWORDS.into_iter().find(|keyword| *keyword == word) {
                    Some(keyword) => Token::Keyword(keyword),
                    None => Token::Name(word.to_owned()),
                };
                self.push(token, word.len());
            }
            '@' => {
                let word = word(rest.get(1..).unwrap_or_default());
                if word.is_empty() {
                    return Err(Problem::new(
                        self.position,
                        "unexpected character '@'; write a name after it",
                    ));
                }
                self.push(Token::Name(word.to_owned()), word.len() + 1);
            }
            _ => self.symbol(first)?,
        }
        Ok(())
    }

    fn comment(&mut self, bytes: usize) {
        let line = self.position.line;
        let trailing =
            matches!(self.tokens.last(), Some((at, token)) if at.line == line && *token != Token::NewLine);
        let source = self.rest().get(..bytes).unwrap_or_default();
        self.comments.push(Comment::of(source, line, trailing));
        self.advance(bytes);
    }

    fn symbol(&mut self, first: char) -> Result<(), Problem> {
        let rest = self.rest();
        let symbol = SYMBOLS
            .into_iter()
            .chain(SINGLE)
            .filter(|symbol| rest.starts_with(symbol))
            .max_by_key(|s| s.len());
        if first == '<' {
            // `<[^ >]*>` is one token if it is longer than the operator.
            let inner = rest.get(1..).and_then(|rest| rest.find([' ', '>']));
            if let Some(inner) = inner
                && rest.as_bytes().get(inner + 1) == Some(&b'>')
                && inner + 2 > symbol.map_or(0, str::len)
            {
                let text = rest.get(1..=inner).unwrap_or_default().to_owned();
                self.push(Token::Angle(text), inner + 2);
                return Ok(());
            }
        }
        let Some(symbol) = symbol else {
            return Err(Problem::new(
                self.position,
                format!("unexpected character {first:?}; remove it, or write it in double quotes"),
            ));
        };
        match symbol {
            "(" => self.ignores_newlines.push(true),
            "{" => self.ignores_newlines.push(false),
            ")" | "}" if self.ignores_newlines.len() > 1 => drop(self.ignores_newlines.pop()),
            ")" | "}" => {
                return Err(Problem::new(self.position, format!("`{symbol}` closes nothing; remove it")));
            }
            _ => {}
        }
        self.push(Token::Symbol(symbol), symbol.len());
        Ok(())
    }

    fn number(&mut self) -> Result<(), Problem> {
        let rest = self.rest();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(rest);
        if rest.as_bytes().get(length) == Some(&b'.') {
            let fraction = digits(rest.get(length + 1..).unwrap_or_default());
            if fraction > 0 {
                length += 1 + fraction;
            }
        }
        let value: f64 = rest
            .get(..length)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Problem::new(self.position, "is no number; write for example 5m"))?;
        let tail = rest.get(length..).unwrap_or_default();
        let units = [("ms", 0.001), ("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];
        let unit = units.into_iter().find(|(unit, _)| tail.starts_with(unit));
        let (value, unit) = match unit {
            Some((unit, _)) if unit == "ms" => (value / 1000.0, unit),
            Some((unit, factor)) => (value * factor, unit),
            None => (value, ""),
        };
        self.push(Token::Number { value, is_duration: !unit.is_empty() }, length + unit.len());
        Ok(())
    }

    fn text(&mut self) -> Result<(), Problem> {
        let begin = self.position;
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut text: Vec<u8> = Vec::new();
        let mut at = 1;
        loop {
            match bytes.get(at) {
                None => return Err(Problem::new(begin, "the text is not closed; write \" at its end")),
                Some(b'\n') => {
                    return Err(Problem::new(
                        begin,
                        "the text is not closed on its line; write \" at its end, or {{{ }}} around it",
                    ));
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    at += 1 + escape(&bytes[at + 1..], &mut text).map_err(|what| Problem::new(begin, what))?
                }
                Some(byte) => {
                    text.push(*byte);
                    at += 1;
                }
            }
        }
        let text = String::from_utf8(text).map_err(|_| {
            Problem::new(
                begin,
                "the text has an octal escape beyond ASCII that is no UTF-8; write the character itself",
            )
        })?;
        self.push(Token::Text(text), at + 1);
        Ok(())
    }
}

/// Appends what an escape means, and returns its length without the backslash.
fn escape(after: &[u8], text: &mut Vec<u8>) -> Result<usize, String> {
    let bad = |what: &str| {
        Err(format!("the text has the escape {what}, which Icinga refuses; write \\\\ for a backslash"))
    };
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 {
        let octal = &after[..digits];
        let is_octal = digits <= 3 && octal.iter().all(|digit| *digit < b'8');
        let value =
            octal.iter().fold(0_u32, |value, digit| value.saturating_mul(8) + u32::from(digit - b'0'));
        return match u8::try_from(value) {
            Ok(value) if is_octal => {
                text.push(value);
                Ok(digits)
            }
            _ => bad("\\ with such digits"),
        };
    }
    let byte = match after.first() {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(same @ (b'\\' | b'"' | b'\n')) => *same,
        Some(other) => return bad(&format!("\\{}", char::from(*other))),
        None => return Err("the text is not closed; write \" at its end".into()),
    };
    text.push(byte);
    Ok(1)
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

fn word(rest: &str) -> &str {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = rest.bytes().take_while(is_part).count();
    let word = rest.get(..length).unwrap_or_default();
    if word.starts_with(|c: char| c.is_ascii_digit()) { "" } else { word }
}
