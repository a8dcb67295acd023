//! Every field of the API occurs in a golden case, so that a new attribute without one fails here.

use crate::case::Case;
use crate::declared::member;
use crate::schema;
use serde_json::Value;
use std::collections::BTreeSet;

/// Paths of the fields below a schema; entries of maps and lists are `*`.
fn fields_of_schema(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{field}");
        found.insert(path.clone());
        fields_of_schema(schema, &path, found);
    }
    for below in ["additionalProperties", "items"] {
        if schema[below].is_object() {
            fields_of_schema(&schema[below], &format!("{path}.*"), found);
        }
    }
}

/// Paths that occur in a value, with the same `*`: where the schema has a map, keys are not fields.
fn fields_of_value(value: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let (key, below) = match schema["properties"].get(key) {
                    Some(below) => (key.as_str(), below),
                    None => ("*", &schema["additionalProperties"]),
                };
                let path = format!("{path}.{key}");
                found.insert(path.clone());
                fields_of_value(value, below, &path, found);
            }
        }
        Value::Array(items) => {
            items
                .iter()
                .for_each(|item| fields_of_value(item, &schema["items"], &format!("{path}.*"), found));
        }
        _ => {}
    }
}

#[test]
fn every_field_occurs_in_a_golden_case() {
    let schema = schema::spec();
    let (mut wanted, mut found) = (BTreeSet::new(), BTreeSet::new());
    fields_of_schema(&schema, "spec", &mut wanted);
    for document in Case::all().iter().flat_map(Case::published) {
        member(&document);
        fields_of_value(&document["spec"], &schema, "spec", &mut found);
    }
    assert!(wanted.len() > 80, "the schema has only {} fields", wanted.len());
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(
        missing.is_empty(),
        "no golden case sets {missing:#?}: add them to an input.yaml below tests/golden/cases, and run \
         UPDATE_GOLDEN=1 cargo test --test golden"
    );
}
