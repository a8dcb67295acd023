//! What conditions read of a host, with its templates.

use super::Part;
use crate::validate::value::Value;
use crate::validate::{Declaration, Form, Unset};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Attributes that conditions read and that a declaration gives. Groups and templates are left
/// out: rules and what stands outside the set add to them.
const FIELDS: [&str; 7] =
    ["display_name", "address", "address6", "check_command", "command_endpoint", "zone", "vars"];
/// Deepest chain of templates. The index holds none that is deeper.
const MAX_DEPTH: usize = 32;

/// Packs what conditions read of a host or a template of hosts.
pub(super) fn pack(declaration: &Declaration) -> Part {
    let mut fields = Map::new();
    for (attribute, value) in &declaration.attributes {
        if FIELDS.contains(attribute) {
            fields.insert((*attribute).to_owned(), to_json(value));
        }
    }
    let unset = declaration.unset.iter().filter_map(|unset| match unset {
        Unset::Attribute(attribute, value) => {
            FIELDS.contains(attribute).then(|| json!([attribute, to_json(value)]))
        }
        Unset::Entry("vars", keys) => Some(json!(keys)).map(|keys| json!({ "keys": keys })),
        Unset::Entry(..) => None,
    });
    let mut all = Map::new();
    let mut note = |name: &str, value: Json, is_there: bool| {
        if is_there {
            all.insert(name.to_owned(), value);
        }
    };
    note("name", json!(declaration.name), true);
    note("imports", json!(declaration.imports), !declaration.imports.is_empty());
    let unset: Vec<_> = unset.collect();
    let has_unset = !unset.is_empty();
    note("unset", unset.into(), has_unset);
    let has_fields = !fields.is_empty();
    note("fields", fields.into(), has_fields);
    Part::Host { is_template: declaration.form == Form::Template, packed: Json::from(all).to_string().into() }
}

/// A host with all that its templates give it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// Icinga's name.
    pub name: String,
    fields: BTreeMap<&'static str, Value>,
}

impl Host {
    /// Returns the host of a packed declaration. `template` returns the packed template of a name.
    /// None if the host imports a template that is not known, or the text is no packed host.
    pub fn unpack(packed: &str, template: &dyn Fn(&str) -> Option<Box<str>>) -> Option<Self> {
        let json: Json = serde_json::from_str(packed).ok()?;
        let name = json["name"].as_str()?.to_owned();
        let mut host = Self { name, fields: BTreeMap::new() };
        for field in FIELDS {
            host.fields.insert(field, Value::String(String::new()));
        }
        host.fields.insert("vars", Value::Null);
        host.body(&json, template, 0)?;
        let name = Value::String(host.name.clone());
        // Icinga shows the name in place of an empty one.
        if host.fields["display_name"] == Value::String(String::new()) {
            host.fields.insert("display_name", name.clone());
        }
        host.fields.insert("name", name);
        Some(host)
    }

    /// Returns the name in a packed declaration.
    pub fn name_of(packed: &str) -> Option<String> {
        let json: Json = serde_json::from_str(packed).ok()?;
        json["name"].as_str().map(str::to_owned)
    }

    /// Takes what one declaration says, behind its templates.
    fn body(&mut self, json: &Json, template: &dyn Fn(&str) -> Option<Box<str>>, depth: usize) -> Option<()> {
        for import in json["imports"].as_array().into_iter().flatten() {
            let packed = template(import.as_str()?).filter(|_| depth < MAX_DEPTH)?;
            self.body(&serde_json::from_str(&packed).ok()?, template, depth + 1)?;
        }
        for unset in json["unset"].as_array().into_iter().flatten() {
            if let Some(keys) = unset["keys"].as_array() {
                let keys: Vec<_> = keys.iter().filter_map(Json::as_str).collect();
                remove(self.fields.get_mut("vars")?, &keys);
            } else {
                let attribute = FIELDS.into_iter().find(|field| Some(*field) == unset[0].as_str())?;
                self.fields.insert(attribute, from_json(&unset[1]));
            }
        }
        for (attribute, value) in json["fields"].as_object().into_iter().flatten() {
            let attribute = FIELDS.into_iter().find(|field| field == attribute)?;
            let value = from_json(value);
            match value {
                Value::Dictionary(entries) => merge(self.fields.get_mut(attribute)?, entries),
                value => {
                    self.fields.insert(attribute, value);
                }
            }
        }
        Some(())
    }

    /// Returns an attribute. None if it is not known.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }
}

/// Adds entries: dictionaries at every depth, and everything else replaces.
fn merge(place: &mut Value, entries: BTreeMap<String, Value>) {
    if !matches!(place, Value::Dictionary(_)) {
        *place = Value::Dictionary(BTreeMap::new());
    }
    let Value::Dictionary(there) = place else { return };
    for (key, value) in entries {
        match value {
            Value::Dictionary(entries) => merge(there.entry(key).or_insert(Value::Null), entries),
            value => {
                there.insert(key, value);
            }
        }
    }
}

/// Removes an entry, if everything above it is a dictionary.
fn remove(place: &mut Value, keys: &[&str]) {
    let Value::Dictionary(entries) = place else { return };
    match keys {
        [] => {}
        [last] => {
            entries.remove(*last);
        }
        [first, rest @ ..] => {
            if let Some(below) = entries.get_mut(*first) {
                remove(below, rest);
            }
        }
    }
}

/// A text with constants of the node is an empty list of parts: it is not known.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(is_true) => json!(is_true),
        Value::Number(number) => json!(number),
        Value::String(text) => json!(text),
        Value::Joined(_) => json!({ "joined": [] }),
        Value::Array(items) => json!([items.iter().map(to_json).collect::<Vec<_>>()]),
        Value::Dictionary(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), to_json(value)));
            json!([[], entries.collect::<Map<_, _>>()])
        }
    }
}

fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is_true) => Value::Boolean(*is_true),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::String(text.clone()),
        Json::Object(_) => Value::Joined(Vec::new()),
        Json::Array(parts) => match &parts[..] {
            [Json::Array(items)] => Value::Array(items.iter().map(from_json).collect()),
            [_, Json::Object(entries)] => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), from_json(value)));
                Value::Dictionary(entries.collect())
            }
            _ => Value::Null,
        },
    }
}
