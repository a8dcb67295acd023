//! What a manager applied of an object, from `managedFields`: to apply the same again with one change.

use kube::api::DynamicObject;
use serde_json::{Map, Value};

/// Returns the part of an object's `spec` that `manager` applied.
pub(in crate::cli) fn spec(object: &DynamicObject, manager: &str) -> Value {
    let entries = object.metadata.managed_fields.as_deref().unwrap_or_default();
    let ours = entries.iter().find(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.is_none()
    });
    let fields = ours.and_then(|entry| entry.fields_v1.as_ref()).and_then(|fields| fields.0.get("f:spec"));
    fields.map_or_else(|| Value::Object(Map::new()), |fields| part(fields, &object.data["spec"]))
}

/// Returns the part of a value that a set of fields names (`f:` a field, `v:` an entry of a set). An empty set names all of it.
fn part(fields: &Value, value: &Value) -> Value {
    let names = fields.as_object().into_iter().flatten().filter(|(name, _)| *name != ".");
    let names: Vec<_> = names.collect();
    match value {
        Value::Object(map) if !names.is_empty() => {
            let own = names.iter().filter_map(|(name, inner)| {
                let name = name.strip_prefix("f:")?;
                Some((name.to_owned(), part(inner, map.get(name)?)))
            });
            Value::Object(own.collect())
        }
        Value::Array(list) if names.iter().any(|(name, _)| name.starts_with("v:")) => {
            let owns = |item: &&Value| names.iter().any(|(name, _)| *name == &format!("v:{item}"));
            Value::Array(list.iter().filter(owns).cloned().collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_other_managers_are_left_out() {
        let object: DynamicObject = serde_json::from_value(json!({
            "metadata": { "managedFields": [
                { "manager": "other", "operation": "Apply", "fieldsV1": { "f:spec": { "f:suspend": {} } } },
                { "manager": "me", "operation": "Update", "fieldsV1": { "f:spec": { "f:suspend": {} } } },
                { "manager": "me", "operation": "Apply", "fieldsV1": { "f:spec": {
                    "f:zones": {}, "f:ref": { ".": {}, "f:name": {} }, "f:set": { "v:\"a\"": {} }, "f:gone": {},
                } } },
            ] },
            "spec": {
                "suspend": true, "zones": ["x"], "ref": { "name": "n", "key": "theirs" }, "set": ["a", "b"],
            },
        }))
        .unwrap();
        let expected = json!({ "zones": ["x"], "ref": { "name": "n" }, "set": ["a"] });
        assert_eq!(spec(&object, "me"), expected);
        assert_eq!(spec(&object, "nobody"), json!({}));
    }
}
