//! What a resource declares, in Icinga's terms, worked out from the manifest alone: none of the
//! operator's code is used.

use crate::assigned::Place;
use crate::icinga::{Icinga, Object};
use crate::vocabulary::{ADDED, DURATIONS, MEMBERS, STATEMENTS, seconds, snake_case};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Attributes that say who an object is and where it comes from.
const IDENTITY: [&str; 6] = ["__name", "name", "host_name", "service_name", "source_location", "templates"];

/// What a rule sets by itself.
const PLACE: [&str; 4] = ["zone", "child_host_name", "child_service_name", "parent_host_name"];

/// `namespace/name` of a resource.
pub fn resource(document: &Value) -> String {
    let field = |name: &str| document["metadata"][name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", field("namespace"), field("name"))
}

/// The type's member of a resource, and Icinga's type.
pub fn member(document: &Value) -> (&'static str, &'static str) {
    let members: Vec<_> =
        MEMBERS.into_iter().filter(|(member, _)| !document["spec"][member].is_null()).collect();
    assert_eq!(members.len(), 1, "{}", resource(document));
    members[0]
}

/// Attributes of an object.
#[derive(Clone, Default)]
struct Attributes {
    values: Map<String, Value>,
    /// Whether a template that is not among the documents may add to them.
    open: bool,
}

/// What a set of resources declares.
#[derive(Default)]
pub struct Declared {
    /// By type and full name.
    objects: BTreeMap<(String, String), Attributes>,
    /// By type and the rule's name, which several may have.
    rules: BTreeMap<(String, String), Vec<Rule>>,
}

/// A rule that makes objects.
struct Rule {
    /// What each of them has.
    attributes: Attributes,
    /// `apply`
    apply: Value,
}

/// Key and value of an entry.
type Entry = (String, Value);

impl Declared {
    pub fn of(documents: &[Value]) -> Self {
        let is_template = |document: &Value| document["spec"]["template"] == json!(true);
        let mut templates = BTreeMap::new();
        // A command is a template for others.
        let is_imported = |document: &Value| is_template(document) || member(document).1.ends_with("Command");
        for document in documents.iter().filter(|document| is_imported(document)) {
            templates.insert((member(document).1, name(document)), document);
        }
        let mut declared = Self::default();
        for document in documents.iter().filter(|document| !is_template(document)) {
            let (field, kind) = member(document);
            let mut attributes = Attributes::default();
            gather(document, &templates, &mut attributes);
            let mut full_name = name(document);
            let apply = &document["spec"][field]["apply"];
            if !apply.is_null() {
                let rule = Rule { attributes, apply: apply.clone() };
                declared.rules.entry((kind.to_owned(), full_name)).or_default().push(rule);
                continue;
            }
            for place in ["serviceName", "hostName", "childServiceName", "childHostName"] {
                if let Some(place) = document["spec"][field][place].as_str() {
                    full_name = format!("{place}!{full_name}");
                }
            }
            let before = declared.objects.insert((kind.to_owned(), full_name.clone()), attributes);
            assert!(before.is_none(), "{kind} {full_name:?} is declared twice");
        }
        declared
    }

    /// Attributes of an object by each rule that makes one of this name. Which rule goes first is
    /// shown by a case of `cases/`, and not known here.
    fn of_rules(&self, icinga: &Icinga, object: &Object) -> Vec<Attributes> {
        let of_type = self.rules.iter().filter(|((kind, _), _)| *kind == object.kind);
        let each = of_type.flat_map(|((_, name), rules)| rules.iter().map(move |rule| (name, rule)));
        each.filter_map(|(name, rule)| self.of_rule(icinga, object, name, rule)).collect()
    }

    /// Attributes of an object if this rule may make it.
    fn of_rule(&self, icinga: &Icinga, object: &Object, name: &str, rule: &Rule) -> Option<Attributes> {
        let short = object.properties["name"].as_str().unwrap();
        let for_each = &rule.apply["forEach"];
        let (mut attributes, entry) = if for_each.is_null() {
            (short == name).then(|| (rule.attributes.clone(), None))?
        } else {
            let default = format!("{name} ");
            let key = short.strip_prefix(for_each["prefix"].as_str().unwrap_or(&default))?;
            let (attributes, entry) = self.of_entry(object, rule, key)?;
            (attributes, Some(entry))
        };
        let items = &rule.apply["set"];
        if !items.is_null() {
            let parts: Vec<_> = object.name.split('!').collect();
            let host = &self.objects.get(&("Host".to_owned(), parts[0].to_owned()))?.values;
            let place = Place {
                host: parts[0],
                vars: &host.get("vars").cloned().unwrap_or_default(),
                service: (parts.len() == 3).then(|| parts[1]),
                entry: entry.as_ref().map(|(key, value)| (key.as_str(), value)),
                exists: &|kind, name| {
                    let key = (kind.to_owned(), name.to_owned());
                    self.objects.contains_key(&key) || icinga.shipped.contains(&key)
                },
                is_near: &|endpoint| {
                    host.get("zone").is_some_and(|zone| {
                        self.objects.iter().any(|((kind, name), attributes)| {
                            let of = |key: &str| attributes.values.get(key).unwrap_or(&Value::Null);
                            let has =
                                of("endpoints").as_array().is_some_and(|all| all.contains(&json!(endpoint)));
                            kind == "Zone" && has && (zone == name || zone == of("parent"))
                        })
                    })
                },
            };
            place.set(items, &mut attributes.values);
        }
        Some(attributes)
    }

    /// Attributes of an object that a rule makes for an entry of a custom variable of a host.
    fn of_entry(&self, object: &Object, rule: &Rule, key: &str) -> Option<(Attributes, Entry)> {
        let for_each = &rule.apply["forEach"];
        let host = object.name.split('!').next().unwrap();
        let host = self.objects.get(&("Host".to_owned(), host.to_owned()))?;
        let path = for_each["in"].as_str().unwrap().strip_prefix("host.vars.")?;
        let entries = path.split('.').try_fold(&host.values["vars"], |value, key| value.get(key))?;
        let mut attributes = rule.attributes.clone();
        let mut vars = attributes.values.remove("vars").unwrap_or(json!({}));
        let keys = vars.as_object_mut().unwrap();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (as_text, value) = match entries {
            Value::Object(entries) => {
                let entry = entries.get(key)?;
                keys.extend(entry.as_object().cloned().unwrap_or_default());
                keys.extend(
                    for_each["valueVar"].as_str().map(|variable| (variable.to_owned(), entry.clone())),
                );
                (key.replace('$', "$$"), entry.clone())
            }
            Value::Array(entries) => {
                // A number stays a number.
                let entry = entries.iter().find(|entry| text(entry) == key)?;
                keys.extend(
                    for_each["valueVar"].as_str().map(|variable| (variable.to_owned(), entry.clone())),
                );
                (text(entry), entry.clone())
            }
            _ => return None,
        };
        if let Some(variable) = for_each["keyVar"].as_str() {
            keys.insert(variable.to_owned(), json!(as_text));
        }
        if !keys.is_empty() {
            attributes.values.insert("vars".into(), vars);
        }
        Some((attributes, (key.to_owned(), value)))
    }

    /// Everything that is declared is there with exactly these values, what is not declared has
    /// Icinga's defaults, and nothing else is there but what the rules make: `applied` has `Type
    /// host!name` of each, if that is in question.
    pub fn compare(
        &self,
        icinga: &Icinga,
        understood: &[Object],
        applied: Option<&BTreeSet<&str>>,
    ) -> Result<(), String> {
        let mut wrong = Vec::new();
        let mut missing: BTreeSet<_> = self.objects.keys().cloned().collect();
        let mut seen_applied: BTreeSet<String> = BTreeSet::new();
        for object in understood {
            let key = (object.kind.clone(), object.name.clone());
            let candidates = match self.objects.get(&key) {
                Some(attributes) => vec![attributes.clone()],
                None => self.of_rules(icinga, object),
            };
            let is_applied = !missing.remove(&key);
            let each = candidates.iter().map(|one| differences(icinga, object, one, is_applied));
            match each.min_by_key(Vec::len) {
                Some(differences) => wrong.extend(differences),
                None => {
                    wrong.push(format!("{} {:?} is there, and nobody declared it", object.kind, object.name));
                    continue;
                }
            }
            if is_applied {
                seen_applied.insert(format!("{} {}", object.kind, object.name));
            }
        }
        wrong.extend(missing.iter().map(|(kind, name)| format!("{kind} {name:?} is not there")));
        let applied = match applied {
            Some(applied) => applied.iter().map(ToString::to_string).collect(),
            None => seen_applied.clone(),
        };
        wrong.extend(
            seen_applied.difference(&applied).map(|name| format!("{name:?} is applied and should not be")),
        );
        wrong.extend(
            applied.difference(&seen_applied).map(|name| format!("{name:?} should be applied and is not")),
        );
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

/// How an object that Icinga understood differs from what a declaration wants of it.
fn differences(icinga: &Icinga, object: &Object, wanted: &Attributes, is_applied: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (attribute, value) in &wanted.values {
        let understood = object.properties.get(attribute).unwrap_or(&Value::Null);
        let equal = match (value, understood) {
            (Value::Object(part), Value::Object(whole)) if wanted.open => {
                part.iter().all(|(key, value)| whole.get(key).is_some_and(|other| same(value, other)))
            }
            _ => same(value, understood),
        };
        if !equal {
            wrong.push(difference(object, attribute, value, understood));
        }
    }
    for (attribute, understood) in &object.properties {
        let known = wanted.values.contains_key(attribute) || wanted.open;
        if known
            || IDENTITY.contains(&attribute.as_str())
            || (is_applied && PLACE.contains(&attribute.as_str()))
        {
            continue;
        }
        let default = match attribute.as_str() {
            "display_name" => &object.properties["name"],
            _ => &icinga.reference[&object.kind][attribute],
        };
        if !same(default, understood) {
            wrong.push(difference(object, attribute, default, understood));
        }
    }
    wrong
}

fn difference(object: &Object, attribute: &str, wanted: &Value, understood: &Value) -> String {
    format!(
        "{} {:?}: {attribute}\n  declared:   {wanted}\n  understood: {understood}",
        object.kind, object.name
    )
}

fn name(document: &Value) -> String {
    let name = document["spec"]["name"].as_str().or(document["metadata"]["name"].as_str());
    name.unwrap().to_owned()
}

/// Templates first, in order; later values win, dictionaries add up.
fn gather(document: &Value, templates: &BTreeMap<(&str, String), &Value>, to: &mut Attributes) {
    let (field, kind) = member(document);
    let fields = document["spec"][field].as_object().unwrap();
    for import in fields.get("imports").and_then(Value::as_array).into_iter().flatten() {
        match templates.get(&(kind, import.as_str().unwrap().to_owned())) {
            Some(template) => gather(template, templates, to),
            // It is of the library, and may set what an earlier one has set.
            None => {
                to.open = true;
                to.values.remove("command");
            }
        }
    }
    if let Some(zone) = document["spec"].get("zone") {
        to.values.insert("zone".into(), zone.clone());
    }
    for path in fields.get("unset").and_then(Value::as_array).into_iter().flatten() {
        take_back(&mut to.values, path.as_str().unwrap());
    }
    for (field, value) in fields.iter().filter(|(field, _)| !STATEMENTS.contains(&field.as_str())) {
        let value = match (field.as_str(), value) {
            (field, Value::String(text)) if DURATIONS.contains(&field) => json!(seconds(text).unwrap()),
            ("times", Value::Object(times)) => {
                let seconds = |(key, text): (&String, &Value)| {
                    (key.clone(), json!(seconds(text.as_str().unwrap()).unwrap()))
                };
                times.iter().map(seconds).collect::<Map<_, _>>().into()
            }
            ("port", value) => json!(value.to_string()),
            ("arguments", Value::Object(arguments)) => {
                let snake_keys = |argument: &Value| -> Value {
                    let Some(fields) = argument.as_object() else { return argument.clone() };
                    let fields = fields.iter();
                    fields.map(|(key, value)| (snake_case(key), value.clone())).collect::<Map<_, _>>().into()
                };
                arguments
                    .iter()
                    .map(|(key, argument)| (key.clone(), constants(&snake_keys(argument))))
                    .collect::<Map<_, _>>()
                    .into()
            }
            ("command", command) if kind.ends_with("Command") => constants(command),
            ("env", env) => constants(env),
            // An empty one is left out, and says nothing.
            (_, Value::Object(map)) if map.is_empty() => continue,
            (_, Value::Array(items)) if items.is_empty() => continue,
            (_, value) => value.clone(),
        };
        match (to.values.get_mut(&snake_case(field)), value) {
            (Some(before), Value::Object(more)) if field == "vars" => merge(before, more),
            (Some(Value::Object(before)), Value::Object(more)) if ADDED.contains(&field.as_str()) => {
                before.extend(more);
            }
            (_, value) => {
                to.values.insert(snake_case(field), value);
            }
        }
    }
    if let Some(Value::Array(more)) = fields.get("addGroups")
        && !more.is_empty()
    {
        let groups = to.values.entry("groups").or_insert(json!([]));
        groups.as_array_mut().unwrap().extend(more.clone());
    }
}

/// Values with what the constants of the suite's configuration are.
fn constants(value: &Value) -> Value {
    let values = [
        ("$PluginDir$", "/"),
        ("$ConfigDir$", "/etc/icinga2"),
        ("$NscpPath$", "(this Icinga has no constant NscpPath)"),
    ];
    match value {
        // In `$$PluginDir$$` it is text.
        Value::String(text) if !text.contains("$$P") => {
            values.iter().fold(text.clone(), |text, (constant, value)| text.replace(constant, value)).into()
        }
        Value::Array(items) => items.iter().map(constants).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), constants(value))).collect(),
        value => value.clone(),
    }
}

/// Removes a field, or an entry of a dictionary: `vars.disks["/"]`.
fn take_back(values: &mut Map<String, Value>, path: &str) {
    let mut keys: Vec<_> = path.split(['.', '[', ']']).filter(|key| !key.is_empty()).collect();
    let last = keys.pop().unwrap();
    let mut at = Some(values);
    let mut is_field = true;
    for key in keys {
        let key = if is_field { snake_case(key) } else { key.trim_matches('"').to_owned() };
        is_field = false;
        at = at.and_then(|at| at.get_mut(&key)).and_then(Value::as_object_mut);
    }
    if let Some(at) = at {
        at.remove(&if is_field { snake_case(last) } else { last.trim_matches('"').to_owned() });
    }
}

/// Dictionaries add up at every depth; everything else replaces.
fn merge(before: &mut Value, more: Map<String, Value>) {
    if !before.is_object() {
        *before = json!({});
    }
    for (key, value) in more {
        match value {
            Value::Object(more) => merge(&mut before[key.as_str()], more),
            value => before[key.as_str()] = value,
        }
    }
}

/// Equal, however the numbers are written. `b` was read from JSON by `serde_json`, which may miss
/// the nearest double; so `a` is written and read in the same way.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64() || serde_json::from_str::<f64>(&a.to_string()).ok() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
