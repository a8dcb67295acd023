//! The last sets that this process delivered to one satellite, by which the reports of its agents
//! are understood.

use crate::identity::{Digest, ObjectKey, Revision};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Most sets that are remembered. An agent that runs an older one counts as one that runs none.
const MOST: usize = 64;

/// A set that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeliveredSet {
    /// Revision that the pointer carries: that of the first snapshot with this content.
    pub pointer: Revision,
    /// Digest of the set.
    pub digest: Digest,
    /// The last snapshot of which this set was the satellite's part.
    pub snapshot: Revision,
    /// Objects of that snapshot that the satellite accepts and cannot hold.
    pub left_out: Arc<BTreeSet<ObjectKey>>,
}

/// The last delivered sets, the present one last. Empty while it is unknown what the satellite
/// holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(VecDeque<DeliveredSet>);

impl History {
    /// Adds a delivery. One that only confirms the present set moves its snapshot.
    pub fn add(&mut self, set: DeliveredSet) {
        match self.0.back_mut() {
            Some(last) if (last.pointer, last.digest) == (set.pointer, set.digest) => *last = set,
            _ => self.0.push_back(set),
        }
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// Forgets everything: the satellite may hold another set, or accept other objects.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the set that an agent runs, which it names by the pointer's revision and digest.
    /// None if this process did not deliver it.
    pub fn find(&self, pointer: Revision, digest: Digest) -> Option<&DeliveredSet> {
        // What is delivered now may have the content of an earlier pointer.
        let now = self.0.back().filter(|set| set.digest == digest);
        now.or_else(|| self.0.iter().rev().find(|set| (set.pointer, set.digest) == (pointer, digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pointer: u64, word: &str, snapshot: u64) -> DeliveredSet {
        DeliveredSet {
            pointer: at(pointer),
            digest: Digest::of(word.as_bytes()),
            snapshot: at(snapshot),
            left_out: Arc::default(),
        }
    }

    fn at(counter: u64) -> Revision {
        Revision { term: 1, counter }
    }

    fn found(history: &History, pointer: u64, word: &str) -> Option<u64> {
        history.find(at(pointer), Digest::of(word.as_bytes())).map(|set| set.snapshot.counter)
    }

    #[test]
    fn a_set_is_found_by_its_pointer_and_the_present_one_by_its_content() {
        let mut history = History::default();
        assert_eq!(found(&history, 1, "a"), None);
        history.add(set(1, "a", 1));
        history.add(set(1, "a", 3));
        assert_eq!(found(&history, 1, "a"), Some(3), "two snapshots with the same part");
        history.add(set(4, "b", 4));
        assert_eq!((found(&history, 1, "a"), found(&history, 4, "b")), (Some(3), Some(4)));
        assert_eq!(found(&history, 2, "a"), None, "not a pointer of this process");
        history.add(set(5, "a", 5));
        assert_eq!(found(&history, 1, "a"), Some(5), "its content is what is delivered now");
        history.clear();
        assert_eq!(found(&history, 5, "a"), None);
    }

    #[test]
    fn only_the_last_sets_are_remembered() {
        let mut history = History::default();
        for number in 1..=MOST as u64 + 1 {
            history.add(set(number, &number.to_string(), number));
        }
        assert_eq!((found(&history, 1, "1"), found(&history, 2, "2")), (None, Some(2)));
        assert_eq!(history.0.len(), MOST);
    }
}
