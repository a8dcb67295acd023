//! The start: what the scan found, the resources and their statuses are brought together, before any snapshot is cut. With
//! nothing changed this writes nothing.

use super::{Core, Measurement, Part};
use crate::identity::ObjectKey;
use crate::publish::{Content, Scan};
use crate::render::Rendered;
use crate::status::Acknowledged;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many files are decided about at once.
const DECIDED_AT_ONCE: usize = 1_000;

/// What is known between the start and the first complete LIST, and what the first snapshot waits for.
pub(super) struct Recovery {
    found: BTreeMap<ObjectKey, Content>,
    /// Namespaces whose files are not known, and why.
    unread: BTreeMap<String, String>,
    candidates: BTreeMap<ObjectKey, Arc<Rendered>>,
    /// The first LIST was complete: files that no resource claims may be removed now, and not before.
    pub is_listed: bool,
    /// Objects that have a file, or were Ready before, and whose acknowledged bytes are not at hand or must be withdrawn. No
    /// snapshot is cut before each is decided, on the volume and in its status: without one of them others would be left
    /// out, too.
    pub undecided: BTreeSet<ObjectKey>,
    /// Objects that were there before and are decided, but name something that is not acknowledged yet: the catalog does not
    /// have them. The first snapshot waits for that, too, or a satellite would lose them for a moment.
    pub entering: BTreeSet<ObjectKey>,
}

impl Recovery {
    pub fn new(scan: Scan) -> Self {
        Self {
            found: scan.files.into_iter().map(|file| (file.key, file.content)).collect(),
            unread: scan.unread,
            candidates: BTreeMap::new(),
            is_listed: false,
            undecided: BTreeSet::new(),
            entering: BTreeSet::new(),
        }
    }

    /// Returns whether the file and the status of every object that was there before are known again.
    pub fn is_decided(&self) -> bool {
        self.is_listed && self.undecided.is_empty()
    }

    /// Returns the key of a file of this object that was found, and that no resource has claimed yet.
    pub fn known(&self, key: &ObjectKey) -> Option<ObjectKey> {
        self.found.get_key_value(key).map(|(key, _)| key.clone())
    }

    /// A valid content was seen before the first LIST was complete.
    pub fn candidate(&mut self, content: Arc<Rendered>) {
        let is_found =
            |found: &Content| matches!(found, Content::InPlace(found) if found.digest() == content.digest());
        if self.found.get(content.key()).is_some_and(is_found) {
            self.candidates.remove(content.key());
        } else {
            self.candidates.insert(content.key().clone(), content);
        }
    }

    /// The present content is not valid, or suspended.
    pub fn no_candidate(&mut self, key: &ObjectKey) {
        self.candidates.remove(key);
    }
}

impl Core {
    /// The first LIST is complete: brings volume, resources and statuses together.
    pub(super) fn recover(&mut self) {
        self.recovery.is_listed = true;
        let mut found = std::mem::take(&mut self.recovery.found);
        // First what was published, as it was: whatever cannot be published any more keeps its last good state.
        for (count, (key, entry)) in self.objects.entries.iter_mut().enumerate() {
            // Step by step: to decide about all at once takes as much memory as to know them.
            if count % DECIDED_AT_ONCE == 0 {
                self.index.resolve();
            }
            let unread = self.recovery.unread.get(key.namespace());
            let unread = || unread.map(|why| Content::Unreadable(why.clone()));
            let Some(content) = found.remove(key).or_else(unread) else { continue };
            entry.on_volume = content.into();
            if entry.on_volume.unreadable().is_some() {
                self.inspection.unreadable(key);
                // What others name is there, or will be written there.
                if let Some(content) = self.recovery.candidates.get(key) {
                    self.index.upsert(entry.created, &entry.uid, content.clone());
                }
            }
            if let Some(content) = entry.on_volume.visible() {
                entry.acknowledged = entry.recorded.published;
                self.index.upsert(entry.created, &entry.uid, content.clone());
            }
        }
        self.inspection.unread(std::mem::take(&mut self.recovery.unread));
        let unclaimed_files = found.len();
        for (key, content) in found {
            self.unclaimed(key, content);
        }
        self.index.resolve();
        for (key, content) in std::mem::take(&mut self.recovery.candidates) {
            if let Some(entry) = self.objects.entries.get(&key) {
                self.index.upsert(entry.created, &entry.uid, content);
            }
        }
        self.index.resolve();
        let mut staying = Vec::new();
        for (key, entry) in &mut self.objects.entries {
            let in_place = entry.on_volume.in_place();
            let acknowledged = in_place.and_then(|found| Acknowledged::recorded(found, &entry.recorded));
            entry.published = acknowledged.is_some()
                && entry.is_recorded_ready()
                && !entry.suspended
                && entry.candidate.is_some()
                && entry.candidate == entry.on_volume.digest();
            let stays = acknowledged.is_some() && self.index.visible(key).is_some();
            if stays {
                staying.push(key.clone());
            } else if !entry.on_volume.is_absent() || entry.recorded.published.is_some() {
                self.recovery.undecided.insert(key.clone());
            }
            if let Some(acknowledged) = acknowledged {
                self.snapshots.offer(self.now.elapsed, acknowledged);
            }
        }
        // Now, so that the acknowledged bytes are kept beside a newer content that is published before the first snapshot.
        self.snapshots.catalog.settle(&self.index);
        let is_waiting = |key: &ObjectKey| self.snapshots.catalog.is_waiting(key);
        self.recovery.entering = staying.into_iter().filter(is_waiting).collect();
        self.files.dirty.extend(self.objects.entries.keys().cloned());
        tracing::info!(
            objects = self.objects.entries.len(),
            unclaimed_files,
            undecided = self.recovery.undecided.len(),
            "recovered"
        );
        self.say_undecided();
        self.say_unread();
    }

    /// The resource of a file that was found was deleted: the file is removed.
    pub(super) fn file_goes(&mut self, key: &ObjectKey) {
        self.index.remove(key);
        self.decided(key);
        self.mark_dirty(key);
    }

    /// The file and the status of this object are known again.
    pub(super) fn decided(&mut self, key: &ObjectKey) {
        if self.recovery.undecided.remove(key) {
            self.recovery.entering.insert(key.clone());
            self.snapshots.look_again();
            self.say_undecided();
        }
    }

    /// Returns whether everything that was there before the start can be in the first snapshot. The catalog was settled.
    pub(super) fn all_entered(&mut self) -> bool {
        if !self.recovery.entering.is_empty() {
            let catalog = &self.snapshots.catalog;
            self.recovery.entering.retain(|key| catalog.is_waiting(key));
            self.say_undecided();
        }
        self.recovery.entering.is_empty()
    }

    fn say_undecided(&mut self) {
        let undecided = || self.recovery.undecided.iter().chain(&self.recovery.entering);
        let count = undecided().count();
        let missing = undecided().next().map(|first| {
            format!(
                "{count} objects had a file or were Ready before the start and are not decided yet, for example {first}: \
                 look at its status, or, if it was deleted, at the lines crd and removals; satellites keep what they have"
            )
        });
        self.measure(Measurement::Undecided(count));
        self.readiness(Part::Recovery, missing);
    }
}
