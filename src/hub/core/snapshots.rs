//! From what was acknowledged to snapshots.

use super::{Command, Core, Measurement};
use crate::identity::{ObjectKey, Revision, may_have_been};
use crate::snapshot::Catalog;
use crate::status::Acknowledged;
use std::collections::BTreeSet;
use std::time::Duration;

/// Shortest time between two snapshots.
const WINDOW: Duration = Duration::from_millis(100);
/// During a burst the next snapshot waits for this part of the time that the burst took until the one before, because what
/// a delivery costs grows with the set and is taken from the burst itself.
const WINDOW_OF_BURST: u32 = 4;
/// Longest time that something acknowledged waits for its snapshot.
const WINDOW_MAX: Duration = Duration::from_secs(2);
/// A burst is over when nothing is on its way to a status and nothing was acknowledged for this long: its last snapshot waits
/// no longer.
const BURST_OVER: Duration = Duration::from_millis(50);

/// What satellites may have, and the latest snapshot of it.
pub(super) struct Snapshots {
    pub catalog: Catalog,
    /// The catalog may admit more than it has.
    unsettled: bool,
    /// Revision of the latest snapshot; 0.0 before the first.
    revision: Revision,
    last_cut: Option<Duration>,
    /// When the catalog was last offered something, or had something taken away.
    last_change: Duration,
    /// When the burst began. `None` if there is none.
    burst_began: Option<Duration>,
    /// The first term of this process.
    first_term: Option<u64>,
    /// Terms that statuses named before the first snapshot.
    recorded_terms: BTreeSet<u64>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            catalog: Catalog::default(),
            unsettled: true,
            revision: Revision::default(),
            last_cut: None,
            last_change: Duration::ZERO,
            burst_began: None,
            first_term: None,
            recorded_terms: BTreeSet::new(),
        }
    }
}

impl Snapshots {
    pub fn is_any_cut(&self) -> bool {
        self.revision != Revision::default()
    }

    /// This process leads in a term.
    pub fn leads(&mut self, term: u64) {
        self.first_term.get_or_insert(term);
    }

    /// A status names a term.
    pub fn recorded(&mut self, term: u64) {
        self.recorded_terms.insert(term);
    }

    /// Returns whether the first snapshot waits for a term above every one that was used: with this one, each status would be
    /// written, and again with the next.
    fn is_too_low(&self, term: u64) -> bool {
        let first = self.first_term.unwrap_or(term);
        let mut known = self.recorded_terms.iter().rev().filter(|known| may_have_been(**known, first));
        !self.is_any_cut() && known.next().is_some_and(|highest| *highest >= term)
    }

    /// The API server acknowledged an object.
    pub fn offer(&mut self, now: Duration, acknowledged: Acknowledged) {
        self.catalog.offer(acknowledged);
        self.changed(now);
    }

    /// What keeps the first snapshot back may be gone.
    pub fn look_again(&mut self) {
        self.unsettled = true;
    }

    /// The file of an object was removed.
    pub fn withdraw(&mut self, now: Duration, key: &ObjectKey) {
        self.catalog.withdraw(key);
        self.changed(now);
    }

    fn changed(&mut self, now: Duration) {
        self.burst_began.get_or_insert(now);
        (self.last_change, self.unsettled) = (now, true);
    }

    /// Returns the first snapshot that holds what was just acknowledged. `None` if a later one will.
    pub fn revision_after(
        &self,
        key: &ObjectKey,
        acknowledged: &Acknowledged,
        known: Option<Revision>,
    ) -> Option<Revision> {
        let is_held = self.catalog.admitted(key).is_some_and(|held| held.digest() == acknowledged.digest());
        if !is_held {
            return None;
        }
        if !self.is_any_cut() {
            return known;
        }
        // Created again with the same content: the latest snapshot holds it already.
        Some(known.filter(|known| *known <= self.revision).unwrap_or(self.revision))
    }

    /// Returns when the next snapshot may be cut.
    fn next_cut(&self, is_busy: bool) -> Duration {
        let Some(last) = self.last_cut else { return Duration::ZERO };
        let burst = self.burst_began.map_or(Duration::ZERO, |began| last.saturating_sub(began));
        let latest = last + (burst / WINDOW_OF_BURST).clamp(WINDOW, WINDOW_MAX);
        if is_busy { latest } else { latest.min(self.last_change + BURST_OVER).max(last + WINDOW) }
    }
}

impl Core {
    /// Cuts a snapshot if there is something new in it: at once after a quiet time, else when the window is
    /// over.
    pub(super) fn cut_snapshot(&mut self) {
        let Some(term) = self.now.term else { return };
        let is_busy = self.is_busy();
        if !self.recovery.is_decided()
            || self.snapshots.is_too_low(term)
            || self.snapshots.next_cut(is_busy) > self.now.elapsed
        {
            return;
        }
        let is_same_term = self.snapshots.revision.term == term;
        let is_settled = !self.snapshots.unsettled;
        if is_settled && (is_same_term || !self.recovery.entering.is_empty()) {
            return;
        }
        self.snapshots.unsettled = false;
        let is_changed = self.snapshots.catalog.settle(&self.index);
        if !is_changed && is_same_term || !self.all_entered() {
            return;
        }
        let counter = if is_same_term { self.snapshots.revision.counter + 1 } else { 1 };
        let revision = Revision { term, counter };
        let (snapshot, changed) = self.snapshots.catalog.cut(revision);
        (self.snapshots.revision, self.snapshots.last_cut) = (revision, Some(self.now.elapsed));
        if !is_busy {
            self.snapshots.burst_began = None;
        }
        self.measure(Measurement::Snapshot { revision, objects: self.snapshots.catalog.len() });
        for key in &changed {
            let Some(admitted) = self.snapshots.catalog.admitted(key).map(|content| content.digest()) else {
                continue;
            };
            let Some(entry) = self.objects.entries.get_mut(key) else { continue };
            // After a restart the recorded revision stays true for content that did not change. One above ours is of
            // terms that somebody took back with the Lease: no satellite would ever reach it.
            let known = entry.revision_of(admitted).filter(|known| *known <= revision);
            entry.held_since = Some((admitted, known.unwrap_or(revision)));
        }
        tracing::debug!(%revision, changed = changed.len(), "snapshot");
        self.command(Command::Deliver(snapshot));
        for key in changed {
            self.await_sync(&key);
            self.check_status(&key);
        }
    }

    /// Returns when a snapshot that waits for its window may be cut.
    pub(super) fn snapshot_wake(&self) -> Option<Duration> {
        let leads = self.now.term.is_some_and(|term| !self.snapshots.is_too_low(term));
        let waits = leads && self.snapshots.unsettled && self.recovery.is_decided();
        waits.then(|| self.snapshots.next_cut(self.is_busy()))
    }

    /// Returns whether something is on its way to the volume or to a Ready.
    fn is_busy(&self) -> bool {
        let files = !self.files.committing.is_empty() || !self.files.dirty.is_empty();
        files || self.statuses.queue.has_ready_under_way()
    }
}
