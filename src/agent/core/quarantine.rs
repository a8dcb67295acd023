//! Holds back the objects that Icinga refuses, so that the others are loaded.
//!
//! An object that Icinga names keeps the bytes of the last tree that was proved; it is left out
//! only if it is new, or if Icinga names it again. A host that is missing for one single load
//! loses its acknowledgements, downtimes and comments for ever.

use super::facts::{Blame, Content, Files, Tree, object_of};
use crate::api::agent_report::{HeldContent, HeldObject, MOST_HELD};
use crate::snapshot::HeldFile;
use std::collections::BTreeMap;

/// Most runs of the validator for one set.
pub const MOST_ROUNDS: u32 = 8;
/// Largest share of the set that is held, in percent, and the number that always may be.
const SHARE: usize = 5;
const LEAST: usize = 20;

/// The objects of one set that are held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    held: BTreeMap<String, (HeldContent, String)>,
}

impl Quarantine {
    /// Adds what Icinga named. Returns false if the set must be rejected as a whole: nothing was
    /// named, something was named that is left out already, or too much is held.
    pub fn add(&mut self, blame: &Blame, wanted: &Files, good: Option<&Tree>) -> bool {
        if blame.keys.is_empty() {
            return false;
        }
        for (key, message) in &blame.keys {
            let had = good.is_some_and(|good| good.files.contains_key(key));
            let content = match (self.held.get(key), had) {
                (Some((HeldContent::LeftOut, _)), _) => return false,
                (Some((HeldContent::Previous, _)), _) | (None, false) => HeldContent::LeftOut,
                // Also if these are the bytes that are wanted: then it is a victim, and the culprit is
                // held in the same round.
                (None, true) => HeldContent::Previous,
            };
            let first = self.held.get(key).map(|(_, first)| first.clone());
            self.held.insert(key.clone(), (content, first.unwrap_or_else(|| message.clone())));
        }
        let most = (wanted.len() * SHARE / 100).clamp(LEAST, MOST_HELD);
        self.held.len() <= most
    }

    /// Returns the files of the tree: those of the wanted set, except what is held.
    pub fn files(&self, wanted: &Files, good: Option<&Tree>) -> BTreeMap<String, (HeldFile, Content)> {
        let mut files: BTreeMap<_, _> =
            wanted.iter().map(|(key, file)| (key.clone(), (*file, Content::Wanted))).collect();
        for (key, (content, _)) in &self.held {
            let previous = good.and_then(|good| good.files.get(key));
            match (content, previous) {
                (HeldContent::Previous, Some(file)) => files.insert(key.clone(), (*file, Content::Good)),
                _ => files.remove(key),
            };
        }
        files
    }

    /// Returns the objects that do not have the content of the wanted set, for the report.
    pub fn objects(&self, wanted: &Files, good: Option<&Tree>) -> Vec<HeldObject> {
        let is_victim = |key: &String, content: HeldContent| {
            content == HeldContent::Previous && good.and_then(|good| good.files.get(key)) == wanted.get(key)
        };
        let object = |(key, (content, message)): (&String, &(HeldContent, String))| {
            let refused = wanted.get(key).map(|file| file.digest);
            HeldObject::new(object_of(key), *content, message).of(refused)
        };
        self.held.iter().filter(|(key, (content, _))| !is_victim(key, *content)).map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::core::facts::TreeSet;
    use crate::identity::Digest;

    fn files(of: &[(&str, &str)]) -> Files {
        let file = |text: &str| HeldFile { digest: Digest::of(text.as_bytes()), size: text.len() };
        of.iter().map(|(key, text)| ((*key).to_owned(), file(text))).collect::<BTreeMap<_, _>>().into()
    }

    fn good(of: &[(&str, &str)]) -> Tree {
        let set = TreeSet {
            revision: "1.1".into(),
            digest: Digest::of(b"").to_string(),
            marker: "m".into(),
            held: Vec::new(),
        };
        Tree { name: "good".into(), set: set.into(), files: files(of) }
    }

    fn blame(keys: &[&str]) -> Blame {
        let message = |key: &str| format!("{key} is wrong{}", " and long".repeat(100));
        let keys = keys.iter().map(|key| ((*key).to_owned(), message(key))).collect();
        Blame { keys, others: Vec::new() }
    }

    #[test]
    fn an_object_keeps_its_last_good_bytes_and_a_new_one_is_left_out() {
        let good = good(&[("a.x.conf", "old"), ("a.y.conf", "same")]);
        let wanted = files(&[("a.x.conf", "new"), ("a.y.conf", "same"), ("a.z.conf", "new")]);
        let mut quarantine = Quarantine::default();
        assert!(quarantine.add(&blame(&["a.x.conf", "a.z.conf"]), &wanted, Some(&good)));
        let tree = quarantine.files(&wanted, Some(&good));
        assert_eq!(tree["a.x.conf"], (good.files["a.x.conf"], Content::Good));
        assert_eq!(tree["a.y.conf"], (wanted["a.y.conf"], Content::Wanted));
        assert!(!tree.contains_key("a.z.conf"));
        let held: Vec<_> = quarantine
            .objects(&wanted, Some(&good))
            .into_iter()
            .map(|held| (held.object, held.content))
            .collect();
        assert_eq!(
            held,
            [("a/x".to_owned(), HeldContent::Previous), ("a/z".to_owned(), HeldContent::LeftOut)]
        );
    }

    #[test]
    fn an_object_that_is_named_again_is_left_out_with_its_first_message() {
        let good = good(&[("a.x.conf", "old"), ("a.y.conf", "same")]);
        let wanted = files(&[("a.x.conf", "new"), ("a.y.conf", "same")]);
        let mut quarantine = Quarantine::default();
        assert!(quarantine.add(&blame(&["a.x.conf"]), &wanted, Some(&good)));
        let mut again = blame(&["a.x.conf"]);
        again.keys.insert("a.x.conf".into(), "second".into());
        assert!(quarantine.add(&again, &wanted, Some(&good)));
        let held = quarantine.objects(&wanted, Some(&good));
        assert_eq!(held[0].content, HeldContent::LeftOut);
        // Cut: 400 of them must fit an annotation.
        assert!(held[0].message.starts_with("a.x.conf is wrong") && held[0].message.len() < 210);
        // Left out, and named still: nothing explains that.
        assert!(!quarantine.add(&again, &wanted, Some(&good)));
        // A victim: it has the wanted bytes, and is not held as long as they load.
        let mut quarantine = Quarantine::default();
        assert!(quarantine.add(&blame(&["a.x.conf", "a.y.conf"]), &wanted, Some(&good)));
        assert_eq!(quarantine.objects(&wanted, Some(&good)).len(), 1);
    }

    #[test]
    fn without_a_name_or_with_too_many_the_set_is_rejected_as_a_whole() {
        let names: Vec<String> = (0..100).map(|n| format!("a.h{n}.conf")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let wanted = files(&all);
        let few: Vec<_> = names.iter().take(20).map(String::as_str).collect();
        let many: Vec<_> = names.iter().take(21).map(String::as_str).collect();
        assert!(Quarantine::default().add(&blame(&few), &wanted, None));
        assert!(!Quarantine::default().add(&blame(&many), &wanted, None));
        assert!(!Quarantine::default().add(&blame(&[]), &wanted, None));
    }
}
