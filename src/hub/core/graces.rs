//! How long something that an object names may be on its way before a person must act.

use super::Core;
use super::entry::Entry;
use crate::identity::ObjectKey;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// An apply of many resources brings a service before its host, and the host soon after: longer
/// than that takes, and much shorter than the five minutes for which `helm --wait` and Flux wait.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// Objects that name something which is not published.
#[derive(Debug, Default)]
pub(super) struct Graces {
    /// When the grace of each ends. `None` if it is over.
    ends: HashMap<ObjectKey, Option<Duration>>,
    due: BTreeSet<(Duration, ObjectKey)>,
}

impl Graces {
    /// An object waits. Its grace begins, if it did not wait before.
    fn begin(&mut self, key: &ObjectKey, now: Duration, is_over: bool) {
        if self.ends.contains_key(key) {
            return;
        }
        let end = (!is_over).then_some(now + GRACE);
        self.due.extend(end.map(|end| (end, key.clone())));
        self.ends.insert(key.clone(), end);
    }

    /// An object does not wait any more, or has another spec.
    pub fn forget(&mut self, key: &ObjectKey) {
        if let Some(Some(end)) = self.ends.remove(key) {
            self.due.remove(&(end, key.clone()));
        }
    }

    /// Returns whether something may still be on its way to an object that waits.
    pub fn has_time(&self, key: &ObjectKey) -> bool {
        self.ends.get(key).is_none_or(Option::is_some)
    }

    fn take_over(&mut self, now: Duration) -> Option<ObjectKey> {
        let (end, _) = self.due.first()?;
        if *end > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.ends.insert(key.clone(), None);
        Some(key)
    }

    /// Returns when the next grace ends.
    pub fn next(&self) -> Option<Duration> {
        self.due.first().map(|(end, _)| *end)
    }
}

impl Core {
    /// Begins the grace of an object that waits for what it names, and ends that of one that does
    /// not.
    pub(super) fn look_at_grace(&mut self, key: &ObjectKey) {
        let now = self.now.elapsed;
        match self.objects.entries.get(key).filter(|entry| self.awaits_a_name(key, entry)) {
            // An earlier process said so of this very generation. The first LIST is complete, so
            // what was applied with it is there: a restart ends a grace, and no series of restarts
            // prolongs it.
            Some(entry) => {
                let recorded = &entry.recorded;
                let is_over = recorded.unresolved && recorded.generation == entry.generation;
                self.graces.begin(key, now, is_over);
            }
            None => self.graces.forget(key),
        }
    }

    /// Returns whether an object is valid and waits for something that may still be applied.
    fn awaits_a_name(&self, key: &ObjectKey, entry: &Entry) -> bool {
        let is_held =
            entry.published || entry.suspended || entry.refused.is_some() || entry.failing.is_some();
        !is_held && self.index.waiting(key).is_some_and(|waiting| waiting.may_come)
    }

    /// Ends the graces that are over: a person must act from now on.
    pub(super) fn end_graces(&mut self) {
        while let Some(key) = self.graces.take_over(self.now.elapsed) {
            self.check_status(&key);
        }
    }
}
