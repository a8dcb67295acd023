//! Waiting objects, served namespace by namespace: the thousands of one tenant delay nobody else's one.

use crate::identity::ObjectKey;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Objects that wait, each once. The namespaces take turns; within one it is first come, first served.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Whose turn is next.
    turns: VecDeque<Box<str>>,
    namespaces: HashMap<Box<str>, BTreeMap<u64, ObjectKey>>,
    /// The place of each object in its namespace.
    places: HashMap<ObjectKey, u64>,
    next: u64,
}

impl Waiting {
    /// An object waits. It keeps its place if it waits already.
    pub fn push(&mut self, key: ObjectKey) {
        if self.places.contains_key(&key) {
            return;
        }
        self.next += 1;
        self.places.insert(key.clone(), self.next);
        match self.namespaces.get_mut(key.namespace()) {
            Some(waiting) => drop(waiting.insert(self.next, key)),
            None => {
                let namespace: Box<str> = key.namespace().into();
                self.turns.push_back(namespace.clone());
                self.namespaces.insert(namespace, BTreeMap::from([(self.next, key)]));
            }
        }
    }

    /// Takes the first object of the next namespace that may be taken.
    pub fn pop(&mut self, may_go: impl Fn(&ObjectKey) -> bool) -> Option<ObjectKey> {
        for _ in 0..self.turns.len() {
            let namespace = self.turns.front()?;
            let found = self.namespaces.get(namespace)?.values().find(|key| may_go(key)).cloned();
            self.turns.rotate_left(1);
            if let Some(key) = found {
                self.remove(&key);
                return Some(key);
            }
        }
        None
    }

    /// An object does not wait any more.
    pub fn remove(&mut self, key: &ObjectKey) {
        let Some(place) = self.places.remove(key) else { return };
        let Some(waiting) = self.namespaces.get_mut(key.namespace()) else { return };
        waiting.remove(&place);
        if waiting.is_empty() {
            self.namespaces.remove(key.namespace());
            self.turns.retain(|namespace| **namespace != *key.namespace());
        }
    }

    /// Objects that wait.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, number: usize) -> ObjectKey {
        ObjectKey::new(namespace, &number.to_string())
    }

    #[test]
    fn the_namespaces_take_turns() {
        let mut waiting = Waiting::default();
        (0..1_000).for_each(|number| waiting.push(key("many", number)));
        waiting.push(key("few", 0));
        waiting.push(key("few", 1));
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop(|_| true)).take(5).collect();
        assert_eq!(order, [key("many", 0), key("few", 0), key("many", 1), key("few", 1), key("many", 2)]);
        assert_eq!(waiting.len(), 997);
    }

    #[test]
    fn who_may_not_go_keeps_the_place_and_delays_nobody() {
        let mut waiting = Waiting::default();
        for number in 0..3 {
            waiting.push(key("a", number));
            waiting.push(key("b", number));
        }
        waiting.remove(&key("b", 1));
        waiting.push(key("a", 0));
        let may_go = |blocked: &'static str| move |key: &ObjectKey| key.as_str() != blocked;
        assert_eq!(waiting.pop(may_go("a/0")), Some(key("a", 1)));
        assert_eq!(waiting.pop(may_go("a/0")), Some(key("b", 0)));
        assert_eq!(waiting.pop(may_go("b/2")), Some(key("a", 0)));
        assert_eq!(waiting.pop(|key| key.namespace() == "b"), Some(key("b", 2)));
        assert_eq!((waiting.pop(|_| true), waiting.pop(|_| true)), (Some(key("a", 2)), None));
        assert!(waiting.is_empty());
    }
}
