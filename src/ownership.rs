//! Which operator wrote a status. Two operators that watch the same resources would undo each
//! other's statuses for ever, so each writes its name into them, and one that meets another's name
//! writes nothing at all.
//!
//! The name is `<namespace>/<name>` of the Lease, which all processes of one installation share.

use crate::text::clean;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

/// Longest name: that of a namespace (63), a slash, that of a Lease (253).
pub const NAME_MAX: usize = 317;

/// The name of this operator, and of the one that it takes over from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    name: Arc<str>,
    takes_over: Option<Arc<str>>,
}

impl Default for Claim {
    fn default() -> Self {
        Self::new("groundlink", "groundlink")
    }
}

impl Claim {
    /// Returns the claim of the operator whose Lease has this namespace and name.
    pub fn new(namespace: &str, lease: &str) -> Self {
        Self { name: format!("{namespace}/{lease}").into(), takes_over: None }
    }

    /// Returns the claim that also takes over what this operator wrote.
    pub fn taking_over_from(self, other: Option<&str>) -> Self {
        Self { takes_over: other.map(Arc::from), ..self }
    }

    /// Returns the name that this operator writes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the operator that this one takes over from.
    pub fn takes_over(&self) -> Option<&str> {
        self.takes_over.as_deref()
    }

    /// Returns whose status it is that has this name.
    pub fn owner(&self, named: Option<&str>) -> Owner {
        match named.filter(|named| !named.is_empty()) {
            // Nobody wrote it yet, or a version that did not write its name.
            None => Owner::Nobody,
            Some(named) if named == &*self.name => Owner::This,
            Some(named) if self.takes_over() == Some(named) => Owner::Former,
            Some(_) => Owner::Other,
        }
    }

    /// Returns why this operator writes nothing, for a person: `resource` has a status of `other`.
    pub fn refusal(&self, resource: &dyn Display, other: &str) -> String {
        let other = clean(other, NAME_MAX);
        format!(
            "{resource}: status.operator: the operator {other} wrote this status, and this one is {}, so it writes nothing; stop \
             one of the two. If {other} is gone for good, start this one with --take-over-from {other} (settings.takeOverFrom of the \
             chart)",
            self.name
        )
    }
}

/// Whose status it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It names no operator.
    Nobody,
    /// It names this operator.
    This,
    /// It names the operator that this one takes over from.
    Former,
    /// It names another operator.
    Other,
}

/// Reads the name of an operator, as a flag gives it.
///
/// # Errors
/// If the text is not `<namespace>/<name>`.
pub fn operator_name(text: &str) -> Result<String, String> {
    let is_part = |part: &str, max: usize, dots: bool| {
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || dots && c == '.';
        let bytes = part.as_bytes();
        part.len() <= max && part.chars().all(is_inner) && is_end(bytes.first()) && is_end(bytes.last())
    };
    match text.split_once('/') {
        Some((namespace, name)) if is_part(namespace, 63, false) && is_part(name, 253, true) => {
            Ok(text.to_owned())
        }
        _ => {
            Err("use <namespace>/<name> of the other operator's Lease, as status.operator has it".to_owned())
        }
    }
}

/// The resources whose status another operator wrote.
#[derive(Debug)]
pub struct Others<K> {
    foreign: BTreeMap<K, Arc<str>>,
    /// Those of the operator that this one takes over from.
    former: BTreeSet<K>,
    /// Those that the LIST that is running has not named yet.
    unlisted: BTreeSet<K>,
}

impl<K> Default for Others<K> {
    fn default() -> Self {
        Self { foreign: BTreeMap::new(), former: BTreeSet::new(), unlisted: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Others<K> {
    /// A LIST of these resources begins.
    pub fn list_begins(&mut self, is_listed: impl Fn(&K) -> bool) {
        let known = self.foreign.keys().chain(&self.former).filter(|key| is_listed(key));
        self.unlisted.extend(known.cloned());
    }

    /// The LIST of these resources is complete: those that it did not name are gone.
    pub fn list_complete(&mut self, is_listed: impl Fn(&K) -> bool) {
        let gone: Vec<_> = self.unlisted.iter().filter(|key| is_listed(key)).cloned().collect();
        gone.iter().for_each(|key| self.gone(key));
    }

    /// A resource was seen, with this name in its status.
    pub fn seen(&mut self, key: &K, claim: &Claim, named: Option<&str>) {
        self.gone(key);
        match (claim.owner(named), named) {
            (Owner::Other, Some(named)) => {
                // One operator wrote most of them: its name is kept once.
                let known = self.foreign.values().next().filter(|known| &***known == named).cloned();
                self.foreign.insert(key.clone(), known.unwrap_or_else(|| named.into()));
            }
            (Owner::Former, _) => drop(self.former.insert(key.clone())),
            _ => {}
        }
    }

    /// A resource is gone.
    pub fn gone(&mut self, key: &K) {
        self.foreign.remove(key);
        self.former.remove(key);
        self.unlisted.remove(key);
    }

    /// Returns the first resource that another operator owns, and the name of that operator.
    pub fn first(&self) -> Option<(&K, &str)> {
        self.foreign.iter().next().map(|(key, name)| (key, &**name))
    }

    /// Returns how many resources have a status of another operator, also of one that this one takes
    /// over from.
    pub fn count(&self) -> usize {
        self.foreign.len() + self.former.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim::new("team", "groundlink").taking_over_from(Some("old/groundlink"))
    }

    #[test]
    fn a_status_belongs_to_the_operator_that_it_names() {
        let owners = [
            (None, Owner::Nobody),
            (Some(""), Owner::Nobody),
            (Some("team/groundlink"), Owner::This),
            (Some("old/groundlink"), Owner::Former),
            (Some("team/other"), Owner::Other),
            (Some("groundlink"), Owner::Other),
        ];
        for (named, owner) in owners {
            assert_eq!(claim().owner(named), owner, "{named:?}");
        }
        assert_eq!(Claim::new("team", "groundlink").owner(Some("old/groundlink")), Owner::Other);
    }

    #[test]
    fn what_a_complete_list_does_not_name_is_nobodys() {
        let mut others = Others::default();
        others.seen(&"a", &claim(), Some("x/y"));
        others.seen(&"b", &claim(), Some("old/groundlink"));
        others.seen(&"c", &claim(), Some("x/y"));
        others.seen(&"d", &claim(), None);
        assert_eq!((others.count(), others.first()), (3, Some((&"a", "x/y"))));

        others.list_begins(|_| true);
        others.seen(&"c", &claim(), Some("x/y"));
        assert_eq!(others.count(), 3, "a LIST that broke off says nothing of the others");
        others.list_begins(|key| *key == "c");
        others.seen(&"c", &claim(), Some("x/y"));
        others.list_complete(|key| *key == "c");
        assert_eq!(others.count(), 3, "nor does one of another place");
        others.list_begins(|_| true);
        others.seen(&"c", &claim(), Some("x/y"));
        others.list_complete(|_| true);
        assert_eq!((others.count(), others.first()), (1, Some((&"c", "x/y"))));
        others.seen(&"c", &claim(), Some("team/groundlink"));
        assert_eq!((others.count(), others.first()), (0, None));
    }

    #[test]
    fn a_flag_names_a_namespace_and_a_lease() {
        for good in ["a/b", "team-a/groundlink.hub", "0/1"] {
            assert_eq!(operator_name(good), Ok(good.to_owned()));
        }
        let long = format!("{}/b", "a".repeat(64));
        for bad in ["", "a", "a/", "/b", "a/b/c", "a.b/c", "A/b", "-a/b", "a/b-", "a b/c", &long] {
            assert!(operator_name(bad).is_err(), "{bad}");
        }
    }
}
