//! From what was acknowledged to snapshots, and from acknowledgements of satellites to Synced.

use super::{Hub, SNAPSHOT_WINDOW};
use crate::identity::{ObjectKey, Revision};
use crate::satellite::{Fleet, Held, Latest};
use crate::status::Sync;
use std::ops::Bound;
use tokio::time::Instant;

impl Hub {
    /// Cuts a snapshot if there is something new in it: at once after a quiet time, else when the window is over.
    pub(super) fn cut_snapshot(&mut self) {
        let Some(term) = self.parts.claim.term() else { return };
        if !self.recovery.listed
            || !self.recovery.unconfirmed.is_empty()
            || self.snapshot_due() > Instant::now()
        {
            return;
        }
        let same_term = self.revision.term == term;
        if same_term && !self.unsettled {
            return;
        }
        self.unsettled = false;
        if !self.catalog.settle(&self.parts.index) && same_term {
            return;
        }
        let counter = if same_term { self.revision.counter + 1 } else { 1 };
        self.revision = Revision { term, counter };
        let (snapshot, changed) = self.catalog.cut(self.revision);
        let cut = Instant::now();
        self.last_cut = Some(cut);
        self.parts.metrics.snapshot(term, counter, self.catalog.len());
        for key in &changed {
            let Some(admitted) = self.catalog.admitted(key).map(|content| content.digest()) else { continue };
            let Some(entry) = self.entries.get_mut(key) else { continue };
            // After a restart the recorded revision stays true for content that did not change.
            let known = entry.recorded.revision.filter(|_| entry.recorded.published == Some(admitted));
            entry.revision = known.or(Some(self.revision));
        }
        tracing::debug!(revision = %self.revision, changed = changed.len(), "snapshot");
        self.parts.snapshots.send_replace(Some(Latest { snapshot, cut }));
        for key in changed {
            self.await_sync(&key);
            self.check_status(&key);
        }
    }

    /// When the next snapshot may be cut.
    pub(super) fn snapshot_due(&self) -> Instant {
        self.last_cut.map_or_else(Instant::now, |last| last + SNAPSHOT_WINDOW)
    }

    /// Remembers an object whose satellites have not all acknowledged.
    pub(super) fn await_sync(&mut self, key: &ObjectKey) {
        let Some(entry) = self.entries.get(key) else { return };
        if entry.is_recorded_ready()
            && !entry.recorded.synced
            && matches!(self.sync(key, entry), Sync::Unknown | Sync::Pending { .. } | Sync::LeftOut { .. })
            && let Some(revision) = entry.revision
        {
            self.awaiting.entry(revision).or_default().insert(key.clone());
        }
    }

    pub(super) fn fleet_changed(&mut self) {
        let fleet = self.parts.fleet.borrow_and_update().clone();
        let old = std::mem::replace(&mut self.fleet, fleet);
        for key in newly_left_out(&old, &self.fleet) {
            // Also if Synced was told before: it is taken back as soon as the others have answered.
            if let Some(revision) = self.entries.get(&key).and_then(|entry| entry.revision) {
                self.awaiting.entry(revision).or_default().insert(key.clone());
            }
            self.check_status(&key);
        }
        let range = affected(&old, &self.fleet);
        let Some(range) = range else { return };
        let waiting: Vec<(Revision, ObjectKey)> = self
            .awaiting
            .range(range)
            .flat_map(|(revision, keys)| keys.iter().map(|key| (*revision, key.clone())))
            .collect();
        for (revision, key) in waiting {
            let (tell, done) = match self.entries.get(&key) {
                None => (true, true),
                Some(entry) if entry.revision != Some(revision) => (true, true),
                Some(entry) => match self.sync(&key, entry) {
                    Sync::Unknown | Sync::Pending { .. } => (false, false),
                    // A later snapshot, or a change of the satellite, may have what it lacks.
                    Sync::LeftOut { .. } => (entry.published, false),
                    Sync::All(_) | Sync::NoSatellites => (entry.published, entry.published),
                },
            };
            if done && let Some(keys) = self.awaiting.get_mut(&revision) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.awaiting.remove(&revision);
                }
            }
            if tell {
                self.check_status(&key);
            }
        }
    }
}

/// Objects that a satellite leaves out which it did not leave out before.
fn newly_left_out(old: &Fleet, new: &Fleet) -> Vec<ObjectKey> {
    let of = |name: &String, held: &Held| {
        let before = old.satellites.get(name).map(|old| old.left_out.clone()).unwrap_or_default();
        held.left_out.difference(&before).cloned().collect::<Vec<_>>()
    };
    new.satellites.iter().flat_map(|(name, held)| of(name, held)).collect()
}

/// Revisions at which an object may have become Synced by this change; nothing if none can.
fn affected(old: &Fleet, new: &Fleet) -> Option<(Bound<Revision>, Bound<Revision>)> {
    let satellites = || old.satellites.values().zip(new.satellites.values());
    let same_members = old.listed == new.listed
        && old.satellites.keys().eq(new.satellites.keys())
        && satellites().all(|(a, b)| a.acceptance == b.acceptance && b.left_out.is_superset(&a.left_out));
    if !same_members {
        return Some((Bound::Unbounded, Bound::Unbounded));
    }
    let moved = satellites().filter(|(a, b)| a.acked < b.acked);
    let lowest = moved.clone().map(|(a, _)| a.acked).min()?;
    let highest = moved.filter_map(|(_, b)| b.acked).max()?;
    Some((lowest.map_or(Bound::Unbounded, Bound::Excluded), Bound::Included(highest)))
}
