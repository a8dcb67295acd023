//! The condition `Loaded` of objects: what the hub's own Icinga 2 runs of them.

use super::Core;
use super::entry::Entry;
use super::refresh::Scope;
use super::reported::HubIcinga;
use crate::api::ConditionStatus;
use crate::identity::ObjectKey;
use crate::status::Loaded;

/// What is reported of an object that the hub's Icinga 2 does not run yet.
const NOT_YET: &str = "the hub's Icinga 2 has not proved yet that it runs this content";

impl Core {
    /// Returns how far what is published of an object got in the hub's Icinga 2. None if no agent of it
    /// is followed.
    pub(super) fn loaded(&self, key: &ObjectKey, entry: &Entry) -> Option<Loaded> {
        let icinga = self.icinga.as_ref()?;
        let Some(digest) = entry.on_volume.digest() else { return Some(Loaded::Awaited(NOT_YET.into())) };
        // Before the first report, what was recorded of the same bytes is true.
        let was_loaded = || {
            entry.recorded.loaded() == Some(ConditionStatus::True) && entry.recorded.published == Some(digest)
        };
        if icinga.runs(key, digest).unwrap_or_else(was_loaded) {
            return Some(Loaded::Runs);
        }
        if let Some((_, why)) = icinga.refused.get(key).filter(|(refused, _)| *refused == digest) {
            return Some(Loaded::Refused(why.clone()));
        }
        Some(match (&icinga.trouble, icinga.is_silent) {
            (_, true) => Loaded::Silent,
            (Some(trouble), false) => Loaded::Awaited(format!("{NOT_YET}; its agent says: {trouble}")),
            (None, false) => Loaded::Awaited(NOT_YET.into()),
        })
    }

    /// True if what the recorded status says of `Loaded` may be judged.
    pub(super) fn may_judge_loaded(&self) -> bool {
        self.icinga.as_ref().is_none_or(HubIcinga::is_heard)
    }

    /// Takes what the agent of the hub's Icinga 2 reported. What it loaded or refused is written at
    /// once, as Synced is; all else at the rate of the rewrites.
    pub(super) fn icinga_reported(&mut self, reported: HubIcinga) {
        let Some(now) = &mut self.icinga else { return };
        let before = std::mem::replace(now, reported);
        let is_reworded = (&before.trouble, before.is_silent) != (&now.trouble, now.is_silent);
        let (mut news, mut outdated) = (Vec::new(), Vec::new());
        for (key, entry) in &self.objects.entries {
            if !entry.published || !entry.is_recorded_ready() {
                continue;
            }
            let was_true = entry.recorded.loaded() == Some(ConditionStatus::True);
            match self.loaded(key, entry) {
                Some(Loaded::Runs) if was_true => {}
                Some(Loaded::Runs | Loaded::Refused(_)) => news.push(key.clone()),
                _ if was_true || is_reworded || entry.recorded.loaded().is_none() => {
                    outdated.push(key.clone());
                }
                _ => {}
            }
        }
        if !outdated.is_empty() {
            self.satellites.refresh.note(Scope::All, self.now.elapsed);
            // If it is not sure now who lacks one, it is looked at again.
            self.statuses.postponed.extend(outdated);
        }
        // In their order, so that a simulated run repeats itself.
        news.sort();
        for key in news {
            self.check_status(&key);
        }
    }

    /// Looks again at objects whose `Loaded` waited for what satellites hold.
    pub(super) fn look_at_postponed(&mut self) {
        let postponed = std::mem::take(&mut self.statuses.postponed);
        if !postponed.is_empty() {
            self.satellites.refresh.note(Scope::All, self.now.elapsed);
        }
        for key in postponed {
            self.check_status(&key);
        }
    }
}
