//! What a condition says of a variable that is not set, at every depth. A condition is rendered
//! with guards, and Icinga reads the same condition beside it as a person would write it: both
//! must hold for the same hosts. Two conditions of one name show which rule goes first.

use crate::icinga;
use groundlink::api::{IcingaVersion, MonitoringObject};
use groundlink::identity::ObjectKey;
use groundlink::render::render;
use groundlink::validate::{Settings, validate};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

/// Reads a path as Icinga does, and null below something that is no dictionary, for which Icinga
/// would refuse everything.
const AT: &str = "globals.at = (v, ks) => { for (k in ks) { if (typeof(v) != Dictionary) { return null }\n v = v[k] }\n return v }\n";

/// A file of the set, as the hub renders it.
fn file(namespace: &str, name: &str, spec: &Value) -> String {
    let object: MonitoringObject = serde_json::from_value(json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "namespace": namespace, "name": name }, "spec": spec,
    }))
    .unwrap();
    let settings = Settings::new(&["ops".into()], &[], IcingaVersion::default()).unwrap();
    let declaration = validate(&object, &settings).unwrap_or_else(|why| panic!("{name}: {why:?}"));
    render(&ObjectKey::new(namespace, name), &declaration).text()
}

/// Conditions, each as it is declared and as a person writes it.
fn conditions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for keys in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
        let declared = format!("host.vars.{}", keys.join("."));
        let by_hand = format!("at(host.vars, {})", json!(keys));
        let mut both = |form: &dyn Fn(&str) -> String| all.push((form(&declared), form(&by_hand)));
        for literal in ["0", "1", "\"\"", "\"x\"", "true", "false", "null"] {
            for operator in ["==", "!="] {
                both(&|path| format!("{path} {operator} {literal}"));
                both(&|path| format!("{literal} {operator} {path}"));
            }
        }
        for list in ["[0, false]", "[null]", "[\"\"]", "[true, 1]"] {
            both(&|path| format!("{path} in {list}"));
            both(&|path| format!("!({path} in {list})"));
        }
        for length in ["len(PATH) == 0", "len(PATH) != 0", "len(PATH) < 2", "len(PATH) >= 0"] {
            both(&|path| length.replace("PATH", path));
        }
        for pattern in ["*", "", "t*", "false"] {
            both(&|path| format!("match(\"{pattern}\", {path})"));
        }
        both(&|path| path.to_owned());
        both(&|path| format!("!{path}"));
    }
    all
}

fn hosts() -> Vec<Value> {
    let leaves = [
        json!(0),
        json!(1),
        json!(""),
        json!("x"),
        json!(true),
        json!(false),
        json!(null),
        json!([]),
        json!({}),
    ];
    let mut all = vec![json!({})];
    for leaf in &leaves {
        all.push(json!({ "a": leaf }));
        all.push(json!({ "a": { "b": leaf } }));
        all.push(json!({ "a": { "b": { "c": leaf } } }));
    }
    all
}

#[test]
fn a_variable_that_is_not_set_is_null_at_every_depth() {
    let conditions = conditions();
    let mut set = String::new();
    for (i, vars) in hosts().into_iter().enumerate() {
        set += &file("ops", &format!("h{i}"), &json!({ "host": { "checkCommand": "dummy", "vars": vars } }));
    }
    let mut by_hand = AT.to_owned();
    for (i, (declared, written)) in conditions.iter().enumerate() {
        let apply = json!({ "assignWhere": [declared] });
        set += &file(
            "ops",
            &format!("r{i}"),
            &json!({ "service": { "checkCommand": "dummy", "apply": apply } }),
        );
        // Of match, Icinga itself refuses a dictionary.
        by_hand += &format!(
            "apply Service \"p{i}\" {{\n check_command = \"dummy\"\n assign where (() use (host) => {{ try {{ return {written} }} except {{ return false }} }})()\n}}\n"
        );
    }
    for icinga in icinga::generations() {
        let generation = icinga.generation.unwrap_or("installed");
        let objects = icinga
            .load(&(by_hand.clone() + &set), "")
            .unwrap_or_else(|why| panic!("icinga2 {generation}: {why}"));
        let made = |letter: char| -> BTreeSet<String> {
            let services = objects.iter().filter(|object| object.kind == "Service");
            let names = services.filter_map(|object| {
                let (host, service) = object.name.split_once('!')?;
                Some(format!("{host}!{}", service.strip_prefix(letter)?))
            });
            names.collect()
        };
        let (declared, written) = (made('r'), made('p'));
        assert!(written.len() > 500, "{}", written.len());
        let wrong: Vec<_> = declared
            .symmetric_difference(&written)
            .map(|place| {
                let (host, condition) = place.split_once('!').unwrap();
                let vars = &hosts()[host[1..].parse::<usize>().unwrap()];
                let holds = if declared.contains(place) { "holds" } else { "does not hold" };
                format!("{} {holds} for {vars}", conditions[condition.parse::<usize>().unwrap()].0)
            })
            .collect();
        assert!(wrong.is_empty(), "icinga2 {generation}: {} differ:\n{}", wrong.len(), wrong.join("\n"));
        // A comparison with a literal that null does not equal never holds where the path ends.
        let zero = conditions.iter().position(|(declared, _)| declared == "host.vars.a.b == 0").unwrap();
        assert!(!declared.contains(&format!("h0!{zero}")), "icinga2 {generation}");
    }
}

/// Rules of one name, by namespace and name of the resource.
const RULES: [(&str, &str); 9] = [
    ("team", "disk"),
    ("team", "disk-linux"),
    ("team", "disk.old"),
    ("team", "disk0"),
    ("team", "z"),
    ("team-a", "disk"),
    ("team-a", "a"),
    ("team0", "disk"),
    ("a", "zz"),
];

/// Returns the resource whose rule makes the service of each pair, as Icinga reads this directory.
fn winners(
    icinga: &icinga::Icinga,
    place: &str,
    path: &dyn Fn(&ObjectKey) -> String,
) -> Vec<(usize, usize, usize)> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let pairs: Vec<_> =
        (0..RULES.len()).flat_map(|one| (one + 1..RULES.len()).map(move |other| (one, other))).collect();
    // Every rule of a pair has the pair's name, and its resource says of which it is.
    let mut files = vec![];
    for (pair, (one, other)) in pairs.iter().enumerate() {
        for which in [*one, *other] {
            let (namespace, name) = RULES[which];
            let apply = json!({ "assignWhere": [format!("host.name == \"h{pair}\"")] });
            let spec = json!({ "name": format!("s{pair}"), "service": { "checkCommand": "dummy", "notes": which.to_string(), "apply": apply } });
            let key = ObjectKey::new(namespace, name);
            files.push((path(&key), file(namespace, name, &spec)));
        }
    }
    for (path, text) in files {
        use std::io::Write as _;
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
    let hosts: String = (0..pairs.len())
        .map(|pair| file("ops", &format!("h{pair}"), &json!({ "host": { "checkCommand": "dummy" } })))
        .collect();
    let include = format!("include_recursive \"{}/{place}\"\n", directory.path().display());
    let objects = icinga.load(&(hosts + &include), "").unwrap_or_else(|why| panic!("{why}"));
    let of = |pair: usize| {
        let name = format!("h{pair}!s{pair}");
        let service = objects.iter().find(|object| object.name == name).unwrap();
        service.properties["notes"].as_str().unwrap().parse().unwrap()
    };
    pairs.iter().enumerate().map(|(pair, (one, other))| (*one, *other, of(pair))).collect()
}

/// Icinga reads the files of a directory by name, and then its directories by name.
#[test]
fn of_rules_of_one_name_the_one_that_icinga_reads_first_makes_the_object() {
    let key = |which: usize| ObjectKey::new(RULES[which].0, RULES[which].1);
    for icinga in icinga::generations() {
        let generation = icinga.generation.unwrap_or("installed");
        for (one, other, first) in winners(icinga, "objects.d", &|key| key.path()) {
            let expected = if key(one).goes_before(&key(other)) { one } else { other };
            assert_eq!(key(first), key(expected), "icinga2 {generation}, directories: {one} {other}");
        }
        for (one, other, first) in winners(icinga, ".", &|key| key.file_key().to_string()) {
            let expected = if key(one).file_key() < key(other).file_key() { one } else { other };
            assert_eq!(key(first), key(expected), "icinga2 {generation}, one ConfigMap: {one} {other}");
        }
    }
}
