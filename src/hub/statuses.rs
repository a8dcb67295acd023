//! From what is true of an object to what its status says.

use super::entry::Entry;
use super::{Hub, Retry, STATUS_WRITES, backoff};
use crate::identity::ObjectKey;
use crate::publish::Published;
use crate::satellite::sync_of;
use crate::status::{self, Facts, Job, Receipt, State, Sync, compose};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// An answered write.
pub(super) struct Written {
    key: ObjectKey,
    uid: Arc<str>,
    generation: i64,
    kind: &'static str,
    result: Result<Receipt, (status::Error, Option<Published>)>,
}

impl Hub {
    /// What is true of an object; nothing while its generation is on its way to the volume.
    fn facts<'a>(&self, key: &'a ObjectKey, entry: &'a Entry) -> Option<Facts<'a>> {
        let published = entry.on_volume.as_ref().map(|content| content.digest());
        let state = if let Some(refusal) = &entry.refused {
            State::Refused { reason: refusal.reason, message: refusal.message.as_str().into() }
        } else if entry.suspended {
            State::Suspended { current: published.is_some() && published == entry.candidate }
        } else if let Some(message) = &entry.failing {
            State::Failing(message)
        } else if entry.published {
            State::Published(self.sync(key, entry))
        } else {
            let waiting = self.parts.index.waiting(key)?;
            State::Refused { reason: waiting.reason, message: waiting.message.into() }
        };
        Some(Facts {
            key,
            generation: entry.generation,
            published,
            revision: self.revision(key, entry),
            state,
        })
    }

    /// First snapshot that holds what is on the volume; nothing if none does yet.
    fn revision(&self, key: &ObjectKey, entry: &Entry) -> Option<crate::identity::Revision> {
        let on_volume = entry.on_volume.as_ref()?.digest();
        match self.catalog.admitted(key) {
            Some(admitted) => entry.revision.filter(|_| admitted.digest() == on_volume),
            // Not in a snapshot of this process yet: what was recorded about the same bytes is true.
            None => entry.recorded.revision.filter(|_| entry.recorded.published == Some(on_volume)),
        }
    }

    pub(super) fn sync(&self, key: &ObjectKey, entry: &Entry) -> Sync {
        match &entry.on_volume {
            Some(content) => sync_of(&self.fleet, content, self.revision(key, entry)),
            None => Sync::NoSatellites,
        }
    }

    /// Queues a write if the recorded status does not say what is true.
    pub(super) fn check_status(&mut self, key: &ObjectKey) {
        let Some(entry) = self.entries.get(key) else { return };
        if self.queue.has_ready(key) || self.queue.is_in_flight(key) {
            // What is true then is told then.
            return;
        }
        let Some(facts) = self.facts(key, entry) else { return };
        let says = entry.recorded.says(&compose(&facts, &entry.recorded, 0));
        let is_published = matches!(facts.state, State::Published(_));
        let is_decided = !matches!(facts.state, State::Published(_) | State::Failing(_));
        let is_synced = matches!(facts.state, State::Published(Sync::All(_) | Sync::NoSatellites));
        if is_published {
            // A Ready comes with its own publication. A late satellite rewrites nothing: Synced is written once.
            if entry.is_recorded_ready() && !entry.recorded.synced && is_synced {
                self.queue.push_synced(key.clone());
            }
        } else if !says {
            self.queue.push_ready(key.clone(), None);
        } else if is_decided {
            let on_volume = entry.on_volume.as_ref().filter(|_| entry.durable);
            if let Some(kept) = on_volume.and_then(|content| status::recover(content, &entry.recorded)) {
                self.catalog.offer(kept);
                self.unsettled = true;
            }
            self.confirmed(key);
        }
    }

    /// Starts writes while there is room, Ready before Synced.
    pub(super) fn write_statuses(&mut self, writes: &mut JoinSet<Written>) {
        while self.queue.in_flight() < STATUS_WRITES && self.parts.claim.is_current() {
            let Some(Job { key, published }) = self.queue.pop() else { break };
            if published.is_some() && self.committing.contains(&key) {
                // Its file is being replaced or removed: the outcome brings a publication of its own, or a refusal.
                self.queue.done(&key);
                continue;
            }
            let status = self.entries.get(&key).and_then(|entry| {
                let facts = self.facts(&key, entry)?;
                if published.is_none()
                    && matches!(facts.state, State::Published(_))
                    && !entry.is_recorded_ready()
                {
                    // Ready is written with the publication that it stands for, or not at all: confirm the file again.
                    return None;
                }
                let now = jiff::Timestamp::now().as_second();
                let status = compose(&facts, &entry.recorded, now);
                let needed = published.is_some() || !entry.recorded.says(&status);
                needed.then(|| (status, entry.uid.clone(), entry.generation))
            });
            if status.is_none() {
                self.reconfirm(&key);
            }
            let Some((status, uid, generation)) = status else {
                self.queue.done(&key);
                continue;
            };
            let writer = self.parts.writer.clone();
            let kind = if published.is_some() { "ready" } else { "other" };
            writes.spawn(async move {
                let result = writer.write(&key, &uid, generation, &status, published).await;
                Written { key, uid, generation, kind, result }
            });
        }
        let (ready, synced) = self.queue.lengths();
        self.parts.metrics.status_queued(ready, synced);
    }

    /// Has an object published again whose Ready was never acknowledged and whose publication is not at hand.
    fn reconfirm(&mut self, key: &ObjectKey) {
        if let Some(entry) = self.entries.get_mut(key)
            && entry.published
            && !entry.is_recorded_ready()
        {
            entry.published = false;
            self.dirty.insert(key.clone());
        }
    }

    pub(super) fn written(&mut self, done: Result<Written, tokio::task::JoinError>) {
        let Ok(Written { key, uid, generation, kind, result }) = done else {
            // A write only sends a request and reads its answer; a bug there must not be hidden by going on.
            tracing::error!("a status write panicked");
            return;
        };
        self.queue.done(&key);
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.uid == uid) else { return };
        match result {
            Ok(receipt) => {
                self.parts.metrics.status_written(kind, "ok");
                entry.recorded = receipt.recorded;
                entry.version = entry.version.max(receipt.resource_version);
                entry.attempts = 0;
                let on_volume = entry.on_volume.as_ref().filter(|_| entry.durable);
                let kept = on_volume.and_then(|content| status::recover(content, &entry.recorded));
                // The acknowledgement of a file that was removed meanwhile brings nothing back.
                if let Some(acknowledged) = receipt.acknowledged.filter(|_| on_volume.is_some()).or(kept) {
                    let digest = acknowledged.content().digest();
                    let admitted = self.catalog.admitted(&key).map(|content| content.digest());
                    if admitted != Some(digest) {
                        entry.revision = None;
                    } else if entry.revision.is_none() && self.revision.counter > 0 {
                        // Made again with the same content: the latest snapshot holds it already.
                        entry.revision = Some(self.revision);
                    }
                    self.catalog.offer(acknowledged);
                    self.unsettled = true;
                    self.confirmed(&key);
                }
                self.await_sync(&key);
                self.check_status(&key);
            }
            Err((status::Error::Gone, _)) => self.parts.metrics.status_written(kind, "gone"),
            Err((error, published)) => {
                let result = match error {
                    status::Error::Stale => "stale",
                    status::Error::Refused(_) => "refused",
                    status::Error::Unknown(_) | status::Error::Gone => "unknown",
                };
                self.parts.metrics.status_written(kind, result);
                if generation != entry.generation {
                    // It was about an older spec; what is true of the present one could not be told while it was under way.
                    self.check_status(&key);
                    return;
                }
                entry.attempts += 1;
                // A stale write needs no retry, because the watch brings the newer object; it is kept for the case that it
                // does not.
                let pause = backoff(if matches!(error, status::Error::Stale) { 8 } else { entry.attempts });
                if !matches!(error, status::Error::Stale) {
                    tracing::warn!(object = %key, why = %error, "status not acknowledged");
                }
                self.rewrite_in(pause, key, uid, generation, published);
            }
        }
    }

    /// At most one retry of an object's status waits at a time; one with a publication takes the place of one without.
    fn rewrite_in(
        &mut self,
        pause: Duration,
        key: ObjectKey,
        uid: Arc<str>,
        generation: i64,
        published: Option<Published>,
    ) {
        if let Some(due) = self.rewrites.get(&key) {
            // One for an older generation, or for an earlier resource of this name, does nothing when it is due.
            let same = matches!(self.retries.get(due), Some(Retry::Status { uid: u, generation: g, .. })
                if *u == uid && *g == generation);
            if same && published.is_none() {
                return;
            }
            self.retries.remove(due);
        }
        let due = self.retry_in(pause, Retry::Status { key: key.clone(), uid, generation, published });
        self.rewrites.insert(key, due);
    }

    /// A failed write is due again, if it still is about the present generation.
    pub(super) fn rewrite(
        &mut self,
        key: ObjectKey,
        uid: &Arc<str>,
        generation: i64,
        published: Option<Published>,
    ) {
        let Some(entry) = self.entries.get(&key).filter(|e| e.uid == *uid && e.generation == generation)
        else {
            return;
        };
        let admitted = self.catalog.admitted(&key).map(|content| content.digest());
        let is_done = |p: &Published| entry.is_recorded_ready() && admitted == Some(p.content().digest());
        match published {
            Some(published) if !is_done(&published) => self.queue.push_ready(key, Some(published)),
            // A later write of the same was acknowledged meanwhile.
            _ => self.check_status(&key),
        }
    }
}
