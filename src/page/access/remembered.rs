//! Answers about people, for a short time, so that a page that is open costs the API server little.

use crate::identity::Digest;
use crate::page::view::Rights;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer counts. A right that is taken away, or a token that ends, counts for so long.
pub(super) const LASTS: Duration = Duration::from_secs(10);
/// Most answers. The oldest makes room.
const MOST: usize = 256;

/// Whom an answer is about. The token itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Digest, Option<String>);

impl Key {
    pub fn of(token: &str, namespace: Option<&str>) -> Self {
        Self(Digest::of(token.as_bytes()), namespace.map(str::to_owned))
    }
}

/// The answers, each with the time of its question. `None` is a token that is not valid.
#[derive(Debug, Default)]
pub(super) struct Remembered(BTreeMap<Key, (Duration, Option<Rights>)>);

impl Remembered {
    /// Returns the answer that still counts at `now`.
    pub fn get(&self, key: &Key, now: Duration) -> Option<Option<Rights>> {
        let (asked, answer) = self.0.get(key)?;
        (now < *asked + LASTS).then_some(*answer)
    }

    /// Remembers the answer to a question of this time.
    pub fn put(&mut self, key: Key, asked: Duration, answer: Option<Rights>) {
        self.0.retain(|_, (before, _)| asked < *before + LASTS);
        if self.0.len() >= MOST
            && let Some(oldest) =
                self.0.iter().min_by_key(|(_, (asked, _))| *asked).map(|(key, _)| key.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, (asked, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::view::Scope;

    const RIGHTS: Rights = Rights { objects: Scope::All, satellites: true };

    #[test]
    fn an_answer_is_for_one_token_and_namespace_and_ends() {
        let mut answers = Remembered::default();
        let second = Duration::from_secs(1);
        answers.put(Key::of("a", None), second, Some(RIGHTS));
        answers.put(Key::of("b", Some("x")), second, None);
        let get = |token, namespace, now| answers.get(&Key::of(token, namespace), now);
        assert_eq!(get("a", None, second), Some(Some(RIGHTS)));
        assert_eq!(get("b", Some("x"), second), Some(None));
        for (token, namespace) in [("a", Some("x")), ("b", None), ("b", Some("y")), ("c", None)] {
            assert_eq!(get(token, namespace, second), None);
        }
        assert!(get("a", None, LASTS).is_some() && get("a", None, second + LASTS).is_none());
    }

    #[test]
    fn there_are_never_more_than_a_few() {
        let mut answers = Remembered::default();
        for n in 0..1000_u32 {
            answers.put(Key::of(&n.to_string(), None), Duration::from_millis(n.into()), None);
        }
        assert_eq!(answers.0.len(), MOST);
        assert!(answers.get(&Key::of("999", None), Duration::from_secs(1)).is_some());
        answers.put(Key::of("x", None), Duration::from_mins(1), None);
        assert_eq!(answers.0.len(), 1);
    }
}
