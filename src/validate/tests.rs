use super::*;
use crate::api::IcingaVersion;
use serde_json::json;

fn object(namespace: &str, name: &str, spec: serde_json::Value) -> MonitoringObject {
    serde_json::from_value(json!({
        "apiVersion": "groundlink.dev/v1alpha1",
        "kind": "MonitoringObject",
        "metadata": { "namespace": namespace, "name": name },
        "spec": spec,
    }))
    .expect("a resource")
}

fn refusal(spec: serde_json::Value) -> Refusal {
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    validate(&object("team-a", "x", spec), &settings).expect_err("refused")
}

#[test]
fn each_refusal_names_the_field_and_the_remedy() {
    for (spec, wanted) in [
        (json!({}), "exactly one of host"),
        (json!({"host": {"checkCommand": "dummy"}, "hostGroup": {}}), "2 type members"),
        (json!({"host": {}}), "spec.host.checkCommand is required"),
        (
            json!({"host": {"checkCommand": "a!b"}}),
            "spec.host.checkCommand must not contain an exclamation mark",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "checkInterval": "0s"}}),
            "spec.host.checkInterval must be more than zero",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "notes": "a\u{0}b"}}),
            "spec.host.notes contains the control character U+0000",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "vars": {"a": {"b": "5$"}}}}),
            r#"spec.host.vars["a"]["b"]: has an unclosed macro"#,
        ),
        (
            json!({"host": {"checkCommand": "dummy", "vars": {"a": "x".repeat(1 << 20)}}}),
            "spec.host.vars holds 1048577 bytes",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "notes": "x".repeat(5000)}}),
            "spec.host.notes has 5000 characters",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "commandEndpoint": "e"}}),
            "spec.host.commandEndpoint needs spec.zone",
        ),
        (json!({"service": {"checkCommand": "dummy"}}), "spec.service.hostName is required"),
        (
            json!({"service": {"checkCommand": "dummy", "apply": {"assignWhere": ["host.nope"]}}}),
            "spec.service.apply.assignWhere[0]: column 6",
        ),
        (
            json!({"scheduledDowntime": {"hostName": "h", "imports": ["t"], "author": ""}}),
            "spec.scheduledDowntime.author must not be empty",
        ),
        (json!({"zone": "z", "endpoint": {}}), "spec.zone must not be set"),
        (json!({"name": " x", "hostGroup": {}}), "spec.name must not begin or end with a blank"),
    ] {
        let refusal = refusal(spec.clone());
        assert_eq!(refusal.reason, Reason::Invalid);
        assert!(refusal.message.contains(wanted), "{spec}: {}", refusal.message);
    }
}

#[test]
fn names_that_no_api_server_admits_are_refused() {
    let spec = json!({ "name": "v", "hostGroup": {} });
    for (namespace, name) in [
        ("a", "x\n}"),
        ("a", "../x"),
        ("..", "x"),
        ("a", ""),
        ("", "x"),
        ("a", "x..y"),
        ("a", "-x"),
        ("A", "x"),
    ] {
        let refusal = validate(&object(namespace, name, spec.clone()), &Settings::default());
        let message = refusal.expect_err(name).message;
        assert!(message.starts_with("metadata.name"), "{message}");
    }
    assert!(validate(&object("team-a", "web-01.x", spec), &Settings::default()).is_ok());
}

#[test]
fn a_refusal_quotes_no_more_than_a_condition_holds() {
    let refusal = refusal(json!({"host": {"checkCommand": "dummy", "vars": {"k".repeat(1 << 20): "$"}}}));
    assert!(refusal.message.starts_with("spec.host.vars[\"kk") && refusal.message.len() < 1100);
}

#[test]
fn commands_are_accepted_from_privileged_namespaces_alone() {
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    let spec = json!({"checkCommand": {"command": ["/bin/true"]}});
    assert!(validate(&object("ops", "x", spec.clone()), &settings).is_ok());
    let refusal = validate(&object("team-a", "x", spec), &settings).expect_err("refused");
    assert_eq!(refusal.reason, Reason::NotAllowed);
    assert!(refusal.message.contains("spec.checkCommand") && refusal.message.contains("ops"));
}

#[test]
fn several_problems_are_told_at_once() {
    let refusal =
        refusal(json!({"host": {"notes": "\u{1}", "address": "\u{2}", "notesUrl": "$", "actionUrl": "$"}}));
    assert!(refusal.message.contains("; and 2 more"), "{}", refusal.message);
}

#[test]
fn the_header_carries_provides_and_uses() {
    let spec = json!({"zone": "eu", "endpoint": null, "service": {"hostName": "h", "imports": ["t"]}});
    let declaration = validate(&object("a", "ping", spec), &Settings::default()).unwrap();
    let header = Header::of(&declaration);
    assert_eq!(header.all_provided(), declaration.provides);
    assert_eq!(header.all_uses().len(), declaration.uses.len());
    assert_eq!(header.zone.as_deref(), Some("eu"));
}
