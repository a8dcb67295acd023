use super::*;
use crate::api::IcingaVersion;
use crate::api::MonitoringObject;
use crate::validate::Settings;
use crate::validate::validate;
use serde_json::json;

fn rendered(spec: serde_json::Value) -> Rendered {
    let object: MonitoringObject = serde_json::from_value(json!({
        "apiVersion": "groundlink.dev/v1alpha1",
        "kind": "MonitoringObject",
        "metadata": { "namespace": "ops", "name": "x" },
        "spec": spec,
    }))
    .unwrap();
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    render(&ObjectKey::new("ops", "x"), &validate(&object, &settings).unwrap())
}

fn text(rendered: &Rendered) -> String {
    String::from_utf8(rendered.bytes()).unwrap()
}

#[test]
fn hostile_text_stays_inside_its_literal() {
    let hostile = "\"\nobject Host \"evil\" { } {{{ */ // \\";
    let out = text(&rendered(
        json!({"host": {"checkCommand": "dummy", "displayName": hostile, "vars": {hostile: hostile}}}),
    ));
    let body: Vec<_> = out.lines().skip(2).collect();
    assert_eq!(body.iter().filter(|line| line.starts_with("object")).count(), 1, "{out}");
    let literal = r#""\"\nobject Host \"evil\" { } {{{ */ // \\""#;
    assert!(out.contains(&format!("  display_name = {literal}\n")), "{out}");
    assert!(out.contains(&format!("    {literal} = {literal}\n")), "{out}");
}

#[test]
fn the_header_cannot_end_its_comment() {
    let out = text(&rendered(json!({"host": {"checkCommand": "a\u{2028}b"}})));
    assert!(out.lines().nth(2).unwrap().starts_with("object Host"), "{out}");
}

#[test]
fn read_back_gives_the_same_value() {
    let first =
        rendered(json!({"zone": "eu", "host": {"imports": ["t"], "groups": ["g"], "vars": {"a": 1.5}}}));
    let again = read_back(first.key(), first.bytes()).unwrap();
    assert_eq!(again.digest(), first.digest());
    assert_eq!(again.provides(), first.provides());
    assert_eq!(again.zone(), first.zone());
    assert_eq!(again.uses().len(), first.uses().len());
    assert!(read_back(first.key(), b"object Host \"a\" { }\n".to_vec()).is_none());
}

#[test]
fn ordering_and_membership_are_guarded_by_type() {
    let out = text(&rendered(
        json!({"hostGroup": {"assignWhere": ["\"x\" in host.vars.list && host.vars.n > 3"]}}),
    ));
    assert!(out.contains(r#"(typeof(host.vars["list"]) == Array && ("x" in host.vars["list"]))"#), "{out}");
    assert!(
        out.contains(r#"(typeof(host.vars["n"]) == Number && typeof(3) == Number && (host.vars["n"] > 3))"#),
        "{out}"
    );
}

#[test]
fn numbers_have_no_exponent() {
    let mut out = String::new();
    quoting::number(&mut out, 1e-7);
    assert_eq!(out, "0.0000001");
}

/// A command that imports two others has the variables and arguments of both.
#[test]
fn a_command_adds_to_those_that_are_imported_beside_it() {
    let command = json!({
        "command": ["/bin/true"], "arguments": { "-w": {} }, "env": { "LANG": "C" }, "vars": { "x": 1 },
    });
    let text = text(&rendered(json!({ "name": "later", "checkCommand": command })));
    for added in ["arguments", "env", "vars"] {
        assert!(text.contains(&format!("  {added} += {{")), "{added}: {text}");
    }
}

#[test]
fn what_only_set_gives_is_asked_before_the_object_is_made() {
    let whom = |more: &str| {
        let mut spec = json!({"notification": {"command": "mail", "apply": {"to": "Host", "assignWhere": ["true"],
            "set": [{"users": "host.vars.users", "when": "host.vars.a"}]}}});
        if !more.is_empty() {
            spec["notification"][more] = json!(["ops"]);
        }
        rendered(spec)
    };
    let alone = text(&whom(""));
    assert!(
        alone.contains("  ignore where !(false || (() use (host) => { try { if (host.vars[\"a\"])"),
        "{alone}"
    );
    assert!(alone.contains("get_object(User, n) != null"), "{alone}");
    // Somebody is always notified, so the object always exists.
    let beside = text(&whom("userGroups"));
    assert!(!beside.contains("ignore where !("), "{beside}");
    // A template that notifies somebody must not be silenced.
    let silent = "=a template Notification \"ops\" that sets neither users nor user groups";
    let imports = whom("imports");
    assert!(
        imports.uses().iter().flat_map(|needed| &needed.any_of).any(|name| name.as_str().starts_with(silent))
    );
    let template = rendered(json!({"template": true, "name": "ops", "notification": {"command": "mail"}}));
    assert!(template.provides().iter().any(|provided| provided.name.as_str().starts_with(silent)));
    let loud = rendered(json!({"template": true, "name": "ops", "notification": {"users": ["eva"]}}));
    assert!(!loud.provides().iter().any(|provided| provided.name.as_str().starts_with(silent)));
}

#[test]
fn rules_note_their_names_and_entries_choose_theirs() {
    let rule = |prefix: Option<&str>| {
        let mut each = json!({"in": "host.vars.disks"});
        if let Some(prefix) = prefix {
            each["prefix"] = json!(prefix);
        }
        text(&rendered(
            json!({"name": "disk", "service": {"checkCommand": "disk", "apply": {"forEach": each}}}),
        ))
    };
    for (prefix, name) in [(None, "disk "), (Some("disk-"), "disk-"), (Some(""), "")] {
        let out = rule(prefix);
        assert!(out.contains(&format!("apply Service \"{name}\" for (key in ")), "{out}");
        let noted =
            format!("var n = host.name + \"!\" + \"{name}\" + key; if (get_object(Service, n) != null)");
        assert!(out.contains(&noted), "{out}");
        assert!(out.contains("globals.groundlink_taken.set(n, \"ops/x\")"), "{out}");
    }
}
