//! The resources that provide, pass on or use each name.

use super::few::Few;
use crate::identity::ObjectKey;
use crate::render::Rendered;
use crate::validate::Name;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Every name that a content provides, passes on or uses. The visible and the waiting content of a
/// resource count as one: a name that both have is recorded once.
#[derive(Default)]
pub(super) struct Names {
    entries: HashMap<Name, Entry>,
    /// Resources that pass on a fact because of a name. Only facts have any.
    relayers: HashMap<Name, Few<ObjectKey>>,
}

#[derive(Default)]
struct Entry {
    exclusive: Few<ObjectKey>,
    shared: Few<ObjectKey>,
    referrers: Few<ObjectKey>,
}

impl Names {
    /// Returns the resources that provide a name and share it with none.
    pub fn exclusive(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.entries.get(name).into_iter().flat_map(|entry| entry.exclusive.iter())
    }

    /// Returns the resources that provide a name and share it.
    pub fn shared(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.entries.get(name).into_iter().flat_map(|entry| entry.shared.iter())
    }

    /// Returns the resources that provide a name, shared or not.
    pub fn providers(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.entries.get(name).into_iter().flat_map(|entry| entry.exclusive.iter().chain(entry.shared.iter()))
    }

    /// Returns the resources that use a name.
    pub fn referrers(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.entries.get(name).into_iter().flat_map(|entry| entry.referrers.iter())
    }

    /// Returns those of `some` that use a name. Searches the smaller of the two sets.
    pub fn referrers_among<'a>(
        &'a self,
        name: &Name,
        some: impl ExactSizeIterator<Item = &'a ObjectKey>,
        is_one: impl Fn(&ObjectKey) -> bool,
    ) -> Vec<ObjectKey> {
        let Some(Entry { referrers, .. }) = self.entries.get(name) else { return Vec::new() };
        if some.len() < referrers.len() {
            some.filter(|key| referrers.contains(key)).cloned().collect()
        } else {
            referrers.iter().filter(|key| is_one(key)).cloned().collect()
        }
    }

    /// Returns the resources that pass on a fact because of a name.
    pub fn relayers(&self, name: &Name) -> impl Iterator<Item = &ObjectKey> {
        self.relayers.get(name).into_iter().flat_map(Few::iter)
    }

    /// Replaces the contents of a resource. Returns the names that it gained or lost, and whether
    /// it provides each exclusively.
    pub fn replace(
        &mut self,
        key: &ObjectKey,
        before: &[Arc<Rendered>],
        after: &[Arc<Rendered>],
    ) -> Vec<(Name, bool)> {
        let (names_before, uses_before) = names_of(before);
        let (names_after, uses_after) = names_of(after);
        let mut changed = Vec::new();
        for (name, exclusive) in names_before.difference(&names_after) {
            self.change(name, |entry| entry.providers_mut(*exclusive).remove(key));
            changed.push((Name::clone(name), *exclusive));
        }
        for (name, exclusive) in names_after.difference(&names_before) {
            self.change(name, |entry| entry.providers_mut(*exclusive).insert(key.clone()));
            changed.push((Name::clone(name), *exclusive));
        }
        for name in uses_before.difference(&uses_after) {
            self.change(name, |entry| entry.referrers.remove(key));
        }
        for name in uses_after.difference(&uses_before) {
            self.change(name, |entry| entry.referrers.insert(key.clone()));
        }
        for name in given_to(before) {
            if let Some(keys) = self.relayers.get_mut(name) {
                keys.remove(key);
                if keys.is_empty() {
                    self.relayers.remove(name);
                }
            }
        }
        for name in given_to(after) {
            self.relayers.entry(name.clone()).or_default().insert(key.clone());
        }
        changed
    }

    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Entry)) {
        let entry = match self.entries.get_mut(name) {
            Some(entry) => entry,
            None => self.entries.entry(name.clone()).or_default(),
        };
        change(entry);
        if entry.is_unused() {
            self.entries.remove(name);
        }
    }

    /// True if a name is kept that no content has.
    #[cfg(test)]
    pub fn keeps_unused(&self) -> bool {
        self.entries.values().any(Entry::is_unused) || self.relayers.values().any(Few::is_empty)
    }
}

impl Entry {
    fn providers_mut(&mut self, exclusive: bool) -> &mut Few<ObjectKey> {
        if exclusive { &mut self.exclusive } else { &mut self.shared }
    }

    fn is_unused(&self) -> bool {
        [&self.exclusive, &self.shared, &self.referrers].into_iter().all(Few::is_empty)
    }
}

fn names_of(contents: &[Arc<Rendered>]) -> (HashSet<(&Name, bool)>, HashSet<&Name>) {
    let names = contents.iter().flat_map(|content| content.names()).collect();
    let uses = contents.iter().flat_map(|content| content.uses()).flat_map(|needed| &needed.any_of).collect();
    (names, uses)
}

/// Returns the names because of which contents pass on facts.
fn given_to(contents: &[Arc<Rendered>]) -> impl Iterator<Item = &Name> {
    contents.iter().flat_map(|content| content.relays()).flat_map(|relay| &relay.given).flatten()
}
