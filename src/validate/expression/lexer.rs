//! Characters to tokens, each with its column.

use crate::api::duration::parse_duration;
use crate::text::quoted;
use crate::validate::value::{MAX_WHOLE, text_problem};

/// A token of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
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

const SYMBOLS: [&str; 19] =
    ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ".", ",", "+", "{", "}", ":"];

/// Returns the tokens of an expression, each with its column (in characters, from 1).
///
/// # Errors
/// If a character, a string or a number is refused: its column, and what is wrong.
pub(super) fn tokenize(source: &str) -> Result<Vec<(usize, Token)>, String> {
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
            while characters.get(end).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '.') {
                end += 1;
            }
            let text: String = characters[at..end].iter().collect();
            if text.contains(|c: char| c.is_ascii_alphabetic()) {
                let seconds =
                    parse_duration(&text).map_err(|problem| format!("column {column}: {problem}"))?;
                tokens.push((column, Token::Number(seconds)));
                at = end;
                continue;
            }
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
            let symbol = SYMBOLS
                .into_iter()
                .find(|symbol| rest.starts_with(symbol))
                .ok_or_else(|| format!("column {column}: unexpected character {c:?}; {}", instead_of(c)))?;
            tokens.push((column, Token::Symbol(symbol)));
            at += symbol.len();
        }
    }
    tokens.push((characters.len() + 1, Token::End));
    Ok(tokens)
}

/// Returns what to write in place of a character.
fn instead_of(c: char) -> &'static str {
    match c {
        '=' => "a comparison is written ==",
        '&' => "write && for: both are true",
        '|' => "write || for: at least one is true",
        '$' => "macros are not expanded here; write host.address in place of $address$",
        '-' | '*' | '/' | '%' => "numbers can be added with + only",
        _ => "strings are written in double quotes",
    }
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
