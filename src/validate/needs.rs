//! What the published set gains by a declaration, and what it must hold for it.

use super::name::Name;
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

/// A need of a declaration: at least one of these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The alternatives; mostly one.
    pub any_of: Box<[Name]>,
    /// True if the provider may in turn need the referrer: an endpoint needs the zone that lists
    /// it.
    pub mutual: bool,
}

impl Use {
    /// Returns the need of one name.
    pub fn one(name: Name) -> Self {
        Self { any_of: [name].into(), mutual: false }
    }
}

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
