//! Random objects, hundreds at a time: whatever validation accepts, Icinga loads, and understands
//! as exactly the same values.

use crate::declared::{Declared, resource};
use crate::icinga::{self, Icinga};
use crate::vocabulary::{ACCEPTED_PIECES, PIECES};
use groundlink::api::IcingaVersion;
use groundlink::api::MonitoringObject;
use groundlink::identity::ObjectKey;
use groundlink::render::content;
use groundlink::validate::Settings;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const BATCHES: usize = 20;
const OBJECTS: usize = 200;
/// Hex of the seed, to repeat a failure.
const SEED: &str = "GROUNDLINK_GOLDEN_SEED";

/// Characters and sequences that mean something to somebody. Dollar signs come in pairs.
fn piece() -> impl Strategy<Value = String> {
    // Beside those that the fuzzer knows.
    const MORE: [&str; 4] = ["\\0", "\u{2029}", "\u{fffe}", "#{x}"];
    prop_oneof![
        4 => prop::sample::select([&PIECES[..ACCEPTED_PIECES], &MORE].concat()).prop_map(String::from),
        2 => "[ -~&&[^$]]{1,6}",
        1 => any::<char>().prop_filter("no control character, no macro", |c| !c.is_ascii_control() && *c != '$').prop_map(String::from),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..8).prop_map(|pieces| pieces.concat())
}

fn number() -> impl Strategy<Value = Value> {
    const WHOLE: i64 = 1 << 53;
    prop_oneof![
        (-1000_i64..1000).prop_map(Value::from),
        (-WHOLE..=WHOLE).prop_map(Value::from),
        (-1e6_f64..1e6).prop_map(Value::from),
        (-400_i32..10, 1.0_f64..10.0)
            .prop_map(|(exponent, digits)| Value::from(digits * 10_f64.powi(exponent))),
        any::<f64>()
            .prop_filter("a fraction", |n| n.is_finite() && (n.fract() != 0.0 || n.abs() <= WHOLE as f64))
            .prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            dictionary(inner).prop_map(Value::from),
        ]
    })
}

fn dictionary(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        Just(String::new()),
        text(),
        prop::sample::select(vec!["in", "object", "vars", "len"]).prop_map(String::from)
    ];
    prop::collection::btree_map(key, value, 0..5).prop_map(|map| map.into_iter().collect())
}

/// What must be set, and the fields that take text, by type.
fn types() -> [(&'static str, Value, &'static [&'static str]); 6] {
    let command = json!({ "command": ["/bin/true"] });
    [
        (
            "host",
            json!({ "checkCommand": "dummy" }),
            &["notes", "displayName", "notesUrl", "address", "iconImageAlt"],
        ),
        ("user", json!({}), &["displayName", "email", "pager"]),
        ("userGroup", json!({}), &["displayName"]),
        ("serviceGroup", json!({}), &["displayName", "notes", "notesUrl", "actionUrl"]),
        ("timePeriod", json!({ "ranges": { "monday": "00:00-24:00" } }), &["displayName"]),
        ("notificationCommand", command, &[]),
    ]
}

/// Fields that expand no macro, and refuse nearly every one.
const PLAIN: [&str; 4] = ["displayName", "address", "email", "pager"];

/// Text without the macro of the pieces.
fn plain(text: &str) -> String {
    text.replace("$x$", "x")
}

/// The spec of an object; few have a macro where none is expanded. Names are told apart by the number at their end.
fn spec() -> impl Strategy<Value = Value> {
    let line = || prop::option::of(text());
    let name = text()
        .prop_map(|text| text.replace(|c: char| c == '!' || c.is_control(), "").trim_start().to_owned());
    let kind = prop_oneof![3 => Just(0_usize), 2 => 1..types().len()];
    let any_macro = prop::bool::weighted(0.1);
    (kind, name, dictionary(value()), [line(), line(), line(), line(), line()], any_macro).prop_map(
        |(kind, name, vars, lines, any_macro)| {
            let (member, mut object, fields) = types()[kind].clone();
            object["vars"] = json!(vars);
            for (field, line) in fields.iter().zip(lines) {
                if let Some(line) = line {
                    let is_plain = PLAIN.contains(field) && !any_macro;
                    object[*field] = json!(if is_plain { plain(&line) } else { line });
                }
            }
            let name = if any_macro { name } else { plain(&name) };
            json!({ "name": name, member: object })
        },
    )
}

fn seed() -> [u8; 32] {
    let Ok(hex) = std::env::var(SEED) else { return rand::random() };
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    bytes.collect::<Vec<_>>().try_into().expect("64 hexadecimal digits")
}

/// The file of one resource.
fn rendered(document: &Value) -> Result<String, String> {
    let object: MonitoringObject = serde_json::from_value(document.clone()).unwrap();
    let settings = Settings::new(&["random".into()], &[], IcingaVersion::default()).unwrap();
    let key = ObjectKey::new("random", document["metadata"]["name"].as_str().unwrap());
    content(&key, &object, &settings).map(|rendered| rendered.text()).map_err(|refusal| refusal.to_string())
}

fn understood(icinga: &Icinga, documents: &[Value], configuration: &str) -> Result<(), String> {
    Declared::of(documents).compare(icinga, &icinga.load(configuration, "")?, Some(&BTreeSet::new()))
}

#[test]
fn whatever_is_accepted_is_understood_as_declared() {
    let Some(icinga) = icinga::installed() else { return };
    let seed = seed();
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{SEED}={hex}");
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let (mut accepted, mut refused) = (0, Vec::new());
    for batch in 0..BATCHES {
        let mut documents = Vec::new();
        let mut files = Vec::new();
        for i in 0..OBJECTS {
            let mut spec = spec().new_tree(&mut runner).unwrap().current();
            let name = format!("{} {i}", spec["name"].as_str().unwrap());
            spec["name"] = json!(name.trim());
            let document = json!({
                "apiVersion": "groundlink.dev/v1alpha1",
                "kind": "MonitoringObject",
                "metadata": { "namespace": "random", "name": format!("object-{i}") },
                "spec": spec,
            });
            match rendered(&document) {
                Ok(file) => {
                    files.push(file);
                    documents.push(document);
                }
                Err(why) => refused.push(why),
            }
        }
        accepted += documents.len();
        let Err(why) = understood(icinga, &documents, &files.concat()) else { continue };
        // Shrinking through Icinga is slow; the first object that is wrong by itself says enough.
        let alone = documents
            .iter()
            .zip(&files)
            .find(|(document, file)| understood(icinga, std::slice::from_ref(document), file).is_err());
        let culprit = alone.map(|(document, file)| format!("{}\n{document:#}\n{file}", resource(document)));
        panic!(
            "batch {batch}, {SEED}={hex}\n{why}\n{}",
            culprit.as_deref().unwrap_or("no object is wrong by itself")
        );
    }
    println!("{accepted} accepted, {} refused", refused.len());
    assert!(
        accepted * 10 > BATCHES * OBJECTS * 9,
        "hardly any are accepted: {:#?}",
        &refused[..refused.len().min(5)]
    );
}

#[test]
fn a_number_is_read_from_json_as_it_is_written() {
    for text in ["5.678387866105087e-266", "4503599627370495.5"] {
        let read: f64 = serde_json::from_str(text).unwrap();
        assert_eq!(read, text.parse::<f64>().unwrap());
    }
}
