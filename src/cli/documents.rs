//! (tests) The documents that commands print for programs: docs/commands.md lists every field, so
//! none is renamed or removed by accident.

use super::output::Document;
use super::{import, look, render, report, satellite, snapshot};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::fmt::Write as _;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");
/// What stands before the list.
const HEAD: &str = "```text\napiVersion: cli.groundlink.dev/v1\n";

/// Returns the fields of a document, one a line: `?` stands behind one that may be missing.
fn fields<D: Document + JsonSchema>(text: &mut String) {
    let generator = SchemaSettings::default().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<D>();
    let _ = writeln!(text, "\nkind: {}", D::KIND);
    walk(text, schema.as_value(), schema.as_value(), "");
}

fn walk(text: &mut String, root: &Value, schema: &Value, path: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return walk(text, root, root.pointer(pointer).unwrap_or(&Value::Null), path);
    }
    for part in ["anyOf", "allOf", "oneOf"] {
        schema[part].as_array().into_iter().flatten().for_each(|one| walk(text, root, one, path));
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        let mark = if required.contains(&Value::from(name.as_str())) { "" } else { "?" };
        let dot = if path.is_empty() { "" } else { "." };
        let field = format!("{path}{dot}{name}");
        let mut words = Vec::new();
        collect_words(&mut words, root, of);
        let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
        let _ = writeln!(text, "{field}{mark}{words}");
        walk(text, root, of, &field);
    }
    if schema["additionalProperties"].is_object() {
        let _ = writeln!(text, "{path}.*");
    }
    if schema["items"].is_object() {
        walk(text, root, &schema["items"], &format!("{path}[]"));
    }
}

/// Collects the words that a text may be.
fn collect_words(words: &mut Vec<String>, root: &Value, schema: &Value) {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return collect_words(words, root, root.pointer(pointer).unwrap_or(&Value::Null));
    }
    for part in ["anyOf", "oneOf"] {
        schema[part].as_array().into_iter().flatten().for_each(|one| collect_words(words, root, one));
    }
    let listed = schema["enum"].as_array().into_iter().flatten().chain([&schema["const"]]);
    words.extend(listed.filter_map(Value::as_str).map(str::to_owned));
}

#[test]
fn every_field_stands_in_the_documents() {
    let mut wanted = String::new();
    fields::<look::Fleet>(&mut wanted);
    fields::<look::Journey>(&mut wanted);
    fields::<look::Compared>(&mut wanted);
    fields::<report::Report>(&mut wanted);
    fields::<satellite::Checked<'_>>(&mut wanted);
    fields::<satellite::Listed>(&mut wanted);
    fields::<satellite::JoinManifest>(&mut wanted);
    fields::<snapshot::Summary<'_>>(&mut wanted);
    fields::<render::Rendered<'_>>(&mut wanted);
    fields::<render::Changes<'_>>(&mut wanted);
    fields::<import::Whole<'_>>(&mut wanted);
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(HEAD).expect("the head of the list");
    let (list, after) = rest.split_once("```").expect("the end of the list");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(PAGE, [before, HEAD, &wanted, "```", after].concat()).unwrap();
    }
    // One that is new is added with UPDATE_DOCS=1. One that is gone breaks somebody's program.
    assert!(list == wanted, "docs/commands.md does not list exactly these fields:\n{wanted}");
}
