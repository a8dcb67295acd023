//! The operator's own evaluation, held against Icinga's: random hosts with hostile variables, and
//! rules with random expressions. What the operator says that a rule makes, gives and leaves out
//! is what Icinga makes of it.

use crate::icinga::{self, Icinga, Object};
use groundlink::api::{IcingaType, IcingaVersion, MonitoringObject};
use groundlink::evaluate::{Host, Made, Part, Rule};
use groundlink::identity::ObjectKey;
use groundlink::render::{Rendered, content};
use groundlink::validate::Settings;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const BATCHES: usize = 3;
const HOSTS: usize = 40;
const RULES: usize = 60;
/// Hex of the seed, to repeat a failure.
const SEED: &str = "GROUNDLINK_GOLDEN_SEED";

fn leaf() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(0),
        json!(1),
        json!(-5),
        json!(2.5),
        json!(60),
        json!(9_007_199_254_740_992_i64),
        json!(""),
        json!("60"),
        json!("1e3"),
        json!("5m"),
        json!("eva"),
        json!("nobody"),
        json!("ops"),
        json!("public"),
        json!("dummy"),
        json!("always"),
        json!("mail"),
        json!("$$"),
        json!("a b"),
        json!("äö"),
        json!("02:00-03:00"),
        json!("00:00-00:00"),
        json!("01:00-02:00,23:00-24:00"),
        json!("25:00-26:00"),
        json!(true),
        json!(false),
        json!(null),
        json!(["eva", "nobody", 5, [], "eva", ""]),
        json!(["ops"]),
        json!(["public", "public"]),
    ])
}

fn vars_value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        let key = prop::sample::select(vec!["k", "e", "contains", "keys", "a!b", "", "5"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn vars() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["x", "y", "z"]);
    prop::collection::btree_map(key, vars_value(), 0..4).prop_map(|map| {
        map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
    })
}

fn path(has_entry: bool) -> impl Strategy<Value = String> {
    let mut all = vec![
        "host.vars.x",
        "host.vars.y",
        "host.vars.z",
        "host.vars.x.k",
        "host.vars.x.e",
        "host.vars.y.k.e",
        "host.vars.x.k.contains.k",
        "host.vars[\"none\"].k",
        "host.name",
        "host.display_name",
        "host.address",
        "host.check_command",
    ];
    if has_entry {
        all.extend(["key", "value", "value.k", "value.e.k", "value", "key"]);
    }
    prop::sample::select(all).prop_map(String::from)
}

fn operand(has_entry: bool) -> BoxedStrategy<String> {
    let literal = prop::sample::select(vec![
        "0",
        "1",
        "5",
        "60",
        "2.5",
        "\"\"",
        "\"eva\"",
        "\"x\"",
        "\"60\"",
        "true",
        "false",
        "null",
        "30s",
        "[]",
        "[\"eva\", \"nobody\"]",
        "[0, null]",
    ]);
    let one = prop_oneof![
        5 => path(has_entry),
        2 => literal.prop_map(String::from),
        1 => path(has_entry).prop_map(|path| format!("len({path})")),
        1 => path(has_entry).prop_map(|path| format!("{path}.replace(\"e\", \"a\").replace(\"va\", \"\")")),
    ];
    one.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} + {right}")),
            prop::collection::vec(inner, 1..3).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
    .boxed()
}

fn condition(has_entry: bool) -> BoxedStrategy<String> {
    let comparison = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "in", "!in"]);
    let pattern = prop::sample::select(vec!["*", "", "E?A", "*o*", "true", "6*"]);
    let kind = prop::sample::select(vec!["String", "Number", "Boolean", "Array", "Dictionary"]);
    let one = prop_oneof![
        2 => path(has_entry),
        4 => (operand(has_entry), comparison, operand(has_entry))
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        1 => (pattern, path(has_entry), prop::bool::ANY).prop_map(|(pattern, path, is_any)| {
            format!("match(\"{pattern}\", {path}{})", if is_any { ", MatchAny" } else { "" })
        }),
        1 => (path(has_entry), kind).prop_map(|(path, kind)| format!("typeof({path}) == {kind}")),
        1 => (path(has_entry), operand(has_entry))
            .prop_map(|(path, operand)| format!("{path}.contains({operand})")),
    ];
    one.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} && {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} || {right})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
    .boxed()
}

fn expression(has_entry: bool) -> BoxedStrategy<String> {
    prop_oneof![
        4 => path(has_entry),
        4 => operand(has_entry),
        2 => condition(has_entry),
        1 => (path(has_entry), operand(has_entry)).prop_map(|(path, other)| format!("{path} || {other}")),
        1 => operand(has_entry).prop_map(|operand| format!("{{k: {operand}, \"a b\": [{operand}]}}")),
    ]
    .boxed()
}

/// The member, what a rule of it has beside `apply`, and the fields that it may set.
fn members() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let service = vec![
        "displayName",
        "checkCommand",
        "maxCheckAttempts",
        "checkPeriod",
        "checkTimeout",
        "checkInterval",
        "retryInterval",
        "eventCommand",
        "volatile",
        "enableActiveChecks",
        "enableNotifications",
        "flappingThresholdLow",
        "notes",
        "notesUrl",
        "groups",
        "addGroups",
    ];
    let notification = vec!["command", "interval", "period", "users", "userGroups"];
    vec![
        ("service", json!({ "checkCommand": "dummy", "notes": "base", "vars": { "base": 1 } }), service),
        ("notification", json!({ "command": "mail", "interval": 77 }), notification.clone()),
        ("notification", json!({ "command": "mail", "interval": 77, "users": ["eva"] }), notification),
        (
            "scheduledDowntime",
            json!({ "author": "base", "duration": 7 }),
            vec!["author", "comment", "duration"],
        ),
        (
            "dependency",
            json!({ "parentHostName": "parent" }),
            vec!["period", "ignoreSoftStates", "disableChecks", "disableNotifications"],
        ),
    ]
}

fn rule(has_entry: bool) -> impl Strategy<Value = Value> {
    let item = (
        prop::option::weighted(0.3, condition(has_entry)),
        prop::collection::vec((any::<prop::sample::Index>(), expression(has_entry)), 1..6),
        prop::collection::vec(expression(has_entry), 0..2),
        prop::collection::vec(expression(has_entry), 0..2),
        expression(has_entry),
    );
    (
        prop::sample::select(members()),
        prop::collection::vec(item, 1..3),
        prop::option::weighted(0.5, condition(has_entry)),
        prop::option::weighted(0.2, condition(has_entry)),
    )
        .prop_map(move |((member, mut spec, fields), items, assign, ignore)| {
            let items: Vec<_> = items
                .into_iter()
                .map(|(when, given, vars, add_vars, time)| {
                    let mut item = Map::new();
                    item.extend(when.map(|when| ("when".to_owned(), when.into())));
                    for (index, expression) in given {
                        item.insert((*index.get(&fields)).to_owned(), expression.into());
                    }
                    if member == "service" || !vars.is_empty() {
                        let vars = vars.into_iter().map(|expression| ("v".to_owned(), expression.into()));
                        item.insert("vars".into(), vars.collect::<Map<_, _>>().into());
                        item.insert("addVars".into(), add_vars.into());
                    }
                    if member == "scheduledDowntime" {
                        item.insert("ranges".into(), json!({ "monday": time, "sunday": "\"05:00-06:00\"" }));
                        item.insert("comment".into(), json!("\"c\" + host.name"));
                    }
                    Value::from(item)
                })
                .collect();
            let mut apply = json!({ "set": items });
            if member != "service" {
                apply["to"] = json!("Host");
            }
            if has_entry {
                apply["forEach"] = json!({ "in": "host.vars.x" });
            }
            let always = if has_entry { None } else { Some("true".to_owned()) };
            if let Some(assign) = assign.or(always) {
                apply["assignWhere"] = json!([assign]);
            }
            if let Some(ignore) = ignore {
                apply["ignoreWhere"] = json!([ignore]);
            }
            spec["apply"] = apply;
            json!({ member: spec })
        })
}

fn host(i: usize) -> impl Strategy<Value = Value> {
    (vars(), prop::option::weighted(0.5, 0..4_usize), any::<bool>()).prop_map(
        move |(vars, template, unset)| {
            let mut host = json!({ "checkCommand": "dummy", "vars": vars });
            if let Some(template) = template {
                host["imports"] = json!([format!("t{template}")]);
                if unset {
                    host["unset"] = json!(["vars.y", "vars.z.k"]);
                }
            }
            if i.is_multiple_of(3) {
                host["address"] = json!("192.0.2.1");
                host["displayName"] = json!("eva");
            }
            json!({ "host": host })
        },
    )
}

fn rendered(name: &str, spec: &Value) -> Result<Rendered, String> {
    let object: MonitoringObject = serde_json::from_value(json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "namespace": "ops", "name": name }, "spec": spec,
    }))
    .map_err(|error| error.to_string())?;
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    content(&ObjectKey::new("ops", name), &object, &settings).map_err(|refusal| refusal.to_string())
}

/// The beginning of the names that a rule with entries makes.
fn prefix(rule: &str) -> String {
    format!("e{rule}-")
}

fn seed() -> [u8; 32] {
    let Ok(hex) = std::env::var(SEED) else { return rand::random() };
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    bytes.collect::<Vec<_>>().try_into().expect("64 hexadecimal digits")
}

struct Batch {
    configuration: String,
    hosts: Vec<(Value, Host)>,
    rules: Vec<(String, Value, std::sync::Arc<Rule>)>,
}

fn batch(runner: &mut TestRunner) -> Batch {
    let mut files = Vec::new();
    let fixed = [
        ("eva", json!({ "user": {} })),
        ("ops", json!({ "userGroup": {} })),
        ("public", json!({ "serviceGroup": {} })),
        ("always", json!({ "timePeriod": { "ranges": { "monday": "00:00-24:00" } } })),
        ("mail", json!({ "notificationCommand": { "command": ["/bin/true"] } })),
        ("parent", json!({ "host": { "checkCommand": "dummy" } })),
    ];
    files.extend(fixed.iter().map(|(name, spec)| rendered(name, spec).unwrap()));
    let mut templates = BTreeMap::new();
    for i in 0..4 {
        let mut spec = json!({ "vars": vars().new_tree(runner).unwrap().current() });
        if i > 1 {
            spec["imports"] = json!([format!("t{}", i - 2), "t0"]);
            spec["unset"] = json!(["vars.x.k"]);
        }
        let name = format!("t{i}");
        let file = rendered(&name, &json!({ "template": true, "host": spec })).unwrap();
        let Part::Host { packed, .. } = file.part().clone() else { panic!("{name}") };
        templates.insert(name, packed);
        files.push(file);
    }
    let mut hosts = Vec::new();
    for i in 0..HOSTS {
        let spec = host(i).new_tree(runner).unwrap().current();
        let file = match rendered(&format!("h{i}"), &spec) {
            Ok(file) => file,
            Err(why) => panic!("{why}: {spec}"),
        };
        let Part::Host { packed, .. } = file.part() else { panic!("h{i}") };
        let template = |name: &str| templates.get(name).cloned();
        hosts.push((spec, Host::unpack(packed, &template).unwrap()));
        files.push(file);
    }
    let mut rules = Vec::new();
    let mut refused = Vec::new();
    while rules.len() < RULES {
        let mut spec = rule(rules.len() % 4 == 3).new_tree(runner).unwrap().current();
        let name = format!("r{}", rules.len());
        for fields in spec.as_object_mut().unwrap().values_mut() {
            if let Some(for_each) = fields["apply"].get_mut("forEach") {
                for_each["prefix"] = json!(prefix(&name));
            }
        }
        match rendered(&name, &spec) {
            Ok(file) => {
                let Part::Rule(rule) = file.part().clone() else { panic!("{name}") };
                rules.push((name, spec, rule));
                files.push(file);
            }
            Err(why) => refused.push(why),
        }
        assert!(refused.len() < 20 * RULES, "hardly any are accepted: {:#?}", &refused[..5]);
    }
    Batch { configuration: files.iter().map(Rendered::text).collect(), hosts, rules }
}

/// Returns what differs between one object of Icinga's and what the operator says of it.
fn differs(made: &Made, object: &Object, base: &Value) -> Option<String> {
    let number = |value: &Value| value.as_f64();
    let is_same = |ours: &Value, theirs: &Value| match (number(ours), number(theirs)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => normal(ours) == normal(theirs),
    };
    for (attribute, value) in &made.given {
        let value = match attribute.as_str() {
            // Icinga shows the name in place of an empty one.
            "display_name" if *value == json!("") => json!(made.name),
            "max_check_attempts" => json!(value.as_f64().unwrap().trunc()),
            _ => value.clone(),
        };
        if !is_same(&value, &object.properties[attribute]) {
            return Some(format!("{attribute}: {value} instead of {}", object.properties[attribute]));
        }
    }
    for (attribute, value) in [("notes", json!("base")), ("interval", json!(77)), ("duration", json!(7))] {
        let is_kept = base.get(attribute).is_some() && !made.given.contains_key(attribute);
        if is_kept && !is_same(&value, &object.properties[attribute]) {
            return Some(format!("{attribute}: kept instead of {}", object.properties[attribute]));
        }
    }
    let theirs = &object.properties["vars"];
    let defaults = [("check_command", "dummy"), ("display_name", made.name.as_str())];
    for (attribute, value) in defaults {
        let is_kept = object.kind == "Service" && !made.given.contains_key(attribute);
        if is_kept && object.properties[attribute] != value {
            return Some(format!("{attribute}: kept instead of {}", object.properties[attribute]));
        }
    }
    for (name, value) in &made.vars {
        if !is_same(value, &theirs[name]) {
            return Some(format!("vars.{name}: {value} instead of {}", theirs[name]));
        }
    }
    let known = |name: &String| made.vars.contains_key(name) || name == "base";
    let more = theirs.as_object().and_then(|theirs| theirs.keys().find(|name| !known(name)));
    // The entry of a `forEach` is added, too, and that is no expression.
    more.filter(|_| !made.name.starts_with('e'))
        .map(|name| format!("vars.{name}: left out, and is {}", theirs[name]))
}

/// Numbers as doubles, at every depth.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), normal(value))).collect(),
        other => other.clone(),
    }
}

#[derive(Default)]
struct Count {
    made: usize,
    unknown: usize,
    left_out: usize,
}

fn compare(icinga: &Icinga, batch: &Batch, count: &mut Count) -> Result<(), String> {
    let objects = icinga.load(&batch.configuration, "")?;
    let names: BTreeSet<_> = objects
        .iter()
        .map(|object| (object.kind.clone(), object.name.clone()))
        .chain(icinga.shipped.iter().cloned())
        .collect();
    let exists = |kind: IcingaType, name: &str| names.contains(&(kind.to_string(), name.to_owned()));
    for (rule_name, spec, rule) in &batch.rules {
        let kind = rule.kind.to_string();
        let base = spec.as_object().unwrap().values().next().unwrap();
        for (host_spec, host) in &batch.hosts {
            let say = |why: &str| {
                Err(format!(
                    "{rule_name} on {}: {why}\n{spec:#}\n{host_spec:#}\nevaluated: {host:?}",
                    host.name
                ))
            };
            let is_alone = base["apply"].get("forEach").is_none();
            let Some(all) = rule.on(host, &exists) else {
                count.unknown += 1;
                continue;
            };
            if is_alone {
                let object =
                    objects.iter().find(|o| o.kind == kind && o.name == format!("{}!{rule_name}", host.name));
                let ours = all.first().filter(|made| made.exists);
                match (ours, object) {
                    (Some(made), _) if made.is_partly_unknown => count.unknown += 1,
                    (Some(made), Some(object)) => {
                        count.made += 1;
                        count.left_out += made.left_out.len();
                        if let Some(why) = differs(made, object, base) {
                            return say(&why);
                        }
                    }
                    (Some(_), None) => return say("Icinga makes no object"),
                    (None, Some(_)) if all.first().is_some_and(|made| made.is_partly_unknown) => {}
                    (None, Some(_)) => return say("Icinga makes an object"),
                    (None, None) => {}
                }
            } else {
                let prefix = format!("{}!{}", host.name, prefix(rule_name));
                let theirs = objects.iter().filter(|o| o.kind == kind && o.name.starts_with(&prefix));
                let theirs: BTreeSet<_> = theirs.map(|object| object.name.clone()).collect();
                let name = |made: &Made| format!("{}!{}", host.name, made.name);
                for made in all.iter().filter(|made| made.exists && !made.is_partly_unknown) {
                    if !theirs.contains(&name(made)) {
                        return say(&format!("Icinga makes no {}", name(made)));
                    }
                    count.made += 1;
                }
                let may_exist = all.iter().filter(|made| made.exists || made.is_partly_unknown).map(name);
                let may_exist: BTreeSet<_> = may_exist.collect();
                if let Some(more) = theirs.difference(&may_exist).next() {
                    return say(&format!("Icinga makes {more}"));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn what_the_operator_says_of_expressions_is_what_icinga_makes_of_them() {
    let seed = seed();
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{SEED}={hex}");
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let generations = icinga::generations();
    let mut count = Count::default();
    for i in 0..BATCHES {
        let batch = batch(&mut runner);
        // Each batch goes to one generation.
        let Some(icinga) = generations.get(i % generations.len().max(1)) else { return };
        if let Err(why) = compare(icinga, &batch, &mut count) {
            panic!("icinga2 {:?}, {SEED}={hex}\n{why}", icinga.generation);
        }
    }
    println!("{} objects, {} values left out, {} unknown", count.made, count.left_out, count.unknown);
    assert!(count.made > 4 * count.unknown && count.left_out > 500, "too little is known");
}
