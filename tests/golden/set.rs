//! Rules that set every field from variables, and hosts whose variables hold every kind of value:
//! each Icinga loads all of it, and each field has the value of a model or keeps what it had.

use crate::icinga::{self, Object};
use groundlink::api::{IcingaVersion, MonitoringObject};
use groundlink::identity::ObjectKey;
use groundlink::render::render;
use groundlink::validate::{Settings, validate};
use serde_json::{Value, json};

const SERVICE: [&str; 25] = [
    "displayName",
    "checkCommand",
    "maxCheckAttempts",
    "checkPeriod",
    "checkTimeout",
    "checkInterval",
    "retryInterval",
    "eventCommand",
    "commandEndpoint",
    "volatile",
    "enableActiveChecks",
    "enablePassiveChecks",
    "enableEventHandler",
    "enableNotifications",
    "enableFlapping",
    "enablePerfdata",
    "flappingThresholdLow",
    "flappingThresholdHigh",
    "notes",
    "notesUrl",
    "actionUrl",
    "iconImage",
    "iconImageAlt",
    "groups",
    "addGroups",
];

/// Objects that the operator does not know, as an administrator lists them.
const EXTERNAL: &str = r#"
object Endpoint "hub" { }
object Zone "master" { endpoints = [ "hub" ] }
object Endpoint "sat" { }
object Zone "sat" { endpoints = [ "sat" ], parent = "master" }
object Endpoint "far" { }
object Zone "far" { endpoints = [ "far" ], parent = "sat" }
"#;

fn values() -> Vec<Value> {
    vec![
        json!(1),
        json!(0),
        json!(-5),
        json!(2.5),
        json!(9_007_199_254_740_992_i64),
        json!(-9_007_199_254_740_992_i64),
        json!(""),
        json!("60"),
        json!("5m"),
        json!("eva"),
        json!(["eva", "nobody", 5, [], "eva"]),
        json!([]),
        json!({}),
        json!({ "a": 1, "keys": "k", "len": 2, "contains": 3 }),
        json!(true),
        json!(false),
        json!(null),
        json!("02:00-03:00"),
        json!("25:00-26:00"),
        json!("sat"),
        json!("far"),
        json!("dummy"),
        json!("mail"),
        json!(["ops", "public"]),
        json!("x".repeat(4000)),
        json!({ "e": { "i": 60, "users": ["eva"] }, "sat": null, "a!b": 1, "c$d": "$$" }),
        json!([[["eva"]], { "a": null }]),
    ]
}

fn all(fields: &[&str], expression: &str) -> Value {
    fields
        .iter()
        .map(|field| ((*field).to_owned(), json!(expression)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn specs() -> Vec<(String, Value)> {
    let mut specs = vec![
        ("eva".to_owned(), json!({ "user": {} })),
        ("ops".to_owned(), json!({ "userGroup": {} })),
        ("public".to_owned(), json!({ "serviceGroup": {} })),
        ("mail".to_owned(), json!({ "notificationCommand": { "command": ["/bin/true"] } })),
    ];
    let values = values();
    for (i, value) in values.iter().enumerate() {
        let vars = json!({ "x": value, "y": values[(i + 3) % values.len()] });
        let host = json!({ "checkCommand": "dummy", "vars": vars });
        specs.push((format!("h{i}"), json!({ "host": host })));
        specs.push((format!("z{i}"), json!({ "host": host, "zone": "master" })));
    }
    for (i, x) in
        ["host.vars.x", "host.vars.x + host.vars.y", "host.vars.x.e.i", "host.vars.x || host.vars.y"]
            .into_iter()
            .enumerate()
    {
        let mut set = all(&SERVICE, x);
        set["vars"] = json!({ "v": x, "l": format!("[{x}]"), "d": format!("{{k: {x}}}"), "m": format!("\"a$\" + {x}") });
        set["addVars"] = json!([x]);
        let apply =
            json!({ "assignWhere": ["true"], "set": [set, { "when": x, "notes": "\"when \" + host.name" }] });
        specs.push((format!("s{i}"), json!({ "service": { "checkCommand": "dummy", "apply": apply } })));
    }
    let each = json!({ "forEach": { "in": "host.vars.x", "prefix": "" }, "set": [
        { "checkCommand": "\"dummy\"", "displayName": "\"P \" + key", "checkInterval": "value.i", "addVars": ["value"] },
    ] });
    specs.push(("each".into(), json!({ "service": { "apply": each } })));
    for (to, x) in [("Host", "host.vars.x"), ("Service", "host.vars.y")] {
        let apply = |set: Value| json!({ "to": to, "assignWhere": ["true"], "set": [set] });
        let key = to.to_lowercase();
        let whom = all(&["command", "interval", "period", "users", "userGroups", "commandEndpoint"], x);
        specs.push((
            format!("n-{key}"),
            json!({ "notification": { "command": "mail", "apply": apply(whom) } }),
        ));
        let mut when = all(&["author", "comment", "duration"], x);
        when["ranges"] = json!({ "monday": x, "sunday": format!("\"01:00-\" + {x}") });
        specs.push((format!("d-{key}"), json!({ "scheduledDowntime": { "apply": apply(when) } })));
        let how = all(&["period", "ignoreSoftStates", "disableChecks", "disableNotifications"], x);
        specs.push((
            format!("p-{key}"),
            json!({ "dependency": { "parentHostName": "h0", "apply": apply(how) } }),
        ));
    }
    specs
}

fn configuration() -> String {
    let external = ["Zone!master", "Endpoint!hub"].map(str::to_owned);
    let settings = Settings::new(&["ops".into()], &external, IcingaVersion::default()).unwrap();
    let text = |(name, spec): (String, Value)| {
        let object: MonitoringObject = serde_json::from_value(json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
            "metadata": { "namespace": "ops", "name": name }, "spec": spec,
        }))
        .unwrap();
        let declaration = validate(&object, &settings).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        render(&ObjectKey::new("ops", &name), &declaration).text()
    };
    specs().into_iter().map(text).collect()
}

/// What Icinga makes of a number or of text that is one, if it is in a range.
fn number(value: &Value, fits: impl Fn(f64) -> bool) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    fits(number).then_some(number)
}

fn check(objects: &[Object]) {
    let find = |kind: &str, name: &str| {
        objects
            .iter()
            .find(|object| object.kind == kind && object.name == name)
            .map(|object| &object.properties)
    };
    for (i, value) in values().iter().enumerate() {
        for host in [format!("h{i}"), format!("z{i}")] {
            let service =
                find("Service", &format!("{host}!s0")).unwrap_or_else(|| panic!("{host}: no service"));
            let interval = number(value, |n| n > 0.0 && n <= 1e9).unwrap_or(300.0);
            assert_eq!(service["check_interval"].as_f64(), Some(interval), "{host}: {value}");
            let attempts = number(value, |n| (1.0..=1000.0).contains(&n)).unwrap_or(3.0).trunc();
            assert_eq!(service["max_check_attempts"].as_f64(), Some(attempts), "{host}: {value}");
            // An endpoint of the zone or of a direct child, where there is a zone.
            let endpoint = if *value == json!("sat") && host.starts_with('z') { "sat" } else { "" };
            assert_eq!(service["command_endpoint"].as_str(), Some(endpoint), "{host}: {value}");
            let groups = if value.is_array() && value[1] == "public" {
                json!(["public", "public"])
            } else {
                Value::Null
            };
            let understood = &service["groups"];
            let is_empty = understood.is_null() || *understood == json!([]);
            assert!(*understood == groups || groups.is_null() && is_empty, "{host}: {value}: {understood}");
            // Nobody is notified where the variable names nobody.
            let names = |name: &str| value.as_array().is_some_and(|entries| entries.contains(&json!(name)));
            let notification = find("Notification", &format!("{host}!n-host"));
            assert_eq!(notification.is_some(), names("eva") || names("ops"), "{host}: {value}");
            if let Some(users) =
                notification.map(|notification| &notification["users"]).filter(|_| names("eva"))
            {
                assert_eq!(*users, json!(["eva"]), "{host}");
            }
            // The comment and the times come from one variable, so only times make a downtime.
            let is_time = *value == json!("02:00-03:00");
            assert_eq!(
                find("ScheduledDowntime", &format!("{host}!d-host")).is_some(),
                is_time,
                "{host}: {value}"
            );
        }
    }
    let entry = find("Service", "h25!e").expect("the entry makes a service");
    assert_eq!((&entry["display_name"], entry["check_interval"].as_f64()), (&json!("P e"), Some(60.0)));
}

#[test]
fn whatever_a_variable_holds_the_set_loads_and_fields_keep_their_types() {
    let configuration = configuration();
    for icinga in icinga::generations() {
        match icinga.load(&configuration, EXTERNAL) {
            Ok(objects) => check(&objects),
            Err(why) => panic!("icinga2 {:?}: {why}", icinga.generation),
        }
    }
}
