//! From what is true of an object to what its status says.

use super::entry::Entry;
use super::{Hub, READY_EXPECTED, Retry, STATUS_WRITES, SYNCED_ALONE, backoff};
use crate::identity::{ObjectKey, Uid};
use crate::metrics::{StatusWriteKind, StatusWriteResult};
use crate::publish::Published;
use crate::satellite::sync_of;
use crate::status::{self, Facts, Job, Receipt, State, Sync, compose};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// An answered write.
pub(super) struct Written {
    key: ObjectKey,
    uid: Uid,
    generation: i64,
    kind: StatusWriteKind,
    result: Result<Receipt, (status::Error, Option<Published>)>,
}

impl Hub {
    /// What is true of an object; nothing while its generation, or what is kept instead, is on its way to the volume.
    fn facts<'a>(&self, key: &'a ObjectKey, entry: &'a Entry) -> Option<Facts<'a>> {
        let published = entry.on_volume.as_ref().map(|content| content.digest());
        let is_durable = entry.durable || published.is_none();
        let state = if !is_durable {
            State::Failing(entry.failing.as_ref()?)
        } else if let Some(refusal) = &entry.refused {
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

    /// What is true of an earlier generation that is in place; nothing if it is not any more.
    fn facts_of_earlier<'a>(
        &self,
        key: &'a ObjectKey,
        entry: &'a Entry,
        earlier: &Published,
    ) -> Option<Facts<'a>> {
        entry.awaits_ready(earlier).then(|| Facts {
            key,
            generation: earlier.generation(),
            published: Some(earlier.content().digest()),
            revision: self.revision(key, entry),
            state: State::Published(self.sync(key, entry)),
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
        let is_failing = matches!(facts.state, State::Failing(_));
        let is_synced = matches!(facts.state, State::Published(Sync::All(_) | Sync::NoSatellites));
        if is_published {
            // A Ready comes with its own publication. A late satellite rewrites nothing: Synced is written once, or that a satellite
            // cannot hold it.
            let is_left_out = matches!(facts.state, State::Published(Sync::LeftOut { .. })) && !says;
            if entry.is_recorded_ready() && (is_left_out || !entry.recorded.synced && is_synced) {
                self.queue.push_synced(key.clone());
            }
            if entry.is_recorded_ready() && entry.recorded.published == facts.published {
                self.confirmed(key);
            }
            return;
        }
        let kept = entry.kept();
        let earlier = self.entries.get_mut(key).and_then(|entry| entry.take_earlier());
        if earlier.is_some() {
            self.queue.push_ready(key.clone(), earlier);
        } else if !says {
            self.queue.push_ready(key.clone(), None);
        } else if !is_failing {
            if let Some(kept) = kept {
                self.catalog.offer(kept);
                self.unsettled = true;
            }
            self.confirmed(key);
        }
    }

    /// Starts writes while there is room, Ready before Synced.
    pub(super) fn write_statuses(&mut self, writes: &mut JoinSet<Written>) {
        while self.queue.in_flight() < STATUS_WRITES && self.parts.claim.is_current() {
            let synced_at_once = if self.synced_alone_until().is_some() { 1 } else { STATUS_WRITES };
            let Some(Job { key, published, is_synced }) = self.queue.pop(synced_at_once) else { break };
            if published.is_some() && self.committing.contains(&key) {
                // Its file is being replaced or removed: the outcome brings a publication of its own, or a refusal.
                self.queue.done(&key);
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.keep_earlier(published);
                }
                continue;
            }
            let present = self.entries.get(&key).map(|entry| entry.generation);
            let is_earlier = published.as_ref().is_some_and(|p| Some(p.generation()) < present);
            let status = self.entries.get(&key).and_then(|entry| {
                let facts = match &published {
                    Some(earlier) if is_earlier => self.facts_of_earlier(&key, entry, earlier)?,
                    _ => self.facts(&key, entry)?,
                };
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
            let Some((status, uid, generation)) = status else {
                self.reconfirm(&key);
                self.queue.done(&key);
                if is_earlier {
                    self.check_status(&key);
                }
                continue;
            };
            let writer = self.parts.writer.clone();
            let kind = match (&published, is_synced) {
                (Some(_), _) => StatusWriteKind::Ready,
                (None, true) => StatusWriteKind::Synced,
                (None, false) => StatusWriteKind::Refusal,
            };
            let last = if is_synced { &mut self.last_synced } else { &mut self.last_ready };
            *last = Some(Instant::now());
            writes.spawn(async move {
                let result = writer.write(&key, &uid, generation, &status, published).await;
                Written { key, uid, generation, kind, result }
            });
        }
        let (ready, synced) = self.queue.lengths();
        self.parts.metrics.status_queued(ready, synced);
    }

    /// Until when at most one Synced write is under way; nothing if there is room for more.
    pub(super) fn synced_alone_until(&self) -> Option<Instant> {
        Some(alone_until(self.last_ready?, self.last_synced?)).filter(|until| *until > Instant::now())
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
        let seen = self.seen_in_flight.remove(&key);
        if self.entries.get(&key).is_none_or(|entry| entry.uid != uid) {
            return;
        }
        self.answered(&key, uid, generation, kind, result);
        if let Some((version, recorded)) = seen {
            // Nothing new if it was ours; another's is written over.
            self.status_seen(&key, version, recorded);
        }
    }

    fn answered(
        &mut self,
        key: &ObjectKey,
        uid: Uid,
        generation: i64,
        kind: StatusWriteKind,
        result: Result<Receipt, (status::Error, Option<Published>)>,
    ) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        match result {
            Ok(receipt) => {
                self.parts.metrics.status_written(kind, StatusWriteResult::Ok);
                entry.recorded = receipt.recorded;
                entry.version = entry.version.max(receipt.resource_version);
                entry.attempts = 0;
                // The acknowledgement of a file that was removed meanwhile brings nothing back.
                let is_there = entry.on_volume.is_some() && entry.durable;
                let acknowledged = receipt.acknowledged.filter(|_| is_there);
                if let Some(acknowledged) = acknowledged.or_else(|| entry.kept()) {
                    let digest = acknowledged.content().digest();
                    entry.confirmed = Some(digest);
                    let admitted = self.catalog.admitted(key).map(|content| content.digest());
                    if admitted != Some(digest) {
                        entry.revision = None;
                    } else if entry.revision.is_none() && self.revision.counter > 0 {
                        // Made again with the same content: the latest snapshot holds it already.
                        entry.revision = Some(self.revision);
                    }
                    self.catalog.offer(acknowledged);
                    self.unsettled = true;
                    self.confirmed(key);
                }
                self.await_sync(key);
                self.check_status(key);
            }
            Err((status::Error::Gone, _)) => self.parts.metrics.status_written(kind, StatusWriteResult::Gone),
            Err((error, published)) => {
                let result = match error {
                    status::Error::Stale => StatusWriteResult::Stale,
                    status::Error::Refused(_) => StatusWriteResult::Refused,
                    status::Error::Unknown(_) | status::Error::Gone => StatusWriteResult::Unknown,
                };
                self.parts.metrics.status_written(kind, result);
                if generation != entry.generation {
                    // It was about an older spec; what is true of the present one could not be told while it was under way.
                    entry.keep_earlier(published);
                    self.check_status(key);
                    return;
                }
                entry.attempts += 1;
                // A stale write needs no retry, because the watch brings the newer object; it is kept for the case that it
                // does not.
                let pause = backoff(if matches!(error, status::Error::Stale) { 8 } else { entry.attempts });
                if !matches!(error, status::Error::Stale) {
                    tracing::warn!(object = %key, why = %error, "status not acknowledged");
                }
                self.rewrite_in(pause, key.clone(), uid, generation, published);
            }
        }
    }

    /// At most one retry of an object's status waits at a time; one with a publication takes the place of one without.
    fn rewrite_in(
        &mut self,
        pause: Duration,
        key: ObjectKey,
        uid: Uid,
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

    /// Drops the retry of an object's status that waits, and returns the publication in it.
    pub(super) fn cancel_rewrite(&mut self, key: &ObjectKey) -> Option<Published> {
        match self.retries.remove(&self.rewrites.remove(key)?)? {
            Retry::Status { published, .. } => published,
            Retry::Commit(_) => None,
        }
    }

    /// A failed write is due again, if it still is about the present generation.
    pub(super) fn rewrite(
        &mut self,
        key: ObjectKey,
        uid: &Uid,
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

/// As long as both hold: another Ready is expected, and the Synced write that was started last may still be answered soon.
fn alone_until(last_ready: Instant, last_synced: Instant) -> Instant {
    (last_ready + READY_EXPECTED).min(last_synced + SYNCED_ALONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synced_writes_are_alone_while_ready_ones_come_and_for_a_stuck_one_no_longer() {
        let now = Instant::now();
        let ago = |milliseconds| now.checked_sub(Duration::from_millis(milliseconds)).unwrap();
        assert!(alone_until(now, now) > now);
        assert!(alone_until(ago(60), now) <= now, "no Ready is expected");
        assert!(alone_until(now, ago(210)) <= now, "it is not answered, and the next one goes");
    }
}
