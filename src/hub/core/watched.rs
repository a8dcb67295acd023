//! Where the hub watches, what it has listed there, and which watches fail. Each watch is judged by itself: what one of them
//! cannot see has not left.

use super::{Core, Part};
use crate::readiness::Interruption;
use crate::watch::{Place, Scope, sees};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The watches, one for each place of the scope.
#[derive(Default)]
pub(super) struct Watched {
    scope: Scope,
    /// Places that have had a complete LIST.
    listed: BTreeSet<Place>,
    /// Watches that failed: when last, and why. They say nothing when they work again.
    broken: BTreeMap<Place, (Interruption, String)>,
}

impl Watched {
    pub fn of(scope: Scope) -> Self {
        Self { scope, ..Self::default() }
    }

    /// Returns whether the objects of a namespace are watched.
    pub fn has(&self, namespace: &str) -> bool {
        self.scope.has(namespace)
    }

    /// A LIST of this place is complete. Returns whether every place has had one.
    fn listed(&mut self, place: &Place) -> bool {
        self.listed.insert(place.clone());
        self.broken.remove(place);
        self.unlisted().next().is_none()
    }

    fn unlisted(&self) -> impl Iterator<Item = Place> {
        self.scope.places().into_iter().filter(|place| !self.listed.contains(place))
    }

    /// The watch of this place failed.
    fn fails(&mut self, place: Place, now: Duration, why: String) {
        let before = self.broken.get(&place).map(|(interruption, _)| *interruption);
        self.broken.insert(place, (Interruption::again(before, now), why));
    }

    /// Ends the interruptions that are over. Returns whether there were any.
    fn end_interruptions(&mut self, now: Duration) -> bool {
        let before = self.broken.len();
        let listed = &self.listed;
        self.broken.retain(|place, (interruption, _)| interruption.over() >= now || !listed.contains(place));
        self.broken.len() != before
    }

    /// Returns why the objects are not known, or are out of date. `None` if they are not.
    fn missing(&self) -> Option<String> {
        let unlisted = self.unlisted().filter(|place| !self.broken.contains_key(place)).map(|place| {
            let place = place.map_or_else(String::new, |namespace| format!("namespace {namespace}: "));
            format!("{place}not listed yet")
        });
        let all: Vec<_> = self.broken.values().map(|(_, why)| why.clone()).chain(unlisted).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Core {
    /// Watches the objects of these namespaces alone. Before the first step.
    pub fn watching(mut self, scope: Scope) -> Self {
        self.watched = Watched::of(scope);
        self
    }

    /// A LIST of this place begins.
    pub(super) fn list_begins(&mut self, place: Option<&str>) {
        self.ownership.others.list_begins(|key| sees(place, key.namespace()));
        let entries = self.objects.entries.iter_mut().filter(|(key, _)| sees(place, key.namespace()));
        entries.for_each(|(_, entry)| entry.listed = false);
    }

    /// What a complete LIST did not name is gone, if it is in the place that was listed: deletes that a broken watch missed are
    /// found here.
    pub(super) fn list_complete(&mut self, place: Place) {
        let is_seen = |namespace: &str| sees(place.as_deref(), namespace);
        self.ownership.others.list_complete(|key| is_seen(key.namespace()));
        let entries = self.objects.entries.iter().filter(|(key, _)| is_seen(key.namespace()));
        for (key, entry) in entries.filter(|(_, entry)| !entry.listed) {
            self.departures.insert_missing(key.clone(), entry.uid.clone(), self.now.elapsed);
        }
        let is_all_listed = self.watched.listed(&place);
        self.readiness(Part::MonitoringObjects, self.watched.missing());
        if is_all_listed && !self.recovery.is_listed {
            self.recover();
        }
    }

    /// The watch of this place failed.
    pub(super) fn watch_fails(&mut self, place: Place, why: String) {
        self.watched.fails(place, self.now.elapsed, why);
        self.readiness(Part::MonitoringObjects, self.watched.missing());
    }

    /// A watch that has not failed for long enough works again.
    pub(super) fn watch_may_work(&mut self) {
        if self.watched.end_interruptions(self.now.elapsed) {
            self.readiness(Part::MonitoringObjects, self.watched.missing());
        }
    }
}
