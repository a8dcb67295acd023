//! From what satellites hold to Synced.

use super::Core;
use super::refresh::{Refresh, Scope};
use super::settle::Settling;
use crate::identity::{ObjectKey, Revision};
use crate::render::Rendered;
use crate::satellite::{Fleet, Satellite, sync_of};
use crate::status::Sync;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

/// What the hub knows of the satellites, and who waits for them.
pub(super) struct Satellites {
    fleet: Fleet,
    /// Objects that are not Synced yet, or that a satellite leaves out or refused, by the revision at which they entered the snapshots.
    awaiting: BTreeMap<Revision, BTreeSet<ObjectKey>>,
    /// The health of each that statuses report.
    pub settling: Settling,
    /// Statuses that may not be true any more.
    pub refresh: Refresh,
}

impl Satellites {
    pub fn new(mut fleet: Fleet, now: Duration) -> Self {
        let mut settling = Settling::default();
        settling.settle(&mut fleet, now);
        let mut refresh = Refresh::default();
        refresh.note(Scope::All, now);
        Self { fleet, awaiting: BTreeMap::new(), settling, refresh }
    }

    /// Returns the objects that are not everywhere and entered the snapshots at these revisions.
    pub fn awaiting(&self, low: Bound<Revision>, high: Bound<Revision>) -> impl Iterator<Item = &ObjectKey> {
        self.awaiting.range((low, high)).flat_map(|(_, keys)| keys)
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
            && !matches!(self.sync(key, entry), Sync::All { .. })
            && let Some((_, revision)) = entry.held_since
        {
            self.satellites.wait(revision, key.clone());
            // A satellite may have had the content before it was acknowledged.
            let this = Bound::Included(revision);
            self.satellites.refresh.note(Scope::Range(this, this), self.now.elapsed);
        }
    }

    /// Reports the health of satellites that has lasted.
    pub(super) fn look_at_satellites(&mut self) {
        let Satellites { fleet, settling, refresh, .. } = &mut self.satellites;
        if settling.look(fleet, self.now.elapsed) {
            refresh.note(Scope::All, self.now.elapsed);
        }
    }

    pub(super) fn fleet_changed(&mut self, mut fleet: Fleet) {
        self.satellites.settling.settle(&mut fleet, self.now.elapsed);
        let old = std::mem::replace(&mut self.satellites.fleet, fleet);
        if let Some(scope) = reworded(&old, &self.satellites.fleet) {
            self.satellites.refresh.note(scope, self.now.elapsed);
        }
        let rejected = otherwise_rejected(&old, &self.satellites.fleet);
        for key in newly_left_out(&old, &self.satellites.fleet).into_iter().chain(rejected) {
            // Also if Synced was written before: it is taken back as soon as the others have answered.
            if let Some((_, revision)) = self.objects.entries.get(&key).and_then(|entry| entry.held_since) {
                self.satellites.wait(revision, key.clone());
            }
            self.check_status(&key);
        }
        self.look_at_postponed();
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
                Some(entry) if entry.held_since.is_none_or(|(_, since)| since != revision) => (true, true),
                Some(entry) => match self.sync(&key, entry) {
                    Sync::Unknown | Sync::Pending { .. } => (false, false),
                    // A later snapshot, or a change of the satellite, may have what it lacks.
                    Sync::LeftOut { .. } | Sync::Rejected { .. } => (entry.published, false),
                    Sync::All { .. } => (entry.published, entry.published),
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

/// Returns the objects whose status may say something else after this change. `None` if there are
/// none.
fn reworded(old: &Fleet, new: &Fleet) -> Option<Scope> {
    let words = |satellite: &Satellite| (satellite.acceptance.clone(), satellite.exempt, satellite.health);
    let is_same = old.listed == new.listed
        && old.satellites.keys().eq(new.satellites.keys())
        && old
            .satellites
            .values()
            .zip(new.satellites.values())
            .all(|(a, b)| words(a) == words(b) && a.acked <= b.acked && a.held_before <= b.held_before);
    match is_same {
        true => affected(old, new).map(|(low, high)| Scope::Range(low, high)),
        false => Some(Scope::All),
    }
}

/// Returns the revisions at which an object may have become Synced by this change. `None` if none can.
fn affected(old: &Fleet, new: &Fleet) -> Option<(Bound<Revision>, Bound<Revision>)> {
    let satellites = || old.satellites.values().zip(new.satellites.values());
    let is_same_fleet = old.listed == new.listed
        && old.satellites.keys().eq(new.satellites.keys())
        && satellites().all(|(a, b)| {
            (&a.acceptance, a.exempt) == (&b.acceptance, b.exempt) && b.left_out.is_superset(&a.left_out)
        });
    if !is_same_fleet {
        return Some((Bound::Unbounded, Bound::Unbounded));
    }
    let moved = satellites().filter(|(a, b)| a.acked < b.acked);
    let lowest = moved.clone().map(|(a, _)| a.acked).min()?;
    let highest = moved.filter_map(|(_, b)| b.acked).max()?;
    Some((lowest.map_or(Bound::Unbounded, Bound::Excluded), Bound::Included(highest)))
}
