//! The knowledge of a delivery about its satellite: the pointer, the verified shards, and which of
//! them are garbage.

use super::super::inventory::{Item, number};
use super::super::order::SeenShard;
use super::super::requests::Identity;
use super::Delivery;
use crate::snapshot::Shard;
use crate::snapshot::pointer::{self, Destination, FoundPointer};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeSet;
use std::time::Duration;

/// For how long a verified shard counts as present if changes cannot be followed (the Role lacks
/// `list` or `watch`).
const TRUST: Duration = Duration::from_mins(5);

/// The pointer as last read or written.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    pub uid: Option<String>,
    pub version: Option<String>,
    pub is_immutable: bool,
    pub held: FoundPointer,
}

impl Pointer {
    pub fn of(pointer: &ConfigMap, target: &Destination) -> Self {
        Self {
            uid: pointer.metadata.uid.clone(),
            version: pointer.metadata.resource_version.clone(),
            is_immutable: pointer.immutable == Some(true),
            held: pointer::read(pointer, target),
        }
    }

    fn number(&self) -> u64 {
        number(self.version.as_deref().unwrap_or_default())
    }
}

impl Delivery {
    pub(super) fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.target.namespace)
    }

    pub(super) fn held(&self) -> Option<&FoundPointer> {
        self.pointer.as_ref()?.as_ref().map(|pointer| &pointer.held)
    }

    /// The pointer, if it is ours and can be read.
    fn readable(&self) -> Option<&FoundPointer> {
        self.held().filter(|held| held.ours && held.form.is_some())
    }

    /// Takes the pointer as it was read.
    pub(super) fn found(&mut self, found: Option<Pointer>) {
        let is_same = |(uid, version): &(String, u64)| {
            found.as_ref().is_some_and(|found| found.uid.as_ref() == Some(uid) && found.number() >= *version)
        };
        if !self.known_before.as_ref().is_none_or(is_same) {
            // The pointer was deleted, or this is another cluster or an older state of it. Trust
            // no earlier reading of a shard, and list everything again.
            self.seen.forget_all();
            self.follow_anew();
        }
        self.know(found);
    }

    pub(super) fn know(&mut self, pointer: Option<Pointer>) {
        self.known_before = pointer.as_ref().and_then(|found| Some((found.uid.clone()?, found.number())));
        self.pointer = Some(pointer);
    }

    /// True if the watch reported a pointer that differs from the known one.
    pub(super) fn is_pointer_changed(&self) -> bool {
        if self.inventory.listed.is_none() {
            return false;
        }
        let Some(known) = &self.pointer else { return false };
        let listed = self.inventory.items.get(&self.target.name);
        match (known, listed) {
            (Some(known), None) => self.inventory.deleted.get(&self.target.name) == known.uid.as_ref(),
            (Some(known), Some(listed)) => {
                // The event of our own earlier write may arrive late.
                let version = known.version.as_deref().unwrap_or_default();
                let is_late =
                    number(&listed.version) <= number(version) && known.uid.as_ref() == Some(&listed.uid);
                !is_late && listed.version != version
            }
            (None, listed) => listed.is_some(),
        }
    }

    /// True if the shard was verified and no operator may treat it as garbage.
    pub(super) fn is_there(&self, name: &str) -> bool {
        let held = self.readable().filter(|held| !held.keeps(name));
        let pointer = held.and_then(|held| held.revision);
        self.recently_seen(name).is_some_and(|seen| {
            pointer.is_none_or(|pointer| seen.wanted().is_some_and(|wanted| wanted >= pointer))
        })
    }

    /// Returns the shard of this name if it was verified and has been watched since. Where changes
    /// cannot be followed, a verification counts for a while.
    pub(super) fn recently_seen(&self, name: &str) -> Option<&SeenShard> {
        self.seen.get(name).filter(|seen| {
            self.inventory.listed.is_some()
                || self.inventory.lost.is_none_or(|lost| seen.asked() > lost)
                    && self.now.saturating_sub(seen.asked()) < TRUST
        })
    }

    /// Returns the shards of the previous pointer that the next one does not name. If the previous
    /// pointer cannot be read, returns all shards that exist.
    pub(super) fn previous(
        &self,
        shards: &[Shard],
        is_same_set: impl Fn(&FoundPointer) -> bool,
    ) -> BTreeSet<String> {
        let named: BTreeSet<String> = shards.iter().map(|shard| shard.name(&self.target.name)).collect();
        let before: BTreeSet<String> = match self.readable() {
            // Someone changed the pointer, and the same set is written again: keep the same
            // previous shards.
            Some(held) if held.shards == named && is_same_set(held) => held.previous.clone(),
            Some(held) => held.shards.clone(),
            None => {
                let items = self.inventory.items.iter().filter(|(_, item)| item.is_shard);
                items.map(|(name, _)| name.clone()).collect()
            }
        };
        before.difference(&named).cloned().collect()
    }

    /// Returns the garbage: shards that neither the pointer nor the previous one names, and that
    /// no next one is being prepared with.
    pub(super) fn garbage(&self) -> Vec<Identity> {
        let Some(held) = self.readable() else { return Vec::new() };
        let Some(revision) = held.revision.filter(|_| self.inventory.listed.is_some()) else {
            return Vec::new();
        };
        let is_of_pointer = |name: &str| {
            let digits = name.strip_prefix(&self.target.name).and_then(|rest| rest.strip_prefix('-'));
            digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let items = self.inventory.items.iter().filter(|(name, item)| {
            // A shard that this revision or a newer one uses belongs to a pointer that is about to
            // be written. (If the acceptance of a satellite changes, its pointer is written again
            // at the same revision.) A shard of another pointer's name belongs to that pointer,
            // which stays where `spec.target.name` was changed.
            item.is_shard
                && item.revision.is_none_or(|wanted| wanted < revision)
                && is_of_pointer(name)
                && !held.keeps(name)
        });
        let identity = |(name, item): (&String, &Item)| Identity {
            name: name.clone(),
            uid: Some(item.uid.clone()),
            version: Some(item.version.clone()),
        };
        items.map(identity).collect()
    }
}
