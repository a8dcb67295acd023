//! What is wrong is refused, with a message that names the field.

use super::{monitoring_object, satellite_cluster, submit, text};
use serde_json::{Value, json};

const CREATE: [&str; 5] = ["create", "--dry-run=server", "--validate=strict", "-n", "refused"];

/// What is missing in the answer: a refusal with each of the words.
fn missing(answer: &std::process::Output, words: &[&str]) -> Option<String> {
    let (out, err) = text(answer);
    let unsaid: Vec<_> = words.iter().filter(|word| !err.contains(**word)).collect();
    if !answer.status.success() && unsaid.is_empty() {
        return None;
    }
    let said: String = format!("{out}{err}").chars().take(600).collect();
    Some(format!("{unsaid:?} is missing in: {said}"))
}

async fn all_refused(cases: Vec<(&str, Value, &[&str])>) {
    let mut wrong = Vec::new();
    for (name, object, words) in cases {
        if let Some(why) = missing(&submit(&CREATE, &object).await, words) {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn host(more: Value) -> Value {
    let mut host = json!({ "checkCommand": "dummy" });
    host.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "host": host })
}

#[tokio::test]
async fn monitoring_objects_that_are_wrong() {
    let mo = |spec| monitoring_object("x", spec);
    let one_type = "exactly one of host, service";
    let names = |count: usize| vec!["a"; count];
    all_refused(vec![
        ("two type members", mo(json!({ "host": {}, "hostGroup": {} })), &["spec: Invalid value", one_type]),
        ("no type member", mo(json!({})), &["spec: Invalid value", one_type]),
        ("no spec", json!({ "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject", "metadata": { "name": "x" } }), &["spec: Required value"]),
        ("a zone on a zone", mo(json!({ "zone": "eu", "zoneObject": {} })), &["spec: Invalid value", "zone must not be set on a zoneObject"]),
        ("a zone on an endpoint", mo(json!({ "zone": "eu", "endpoint": {} })), &["zone must not be set on a zoneObject or an endpoint"]),
        ("a name with an exclamation mark", mo(json!({ "name": "a!b", "hostGroup": {} })), &["spec.name: Invalid value"]),
        ("a name with a line break", mo(json!({ "name": "a\nb", "hostGroup": {} })), &["spec.name: Invalid value"]),
        ("an empty name", mo(json!({ "name": "", "hostGroup": {} })), &["spec.name"]),
        ("a name of 256 characters", mo(json!({ "name": "x".repeat(256), "hostGroup": {} })), &["spec.name", "255"]),
        ("a reference with an exclamation mark", mo(host(json!({ "groups": ["a!b"] }))), &["spec.host.groups[0]: Invalid value"]),
        ("an endpoint of 65 characters", mo(json!({ "zoneObject": { "endpoints": ["e".repeat(65)] } })), &["spec.zoneObject.endpoints[0]", "64"]),
        ("a number for a duration", mo(host(json!({ "checkInterval": 300 }))), &["spec.host.checkInterval", "must be of type string"]),
        ("a duration without a unit", mo(host(json!({ "checkInterval": "300" }))), &["spec.host.checkInterval: Invalid value"]),
        ("a negative duration", mo(host(json!({ "retryInterval": "-5m" }))), &["spec.host.retryInterval: Invalid value"]),
        ("a duration in weeks", mo(json!({ "endpoint": { "logDuration": "1w" } })), &["spec.endpoint.logDuration: Invalid value"]),
        ("notes of 1 MiB", mo(host(json!({ "notes": "x".repeat(1 << 20) }))), &["spec.host.notes: Too long", "4096"]),
        ("a line of 1025 characters", mo(host(json!({ "address": "x".repeat(1025) }))), &["spec.host.address: Too long", "1024"]),
        ("17 imports", mo(host(json!({ "imports": names(17) }))), &["spec.host.imports: Too many: 17: must have at most 16"]),
        ("65 groups", mo(host(json!({ "groups": names(65) }))), &["spec.host.groups: Too many: 65"]),
        ("257 custom variables", mo(host(json!({ "vars": (0..257).map(|i| (i.to_string(), json!(i))).collect::<serde_json::Map<_, _>>() }))), &["spec.host.vars: Too many"]),
        ("no attempt", mo(host(json!({ "maxCheckAttempts": 0 }))), &["spec.host.maxCheckAttempts", "greater than or equal to 1"]),
        ("a port beyond the last", mo(json!({ "endpoint": { "port": 65536 } })), &["spec.endpoint.port", "65535"]),
        ("a word for a flag", mo(host(json!({ "volatile": "yes" }))), &["spec.host.volatile", "must be of type boolean"]),
        ("a list for custom variables", mo(host(json!({ "vars": [1] }))), &["spec.host.vars", "must be of type object"]),
        (
            "a host and a rule",
            mo(json!({ "service": { "hostName": "h", "checkCommand": "dummy", "apply": { "assignWhere": ["true"] } } })),
            &["spec.service: Invalid value", "set hostName for one host, or apply for a rule, not both"],
        ),
        ("a rule without a condition", mo(json!({ "service": { "apply": { "assignWhere": [] } } })), &["a rule needs assignWhere or forEach"]),
        ("a rule without a list", mo(json!({ "service": { "apply": {} } })), &["a rule needs assignWhere or forEach"]),
        ("an unknown field", mo(host(json!({ "checkInterval": "5m", "checkIntervall": "5m" }))), &[r#"unknown field "spec.host.checkIntervall""#]),
        ("an unknown type member", mo(json!({ "hosts": {}, "host": {} })), &[r#"unknown field "spec.hosts""#]),
        ("a resource name of 181 characters", monitoring_object(&"x".repeat(181), json!({ "hostGroup": {} })), &["metadata.name is longer than 180 characters"]),
    ])
    .await;
}

#[tokio::test]
async fn a_resource_name_of_180_characters_is_accepted() {
    let answer = submit(&CREATE, &monitoring_object(&"x".repeat(180), json!({ "hostGroup": {} }))).await;
    assert!(answer.status.success(), "{}", text(&answer).1);
}

#[tokio::test]
async fn changes_of_what_is_immutable() {
    let service = |more: Value| {
        let mut spec = json!({ "service": { "checkCommand": "dummy" } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let changes: Vec<(&str, Value, Value, Option<&str>)> = vec![
        ("name", service(json!({ "name": "a" })), service(json!({ "name": "b" })), Some("name is immutable")),
        ("name-set", service(json!({})), service(json!({ "name": "b" })), Some("name is immutable")),
        ("name-removed", service(json!({ "name": "a" })), service(json!({})), Some("name is immutable")),
        ("type", host(json!({})), service(json!({})), Some("the type of an object is immutable")),
        ("template", service(json!({ "template": true })), service(json!({})), Some("template is immutable")),
        (
            "template-set",
            service(json!({})),
            service(json!({ "template": true })),
            Some("template is immutable"),
        ),
        ("template-said", service(json!({})), service(json!({ "template": false })), None),
        ("zone", service(json!({ "zone": "a" })), service(json!({ "zone": "b" })), None),
        ("suspend", service(json!({})), service(json!({ "suspend": true })), None),
    ];
    let mut wrong = Vec::new();
    for (name, before, after, refusal) in changes {
        let created = submit(&["create", "-n", "refused"], &monitoring_object(name, before)).await;
        assert!(created.status.success(), "{name}: {}", text(&created).1);
        let changed = submit(&["replace", "-n", "refused"], &monitoring_object(name, after)).await;
        match refusal {
            Some(words) => wrong.extend(
                missing(&changed, &["spec: Invalid value", words]).map(|why| format!("{name}: {why}")),
            ),
            None if changed.status.success() => {}
            None => wrong.push(format!("{name} may change: {}", text(&changed).1)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn satellites_that_are_wrong() {
    let sat = |more| satellite_cluster("x", more);
    let names = "names is for from: List, and required there";
    let selector = "selector is for from: Selector, and required there";
    let lifetime = "lifetime must be between 10m and 365d";
    all_refused(vec![
        (
            "no secret",
            super::object("SatelliteCluster", "x", json!({})),
            &["spec.kubeconfigSecretRef: Required value"],
        ),
        (
            "a token for less than ten minutes",
            sat(json!({ "tokenRenewal": { "lifetime": "9m59s" } })),
            &["spec.tokenRenewal: Invalid value", lifetime],
        ),
        (
            "a token for more than a year",
            sat(json!({ "tokenRenewal": { "lifetime": "366d" } })),
            &["spec.tokenRenewal: Invalid value", lifetime],
        ),
        (
            "a token for more than a year in hours",
            sat(json!({ "tokenRenewal": { "lifetime": "8760h1s" } })),
            &["spec.tokenRenewal: Invalid value", lifetime],
        ),
        (
            "days that are no whole number of days",
            sat(json!({ "tokenRenewal": { "lifetime": "0d9m" } })),
            &["spec.tokenRenewal: Invalid value", lifetime],
        ),
        (
            "a Secret that has no such name",
            sat(json!({ "tokenRenewal": { "boundSecret": "A_b" } })),
            &["spec.tokenRenewal.boundSecret: Invalid value"],
        ),
        (
            "a path in the name of a ServiceAccount",
            sat(json!({ "tokenRenewal": { "serviceAccount": "a/../b" } })),
            &["spec.tokenRenewal.serviceAccount: Invalid value"],
        ),
        (
            "names with All",
            sat(json!({ "namespaces": { "from": "All", "names": ["a"] } })),
            &["spec.namespaces: Invalid value", names],
        ),
        (
            "names with nothing",
            sat(json!({ "namespaces": { "names": ["a"] } })),
            &["spec.namespaces: Invalid value", names],
        ),
        (
            "List without names",
            sat(json!({ "namespaces": { "from": "List" } })),
            &["spec.namespaces: Invalid value", names],
        ),
        (
            "a selector with All",
            sat(json!({ "namespaces": { "from": "All", "selector": { "a": "b" } } })),
            &["spec.namespaces: Invalid value", selector],
        ),
        (
            "Selector without one",
            sat(json!({ "namespaces": { "from": "Selector" } })),
            &["spec.namespaces: Invalid value", selector],
        ),
        (
            "an unknown choice",
            sat(json!({ "namespaces": { "from": "Some" } })),
            &["spec.namespaces.from: Unsupported value"],
        ),
        (
            "a namespace twice",
            sat(json!({ "namespaces": { "from": "List", "names": ["a", "a"] } })),
            &["spec.namespaces.names[1]: Duplicate value"],
        ),
        (
            "a bad target namespace",
            sat(json!({ "target": { "namespace": "Not_A_Namespace" } })),
            &["spec.target.namespace: Invalid value"],
        ),
        (
            "a bad target name",
            sat(json!({ "target": { "name": "-x" } })),
            &["spec.target.name: Invalid value"],
        ),
        (
            "a bad label",
            sat(json!({ "target": { "labels": { "a": "b c" } } })),
            &["spec.target.labels.a: Invalid value"],
        ),
        (
            "an unknown layout",
            sat(json!({ "target": { "layout": "Zip" } })),
            &["spec.target.layout: Unsupported value"],
        ),
        ("a bad timeout", sat(json!({ "requestTimeout": "soon" })), &["spec.requestTimeout: Invalid value"]),
        ("an unknown field", sat(json!({ "zone": "eu" })), &[r#"unknown field "spec.zone""#]),
        (
            "a name of 64 characters",
            satellite_cluster(&"x".repeat(64), json!({})),
            &["metadata.name is longer than 63 characters"],
        ),
    ])
    .await;
}
