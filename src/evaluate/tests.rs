use super::expression::Scene;
use super::values::Stop;
use super::*;
use crate::api::{IcingaVersion, MonitoringObject};
use crate::validate::expression::{Scope, Subject, parse_in};
use crate::validate::{Settings, validate};
use serde_json::{Value as Json, json};

fn part(spec: &Json) -> Part {
    let object: MonitoringObject = serde_json::from_value(json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "namespace": "ops", "name": "x" }, "spec": spec,
    }))
    .unwrap();
    Part::of(
        &validate(&object, &Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap()).unwrap(),
    )
}

fn host(spec: &Json, template: &Json) -> Host {
    let packed = |part| match part {
        Part::Host { packed, .. } => packed,
        other => panic!("{other:?}"),
    };
    let template = packed(part(&json!({ "template": true, "host": template })));
    Host::unpack(&packed(part(&json!({ "host": spec }))), &|name| (name == "t").then(|| template.clone()))
        .unwrap()
}

/// Facts that Icinga 2.13, 2.14 and 2.16 showed; the golden suite asks them at random.
#[test]
fn expressions_have_the_values_that_icinga_gives_them() {
    let vars =
        json!({ "five": 5, "half": 2.5, "text": "a", "none": null, "list": [1, null], "dict": { "k": "v" } });
    let host = host(&json!({ "checkCommand": "dummy", "vars": vars }), &json!({}));
    let scope = Scope { subjects: &[Subject::Host, Subject::Service], has_entry: false };
    let value = |source: &str| {
        let expression = parse_in(source, scope).unwrap_or_else(|why| panic!("{source}: {why}"));
        Scene { host: &host, entry: None }.raw(&expression).map(|value| value.to_json())
    };
    for (source, expected) in [
        ("host.vars.gone.k == 0", json!(false)),
        ("host.vars.gone.k == false", json!(false)),
        ("host.vars.gone.k != null", json!(false)),
        ("host.vars.gone.k == \"\"", json!(true)),
        ("host.vars.five.k == null", json!(true)),
        ("host.vars.five == true", json!(false)),
        ("1 == true", json!(true)),
        ("host.vars.none < 1", json!(false)),
        ("\"B\" < host.vars.text", json!(true)),
        ("host.vars.gone + 1", json!(1.0)),
        ("host.vars.text + host.vars.half", json!("a2.500000")),
        ("host.vars.text + host.vars.five + host.vars.gone", json!("a5")),
        ("host.vars.list + \"\"", json!([1.0, null])),
        ("host.vars.gone || \"x\"", json!("x")),
        ("host.vars.gone && host.vars.text", json!(null)),
        ("len(host.vars.five)", json!(0.0)),
        ("match(\"A*\", host.vars.text)", json!(true)),
        ("match(\"*\", host.vars.gone)", json!(true)),
        ("null in host.vars.list", json!(true)),
        ("host.vars.dict.contains(\"k\")", json!(true)),
        ("host.display_name", json!("x")),
    ] {
        assert_eq!(value(source), Ok(expected), "{source}");
    }
    assert_eq!(value("host.vars.text + true"), Err(Stop::Fails));
    assert_eq!(value("host.vars.five.contains(5)"), Err(Stop::Fails));
    for source in [
        "host.groups",
        "service.name",
        "NodeName",
        "regex(\"a\", host.name)",
        "host.vars.dict == host.vars.dict",
    ] {
        assert_eq!(value(source), Err(Stop::Unknown), "{source}");
    }
}

#[test]
fn a_host_has_the_variables_of_its_templates() {
    let own = json!({ "imports": ["t"], "unset": ["vars.d.gone"], "vars": { "d": { "own": 1 }, "x": 2 } });
    let template = json!({ "checkCommand": "dummy", "address": "192.0.2.1", "vars": { "d": { "gone": 0, "kept": 0 }, "x": 1 } });
    let host = host(&own, &template);
    let field = |name: &str| host.field(name).map(|value| value.to_json());
    assert_eq!(field("vars"), Some(json!({ "d": { "kept": 0.0, "own": 1.0 }, "x": 2.0 })));
    assert_eq!((field("address"), field("groups")), (Some(json!("192.0.2.1")), None));
    let Part::Host { packed, .. } = part(&json!({ "host": own })) else { panic!("a host") };
    assert_eq!(Host::unpack(&packed, &|_| None), None, "an unknown template may set anything");
}

#[test]
fn what_does_not_fit_is_named_with_its_variable() {
    let set = json!([{ "checkInterval": "host.vars.interval", "checkPeriod": "host.vars.period", "notes": "host.vars.gone" }]);
    let apply = json!({ "assignWhere": ["host.vars.interval"], "set": set });
    let Part::Rule(rule) = part(&json!({ "service": { "checkCommand": "dummy", "apply": apply } })) else {
        panic!("a rule")
    };
    let vars = json!({ "interval": "soon", "period": "always" });
    let on = host(&json!({ "checkCommand": "dummy", "vars": vars }), &json!({}));
    let made = rule.on(&on, &|_, _| false).unwrap();
    let words: Vec<_> = made[0].left_out.iter().map(LeftOut::words).collect();
    assert_eq!(
        words,
        [
            "checkInterval from host.vars.interval is not seconds, more than zero, such as `5m`",
            "checkPeriod from host.vars.period names TimePeriod \"always\", which does not exist",
        ]
    );
    let off = host(&json!({ "checkCommand": "dummy" }), &json!({}));
    assert_eq!(rule.on(&off, &|_, _| true), Some(Vec::new()), "the condition does not hold");
}
