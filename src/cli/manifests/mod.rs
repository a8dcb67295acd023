//! Manifests from files, directories and standard input, read as kubectl reads them and checked as
//! an API server checks them. One bad document hides no other.

mod cel;
mod files;
mod json;
mod metadata;
mod scalar;
mod schema;
mod words;
mod yaml;

pub(super) use files::{Source, read};

use crate::api::MonitoringObject;
use crate::text::{clean_message, quoted};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use yaml::{Document, Fault};

/// Deepest nesting of lists in lists of objects.
const LISTS_MAX: usize = 8;
/// The version of the API that is served.
const API_VERSION: &str = "groundlink.dev/v1alpha1";
/// The kinds of the API.
const KINDS: [&str; 2] = ["MonitoringObject", "SatelliteCluster"];

/// A MonitoringObject of a manifest, or a document that is none and should be.
pub(super) struct Manifest {
    /// File and line in which its document begins, and its number in a list.
    pub(super) place: String,
    /// Its namespace. Empty if it has none, or no name can be read.
    pub(super) namespace: String,
    /// Its name. Empty if none can be read.
    pub(super) name: String,
    /// The object; or what is wrong with it, and what to do, a text for each fault.
    pub(super) object: Result<MonitoringObject, Vec<String>>,
}

/// Returns the MonitoringObjects of a text, and the documents that cannot be read. Other kinds are
/// skipped, so that the output of Helm can be rendered.
pub(super) fn parse(source: &str, bytes: &[u8]) -> Vec<Manifest> {
    let text = match utf8(bytes) {
        Ok(text) => text,
        Err(Fault { line, message }) => return vec![broken(&format!("{source}:{line}"), message)],
    };
    let mut found = Vec::new();
    for Document { line, head, content } in yaml::documents(text) {
        match content {
            Ok(value) => manifests(&format!("{source}:{line}"), value, 0, &mut found),
            Err(fault) => found.push(unread(format!("{source}:{}", fault.line), &head, fault.message)),
        }
    }
    found
}

/// Returns bytes as text.
fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let read = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + read.iter().filter(|byte| **byte == b'\n').count();
        Fault { line, message: "has bytes that are not UTF-8; save the file as UTF-8".into() }
    })
}

/// Returns what is said of a document that cannot be read, of the object if its head names one.
fn unread(place: String, head: &Map<String, Value>, message: String) -> Manifest {
    let field = |of: Option<&Value>| of.and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = |name: &str| field(head.get("metadata").and_then(|metadata| metadata.get(name)));
    let is_own = field(head.get("apiVersion")) == API_VERSION && field(head.get("kind")) == KINDS[0];
    let (namespace, name) = (name("namespace"), name("name"));
    if !is_own || name.is_empty() {
        return broken(&place, message);
    }
    // A line of the document says more than the line in which it begins.
    let object = Err(vec![clean_message(&format!("{place}: {message}"))]);
    Manifest { place, namespace, name, object }
}

/// Returns the documents, and the items of those that are lists.
///
/// # Errors
/// If one cannot be read.
pub(super) fn documents(bytes: &[u8]) -> anyhow::Result<impl Iterator<Item = Value> + use<>> {
    let told = |fault: Fault| anyhow::anyhow!("line {}: {}", fault.line, fault.message);
    let text = utf8(bytes).map_err(told)?;
    let read = yaml::documents(text).into_iter().map(|document| document.content.map_err(told));
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
        let message = match document {
            Value::Array(_) => "is a list of objects; write them as documents with --- between them",
            _ => "is no object; write apiVersion, kind, metadata and spec",
        };
        return found.push(broken(place, message.into()));
    };
    let field = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, version) = (field("kind"), field("apiVersion"));
    // kubectl asks a list for no apiVersion.
    if kind.ends_with("List") && document.contains_key("items") {
        match document.remove("items") {
            Some(Value::Array(items)) if depth < LISTS_MAX => {
                for (at, item) in items.into_iter().enumerate() {
                    manifests(&format!("{place} items[{at}]"), item, depth + 1, found);
                }
            }
            _ => found.push(broken(place, "items: is no list of objects; write one".into())),
        }
        return;
    }
    for (name, value) in [("apiVersion", &version), ("kind", &kind)] {
        if value.is_empty() {
            return found.push(broken(
                place,
                format!("{name}: is missing; write apiVersion: {API_VERSION} and kind: {}, or remove the document", KINDS[0]),
            ));
        }
    }
    let is_near = KINDS.iter().any(|known| known.eq_ignore_ascii_case(&kind));
    if !version.starts_with("groundlink.dev/") && version != "groundlink.dev" {
        // Somebody else's kind of the same name is possible, but not without a group, or in a group
        // with the same word.
        if is_near && (!version.contains('/') || version.to_lowercase().contains("groundlink")) {
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
