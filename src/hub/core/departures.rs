//! Objects that left: by a delete event, because a complete LIST did not name them, or because the start found a file
//! without a resource. Two things look like a person who deletes and are none: a CRD that was deleted took every object with
//! it, and an API server that was restored, or lies, lists less than there is. So nothing is removed before the hub asked.
//!
//! - The CRD is lost, or is another one than before: what left is held until it has been back for a while.
//! - Much left within a short time: a second LIST must agree, and a person must allow it.
//! - A file is of a namespace that is not watched: nobody can know its resource, so a person must allow it.

use super::{Command, Consent, Core, Held, Part};
use crate::api::marks::REMOVALS_ALLOWED_UNTIL;
use crate::identity::{ObjectKey, Uid};
use crate::references::Index;
use crate::watch::{Crd, Listed};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How long after the CRD's return its objects may take to return, too.
const GRACE: Duration = Duration::from_mins(10);
/// How often a lost CRD is looked for, and whether removals that are held are allowed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The same while nothing waits for the answer: the CRD is back, and so is everything else.
const LOOK_RARELY: Duration = Duration::from_secs(30);
/// What is held is said again this often, if it changed: each time costs a status of every satellite.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// Deletions gather until none came for this long, so that many are seen as many: they come one by one.
const GATHER: Duration = Duration::from_secs(1);
/// And no longer than this, so that somebody who deletes all the time deletes.
const GATHER_MAX: Duration = Duration::from_secs(30);
/// Removals within this time count as one.
const WINDOW: Duration = Duration::from_mins(10);
/// Removals may be allowed for at most this long, so that nobody leaves the guard off.
pub const ALLOWED_MAX: i64 = 3_600;

/// Which removals wait for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovalGuard {
    /// Largest share of the set that may leave within ten minutes, in percent. 100 turns the guard off.
    pub share: u8,
    /// Fewer objects than this may always leave.
    pub least: usize,
}

impl Default for RemovalGuard {
    fn default() -> Self {
        Self { share: 30, least: 20 }
    }
}

/// Objects that left and are not gone yet.
#[derive(Default)]
pub(super) struct Departures {
    /// With the UID of the resource. `None` for a file that the start found without one.
    leaving: BTreeMap<ObjectKey, Option<Uid>>,
    /// When the first and the last deletion came of those that gather.
    gathering: Option<(Duration, Duration)>,
    /// Those that had left when the running question began.
    asking: Option<Asking>,
    /// The first question was answered.
    is_answered: bool,
    /// The CRD under which the volume was published. `None` if nobody knows.
    crd: Option<Uid>,
    lost: Option<Lost>,
    /// When how many objects were let go.
    recent: VecDeque<(Duration, usize)>,
    /// When it was said last that removals are held. `None` if none are.
    said: Option<Duration>,
    /// A second LIST agreed that what is held left. From then on only a person lets it go: while somebody applies the objects
    /// again, their share falls, and the rest must not go for that.
    is_confirmed: bool,
    look_again: Option<Duration>,
}

/// A question that is under way, and about whom.
enum Asking {
    Consent(Vec<ObjectKey>),
    List { about: Vec<ObjectKey>, allowed_until: i64 },
}

/// The CRD was deleted.
enum Lost {
    Gone,
    /// It is back since then, or another one is.
    Back(Duration),
}

impl Departures {
    pub fn new(crd: Option<Uid>) -> Self {
        Self { crd, ..Self::default() }
    }

    /// An object was deleted.
    pub fn insert_deleted(&mut self, key: ObjectKey, uid: Uid, now: Duration) {
        let first = self.gathering.map_or(now, |(first, _)| first);
        self.gathering = Some((first, now));
        self.look_soon(now);
        self.leaving.insert(key, Some(uid));
    }

    /// A complete LIST did not name an object.
    pub fn insert_missing(&mut self, key: ObjectKey, uid: Uid, now: Duration) {
        self.look_soon(now);
        self.leaving.insert(key, Some(uid));
    }

    /// The start found a file without a resource.
    pub fn insert_file(&mut self, key: ObjectKey) {
        self.leaving.insert(key, None);
    }

    fn look_soon(&mut self, now: Duration) {
        self.look_again = self.look_again.map(|due| due.min(now + LOOK_AGAIN));
    }

    /// An object is there after all, or again.
    pub fn cancel(&mut self, key: &ObjectKey) {
        self.leaving.remove(key);
    }

    /// Returns whether an object left and is not gone yet.
    pub fn is_leaving(&self, key: &ObjectKey) -> bool {
        self.leaving.contains_key(key)
    }

    /// Returns whether the first question was answered. Nothing is published before: what takes the place of something that
    /// left would wait for it, and its status would say so for a moment.
    pub fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Returns when the next question is due.
    pub fn due(&self) -> Option<Duration> {
        let gathered = self.gathering.map(|(first, last)| (last + GATHER).min(first + GATHER_MAX));
        let due = self.look_again.max(gathered).unwrap_or_default();
        (self.has_cause() && self.asking.is_none()).then_some(due)
    }

    fn has_cause(&self) -> bool {
        !self.is_answered || !self.leaving.is_empty() || self.lost.is_some() || self.said.is_some()
    }

    /// Returns how many objects were let go lately.
    fn recent(&mut self, now: Duration) -> usize {
        while self.recent.front().is_some_and(|(when, _)| now.saturating_sub(*when) > WINDOW) {
            self.recent.pop_front();
        }
        self.recent.iter().map(|(_, count)| count).sum()
    }
}

/// Returns the visible objects that leave with these: themselves, and whatever names them, through any number of others.
fn taken_along(index: &Index, keys: &[ObjectKey]) -> BTreeSet<ObjectKey> {
    let is_visible = |key: &ObjectKey| index.visible(key).is_some();
    let mut taken: BTreeSet<ObjectKey> = keys.iter().filter(|key| is_visible(key)).cloned().collect();
    let mut next: Vec<ObjectKey> = taken.iter().cloned().collect();
    while let Some(content) = next.pop().and_then(|key| index.visible(&key)) {
        for (name, _) in content.names() {
            for referrer in index.referrers(name).into_iter().filter(is_visible) {
                if taken.insert(referrer.clone()) {
                    next.push(referrer);
                }
            }
        }
    }
    taken
}

impl Core {
    /// Asks before what left is removed.
    pub(super) fn ask_about_departures(&mut self) {
        let departures = &mut self.departures;
        let is_due = departures.due().is_some_and(|due| due <= self.now.elapsed);
        if !self.recovery.is_listed || !is_due {
            return;
        }
        departures.gathering = None;
        departures.asking = Some(Asking::Consent(departures.leaving.keys().cloned().collect()));
        self.command(Command::AskConsent);
    }

    /// The API server was asked whether what left may go.
    pub(super) fn consent_answered(&mut self, consent: Consent) {
        let now = self.now.elapsed;
        let departures = &mut self.departures;
        departures.is_answered = true;
        let Some(Asking::Consent(about)) = departures.asking.take() else { return };
        departures.look_again = Some(now + LOOK_AGAIN);
        match consent.crd {
            Crd::Unknown(why) => {
                tracing::warn!(%why, held = about.len(), "cannot ask for the CRD; deletions wait");
                return;
            }
            Crd::Lost => departures.lost = Some(Lost::Gone),
            Crd::Installed(uid) => self.crd_is_installed(uid),
        }
        let departures = &mut self.departures;
        if departures.lost.is_some() {
            let why = (!departures.leaving.is_empty()).then(|| {
                format!(
                    "the CRD was deleted, and {} objects with it; what they published is kept until the CRD is back for {} \
                     minutes: install it and apply the objects again",
                    departures.leaving.len(),
                    GRACE.as_secs() / 60
                )
            });
            if departures.leaving.is_empty() {
                departures.look_again = Some(now + LOOK_RARELY);
            }
            self.readiness(Part::Crd, why);
            return;
        }
        departures.look_again = None;
        self.readiness(Part::Crd, None);
        let allowed_until = consent.allowed_until;
        let is_confirmed = self.departures.is_confirmed && !about.is_empty();
        if is_confirmed && !self.is_allowed(allowed_until) {
            self.hold_for_a_person(&about, allowed_until);
        } else if is_confirmed || self.are_too_many(&about) {
            self.departures.asking = Some(Asking::List { about, allowed_until });
            self.command(Command::ListAgain);
        } else {
            self.let_go(about, false);
        }
    }

    /// Returns whether a permission counts now.
    fn is_allowed(&self, until: i64) -> bool {
        (0..=ALLOWED_MAX).contains(&until.saturating_sub(self.now.unix))
    }

    fn crd_is_installed(&mut self, uid: Option<Uid>) {
        let now = self.now.elapsed;
        let departures = &mut self.departures;
        let is_another = uid.is_some() && departures.crd.is_some() && uid != departures.crd;
        match departures.lost {
            Some(Lost::Gone) => departures.lost = Some(Lost::Back(now)),
            None if is_another => departures.lost = Some(Lost::Back(now)),
            Some(Lost::Back(since)) if now.saturating_sub(since) > GRACE => departures.lost = None,
            Some(Lost::Back(_)) | None => {}
        }
        if let Some(uid) = uid.filter(|uid| departures.lost.is_none() && departures.crd.as_ref() != Some(uid))
        {
            departures.crd = Some(uid.clone());
            self.command(Command::RememberCrd(uid));
        }
    }

    /// Returns whether more would leave with these than may leave without a person.
    fn are_too_many(&mut self, about: &[ObjectKey]) -> bool {
        let (removed, recent) = self.removed_with(about);
        let is_large = removed >= self.guard.least
            && removed * 100 > self.set_before(recent) * usize::from(self.guard.share);
        !about.is_empty() && is_large || self.unwatched(about).next().is_some()
    }

    /// Returns those of namespaces that are not watched.
    fn unwatched<'a>(&'a self, about: &'a [ObjectKey]) -> impl Iterator<Item = &'a ObjectKey> {
        about.iter().filter(|key| !self.watched.has(key.namespace()))
    }

    /// Returns how many objects leave, with those that left lately, and how many these are.
    fn removed_with(&mut self, about: &[ObjectKey]) -> (usize, usize) {
        let recent = self.departures.recent(self.now.elapsed);
        (recent + taken_along(&self.index, about).len(), recent)
    }

    /// Returns how large the set was before the latest removals.
    fn set_before(&self, recent: usize) -> usize {
        recent + self.index.all_visible().count()
    }

    /// A second LIST was complete, or failed: what it names did not leave.
    pub(super) fn listed_again(&mut self, listed: Result<Listed, String>) {
        let Some(Asking::List { mut about, allowed_until }) = self.departures.asking.take() else { return };
        let unconfirmed = |count: usize, why: &str| {
            format!("{count} objects left, and a second LIST cannot confirm it: {why}")
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(why) => {
                self.departures.look_again = Some(self.now.elapsed + LOOK_AGAIN);
                return self.hold(about.len(), unconfirmed(about.len(), &why));
            }
        };
        // Nobody knows what left of a namespace that could not be listed: that waits, and the rest does not.
        let asked = about.len();
        about.retain(|key| !listed.unknown.contains_key(key.namespace()));
        if let Some((namespace, why)) = listed.unknown.first_key_value().filter(|_| about.len() < asked) {
            self.departures.look_again = Some(self.now.elapsed + LOOK_AGAIN);
            if about.is_empty() {
                return self.hold(asked, unconfirmed(asked, &format!("namespace {namespace}: {why}")));
            }
        }
        let mut refuted = 0;
        about.retain(|key| {
            let Some(present) = listed.objects.get(key) else { return true };
            refuted += 1;
            // A file stays without a resource until the watch brings that.
            if self.departures.leaving.get(key).is_some_and(|uid| uid.as_ref() == Some(present)) {
                self.departures.leaving.remove(key);
            }
            false
        });
        if refuted > 0 {
            tracing::warn!(
                objects = refuted,
                "the watch said that they were deleted, and a second LIST names them"
            );
        }
        let is_allowed = self.is_allowed(allowed_until);
        let is_held = self.departures.is_confirmed && !about.is_empty() || self.are_too_many(&about);
        if is_held && !is_allowed {
            if !std::mem::replace(&mut self.departures.is_confirmed, true) {
                // Another reason than that the LIST failed.
                self.departures.said = None;
            }
            self.hold_for_a_person(&about, allowed_until);
        } else {
            self.let_go(about, is_allowed);
        }
    }

    fn hold_for_a_person(&mut self, about: &[ObjectKey], allowed_until: i64) {
        self.departures.look_again = Some(self.now.elapsed + LOOK_AGAIN);
        let (removed, recent) = self.removed_with(about);
        let set = self.set_before(recent);
        let example = about.first().map(ToString::to_string).unwrap_or_default();
        let unwatched: Vec<_> = self.unwatched(about).collect();
        let mut why = if let Some(first) = unwatched.first() {
            format!(
                "{} files on the volume are of namespaces that this operator does not watch, for example {}; they stay there and \
                 on the satellites, and with them everything else that was deleted. Add these namespaces to --watch-namespaces \
                 (watchNamespaces of the chart), use another volume if another operator publishes them, or, if they were taken \
                 out on purpose, run `groundlink removals allow`",
                unwatched.len(),
                first.path()
            )
        } else {
            format!(
                "{removed} of {set} objects would be removed within {} minutes, for example {example}, and more than {} % may \
                 not without a person; they stay on the volume and on the satellites. If they were deleted on purpose, run \
                 `groundlink removals allow`; if not, apply them again",
                WINDOW.as_secs() / 60,
                self.guard.share
            )
        };
        if allowed_until.saturating_sub(self.now.unix) > ALLOWED_MAX {
            why += &format!(
                ". The Lease's annotation {REMOVALS_ALLOWED_UNTIL} does not count: it must be a time (RFC 3339) within the next \
                 hour"
            );
        }
        self.hold(removed, why);
    }

    fn hold(&mut self, count: usize, why: String) {
        let now = self.now.elapsed;
        if self.departures.said.is_none_or(|said| said + SAY_AGAIN <= now) {
            self.departures.said = Some(now);
            self.command(Command::HoldRemovals(Some(Held { count, why })));
        }
    }

    /// These are gone. What a person allowed does not count against the next.
    fn let_go(&mut self, keys: Vec<ObjectKey>, is_allowed: bool) {
        self.departures.is_confirmed = false;
        if self.departures.said.take().is_some() {
            self.command(Command::HoldRemovals(None));
        }
        let keys: Vec<_> = keys.into_iter().filter(|key| self.departures.is_leaving(key)).collect();
        if keys.is_empty() {
            return;
        }
        let taken = taken_along(&self.index, &keys);
        if is_allowed {
            self.departures.recent.clear();
        } else {
            self.departures.recent.push_back((self.now.elapsed, taken.len()));
        }
        if !self.snapshots.is_any_cut() {
            // The first snapshot waits for what becomes of those that name them.
            let others: Vec<_> =
                taken.into_iter().filter(|key| self.objects.entries.contains_key(key)).collect();
            self.files.dirty.extend(others.iter().cloned());
            self.recovery.undecided.extend(others);
        }
        for key in keys {
            match self.departures.leaving.remove(&key).flatten() {
                Some(uid) => {
                    if self.objects.entries.get(&key).is_some_and(|entry| entry.uid == uid) {
                        self.gone(&key);
                    }
                }
                None => self.file_goes(&key),
            }
        }
    }
}
