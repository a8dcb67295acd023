//! Large expressions: whatever is accepted, Icinga's parser has the memory for.

use crate::icinga;
use groundlink::api::{IcingaVersion, MonitoringObject};
use groundlink::identity::ObjectKey;
use groundlink::render::content;
use groundlink::validate::Settings;
use serde_json::{Value, json};

/// Expressions of a size, each of another form.
fn expressions(size: usize) -> [String; 6] {
    let attribute = "host.vars.abc.de";
    let nested = (0..size).fold("host.vars.a".to_owned(), |inner, _| format!("(({inner} + 1) == 2)"));
    let contains = (0..size).fold("1".to_owned(), |inner, _| format!("host.vars.a.contains({inner}) + 1"));
    [
        nested,
        contains,
        format!("[{}] + []", vec![attribute; size].join(", ")),
        vec!["1"; size].join(" + "),
        format!("[{}]", vec!["host.name + 1 == 2"; size].join(", ")),
        vec!["host.name.replace(\"a\", \"b\") < \"c\""; size].join(" || "),
    ]
}

/// Rules that have an expression in each place that renders it in another way.
fn rules(expression: &str) -> [Value; 5] {
    let each = json!({ "in": "host.vars.abc.de", "prefix": "e" });
    [
        json!({ "service": { "checkCommand": "dummy", "apply": { "assignWhere": [expression] } } }),
        json!({ "service": { "checkCommand": "dummy", "apply": { "forEach": each, "ignoreWhere": [format!("value == 1 || {expression}")] } } }),
        json!({ "service": { "checkCommand": "dummy", "apply": { "assignWhere": ["true"], "set": [{ "when": expression, "notes": expression }] } } }),
        json!({ "notification": { "command": "mail", "apply": { "to": "Host", "assignWhere": ["true"], "set": [{ "when": expression, "users": "host.vars.users" }] } } }),
        json!({ "notification": { "command": "mail", "apply": { "to": "Host", "forEach": each, "set": [{ "users": expression }] } } }),
    ]
}

#[test]
fn what_is_accepted_fits_into_the_memory_of_icingas_parser() {
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    let (mut files, mut heavy) = (Vec::new(), 0);
    let mut add = |name: &str, spec: &Value| {
        let object: MonitoringObject = serde_json::from_value(json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
            "metadata": { "namespace": "ops", "name": name }, "spec": spec,
        }))
        .unwrap();
        match content(&ObjectKey::new("ops", name), &object, &settings) {
            Ok(rendered) => files.push(rendered.text()),
            Err(refusal) => heavy += usize::from(refusal.message.contains("parser would run out of memory")),
        }
    };
    add("mail", &json!({ "notificationCommand": { "command": ["/bin/true"] } }));
    add("h", &json!({ "host": { "checkCommand": "dummy" } }));
    for size in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 60, 90] {
        for (form, expression) in expressions(size).iter().enumerate() {
            for (place, spec) in rules(expression).iter().enumerate() {
                add(&format!("r{size}-{form}-{place}"), spec);
            }
        }
    }
    let accepted = files.len();
    println!("{accepted} accepted, {heavy} too heavy");
    assert!(accepted > 150 && heavy > 50, "{accepted} accepted, {heavy} too heavy");
    for icinga in icinga::generations() {
        if let Err(why) = icinga.load(&files.concat(), "") {
            panic!("icinga2 {:?}: {}", icinga.generation, why.chars().take(600).collect::<String>());
        }
    }
}
