//! The fields and values that the pages name exist: `spec.x` and `status.x` in a CRD, and `settings.x` in the chart.

use super::page::blocks;
use super::pages::{pages, prose};
use super::text_of;
use serde_json::Value;

/// Fields of resources that are not ours, of a design that is not built, and variables of Icinga.
const OTHERS: [&str; 4] = ["spec.test.enable", "settings.signingKey", "service.name", "service.host"];

/// The dotted paths in the code of a page, such as `spec.target.layout`, without what is assigned to them.
fn paths(page: &str) -> Vec<String> {
    let text = prose(page).into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    let quoted = text.split('`').skip(1).step_by(2).map(str::to_owned);
    let set = blocks(page).into_iter().flat_map(|block| block.lines).flat_map(|line| {
        let values = line.split("--set ").skip(1).map(|rest| rest.trim_start_matches('\'').to_owned());
        values.collect::<Vec<_>>()
    });
    let words =
        quoted.chain(set).map(|word| word.split(['=', ':', ' ', '[']).next().unwrap_or_default().to_owned());
    words
        .filter(|word| {
            let is_plain =
                |part: &str| !part.is_empty() && part.chars().all(|sign| sign.is_ascii_alphanumeric());
            word.contains('.') && word.split('.').all(is_plain)
        })
        .collect()
}

/// True if a schema has the field at this path. What is below a map or free-form content has any name.
fn has_field(schema: &Value, path: &str) -> bool {
    let mut at = schema;
    for part in path.split('.') {
        if at["type"] == "array" {
            at = &at["items"];
        }
        if at.get("properties").is_none() {
            return at.get("additionalProperties").is_some()
                || at["x-kubernetes-preserve-unknown-fields"] == true;
        }
        at = &at["properties"][part];
        if at.is_null() {
            return false;
        }
    }
    true
}

/// True if the values have a key at this path. What is below an empty map has any name.
fn has_value(values: &Value, path: &str) -> bool {
    let mut at = values;
    for part in path.split('.') {
        match at.as_object() {
            Some(map) if map.is_empty() => return true,
            Some(map) if map.contains_key(part) => at = &map[part],
            _ => return false,
        }
    }
    true
}

#[test]
fn every_field_and_value_that_a_page_names_exists() {
    let schemas = ["monitoringobjects", "satelliteclusters"].map(|plural| {
        let text = text_of(&format!("crds/{plural}.groundlink.dev.yaml"));
        let crd: Value = serde_saphyr::from_str(&text).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    });
    let values: Value = serde_saphyr::from_str(&text_of("charts/groundlink/values.yaml")).unwrap();
    let mut wrong = Vec::new();
    let (mut fields, mut settings) = (0, 0);
    for page in pages() {
        for path in
            paths(&text_of(&page)).iter().filter(|path| !OTHERS.iter().any(|other| path.starts_with(other)))
        {
            let first = path.split('.').next().unwrap();
            let is_known = if ["spec", "status"].contains(&first) {
                fields += 1;
                schemas.iter().any(|schema| has_field(schema, path))
            } else if values.get(first).is_some() {
                settings += 1;
                has_value(&values, path)
            } else {
                continue;
            };
            if !is_known {
                wrong.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(fields > 60 && settings > 30, "the test sees {fields} fields and {settings} values");
    assert!(wrong.is_empty(), "named, and not there: {wrong:#?}");
}

#[test]
fn a_field_that_does_not_exist_is_found() {
    let page =
        "Set `spec.a.b: x`, `c.d=1` and `spec.a`.\n```console\nhelm install --set 'c.e={f}'\n```\n`a.md`";
    assert_eq!(paths(page), ["spec.a.b", "c.d", "spec.a", "a.md", "c.e"]);
    let schema = serde_json::json!({ "properties": { "a": { "type": "array", "items": { "properties": { "b": {} } } } } });
    assert!(has_field(&schema, "a.b") && !has_field(&schema, "a.c") && !has_field(&schema, "b"));
    let values = serde_json::json!({ "a": { "b": 1, "c": {} } });
    assert!(has_value(&values, "a.b") && has_value(&values, "a.c.d") && !has_value(&values, "a.d"));
}
