//! The properties that hold for every input. The fuzz targets use them, and so does the test that
//! replays the corpus. Each oracle takes bytes, and panics if a property is violated.

pub mod condition;
pub mod declared;
pub mod generator;
pub mod kubeconfig;
pub mod lexer;
pub mod rule;
pub mod statement;
pub mod template;
pub mod vocabulary;

use arbitrary::Unstructured;
use groundlink::api::IcingaVersion;
use groundlink::api::MonitoringObject;
use groundlink::api::text::Expression;
use groundlink::identity::{Digest, ObjectKey};
use groundlink::render::{Rendered, read_back, render as render_file};
use groundlink::text::MESSAGE_MAX;
use groundlink::validate::expression::{self as expressions, Scope, Subject};
use groundlink::validate::{Settings, validate};
use serde_json::{Value, json};

/// The result of an input, so that a test can check that a corpus reaches every result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The input is no resource, or no text.
    Undecodable,
    /// At least one resource was refused, and none accepted.
    Refused,
    /// At least one resource was accepted.
    Accepted,
}

/// The namespace whose resources may declare commands.
const PRIVILEGED: &str = "groundlink";

/// Checks an expression: as a condition with each set of subjects, and as a value.
pub fn expression(bytes: &[u8]) -> Verdict {
    let Ok(source) = std::str::from_utf8(bytes) else { return Verdict::Undecodable };
    let of_hosts = json!({ "assignWhere": [source] });
    let of_services = json!({ "to": "Service", "assignWhere": [source], "ignoreWhere": [source] });
    let set = json!([{ "when": source, "vars": { "a": source }, "addVars": [source] }]);
    let rules = [
        (vec![Subject::Host], json!({ "service": { "checkCommand": "dummy", "apply": of_hosts } })),
        (
            vec![Subject::Host, Subject::Service],
            json!({ "notification": { "command": "mail", "users": ["me"], "apply": of_services } }),
        ),
        (vec![Subject::User], json!({ "userGroup": { "assignWhere": [source] } })),
        (
            vec![Subject::Host],
            json!({ "service": { "checkCommand": "dummy", "apply": { "forEach": { "in": "host.vars.a" }, "assignWhere": [source], "set": set } } }),
        ),
    ];
    let verdicts = rules.map(|(subjects, spec)| {
        let has_entry = spec["service"]["apply"]["set"].is_array();
        let parsed = expressions::parse_in(source, Scope { subjects: &subjects, has_entry });
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

/// Checks a manifest, read as YAML like `groundlink render` does, and as JSON.
pub fn decoder(bytes: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Undecodable };
    let decoded = documents(text);
    assert_eq!(decoded, documents(text), "decoding is not deterministic");
    let verdicts = decoded.into_iter().map(|document| {
        let Ok(object) = serde_json::from_value::<MonitoringObject>(document) else {
            return Verdict::Undecodable;
        };
        let spec = serde_json::to_value(&object.spec).unwrap_or_default();
        check(object, &spec)
    });
    verdicts.max().unwrap_or(Verdict::Undecodable)
}

/// Checks a resource of any type, made from bytes.
pub fn render(bytes: &[u8]) -> Verdict {
    let Ok(resource) = generator::resource(&mut Unstructured::new(bytes)) else {
        return Verdict::Undecodable;
    };
    made(&resource)
}

/// Checks a generated resource. An unknown field in it is a mistake of the generator.
fn made(resource: &Value) -> Verdict {
    let mut document = json!({ "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject" });
    document["metadata"] = resource["metadata"].clone();
    document["spec"] = resource["spec"].clone();
    match serde_json::from_value(document) {
        Ok(object) => check(object, &resource["spec"]),
        Err(error) => panic!("{error}: {resource:#}"),
    }
}

/// Returns the documents of a text, with lists replaced by their items.
fn documents(text: &str) -> Vec<Value> {
    let yaml: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_default();
    let json = serde_json::from_str(text).ok();
    let items = |document: Value| match document.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None => vec![document],
    };
    yaml.into_iter().chain(json).flat_map(items).collect()
}

/// Validates and renders a resource, and compares the result with its spec.
fn check(mut object: MonitoringObject, spec: &Value) -> Verdict {
    let Some(name) = object.metadata.name.clone() else { return Verdict::Undecodable };
    let namespace = object.metadata.namespace.get_or_insert_with(|| "default".into()).clone();
    // The newest Icinga has every attribute.
    let settings = Settings {
        privileged_namespaces: [PRIVILEGED.to_owned()].into(),
        icinga_version: IcingaVersion::V2_16,
        ..Settings::default()
    };
    let declaration = validate(&object, &settings);
    assert_eq!(declaration, validate(&object, &settings), "validation is not deterministic");
    let declaration = match declaration {
        Ok(declaration) => declaration,
        Err(refusal) => {
            is_for_a_person(&refusal.message);
            has_field_and_remedy(&refusal.message);
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
    assert!(rendered.bytes() == render_file(&key, &declaration).bytes(), "rendering is not deterministic");
    is_read_back(&rendered);
    let statement = statement::read(&format!("{namespace}/{name}"), &rendered.text());
    if let Err(why) = statement.and_then(|statement| declared::compare(&namespace, &name, spec, &statement)) {
        panic!("{why}\n{spec:#}\n{}", rendered.text());
    }
    Verdict::Accepted
}

/// Checks that a published file, read again after a restart, gives the same content.
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
    // The header lists shared names last, so the order may differ.
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let provides =
        |of: &Rendered| sorted(of.provides().iter().map(|provided| format!("{provided:?}")).collect());
    // A file knows no fields.
    let uses = |of: &Rendered| {
        sorted(of.uses().iter().map(|needed| format!("{:?} {}", needed.any_of, needed.mutual)).collect())
    };
    assert_eq!(provides(&again), provides(rendered));
    assert_eq!(uses(&again), uses(rendered));
}

/// Checks that a refusal has text, fits into a condition, and is harmless to a terminal.
fn is_for_a_person(message: &str) {
    assert!(!message.trim().is_empty(), "a refusal without a reason");
    assert!(!message.contains(char::is_control), "a control character in {message:?}");
    let limit = MESSAGE_MAX + '…'.len_utf8();
    assert!(message.len() <= limit, "{} bytes: {:.200}", message.len(), message);
}

/// Checks the form `<field path>: <what is wrong>; <what to do>`.
fn has_field_and_remedy(message: &str) {
    let (path, text) = message.split_once(": ").unwrap_or_default();
    assert!(path.starts_with("spec") || path.starts_with("metadata."), "no field: {message:?}");
    assert!(text.contains("; "), "no remedy: {message:?}");
}

/// Checks the form `column N: ...`. The source must have that column, or end just before it.
fn has_column(message: &str, source: &str) {
    assert!(!message.contains(char::is_control), "a control character in {message:?}");
    let column = message.strip_prefix("column ").and_then(|rest| rest.split_once(": "));
    let column = column.and_then(|(column, _)| column.parse::<usize>().ok());
    let columns = 1..=source.chars().count() + 1;
    assert!(column.is_some_and(|column| columns.contains(&column)), "{source:?}: {message}");
}
