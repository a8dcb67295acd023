//! What must hold for every input, however it was made: read by the fuzz targets, and by the test that replays the corpus. Each
//! oracle takes bytes and panics with what is wrong.

pub mod condition;
pub mod declared;
pub mod generator;
pub mod kubeconfig;
pub mod lexer;
pub mod statement;
pub mod vocabulary;

use arbitrary::Unstructured;
use groundlink::api::IcingaVersion;
use groundlink::api::MonitoringObject;
use groundlink::api::text::Expression;
use groundlink::identity::{Digest, ObjectKey};
use groundlink::render::{Rendered, read_back, render as render_file};
use groundlink::text::MESSAGE_MAX;
use groundlink::validate::expression::{self as expressions, Subject};
use groundlink::validate::{Settings, validate};
use serde_json::{Value, json};

/// What came of an input, so that a test can tell whether a corpus reaches everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No resource, or no text.
    Undecodable,
    /// At least one resource was refused, and none accepted.
    Refused,
    /// At least one resource was accepted.
    Accepted,
}

/// Namespace whose resources may declare commands.
const PRIVILEGED: &str = "groundlink";

/// A condition over each set of subjects.
pub fn expression(bytes: &[u8]) -> Verdict {
    let Ok(source) = std::str::from_utf8(bytes) else { return Verdict::Undecodable };
    let of_hosts = json!({ "assignWhere": [source] });
    let of_services = json!({ "to": "Service", "assignWhere": [source], "ignoreWhere": [source] });
    let rules = [
        (vec![Subject::Host], json!({ "service": { "checkCommand": "dummy", "apply": of_hosts } })),
        (
            vec![Subject::Host, Subject::Service],
            json!({ "notification": { "command": "mail", "users": ["me"], "apply": of_services } }),
        ),
        (vec![Subject::User], json!({ "userGroup": { "assignWhere": [source] } })),
    ];
    let verdicts = rules.map(|(subjects, spec)| {
        let parsed = expressions::parse(source, &subjects);
        if let Err(message) = &parsed {
            has_column(message, source);
        }
        let verdict = made(&json!({ "metadata": { "namespace": PRIVILEGED, "name": "x" }, "spec": spec }));
        let fits = source.chars().count() <= Expression::MAX;
        assert_eq!(verdict == Verdict::Accepted, parsed.is_ok() && fits, "{source:?}: {parsed:?}");
        verdict
    });
    verdicts.into_iter().max().unwrap_or(Verdict::Undecodable)
}

/// A manifest, read as YAML as `groundlink render` does, and as JSON.
pub fn decoder(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Undecodable };
    let decoded = documents(text);
    assert_eq!(decoded, documents(text), "decoded twice, and not the same");
    let verdicts = decoded.into_iter().map(|document| {
        let Ok(object) = serde_json::from_value::<MonitoringObject>(document) else {
            return Verdict::Undecodable;
        };
        let spec = serde_json::to_value(&object.spec).unwrap_or_default();
        check(object, &spec)
    });
    verdicts.max().unwrap_or(Verdict::Undecodable)
}

/// A resource of any type, made from bytes.
pub fn render(bytes: &[u8]) -> Verdict {
    let Ok(resource) = generator::resource(&mut Unstructured::new(bytes)) else {
        return Verdict::Undecodable;
    };
    made(&resource)
}

/// A resource that was made here: a field of it that is not understood is a mistake.
fn made(resource: &Value) -> Verdict {
    let mut document = json!({ "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject" });
    document["metadata"] = resource["metadata"].clone();
    document["spec"] = resource["spec"].clone();
    match serde_json::from_value(document) {
        Ok(object) => check(object, &resource["spec"]),
        Err(error) => panic!("{error}: {resource:#}"),
    }
}

/// The documents of a text, and the items of lists among them.
fn documents(text: &str) -> Vec<Value> {
    let yaml: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_default();
    let json = serde_json::from_str(text).ok();
    let items = |document: Value| match document.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None => vec![document],
    };
    yaml.into_iter().chain(json).flat_map(items).collect()
}

/// Validates and renders a resource, and compares with its spec what came of it.
fn check(mut object: MonitoringObject, spec: &Value) -> Verdict {
    let Some(name) = object.metadata.name.clone() else { return Verdict::Undecodable };
    let namespace = object.metadata.namespace.get_or_insert_with(|| "default".into()).clone();
    // The newest Icinga takes every attribute.
    let settings = Settings {
        privileged_namespaces: [PRIVILEGED.to_owned()].into(),
        icinga_version: IcingaVersion::V2_16,
        ..Settings::default()
    };
    let declaration = validate(&object, &settings);
    assert_eq!(declaration, validate(&object, &settings), "validated twice, and not the same");
    let declaration = match declaration {
        Ok(declaration) => declaration,
        Err(refusal) => {
            is_for_a_person(&refusal.message);
            return Verdict::Refused;
        }
    };
    let key = ObjectKey::new(&namespace, &name);
    let is_harmless = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./".contains(c);
    let path = key.path();
    assert!(
        path.chars().all(is_harmless) && path.split('/').count() == 3 && !path.contains(".."),
        "{path:?}"
    );
    let rendered = render_file(&key, &declaration);
    assert!(rendered.bytes() == render_file(&key, &declaration).bytes(), "rendered twice, and not the same");
    is_read_back(&rendered);
    let statement = statement::read(&format!("{namespace}/{name}"), &rendered.text());
    if let Err(why) = statement.and_then(|statement| declared::compare(&name, spec, &statement)) {
        panic!("{why}\n{spec:#}\n{}", rendered.text());
    }
    Verdict::Accepted
}

/// What is published is the same when it is read again after a restart.
fn is_read_back(rendered: &Rendered) {
    let bytes = rendered.bytes();
    assert_eq!(rendered.size(), bytes.len());
    assert_eq!(rendered.digest(), Digest::of(&bytes));
    let Some(again) = read_back(rendered.key(), bytes) else {
        panic!("not read back:\n{}", rendered.text());
    };
    assert_eq!(again.digest(), rendered.digest());
    assert_eq!(again.bytes(), rendered.bytes());
    assert_eq!(again.zone(), rendered.zone());
    // The header has shared names after the others, so the order may be another.
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let provides =
        |of: &Rendered| sorted(of.provides().iter().map(|provided| format!("{provided:?}")).collect());
    let uses = |of: &Rendered| sorted(of.uses().iter().map(|needed| format!("{needed:?}")).collect());
    assert_eq!(provides(&again), provides(rendered));
    assert_eq!(uses(&again), uses(rendered));
}

/// A refusal says something, goes into a condition as it is, and does nothing to a terminal.
fn is_for_a_person(message: &str) {
    assert!(!message.trim().is_empty(), "a refusal without a reason");
    assert!(!message.contains(char::is_control), "a control character in {message:?}");
    let limit = MESSAGE_MAX + '…'.len_utf8();
    assert!(message.len() <= limit, "{} bytes: {:.200}", message.len(), message);
}

/// `column N: ...`, and the source has that column, or ends before it.
fn has_column(message: &str, source: &str) {
    assert!(!message.contains(char::is_control), "a control character in {message:?}");
    let column = message.strip_prefix("column ").and_then(|rest| rest.split_once(": "));
    let column = column.and_then(|(column, _)| column.parse::<usize>().ok());
    let columns = 1..=source.chars().count() + 1;
    assert!(column.is_some_and(|column| columns.contains(&column)), "{source:?}: {message}");
}
