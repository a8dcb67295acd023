//! The header that carries what a declaration provides and needs in the file that is published of
//! it.

use super::declaration::Declaration;
use super::link::Link;
use super::name::Name;
use super::needs::{Provided, Relay, Use};
use serde::{Deserialize, Serialize};

/// The parts of a declaration that a published file carries in its header, so that the set can be
/// checked, and recovered after a restart, from the files alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Names that no other file may provide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<String>,
    /// Names that other files may provide, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<String>,
    /// Names that the file needs; each entry is a list of alternatives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Vec<String>>,
    /// The same, of providers that may need this file in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mutual: Vec<Vec<String>>,
    /// Names that the file passes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<Relay>,
    /// Zone of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What depends on what.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "edge")]
    pub link: Option<Box<Link>>,
}

impl Header {
    /// Returns the header of a declaration.
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

    /// Returns the names that the file provides.
    pub fn all_provided(&self) -> Vec<Provided> {
        let one = |exclusive| move |name: &String| Provided { name: Name::from_header(name), exclusive };
        self.provides.iter().map(one(true)).chain(self.shares.iter().map(one(false))).collect()
    }

    /// Returns the needs of the file.
    pub fn all_uses(&self) -> Vec<Use> {
        let one = |mutual| {
            move |any_of: &Vec<String>| Use {
                any_of: any_of.iter().map(|n| Name::from_header(n)).collect(),
                mutual,
                field: "",
                kind: None,
            }
        };
        self.uses.iter().map(one(false)).chain(self.mutual.iter().map(one(true))).collect()
    }
}
