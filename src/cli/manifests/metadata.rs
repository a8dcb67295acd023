//! The metadata of a manifest, as an API server checks them. Name and namespace themselves are
//! checked with the object.

use crate::text::quoted;
use serde_json::{Map, Value};

/// The fields that an API server knows.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Most bytes of all annotations.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// Adds what is wrong.
pub(super) fn faults(object: &Map<String, Value>, faults: &mut Vec<String>) {
    let empty = Map::new();
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        None => &empty,
        Some(_) => {
            let fault = "metadata: must be a mapping; write name: and namespace: below it, each with a blank behind \
                         the colon";
            return faults.push(fault.into());
        }
    };
    for name in metadata.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        faults.push(format!("metadata.{name}: unknown field; correct or remove it"));
    }
    match metadata.get("name") {
        Some(Value::String(name)) if !name.is_empty() => {}
        None | Some(Value::String(_) | Value::Null) => {
            faults.push("metadata.name: is missing; give the object a name".into())
        }
        Some(_) => faults.push("metadata.name: must be text; write it in quotes".into()),
    }
    match metadata.get("namespace") {
        None => {}
        Some(Value::String(name)) if name.len() <= 63 => {}
        Some(Value::String(_)) => {
            faults.push("metadata.namespace: has more than 63 characters; shorten it".into())
        }
        Some(_) => faults.push("metadata.namespace: must be text; write it in quotes, or remove it".into()),
    }
    for field in ["labels", "annotations"] {
        match metadata.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (name, value) in entries {
                    if let Some(fault) = entry(field, name, value) {
                        faults.push(format!("metadata.{field}[{}]: {fault}", quoted(name)));
                    }
                }
            }
            Some(_) => {
                faults.push(format!("metadata.{field}: must be a mapping; write names with values below it"))
            }
        }
    }
    let sizes = |(name, value): (&String, &Value)| name.len() + value.as_str().map_or(0, str::len);
    let annotations = metadata.get("annotations").and_then(Value::as_object);
    if annotations.into_iter().flatten().map(sizes).sum::<usize>() > ANNOTATIONS_MAX {
        faults.push("metadata.annotations: has more than 256 KiB; shorten them".into());
    }
    for field in ["finalizers", "ownerReferences"] {
        // Nothing here needs them, and an object with a foreign finalizer stays after its deletion.
        if metadata.get(field).is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty())) {
            faults.push(format!("metadata.{field}: does not belong into a manifest; remove it"));
        }
    }
}

/// Returns what is wrong with a label or annotation.
fn entry(field: &str, name: &str, value: &Value) -> Option<&'static str> {
    let Value::String(value) = value else { return Some("must be text; write it in quotes") };
    let (prefix, short) = name.rsplit_once('/').map_or((None, name), |(prefix, short)| (Some(prefix), short));
    let is_prefix = |prefix: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
        };
        prefix.len() <= 253 && prefix.split('.').all(label)
    };
    // The name of an annotation may have capitals in its prefix.
    let prefix =
        prefix.map(|prefix| if field == "annotations" { prefix.to_lowercase() } else { prefix.to_owned() });
    if short.is_empty() || !is_word(short) || !prefix.is_none_or(|prefix| is_prefix(&prefix)) {
        return Some(
            "is no name of a label; use at most 63 letters, digits, -, _ and . after an optional domain and /",
        );
    }
    if field == "labels" && !is_word(value) {
        return Some("has a value that is none of a label; use at most 63 letters, digits, -, _ and .");
    }
    None
}

/// True for a text of at most 63 letters, digits, -, _ and . that begins and ends with a letter or
/// digit, or is empty.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.iter().all(|byte| plain(*byte)) && ends(bytes.first()) && ends(bytes.last())
}
