//! From what satellites hold to Synced.

use super::Core;
use crate::identity::{ObjectKey, Revision};
use crate::render::Rendered;
use crate::satellite::{Fleet, Satellite, sync_of};
use crate::status::Sync;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What the hub knows of the satellites, and who waits for them.
pub(super) struct Satellites {
    fleet: Fleet,
    /// Objects that are not Synced yet, or that a satellite leaves out or refused, by the revision at which they entered the snapshots.
    awaiting: BTreeMap<Revision, BTreeSet<ObjectKey>>,
}

impl Satellites {
    pub fn new(fleet: Fleet) -> Self {
        Self { fleet, awaiting: BTreeMap::new() }
    }

    /// Returns how far a content got that entered the snapshots at `revision`.
    pub fn sync_of(&self, content: &Rendered, revision: Option<Revision>) -> Sync {
        sync_of(&self.fleet, content, revision)
    }

    fn wait(&mut self, revision: Revision, key: ObjectKey) {
        self.awaiting.entry(revision).or_default().insert(key);
    }

    fn done(&mut self, revision: Revision, key: &ObjectKey) {
        if let Some(keys) = self.awaiting.get_mut(&revision) {
            keys.remove(key);
            if keys.is_empty() {
                self.awaiting.remove(&revision);
            }
        }
    }
}

impl Core {
    /// Remembers an object that not all of its satellites have.
    pub(super) fn await_sync(&mut self, key: &ObjectKey) {
        let Some(entry) = self.objects.entries.get(key) else { return };
        if entry.is_recorded_ready()
            && !entry.recorded.synced
            && !matches!(self.sync(key, entry), Sync::All(_) | Sync::NoSatellites)
            && let Some(revision) = entry.revision
        {
            self.satellites.wait(revision, key.clone());
        }
    }

    pub(super) fn fleet_changed(&mut self, fleet: Fleet) {
        let old = std::mem::replace(&mut self.satellites.fleet, fleet);
        let rejected = otherwise_rejected(&old, &self.satellites.fleet);
        for key in newly_left_out(&old, &self.satellites.fleet).into_iter().chain(rejected) {
            // Also if Synced was written before: it is taken back as soon as the others have answered.
            if let Some(revision) = self.objects.entries.get(&key).and_then(|entry| entry.revision) {
                self.satellites.wait(revision, key.clone());
            }
            self.check_status(&key);
        }
        let Some(range) = affected(&old, &self.satellites.fleet) else { return };
        let waiting: Vec<(Revision, ObjectKey)> = self
            .satellites
            .awaiting
            .range(range)
            .flat_map(|(revision, keys)| keys.iter().map(|key| (*revision, key.clone())))
            .collect();
        for (revision, key) in waiting {
            let (is_news, is_done) = match self.objects.entries.get(&key) {
                None => (true, true),
                Some(entry) if entry.revision != Some(revision) => (true, true),
                Some(entry) => match self.sync(&key, entry) {
                    Sync::Unknown | Sync::Pending { .. } => (false, false),
                    // A later snapshot, or a change of the satellite, may have what it lacks.
                    Sync::LeftOut { .. } | Sync::Rejected { .. } => (entry.published, false),
                    Sync::All(_) | Sync::NoSatellites => (entry.published, entry.published),
                },
            };
            if is_done {
                self.satellites.done(revision, &key);
            }
            if is_news {
                self.check_status(&key);
            }
        }
    }
}

/// Returns the objects that a satellite leaves out and did not leave out before.
fn newly_left_out(old: &Fleet, new: &Fleet) -> Vec<ObjectKey> {
    let of = |name: &String, held: &Satellite| {
        let before = old.satellites.get(name).map(|old| old.left_out.clone()).unwrap_or_default();
        held.left_out.difference(&before).cloned().collect::<Vec<_>>()
    };
    new.satellites.iter().flat_map(|(name, held)| of(name, held)).collect()
}

/// Returns the objects that a satellite refuses and did not refuse before, or that it refuses in
/// other words or no longer.
fn otherwise_rejected(old: &Fleet, new: &Fleet) -> BTreeSet<ObjectKey> {
    let none = Satellite::default();
    let mut changed = BTreeSet::new();
    for name in old.satellites.keys().chain(new.satellites.keys()) {
        let of = |fleet: &Fleet| fleet.satellites.get(name).unwrap_or(&none).rejected.clone();
        let (before, now) = (of(old), of(new));
        if before != now {
            let differs = |key: &&ObjectKey| before.get(*key) != now.get(*key);
            changed.extend(before.keys().chain(now.keys()).filter(differs).cloned());
        }
    }
    changed
}

/// Returns the revisions at which an object may have become Synced by this change. `None` if none can.
fn affected(old: &Fleet, new: &Fleet) -> Option<(Bound<Revision>, Bound<Revision>)> {
    let satellites = || old.satellites.values().zip(new.satellites.values());
    let is_same_fleet = old.listed == new.listed
        && old.satellites.keys().eq(new.satellites.keys())
        && satellites().all(|(a, b)| a.acceptance == b.acceptance && b.left_out.is_superset(&a.left_out));
    if !is_same_fleet {
        return Some((Bound::Unbounded, Bound::Unbounded));
    }
    let moved = satellites().filter(|(a, b)| a.acked < b.acked);
    let lowest = moved.clone().map(|(a, _)| a.acked).min()?;
    let highest = moved.filter_map(|(_, b)| b.acked).max()?;
    Some((lowest.map_or(Bound::Unbounded, Bound::Excluded), Bound::Included(highest)))
}
