//! What is wrong with a value, and what to do.

use crate::text::quoted;
use serde_json::{Map, Number, Value};

/// Says that a text is no YAML, and what to do. `why` is what the parser says.
pub(super) fn not_yaml(why: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    let remedy = if says(&["mapping values are not allowed"]) {
        "indent the line as those beside it, and write a text with a colon and a blank in quotes"
    } else if says(&[
        "unexpected character",
        "anchor or alias",
        "unknown anchor",
        "scanning a tag",
        "parsing a tag",
    ]) {
        "write the text in quotes, or remove the character"
    } else if says(&["block mapping", "block collection", "simple key", "indented", "block sequence"]) {
        "indent the line as those beside it, and put a blank behind the colon or -"
    } else if says(&["unclosed quote", "quoted scalar", "unexpected end of"]) {
        "close the quotes, and write \\\\ for a backslash in double quotes"
    } else if says(&["flow", "bracket", "illegal placement"]) {
        "close the bracket or brace, and put a comma between entries"
    } else {
        "correct the line, or the one before it"
    };
    format!("is no YAML: {why}; {remedy}")
}

/// True if a value has a type of the schema.
pub(super) fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

/// Returns what a value is, as people say it.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("the truth value {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
    }
}

/// Says that a value has another type than the schema wants.
pub(super) fn wrong_type(value: &Value, schema: &Value, path: &str) -> String {
    let is_duration = schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("ms|s|m|h|d"));
    let (wanted, remedy) = match (schema["type"].as_str().unwrap_or_default(), value) {
        ("string", Value::Number(number)) if is_duration => {
            ("a duration", format!("write it with a unit, such as {number}s"))
        }
        ("string", Value::Number(_) | Value::Bool(_)) => ("text", "write it in quotes".into()),
        ("string", Value::Array(_)) if path.contains(".arguments.") => (
            "text",
            "put the list into a custom variable, for example vars: {my_list: [a, b]}, and write $my_list$"
                .into(),
        ),
        ("string", Value::Array(items)) if items.len() == 1 => {
            ("text", "write the entry alone, without the list".into())
        }
        ("string", Value::Array(_)) => ("text", "write one text".into()),
        ("string", _) => ("text", "write a text".into()),
        ("array", Value::Object(_)) => ("a list", "write its entries as a list, each after a -".into()),
        // No shell splits it.
        ("array", Value::String(text)) if path.ends_with(".command") => {
            let words: Vec<_> = text.split_whitespace().collect();
            ("a list", format!("write {}", crate::text::clean(&serde_json::json!(words).to_string(), 200)))
        }
        ("array", value) => ("a list", format!("write [{}]", crate::text::clean(&value.to_string(), 80))),
        ("integer", Value::String(text)) if text.parse::<i64>().is_ok() => {
            ("a whole number", format!("write {text} without quotes"))
        }
        ("integer", _) => ("a whole number", "write a whole number".into()),
        ("boolean", _) => ("true or false", "write true or false, without quotes".into()),
        (_, Value::Array(_)) => ("a mapping", "write fields with names, without the list".into()),
        _ => ("a mapping", format!("write {} below it", fields(schema))),
    };
    format!("must be {wanted}, and is {}; {remedy}", kind(value))
}

/// Returns the fields that a mapping must have, in words.
fn fields(schema: &Value) -> String {
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<_> = names.map(quoted).collect();
    match names.len() {
        0 => "fields with names".into(),
        1 => format!("the field {}", names.join("")),
        _ => format!("the fields {}", names.join(" and ")),
    }
}

/// Says that a field that must be there is not.
pub(super) fn missing(schema: &Value) -> String {
    let known = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let known: Vec<_> = known.collect();
    if known.is_empty() {
        "is missing; set it".into()
    } else {
        format!("is missing; set it to one of {}", known.join(", "))
    }
}

/// Says that a value is none of the allowed ones. None if it is one.
pub(super) fn not_among(value: &Value, known: &[Value]) -> Option<String> {
    if known.contains(value) {
        return None;
    }
    let list: Vec<_> = known.iter().filter_map(Value::as_str).collect();
    Some(format!("is {}; write one of {}", kind(value), list.join(", ")))
}

/// Says what is wrong with a text. None if nothing is. `fits` is whether it has the pattern.
pub(super) fn text(text: &str, schema: &Value, fits: bool) -> Option<String> {
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|min| length < min) {
        return Some("is empty; write a text, or remove the field".into());
    }
    if let Some(max) = schema["maxLength"].as_u64().filter(|max| length > *max) {
        return Some(format!("has {length} characters, and at most {max} are allowed; shorten it"));
    }
    if fits {
        return None;
    }
    let shown = quoted(text);
    Some(match schema["pattern"].as_str().unwrap_or_default() {
        pattern if pattern.contains("ms|s|m|h|d") => format!(
            "{shown} is no duration; write whole numbers with the units ms, s, m, h and d, such as 90s or 1h30m"
        ),
        pattern if pattern.starts_with("^[^!") => {
            format!("{shown} has an exclamation mark or a control character; remove it")
        }
        pattern if pattern.starts_with("^[0-9:, -]") && text.contains('$') => format!(
            "{shown} is no time of a day, and Icinga expands no macro here; write HH:MM-HH:MM, or in apply.set of a rule \
             an expression, such as ranges: 'host.vars.backup'"
        ),
        pattern if pattern.starts_with("^[0-9:, -]") => {
            format!("{shown} is no time of a day; write HH:MM-HH:MM, several with commas")
        }
        pattern if pattern.contains("\\.vars") => {
            format!("{shown} is no custom variable; write host.vars.NAME or service.vars.NAME")
        }
        "^[A-Za-z_][A-Za-z0-9_]*$" => format!("{shown} is no name of a variable; use letters, digits and _"),
        pattern => format!("{shown} does not have the form {pattern}; correct it"),
    })
}

/// Says that a number is outside its limits. None if it is inside.
pub(super) fn range(number: &Number, schema: &Value) -> Option<String> {
    let value = number.as_f64()?;
    let limit = |name: &str| schema[name].as_f64();
    let (mut min, mut max) = (limit("minimum"), limit("maximum"));
    let (low, high) = match schema["format"].as_str() {
        Some("int32") => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let below = value < min.unwrap_or(low);
    let above = value > max.unwrap_or(high);
    if !below && !above {
        return None;
    }
    min = min.or_else(|| Some(low).filter(|it| it.is_finite()));
    max = max.or_else(|| Some(high).filter(|it| it.is_finite()));
    Some(match (min, max) {
        (Some(min), Some(max)) => format!("is {number}; write a number from {min} to {max}"),
        (Some(min), None) => format!("is {number}; write a number of at least {min}"),
        (None, max) => format!("is {number}; write a number of at most {}", max.unwrap_or(high)),
    })
}

/// Says that a list or mapping has too many or too few entries. None if it has not.
pub(super) fn count(count: usize, schema: &Value, of: &str) -> Option<String> {
    let limit = |side: &str| schema[format!("{side}{of}")].as_u64();
    if let Some(max) = limit("max").filter(|max| count as u64 > *max) {
        return Some(format!("has {count} entries, and at most {max} are allowed; shorten it"));
    }
    let min = limit("min").filter(|min| (count as u64) < *min)?;
    Some(format!("has {count} entries, and at least {min} are needed; add some"))
}

/// The fields of a spec beside its type members.
const OF_SPEC: [&str; 4] = ["zone", "name", "template", "suspend"];
/// Shortest part of a name by which a field is found, in bytes.
const PART_MIN: usize = 4;

/// Says that a field does not exist, and where the one that was meant may be. `beside` are all
/// fields that are there.
pub(super) fn unknown(
    name: &str,
    value: &Value,
    schema: &Value,
    path: &str,
    beside: &Map<String, Value>,
) -> String {
    let plain = |name: &str| {
        name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect::<String>()
    };
    let known = schema["properties"].as_object();
    let names = || known.into_iter().flatten().map(|(name, _)| name.as_str());
    let near = |known: &&str| plain(known) == plain(name) || distance(known, name) <= 2;
    if let Some(meant) = names().find(|known| plain(known) == plain(name)).or_else(|| names().find(near)) {
        return format!("unknown field; write {meant}");
    }
    let deeper = |(below, schema): &(&String, &Value)| {
        let is_there = path != "spec" || beside.contains_key(below.as_str());
        is_there && takes(schema, name, value)
    };
    if let Some((below, _)) = known.into_iter().flatten().find(deeper) {
        return format!("unknown field; write it below {below}");
    }
    if path.split('.').count() == 2 && path.starts_with("spec.") && OF_SPEC.contains(&name) {
        return format!("unknown field; write it one level higher, as spec.{name}");
    }
    let part = plain(name);
    let has_part = |known: &&str| {
        part.len() >= PART_MIN && (plain(known).starts_with(&part) || plain(known).ends_with(&part))
    };
    if let [meant] = names().filter(has_part).collect::<Vec<_>>()[..] {
        return format!("unknown field; write {meant}");
    }
    let place = path.replace('[', " ");
    let place = place.split(' ').next().unwrap_or(path);
    format!("unknown field; see kubectl explain mo.{place}, and correct or remove it")
}

/// True if a mapping has a field that could have the value.
pub(super) fn takes(schema: &Value, name: &str, value: &Value) -> bool {
    let field = schema["properties"].get(name);
    field.is_some_and(|field| field["type"].as_str().is_none_or(|kind| is(value, kind)))
}

/// Returns how many letters must be inserted, removed or replaced.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (i, d) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(c != *d);
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(row[i] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
