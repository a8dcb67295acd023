//! The differences between the objects of two configurations.

use super::normal::{has_function, is_compared, normal};
use super::objects::{Effective, Id, Objects, Place};
use crate::text::clean;
use serde_json::Value;

/// Longest value that is shown, in bytes.
const VALUE_MAX: usize = 200;
/// Most differences of one object that are kept.
const DIFFERENCES_MAX: usize = 100;
/// Parts of the names of values that are not shown.
const SECRET: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "community", "api_key", "apikey"];

/// One side of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The value as JSON, cut and cleaned. None if it is not set.
    pub value: Option<String>,
    /// Where the value, or else the object, is set.
    pub place: Place,
}

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The attribute, and the entry in it: `vars.disks["/"].warn`.
    pub path: String,
    /// Its first side.
    pub old: Side,
    /// Its second side.
    pub new: Side,
}

/// An object that both sides have, with other values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The object.
    pub id: Id,
    /// The values, at most 100.
    pub differences: Vec<Difference>,
    /// How many more values differ.
    pub more: usize,
}

/// How the objects of two configurations differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Number of objects that are equal on both sides.
    pub equal: usize,
    /// The objects that only the first side has.
    pub only_old: Vec<(Id, Place)>,
    /// The objects that only the second side has.
    pub only_new: Vec<(Id, Place)>,
    /// The objects that have other values.
    pub changed: Vec<Changed>,
    /// Objects, equal otherwise, with attributes that are functions of Icinga's language on both
    /// sides: Icinga does not say what they do.
    pub unknown: Vec<(Id, String)>,
}

impl Comparison {
    /// True if nothing differs, as far as that can be seen.
    pub fn is_same(&self) -> bool {
        self.only_old.is_empty() && self.only_new.is_empty() && self.changed.is_empty()
    }

    /// Returns how many objects differ.
    pub fn differing(&self) -> usize {
        self.only_old.len() + self.only_new.len() + self.changed.len()
    }
}

/// Compares every object and every attribute. `wanted` chooses the objects.
pub fn compare(old: &Objects, new: &Objects, wanted: impl Fn(&Id) -> bool) -> Comparison {
    let mut comparison = Comparison::default();
    let place = |objects: &Objects, id: &Id| objects.get(id).map(|object| object.place).unwrap_or_default();
    for id in new.ids().filter(|id| wanted(id) && !old.contains(id)) {
        comparison.only_new.push((id.clone(), place(new, id)));
    }
    for id in old.ids().filter(|id| wanted(id)) {
        if old.same_record(new, id) {
            comparison.equal += 1;
            continue;
        }
        let Some((one, other)) = old.get(id).zip(new.get(id)) else {
            comparison.only_old.push((id.clone(), place(old, id)));
            continue;
        };
        let mut walk = Walk { old: &one, new: &other, found: Vec::new(), more: 0, unknown: Vec::new() };
        walk.attributes();
        if walk.found.is_empty() {
            comparison.equal += 1;
            comparison.unknown.extend(walk.unknown.into_iter().map(|path| (id.clone(), path)));
        } else {
            let (differences, more) = (walk.found, walk.more);
            comparison.changed.push(Changed { id: id.clone(), differences, more });
        }
    }
    comparison
}

/// The comparison of one object.
struct Walk<'a> {
    old: &'a Effective,
    new: &'a Effective,
    found: Vec<Difference>,
    more: usize,
    unknown: Vec<String>,
}

impl Walk<'_> {
    fn attributes(&mut self) {
        let (old, new) = (&self.old.attributes, &self.new.attributes);
        let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for name in names.into_iter().filter(|name| is_compared(name)) {
            // An attribute that one generation of Icinga does not have yet is null there.
            let [one, other] =
                [old, new].map(|side| side.get(name).map_or(Value::Null, |value| normal(name, value)));
            if one != other {
                self.values(&mut vec![name], &one, &other);
            } else if has_function(&one) && self.old.place_of(&[name]) != self.new.place_of(&[name]) {
                self.unknown.push(name.clone());
            }
        }
    }

    /// Adds what differs in two values, which are not equal.
    fn values<'v>(&mut self, path: &mut Vec<&'v str>, old: &'v Value, new: &'v Value) {
        static NOTHING: Value = Value::Null;
        if let (Some(one), Some(other)) = (entries(old), entries(new)) {
            let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                let (one, other) = (one.get(name), other.get(name));
                if one == other {
                    continue;
                }
                path.push(name);
                match (one, other) {
                    (Some(one), Some(other)) => self.values(path, one, other),
                    (one, other) => self.add(path, one, other),
                }
                path.pop();
            }
            return;
        }
        let set = |value: &'v Value| (path.len() > 1 || *value != NOTHING).then_some(value);
        self.add(path, set(old), set(new));
    }

    fn add(&mut self, path: &[&str], old: Option<&Value>, new: Option<&Value>) {
        if self.found.len() == DIFFERENCES_MAX {
            self.more += 1;
            return;
        }
        let is_secret = path.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            SECRET.iter().any(|part| name.contains(part))
        });
        let side = |object: &Effective, value: Option<&Value>| {
            let show = |value: &Value| {
                if is_secret { "(a secret)".to_owned() } else { clean(&shown(value), VALUE_MAX) }
            };
            Side { value: value.map(show), place: object.place_of(path) }
        };
        let (old, new) = (side(self.old, old), side(self.new, new));
        self.found.push(Difference { path: written(path), old, new });
    }
}

fn entries(value: &Value) -> Option<&serde_json::Map<String, Value>> {
    value.as_object().filter(|_| !has_function(value))
}

/// Returns a value as people write it: whole numbers without a fraction.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |float| float.to_string())
        }
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(_) if has_function(value) => "(a function)".to_owned(),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(name, value)| format!("{name:?}: {}", shown(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

/// Returns a path as Icinga's language writes it.
fn written(path: &[&str]) -> String {
    let mut out = String::new();
    for name in path {
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match (plain, out.is_empty()) {
            (true, true) => out.push_str(name),
            (true, false) => out.push_str(&format!(".{name}")),
            (false, _) => out.push_str(&format!("[{:?}]", clean(name, 64))),
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests;
