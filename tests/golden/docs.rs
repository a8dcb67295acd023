//! The configuration and the resources that the documentation puts side by side are the same
//! objects for Icinga.

use crate::icinga::{self, Icinga, Object};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The blocks of one language.
fn blocks(text: &str, language: &str) -> String {
    let opening = format!("```{language}\n");
    let blocks = text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join(if language == "yaml" { "---\n" } else { "\n" })
}

/// Icinga's constants are bits, in this order; its words mean the same.
const STATES: &str = "OK Warning Critical Unknown Up Down";
const TYPES: &str = "DowntimeStart DowntimeEnd DowntimeRemoved Custom Acknowledgement Problem Recovery FlappingStart FlappingEnd";

/// Attributes by type and name, without where they come from. `"-H" = "x"` means `"-H" = { value =
/// "x" }`.
fn compared(objects: Vec<Object>) -> BTreeMap<(String, String), Map<String, Value>> {
    let strip = |mut object: Object| {
        object.properties.remove("source_location");
        for argument in
            object.properties.get_mut("arguments").and_then(Value::as_object_mut).into_iter().flatten()
        {
            if argument.1.is_string() {
                *argument.1 = json!({ "value": argument.1.take() });
            }
        }
        for (attribute, words) in [("states", STATES), ("types", TYPES)] {
            for word in
                object.properties.get_mut(attribute).and_then(Value::as_array_mut).into_iter().flatten()
            {
                if let Some(bit) = word.as_f64() {
                    *word = json!(words.split(' ').nth(bit.log2() as usize).unwrap());
                }
            }
        }
        ((object.kind, object.name), object.properties)
    };
    objects.into_iter().map(strip).collect()
}

#[test]
fn side_by_side() {
    let Some(icinga) = icinga::installed() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-conf-d.md");
    let text = std::fs::read_to_string(path).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&blocks(&text, "yaml")).unwrap();
    let items: Vec<Value> = documents
        .into_iter()
        .map(|mut document| {
            document["metadata"]["namespace"] = json!("groundlink");
            document["apiVersion"] = json!("groundlink.dev/v1alpha1");
            document["kind"] = json!("MonitoringObject");
            document
        })
        .collect();
    assert!(items.len() >= 15);
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("docs.json");
    std::fs::write(&manifest, json!({ "kind": "List", "items": items }).to_string()).unwrap();
    let output = crate::case::render(&manifest, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ours = String::from_utf8(output.stdout).unwrap();
    same_objects(icinga, &ours, &blocks(&text, "icinga2")).unwrap();
}

/// Whether two configurations are the same objects for Icinga.
pub fn same_objects(icinga: &Icinga, ours: &str, theirs: &str) -> Result<(), String> {
    let ours = compared(icinga.load(ours, "")?);
    let theirs = compared(icinga.load(theirs, "")?);
    if !ours.keys().eq(theirs.keys()) {
        return Err(format!("{:?}\nand by hand {:?}", ours.keys(), theirs.keys()));
    }
    match theirs.iter().find(|(key, theirs)| ours[*key] != **theirs) {
        Some((key, theirs)) => Err(format!("{key:?}: {:?}\nand by hand {theirs:?}", ours[key])),
        None => Ok(()),
    }
}
