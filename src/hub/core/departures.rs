//! Objects that left: by a delete event, or because a complete LIST did not name them. Before anything is removed the hub
//! asks for the CRD. Whoever deletes the CRD deletes every object with it. That must not take the monitoring of all clusters
//! away, so what left with the CRD is held until it has been back for a while.

use super::{Command, Core, Part};
use crate::identity::{ObjectKey, Uid};
use crate::watch::Crd;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after the CRD's return its objects may take to return, too.
const GRACE: Duration = Duration::from_mins(10);
/// How often a lost CRD is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Objects that left and are not gone yet.
#[derive(Default)]
pub(super) struct Departures {
    leaving: BTreeMap<ObjectKey, Uid>,
    /// Those that had left when the running probe began.
    probing: Option<Vec<ObjectKey>>,
    lost: Option<Lost>,
    look_again: Option<Duration>,
}

/// The CRD was deleted.
enum Lost {
    Gone,
    /// It is back since then.
    Back(Duration),
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

    /// Returns when the CRD is asked for again.
    pub fn due(&self) -> Option<Duration> {
        self.look_again.filter(|_| !self.leaving.is_empty() && self.probing.is_none())
    }
}

impl Core {
    /// Asks for the CRD if something left.
    pub(super) fn probe_crd(&mut self) {
        let departures = &mut self.departures;
        let is_due = departures.look_again.is_none_or(|due| due <= self.now.elapsed);
        if departures.leaving.is_empty() || departures.probing.is_some() || !is_due {
            return;
        }
        departures.probing = Some(departures.leaving.keys().cloned().collect());
        self.command(Command::ProbeCrd);
    }

    /// The CRD was asked for: what had left when the probe began is gone, or is held.
    pub(super) fn crd_probed(&mut self, crd: &Crd) {
        let now = self.now.elapsed;
        let departures = &mut self.departures;
        let probed = departures.probing.take().unwrap_or_default();
        departures.look_again = Some(now + LOOK_AGAIN);
        match (crd, &departures.lost) {
            (Crd::Unknown(why), _) => {
                tracing::warn!(%why, held = probed.len(), "cannot ask for the CRD; deletions wait");
                return;
            }
            (Crd::Lost, _) => departures.lost = Some(Lost::Gone),
            (Crd::Installed, Some(Lost::Gone)) => departures.lost = Some(Lost::Back(now)),
            (Crd::Installed, Some(Lost::Back(since))) if now.saturating_sub(*since) > GRACE => {
                departures.lost = None;
            }
            (Crd::Installed, _) => {}
        }
        if departures.lost.is_some() {
            let held = departures.leaving.len();
            let why = format!(
                "the CRD was deleted, and {held} objects with it; what they published is kept until the CRD is back for {} \
                 minutes: install it and apply the objects again",
                GRACE.as_secs() / 60
            );
            self.readiness(Part::Crd, Some(why));
            return;
        }
        departures.look_again = None;
        for key in probed {
            let Some(uid) = self.departures.leaving.remove(&key) else { continue };
            if self.objects.entries.get(&key).is_some_and(|entry| entry.uid == uid) {
                self.gone(&key);
            }
        }
        self.readiness(Part::Crd, None);
    }
}
