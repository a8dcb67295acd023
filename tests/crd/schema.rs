//! Every field says what it is for, and has a limit.

use super::crds;
use serde_json::Value;

/// What is wrong below a schema.
fn walk(schema: &Value, path: &str, wrong: &mut Vec<String>, seen: &mut usize) {
    *seen += 1;
    let has = |key: &str| !schema[key].is_null();
    let mut require = |condition: bool, what: &str| {
        if !condition {
            wrong.push(format!("{path} has no {what}"));
        }
    };
    match schema["type"].as_str() {
        Some("string") => {
            require(has("maxLength") || has("enum") || has("format"), "maxLength, enum or format")
        }
        Some("array") => require(has("maxItems"), "maxItems"),
        Some("object") if has("additionalProperties") || has("x-kubernetes-preserve-unknown-fields") => {
            require(has("maxProperties"), "maxProperties");
        }
        Some("object") => require(has("properties"), "properties"),
        Some("integer" | "boolean") => {}
        // A text or fields.
        None if has("x-kubernetes-preserve-unknown-fields") && has("properties") => {
            require(has("maxLength"), "maxLength");
        }
        other => require(false, &format!("type that is known here: {other:?}")),
    }
    for (field, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{field}");
        match below["description"].as_str() {
            Some(text) if text.contains('\n') => {
                wrong.push(format!("{path} has a line break in its description"))
            }
            Some(text) if text.trim().len() >= 5 => {}
            _ => wrong.push(format!("{path} has no description")),
        }
        walk(below, &path, wrong, seen);
    }
    for below in ["items", "additionalProperties"] {
        if schema[below].is_object() {
            walk(&schema[below], &format!("{path}.*"), wrong, seen);
        }
    }
}

#[test]
fn every_field_has_a_description_and_a_limit() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for crd in crds() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(
            schema["description"].as_str().is_some_and(|text| text.len() > 20),
            "{kind} has no description"
        );
        walk(schema, kind, &mut wrong, &mut seen);
    }
    assert!(seen > 100, "the walk sees only {seen} schemas");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_walk_sees_what_is_missing() {
    let schema = serde_json::json!({ "type": "object", "properties": {
        "a": { "type": "string" },
        "b": { "type": "array", "description": "A list.", "items": { "type": "string" } },
        "c": { "type": "object", "description": "A map.", "additionalProperties": { "type": "string", "maxLength": 1 } },
    } });
    let (mut wrong, mut seen) = (Vec::new(), 0);
    walk(&schema, "x", &mut wrong, &mut seen);
    assert_eq!(
        wrong,
        [
            "x.a has no description",
            "x.a has no maxLength, enum or format",
            "x.b has no maxItems",
            "x.b.* has no maxLength, enum or format",
            "x.c has no maxProperties",
        ]
    );
}
