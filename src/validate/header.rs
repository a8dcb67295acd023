//! What a declaration provides, passes on and uses; and the header that carries it in a published file.

use super::declaration::Declaration;
use super::link::Link;
use super::name::Name;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A name that a declaration provides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provided {
    /// The name.
    pub name: Name,
    /// Whether nobody else may provide it.
    pub exclusive: bool,
}

impl Provided {
    /// Whether the two cannot be in one set.
    pub fn clashes(&self, other: &Self) -> bool {
        let same = self.name == other.name && (self.exclusive || other.exclusive);
        same || self.name.twin().is_some_and(|twin| twin == other.name)
    }

    /// Whether it cannot be where these names exist without any resource.
    pub fn is_taken(&self, reserved: &HashSet<Name>) -> bool {
        let has_twin = || self.name.twin().is_some_and(|twin| reserved.contains(&twin));
        self.exclusive && (reserved.contains(&self.name) || has_twin())
    }
}

/// Something that a declaration needs: at least one of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Alternatives; mostly one.
    pub any_of: Box<[Name]>,
    /// Whether the provider may in turn need the referrer: an endpoint needs the zone that lists it.
    pub mutual: bool,
}

impl Use {
    /// One name.
    pub fn one(name: Name) -> Self {
        Self { any_of: [name].into(), mutual: false }
    }
}

/// A name that a declaration passes on: a template sets what a template sets that it imports. It must not stand on anything that
/// could need the name; templates do not, they name only what is of other types, or templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// The name.
    pub name: Name,
    /// It is there if, of each of these, at least one is.
    pub given: Box<[Box<[Name]>]>,
}

/// The parts of a declaration that a published file carries in its header, so that the set can be checked, and recovered
/// after a restart, from the files alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Names provided, exclusively.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<String>,
    /// Names provided beside others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<String>,
    /// Names used; each entry is a list of alternatives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Vec<String>>,
    /// Names used by something that is needed in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mutual: Vec<Vec<String>>,
    /// Names passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<Relay>,
    /// Zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What depends on what.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "edge")]
    pub link: Option<Box<Link>>,
}

impl Header {
    /// The header of a declaration.
    pub fn of(declaration: &Declaration) -> Self {
        let provided = |exclusive| {
            let names = declaration.provides.iter().filter(|c| c.exclusive == exclusive);
            names.map(|c| c.name.as_str().to_owned()).collect()
        };
        let uses = |mutual| {
            let uses = declaration.uses.iter().filter(|u| u.mutual == mutual);
            uses.map(|u| u.any_of.iter().map(|n| n.as_str().to_owned()).collect()).collect()
        };
        Self {
            provides: provided(true),
            shares: provided(false),
            uses: uses(false),
            mutual: uses(true),
            relays: declaration.relays.clone(),
            zone: declaration.zone.clone(),
            link: declaration.link.clone(),
        }
    }

    /// What is provided again.
    pub fn all_provided(&self) -> Vec<Provided> {
        let one = |exclusive| move |name: &String| Provided { name: Name::from_header(name), exclusive };
        self.provides.iter().map(one(true)).chain(self.shares.iter().map(one(false))).collect()
    }

    /// The uses again.
    pub fn all_uses(&self) -> Vec<Use> {
        let one = |mutual| {
            move |any_of: &Vec<String>| Use {
                any_of: any_of.iter().map(|n| Name::from_header(n)).collect(),
                mutual,
            }
        };
        self.uses.iter().map(one(false)).chain(self.mutual.iter().map(one(true))).collect()
    }
}
