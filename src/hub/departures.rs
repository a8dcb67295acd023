//! Objects that left: by a delete event, or because a complete LIST did not name them. Before anything is removed the hub
//! asks how the CRD is. Who deletes the CRD deletes every object with it; that must not take the monitoring of all clusters
//! away, so what left with the CRD is held until it has been back for a while.

use super::Hub;
use crate::identity::{ObjectKey, Uid};
use crate::watch::Crd;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long after the CRD's return its objects may take to return too.
const GRACE: Duration = Duration::from_secs(600);
/// How often a lost CRD is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Objects that left and are not gone yet.
#[derive(Default)]
pub(super) struct Departures {
    leaving: BTreeMap<ObjectKey, Uid>,
    /// Those that had left when the running check began.
    checking: Option<Vec<ObjectKey>>,
    lost: Option<Lost>,
    look_again: Option<Instant>,
}

/// The CRD was deleted.
enum Lost {
    Gone,
    /// It is back since then.
    Back(Instant),
}

impl Departures {
    /// An object left.
    pub fn insert(&mut self, key: ObjectKey, uid: Uid) {
        self.leaving.insert(key, uid);
    }

    /// An object is there after all, or again.
    pub fn cancel(&mut self, key: &ObjectKey) {
        self.leaving.remove(key);
    }
}

impl Hub {
    /// Starts a check if something left.
    pub(super) fn check_departures(&mut self, checks: &mut JoinSet<Crd>) {
        let departures = &mut self.departures;
        let due = departures.look_again.is_none_or(|due| due <= Instant::now());
        if departures.leaving.is_empty() || departures.checking.is_some() || !due {
            return;
        }
        departures.checking = Some(departures.leaving.keys().cloned().collect());
        let probe = self.parts.crd.clone();
        checks.spawn(async move { probe.ask().await });
    }

    /// The check was answered: what had left when it began is gone, or is held.
    pub(super) fn departures_checked(&mut self, answer: Result<Crd, tokio::task::JoinError>) {
        let checked = self.departures.checking.take().unwrap_or_default();
        let answer = answer.unwrap_or_else(|error| Crd::Unknown(error.to_string()));
        let departures = &mut self.departures;
        departures.look_again = Some(Instant::now() + LOOK_AGAIN);
        match (&answer, &departures.lost) {
            (Crd::Unknown(why), _) => {
                tracing::warn!(%why, held = checked.len(), "cannot ask for the CRD; deletions wait");
                return;
            }
            (Crd::Lost, _) => departures.lost = Some(Lost::Gone),
            (Crd::Installed, Some(Lost::Gone)) => departures.lost = Some(Lost::Back(Instant::now())),
            (Crd::Installed, Some(Lost::Back(since))) if since.elapsed() > GRACE => departures.lost = None,
            (Crd::Installed, _) => {}
        }
        if departures.lost.is_some() {
            let held = departures.leaving.len();
            let why = format!(
                "the CRD was deleted, and {held} objects with it; what they published is kept until the CRD is back for {} \
                 minutes: install it and apply the objects again",
                GRACE.as_secs() / 60
            );
            self.parts.readiness.set("crd", Some(why));
            return;
        }
        departures.look_again = None;
        for key in checked {
            let Some(uid) = self.departures.leaving.remove(&key) else { continue };
            if self.entries.get(&key).is_some_and(|entry| entry.uid == uid) {
                self.gone(&key);
            }
        }
        self.parts.readiness.set("crd", None);
    }

    /// When a lost CRD is looked for again.
    pub(super) fn departures_due(&self) -> Option<Instant> {
        self.departures
            .look_again
            .filter(|_| !self.departures.leaving.is_empty() && self.departures.checking.is_none())
    }
}
