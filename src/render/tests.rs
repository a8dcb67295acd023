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
