//! Long conditions.

use crate::import::document::Node;
use crate::import::language::{BinaryOperator, Expression, Kind};
use crate::import::translate::scope::Scope;
use crate::import::translate::value::{Printed, Strength, Unsaid, Value, condition, literal, value};

/// Longest expression of a manifest, in characters.
pub(super) const MAX_EXPRESSION: usize = 1000;
/// Most conditions in one of the alternatives.
const MAX_OPERANDS: usize = 50;

/// Returns a condition as alternatives that are short enough.
pub(super) fn alternatives(
    expression: &Expression,
    printed: Printed,
    scope: &Scope,
) -> Result<Vec<String>, Unsaid> {
    let is_short = printed.text.chars().count() <= MAX_EXPRESSION;
    match &expression.kind {
        Kind::Chain(operator, operands)
            if operator.as_str() == "||" && (!is_short || operands.len() >= MAX_OPERANDS) =>
        {
            let mut texts = Texts { texts: Vec::new(), between: " || ", most: MAX_EXPRESSION };
            for operand in operands {
                let printed = condition(operand, scope)?;
                match printed.text.chars().count() <= MAX_EXPRESSION {
                    true => texts.add(&printed.inside(Strength::Or)),
                    false => {
                        let own = alternatives(operand, printed, scope)?;
                        texts.texts.extend(own.into_iter().map(|text| (text, MAX_OPERANDS)));
                    }
                }
            }
            Ok(texts.texts.into_iter().map(|(text, _)| text).collect())
        }
        // One of the shorter lists has the value.
        Kind::Binary(BinaryOperator::In, left, right) if !is_short => {
            let Value::Constant(Node::List(items)) = value(right, scope)? else {
                return Ok(vec![printed.text]);
            };
            let left = value(left, scope)?.print(left.at)?.inside(Strength::Not);
            let mut texts = Texts {
                texts: Vec::new(),
                between: ", ",
                most: MAX_EXPRESSION.saturating_sub(left.len() + 8),
            };
            for item in &items {
                let Some(item) = literal(item) else { return Ok(vec![printed.text]) };
                texts.add(&item);
            }
            Ok(texts.texts.into_iter().map(|(items, _)| format!("{left} in [{items}]")).collect())
        }
        _ => Ok(vec![printed.text]),
    }
}

/// Texts of several parts each, with the number of these.
struct Texts {
    texts: Vec<(String, usize)>,
    between: &'static str,
    /// Most bytes of a text, about.
    most: usize,
}

impl Texts {
    fn add(&mut self, text: &str) {
        match self.texts.last_mut() {
            Some((last, count)) if last.len() + text.len() < self.most && *count < MAX_OPERANDS => {
                last.push_str(self.between);
                last.push_str(text);
                *count += 1;
            }
            _ => self.texts.push((text.to_owned(), 1)),
        }
    }
}
