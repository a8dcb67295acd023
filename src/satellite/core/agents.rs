//! What is known of the agents of one satellite, from their Leases.
//!
//! Clocks are never compared. An agent is silent if the hub did not see its Lease change for
//! [`SILENCE_SECONDS`], by the hub's own monotonic clock. While the Leases cannot be watched, no
//! agent becomes silent.

mod judge;

pub(crate) use judge::Verdict;

use super::history::{DeliveredSet, History};
use crate::api::AgentReport;
use crate::api::agent_report::{HEARTBEAT_SECONDS, SILENCE_SECONDS};
use crate::api::marks::AGENT_REPORT;
use crate::identity::{Digest, ObjectKey, Revision};
use crate::satellite::fleet::Rejection;
use crate::text::clean;
use k8s_openapi::api::coordination::v1::Lease;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Most agents of one satellite that are known.
pub(crate) const MOST: usize = 16;
/// An agent that did not renew its Lease for this long is silent.
const SILENCE: Duration = Duration::from_secs(SILENCE_SECONDS as u64);
/// After a time without a watch, every agent has so long to renew its Lease: its own requests may
/// have failed, too.
const GRACE: Duration = Duration::from_secs(HEARTBEAT_SECONDS as u64 + 15);
/// The ages of a silence that a message names, in minutes. They are few, so that the status of a
/// silent agent is rewritten a few times and not each minute.
const AGES: [u64; 6] = [1, 5, 15, 60, 360, 1440];
/// Longest name of a Lease, in bytes.
const NAME_MAX: usize = 240;

/// The content of the Lease of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub name: String,
    /// Fingerprint of `renewTime` and `holderIdentity`. It changes when the agent renews.
    pub stamp: u64,
    pub said: Said,
}

/// What an agent said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing yet.
    Nothing,
    /// Something that cannot be read, and why.
    Unreadable(String),
    Report(Arc<AgentReport>),
}

impl Found {
    /// Reads a Lease.
    pub fn of(lease: &Lease) -> Self {
        let mut hasher = DefaultHasher::new();
        if let Some(spec) = &lease.spec {
            spec.holder_identity.hash(&mut hasher);
            spec.renew_time.as_ref().map(|time| time.0.as_nanosecond()).hash(&mut hasher);
        }
        let annotations = lease.metadata.annotations.as_ref();
        Self {
            name: clean(lease.metadata.name.as_deref().unwrap_or_default(), NAME_MAX),
            stamp: hasher.finish(),
            said: match annotations.and_then(|all| all.get(AGENT_REPORT)).map(|text| AgentReport::parse(text))
            {
                None => Said::Nothing,
                Some(Ok(report)) => Said::Report(Arc::new(report)),
                Some(Err(why)) => Said::Unreadable(why),
            },
        }
    }
}

/// What the watch of the Leases saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// All Leases of agents, or the first ones if `is_more` is true.
    Listed { found: Vec<Found>, is_more: bool },
    /// One was created or changed.
    Changed(Found),
    /// One was deleted.
    Deleted(String),
    /// The Leases cannot be read or watched.
    Failed { why: String, is_forbidden: bool },
}

/// An agent.
#[derive(Clone, Debug)]
struct Known {
    stamp: u64,
    /// When its Lease was last seen to change. None if a status from before this process calls it
    /// silent, and its Lease has not changed since.
    changed: Option<Duration>,
    said: Said,
}

/// The agents of one satellite.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agents {
    /// By name of the Lease.
    known: BTreeMap<String, Known>,
    /// There are others.
    is_more: bool,
    is_listed: bool,
    /// Why the account may not read Leases.
    forbidden: Option<String>,
    /// Since when and why nothing is seen.
    blind: Option<(Duration, String)>,
    /// Those that were silent when the last process wrote the status.
    silent_before: BTreeSet<String>,
}

/// What the agents loaded, in the terms of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadedSet {
    /// The last snapshot of which every agent runs the satellite's part.
    pub snapshot: Revision,
    /// Objects of that snapshot that the satellite accepts and cannot hold.
    pub left_out: Arc<BTreeSet<ObjectKey>>,
}

impl Agents {
    /// Returns the agents of which a status called these silent.
    pub fn recorded(silent: impl IntoIterator<Item = String>) -> Self {
        Self { silent_before: silent.into_iter().collect(), ..Self::default() }
    }

    /// Returns the agents of a place whose Leases were never listed.
    pub fn unlisted() -> Self {
        let why = "the Leases of this place were not listed yet".to_owned();
        Self { blind: Some((Duration::ZERO, why)), ..Self::default() }
    }

    /// True once the Leases were listed, or it is known that they cannot be.
    pub fn is_known(&self) -> bool {
        self.is_listed || self.forbidden.is_some() || self.blind.is_some()
    }

    /// Takes what the watch saw at this time.
    pub fn heard(&mut self, at: Duration, heard: Heard) {
        match heard {
            Heard::Listed { found, is_more } => {
                let mut old = std::mem::take(&mut self.known);
                self.is_more = is_more;
                let was_blind = self.blind.take().is_some();
                (self.is_listed, self.forbidden) = (true, None);
                for found in found {
                    if let Some(before) = old.remove(&found.name) {
                        self.known.insert(found.name.clone(), before);
                    }
                    self.changed(at, found);
                }
                for known in self.known.values_mut().filter(|_| was_blind) {
                    let earliest = at.saturating_sub(SILENCE - GRACE);
                    known.changed = known.changed.map(|changed| changed.max(earliest));
                }
                self.silent_before.clear();
            }
            Heard::Changed(found) => self.changed(at, found),
            Heard::Deleted(name) => {
                self.known.remove(&name);
            }
            Heard::Failed { why, is_forbidden } => {
                self.forbidden = is_forbidden.then(|| why.clone());
                self.blind(at, why);
            }
        }
    }

    fn changed(&mut self, at: Duration, Found { name, stamp, said }: Found) {
        let is_full = self.known.len() >= MOST;
        match self.known.get_mut(&name) {
            Some(known) => {
                if known.stamp != stamp {
                    (known.stamp, known.changed) = (stamp, Some(at));
                }
                known.said = said;
            }
            None if is_full => self.is_more = true,
            None => {
                let changed = Some(at).filter(|_| !self.silent_before.contains(&name));
                self.known.insert(name, Known { stamp, changed, said });
            }
        }
    }

    /// Notes that the Leases are not watched from now on.
    pub fn blind(&mut self, at: Duration, why: String) {
        match &mut self.blind {
            Some((_, known)) => *known = why,
            None => self.blind = Some((at, why)),
        }
    }

    /// Returns for how long an agent has been silent. None if it is not.
    fn silence(&self, known: &Known, now: Duration) -> Option<Duration> {
        let until = self.blind.as_ref().map_or(now, |(since, _)| *since);
        let silent = known.changed.map_or(SILENCE, |changed| until.saturating_sub(changed));
        (silent >= SILENCE).then_some(silent)
    }

    /// Returns for how long nothing has been seen, and why, if that is so long that what is known
    /// of the agents says little.
    fn blindness(&self, now: Duration) -> Option<&str> {
        let (since, why) = self.blind.as_ref()?;
        (!self.is_listed || now.saturating_sub(*since) >= SILENCE).then_some(why)
    }

    /// Returns when the verdict may change although nothing is heard. None if it cannot.
    pub fn wakes(&self, now: Duration) -> Option<Duration> {
        if let Some((since, _)) = &self.blind {
            return Some(*since + SILENCE).filter(|at| *at > now);
        }
        let next = |known: &Known| {
            let changed = known.changed?;
            let ages = AGES.iter().map(|minutes| Duration::from_secs(60 * minutes));
            ages.chain([SILENCE]).map(|age| changed + age).filter(|at| *at > now).min()
        };
        self.known.values().filter_map(next).min()
    }

    /// Returns the agents that follow this pointer, or do not say which they follow.
    fn of<'a>(&'a self, pointer: &'a str) -> impl Iterator<Item = (&'a str, &'a Known)> {
        let follows = move |known: &Known| match &known.said {
            Said::Report(report) => report.pointer == pointer,
            Said::Nothing | Said::Unreadable(_) => true,
        };
        self.known.iter().filter(move |(_, known)| follows(known)).map(|(name, known)| (name.as_str(), known))
    }

    /// Returns the set that every agent of this pointer has loaded: the oldest of theirs. None if
    /// there is no agent, or if one runs none of these sets. What a silent agent loaded counts: it
    /// was proved, and a silent agent proves nothing newer.
    pub fn loaded(&self, pointer: &str, history: &History) -> Option<LoadedSet> {
        let sets: Option<Vec<&DeliveredSet>> = self
            .of(pointer)
            .map(|(_, known)| {
                let (revision, digest) = running(known)?;
                history.find(revision, digest)
            })
            .collect();
        let lowest = sets?.into_iter().min_by_key(|set| set.snapshot)?;
        Some(LoadedSet { snapshot: lowest.snapshot, left_out: lowest.left_out.clone() })
    }

    /// Returns the objects that an agent of this pointer holds back, each with the newest snapshot
    /// to which that applies. An object that changed since is not judged by it.
    pub fn rejected(&self, pointer: &str, history: &History) -> BTreeMap<ObjectKey, Rejection> {
        let mut rejected = BTreeMap::<ObjectKey, Rejection>::new();
        for (agent, known) in self.of(pointer) {
            let Said::Report(report) = &known.said else { continue };
            let set = running(known).and_then(|(revision, digest)| history.find(revision, digest));
            let Some(set) = set else { continue };
            for held in &report.held {
                let Some((namespace, name)) = held.object.split_once('/') else { continue };
                let rejection = Rejection {
                    agent: agent.to_owned(),
                    message: held.message.clone(),
                    revision: set.snapshot,
                };
                let key = ObjectKey::new(namespace, name);
                match rejected.get(&key) {
                    Some(other) if other.revision >= rejection.revision => {}
                    _ => drop(rejected.insert(key, rejection)),
                }
            }
        }
        rejected
    }
}

/// Returns what the Icinga 2 of an agent runs. None if it runs no set.
fn running(known: &Known) -> Option<(Revision, Digest)> {
    let Said::Report(report) = &known.said else { return None };
    let set = report.running.as_ref()?;
    Some((set.revision.parse().ok()?, set.digest.parse().ok()?))
}

#[cfg(test)]
mod tests;
