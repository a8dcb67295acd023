//! From what is true of an object to what its status says.

use super::entry::Entry;
use super::{Command, Core, Measurement};
use crate::api::Reason;
use crate::identity::{ObjectKey, Revision, Uid};
use crate::metrics::Work;
use crate::publish::Published;
use crate::status::{
    Acknowledged, Answer, Error, Facts, Job, Loaded, Queue, Receipt, Recorded, State, Sync, Write,
    WriteResult,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Status writes under way at once. More does not help: the API server is what saturates.
const WRITES: usize = 16;
/// So long after a Ready write the next is expected. Until then the API server belongs to those who wait for a Ready: Synced
/// writes go one at a time, and at most one in [`SYNCED_EVERY`].
const READY_EXPECTED: Duration = Duration::from_millis(50);
const SYNCED_EVERY: Duration = Duration::from_millis(50);
/// A Synced write that is not answered for so long keeps the next one back no longer.
const SYNCED_ALONE: Duration = Duration::from_millis(200);
/// Attempts that the pause after a stale write is counted as: the watch brings the newer object, and the retry is for the
/// case that it does not.
const STALE_ATTEMPTS: u32 = 9;

/// The status writes that wait, and those under way.
#[derive(Default)]
pub(super) struct Statuses {
    pub queue: Queue,
    /// The latest status that was seen of an object while a write of it was under way.
    pub seen_in_flight: BTreeMap<ObjectKey, (u64, Recorded)>,
    /// Objects whose `Loaded` waits, because a write would also say of Synced what is not sure.
    pub postponed: BTreeSet<ObjectKey>,
    last_ready: Option<Duration>,
    last_synced: Option<Duration>,
}

impl Statuses {
    /// Returns how many Synced writes may be under way now.
    fn synced_at_once(&self, now: Duration) -> usize {
        match (self.last_ready, self.last_synced) {
            (Some(ready), _) if now >= ready + READY_EXPECTED => WRITES,
            (None, _) => WRITES,
            (Some(_), None) => 1,
            (Some(_), Some(synced)) if now < synced + SYNCED_EVERY => 0,
            (Some(_), Some(synced)) if now < synced + SYNCED_ALONE => 1,
            (Some(_), Some(_)) => self.queue.synced_in_flight() + 1,
        }
    }

    /// Returns when more Synced writes may be under way.
    fn more_synced_at(&self, now: Duration) -> Option<Duration> {
        let all = self.last_ready? + READY_EXPECTED;
        let synced = self.last_synced.unwrap_or_default();
        let next = [synced + SYNCED_EVERY, synced + SYNCED_ALONE].into_iter().find(|at| *at > now);
        Some(next.map_or(all, |next| next.min(all))).filter(|at| *at > now)
    }
}

/// True if a status may be written for another cause than Synced. One that says Synced stays until the
/// satellites are known.
pub(super) fn may_be_restated(entry: &Entry, sync: &Sync) -> bool {
    !entry.recorded.synced || *sync != Sync::Unknown
}

impl Core {
    /// Returns what is true of an object. `None` while its generation, or what is kept instead, is on its way to the volume.
    pub(super) fn facts<'a>(&'a self, key: &'a ObjectKey, entry: &'a Entry) -> Option<Facts<'a>> {
        let kept = entry.on_volume.in_place();
        let unreadable = entry.on_volume.unreadable().filter(|_| self.index.visible(key).is_none());
        let state = if let Some(message) = unreadable {
            // What is kept may be there. Nothing is decided, and its digest leaves no status, before that is known.
            State::Failing { reason: Reason::PublishFailed, message, kept }
        } else if let Some(refusal) = &entry.refused {
            State::Refused { reason: refusal.reason, message: refusal.message.as_str().into(), kept }
        } else if entry.suspended {
            State::Suspended { candidate: entry.candidate, kept }
        } else if let Some(message) = &entry.failing {
            let reason = if entry.is_changed { Reason::ContentChanged } else { Reason::PublishFailed };
            State::Failing { reason, message, kept }
        } else if let (true, Some(in_place)) = (entry.published, kept) {
            State::Published { in_place, sync: self.sync(key, entry) }
        } else {
            let waiting = self.index.waiting(key)?;
            match waiting.may_come && self.graces.has_time(key) {
                true => State::Unresolved { message: waiting.message, kept },
                false => {
                    State::Refused { reason: waiting.reason, message: Cow::Owned(waiting.message), kept }
                }
            }
        };
        let revision = self.revision(key, entry);
        let claim = &self.ownership.claim;
        let loaded = self.loaded(key, entry);
        let values = self.evaluation.values(key);
        let (generation, kind) = (entry.generation, entry.kind);
        Some(Facts { key, generation, kind, revision, claim, state, loaded, values })
    }

    /// Returns what is true of an earlier generation that is in place. `None` if it is not any more.
    fn facts_of_earlier<'a>(
        &'a self,
        key: &'a ObjectKey,
        entry: &'a Entry,
        earlier: &Published,
    ) -> Option<Facts<'a>> {
        let in_place = entry.on_volume.in_place().filter(|_| entry.awaits_ready(earlier))?;
        let state = State::Published { in_place, sync: self.sync(key, entry) };
        let (generation, revision) = (earlier.generation(), self.revision(key, entry));
        let claim = &self.ownership.claim;
        let loaded = self.loaded(key, entry);
        Some(Facts { key, generation, kind: entry.kind, revision, claim, state, loaded, values: None })
    }

    /// Returns the first snapshot that holds what is on the volume. `None` if none does yet.
    fn revision(&self, key: &ObjectKey, entry: &Entry) -> Option<Revision> {
        let on_volume = entry.on_volume.digest()?;
        match self.snapshots.catalog.admitted(key) {
            Some(admitted) => entry.revision_of(on_volume).filter(|_| admitted.digest() == on_volume),
            // Not in a snapshot of this process yet: what was recorded about the same bytes is true.
            None => entry.revision_of(on_volume).filter(|_| entry.recorded.published == Some(on_volume)),
        }
    }

    pub(super) fn sync(&self, key: &ObjectKey, entry: &Entry) -> Sync {
        match entry.on_volume.content() {
            Some(content) => self.satellites.sync_of(content, self.revision(key, entry)),
            None => Sync::All { expected: 0, without: Vec::new() },
        }
    }

    /// Queues a write if the recorded status does not say what is true.
    pub(super) fn check_status(&mut self, key: &ObjectKey) {
        self.look_at_grace(key);
        let Some(entry) = self.objects.entries.get(key) else { return };
        if self.statuses.queue.has_ready(key) || self.statuses.queue.is_in_flight(key) {
            // What is true then is said then.
            return;
        }
        let Some(facts) = self.facts(key, entry) else { return };
        let (is_said, published) = (entry.recorded.says(&facts), facts.state.published());
        if let State::Published { sync, .. } = &facts.state {
            // A Ready comes with its own publication. A late satellite rewrites nothing: Synced is written once, or that a
            // satellite cannot hold the object, or refused it.
            let is_left_out = matches!(sync, Sync::LeftOut { .. } | Sync::Rejected { .. }) && !is_said;
            let is_synced = matches!(sync, Sync::All { .. });
            // The same for the hub's own Icinga 2.
            let is_decided = matches!(facts.loaded, Some(Loaded::Runs | Loaded::Refused(_)));
            let is_said_later = is_decided && !entry.recorded.says_loaded(&facts);
            let is_loaded = is_said_later && may_be_restated(entry, sync);
            if is_said_later && !is_loaded {
                self.statuses.postponed.insert(key.clone());
            }
            if entry.is_recorded_ready() && (is_left_out || is_loaded || !entry.recorded.synced && is_synced)
            {
                self.statuses.queue.push_synced(key.clone());
            }
            if entry.is_recorded_ready() && entry.recorded.published == published {
                // Perhaps by a late write of an earlier process, and not yet by one of this process: the first snapshot needs it.
                let late = entry.on_volume.in_place().filter(|_| self.recovery.undecided.contains(key));
                if let Some(late) = late.and_then(|found| Acknowledged::recorded(found, &entry.recorded)) {
                    self.snapshots.offer(self.now.elapsed, late);
                }
                self.decided(key);
            } else if !self.files.committing.contains(key) && !self.retries.has_publication(key) {
                // Another status was written meanwhile (a removal failed, and then it was wanted again).
                self.reconfirm(key);
            }
            return;
        }
        let is_failing = matches!(facts.state, State::Failing { .. });
        let is_publication_under_way =
            self.files.committing.contains(key) || self.retries.has_publication(key);
        let Some(entry) = self.objects.entries.get_mut(key) else { return };
        let earlier = entry.take_earlier();
        if earlier.is_none() && !is_publication_under_way {
            // Nothing is left that its Ready could be written with: a crash, or a newer generation, took it. It counts as
            // acknowledged once a status that names it is, or hub and satellites would differ until a person changes the spec.
            entry.acknowledged = entry.on_volume.digest();
        }
        let kept = entry.kept();
        if earlier.is_some() {
            self.statuses.queue.push_ready(key.clone(), earlier);
        } else if !is_said {
            self.statuses.queue.push_ready(key.clone(), None);
        } else if !is_failing {
            if let Some(kept) = kept {
                self.snapshots.offer(self.now.elapsed, kept);
            }
            self.decided(key);
        }
    }

    /// Starts the writes of Ready and of refusals, while there is room.
    pub(super) fn write_ready(&mut self) {
        while self.may_write()
            && let Some(job) = self.statuses.queue.pop_ready()
        {
            self.statuses.last_ready =
                self.write(job).then_some(self.now.elapsed).or(self.statuses.last_ready);
        }
    }

    /// Starts the writes of Synced, while there is room.
    pub(super) fn write_synced(&mut self) {
        while self.may_write() {
            let at_once = self.statuses.synced_at_once(self.now.elapsed);
            let Some(job) = self.statuses.queue.pop_synced(at_once) else { break };
            self.statuses.last_synced =
                self.write(job).then_some(self.now.elapsed).or(self.statuses.last_synced);
        }
        let (ready, synced) = self.statuses.queue.lengths();
        self.measure(Measurement::StatusQueued { ready, synced });
    }

    fn may_write(&self) -> bool {
        self.statuses.queue.in_flight() < WRITES && self.now.term.is_some()
    }

    /// Commands a write, if it is still needed. True if it was commanded.
    fn write(&mut self, Job { key, published }: Job) -> bool {
        if published.is_some() && self.files.committing.contains(&key) {
            // Its file is being replaced or removed: the outcome brings a publication of its own, or a refusal.
            self.statuses.queue.done(&key);
            if let Some(entry) = self.objects.entries.get_mut(&key) {
                entry.keep_earlier(published);
            }
            return false;
        }
        let present = self.objects.entries.get(&key).map(|entry| entry.generation);
        let is_earlier = published.as_ref().is_some_and(|p| Some(p.generation()) < present);
        if let Some(write) = self.compose(&key, published, is_earlier) {
            self.command(Command::WriteStatus(Box::new(write)));
            return true;
        }
        self.reconfirm(&key);
        self.statuses.queue.done(&key);
        // What is true instead is written, or was written before: then the first snapshot waits for it no longer.
        self.check_status(&key);
        false
    }

    /// Returns the write that says what is true now. `None` if there is nothing to say, or the publication is not in place
    /// any more.
    fn compose(&self, key: &ObjectKey, published: Option<Published>, is_earlier: bool) -> Option<Write> {
        let entry = self.objects.entries.get(key)?;
        let (recorded, generation, unix) = (&entry.recorded, entry.generation, self.now.unix);
        let Some(published) = published else {
            let facts = self.facts(key, entry)?.without_taking_back(recorded);
            if recorded.says(&facts) {
                return None;
            }
            return Write::without_publication(&facts, &entry.uid, recorded, generation, unix);
        };
        let facts = match is_earlier {
            true => self.facts_of_earlier(key, entry, &published)?,
            false => self.facts(key, entry)?,
        };
        Write::ready(published, &facts, recorded, generation, unix)
    }

    /// Has an object published again whose Ready was never acknowledged and whose publication is not at hand.
    fn reconfirm(&mut self, key: &ObjectKey) {
        if let Some(entry) = self.objects.entries.get_mut(key)
            && entry.published
            && !entry.is_recorded_ready()
        {
            entry.published = false;
            self.mark_dirty(key);
        }
    }

    /// A write panicked: nobody knows what the API server stored, and the publication is lost. The file is confirmed again,
    /// which brings another, or what is true is written again.
    pub(super) fn status_panicked(&mut self, key: &ObjectKey) {
        tracing::error!(object = %key, "a status write panicked; it is taken up again");
        self.measure(Measurement::Panicked(Work::Status));
        let Some(kind) = self.statuses.queue.done(key) else { return };
        self.measure(Measurement::StatusWritten { kind, result: WriteResult::Panicked });
        let seen = self.statuses.seen_in_flight.remove(key);
        self.reconfirm(key);
        self.mark_dirty(key);
        if let Some((version, recorded)) = seen {
            self.status_seen(key, version, recorded);
        }
    }

    pub(super) fn status_answered(&mut self, answer: Answer) {
        let key = answer.key.clone();
        self.statuses.queue.done(&key);
        let seen = self.statuses.seen_in_flight.remove(&key);
        let result = answer.result.as_ref().err().map_or(WriteResult::Ok, |(error, _)| error.into());
        self.measure(Measurement::StatusWritten { kind: answer.kind, result });
        let is_present = self.objects.entries.get(&key).is_some_and(|entry| entry.uid == answer.uid);
        match answer.result {
            // Of an earlier resource of this name: what is true of the present one waited for this answer.
            _ if !is_present => self.check_status(&key),
            Ok(receipt) => self.stored(&key, receipt),
            // The watch brings the delete.
            Err((Error::Gone, _)) => {}
            Err((error, published)) => {
                self.not_stored(&key, answer.uid, answer.generation, &error, published);
            }
        }
        if let Some((version, recorded)) = seen {
            // Nothing new if it was ours; another's is written over.
            self.status_seen(&key, version, recorded);
        }
    }

    /// The API server stored a status.
    fn stored(&mut self, key: &ObjectKey, receipt: Receipt) {
        let Some(entry) = self.objects.entries.get_mut(key) else { return };
        (entry.recorded, entry.written) = (receipt.recorded, self.now.elapsed);
        entry.version = entry.version.max(receipt.resource_version);
        entry.attempts = 0;
        // The acknowledgement of a file that was removed meanwhile brings nothing back.
        let acknowledged = receipt.acknowledged.filter(|_| entry.on_volume.in_place().is_some());
        if let Some(acknowledged) = acknowledged.or_else(|| entry.kept()) {
            entry.acknowledged = Some(acknowledged.digest());
            let (digest, known) = (acknowledged.digest(), entry.revision_of(acknowledged.digest()));
            let revision = self.snapshots.revision_after(key, &acknowledged, known);
            entry.held_since = revision.map(|revision| (digest, revision));
            self.snapshots.offer(self.now.elapsed, acknowledged);
            self.decided(key);
        }
        if let Some(news) = receipt.news {
            self.announce(key, news);
        }
        self.await_sync(key);
        self.check_status(key);
    }

    /// A status was not stored, or may not have been.
    fn not_stored(
        &mut self,
        key: &ObjectKey,
        uid: Uid,
        generation: i64,
        error: &Error,
        published: Option<Published>,
    ) {
        let Some(entry) = self.objects.entries.get_mut(key) else { return };
        if generation != entry.generation {
            // It was about an older spec; what is true of the present one could not be said while it was under way.
            entry.keep_earlier(published);
            self.check_status(key);
            return;
        }
        entry.attempts += 1;
        let attempts = if *error == Error::Stale { STALE_ATTEMPTS } else { entry.attempts };
        if *error != Error::Stale {
            tracing::warn!(object = %key, why = %error, "status not acknowledged");
        }
        self.retries.rewrite(self.now.elapsed, attempts, key.clone(), uid, generation, published);
    }

    /// A failed write is due again, if it still is about the present generation.
    pub(super) fn retry_status(
        &mut self,
        key: ObjectKey,
        uid: &Uid,
        generation: i64,
        published: Option<Published>,
    ) {
        let Some(entry) = self.objects.entries.get(&key) else { return };
        if entry.uid != *uid || entry.generation != generation {
            return;
        }
        let admitted = self.snapshots.catalog.admitted(&key).map(|content| content.digest());
        // A status that names nobody says all this, too, if a person took the name away.
        let is_ours = entry.recorded.is_of(&self.ownership.claim);
        let is_done = |p: &Published| is_ours && entry.is_recorded_ready() && admitted == Some(p.digest());
        match published {
            Some(published) if !is_done(&published) => {
                self.statuses.queue.push_ready(key, Some(published));
            }
            // A later write of the same was acknowledged meanwhile.
            _ => self.check_status(&key),
        }
    }

    /// Returns when a Synced write that waits for Ready writes may go.
    pub(super) fn synced_wake(&self) -> Option<Duration> {
        let is_waiting = self.statuses.queue.lengths().1 > 0;
        self.statuses.more_synced_at(self.now.elapsed).filter(|_| is_waiting)
    }
}
