//! The CRD's own schema, asked of a manifest: whatever this accepts, an API server accepts.

use super::cel::Expression;
use super::words;
use crate::api::crds::monitoring_object_schema;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Most faults of one manifest that are reported.
const FAULTS_MAX: usize = 10;

/// The schema of a MonitoringObject.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| monitoring_object_schema().unwrap_or_default());

/// The patterns of the schema, which Go and Rust read alike.
static PATTERNS: LazyLock<HashMap<String, Regex>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    each(&SCHEMA, &mut |schema| {
        if let Some(pattern) = schema["pattern"].as_str()
            && let Ok(regex) = Regex::new(pattern)
        {
            found.insert(pattern.to_owned(), regex);
        }
    });
    found
});

/// The rules of the schema by their text.
static RULES: LazyLock<HashMap<String, Option<Expression>>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    each(&SCHEMA, &mut |schema| {
        for rule in rules(schema) {
            found.insert(rule.to_owned(), Expression::parse(rule));
        }
    });
    found
});

/// Calls a function for a schema and all below it.
fn each(schema: &Value, call: &mut dyn FnMut(&Value)) {
    call(schema);
    for below in schema["properties"].as_object().into_iter().flat_map(Map::values) {
        each(below, call);
    }
    for below in
        ["items", "additionalProperties"].map(|name| &schema[name]).into_iter().filter(|it| it.is_object())
    {
        each(below, call);
    }
}

/// Returns the rules of a schema that hold for a new object.
fn rules(schema: &Value) -> impl Iterator<Item = &str> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.filter_map(|rule| rule["rule"].as_str()).filter(|rule| !Expression::is_about_changes(rule))
}

/// Returns what is wrong with a MonitoringObject: for each fault the path of the field, what is
/// wrong and what to do. At most 10. Empty if an API server would accept it.
pub(super) fn faults(object: &Map<String, Value>) -> Vec<String> {
    let mut walk = Walk { faults: Vec::new(), unset: None };
    super::metadata::faults(object, &mut walk.faults);
    for name in object.keys() {
        if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&name.as_str()) {
            walk.faults.push(format!("{name}: unknown field; write it below spec, or remove it"));
        }
    }
    let schema = &*SCHEMA;
    match object.get("spec") {
        None => walk.faults.push("spec: is missing; set it".into()),
        Some(spec) => walk.value(spec, &schema["properties"]["spec"], "spec"),
    }
    if let Some(status @ Value::Object(_)) = object.get("status") {
        // The API server drops a status, but not what it does not know.
        let mut other = Walk { faults: Vec::new(), unset: None };
        other.value(status, &schema["properties"]["status"], "status");
        walk.faults.extend(other.faults.into_iter().filter(|fault| fault.contains("unknown field")));
    }
    // As in the API server: rules are asked of what has the right form.
    if walk.faults.is_empty() {
        walk.rules(&Value::Object(object.clone()), schema, "");
    }
    walk.faults.truncate(FAULTS_MAX);
    walk.faults
}

struct Walk {
    faults: Vec<String>,
    /// Path of the member of the spec whose templates can be taken back.
    unset: Option<String>,
}

impl Walk {
    fn fault(&mut self, path: &str, what: impl AsRef<str>) {
        self.faults.push(format!("{path}: {}", what.as_ref()));
    }

    fn value(&mut self, value: &Value, schema: &Value, path: &str) {
        if self.faults.len() >= FAULTS_MAX {
            return;
        }
        if value.is_null() {
            return self.null(schema, path);
        }
        let is_any = schema["x-kubernetes-preserve-unknown-fields"] == true;
        if let Some(kind) = schema["type"].as_str()
            && !words::is(value, kind)
        {
            return self.fault(path, words::wrong_type(value, schema, path));
        }
        for choice in ["anyOf", "oneOf"] {
            let Some(ways) = schema[choice].as_array() else { continue };
            let tried = ways.iter().map(|way| {
                let mut walk = Walk { faults: Vec::new(), unset: None };
                walk.value(value, way, path);
                walk.faults
            });
            let tried: Vec<_> = tried.collect();
            let fit = tried.iter().filter(|faults| faults.is_empty()).count();
            if fit == 0 || (choice == "oneOf" && fit > 1) {
                let why = tried.into_iter().flatten().next();
                self.faults.push(why.unwrap_or_else(|| format!("{path}: has two forms at once; choose one")));
            }
        }
        if let Some(fault) = schema["enum"].as_array().and_then(|known| words::not_among(value, known)) {
            self.fault(path, fault);
        }
        match value {
            Value::String(text) => {
                let pattern = schema["pattern"].as_str();
                let fits = pattern
                    .and_then(|pattern| PATTERNS.get(pattern))
                    .is_none_or(|regex| regex.is_match(text));
                if let Some(fault) = words::text(text, schema, fits) {
                    self.fault(path, fault);
                }
            }
            Value::Number(number) => {
                if let Some(fault) = words::range(number, schema) {
                    self.fault(path, fault);
                }
            }
            Value::Array(items) => {
                if let Some(fault) = words::count(items.len(), schema, "Items") {
                    self.fault(path, fault);
                }
                for (at, item) in items.iter().enumerate() {
                    self.value(item, &schema["items"], &format!("{path}[{at}]"));
                }
            }
            Value::Object(entries) => self.entries(entries, schema, path, is_any),
            _ => {}
        }
    }

    fn entries(&mut self, entries: &Map<String, Value>, schema: &Value, path: &str, is_any: bool) {
        if let Some(fault) = words::count(entries.len(), schema, "Properties") {
            self.fault(path, fault);
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !entries.contains_key(name) {
                self.fault(&format!("{path}.{name}"), words::missing(&schema["properties"][name]));
            }
        }
        let before = self.unset.take();
        self.unset =
            if schema["properties"]["unset"].is_object() { Some(path.to_owned()) } else { before.clone() };
        for (name, value) in entries {
            if let Some(empty) = unindented(name, value, entries, schema) {
                self.fault(&format!("{path}.{name}"), format!("belongs below {empty}; indent it"));
                continue;
            }
            let below = schema["properties"].get(name);
            let below = below.or_else(|| schema.get("additionalProperties").filter(|it| it.is_object()));
            match below {
                Some(below) => self.value(value, below, &format!("{path}.{name}")),
                None if is_any => {}
                None => {
                    self.fault(&format!("{path}.{name}"), words::unknown(name, value, schema, path, entries))
                }
            }
        }
        self.unset = before;
    }

    /// A null in a field: the API server removes it before it looks at the rest.
    fn null(&mut self, schema: &Value, path: &str) {
        if schema["nullable"] == true
            || (schema["x-kubernetes-preserve-unknown-fields"] == true && schema["type"].is_null())
        {
            return;
        }
        if path.ends_with(']') {
            return self.fault(path, "is null; remove the entry");
        }
        let field = self
            .unset
            .as_ref()
            .and_then(|member| path.strip_prefix(&format!("{member}.")))
            .filter(|it| !it.contains('.'));
        match field {
            Some(field) => {
                let field = field.to_owned();
                self.fault(path, format!(
                    "is null, which the API server drops without a word; remove it, or write unset: [{field}] to take back \
                     what a template sets"
                ));
            }
            None if schema["type"] == "object" => {
                self.fault(path, "has nothing below it; indent its fields, or remove it")
            }
            None => self.fault(path, "is null, which the API server drops without a word; remove it"),
        }
    }

    /// Asks the rules of a schema and of all below it.
    fn rules(&mut self, value: &Value, schema: &Value, path: &str) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let expression = rule["rule"].as_str().and_then(|text| RULES.get(text)?.as_ref());
            if expression.and_then(|expression| expression.holds(value)) == Some(false) {
                let message = rule["message"]
                    .as_str()
                    .unwrap_or("breaks a rule of the CRD; see kubectl explain mo.spec");
                self.faults.push(if path.is_empty() {
                    message.to_owned()
                } else {
                    format!("{path}: {message}")
                });
            }
        }
        let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::Object(entries) => {
                for (name, value) in entries {
                    let below = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                    if let Some(below) = below.filter(|it| it.is_object()) {
                        self.rules(value, below, &child(name));
                    }
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.rules(item, &schema["items"], &format!("{path}[{at}]"));
                }
            }
            _ => {}
        }
    }
}

/// Returns the mapping beside a field that is empty, and that the field belongs into: it was not
/// indented. None if the field fits where it is.
fn unindented<'a>(
    name: &str,
    value: &Value,
    beside: &'a Map<String, Value>,
    schema: &Value,
) -> Option<&'a str> {
    if value.is_null() || words::takes(schema, name, value) {
        return None;
    }
    let empty = |(other, it): &(&String, &Value)| {
        it.is_null() && words::takes(&schema["properties"][other.as_str()], name, value)
    };
    beside.iter().find(empty).map(|(other, _)| other.as_str())
}

#[cfg(test)]
mod tests;
