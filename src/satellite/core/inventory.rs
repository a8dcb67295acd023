//! The operator's ConfigMaps on a satellite, as a list and a watch of metadata report them.

use crate::identity::Revision;
use crate::satellite::problem::{Contact, Problem};
use std::collections::BTreeMap;
use std::time::Duration;

/// One ConfigMap with the operator's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub uid: String,
    pub version: String,
    /// True for a shard, false for a pointer.
    pub is_shard: bool,
    /// The newest revision that uses it, from its annotation.
    pub revision: Option<Revision>,
}

/// An event of the list or the watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A complete list, which was asked for at `began`.
    Listed { began: Duration, items: BTreeMap<String, Item> },
    /// The watch was accepted.
    Watching,
    /// A ConfigMap was created or changed.
    Changed { name: String, item: Item },
    /// A ConfigMap was deleted.
    Deleted { name: String, uid: String },
    /// The list or the watch failed. A new list follows.
    Failed(Problem),
}

/// The operator's ConfigMaps, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inventory {
    /// By name.
    pub items: BTreeMap<String, Item>,
    /// When the last complete list was asked for. None while changes cannot be followed.
    pub listed: Option<Duration>,
    /// UIDs of the ConfigMaps that were deleted since that list, by name.
    pub deleted: BTreeMap<String, String>,
    /// Why changes cannot be followed.
    pub problem: Option<Problem>,
    /// The last time when a change could have been missed.
    pub lost: Option<Duration>,
}

impl Inventory {
    /// Returns an empty inventory: whatever happened until `now` may have been missed.
    pub fn lost(now: Duration) -> Self {
        Self { lost: Some(now), ..Self::default() }
    }

    /// Takes an event.
    pub fn observe(&mut self, event: Event, now: Duration) {
        match event {
            Event::Listed { began, items } => {
                self.items = items;
                self.listed = Some(began);
                self.deleted.clear();
            }
            Event::Watching => self.problem = None,
            Event::Changed { name, item } => {
                self.items.insert(name, item);
            }
            Event::Deleted { name, uid } => {
                self.items.remove(&name);
                self.deleted.insert(name, uid);
            }
            Event::Failed(problem) => {
                // A satellite that refuses the list loses nothing by refusing it again. One that
                // does not answer may have been away.
                if self.listed.take().is_some() || problem.contact == Contact::Silent {
                    self.lost = Some(now);
                }
                self.problem = Some(problem);
            }
        }
    }

    /// Returns why the satellite refuses the list or the watch. None if it does not.
    pub fn refusal(&self) -> Option<&Problem> {
        self.problem.as_ref().filter(|problem| problem.contact == Contact::Answered)
    }

    /// True if a ConfigMap that was seen is reported as deleted or replaced since. Nothing is
    /// reported while changes cannot be followed.
    pub fn is_gone(&self, name: &str, seen: &Seen) -> bool {
        let Some(began) = self.listed else { return false };
        match self.items.get(name) {
            // The event that we replaced another one may arrive late.
            Some(item) => item.uid != seen.uid && number(&item.version) > seen.version,
            // A list that was asked for earlier may be older than what was seen.
            None => began >= seen.asked || self.deleted.get(name).is_some_and(|uid| *uid == seen.uid),
        }
    }
}

/// A ConfigMap, as an answer to a request showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub uid: String,
    /// Its resourceVersion, as [`number`] has it.
    pub version: u64,
    /// When the request was sent.
    pub asked: Duration,
}

/// Returns a resourceVersion as a number, which is how Kubernetes orders the versions of one
/// object. If it is no number it counts as the newest, so that the object is read again.
pub(crate) fn number(version: &str) -> u64 {
    version.parse().unwrap_or(u64::MAX)
}
