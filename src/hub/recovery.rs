//! The start: what is visible on the volume is hashed again, and the confirmed set is rebuilt from volume and status
//! together, before any snapshot leaves. With nothing changed this writes nothing.

use super::Hub;
use crate::identity::ObjectKey;
use crate::publish::OnDisk;
use crate::render::Rendered;
use crate::status::recover;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many found files are decided about at once.
const DECIDED_AT_ONCE: usize = 1_000;

/// What is known between the start and the first complete LIST, and what the first snapshot waits for.
pub(super) struct Recovery {
    disk: BTreeMap<ObjectKey, OnDisk>,
    candidates: BTreeMap<ObjectKey, Arc<Rendered>>,
    /// The first LIST was complete: files that no resource claims may be removed now, and not before.
    pub listed: bool,
    /// Objects that have a file, or were Ready before, and whose confirmed bytes are not at hand or must be withdrawn: no
    /// snapshot before each is decided, on the volume and in its status. Without one of them others would be left out too.
    pub unconfirmed: BTreeSet<ObjectKey>,
}

impl Recovery {
    pub fn new(found: Vec<OnDisk>) -> Self {
        Self {
            disk: found.into_iter().map(|file| (file.key.clone(), file)).collect(),
            candidates: BTreeMap::new(),
            listed: false,
            unconfirmed: BTreeSet::new(),
        }
    }

    /// The key of a file of this object that was found, and no resource has claimed yet.
    pub fn known(&self, key: &ObjectKey) -> Option<ObjectKey> {
        self.disk.get_key_value(key).map(|(key, _)| key.clone())
    }

    /// A valid content that was seen before the first LIST was complete.
    pub fn candidate(&mut self, content: Arc<Rendered>) {
        let on_disk = self.disk.get(content.key()).and_then(|file| file.content.as_ref());
        if on_disk.is_some_and(|on_disk| on_disk.digest() == content.digest()) {
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

impl Hub {
    /// The first LIST is complete: brings volume, resources and statuses together.
    pub(super) fn recover(&mut self) {
        self.recovery.listed = true;
        let mut disk = std::mem::take(&mut self.recovery.disk);
        // First what was published, as it was: whatever cannot be published any more keeps its last good state.
        for (count, (key, entry)) in self.entries.iter_mut().enumerate() {
            // Step by step: to decide about all at once takes as much memory as to know them.
            if count % DECIDED_AT_ONCE == 0 {
                self.parts.index.resolve();
            }
            let Some(file) = disk.remove(key) else { continue };
            match file.content {
                Some(content) => {
                    entry.durable = entry.recorded.published == Some(file.digest);
                    // If it is the present generation's, its Ready is told now; if not, nobody can tell it any more.
                    let is_current = entry.candidate == Some(file.digest) && !entry.suspended;
                    entry.confirmed = if is_current { entry.recorded.published } else { Some(file.digest) };
                    entry.on_volume = Some(content.clone());
                    self.parts.index.upsert(entry.created, &entry.uid, content);
                }
                None => entry.unknown = true,
            }
        }
        self.parts.index.resolve();
        for (key, content) in std::mem::take(&mut self.recovery.candidates) {
            if let Some(entry) = self.entries.get(&key) {
                self.parts.index.upsert(entry.created, &entry.uid, content);
            }
        }
        self.parts.index.resolve();
        for (key, entry) in &mut self.entries {
            let confirmed = entry.on_volume.as_ref().and_then(|content| recover(content, &entry.recorded));
            let in_place = entry.on_volume.as_ref().map(|content| content.digest());
            entry.published = confirmed.is_some()
                && entry.is_recorded_ready()
                && !entry.suspended
                && entry.candidate.is_some()
                && entry.candidate == in_place;
            let stays = confirmed.is_some() && self.parts.index.visible(key).is_some();
            let had_file = entry.on_volume.is_some() || entry.unknown;
            if (had_file || entry.recorded.published.is_some()) && !stays {
                self.recovery.unconfirmed.insert(key.clone());
            }
            if let Some(acknowledged) = confirmed {
                self.catalog.offer(acknowledged);
            }
        }
        self.dirty.extend(self.entries.keys().cloned());
        tracing::info!(
            objects = self.entries.len(),
            unclaimed_files = disk.len(),
            unconfirmed = self.recovery.unconfirmed.len(),
            "recovered"
        );
        for (key, file) in disk {
            self.dirty.insert(key.clone());
            self.orphans.insert(key, file.content);
        }
        self.tell_recovery();
    }

    /// Nothing stands between this object and the first snapshot any more.
    pub(super) fn confirmed(&mut self, key: &ObjectKey) {
        if self.recovery.unconfirmed.remove(key) {
            self.tell_recovery();
        }
    }

    fn tell_recovery(&self) {
        let count = self.recovery.unconfirmed.len();
        self.parts.metrics.unconfirmed(count);
        let why = self.recovery.unconfirmed.first().map(|first| {
            format!("{count} objects had a file or were Ready before the start and are not decided yet, for example {first}; satellites keep what they have")
        });
        self.parts.readiness.set("recovery", why);
    }
}
