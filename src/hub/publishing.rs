//! From what should be on the volume to what is: batches, and what became of them.

use super::{Hub, Retry, backoff};
use crate::identity::ObjectKey;
use crate::publish::{Change, Failure, Outcome, Published};
use std::time::Duration;

/// Outcomes of a commit, and how long it took.
pub(super) type Committed = (Vec<Outcome>, Duration);

impl Hub {
    /// The next commit: every file that is not as it should be. Objects that need none get their status looked at here.
    pub(super) fn next_batch(&mut self) -> Option<Vec<Change>> {
        if !self.recovery.listed || self.dirty.is_empty() || !self.parts.claim.is_current() {
            return None;
        }
        // What failed before goes with the others, before its time: the batch orders only what is in it, and nothing may come before
        // what it names, or stay behind it.
        self.dirty.extend(self.recommits.iter().cloned());
        let mut batch = Vec::new();
        for key in std::mem::take(&mut self.dirty) {
            match self.change_of(&key) {
                Some(change) => {
                    self.committing.insert(key);
                    batch.push(change);
                }
                None => {
                    // It is as it should be, whatever the volume said before.
                    if let Some(entry) = self.entries.get_mut(&key) {
                        entry.failing = None;
                    }
                    self.check_status(&key);
                }
            }
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// What must happen to one file; nothing if it is as it should be.
    fn change_of(&mut self, key: &ObjectKey) -> Option<Change> {
        let Some(entry) = self.entries.get(key) else {
            return self.orphans.remove(key).map(|old| Change::Remove { key: key.clone(), old });
        };
        // A file of an earlier resource of this name is simply replaced.
        let orphan = self.orphans.remove(key);
        let unknown = entry.unknown || orphan.is_some();
        let old = entry.on_volume.clone().or(orphan.flatten());
        let Some(new) = self.parts.index.visible(key) else {
            return (old.is_some() || unknown).then(|| Change::Remove { key: key.clone(), old });
        };
        let in_place =
            !entry.unknown && entry.on_volume.as_ref().is_some_and(|old| old.digest() == new.digest());
        let is_this_generation = entry.candidate == Some(new.digest()) && !entry.suspended;
        if in_place && entry.durable && (entry.published || !is_this_generation) {
            return None;
        }
        let old = if entry.unknown { None } else { old };
        let generation = if is_this_generation { entry.generation } else { entry.kept_generation };
        Some(Change::Publish { old, new: new.clone(), uid: entry.uid.clone(), generation })
    }

    pub(super) fn committed(&mut self, done: Result<Committed, tokio::task::JoinError>) {
        let committing = std::mem::take(&mut self.committing);
        let Ok((outcomes, took)) = done else {
            // Nothing is known about these files now, so each is looked at again.
            tracing::error!("a commit panicked; its files are written again");
            for key in committing {
                match self.entries.get_mut(&key) {
                    Some(entry) => {
                        (entry.on_volume, entry.durable, entry.unknown) = (None, false, true);
                        entry.published = false;
                    }
                    None => {
                        self.orphans.insert(key.clone(), None);
                    }
                }
                self.recommit_in(backoff(3), key);
            }
            return;
        };
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
        self.parts.metrics.committed(took, published, removed, failed);
    }

    fn file_published(&mut self, token: Published) {
        let key = token.content().key().clone();
        let digest = token.content().digest();
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.uid == *token.uid()) else {
            // The resource was deleted meanwhile; the next batch removes the file, or replaces it.
            self.orphans.insert(key.clone(), Some(token.content().clone()));
            self.dirty.insert(key);
            return;
        };
        entry.on_volume = Some(token.content().clone());
        (entry.durable, entry.unknown) = (true, false);
        entry.failing = None;
        if self.catalog.admitted(&key).is_none_or(|admitted| admitted.digest() != digest) {
            self.catalog.publishing(&key);
        }
        let is_this_generation = entry.generation == token.generation() && entry.candidate == Some(digest);
        if !is_this_generation || entry.suspended {
            // The spec changed before, or meanwhile: the next batch has its content, or a refusal.
            entry.keep_earlier(Some(token));
            self.dirty.insert(key);
            return;
        }
        entry.published = true;
        entry.attempts = 0;
        self.queue.push_ready(key, Some(token));
    }

    /// At most one retry of a file waits at a time, however often it changes meanwhile.
    fn recommit_in(&mut self, pause: Duration, key: ObjectKey) {
        if self.recommits.insert(key.clone()) {
            self.retry_in(pause, Retry::Commit(key));
        }
    }

    fn file_removed(&mut self, key: &ObjectKey) {
        self.catalog.withdraw(key);
        self.unsettled = true;
        if let Some(entry) = self.entries.get_mut(key) {
            (entry.on_volume, entry.durable, entry.unknown) = (None, false, false);
            entry.published = false;
            // It may have come back while its file was being removed.
            self.dirty.insert(key.clone());
        }
    }

    fn file_failed(&mut self, failure: Failure) {
        tracing::warn!(object = %failure.key, why = %failure.message, "not published");
        let key = failure.key;
        let attempts = match self.entries.get_mut(&key) {
            Some(entry) => {
                entry.failing = Some(failure.message.into());
                entry.attempts += 1;
                if failure.visible {
                    (entry.on_volume, entry.durable, entry.unknown) = (None, false, true);
                    entry.published = false;
                }
                entry.attempts
            }
            None => {
                self.orphans.insert(key.clone(), None);
                4
            }
        };
        self.recommit_in(backoff(attempts), key.clone());
        self.check_status(&key);
    }
}
