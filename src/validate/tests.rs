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
        (json!({"host": {}}), "spec.host.checkCommand: is required; set it, or import"),
        (
            json!({"host": {"checkCommand": "a!b"}}),
            "spec.host.checkCommand: contains an exclamation mark or a control character; remove it",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "checkInterval": "0s"}}),
            "spec.host.checkInterval: is zero; set a longer duration",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "notes": "a\u{0}b"}}),
            "spec.host.notes: contains the control character U+0000 at byte 1; remove it",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "vars": {"a": {"b": "5$"}}}}),
            r#"spec.host.vars["a"]["b"]: has an unclosed macro"#,
        ),
        (
            json!({"host": {"checkCommand": "dummy", "vars": {"a": "x".repeat(1 << 20)}}}),
            "spec.host.vars: holds 1048577 bytes, and at most",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "notes": "x".repeat(5000)}}),
            "spec.host.notes: has 5000 characters, and at most",
        ),
        (
            json!({"host": {"checkCommand": "dummy", "commandEndpoint": "e"}}),
            "spec.host.commandEndpoint: has no zone to be an endpoint of; set spec.zone",
        ),
        (
            json!({"service": {"checkCommand": "dummy"}}),
            "spec.service.hostName: is required; set it, or apply",
        ),
        (
            json!({"service": {"checkCommand": "dummy", "apply": {"assignWhere": ["host.nope"]}}}),
            "spec.service.apply.assignWhere[0]: column 6",
        ),
        (
            json!({"scheduledDowntime": {"hostName": "h", "imports": ["t"], "author": ""}}),
            "spec.scheduledDowntime.author: is empty",
        ),
        (json!({"zone": "z", "endpoint": {}}), "spec.zone: is set beside endpoint"),
        (json!({"name": " x", "hostGroup": {}}), "spec.name: begins or ends with a blank; remove the blank"),
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
    assert!(refusal.message.starts_with("spec.host.vars[\"kk"), "{}", refusal.message);
    assert!(refusal.message.ends_with("; write $$ for a literal dollar sign"), "{}", refusal.message);
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
fn several_problems_are_listed_at_once() {
    let refusal =
        refusal(json!({"host": {"notes": "\u{1}", "address": "\u{2}", "notesUrl": "$", "actionUrl": "$"}}));
    assert!(refusal.message.contains(". 2 more problems are not listed"), "{}", refusal.message);
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

/// The fact that a template with nothing but an import passes on, for each attribute that the
/// table of types requires.
#[test]
fn every_attribute_that_the_table_requires_is_asked_for() {
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    let mut wrong = Vec::new();
    for kind in IcingaType::ALL.iter().copied().filter(|kind| !kind.is_everywhere()) {
        let spec = json!({ "template": true, kind.member(): { "imports": ["t"] } });
        let declaration = validate(&object("ops", "x", spec), &settings)
            .unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
        let asked: Vec<_> = declaration.relays.iter().map(|relay| relay.name.clone()).collect();
        for what in kind.required() {
            if !asked.contains(&facts::sets(what, kind, "x")) {
                wrong.push(format!("src/validate: the file of {kind} does not ask for {what:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_type_is_declared_by_its_member() {
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    for kind in IcingaType::ALL.iter().copied() {
        let is_template = !kind.is_everywhere();
        let spec = json!({ "template": is_template, kind.member(): {} });
        let declaration = validate(&object("ops", "x", spec), &settings)
            .unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
        assert_eq!(declaration.kind, kind);
        assert_eq!(declaration.form, if is_template { Form::Template } else { Form::Object }, "{kind}");
    }
}
