//! Expressions in the syntax of a resource.

use super::super::rule::Fit;
use super::{list, text};
use arbitrary::{Result, Unstructured};
use serde_json::Value;

/// Makes a value for a field of `apply.set`: mostly one that may fit.
pub(super) fn of_set(u: &mut Unstructured<'_>, fit: Fit, subjects: &[&str]) -> Result<String> {
    let literal = match (u.int_in_range(0..=7)?, fit) {
        (0, _) => return value_of_rule(u, subjects, 0),
        (1, Fit::Text | Fit::SomeText | Fit::Name(_) | Fit::Endpoint) => quoted(u)?,
        (1, Fit::Seconds | Fit::SecondsOrZero | Fit::Number(..)) => {
            (*u.choose(&["5m", "1h30m", "250ms", "7", "0"])?).to_owned()
        }
        (1, Fit::Flag) => u.arbitrary::<bool>()?.to_string(),
        (1, Fit::Names(_) | Fit::SomeNames(_)) => format!("[{}, {}]", quoted(u)?, attribute(u, subjects)?),
        (2, _) => format!("{} + {}", value_of_rule(u, subjects, 3)?, value_of_rule(u, subjects, 3)?),
        _ => attribute(u, subjects)?,
    };
    Ok(literal)
}

/// Makes a value with all that expressions of a rule have. It may be a condition, too.
pub(super) fn value_of_rule(u: &mut Unstructured<'_>, subjects: &[&str], depth: usize) -> Result<String> {
    let below = |u: &mut Unstructured<'_>| value_of_rule(u, subjects, depth + 1);
    Ok(match u.int_in_range(0..=if depth > 3 { 3 } else { 13 })? {
        0 | 1 => attribute(u, subjects)?,
        2 => quoted(u)?,
        3 => (*u.choose(&["5m", "1h30m", "-1.5", "3", "NodeName", "ZoneName", "true", "null"])?).to_owned(),
        4 => format!("{} + {}", below(u)?, below(u)?),
        5 => match list(u, 3, below)? {
            Value::Array(items) => {
                let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                format!("[{}]", items.join(", "))
            }
            _ => "[]".to_owned(),
        },
        6 => format!("{{a: {}, {}: {}}}", below(u)?, quoted(u)?, below(u)?),
        7 => {
            let (whole, part) = (attribute(u, subjects)?, below(u)?);
            // Chosen without a draw, so that the files of the corpus keep their meaning.
            match part.len() % 4 {
                0 => format!("{whole}.replace(\"-\", \" $\\\"\").replace(\"a\", \"\")"),
                1 => format!("get_object(Endpoint, {whole})"),
                _ => format!("{whole}.contains({part})"),
            }
        }
        8 => {
            let (operator, kind) =
                (u.choose(&["==", "!="])?, u.choose(&["Array", "\"String\"", "Dictionary"])?);
            format!("typeof({}) {operator} {kind}", attribute(u, subjects)?)
        }
        9 => format!("{} !in [{}, {}]", below(u)?, below(u)?, below(u)?),
        10 => {
            let operator = u.choose(&["==", "<", ">=", "in", "&&", "||"])?;
            format!("{} {operator} {}", below(u)?, below(u)?)
        }
        11 => format!("regex(\"^a.b\", {}{})", attribute(u, subjects)?, u.choose(&["", ", MatchAny"])?),
        12 => condition(u, subjects, depth + 3)?,
        _ => format!("({})", below(u)?),
    })
}

/// Makes conditions.
pub(super) fn conditions(u: &mut Unstructured<'_>, subjects: &[&str]) -> Result<Value> {
    (0..=u.int_in_range(0..=2)?).map(|_| condition(u, subjects, 0).map(Value::from)).collect()
}

/// Makes a condition in the syntax of the resource.
fn condition(u: &mut Unstructured<'_>, subjects: &[&str], depth: usize) -> Result<String> {
    Ok(match u.int_in_range(0..=if depth > 6 { 7 } else { 11 })? {
        0 => "true".into(),
        1..=3 => {
            let operator = u.choose(&["==", "!=", "<", "<=", ">", ">=", "in"])?;
            format!("{} {operator} {}", operand(u, subjects)?, operand(u, subjects)?)
        }
        4 => {
            let (pattern, operand) = (quoted(u)?, operand(u, subjects)?);
            format!("match({pattern}, {operand}{})", entries(&operand))
        }
        5 => {
            let (bits, operand) = (u.int_in_range(0..=33)?, attribute(u, subjects)?);
            format!(r#"cidr_match("10.0.0.0/{bits}", {operand}{})"#, entries(&operand))
        }
        6 => operand(u, subjects)?,
        7 => text(u)?,
        8 => format!("!{}", condition(u, subjects, depth + 1)?),
        9 => format!("({})", condition(u, subjects, depth + 1)?),
        10 => format!("{} && {}", condition(u, subjects, depth + 1)?, condition(u, subjects, depth + 1)?),
        _ => format!("({} || {})", condition(u, subjects, depth + 1)?, condition(u, subjects, depth + 1)?),
    })
}

/// Chooses a third argument without a draw, so that the files of the corpus keep their meaning.
fn entries(operand: &str) -> &'static str {
    ["", ", MatchAny", ", MatchAll"][operand.len() % 3]
}

fn operand(u: &mut Unstructured<'_>, subjects: &[&str]) -> Result<String> {
    Ok(match u.int_in_range(0..=5)? {
        0 => (*u.choose(&["null", "true", "false"])?).to_owned(),
        1 => u.arbitrary::<i16>()?.to_string(),
        2 => format!("{:.3}", f64::from(u.arbitrary::<i32>()?) / 1000.0),
        3 => quoted(u)?,
        4 => format!("len({})", attribute(u, subjects)?),
        _ => attribute(u, subjects)?,
    })
}

fn attribute(u: &mut Unstructured<'_>, subjects: &[&str]) -> Result<String> {
    let mut out = (*u.choose(subjects)?).to_owned();
    if !["key", "value"].contains(&out.as_str()) {
        out.push_str(u.choose(&[".vars", ".name", ".groups", ".zone", ".display_name"])?);
    }
    if out.ends_with("vars") || out == "value" {
        for _ in 0..u.int_in_range(0..=5)? {
            let key = if u.arbitrary()? { ".os".to_owned() } else { format!("[{}]", quoted(u)?) };
            out.push_str(&key);
        }
    }
    Ok(out)
}

/// Makes a string in quotes.
pub(super) fn quoted(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = text(u)?.replace('\\', "\\\\").replace('"', "\\\"");
    if u.arbitrary()? {
        out = out.replace('\n', "\\n").replace('\t', "\\t");
    }
    Ok(format!("\"{out}\""))
}
