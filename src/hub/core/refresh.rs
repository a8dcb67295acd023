//! Statuses of objects that wait are written again when they are no longer true: a satellite that
//! they name has the object by now, or gets it for another reason.
//!
//! One change of a satellite can concern every object, so the rewrites are few: they begin when
//! the change has settled, only what says something else is written, the oldest status first, and
//! never more than [`RATE`] a second. Ready and Synced go before them.

use super::Core;
use super::entry::Entry;
use super::statuses::may_be_restated;
use crate::identity::{ObjectKey, Revision};
use crate::status::{Facts, Lacking, State, Sync};
use std::collections::VecDeque;
use std::ops::Bound;
use std::time::Duration;

/// Rewrites a second, in the long run. An API server spends about 4 ms on each, so they take a
/// fifth of one CPU at most.
pub(super) const RATE: u32 = 50;
/// Rewrites at once, after a time without any.
const BURST: u32 = 100;
/// A change settles for so long before statuses are looked at, and no change waits for longer than
/// the second.
const SETTLES: Duration = Duration::from_secs(2);
const SETTLES_MAX: Duration = Duration::from_secs(10);
/// A status that only counts satellites which are on their way is so old before it is written
/// again: in most cases the next one is Synced.
pub(super) const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// Statuses looked at in one step, and the time between two steps.
const LOOKS: usize = 256;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Rewrites that wait in the queue of Synced.
const QUEUED: usize = 4;

/// What may have changed the words of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Anything: also objects that are Synced may lack a satellite.
    All,
    /// What entered the snapshots at these revisions and is not everywhere yet.
    Range(Bound<Revision>, Bound<Revision>),
}

/// The rewrites that are due.
#[derive(Debug)]
pub(super) struct Refresh {
    /// What changed and was not looked at yet.
    changed: Option<Change>,
    /// Objects that are being looked at.
    queue: VecDeque<ObjectKey>,
    looked: Duration,
    tokens: u32,
    filled: Duration,
}

#[derive(Debug)]
struct Change {
    scope: Scope,
    first: Duration,
    last: Duration,
}

impl Default for Refresh {
    fn default() -> Self {
        let zero = Duration::ZERO;
        Self { changed: None, queue: VecDeque::new(), looked: zero, tokens: BURST, filled: zero }
    }
}

impl Refresh {
    /// Notes that the words of objects may have changed.
    pub fn note(&mut self, scope: Scope, now: Duration) {
        self.changed = Some(match self.changed.take() {
            None => Change { scope, first: now, last: now },
            Some(before) => Change { scope: before.scope.and(scope), first: before.first, last: now },
        });
    }

    fn due(&self) -> Option<Duration> {
        let Change { first, last, .. } = self.changed.as_ref()?;
        Some((*last + SETTLES).min(*first + SETTLES_MAX))
    }

    fn fill(&mut self, now: Duration) {
        let more = (now.saturating_sub(self.filled).as_millis() * u128::from(RATE) / 1000).min(BURST.into());
        if more > 0 {
            self.tokens = BURST.min(self.tokens + more as u32);
            self.filled = now;
        }
    }
}

impl Scope {
    fn and(self, other: Self) -> Self {
        use Bound::{Excluded, Included, Unbounded};
        let (Self::Range(a, b), Self::Range(c, d)) = (self, other) else { return Self::All };
        let value = |bound| match bound {
            Included(revision) | Excluded(revision) => Some(revision),
            Unbounded => None,
        };
        let low = value(a).zip(value(c)).map_or(Unbounded, |(a, c)| Included(a.min(c)));
        let high = value(b).zip(value(d)).map_or(Unbounded, |(b, d)| Included(b.max(d)));
        Self::Range(low, high)
    }
}

/// What is to be done about a status.
enum Look {
    Fine,
    Outdated,
    /// It is looked at again later.
    Later,
}

impl Core {
    /// Queues rewrites of statuses that are no longer true.
    pub(super) fn refresh_waiting(&mut self) {
        let now = self.now.elapsed;
        if self.now.term.is_none() || !self.recovery.is_decided() {
            return;
        }
        let due = self.satellites.refresh.due().is_some_and(|due| due <= now);
        if due && self.satellites.refresh.queue.is_empty() {
            self.begin_refresh();
        }
        let refresh = &mut self.satellites.refresh;
        if refresh.queue.is_empty() || now < refresh.looked + LOOK_EVERY {
            return;
        }
        refresh.looked = now;
        refresh.fill(now);
        for _ in 0..LOOKS.min(self.satellites.refresh.queue.len()) {
            let has_room = self.statuses.queue.lengths().1 < QUEUED;
            let refresh = &mut self.satellites.refresh;
            if refresh.tokens == 0 || !has_room {
                return;
            }
            let Some(key) = refresh.queue.pop_front() else { return };
            match self.look_at_status(&key) {
                Look::Fine => {}
                Look::Outdated => {
                    self.satellites.refresh.tokens -= 1;
                    self.statuses.queue.push_synced(key);
                }
                Look::Later => {
                    self.satellites.refresh.note(Scope::Range(Bound::Unbounded, Bound::Unbounded), now);
                }
            }
        }
    }

    /// Collects the objects whose words may have changed, the oldest status first.
    fn begin_refresh(&mut self) {
        let Some(Change { scope, .. }) = self.satellites.refresh.changed.take() else { return };
        let entries = &self.objects.entries;
        let is_candidate = |entry: &Entry| entry.published && entry.is_recorded_ready();
        let mut found: Vec<(Duration, ObjectKey)> = match scope {
            Scope::All => entries
                .iter()
                .filter(|(_, entry)| is_candidate(entry))
                .map(|(key, entry)| (entry.written, key.clone()))
                .collect(),
            Scope::Range(low, high) => self
                .satellites
                .awaiting(low, high)
                .filter_map(|key| Some((entries.get(key)?.written, key.clone())))
                .collect(),
        };
        found.sort();
        self.satellites.refresh.queue = found.into_iter().map(|(_, key)| key).collect();
    }

    fn look_at_status(&self, key: &ObjectKey) -> Look {
        let Some(entry) = self.objects.entries.get(key) else { return Look::Fine };
        if !entry.is_recorded_ready() {
            return Look::Fine;
        }
        if self.statuses.queue.is_in_flight(key) || self.statuses.queue.has_ready(key) {
            return Look::Later;
        }
        let Some(facts) = self.facts(key, entry) else { return Look::Fine };
        let State::Published { sync, .. } = &facts.state else { return Look::Fine };
        if facts.state.published() != entry.recorded.published {
            return Look::Fine;
        }
        self.judge(entry, &facts, sync)
    }

    fn judge(&self, entry: &Entry, facts: &Facts<'_>, sync: &Sync) -> Look {
        let recorded = &entry.recorded;
        let outdated = |is_outdated| if is_outdated { Look::Outdated } else { Look::Fine };
        // An earlier version wrote it, or the operator that this one takes over from.
        let is_old = !recorded.is_complete || !recorded.is_of(facts.claim);
        if self.may_judge_loaded() && !recorded.says_loaded(facts) && may_be_restated(entry, sync) {
            return Look::Outdated;
        }
        match sync {
            _ if is_old && may_be_restated(entry, sync) => Look::Outdated,
            // A satellite that joined, or left, changes no status. Whom a status names is true.
            Sync::All { .. } => outdated(recorded.synced && !recorded.names_the_same(facts)),
            Sync::Pending { is_sure: false, .. } => Look::Fine,
            // A satellite that has just joined gets what it lacks: nothing is taken back for it.
            Sync::Pending { lacking, is_known, .. } if recorded.synced => {
                outdated(*is_known && lacking.iter().any(Lacking::is_failing))
            }
            Sync::Pending { .. } if recorded.says(facts) => Look::Fine,
            Sync::Pending { lacking, .. } => {
                let is_failing = lacking.iter().any(Lacking::is_failing);
                match is_failing || self.now.elapsed >= entry.written + ON_ITS_WAY {
                    true => Look::Outdated,
                    false => Look::Later,
                }
            }
            Sync::Unknown | Sync::LeftOut { .. } | Sync::Rejected { .. } => Look::Fine,
        }
    }

    /// Returns when statuses are to be looked at next. `None` if none are.
    pub(super) fn refresh_wake(&self) -> Option<Duration> {
        let refresh = &self.satellites.refresh;
        let looks = (!refresh.queue.is_empty()).then_some(refresh.looked + LOOK_EVERY);
        let begins = refresh.due().filter(|_| refresh.queue.is_empty());
        let due = [looks, begins, self.satellites.settling.due()].into_iter().flatten().min();
        due.filter(|_| self.now.term.is_some() && self.recovery.is_decided())
    }
}
