use super::*;

/// Namespace and name, and the faults, of each MonitoringObject.
fn faults(text: &str) -> Vec<Vec<String>> {
    parse("f.yaml", text.as_bytes())
        .into_iter()
        .map(|manifest| manifest.object.err().unwrap_or_default())
        .collect()
}

fn of_spec(spec: &str) -> Vec<String> {
    let head = "{apiVersion: groundlink.dev/v1alpha1, kind: MonitoringObject, metadata: {name: x}, spec:";
    faults(&format!("{head} {spec}}}")).swap_remove(0)
}

/// A mistake, and what is said about it: the field, and words of the remedy.
const MISTAKES: [(&str, &str, &str); 60] = [
    ("{host: {check_command: c}}", "spec.host.check_command: unknown field", "write checkCommand"),
    ("{host: {checkcommand: c}}", "spec.host.checkcommand: unknown field", "write checkCommand"),
    ("{host: {checkCommand: c, gruops: []}}", "spec.host.gruops: unknown field", "write groups"),
    ("{host: {checkCommand: c, zone: eu}}", "spec.host.zone: unknown field", "as spec.zone"),
    ("{host: {checkCommand: c, template: true}}", "spec.host.template: unknown field", "as spec.template"),
    (
        "{host: {checkCommand: c, nonsense: 1}}",
        "spec.host.nonsense: unknown field",
        "kubectl explain mo.spec.host",
    ),
    ("{host: {checkCommand: c, nonsense: null}}", "spec.host.nonsense: unknown field", "remove it"),
    ("{host: {checkCommand: c}, address: a}", "spec.address: unknown field", "write it below host"),
    ("{host: {checkCommand: c, period: p}}", "spec.host.period: unknown field", "write checkPeriod"),
    ("{service: {checkCommand: c, host: h}}", "spec.service.host: unknown field", "write hostName"),
    (
        "{service: {checkCommand: c, apply: {forEach: host.vars.disks}}}",
        "spec.service.apply.forEach: must be a mapping",
        "write the field \"in\" below it",
    ),
    ("{suspendd: false, hostGroup: {}}", "spec.suspendd: unknown field", "write suspend"),
    ("{hosts: {checkCommand: c}}", "spec.hosts: unknown field", "write host"),
    (
        "{checkCommand: {arguments: {-H: {value: 5}}}}",
        "spec.checkCommand.arguments.-H.value: must be text",
        "in quotes",
    ),
    (
        "{checkCommand: {arguments: {-H: {value: [x]}}}}",
        "spec.checkCommand.arguments.-H.value: must be text",
        "write $my_list$",
    ),
    (
        "{timePeriod: {ranges: {monday: $host.vars.backup$}}}",
        "spec.timePeriod.ranges.monday: \"$host.vars.backup$\" is no time of a day",
        "apply.set",
    ),
    ("{host: {checkCommand: c, checkInterval: 60}}", "spec.host.checkInterval: must be a duration", "60s"),
    (
        "{host: {checkCommand: c, checkInterval: 1:30}}",
        "spec.host.checkInterval: \"1:30\" is no duration",
        "90s",
    ),
    (
        "{host: {checkCommand: c, checkInterval: 1.5m}}",
        "spec.host.checkInterval: \"1.5m\" is no duration",
        "whole numbers",
    ),
    ("{host: {checkCommand: c, checkInterval: 1w}}", "spec.host.checkInterval", "units ms, s, m, h and d"),
    ("{host: {checkCommand: c, checkInterval: -5m}}", "spec.host.checkInterval", "such as 90s"),
    (
        "{host: {checkCommand: c, checkInterval: \"\"}}",
        "spec.host.checkInterval: is empty",
        "remove the field",
    ),
    ("{host: {checkCommand: c, checkInterval: null}}", "spec.host.checkInterval: is null", "remove it"),
    (
        "{host: {checkCommand: c, maxCheckAttempts: \"3\"}}",
        "spec.host.maxCheckAttempts: must be a whole number",
        "write 3 without quotes",
    ),
    (
        "{host: {checkCommand: c, maxCheckAttempts: 2.5}}",
        "spec.host.maxCheckAttempts: must be a whole number",
        "write a whole number",
    ),
    ("{host: {checkCommand: c, maxCheckAttempts: 0}}", "spec.host.maxCheckAttempts: is 0", "from 1 to"),
    (
        "{host: {checkCommand: c, maxCheckAttempts: many}}",
        "spec.host.maxCheckAttempts",
        "write a whole number",
    ),
    ("{host: {checkCommand: c, groups: linux}}", "spec.host.groups: must be a list", "write [\"linux\"]"),
    (
        "{host: {checkCommand: c, groups: {linux: true}}}",
        "spec.host.groups: must be a list",
        "each after a -",
    ),
    ("{host: {checkCommand: c, groups: [1]}}", "spec.host.groups[0]: must be text", "in quotes"),
    (
        "{host: {checkCommand: c, groups: [no]}}",
        "spec.host.groups[0]: must be text, and is the truth value false",
        "in quotes",
    ),
    ("{host: {checkCommand: c, groups: [null]}}", "spec.host.groups[0]: is null", "remove the entry"),
    ("{host: {checkCommand: c, groups: [a!b]}}", "spec.host.groups[0]", "exclamation mark"),
    ("{host: {checkCommand: c, groups: [\"\"]}}", "spec.host.groups[0]: is empty", "write a text"),
    ("{host: {checkCommand: [c]}}", "spec.host.checkCommand: must be text", "without the list"),
    (
        "{host: {checkCommand: {name: c}}}",
        "spec.host.checkCommand: must be text, and is a mapping",
        "write a text",
    ),
    (
        "{host: {checkCommand: on}}",
        "spec.host.checkCommand: must be text, and is the truth value true",
        "in quotes",
    ),
    (
        "{host: {checkCommand: 0755}}",
        "spec.host.checkCommand: must be text, and is the number 493",
        "in quotes",
    ),
    (
        "{host: {checkCommand: c, enableNotifications: \"no\"}}",
        "spec.host.enableNotifications: must be true or false",
        "without quotes",
    ),
    (
        "{host: {checkCommand: c, enableNotifications: 1}}",
        "spec.host.enableNotifications: must be true or false",
        "write true or false",
    ),
    ("{host: {checkCommand: c, address: \"\"}}", "spec.host.address: is empty", "remove the field"),
    (
        "{host: {checkCommand: c, vars: [a]}}",
        "spec.host.vars: must be a mapping, and is a list",
        "without the list",
    ),
    ("{host: {checkCommand: c, vars: os=Linux}}", "spec.host.vars: must be a mapping", "fields with names"),
    ("{host: web}", "spec.host: must be a mapping", "fields with names"),
    ("{host: [{checkCommand: c}]}", "spec.host: must be a mapping, and is a list", "without the list"),
    ("{host: null}", "spec.host: has nothing below it", "indent its fields"),
    ("[host]", "spec: must be a mapping", "without the list"),
    ("{}", "spec: exactly one of host", "must be set"),
    (
        "{host: {checkCommand: c}, service: {checkCommand: c, hostName: h}}",
        "spec: exactly one of host",
        "must be set",
    ),
    ("{zone: eu, zoneObject: {}}", "spec: zone must not be set beside zoneObject", "remove zone"),
    (
        "{service: {checkCommand: c, assignWhere: [host.address]}}",
        "spec.service.assignWhere: unknown field",
        "write it below apply",
    ),
    (
        "{service: {checkCommand: c, apply: {assignWhere: host.address}}}",
        "spec.service.apply.assignWhere: must be a list",
        "write [\"host.address\"]",
    ),
    (
        "{service: {checkCommand: c, apply: {}}}",
        "spec.service.apply: a rule needs assignWhere or forEach",
        "set one",
    ),
    (
        "{service: {checkCommand: c, hostName: h, apply: {assignWhere: [host.address]}}}",
        "spec.service: hostName and apply exclude each other",
        "set hostName for one host",
    ),
    (
        "{dependency: {childServiceName: s}}",
        "spec.dependency: childServiceName needs childHostName",
        "set both",
    ),
    (
        "{notification: {command: mail, users: [x], states: [Bad], hostName: h}}",
        "spec.notification.states[0]: is the text \"Bad\"",
        "write one of",
    ),
    ("{user: {states: [ok]}}", "spec.user.states[0]", "write one of"),
    ("{endpoint: {port: 65536}}", "spec.endpoint.port: is 65536", "from 1 to 65535"),
    (
        "{endpoint: {port: \"5665\"}}",
        "spec.endpoint.port: must be a whole number",
        "write 5665 without quotes",
    ),
    ("{template: \"yes\", host: {}}", "spec.template: must be true or false", "without quotes"),
];

#[test]
fn each_mistake_is_named_with_its_field_and_a_remedy() {
    for (spec, field, remedy) in MISTAKES {
        let faults = of_spec(spec);
        assert_eq!(faults.len(), 1, "{spec}: {faults:?}");
        assert!(faults[0].contains(field) && faults[0].contains(remedy), "{spec}: {}", faults[0]);
        assert!(!faults[0].contains("expected") && faults[0].len() < 500, "{spec}: {}", faults[0]);
    }
}

#[test]
fn fields_that_are_not_indented_are_told_where_they_belong() {
    let faults = of_spec("{host: null, checkCommand: hostalive, address: 192.0.2.1}");
    let told = [
        "spec.address: belongs below host",
        "spec.checkCommand: belongs below host",
        "spec.host: has nothing",
    ];
    for (fault, words) in faults.iter().zip(told) {
        assert!(fault.contains(words) && fault.contains("indent"), "{faults:?}");
    }
    assert_eq!(faults.len(), 3, "{faults:?}");
}

#[test]
fn free_fields_are_free() {
    for spec in [
        "{suspend: no, host: {checkCommand: c, vars: {a: {b: [{c: false}]}, x: null, e: \"\"}}}",
        "{checkCommand: {command: [/c], arguments: {-H: {value: x, required: false}}, env: {A: b}}}",
        // Kept by the API server, whose schemas have no type for a text or a dictionary: the
        // operator itself refuses it.
        "{checkCommand: {command: [/c], arguments: {-H: {valeu: x}}}}",
        "{host: {checkCommand: c, notes: \"ü\"}, suspend: false}",
    ] {
        assert_eq!(of_spec(spec), [""; 0], "{spec}");
    }
}

#[test]
fn every_fault_of_an_object_is_told_at_once() {
    let faults = of_spec("{host: {checkCommand: [c], checkInterval: 60, gruops: []}}");
    assert_eq!(faults.len(), 3, "{faults:?}");
}

#[test]
fn documents_that_are_no_objects_are_named_by_their_place() {
    let text = "apiVersion: v1\nkind: ConfigMap\n---\nkind: MonitoringObject\n---\n- a\n---\napiVersion: groundlink.dev/v1\n\
                kind: MonitoringObject\n---\napiVersion: groundlink.dev/v1alpha1\nkind: monitoringobject\n---\n\
                apiVersion: v1\nkind: List\nitems:\n- a: [\n---\napiVersion: v1\nkind: MonitoringObject\n";
    let read = parse("f.yaml", text.as_bytes());
    let told: Vec<_> =
        read.iter().map(|one| (one.place.as_str(), one.object.as_ref().unwrap_err()[0].as_str())).collect();
    for (at, (place, words)) in [
        ("f.yaml:4", "apiVersion: is missing; write apiVersion: groundlink.dev/v1alpha1"),
        ("f.yaml:6", "is a list of objects; write them as documents"),
        ("f.yaml:8", "apiVersion: is \"groundlink.dev/v1\"; write groundlink.dev/v1alpha1"),
        ("f.yaml:11", "kind: is \"monitoringobject\"; write MonitoringObject"),
        ("f.yaml:1", "is no YAML"),
        ("f.yaml:19", "apiVersion: is \"v1\"; write groundlink.dev/v1alpha1"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(told[at].0.starts_with(place) && told[at].1.contains(words), "{:?} for {place}", told[at]);
    }
    assert_eq!(told.len(), 6);
}

#[test]
fn a_document_that_cannot_be_read_is_named_by_its_object() {
    let text = "apiVersion: groundlink.dev/v1alpha1\nkind: MonitoringObject\nmetadata:\n  name: web\n  namespace: a\n\
                spec:\n  host:\n    notes: Attention: this\n---\n\
                apiVersion: groundlink.dev/v1alpha1\nkind: SatelliteCluster\nmetadata: {name: s}\nspec: {a: b: c}\n---\n\
                apiVersion: groundlink.dev/v1alpha1\nkind: MonitoringObject\nmetadata: {name: other}\n";
    let read = parse("f.yaml", text.as_bytes());
    let [web, satellite, other] = &read[..] else { panic!("{}", read.len()) };
    assert_eq!((web.namespace.as_str(), web.name.as_str(), web.place.as_str()), ("a", "web", "f.yaml:8"));
    let why = &web.object.as_ref().unwrap_err()[0];
    assert!(why.starts_with("f.yaml:8: is no YAML: ") && why.contains("in quotes"), "{why}");
    assert_eq!((satellite.name.as_str(), satellite.place.as_str()), ("", "f.yaml:13"));
    assert_eq!(other.name, "other");
}

#[test]
fn an_item_of_a_list_is_named_by_its_number() {
    let text = "kind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap}\n\
                - {apiVersion: groundlink.dev/v1alpha1, kind: MonitoringObject, spec: {hostGroup: {}}}\n";
    let read = parse("f.yaml", text.as_bytes());
    assert_eq!((read[0].place.as_str(), read.len()), ("f.yaml:1 items[1]", 1));
}

#[test]
fn bytes_that_are_no_text_are_told() {
    let read = parse("f.yaml", b"a: 1\nb: \xff\n");
    assert_eq!((read[0].place.as_str(), read.len()), ("f.yaml:2", 1));
    let why = read[0].object.as_ref().unwrap_err();
    assert!(why[0].contains("not UTF-8; save the file as UTF-8"), "{why:?}");
}

#[test]
fn a_group_that_is_nearly_ours_is_told() {
    let of = |version: &str| {
        parse("f.yaml", format!("apiVersion: {version}\nkind: MonitoringObject\n").as_bytes())
    };
    for near in ["groundlink.io/v1alpha1", "v1", "Groundlink.dev/v1alpha1"] {
        let read = of(near);
        let why = read[0].object.as_ref().unwrap_err();
        assert!(why[0].ends_with("write groundlink.dev/v1alpha1"), "{why:?}");
    }
    assert!(of("example.com/v1").is_empty());
}

#[test]
fn metadata_are_checked_as_the_api_server_does() {
    let of = |metadata: &str| {
        let text = format!(
            "{{apiVersion: groundlink.dev/v1alpha1, kind: MonitoringObject, metadata: {metadata}, spec: {{hostGroup: {{}}}}}}"
        );
        faults(&text).swap_remove(0)
    };
    for (metadata, words) in [
        ("{}", "metadata.name: is missing"),
        ("{name: 80}", "metadata.name: must be text"),
        ("{name: x, label: {}}", "metadata.label: unknown field"),
        (
            "{name: x, labels: {version: 1.0}}",
            "metadata.labels[\"version\"]: must be text; write it in quotes",
        ),
        ("{name: x, labels: {a: b c}}", "metadata.labels[\"a\"]: has a value"),
        ("{name: x, labels: {a/b/c: d}}", "metadata.labels[\"a/b/c\"]: is no name"),
        ("{name: x, annotations: {a b: d}}", "metadata.annotations[\"a b\"]: is no name"),
        ("{name: x, labels: [a]}", "metadata.labels: must be a mapping"),
        ("{name: x, finalizers: [a/b]}", "metadata.finalizers"),
        ("[x]", "metadata: must be a mapping"),
    ] {
        assert!(
            of(metadata).first().is_some_and(|fault| fault.contains(words)),
            "{metadata}: {:?}",
            of(metadata)
        );
    }
    let fine = "{name: x, namespace: a, labels: {a.b/c: d_e}, annotations: {a: \"any text\"}, creationTimestamp: null}";
    assert_eq!(of(fine), [""; 0]);
}
