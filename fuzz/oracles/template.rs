//! Expected tokens, written as code with placeholders: words in capital letters.

use super::lexer::{Dialect, Token, tokens};

/// Returns the tokens of a template, with its placeholders filled in.
///
/// # Errors
/// If the template has something that the lexer does not know.
pub fn filled(template: &str, fill: &[(&str, &[Token])]) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    for token in tokens(template, Dialect::Icinga)? {
        match fill.iter().find(|(placeholder, _)| token == Token::Word((*placeholder).to_owned())) {
            Some((_, filling)) => out.extend_from_slice(filling),
            None => out.push(token),
        }
    }
    Ok(out)
}

/// Returns a string as tokens.
pub fn text(text: &str) -> Vec<Token> {
    vec![Token::Text(text.to_owned())]
}

/// Returns a word as tokens.
pub fn word(word: &str) -> Vec<Token> {
    vec![Token::Word(word.to_owned())]
}

/// Adds `["key"]` to a place.
pub fn below(place: &mut Vec<Token>, key: &str) {
    place.extend([Token::Symbol("["), Token::Text(key.to_owned()), Token::Symbol("]")]);
}
