//! The names of a snapshot: the contents that provide each, and those that refer to it. All views
//! that leave objects out share one.

use super::set::{Difference, Snapshot};
use crate::references::Few;
use crate::render::Rendered;
use crate::validate::Name;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The names of one snapshot. Moving to any other snapshot costs only the differences between the
/// two.
#[derive(Default)]
pub struct SnapshotNames {
    /// None before the first snapshot.
    seen: Option<Snapshot>,
    entries: HashMap<Name, Entry>,
    /// Contents that pass on a fact because of a name. Few names have any.
    relayers: HashMap<Name, Few<Content>>,
}

#[derive(Default)]
struct Entry {
    /// Contents that provide the name or pass it on.
    providers: Few<Content>,
    referrers: Few<Content>,
}

/// A content of the snapshot. Two are equal if they are the same allocation, which the buckets of
/// snapshots share.
#[derive(Clone)]
struct Content(Arc<Rendered>);

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Content {}

impl Hash for Content {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl SnapshotNames {
    /// Moves to a snapshot, which may be newer or older.
    pub(super) fn move_to(&mut self, snapshot: &Snapshot) {
        let seen = self.seen.take().unwrap_or_else(Snapshot::empty);
        let buckets = snapshot.changed_buckets(&seen);
        for Difference { old, new } in snapshot.differences(&seen, &buckets) {
            if let Some(old) = old {
                self.remove(&Content(old));
            }
            if let Some(new) = new {
                self.insert(&Content(new));
            }
        }
        self.seen = Some(snapshot.clone());
    }

    /// Returns the contents that provide a name or pass it on. None if the whole snapshot has
    /// none.
    pub(super) fn providers(&self, name: &Name) -> Option<impl Iterator<Item = &Arc<Rendered>>> {
        let providers = &self.entries.get(name)?.providers;
        (!providers.is_empty()).then(|| providers.iter().map(|content| &content.0))
    }

    /// Returns the contents that may lose or gain a reference with a name: those that refer to it,
    /// or to a fact that templates pass on because of it.
    pub(super) fn referrers<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Arc<Rendered>> {
        let mut names = vec![name];
        let mut seen = HashSet::from([name]);
        let mut at = 0;
        while let Some(name) = names.get(at).copied() {
            at += 1;
            for relay in
                self.relayers.get(name).into_iter().flat_map(Few::iter).flat_map(|content| content.0.relays())
            {
                if relay.given.iter().flatten().any(|given| given == name) && seen.insert(&relay.name) {
                    names.push(&relay.name);
                }
            }
        }
        let entries = names.into_iter().filter_map(|name| self.entries.get(name));
        entries.flat_map(|entry| entry.referrers.iter()).map(|content| &content.0)
    }

    fn insert(&mut self, content: &Content) {
        for (name, _) in content.0.names() {
            self.entries.entry(name.clone()).or_default().providers.insert(content.clone());
        }
        for name in referred(&content.0) {
            self.entries.entry(name.clone()).or_default().referrers.insert(content.clone());
        }
        for name in given(&content.0) {
            self.relayers.entry(name.clone()).or_default().insert(content.clone());
        }
    }

    fn remove(&mut self, content: &Content) {
        for (name, _) in content.0.names() {
            self.change(name, |entry| entry.providers.remove(content));
        }
        for name in referred(&content.0) {
            self.change(name, |entry| entry.referrers.remove(content));
        }
        for name in given(&content.0) {
            if let Some(relayers) = self.relayers.get_mut(name) {
                relayers.remove(content);
                if relayers.is_empty() {
                    self.relayers.remove(name);
                }
            }
        }
    }

    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        change(entry);
        if entry.providers.is_empty() && entry.referrers.is_empty() {
            self.entries.remove(name);
        }
    }

    /// True if nothing is kept.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.relayers.is_empty()
    }
}

fn referred(content: &Rendered) -> impl Iterator<Item = &Name> {
    content.uses().iter().flat_map(|needed| &needed.any_of)
}

fn given(content: &Rendered) -> impl Iterator<Item = &Name> {
    content.relays().iter().flat_map(|relay| &relay.given).flatten()
}
