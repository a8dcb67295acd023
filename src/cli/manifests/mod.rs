//! Manifests from files, directories and standard input, read as kubectl reads them and checked as
//! an API server checks them. One bad document hides no other.

mod cel;
mod json;
mod metadata;
mod scalar;
mod schema;
mod words;
mod yaml;

use crate::api::MonitoringObject;
use crate::text::{clean_message, quoted};
use anyhow::Context as _;
use serde::Deserialize as _;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;
use yaml::{Document, Fault};

/// Deepest nesting of lists in lists of objects.
const LISTS_MAX: usize = 8;
/// The version of the API that is served.
const API_VERSION: &str = "groundlink.dev/v1alpha1";
/// The kinds of the API.
const KINDS: [&str; 2] = ["MonitoringObject", "SatelliteCluster"];

/// A MonitoringObject of a manifest, or a document that is none and should be.
pub(super) struct Manifest {
    /// File and line in which its document begins.
    pub(super) place: String,
    /// Its namespace. Empty if it has none, or no name can be read.
    pub(super) namespace: String,
    /// Its name. Empty if none can be read.
    pub(super) name: String,
    /// The object; or what is wrong with it, and what to do, a text for each fault.
    pub(super) object: Result<MonitoringObject, Vec<String>>,
}

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

/// Returns the MonitoringObjects of a text, and the documents that cannot be read. Other kinds are
/// skipped, so that the output of Helm can be rendered.
pub(super) fn parse(source: &str, text: &str) -> Vec<Manifest> {
    let mut found = Vec::new();
    for Document { line, content } in yaml::documents(text) {
        let place = format!("{source}:{line}");
        match content {
            Ok(value) => manifests(&place, value, 0, &mut found),
            Err(Fault { line, message }) => found.push(broken(&format!("{source}:{line}"), message)),
        }
    }
    found
}

/// Returns the documents, and the items of those that are lists.
///
/// # Errors
/// If one cannot be read.
pub(super) fn documents(text: &str) -> anyhow::Result<impl Iterator<Item = Value> + use<>> {
    let read = yaml::documents(text).into_iter().map(|document| {
        document.content.map_err(|fault| anyhow::anyhow!("line {}: {}", fault.line, fault.message))
    });
    let documents = read.collect::<Result<Vec<_>, _>>()?;
    Ok(documents.into_iter().flat_map(|mut document| match document.get_mut("items") {
        Some(Value::Array(items)) => std::mem::take(items),
        _ => vec![document],
    }))
}

fn broken(place: &str, message: String) -> Manifest {
    let (namespace, name) = (String::new(), String::new());
    Manifest { place: place.to_owned(), namespace, name, object: Err(vec![message]) }
}

/// Adds the objects of a document.
fn manifests(place: &str, document: Value, depth: usize, found: &mut Vec<Manifest>) {
    let Value::Object(mut document) = document else {
        return found.push(broken(place, "is no object; write apiVersion, kind, metadata and spec".into()));
    };
    let field = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, version) = (field("kind"), field("apiVersion"));
    // kubectl asks a list for no apiVersion.
    if kind.ends_with("List") && document.contains_key("items") {
        match document.remove("items") {
            Some(Value::Array(items)) if depth < LISTS_MAX => {
                items.into_iter().for_each(|item| manifests(place, item, depth + 1, found));
            }
            _ => found.push(broken(place, "items: is no list of objects; write one".into())),
        }
        return;
    }
    for (name, value) in [("apiVersion", &version), ("kind", &kind)] {
        if value.is_empty() {
            return found.push(broken(
                place,
                format!("{name}: is missing; write {API_VERSION} MonitoringObject, or remove the document"),
            ));
        }
    }
    let is_near = KINDS.iter().any(|known| known.eq_ignore_ascii_case(&kind));
    if !version.starts_with("groundlink.dev/") && version != "groundlink.dev" {
        // Somebody else's kind of the same name is possible, and one without a group is not.
        if is_near && !version.contains('/') {
            found.push(broken(place, format!("apiVersion: is {}; write {API_VERSION}", quoted(&version))));
        }
        return;
    }
    if version != API_VERSION {
        found.push(broken(place, format!("apiVersion: is {}; write {API_VERSION}", quoted(&version))));
    } else if kind == KINDS[0] {
        found.push(manifest(place, document));
    } else if !KINDS.contains(&kind.as_str()) {
        found.push(broken(place, format!("kind: is {}; write {}", quoted(&kind), KINDS.join(" or "))));
    }
}

fn manifest(place: &str, document: Map<String, Value>) -> Manifest {
    let faults = schema::faults(&document);
    let name = |field: &str| {
        let metadata = document.get("metadata").and_then(|metadata| metadata.get(field));
        metadata.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (namespace, name) = (name("namespace"), name("name"));
    let object = if faults.is_empty() {
        let object = MonitoringObject::deserialize(Value::Object(document));
        object.map_err(|error| vec![format!("spec: {}; correct it", clean_message(&error.to_string()))])
    } else {
        Err(faults.iter().map(|fault| clean_message(fault)).collect())
    };
    Manifest { place: place.to_owned(), namespace, name, object }
}

#[cfg(test)]
mod tests;
