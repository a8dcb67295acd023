//! What is written next. A status write is the dearest thing that the operator does (about 4 ms of an API server's CPU), so
//! there is at most one for Ready and one for Synced per change, Synced never delays a Ready, and a job that a newer state
//! made obsolete is never written. Namespaces take turns, so nobody waits for the burst of another tenant.

use super::fair::Waiting;
use super::write::Kind;
use crate::identity::ObjectKey;
use crate::publish::Published;
use std::collections::HashMap;

/// One write. The status itself is composed when it is sent, from what is true then.
#[derive(Debug)]
pub struct Job {
    /// The resource.
    pub key: ObjectKey,
    /// What is to be acknowledged with it. `None` for a refusal, or for Synced.
    pub published: Option<Published>,
}

/// The jobs: Ready, then Synced.
#[derive(Debug, Default)]
pub struct Queue {
    ready: Waiting,
    published: HashMap<ObjectKey, Option<Published>>,
    synced: Waiting,
    /// Writes under way, and what each is for.
    in_flight: HashMap<ObjectKey, Kind>,
    synced_in_flight: usize,
}

impl Queue {
    /// A decision about a generation: its publication, or why there is none. It takes the place of an earlier one.
    pub fn push_ready(&mut self, key: ObjectKey, published: Option<Published>) {
        self.synced.remove(&key);
        self.published.insert(key.clone(), published);
        self.ready.push(key);
    }

    /// The satellites of an object acknowledged it. Skipped if a Ready write is queued, which will carry it.
    pub fn push_synced(&mut self, key: ObjectKey) {
        if !self.published.contains_key(&key) {
            self.synced.push(key);
        }
    }

    /// The object is gone or has a new generation: nothing that is queued for it is true any more. Returns the publication
    /// whose Ready was queued.
    pub fn forget(&mut self, key: &ObjectKey) -> Option<Published> {
        self.synced.remove(key);
        let published = self.published.remove(key)?;
        self.ready.remove(key);
        published
    }

    /// Returns the next write of Ready or of a refusal. At most one write per object is in flight.
    pub fn pop_ready(&mut self) -> Option<Job> {
        let key = self.ready.pop(|key| !self.in_flight.contains_key(key))?;
        let published = self.published.remove(&key)?;
        let kind = if published.is_some() { Kind::Ready } else { Kind::Refusal };
        self.in_flight.insert(key.clone(), kind);
        Some(Job { key, published })
    }

    /// Returns the next write of Synced, if fewer than `at_once` are in flight.
    pub fn pop_synced(&mut self, at_once: usize) -> Option<Job> {
        if self.synced_in_flight >= at_once {
            return None;
        }
        // A Ready that only waits for its own object's write in flight keeps no Synced of another object back.
        let key = self.synced.pop(|key| !self.in_flight.contains_key(key))?;
        self.in_flight.insert(key.clone(), Kind::Synced);
        self.synced_in_flight += 1;
        Some(Job { key, published: None })
    }

    /// The write of this object was answered, or given up. Returns what it was for; `None` if there was none.
    pub fn done(&mut self, key: &ObjectKey) -> Option<Kind> {
        let kind = self.in_flight.remove(key)?;
        if kind == Kind::Synced {
            self.synced_in_flight -= 1;
        }
        Some(kind)
    }

    /// Writes under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Writes of Synced under way.
    pub fn synced_in_flight(&self) -> usize {
        self.synced_in_flight
    }

    /// Whether a write of Ready, or of a refusal, waits or is under way.
    pub fn has_ready_under_way(&self) -> bool {
        !self.ready.is_empty() || self.in_flight.len() > self.synced_in_flight
    }

    /// Whether a write of this object is under way.
    pub fn is_in_flight(&self, key: &ObjectKey) -> bool {
        self.in_flight.contains_key(key)
    }

    /// Whether a Ready write of this object is queued.
    pub fn has_ready(&self, key: &ObjectKey) -> bool {
        self.published.contains_key(key)
    }

    /// Queued Ready and Synced writes.
    pub fn lengths(&self) -> (usize, usize) {
        (self.ready.len(), self.synced.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_first_one_in_flight_each_and_nothing_obsolete() {
        let (a, b) = (ObjectKey::new("n", "a"), ObjectKey::new("n", "b"));
        let mut queue = Queue::default();
        queue.push_synced(a.clone());
        queue.push_ready(b.clone(), None);
        queue.push_synced(b.clone());
        assert_eq!(queue.pop_ready().unwrap().key, b);
        queue.push_ready(b.clone(), None);
        assert!(queue.pop_ready().is_none(), "b waits for its own write");
        assert_eq!(queue.pop_synced(1).unwrap().key, a, "and delays nobody else");
        assert!(queue.pop_synced(1).is_none());
        assert_eq!(queue.done(&a), Some(Kind::Synced));
        assert_eq!(queue.done(&b), Some(Kind::Refusal));
        queue.push_synced(a.clone());
        assert_eq!(queue.pop_ready().unwrap().key, b);
        assert_eq!(queue.pop_synced(1).unwrap().key, a);
        queue.push_ready(a.clone(), None);
        queue.forget(&a);
        queue.done(&a);
        assert!(queue.pop_ready().is_none() && queue.done(&a).is_none());
    }

    #[test]
    fn a_burst_of_one_namespace_delays_no_other() {
        let mut queue = Queue::default();
        for number in 0..1_000 {
            queue.push_ready(ObjectKey::new("a", &format!("{number:04}")), None);
            queue.push_synced(ObjectKey::new("a", &format!("s{number:04}")));
        }
        queue.push_ready(ObjectKey::new("z", "0"), None);
        queue.push_synced(ObjectKey::new("z", "1"));
        let ready: Vec<_> = (0..2).filter_map(|_| queue.pop_ready()).map(|job| job.key).collect();
        assert_eq!(ready, [ObjectKey::new("a", "0000"), ObjectKey::new("z", "0")]);
        let synced: Vec<_> = (0..2).filter_map(|_| queue.pop_synced(8)).map(|job| job.key).collect();
        assert_eq!(synced, [ObjectKey::new("a", "s0000"), ObjectKey::new("z", "1")]);
    }

    #[test]
    fn synced_only_as_many_at_once_as_there_is_room_for() {
        let [a, b, c] = ["a", "b", "c"].map(|name| ObjectKey::new("n", name));
        let mut queue = Queue::default();
        queue.push_synced(a.clone());
        queue.push_synced(b.clone());
        assert_eq!(queue.pop_synced(1).unwrap().key, a);
        assert!(queue.pop_synced(1).is_none(), "one is under way");
        queue.push_ready(c.clone(), None);
        assert_eq!(queue.pop_ready().unwrap().key, c, "a Ready has its own room");
        queue.done(&c);
        assert!(queue.pop_synced(1).is_none(), "the room of a Ready is not that of a Synced");
        queue.done(&a);
        assert_eq!(queue.pop_synced(1).unwrap().key, b);
    }
}
