//! What the published set gains by a declaration, and what it must hold for it.

use super::name::{IcingaType, Name};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A name that a declaration provides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provided {
    /// The name.
    pub name: Name,
    /// True if no other resource may provide it.
    pub exclusive: bool,
}

impl Provided {
    /// True if the two cannot be in one set.
    pub fn clashes(&self, other: &Self) -> bool {
        let same = self.name == other.name && (self.exclusive || other.exclusive);
        same || self.name.twin().is_some_and(|twin| twin == other.name)
    }

    /// True if it cannot be in a set where these names exist without any resource.
    pub fn is_taken(&self, reserved: &HashSet<Name>) -> bool {
        let has_twin = || self.name.twin().is_some_and(|twin| reserved.contains(&twin));
        self.exclusive && (reserved.contains(&self.name) || has_twin())
    }
}

/// A need of a declaration: at least one of these names. Two are equal if their names are.
#[derive(Clone, Debug)]
pub struct Use {
    /// The alternatives; mostly one.
    pub any_of: Box<[Name]>,
    /// True if the provider may in turn need the referrer: an endpoint needs the zone that lists
    /// it.
    pub mutual: bool,
    /// The field that names it, for messages: one of the type's member, or a whole path. Empty if
    /// no field does, or if the need was read back from a file.
    pub field: &'static str,
    /// The type of the object that needs it. None if it was read back from a file.
    pub kind: Option<IcingaType>,
}

impl Use {
    /// Returns the need of one name.
    pub fn one(name: Name) -> Self {
        Self::any([name].into())
    }

    /// Returns the need of one of these names.
    pub fn any(any_of: Box<[Name]>) -> Self {
        Self { any_of, mutual: false, field: "", kind: None }
    }

    /// Returns the same need with the field that names it.
    pub fn by(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// True if it is a need of facts alone, not of an object or template.
    pub fn is_fact(&self) -> bool {
        self.any_of.iter().all(|name| name.sort().is_none())
    }

    /// Returns the path of the field that names it. None if it is unknown.
    pub fn path(&self) -> Option<String> {
        match self.field {
            "" => None,
            path if path.starts_with("spec.") => Some(path.to_owned()),
            field => self.kind.map(|kind| format!("spec.{}.{field}", kind.member())),
        }
    }
}

impl PartialEq for Use {
    fn eq(&self, other: &Self) -> bool {
        // Without the field: a file that is read back needs the same, and knows no fields.
        (&self.any_of, self.mutual) == (&other.any_of, other.mutual)
    }
}

impl Eq for Use {}

/// A name that a declaration passes on: a template sets everything that the templates set that it
/// imports. It must not depend on anything that could need the name. Templates do not: they name
/// only templates and objects of other types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// The name.
    pub name: Name,
    /// The name exists if, of each of these lists, at least one name does.
    pub given: Box<[Box<[Name]>]>,
}
