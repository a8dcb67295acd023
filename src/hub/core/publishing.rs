//! From what should be on the volume to what is: batches, and what became of them.

use super::entry::OnVolume;
use super::{Command, Core, Measurement};
use crate::identity::ObjectKey;
use crate::metrics::Work;
use crate::publish::{After, Change, Failure, Found, Outcome, Published};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Attempts that the pause of a file without a resource is counted as.
const ORPHAN_ATTEMPTS: u32 = 5;
/// Attempts that the pause after a commit that panicked is counted as.
const PANIC_ATTEMPTS: u32 = 4;

/// Which files have to be looked at, and which are being committed.
#[derive(Default)]
pub(super) struct Files {
    /// Objects whose file or status may have to change.
    pub dirty: BTreeSet<ObjectKey>,
    /// The batch that is being committed. Empty if none is.
    pub committing: BTreeSet<ObjectKey>,
}

impl Core {
    /// Commits every file that is not as it should be, if no commit is under way: *flush when idle, gather while busy*.
    /// Objects that need no commit get their status looked at here.
    pub(super) fn publish(&mut self) {
        let may_publish = self.recovery.is_listed && self.departures.is_answered() && self.now.term.is_some();
        let is_busy = !self.files.committing.is_empty() || self.inspection.is_under_way();
        if is_busy || self.files.dirty.is_empty() || !may_publish {
            return;
        }
        let unread = self.unread();
        // What failed before goes with the others, before its time: the batch orders only what is in it, and nothing may come
        // before what it names, or stay behind it.
        self.files.dirty.extend(self.retries.recommits().cloned());
        let mut batch = Vec::new();
        for key in std::mem::take(&mut self.files.dirty) {
            match self.change_of(&key) {
                Some(change) if unread.is_some() && change.takes_away() => {
                    let why = unread.as_deref().unwrap_or_default();
                    let message = format!("waits, because a file that cannot be read may name it: {why}");
                    self.file_failed(Failure { key, message, after: After::Unchanged });
                }
                Some(change) => {
                    self.files.committing.insert(key);
                    batch.push(change);
                }
                None => {
                    // It is as it should be, whatever the volume said before.
                    if let Some(entry) = self.objects.entries.get_mut(&key) {
                        entry.failing = None;
                    }
                    self.leave_set(&key);
                    self.check_status(&key);
                }
            }
        }
        // Nothing is published before what it names, also if that is put back later.
        for key in self.unhold_named(&batch) {
            if let Some(change) = self.change_of(&key) {
                self.files.committing.insert(key);
                batch.push(change);
            }
        }
        if !batch.is_empty() {
            self.command(Command::Commit(batch));
        }
    }

    /// Takes an object out of the set, because its file was removed. Whatever is published of it later is new to satellites,
    /// also the same bytes.
    fn withdraw(&mut self, key: &ObjectKey) {
        self.snapshots.withdraw(self.now.elapsed, key);
        if let Some(entry) = self.objects.entries.get_mut(key) {
            entry.held_since = None;
        }
    }

    /// Takes an object out of the set that neither is on the volume nor comes back there: somebody else removed its file.
    fn leave_set(&mut self, key: &ObjectKey) {
        let is_on_volume = self.objects.entries.get(key).is_some_and(|entry| !entry.on_volume.is_absent());
        let comes_back = self.index.visible(key).is_some();
        if is_on_volume || comes_back || self.objects.orphans.contains_key(key) {
            return;
        }
        let catalog = &self.snapshots.catalog;
        if catalog.admitted(key).is_some() || catalog.is_waiting(key) {
            self.withdraw(key);
        }
    }

    /// Returns what must happen to one file. `None` if it is as it should be. An orphan stays one until the outcome.
    fn change_of(&self, key: &ObjectKey) -> Option<Change> {
        let orphan = self.objects.orphans.get(key);
        let is_unreadable = |on_volume: &OnVolume| on_volume.unreadable().is_some();
        let Some(entry) = self.objects.entries.get(key) else {
            // Nobody knows what it names, or who names it.
            let orphan = orphan.filter(|orphan| !is_unreadable(orphan))?;
            let is_whole = orphan.visible().is_none() || self.index.visible(key).is_some();
            if self.departures.is_leaving(key) && is_whole {
                // Whether it may go is not decided.
                return None;
            }
            let old = orphan.visible().cloned();
            return Some(Change::Remove { key: key.clone(), old });
        };
        let is_unread = is_unreadable(&entry.on_volume) || orphan.is_some_and(is_unreadable);
        // A file of an earlier resource of this name is simply replaced.
        let is_known = !entry.on_volume.is_unknown() && orphan.is_none();
        let old = entry.on_volume.visible().or_else(|| orphan?.visible()).cloned();
        let Some(new) = self.index.visible(key) else {
            // What cannot be read may be what is kept.
            let goes = (old.is_some() || !is_known) && !is_unread;
            return goes.then(|| Change::Remove { key: key.clone(), old });
        };
        let is_in_place = entry.on_volume.digest() == Some(new.digest());
        let is_this_generation = entry.candidate == Some(new.digest()) && !entry.suspended;
        if is_in_place && (entry.published || !is_this_generation) {
            return None;
        }
        let generation = entry.generation_of(new.digest());
        let (new, uid) = (new.clone(), entry.uid.clone());
        Some(Change::Publish { old, is_known, is_unread, new, uid, generation })
    }

    /// A commit panicked: its files are as they were found, and each is written or removed again.
    pub(super) fn commit_panicked(&mut self, found: Vec<Found>) {
        tracing::error!("a commit panicked; its files are written again");
        self.measure(Measurement::Panicked(Work::Commit));
        let mut found: HashMap<_, _> = found.into_iter().map(|file| (file.key, file.content)).collect();
        for key in std::mem::take(&mut self.files.committing) {
            let on_volume = found.remove(&key).map_or(OnVolume::Absent, OnVolume::from);
            if on_volume.unreadable().is_some() {
                self.inspection.unreadable(&key);
            }
            self.objects.orphans.remove(&key);
            // The index may not know any more what satellites have of it.
            self.snapshots.catalog.publishing(&key);
            if on_volume.is_absent() {
                // The commit removed it, or had not written it yet.
                self.withdraw(&key);
            }
            match self.objects.entries.get_mut(&key) {
                Some(entry) => (entry.on_volume, entry.published) = (on_volume, false),
                None if on_volume.is_absent() => {}
                None => drop(self.objects.orphans.insert(key.clone(), on_volume)),
            }
            self.recommit_after(PANIC_ATTEMPTS, key);
        }
    }

    pub(super) fn committed(&mut self, outcomes: Vec<Outcome>, took: Duration) {
        self.files.committing.clear();
        let (mut published, mut removed, mut failed) = (0, 0, 0);
        for outcome in outcomes {
            match outcome {
                Outcome::Published(token) => {
                    published += 1;
                    self.file_published(token);
                }
                Outcome::Removed(key) => {
                    removed += 1;
                    self.file_removed(&key);
                }
                Outcome::Failed(failure) => {
                    failed += 1;
                    self.file_failed(failure);
                }
            }
        }
        self.measure(Measurement::Committed { took, published, removed, failed });
    }

    fn file_published(&mut self, token: Published) {
        let key = token.content().key().clone();
        let digest = token.digest();
        let in_place = token.in_place();
        self.objects.orphans.remove(&key);
        let Some(entry) = self.objects.entries.get_mut(&key).filter(|entry| entry.uid == *token.uid()) else {
            // The resource was deleted meanwhile; the next batch removes the file, or replaces it.
            self.objects.orphans.insert(key.clone(), OnVolume::InPlace(in_place));
            self.files.dirty.insert(key);
            return;
        };
        if entry.on_volume.visible().is_none_or(|visible| visible.digest() != digest) {
            entry.held_since = None;
        }
        entry.on_volume = OnVolume::InPlace(in_place);
        entry.failing = None;
        let is_admitted = |admitted: &std::sync::Arc<crate::render::Rendered>| admitted.digest() == digest;
        if !self.snapshots.catalog.admitted(&key).is_some_and(is_admitted) {
            self.snapshots.catalog.publishing(&key);
        }
        let is_this_generation = entry.generation == token.generation() && entry.candidate == Some(digest);
        if !is_this_generation || entry.suspended {
            // The spec changed before, or meanwhile: the next batch has its content, or a refusal.
            entry.keep_earlier(Some(token));
            self.files.dirty.insert(key);
            return;
        }
        entry.published = true;
        entry.attempts = 0;
        self.statuses.queue.push_ready(key, Some(token));
    }

    pub(super) fn file_removed(&mut self, key: &ObjectKey) {
        self.objects.orphans.remove(key);
        self.withdraw(key);
        if let Some(entry) = self.objects.entries.get_mut(key) {
            entry.on_volume = OnVolume::Absent;
            entry.published = false;
            // It may have come back while its file was being removed.
            self.mark_dirty(key);
        }
    }

    fn file_failed(&mut self, failure: Failure) {
        tracing::warn!(object = %failure.key, why = %failure.message, "not published");
        let key = failure.key;
        let on_volume = match failure.after {
            After::Unchanged => None,
            After::NotDurable(visible) => Some(OnVolume::Unknown(visible)),
            After::Unknown => {
                self.inspection.unreadable(&key);
                Some(OnVolume::Unreadable(failure.message.as_str().into()))
            }
        };
        if on_volume.is_some() {
            // The index may not know any more what satellites have of it.
            self.snapshots.catalog.publishing(&key);
        }
        let attempts = match self.objects.entries.get_mut(&key) {
            Some(entry) => {
                entry.failing = Some(failure.message.into());
                entry.is_changed = false;
                entry.attempts += 1;
                if let Some(on_volume) = on_volume {
                    self.objects.orphans.remove(&key);
                    entry.lose_file(on_volume);
                }
                entry.attempts
            }
            None => {
                if let Some(on_volume) = on_volume {
                    self.objects.orphans.insert(key.clone(), on_volume);
                }
                ORPHAN_ATTEMPTS
            }
        };
        self.recommit_after(attempts, key.clone());
        self.check_status(&key);
    }

    fn recommit_after(&mut self, attempts: u32, key: ObjectKey) {
        self.retries.recommit(self.now.elapsed, attempts, key);
    }
}
