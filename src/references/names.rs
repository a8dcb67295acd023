//! Who provides and who uses each name.

use crate::identity::ObjectKey;
use crate::render::Rendered;
use crate::validate::Name;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Every name that some content provides, passes on or uses. The contents of one resource count as one: a name that both its visible
/// and its waiting content have is there once.
#[derive(Default)]
pub(super) struct Names(HashMap<Name, Entry>);

#[derive(Default)]
struct Entry {
    exclusive: Keys,
    shared: Keys,
    users: Keys,
}

impl Names {
    /// Resources that claim a name for themselves alone.
    pub fn exclusive(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.0.get(name).into_iter().flat_map(|entry| entry.exclusive.iter())
    }

    /// Resources that claim a name beside others.
    pub fn shared(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.0.get(name).into_iter().flat_map(|entry| entry.shared.iter())
    }

    /// Resources that claim a name in either way.
    pub fn claimants(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.0.get(name).into_iter().flat_map(|entry| entry.exclusive.iter().chain(entry.shared.iter()))
    }

    /// Resources that use a name.
    pub fn users(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.0.get(name).into_iter().flat_map(|entry| entry.users.iter())
    }

    /// Takes note that the contents of a resource are others now. Returns the names whose claim came, went or became another.
    pub fn replace(
        &mut self,
        key: &ObjectKey,
        before: &[Arc<Rendered>],
        after: &[Arc<Rendered>],
    ) -> HashSet<Name> {
        let (claims_before, uses_before) = names_of(before);
        let (claims_after, uses_after) = names_of(after);
        let mut changed = HashSet::new();
        for (name, exclusive) in claims_before.difference(&claims_after) {
            self.change(name, |entry| entry.claimants_mut(*exclusive).remove(key));
            changed.insert((*name).clone());
        }
        for (name, exclusive) in claims_after.difference(&claims_before) {
            self.change(name, |entry| entry.claimants_mut(*exclusive).insert(key));
            changed.insert((*name).clone());
        }
        for name in uses_before.difference(&uses_after) {
            self.change(name, |entry| entry.users.remove(key));
        }
        for name in uses_after.difference(&uses_before) {
            self.change(name, |entry| entry.users.insert(key));
        }
        changed
    }

    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Entry)) {
        let entry = match self.0.get_mut(name) {
            Some(entry) => entry,
            None => self.0.entry(name.clone()).or_default(),
        };
        change(entry);
        if entry.is_unused() {
            self.0.remove(name);
        }
    }

    /// Whether a name is kept although nobody has it.
    #[cfg(test)]
    pub fn keeps_unused(&self) -> bool {
        self.0.values().any(Entry::is_unused)
    }
}

impl Entry {
    fn claimants_mut(&mut self, exclusive: bool) -> &mut Keys {
        if exclusive { &mut self.exclusive } else { &mut self.shared }
    }

    fn is_unused(&self) -> bool {
        [&self.exclusive, &self.shared, &self.users].into_iter().all(|keys| matches!(keys, Keys::None))
    }
}

fn names_of(contents: &[Arc<Rendered>]) -> (HashSet<(&Name, bool)>, HashSet<&Name>) {
    let claims = contents.iter().flat_map(|content| content.claims()).collect();
    let uses = contents.iter().flat_map(|content| content.uses()).flat_map(|needed| &needed.any_of);
    let relayed = contents.iter().flat_map(|content| content.relays()).flat_map(|relay| &relay.given);
    (claims, uses.chain(relayed.flatten()).collect())
}

/// A set of resources. Most names have one claimant and no user, and there are more names than resources, so the empty set
/// and the set of one cost no allocation, and little room.
#[derive(Default)]
#[allow(clippy::box_collection, reason = "the set itself would make every name three times as large")]
enum Keys {
    #[default]
    None,
    One(ObjectKey),
    Many(Box<HashSet<ObjectKey>>),
}

impl Keys {
    fn iter(&self) -> impl Iterator<Item = &ObjectKey> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(key) => (Some(key), None),
            Self::Many(keys) => (None, Some(keys.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn insert(&mut self, key: &ObjectKey) {
        match self {
            Self::None => *self = Self::One(key.clone()),
            Self::One(other) if other == key => {}
            Self::One(other) => *self = Self::Many(Box::new([other.clone(), key.clone()].into())),
            Self::Many(keys) => drop(keys.insert(key.clone())),
        }
    }

    fn remove(&mut self, key: &ObjectKey) {
        match self {
            Self::One(other) if other == key => *self = Self::None,
            Self::Many(keys) => {
                keys.remove(key);
                if keys.len() == 1 {
                    *self = keys.iter().next().cloned().map_or(Self::None, Self::One);
                }
            }
            Self::None | Self::One(_) => {}
        }
    }
}
