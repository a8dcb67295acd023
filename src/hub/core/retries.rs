//! Work that failed and is due again. At most one retry of a file and one of a status waits for each object.

use super::Core;
use crate::backoff::Backoff;
use crate::identity::{ObjectKey, Uid};
use crate::publish::Published;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const BACKOFF: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(30) };

/// A moment, and a number that distinguishes two retries of one moment.
type Due = (Duration, u64);

/// The retries that wait.
pub(super) struct Retries {
    waiting: BTreeMap<Due, Retry>,
    /// Objects with a [`Retry::Commit`].
    recommits: BTreeSet<ObjectKey>,
    /// Objects with a [`Retry::Status`].
    rewrites: HashMap<ObjectKey, Due>,
    number: u64,
    seed: u64,
}

enum Retry {
    Commit(ObjectKey),
    Status { key: ObjectKey, uid: Uid, generation: i64, published: Option<Published> },
}

impl Retries {
    pub fn new(seed: u64) -> Self {
        Self {
            waiting: BTreeMap::new(),
            recommits: BTreeSet::new(),
            rewrites: HashMap::new(),
            number: 0,
            seed,
        }
    }

    /// Returns when the next one is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Returns the objects whose file is tried again.
    pub fn recommits(&self) -> impl Iterator<Item = &ObjectKey> {
        self.recommits.iter()
    }

    /// Tries a file again, however often it changes meanwhile only once.
    pub fn recommit(&mut self, now: Duration, attempts: u32, key: ObjectKey) {
        if self.recommits.insert(key.clone()) {
            self.wait(now, attempts, Retry::Commit(key));
        }
    }

    /// Tries a status again. A retry with a publication takes the place of one without.
    pub fn rewrite(
        &mut self,
        now: Duration,
        attempts: u32,
        key: ObjectKey,
        uid: Uid,
        generation: i64,
        published: Option<Published>,
    ) {
        if let Some(due) = self.rewrites.get(&key) {
            // One for an older generation, or for an earlier resource of this name, does nothing when it is due.
            let is_same = matches!(self.waiting.get(due), Some(Retry::Status { uid: u, generation: g, .. })
                if *u == uid && *g == generation);
            if is_same && published.is_none() {
                return;
            }
            self.waiting.remove(due);
        }
        let due = self.wait(now, attempts, Retry::Status { key: key.clone(), uid, generation, published });
        self.rewrites.insert(key, due);
    }

    /// Returns whether the retry of an object's status has a publication.
    pub fn has_publication(&self, key: &ObjectKey) -> bool {
        let retry = self.rewrites.get(key).and_then(|due| self.waiting.get(due));
        matches!(retry, Some(Retry::Status { published: Some(_), .. }))
    }

    /// Drops the retry of an object's status, and returns the publication in it.
    pub fn cancel_status(&mut self, key: &ObjectKey) -> Option<Published> {
        match self.waiting.remove(&self.rewrites.remove(key)?)? {
            Retry::Status { published, .. } => published,
            Retry::Commit(_) => None,
        }
    }

    fn wait(&mut self, now: Duration, attempts: u32, retry: Retry) -> Due {
        self.number += 1;
        let due = (now + BACKOFF.pause(attempts, self.random()), self.number);
        self.waiting.insert(due, retry);
        due
    }

    fn take_due(&mut self, now: Duration) -> Option<Retry> {
        let first = self.waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        let retry = first.remove();
        match &retry {
            Retry::Commit(key) => drop(self.recommits.remove(key)),
            Retry::Status { key, .. } => drop(self.rewrites.remove(key)),
        }
        Some(retry)
    }

    /// Returns the next number in 0..1 of a sequence that the seed decides (SplitMix64), so that a run can be repeated.
    pub fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Core {
    /// Takes up again what is due.
    pub(super) fn retry_due(&mut self) {
        while let Some(retry) = self.retries.take_due(self.now.elapsed) {
            match retry {
                Retry::Commit(key) => self.mark_dirty(&key),
                Retry::Status { key, uid, generation, published } => {
                    self.retry_status(key, &uid, generation, published);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_a_status_that_fail_for_ever_are_tried_again_within_the_cap() {
        let now = Duration::from_secs(1000);
        for seed in 0..200 {
            let mut retries = Retries::new(seed);
            let due = |retries: &mut Retries| {
                let due = retries.next_due().expect("one waits") - now;
                assert!(retries.take_due(now + due).is_some());
                due
            };
            for attempts in [1, 10, 1000, u32::MAX] {
                let key = ObjectKey::new("team-a", "web");
                retries.recommit(now, attempts, key.clone());
                let commit = due(&mut retries);
                retries.rewrite(now, attempts, key, Uid::new("uid"), 1, None);
                for pause in [commit, due(&mut retries)] {
                    assert!(
                        pause >= Duration::from_millis(25) && pause <= BACKOFF.cap,
                        "{attempts}: {pause:?}"
                    );
                }
            }
        }
        assert!(BACKOFF.cap <= Duration::from_secs(30));
    }
}
