//! What a person is shown of the objects, without a request to an API server. Reading changes
//! nothing here.
//!
//! The whole is read in two steps, because the loop must not stand still for 10,000 texts: an
//! outline without a text, and then the words of a few objects at a time.

use super::Core;
use super::entry::Entry;
use crate::api::{IcingaType, Reason};
use crate::identity::ObjectKey;
use crate::status::Said;
use std::collections::{BTreeMap, HashMap};

/// How far an object got. The worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A person must act.
    Refused,
    /// It is on its way, or tried again.
    Waiting,
    /// `spec.suspend` is set.
    Suspended,
    /// It is published, and every satellite that should hold it does.
    Done,
}

/// How many objects there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`State::Refused`]
    pub refused: usize,
    /// [`State::Waiting`]
    pub waiting: usize,
    /// [`State::Suspended`]
    pub suspended: usize,
    /// [`State::Done`]
    pub done: usize,
}

impl Counts {
    /// Counts one more object.
    pub fn add(&mut self, state: State) {
        *match state {
            State::Refused => &mut self.refused,
            State::Waiting => &mut self.waiting,
            State::Suspended => &mut self.suspended,
            State::Done => &mut self.done,
        } += 1;
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: Self) {
        self.refused += other.refused;
        self.waiting += other.waiting;
        self.suspended += other.suspended;
        self.done += other.done;
    }

    /// Returns how many objects there are.
    pub fn total(&self) -> usize {
        self.refused + self.waiting + self.suspended + self.done
    }
}

/// All objects, without a text.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// False until the first LIST was complete and the set from before the start was rebuilt: then
    /// the rest is not all.
    pub is_complete: bool,
    /// The counts of each namespace.
    pub namespaces: BTreeMap<String, Counts>,
    /// The objects that are not done, the worst first.
    pub open: Vec<(State, ObjectKey)>,
}

/// An object that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The resource.
    pub key: ObjectKey,
    /// Icinga type that it declares. `None` if its spec cannot be read.
    pub kind: Option<IcingaType>,
    /// How far it got.
    pub state: State,
    /// The reason that matters.
    pub reason: Reason,
    /// Why, for a person, with the remedy.
    pub message: String,
    /// Since when, in Unix seconds.
    pub since: i64,
}

impl Entry {
    /// Returns the state, by what is at hand without a text.
    fn state(&self) -> State {
        let is_recorded = self.recorded.generation == self.generation;
        match () {
            () if self.suspended => State::Suspended,
            () if self.refused.is_some() || is_recorded && self.recorded.stalled => State::Refused,
            () if self.failing.is_none() && self.is_recorded_ready() && self.recorded.synced => State::Done,
            () => State::Waiting,
        }
    }
}

impl Core {
    /// Returns all objects, without a text.
    pub fn outline(&self) -> Outline {
        let mut namespaces: HashMap<&str, Counts> = HashMap::new();
        let mut open = Vec::new();
        for (key, entry) in &self.objects.entries {
            let state = entry.state();
            namespaces.entry(key.namespace()).or_default().add(state);
            if state != State::Done {
                open.push((state, key.clone()));
            }
        }
        open.sort_unstable();
        Outline {
            is_complete: self.recovery.is_decided(),
            namespaces: namespaces.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect(),
            open,
        }
    }

    /// Returns the words about these objects; `unix` is now in Unix seconds. An object that is gone
    /// or done by now is left out.
    pub fn words(&self, keys: &[ObjectKey], unix: i64) -> Vec<Waiting> {
        let of = |key: &ObjectKey| {
            let entry = self.objects.entries.get(key)?;
            let waiting = |state, reason, message, since| {
                Some(Waiting { key: key.clone(), kind: entry.kind, state, reason, message, since })
            };
            let Some(facts) = self.facts(key, entry) else {
                let message = "on its way to the volume".to_owned();
                return waiting(State::Waiting, Reason::Pending, message, unix);
            };
            let said = Said::of(&facts, &entry.recorded, unix);
            let state = match () {
                () if entry.suspended => State::Suspended,
                () if said.stalled => State::Refused,
                () if !(said.ready && said.synced) => State::Waiting,
                () if entry.is_recorded_ready() && entry.recorded.synced => return None,
                () => {
                    let message = "everywhere, and its status is being written".to_owned();
                    return waiting(State::Waiting, Reason::Pending, message, unix);
                }
            };
            waiting(state, said.reason, said.message, said.since)
        };
        keys.iter().filter_map(of).collect()
    }
}
