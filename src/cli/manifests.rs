//! Manifests from files, directories and standard input.

use crate::api::MonitoringObject;
use anyhow::{Context as _, bail};
use kube::CustomResourceExt as _;
use serde::Deserialize as _;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

/// Returns source and text of a file, of the manifests in a directory, or of standard input.
///
/// # Errors
/// If one cannot be read.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(vec![("standard input".into(), text)]);
    }
    let name = path.display().to_string();
    if !path.is_dir() {
        return Ok(vec![(
            name.clone(),
            std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?,
        )]);
    }
    let mut paths: Vec<_> = std::fs::read_dir(path)
        .with_context(|| format!("cannot list {name}"))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    paths.retain(|path| {
        path.is_dir()
            || path.extension().is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|known| ext == *known))
    });
    let mut all = Vec::new();
    for path in paths {
        all.extend(read(&path)?);
    }
    Ok(all)
}

/// Returns the MonitoringObjects among the documents. Other kinds are skipped, so that the output
/// of Helm can be rendered.
///
/// # Errors
/// If the text is not YAML; an item is an error if it is no valid MonitoringObject.
pub(super) fn parse(text: &str) -> anyhow::Result<impl Iterator<Item = anyhow::Result<MonitoringObject>>> {
    Ok(documents(text)?.filter(is_ours).map(|item| object(&item)))
}

/// Returns the documents, and the items of those that are lists.
///
/// # Errors
/// If the text is not YAML.
pub(super) fn documents(text: &str) -> anyhow::Result<impl Iterator<Item = Value> + use<>> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options()).context("not valid YAML")?;
    Ok(documents.into_iter().flat_map(items))
}

/// Returns the items of a list, or the document itself.
fn items(mut document: Value) -> Vec<Value> {
    if let Some(items) = document.get_mut("items").and_then(Value::as_array_mut) {
        return std::mem::take(items);
    }
    vec![document]
}

fn is_ours(item: &Value) -> bool {
    let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    field("kind") == "MonitoringObject" && field("apiVersion").starts_with("groundlink.dev/")
}

fn object(item: &Value) -> anyhow::Result<MonitoringObject> {
    let name = item["metadata"]["name"].as_str().unwrap_or_default();
    let object = MonitoringObject::deserialize(item).with_context(|| format!("MonitoringObject {name:?}"))?;
    if let Some(field) = unknown_field(&item["spec"], &SCHEMA, "spec") {
        bail!(
            "MonitoringObject {name:?}: {field}: unknown field; see kubectl explain mo.spec, and correct or remove it"
        );
    }
    Ok(object)
}

/// Returns options without limits of size: a person's own file may hold a whole hub (`helm
/// template`, `kubectl get -o yaml`). Aliases and depth stay limited, because a small file can
/// grow by them.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: usize::MAX,
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_total_comment_bytes: usize::MAX,
        },
    }
}

/// The schema of a spec, as in the CRD.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(MonitoringObject::crd()).unwrap_or_default();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
});

/// Returns the path of the first field that the schema does not have. An API server drops or
/// refuses it, so a typo must be reported.
fn unknown_field(given: &Value, schema: &Value, path: &str) -> Option<String> {
    match given {
        Value::Object(_)
            if schema["x-kubernetes-preserve-unknown-fields"] == true && schema["properties"].is_null() =>
        {
            None
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match schema["properties"].get(name).or_else(|| schema.get("additionalProperties")) {
                Some(schema) => unknown_field(value, schema, &path),
                None => Some(path),
            }
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(i, item)| unknown_field(item, &schema["items"], &format!("{path}[{i}]"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_named_and_free_fields_are_not() {
        let refused = |spec: &str| {
            let text = format!(
                "{{apiVersion: groundlink.dev/v1alpha1, kind: MonitoringObject, metadata: {{name: x}}, spec: {spec}}}"
            );
            parse(&text).unwrap().next().unwrap().err().map(|error| format!("{error:#}"))
        };
        for (spec, field) in [
            ("{suspendd: false, hostGroup: {}}", "spec.suspendd"),
            ("{host: {checkCommand: c, gruops: []}}", "spec.host.gruops"),
            ("{host: {checkCommand: c, zone: null}}", "spec.host.zone"),
            ("{checkCommand: {arguments: {-H: {valeu: x}}}}", "spec.checkCommand.arguments.-H.valeu"),
        ] {
            let why = refused(spec).unwrap_or_else(|| panic!("{spec} is accepted"));
            assert!(why.contains(&format!("{field}: unknown field")), "{why}");
        }
        for spec in [
            "{suspend: false, host: {checkCommand: c, vars: {a: {b: [{c: false}]}}}}",
            "{checkCommand: {command: [/c], arguments: {-H: {value: x, required: false}}, env: {A: b}}}",
        ] {
            assert_eq!(refused(spec), None, "{spec}");
        }
    }
}
