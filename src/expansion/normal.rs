//! Which values of an attribute mean the same to Icinga.

use serde_json::{Map, Value};

/// Attributes that say where an object comes from, not what it does.
const ORIGIN: [&str; 6] =
    ["source_location", "package", "templates", "version", "original_attributes", "last_check_result"];
/// Lists and dictionaries in which Icinga looks for entries, or that it goes through, only if they
/// are set: null is the same as one without entries. `states` and `types` are not among them: null
/// is every state, an empty list none. Nor is anything inside `vars`: an entry that is null hides
/// the command's default, and a rule can tell them apart.
const NULL_IS_EMPTY: [&str; 12] = [
    "groups",
    "users",
    "user_groups",
    "endpoints",
    "vars",
    "arguments",
    "env",
    "ranges",
    "times",
    "includes",
    "excludes",
    "flapping_ignore_states",
];
/// Lists that Icinga keeps as sets: memberships, recipients, and bits of filters. The order of
/// `includes` and `excludes` is not among them: later segments go over earlier ones.
const SETS: [&str; 7] =
    ["groups", "users", "user_groups", "endpoints", "states", "types", "flapping_ignore_states"];
/// What an argument of a command is if its dictionary does not say it (`PluginUtility`).
const ARGUMENT_DEFAULTS: [(&str, Value); 3] =
    [("required", Value::Bool(false)), ("skip_key", Value::Bool(false)), ("repeat_key", Value::Bool(true))];

/// True if the attribute is compared. Names that begin with `_` are Icinga's own, but for the
/// full name, by which objects are found.
pub(super) fn is_compared(attribute: &str) -> bool {
    !attribute.starts_with('_') && !ORIGIN.contains(&attribute)
}

/// Returns the value in the form in which values that mean the same are equal.
pub(super) fn normal(attribute: &str, value: &Value) -> Value {
    let value = numbers(value);
    let value = match value {
        Value::Array(mut items) if SETS.contains(&attribute) => {
            items.sort_by_key(ToString::to_string);
            items.dedup();
            Value::Array(items)
        }
        Value::Object(arguments) if attribute == "arguments" => {
            Value::Object(arguments.into_iter().map(|(name, value)| (name, argument(value))).collect())
        }
        value => value,
    };
    let is_empty = match &value {
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    };
    if is_empty && NULL_IS_EMPTY.contains(&attribute) { Value::Null } else { value }
}

/// An argument that is not a dictionary is the value of one.
fn argument(value: Value) -> Value {
    let mut entries = match value {
        // A function is written as an object, but is a value here.
        Value::Object(entries) if !is_function_object(&entries) => entries,
        value => Map::from_iter([("value".to_owned(), value)]),
    };
    // It is for people alone.
    if entries.get("description").is_some_and(|text| text == "") {
        entries.remove("description");
    }
    // Icinga makes a text of them before it looks at them (`MacroProcessor::ResolveArguments`).
    for name in ["value", "set_if"] {
        if let Some(value) = entries.get_mut(name) {
            *value = match value.take() {
                Value::Bool(flag) => flag.to_string().into(),
                Value::Number(number) => whole(&number).map_or(Value::Number(number), Value::from),
                other => other,
            };
        }
    }
    let order = entries.get("order").and_then(Value::as_f64);
    entries.retain(|name, value| {
        let is_default = ARGUMENT_DEFAULTS.iter().any(|(known, default)| known == name && default == value);
        // Icinga takes an empty value for none, and passes the name alone.
        let is_no_value = name == "value" && (value.is_null() || *value == "");
        !(is_default || is_no_value || name == "order" && order == Some(0.0))
    });
    Value::Object(entries)
}

/// Returns the digits of a whole number. None for one that Icinga may round.
fn whole(number: &serde_json::Number) -> Option<String> {
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e6)?;
    Some(format!("{float:.0}"))
}

/// Every number of Icinga is a float.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        Value::Array(items) => Value::Array(items.iter().map(numbers).collect()),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(name, value)| (name.clone(), numbers(value))).collect())
        }
        value => value.clone(),
    }
}

/// True if there is a function without a name anywhere in the value: Icinga does not write what it
/// does, so two of them cannot be compared.
pub(super) fn has_function(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_function),
        Value::Object(entries) => is_function_object(entries) || entries.values().any(has_function),
        _ => false,
    }
}

fn is_function_object(entries: &Map<String, Value>) -> bool {
    let is = |name: &str, wanted: &str| entries.get(name).and_then(Value::as_str) == Some(wanted);
    is("type", "Function") && is("name", "<anonymous>") && entries.contains_key("side_effect_free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_that_mean_the_same_are_equal_and_others_are_not() {
        for (attribute, one, other, same) in [
            ("check_interval", json!(60), json!(60.0), true),
            ("check_interval", json!(60), json!("60"), false),
            ("groups", json!(["b", "a", "a"]), json!(["a", "b"]), true),
            ("groups", json!(null), json!([]), true),
            ("states", json!(null), json!([]), false),
            ("states", json!(["OK", "Up"]), json!(["Up", "OK"]), true),
            ("notes", json!(""), json!(null), false),
            ("vars", json!({}), json!(null), true),
            ("vars", json!({ "a": [] }), json!({ "a": null }), false),
            ("vars", json!({ "a": [1, 2] }), json!({ "a": [2, 1] }), false),
            ("includes", json!(["a", "b"]), json!(["b", "a"]), false),
            ("command", json!(["/bin/true"]), json!("/bin/true"), false),
            ("arguments", json!({ "-a": "x" }), json!({ "-a": { "value": "x" } }), true),
            ("arguments", json!({ "-a": { "value": 1, "order": 0 } }), json!({ "-a": 1.0 }), true),
            ("arguments", json!({ "-a": { "required": false } }), json!({ "-a": {} }), true),
            ("arguments", json!({ "-a": "" }), json!({ "-a": {} }), true),
            ("arguments", json!({ "-a": { "description": "" } }), json!({ "-a": {} }), true),
            ("arguments", json!({ "-a": { "description": "x" } }), json!({ "-a": {} }), false),
            ("arguments", json!({ "-a": 443 }), json!({ "-a": { "value": "443" } }), true),
            ("arguments", json!({ "-a": { "set_if": true } }), json!({ "-a": { "set_if": "true" } }), true),
            ("arguments", json!({ "-a": { "set_if": true } }), json!({ "-a": { "set_if": "1" } }), false),
            ("arguments", json!({ "-a": 0.5 }), json!({ "-a": "0.5" }), false),
            ("arguments", json!({ "-a": { "key": "" } }), json!({ "-a": {} }), false),
            ("arguments", json!({ "-a": { "required": true } }), json!({ "-a": {} }), false),
            ("arguments", json!({ "-a": { "repeat_key": false } }), json!({ "-a": {} }), false),
        ] {
            assert_eq!(
                normal(attribute, &one) == normal(attribute, &other),
                same,
                "{attribute}: {one} {other}"
            );
        }
        assert!(is_compared("vars") && !is_compared("__name") && !is_compared("source_location"));
    }

    #[test]
    fn functions_are_found_wherever_they_are() {
        let function = json!({ "type": "Function", "name": "<anonymous>", "side_effect_free": false });
        assert!(has_function(&json!({ "a": [function] })));
        assert!(!has_function(&json!({ "type": "Function", "name": "Internal#PluginCheck" })));
        assert!(has_function(&normal("arguments", &json!({ "-a": function, "-b": { "set_if": function } }))));
    }
}
