//! Files and statuses that somebody else changed or removed. Each is put back, and the object of a file is not Ready until
//! then.
//!
//! A driver that watches the volume says which files to check. Where it sees nothing (NFS), one file after another is checked
//! anyway: [`AT_ONCE`] every second, so 10,000 files take five minutes, at about 20 KB/s.

use super::entry::OnVolume;
use super::inspection::Work;
use super::{Command, Core, Measurement};
use crate::identity::ObjectKey;
use crate::metrics::Correction;
use crate::publish::{Content, Found};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Files of a round that are checked at once, and the pause after them.
const AT_ONCE: usize = 32;
const STEP: Duration = Duration::from_secs(1);
/// A round begins at most so often.
const ROUND: Duration = Duration::from_mins(5);
/// Files that are checked at once because somebody touched them, and the least pause after that.
const TOUCHED_AT_ONCE: usize = 200;
const PAUSE: Duration = Duration::from_millis(250);
/// Touched files that are remembered. If there are more, a round begins instead.
const REMEMBERED: usize = 10_000;
/// So often in [`WINDOW`] a file is put back at once, and after that every [`SLOW`]: the figures of a fight on a satellite.
const CORRECTIONS: u32 = 6;
const WINDOW: Duration = Duration::from_mins(10);
const SLOW: Duration = Duration::from_mins(5);

/// Files to check, and those that somebody else changed.
pub(super) struct Changes {
    touched: BTreeSet<ObjectKey>,
    /// Files that are being checked.
    asked: BTreeSet<ObjectKey>,
    checked: Option<Duration>,
    /// What is left of the round, last first.
    round: Vec<ObjectKey>,
    /// When the last step of the round was.
    stepped: Duration,
    /// When the next round begins.
    next: Duration,
    /// How often each file was changed, and since when that is counted.
    changed: BTreeMap<ObjectKey, (u32, Duration)>,
    /// The same of statuses.
    statuses: BTreeMap<ObjectKey, (u32, Duration)>,
    /// Files and statuses that are put back later, because somebody keeps changing them.
    held: BTreeMap<ObjectKey, Duration>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            touched: BTreeSet::new(),
            asked: BTreeSet::new(),
            checked: None,
            round: Vec::new(),
            stepped: Duration::ZERO,
            // What the start found was read just now.
            next: ROUND,
            changed: BTreeMap::new(),
            statuses: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }
}

impl Changes {
    /// Returns when something is to be checked or put back.
    pub fn due(&self) -> Option<Duration> {
        let touched = self.checked.map_or(Duration::ZERO, |last| last + PAUSE);
        let touched = (!self.touched.is_empty()).then_some(touched);
        let round = if self.round.is_empty() { self.next } else { self.stepped + STEP };
        [touched, Some(round), self.held.values().min().copied()].into_iter().flatten().min()
    }

    /// Takes files to check, if that is due.
    fn take(&mut self, now: Duration) -> Vec<ObjectKey> {
        if !self.touched.is_empty() && self.checked.is_none_or(|last| last + PAUSE <= now) {
            self.checked = Some(now);
            let last = self.touched.iter().nth(TOUCHED_AT_ONCE).cloned();
            let rest = last.map(|key| self.touched.split_off(&key)).unwrap_or_default();
            return std::mem::replace(&mut self.touched, rest).into_iter().collect();
        }
        if !self.round.is_empty() && self.stepped + STEP <= now {
            self.stepped = now;
            return self.round.split_off(self.round.len().saturating_sub(AT_ONCE));
        }
        Vec::new()
    }
}

/// Counts a change by somebody else. Returns true if there are too many of them to correct each at once.
fn is_fight(changed: &mut BTreeMap<ObjectKey, (u32, Duration)>, key: &ObjectKey, now: Duration) -> bool {
    let (count, since) = changed.entry(key.clone()).or_insert((0, now));
    if *since + WINDOW <= now {
        (*count, *since) = (0, now);
    }
    *count += 1;
    let is_fight = *count > CORRECTIONS;
    if is_fight {
        *since = now;
    }
    is_fight
}

impl Core {
    /// Somebody touched files. `None` if it is not known which.
    pub(super) fn touched(&mut self, keys: Option<Vec<ObjectKey>>) {
        let changes = &mut self.changes;
        changes.touched.extend(keys.clone().unwrap_or_default());
        if keys.is_none() || changes.touched.len() > REMEMBERED {
            changes.touched.clear();
            changes.round.clear();
            changes.next = self.now.elapsed;
        }
    }

    /// Checks what somebody touched, or the next files of the round. Not beside a commit.
    pub(super) fn check_files(&mut self) {
        let now = self.now.elapsed;
        let due: Vec<_> =
            self.changes.held.iter().filter(|(_, due)| **due <= now).map(|(k, _)| k.clone()).collect();
        for key in due {
            self.changes.held.remove(&key);
            self.mark_dirty(&key);
        }
        if !self.may_read() {
            return;
        }
        let keys = self.changes.take(now);
        if !keys.is_empty() {
            self.inspection.begin(Work::Check);
            self.changes.asked = keys.iter().cloned().collect();
            self.command(Command::Check(keys));
        } else if self.changes.round.is_empty() && self.changes.next <= now {
            self.changes.next = now + ROUND;
            self.inspection.begin(Work::Check);
            self.command(Command::ListFiles);
        }
    }

    /// Returns whether files may be read now.
    fn may_read(&self) -> bool {
        let is_busy = !self.files.committing.is_empty() || self.inspection.is_under_way();
        !is_busy && self.recovery.is_listed && self.now.term.is_some()
    }

    /// Returns when files are to be read. `None` while they may not be: what ends that is an input.
    pub(super) fn read_wake(&self) -> Option<Duration> {
        let due = self.inspection.due().into_iter().chain(self.changes.due()).min();
        due.filter(|_| self.may_read())
    }

    /// The volume has these files: the round goes over them, and over those that it should have.
    pub(super) fn files_listed(&mut self, listed: Vec<ObjectKey>) {
        self.inspection.end();
        let entries = self.objects.entries.iter().filter(|(_, entry)| entry.on_volume.in_place().is_some());
        let all: BTreeSet<_> = entries.map(|(key, _)| key.clone()).chain(listed).collect();
        self.changes.round = all.into_iter().collect();
        let now = self.now.elapsed;
        for changed in [&mut self.changes.changed, &mut self.changes.statuses] {
            changed.retain(|_, (_, since)| *since + WINDOW > now);
        }
    }

    /// Files were checked. A slow volume leaves some for another time.
    pub(super) fn checked(&mut self, found: Vec<Found>) {
        self.inspection.end();
        let mut left = std::mem::take(&mut self.changes.asked);
        left.retain(|key| found.iter().all(|file| file.key != *key));
        self.changes.touched.extend(left);
        found.into_iter().for_each(|Found { key, content }| self.found(key, content));
    }

    fn found(&mut self, key: ObjectKey, content: Content) {
        let ours = match &content {
            Content::InPlace(in_place) => Some(in_place.digest()),
            Content::Visible(content) => Some(content.digest()),
            _ => None,
        };
        match self.objects.entries.get(&key).map(|entry| &entry.on_volume) {
            // It is written again, or read again, already.
            Some(OnVolume::Unknown(_) | OnVolume::Unreadable(_)) => {}
            Some(OnVolume::InPlace(in_place)) if ours == Some(in_place.digest()) => {}
            Some(OnVolume::InPlace(_)) => self.changed(key, content),
            Some(OnVolume::Absent) | None => {
                if self.objects.orphans.contains_key(&key) {
                    return;
                }
                if self.changes.held.contains_key(&key) {
                    return;
                }
                if matches!(content, Content::Foreign | Content::Visible(_) | Content::InPlace(_)) {
                    let what = match self.watched.has(key.namespace()) {
                        true => "it is removed",
                        false => "it stays until a person decides, because its namespace is not watched",
                    };
                    tracing::warn!(object = %key, "somebody put a file in the place of one that is not published; {what}");
                }
                self.unclaimed(key.clone(), content);
                if self.objects.orphans.contains_key(&key) {
                    self.measure(Measurement::Corrected(Correction::Added));
                    self.correct(&key);
                }
            }
        }
    }

    /// Somebody else changed the file of an object.
    fn changed(&mut self, key: ObjectKey, content: Content) {
        let (what, correction) = match &content {
            Content::Absent => ("removed", Correction::Removed),
            Content::Unreadable(_) => ("changed", Correction::Unreadable),
            _ => ("changed", Correction::Changed),
        };
        self.measure(Measurement::Corrected(correction));
        let unreadable = match &content {
            Content::Unreadable(why) => Some(format!("{why}; it is written anew")),
            _ => None,
        };
        let is_fight = self.correct(&key);
        let Some(entry) = self.objects.entries.get_mut(&key) else { return };
        entry.lose_file(match content {
            // Whether it survives is not known, so it is written whatever it seems to be.
            Content::Absent => OnVolume::Unknown(None),
            Content::InPlace(in_place) => OnVolume::Unknown(Some(in_place.content().clone())),
            other => OnVolume::from(other),
        });
        if entry.on_volume.unreadable().is_some() {
            self.inspection.unreadable(&key);
        }
        let path = key.path();
        entry.is_changed = unreadable.is_none();
        let message = unreadable.unwrap_or_else(|| match is_fight {
            false => format!("somebody {what} {path}; it is put back"),
            true => format!(
                "somebody keeps changing {path}: find out who; it was put back {CORRECTIONS} times in {} minutes, and is \
                 put back every {} minutes now",
                WINDOW.as_secs() / 60,
                SLOW.as_secs() / 60
            ),
        });
        tracing::warn!(object = %key, why = %message, "its file is not what was published");
        entry.failing = Some(message.into());
        self.check_status(&key);
    }

    /// Has a file put back that somebody changed, at once or later. Returns true if somebody keeps changing it.
    fn correct(&mut self, key: &ObjectKey) -> bool {
        let is_fight = is_fight(&mut self.changes.changed, key, self.now.elapsed);
        if is_fight {
            self.files.dirty.remove(key);
            self.changes.held.insert(key.clone(), self.now.elapsed + SLOW);
        } else {
            self.mark_dirty(key);
        }
        is_fight
    }

    /// The same for a status that somebody changed. A new spec of the object does not wait for it.
    pub(super) fn correct_status(&mut self, key: &ObjectKey) -> bool {
        let is_fight = is_fight(&mut self.changes.statuses, key, self.now.elapsed);
        if is_fight {
            self.changes.held.entry(key.clone()).or_insert(self.now.elapsed + SLOW);
        } else {
            self.mark_dirty(key);
        }
        is_fight
    }

    /// Puts files that are held back into a batch that names them: nothing is published before what it names.
    pub(super) fn unhold_named(&mut self, batch: &[crate::publish::Change]) -> Vec<ObjectKey> {
        let is_named = |key: &&ObjectKey| {
            let provides = self.index.visible(key).map(|content| content.provides()).unwrap_or_default();
            batch.iter().filter_map(|change| change.new_content()).any(|new| {
                new.uses()
                    .iter()
                    .flat_map(|needed| &needed.any_of)
                    .any(|name| provides.iter().any(|p| p.name == *name))
            })
        };
        let named: Vec<_> = self.changes.held.keys().filter(is_named).cloned().collect();
        for key in &named {
            self.changes.held.remove(key);
        }
        named
    }
}
