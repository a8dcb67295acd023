//! `icinga2.debug`: every object with the attributes that Icinga gave it, and where they are set.

use crate::agent::icinga::netstrings::Netstrings;
use crate::text::clean;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};

/// Largest file that is read, in bytes: about a million services.
pub(super) const MOST_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Longest path that is shown, in bytes.
const PATH_MAX: usize = 4_096;

/// Type and full name of an object, such as `Service` and `host!service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The type's name in Icinga's language.
    pub kind: String,
    /// The full name.
    pub name: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, clean(&self.name, 512))
    }
}

/// A place in a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file; of a private directory the path below it.
    pub file: String,
    /// Line, from 1. 0 if unknown.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The objects of one configuration, as Icinga wrote them. Each is parsed when it is asked for:
/// parsed objects would need several times the memory.
#[derive(Debug, Default)]
pub struct Objects {
    records: BTreeMap<Id, Box<[u8]>>,
    /// Those that Icinga brings along.
    shipped: BTreeSet<Id>,
    /// Groups of hosts, services and users, with those that rules of groups added. Icinga evaluates
    /// these rules after it has written the file.
    groups: BTreeMap<Id, Vec<String>>,
    /// Is taken off the beginning of paths.
    root: String,
}

/// Attribute of an object that cannot be parsed.
const WHOLE: &str = "(the whole object)";

/// An object with its attributes.
#[derive(Debug)]
pub struct Effective {
    /// The attributes.
    pub attributes: Map<String, Value>,
    /// Where it, or the rule that made it, is declared.
    pub place: Place,
    hints: Value,
    root: String,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    properties: Name<'a>,
    #[serde(default)]
    debug_info: Value,
}

#[derive(Deserialize)]
struct Name<'a> {
    #[serde(rename = "__name", borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Record {
    properties: Map<String, Value>,
    #[serde(default)]
    debug_info: Value,
    #[serde(default)]
    debug_hints: Value,
}

impl Objects {
    /// Reads the file. `root` with a slash at its end is taken off the beginning of paths; `wanted`
    /// chooses the objects that are kept.
    ///
    /// # Errors
    /// If the source cannot be read, is too large, or is not such a file.
    pub fn read(source: impl BufRead, root: &str, wanted: impl Fn(&Id) -> bool) -> io::Result<Self> {
        let mut stream = Netstrings::new(source, MOST_BYTES);
        let (mut records, mut shipped) = (BTreeMap::new(), BTreeSet::new());
        while let Some(json) = stream.next()? {
            let head: Head<'_> = serde_json::from_slice(&json)?;
            let id = Id { kind: head.kind.into_owned(), name: head.properties.name.into_owned() };
            if place(&head.debug_info, 0, root).is_some_and(|place| is_shipped(&place)) {
                shipped.insert(id.clone());
            }
            if wanted(&id) {
                records.insert(id, json.into_boxed_slice());
            }
        }
        Ok(Self { records, shipped, groups: BTreeMap::new(), root: root.to_owned() })
    }

    /// Adds the groups that hosts, services and users are in, rules of groups included.
    #[must_use]
    pub fn with_groups(mut self, groups: BTreeMap<Id, Vec<String>>) -> Self {
        self.groups = groups;
        self
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns type and name of each, in order.
    pub fn ids(&self) -> impl Iterator<Item = &Id> {
        self.records.keys()
    }

    /// True if there is such an object.
    pub fn contains(&self, id: &Id) -> bool {
        self.records.contains_key(id)
    }

    /// True for an object that Icinga brings along, or that stands in a file directly in the
    /// private directory.
    pub fn is_shipped(&self, id: &Id) -> bool {
        self.shipped.contains(id)
    }

    /// Returns an object. None if there is none. One that cannot be parsed, because it is nested too
    /// deeply, has its whole text as one attribute, so that a difference is still seen.
    pub fn get(&self, id: &Id) -> Option<Effective> {
        let text = self.records.get(id)?;
        let record: Record = serde_json::from_slice(text).unwrap_or_else(|_| Record {
            properties: Map::from_iter([(WHOLE.to_owned(), String::from_utf8_lossy(text).into())]),
            debug_info: Value::Null,
            debug_hints: Value::Null,
        });
        let mut attributes = record.properties;
        if let Some(groups) = self.groups.get(id) {
            attributes.insert("groups".into(), groups.clone().into());
        }
        let place = place(&record.debug_info, 0, &self.root).unwrap_or_default();
        Some(Effective { attributes, place, hints: record.debug_hints, root: self.root.clone() })
    }

    /// Returns where an object, or the rule that made it, is declared.
    pub fn place(&self, id: &Id) -> Option<Place> {
        let head: Head<'_> = serde_json::from_slice(self.records.get(id)?).ok()?;
        place(&head.debug_info, 0, &self.root)
    }

    /// Returns the objects of a type, with their full names.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a Id, Effective)> {
        let first = Id { kind: kind.to_owned(), name: String::new() };
        let ids = self.records.range(first..).map(|(id, _)| id).take_while(move |id| id.kind == kind);
        ids.filter_map(|id| Some((id, self.get(id)?)))
    }

    /// True if both sides have the same record of an object, so that nothing of it can differ.
    pub(super) fn same_record(&self, other: &Self, id: &Id) -> bool {
        self.records.get(id) == other.records.get(id) && self.groups.get(id) == other.groups.get(id)
    }
}

impl Effective {
    /// Returns where an attribute got its value: a path of names, such as `vars` and `disks`. The
    /// last place that Icinga names; that of the object if it names none.
    pub fn place_of(&self, path: &[&str]) -> Place {
        let mut found = None;
        let mut hints = &self.hints;
        for name in path {
            hints = &hints["properties"][*name];
            let last = hints["messages"].as_array().and_then(|messages| messages.last());
            found = last.and_then(|message| place(message, 1, &self.root)).or(found);
        }
        found.unwrap_or_else(|| self.place.clone())
    }

    /// Returns an attribute as text. Empty if it is none.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the texts of a list. Empty if the attribute is no list.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.attributes.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// True unless the attribute is false.
    pub fn is_on(&self, name: &str) -> bool {
        self.attributes.get(name) != Some(&Value::Bool(false))
    }
}

/// True for a file that Icinga brings along, or an object of its own. Files of the set have a
/// relative path with a directory, and those of a user an absolute path.
fn is_shipped(place: &Place) -> bool {
    place.file.contains("/icinga2/include/") || !place.file.contains('/')
}

/// Reads `[FILE, LINE, ..]` from this position of a list.
fn place(list: &Value, at: usize, root: &str) -> Option<Place> {
    let file = list.get(at)?.as_str()?;
    let line = list.get(at + 1)?.as_f64()?;
    let file = clean(file.strip_prefix(root).unwrap_or(file), PATH_MAX);
    Some(Place { file, line: line as u32 })
}
