//! A lexer for the part of Icinga's language that rendered files use. It follows Icinga's own
//! lexer, and shares no code with `render`. Everything else is an error: a comment, a heredoc, a
//! literal like `5m`.

use super::vocabulary::seconds;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A keyword or an identifier.
    Word(String),
    /// A string, decoded.
    Text(String),
    /// A number.
    Number(f64),
    /// Punctuation.
    Symbol(&'static str),
    /// The end of a line, outside of strings.
    Newline,
}

impl Token {
    /// True if it is this word or symbol.
    pub fn is(&self, wanted: &str) -> bool {
        match self {
            Self::Word(word) => word == wanted,
            Self::Symbol(symbol) => *symbol == wanted,
            _ => false,
        }
    }
}

/// The language of a text.
#[derive(Clone, Copy, PartialEq)]
pub enum Dialect {
    /// A rendered file: one space or a line break between tokens, and every control character
    /// escaped.
    Icinga,
    /// An expression in a resource: strings may have raw line breaks, a number may end in a point
    /// or be a duration, and a key has a colon behind it.
    Condition,
}

/// The longest first, as in Icinga's lexer: `}}` is never two braces.
const SYMBOLS: [&str; 25] = [
    "{{", "}}", "=>", "<=", ">=", "==", "!=", "&&", "||", "+=", "+", "<", ">", "=", "!", "(", ")", "[", "]",
    "{", "}", ".", ",", ";", "%",
];
/// The symbols of an expression. Its braces are never joined.
const OF_CONDITIONS: [&str; 19] =
    ["<=", ">=", "==", "!=", "&&", "||", "+", "<", ">", "!", "(", ")", "[", "]", "{", "}", ".", ",", ":"];

/// Returns the tokens of a text.
///
/// # Errors
/// If the text has something that this lexer does not know, with the text that follows.
pub fn tokens(source: &str, dialect: Dialect) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\n' if dialect == Dialect::Icinga => {
                tokens.push(Token::Newline);
                1
            }
            ' ' => 1,
            c if c.is_ascii_whitespace() && dialect == Dialect::Condition => 1,
            '"' => {
                let (text, length) = string(rest, dialect)?;
                tokens.push(Token::Text(text));
                length
            }
            '-' | '0'..='9' => {
                let (number, length) = number(rest, dialect)?;
                tokens.push(Token::Number(number));
                length
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = prefix(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                tokens.push(Token::Word(word.to_owned()));
                word.len()
            }
            _ => {
                let symbols = if dialect == Dialect::Icinga { &SYMBOLS[..] } else { &OF_CONDITIONS };
                let symbol = symbols.iter().copied().find(|symbol| rest.starts_with(symbol));
                let symbol = symbol.ok_or_else(|| unexpected("character", rest))?;
                tokens.push(Token::Symbol(symbol));
                symbol.len()
            }
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Returns the decoded string at the beginning, and the number of bytes that it takes.
fn string(source: &str, dialect: Dialect) -> Result<(String, usize), String> {
    let mut text = String::new();
    let mut characters = source.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((text, at + 1)),
            '\\' => text.push(match characters.next().map(|(_, c)| c) {
                Some('"') => '"',
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                _ => return Err(unexpected("escape", &source[at..])),
            }),
            c if c.is_ascii_control() && dialect == Dialect::Icinga => {
                return Err(unexpected("raw control character", &source[at..]));
            }
            c => text.push(c),
        }
    }
    Err(unexpected("end of a string", source))
}

fn number(source: &str, dialect: Dialect) -> Result<(f64, usize), String> {
    let unsigned = source.strip_prefix('-').unwrap_or(source);
    let digits = prefix(unsigned, |c| c.is_ascii_digit() || c == '.');
    let next = unsigned[digits.len()..].chars().next();
    // Icinga reads `5m` as 300, and has no exponents.
    let joined = next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = match digits.split_once('.') {
        Some((before, after)) => whole(before) && whole(after),
        None => whole(digits),
    };
    if dialect == Dialect::Icinga && (joined || !is_plain) {
        return Err(unexpected("number", source));
    }
    if joined {
        let duration = prefix(source, |c| c.is_ascii_alphanumeric());
        return Ok((seconds(duration)?, duration.len()));
    }
    let length = source.len() - unsigned.len() + digits.len();
    let number = source[..length].parse().map_err(|_| unexpected("number", source))?;
    Ok((number, length))
}

fn prefix(source: &str, belongs: fn(char) -> bool) -> &str {
    &source[..source.find(|c| !belongs(c)).unwrap_or(source.len())]
}

fn unexpected(what: &str, rest: &str) -> String {
    format!("unexpected {what}: {:?}", rest.chars().take(40).collect::<String>())
}
