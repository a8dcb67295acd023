//! When the evaluation goes on, and which statuses are written for it.

use super::PAUSE;
use crate::hub::core::Core;
use crate::identity::ObjectKey;
use crate::status::{State, Sync};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is found settles for so long before a status is written again for it.
const SETTLES: Duration = Duration::from_secs(2);
/// Time between two looks at statuses.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A status is so old before it is written again for another host or value.
const AGAIN: Duration = Duration::from_secs(10);
/// Writes that wait in the queue of Synced.
const QUEUED: usize = 4;

impl Core {
    /// Takes the contents that changed, and evaluates as much as one step may.
    pub(in crate::hub::core) fn evaluate(&mut self, changed: &BTreeSet<ObjectKey>) {
        let now = self.now.elapsed;
        let mut evaluation = std::mem::take(&mut self.evaluation);
        evaluation.changed(&self.index, changed, now);
        let is_due = evaluation.looked.is_none_or(|looked| now >= looked + PAUSE);
        if evaluation.has_work() && is_due {
            evaluation.looked = Some(now);
            evaluation.work(&self.index, now);
        }
        self.evaluation = evaluation;
    }

    /// Queues the statuses of rules that no longer say what their expressions come to.
    pub(in crate::hub::core) fn report_values(&mut self) {
        let now = self.now.elapsed;
        let may_report = self.now.term.is_some() && self.recovery.is_decided();
        if !may_report || self.evaluation.outdated.is_empty() || now < self.evaluation.reported + LOOK_EVERY {
            return;
        }
        self.evaluation.reported = now;
        let due = |since: &Duration| now >= *since + SETTLES;
        let due: Vec<_> = self
            .evaluation
            .outdated
            .iter()
            .filter(|(_, since)| due(since))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            if self.statuses.queue.lengths().1 >= QUEUED {
                return;
            }
            let entry = self.objects.entries.get(&key);
            let facts = entry.and_then(|entry| Some((entry, self.facts(&key, entry)?)));
            // An object on its way is looked at again.
            let Some((entry, facts)) = facts else {
                match entry {
                    Some(_) => self.evaluation.outdated.insert(key, now),
                    None => self.evaluation.outdated.remove(&key),
                };
                continue;
            };
            let is_sure = match &facts.state {
                State::Published { sync, .. } => {
                    !matches!(sync, Sync::Unknown | Sync::Pending { is_sure: false, .. })
                }
                _ => false,
            };
            let is_said = entry.recorded.says_values(&facts);
            let is_old = entry.written == Duration::ZERO || now >= entry.written + AGAIN;
            let is_free = !self.statuses.queue.is_in_flight(&key) && !self.statuses.queue.has_ready(&key);
            if !is_said && entry.is_recorded_ready() && is_sure && is_old && is_free {
                self.statuses.queue.push_synced(key.clone());
            }
            if is_said {
                self.evaluation.outdated.remove(&key);
            } else {
                self.evaluation.outdated.insert(key, now);
            }
        }
    }

    /// Returns when the evaluation goes on. None if there is nothing to do.
    pub(in crate::hub::core) fn evaluation_wake(&self) -> Option<Duration> {
        let evaluation = &self.evaluation;
        let works = evaluation.has_work() && self.recovery.is_listed;
        let works = works.then(|| evaluation.looked.unwrap_or_default() + PAUSE);
        let may_report = self.now.term.is_some() && self.recovery.is_decided();
        let reports = evaluation.outdated.values().min().filter(|_| may_report).map(|since| *since + SETTLES);
        let reports = reports.map(|due| due.max(evaluation.reported + LOOK_EVERY));
        [works, reports].into_iter().flatten().min()
    }
}
