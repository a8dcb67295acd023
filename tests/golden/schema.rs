//! The CRD's schema, as the program prints it; read by `tests/corpus`, too.

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// The schema of a MonitoringObject's `spec`.
pub fn spec() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_groundlink")).arg("crd").output().unwrap();
    let crds: Vec<Value> = serde_saphyr::from_multiple(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
    let mut crd = crds.into_iter().find(|crd| crd["spec"]["names"]["kind"] == "MonitoringObject").unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].take()
}

/// Members of `spec` that declare an Icinga type; the others are fields of every type.
pub fn members(spec: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = spec["properties"].as_object().unwrap().iter();
    properties.filter(|(_, schema)| schema["type"] == "object").map(|(name, schema)| (name.as_str(), schema))
}

/// Paths of the fields below a schema; entries of maps and lists are `*`.
pub fn fields_of_schema(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
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

/// Paths that occur in a value, with the same `*`: where the schema has a map, keys are not
/// fields.
pub fn fields_of_value(value: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
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
