use super::*;
use serde_json::json;

/// A recorded object, as Icinga writes it.
pub(in crate::expansion) fn record(kind: &str, name: &str, attributes: Value, line: u32) -> String {
    let mut properties = attributes;
    properties["__name"] = json!(name);
    properties["source_location"] = json!({ "path": "/s/a.conf", "first_line": line });
    let json = json!({
        "type": kind, "name": name, "properties": properties,
        "debug_info": ["/s/objects.d/a/x.conf", line, 1, line, 9],
        "debug_hints": { "properties": {
            "check_interval": { "messages": [["=", "/s/t.conf", 1, 1, 1, 2], ["=", "/s/objects.d/a/x.conf", line + 1, 1, 1, 2]] },
            "vars": { "properties": { "disks": { "messages": [["=", "/s/t.conf", 7, 1, 7, 2]] } } },
        } },
    })
    .to_string();
    format!("{}:{json},", json.len())
}

pub(in crate::expansion) fn objects(records: &[String]) -> Objects {
    Objects::read(records.concat().as_bytes(), "/s/", |_| true).unwrap()
}

fn difference(path: &str, old: (&str, &str), new: (&str, &str)) -> String {
    format!("{path}: {} ({}) -> {} ({})", old.0, old.1, new.0, new.1)
}

fn differences(changed: &Changed) -> Vec<String> {
    let text = |side: &Side| side.value.clone().unwrap_or("-".into());
    changed
        .differences
        .iter()
        .map(|one| {
            let places = [&one.old.place, &one.new.place].map(ToString::to_string);
            difference(&one.path, (&text(&one.old), &places[0]), (&text(&one.new), &places[1]))
        })
        .collect()
}

#[test]
fn values_are_told_apart_with_their_places() {
    let old = objects(&[
        record(
            "Host",
            "h",
            json!({ "check_interval": 60, "vars": { "disks": { "/": { "w": 5 }, "/x": {} } } }),
            2,
        ),
        record("Host", "gone", json!({}), 3),
        record("Host", "same", json!({ "groups": null }), 4),
    ]);
    let new = objects(&[
        record(
            "Host",
            "h",
            json!({ "check_interval": 300, "vars": { "disks": { "/": { "w": 6 } } }, "notes": "n" }),
            20,
        ),
        record("Host", "same", json!({ "groups": [] }), 40),
        record("Host", "here", json!({}), 50),
    ]);
    let found = compare(&old, &new, |_| true);
    assert_eq!(found.equal, 1);
    assert_eq!(
        found.only_old.iter().map(|(id, at)| format!("{id} {at}")).collect::<Vec<_>>(),
        ["Host gone objects.d/a/x.conf:3"]
    );
    assert_eq!(
        found.only_new.iter().map(|(id, at)| format!("{id} {at}")).collect::<Vec<_>>(),
        ["Host here objects.d/a/x.conf:50"]
    );
    assert_eq!(
        differences(&found.changed[0]),
        [
            difference("check_interval", ("60", "objects.d/a/x.conf:3"), ("300", "objects.d/a/x.conf:21")),
            difference("notes", ("-", "objects.d/a/x.conf:2"), ("\"n\"", "objects.d/a/x.conf:20")),
            difference("vars.disks[\"/\"].w", ("5", "t.conf:7"), ("6", "t.conf:7")),
            difference("vars.disks[\"/x\"]", ("{}", "t.conf:7"), ("-", "t.conf:7")),
        ]
    );
    assert!(!found.is_same() && found.differing() == 3);
    assert!(compare(&old, &new, |id| id.name == "same").is_same());
}

#[test]
fn secrets_are_not_shown_and_values_are_cut() {
    let host = |value: &str| {
        objects(&[record(
            "Host",
            "h",
            json!({ "vars": { "mysql_password": value, "note": value.repeat(500) } }),
            1,
        )])
    };
    let found = compare(&host("hunter2"), &host("hunter3"), |_| true);
    let text = format!("{:?}", found.changed);
    assert!(!text.contains("\"hunter2\""), "{text}");
    assert!(text.contains("(a secret)"), "{text}");
    assert!(found.changed[0].differences.iter().all(|one| one.old.value.as_ref().unwrap().len() < 210));
}

#[test]
fn a_function_is_no_proof() {
    let function = json!({ "type": "Function", "name": "<anonymous>", "side_effect_free": false });
    let command = |line| objects(&[record("CheckCommand", "c", json!({ "command": [function] }), line)]);
    let found = compare(&command(1), &command(2), |_| true);
    assert!(found.is_same());
    assert_eq!(found.unknown[0].1, "command");
    // The same line of the same file, as of the library.
    assert!(compare(&command(1), &command(1), |_| true).unknown.is_empty());
}

#[test]
fn groups_by_rule_count() {
    let host = || objects(&[record("Host", "h", json!({ "groups": [] }), 1)]);
    let id = Id { kind: "Host".into(), name: "h".into() };
    let with = host().with_groups([(id, vec!["linux".into()])].into());
    let found = compare(&host(), &with, |_| true);
    assert_eq!(found.changed[0].differences[0].path, "groups");
}

#[test]
fn an_object_that_cannot_be_parsed_differs_by_its_text() {
    let nested = |inner: &str| {
        let depth = 200;
        let json = format!(
            r#"{{"type":"Host","name":"h","properties":{{"__name":"h","vars":{}{inner}{}}},"debug_info":[]}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        objects(&[format!("{}:{json},", json.len())])
    };
    let found = compare(&nested("1"), &nested("2"), |_| true);
    assert_eq!(found.changed.len(), 1);
    assert!(compare(&nested("1"), &nested("1"), |_| true).is_same());
}
